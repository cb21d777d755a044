//! The worker as a process, against real git remotes, with the scripted agent.

mod agent;
mod app;
mod configuration;
mod endpoint;
mod environment;
mod git;
mod github;
mod harness;
#[cfg(target_os = "linux")]
mod honest;
#[cfg(target_os = "linux")]
mod hostile;
mod https;
mod interruption;
mod lfs;
mod limits;
mod model;
mod places;
mod pull_request;
mod repository;
mod rescue;
mod reuse;
mod setup;
mod soak;
mod states;
mod submodules;
mod tls;
mod traps;
mod volume;
