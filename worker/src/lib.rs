//! `ralph-loop-cloud`: runs a coding agent again and again on one branch until its work is
//! complete or a limit is reached.
//!
//! What holds, whatever the agent does and whenever the process ends:
//! * a pushed commit is never lost, and a dollar never counted twice or forgotten: nothing is spent
//!   before the log says how much it can be, and the log is the ledger;
//! * a credential is used only in repositories of the worker's own making, and only when nothing
//!   of the agent's is running;
//! * what is pushed is what was checked: no credential, no huge file, never the default branch,
//!   never by force;
//! * an event takes a number only when it is written down, so a hole in the numbers is a loss.
//!
//! * [`config`]: the `RALPH_*` environment, checked
//! * [`machine`]: the loop as a pure state machine; [`driver`] performs its effects
//! * [`agent`], [`classify`]: the agent's process, what it says, and how it ended
//! * [`gateway`]: the way to the model, with the keys the agent never sees
//! * [`account`]: what is reserved, spent and said
//! * [`git`]: checkout, checkpoints, pushes, the ledger in commit trailers
//! * [`journal`], [`redact`]: events, numbered and without secrets
//! * [`run`], [`validate`]: one run, and what can be checked before it
//! * [`platform`]: what the operating system does to keep the secrets, and the agent from the worker

pub mod account;
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
