//! The commands of an operator: `ralph run`, `ps` and `stop`.

mod ps;
mod run;
pub mod stop;

pub use ps::run as ps;
pub use run::run;
pub use stop::run as stop;
