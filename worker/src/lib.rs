//! `ralph-loop-cloud`: runs a coding agent again and again on one branch until its work is
//! complete or a limit is reached.
//!
//! * [`config`]: the `RALPH_*` environment, checked
//! * [`machine`]: the loop as a pure state machine; [`driver`] performs its effects
//! * [`agent`], [`classify`]: the agent's process, what it says, and how it ended
//! * [`gateway`]: the way to the model, with the keys the agent never sees
//! * [`git`]: checkout, checkpoints, pushes, the ledger in commit trailers
//! * [`journal`], [`redact`]: events, numbered and without secrets
//! * [`run`], [`validate`]: one run, and what can be checked before it
//! * [`platform`]: what the operating system does to keep the secrets
pub mod agent;
pub mod classify;
pub mod config;
pub mod driver;
pub mod gateway;
pub mod git;
pub mod journal;
pub mod machine;
pub mod platform;
pub mod redact;
pub mod run;
pub mod validate;
