//! The worker as a process, against real git remotes, with the scripted agent.

mod agent;
mod configuration;
mod git;
mod harness;
mod hostile;
mod https;
mod interruption;
mod limits;
mod model;
mod rescue;
mod soak;
mod states;
