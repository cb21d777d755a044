//! The commands of an operator: `ralph run`, `ps`, `wait` and `stop`.

mod ps;
mod run;
pub mod stop;
mod wait;

pub use ps::run as ps;
pub use run::run;
pub use stop::run as stop;
pub use wait::run as wait;
