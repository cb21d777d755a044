//! The agent: how it is started, read, and stopped.

pub mod command;
pub mod environment;
pub mod lines;
pub mod process;
pub mod setup;
pub mod stream;
pub mod sweep;

pub use process::{Process, Runner, Stop};
