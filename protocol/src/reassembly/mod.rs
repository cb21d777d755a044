//! The rules by which a client turns deliveries into lines: once each, in order, with nothing
//! silently missing.
//!
//! CloudWatch may deliver twice, out of order or not at all; API Gateway may drop a post; the
//! connection may end at any time. The rules rest on one fact: a run's events are numbered from 1
//! without holes. So a client holds *ranges* of numbers, not a maximum:
//!
//! * what lies in a held range is dropped;
//! * at a hole it waits [`PATIENCE_MS`] (deliveries overtake each other), then asks for exactly the
//!   missing numbers, again and again at growing distances, and shows later lines meanwhile;
//! * a number counts as lost once a *complete* replay of its run from the start did not have it, asked for
//!   [`LOST_AFTER_MS`] after the hole was seen, or sooner where the server says that it will not come;
//! * what the server says about a run ([`RunInfo`](crate::message::RunInfo)) reveals a hole at the
//!   end; silence and an end without `run.end` are asked about as well;
//! * a `pong` that no `runs` precedes says that the server has forgotten the subscription: it is made again.
//!
//! [`Client`] is pure: it is told the time and what came in, and says what to show and send. The
//! TypeScript client follows the same rules; `scenarios/*.json` hold both to them.

mod asking;
mod client;
mod floor;
mod paging;
mod pings;
mod ranges;
mod request;
mod run;
mod types;

pub use client::Client;
pub use ranges::RangeSet;
pub use types::{Input, Line, Options, Output};

/// How long a hole may be a mere overtaking.
pub const PATIENCE_MS: u64 = 2_000;
/// Distances between requests for the same hole; the last one repeats.
pub const ASK_AGAIN_MS: [u64; 6] = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
/// A complete replay this long after a line was missed is believed when it lacks it: CloudWatch Logs
/// serves what it has within minutes.
pub const LOST_AFTER_MS: u64 = 300_000;
/// How long after the newest line the newest run's end is asked about.
pub const SILENCE_MS: [u64; 5] = [60_000, 120_000, 240_000, 480_000, 900_000];
/// When to ping after catching up; then every [`PING_EVERY_MS`].
pub const PING_AFTER_MS: [u64; 2] = [3_000, 15_000];
/// Distance of later pings; API Gateway closes an idle connection after ten minutes.
pub const PING_EVERY_MS: u64 = 60_000;
/// When to ping after hearing that a task changed its state: several changes are one question.
pub const PING_AFTER_TASK_MS: u64 = 1_000;
/// A request is made again when nothing of its answer has come for this long; API Gateway's own limit is
/// 29 s.
pub const ANSWER_MS: u64 = 35_000;
/// Within this time clients ask, each at a moment of its own, about what they all hear in the same moment:
/// that a run is over, or silent.
pub const APART_MS: u64 = 10_000;
/// How long nothing is asked after a fault of the gateway.
pub const GATEWAY_PAUSE_MS: u64 = 1_000;
