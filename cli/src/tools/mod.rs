//! Programs this one drives.

pub mod cargo;
pub mod children;
pub mod engine;
pub mod hex;
pub mod invocation;
pub mod output;
pub mod program;
pub mod python;
pub mod steps;
pub mod supervise;
pub mod terraform;
