//! The functions between CloudWatch Logs and the browser.
//!
//! * [`authorize`], [`connect`], [`disconnect`]: a connection begins and ends
//! * [`send_logs`]: a client subscribes to a workstream and reads back what it lacks
//! * [`push_logs`]: new lines go to the connections that follow their workstream
//! * [`task_events`]: a task changed its state: its run's row, and a frame to the same connections
//! * [`execution`]: an execution begins, and what follows each of its runs
//!
//! A handler is a free function over small traits ([`ports`]). Only `aws` knows the SDK, behind the
//! feature of the same name, so that everything else is tested in memory. No handler branches on
//! where it runs: endpoints differ, behaviour does not.
#![forbid(unsafe_code)]
// Functions run on a current-thread runtime: their futures need not be Send.
#![allow(async_fn_in_trait)]

pub mod authorize;
#[cfg(feature = "aws")]
pub mod aws;
pub mod config;
pub mod connect;
pub mod cursor;
pub mod delivery;
pub mod disconnect;
pub mod execution;
mod fanout;
pub mod frame;
pub mod invocation;
pub mod limiter;
pub mod line;
mod listing;
pub mod payload;
pub mod ports;
pub mod push_logs;
pub mod ranges;
pub mod replay;
pub mod request;
pub mod runs;
pub mod send_logs;
pub mod split;
pub mod task_events;
