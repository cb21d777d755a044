//! What the handlers do, as facts, with everything around them in memory and time under control.

mod authorize;
mod connect;
mod convergence;
mod executions;
mod fixtures;
mod hostile;
mod ledger;
mod memory;
mod notify;
mod push_logs;
mod replay;
mod send_logs;
mod task_events;
mod workers;
mod workstreams;
