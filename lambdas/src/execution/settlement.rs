//! When a run is settled: its last lines have arrived, or none has for long enough.

use ralph_protocol::execution::{Ending, Tail};

/// Seconds between two reads of a tail, at least. Later it is a third of the time since the stop, so
/// that even a stream that grows all the time is read eleven times.
const AGAIN_SECS: u64 = 10;
/// Seconds after the stop from which on two equal reads settle a run.
const QUIET_SECS: u64 = 30;
/// Seconds after the stop at which a run is settled in any case.
const LATEST_SECS: u64 = 180;

/// In how many seconds the tail must be read again, and what is known by then; `None` when the run is
/// settled. `tail` is `None` where there is nothing to read. `now` is in ms since the epoch.
pub(super) fn pending(ending: &Ending, tail: Option<Tail>, now: u64) -> Option<(Ending, u64)> {
    let read = tail.filter(|tail| !tail.ended)?;
    let since = (now.saturating_sub(ending.stopped_at) / 1000).max(ending.waited);
    let quiet = since >= QUIET_SECS && ending.tail == Some(read);
    if quiet || since >= LATEST_SECS {
        return None;
    }
    let seconds = AGAIN_SECS.max(since / 3).min(LATEST_SECS - since);
    Some((Ending { waited: since + seconds, tail, ..ending.clone() }, seconds))
}

#[cfg(test)]
#[path = "settlement_tests.rs"]
mod tests;
