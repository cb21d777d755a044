//! The worker as a process, against real git remotes, with the scripted agent.

mod agent;
mod configuration;
mod git;
mod harness;
mod hostile;
mod interruption;
mod limits;
mod model;
mod soak;
mod states;
