//! What the parts of ralph-cloud must agree on, and nothing else: no I/O, no AWS, no clock.
//!
//! * [`ids`]: workstream and run identifiers
//! * [`execution`]: what starts a workstream's work, and what is told at its end
//! * [`event`]: what the worker writes, one line of JSON an event
//! * [`index`]: the list of workstreams, and how its rows change
//! * [`link`]: where the lines of a run can be read
//! * [`message`]: what crosses the WebSocket
//! * [`reassembly`]: the rules by which a client turns deliveries into lines, once and in order
//! * [`token`]: the claims of the connection token, how it is signed and verified
//! * [`table`]: the keys of the `connections` table
//! * [`secret`]: the shapes of the three secrets
//! * [`names`]: resources, environment variables, outputs, handlers
//! * [`nearest`](mod@nearest): the name that somebody may have meant
//! * [`exit`]: the worker's exit codes
//! * `typescript`, a feature: the types that the client shares
#![forbid(unsafe_code)]

pub mod event;
pub mod execution;
pub mod exit;
pub mod ids;
pub mod index;
pub mod link;
pub mod message;
pub mod names;
pub mod nearest;
pub mod reassembly;
pub mod secret;
pub mod table;
pub mod token;
#[cfg(feature = "typescript")]
pub mod typescript;
