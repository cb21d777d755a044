//! What an execution has used, as its workers have said on their log streams.
//!
//! A run is [settled](Ledger::set) once, from the end of its own stream, and the sum is made
//! from all runs again each time it is needed. Nothing is ever added to a sum that was handed over.

use serde::{Deserialize, Serialize};

use super::End;
use crate::event::Spend;

/// What a run has used, or all runs of an execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// Millionths of a US dollar, as the worker counts them: sums do not drift, and a step is read
    /// as it was written.
    pub micro_usd: u64,
    /// Iterations that ended.
    pub iterations: u32,
}

impl Used {
    /// The most that is counted, a billion dollars: what is beyond is as good as that.
    pub const MOST: Self = Self { micro_usd: 999_999_999_999_999, iterations: u32::MAX };

    /// What a run has used whose newest word this is. What it had reserved counts as spent: nobody
    /// knows what became of it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn said(spend: &Spend) -> Self {
        let micro_usd = ((spend.spent_usd + spend.reserved_usd) * 1e6).round() as u64;
        Self { micro_usd: micro_usd.min(Self::MOST.micro_usd), iterations: spend.iterations }
    }

    /// The money, US dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
    pub fn usd(self) -> f64 {
        self.micro_usd as f64 / 1e6
    }

    fn plus(self, other: Self) -> Self {
        let micro_usd = self.micro_usd.saturating_add(other.micro_usd);
        let iterations = self.iterations.saturating_add(other.iterations);
        Self { micro_usd: micro_usd.min(Self::MOST.micro_usd), iterations }
    }
}

/// What each settled run of an execution has used, by its attempt. A run that used nothing has no
/// entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(Vec<(u32, Used)>);

impl Ledger {
    /// Settles a run. Settling it again replaces what was there.
    pub fn set(&mut self, attempt: u32, used: Used) {
        self.0.retain(|(other, _)| *other != attempt);
        if used != Used::default() {
            self.0.push((attempt, used));
        }
    }

    /// What all settled runs have used.
    #[must_use]
    pub fn total(&self) -> Used {
        self.0.iter().fold(Used::default(), |sum, (_, used)| sum.plus(*used))
    }
}

/// What the end of a run's log stream says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tail {
    /// The highest `seq` of the run's events.
    pub last_seq: u64,
    /// `run.end` is there: no event follows.
    pub ended: bool,
    /// What the run has used by its newest word.
    pub used: Used,
    /// Until when the worker waits, ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_until: Option<u64>,
}

/// The end of a run that is not settled yet: its last lines may still be on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// How it ended.
    pub end: End,
    /// When its task stopped, ms since the epoch.
    pub stopped_at: u64,
    /// Seconds since then that the waits for its lines add up to: time passes even where clocks
    /// disagree.
    pub waited: u64,
    /// What its stream said when it was last read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tail: Option<Tail>,
}

impl Ending {
    /// Of a run that `decide` looks at for the first time. `now` is in ms since the epoch.
    #[must_use]
    pub fn new(end: End, now: u64) -> Self {
        let stopped_at = end.stopped_at.map_or(now, |stopped| stopped.min(now));
        Self { end, stopped_at, waited: 0, tail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_costs_what_it_last_said_and_what_it_had_reserved() {
        let spend = |spent_usd, reserved_usd| Spend {
            spent_usd,
            reserved_usd,
            iterations: 3,
            ..Spend::default()
        };
        for (said, micro_usd, usd) in [
            (spend(0.0, 0.0), 0, 0.0),
            (spend(0.1, 0.2), 300_000, 0.3),
            (spend(1.234_567, 0.000_001), 1_234_568, 1.234_568),
            (spend(-1.0, 0.5), 0, 0.0),
            (spend(1e300, 1e300), 999_999_999_999_999, 999_999_999.999_999),
        ] {
            let used = Used::said(&said);
            assert_eq!(used, Used { micro_usd, iterations: 3 }, "{said:?}");
            assert!((used.usd() - usd).abs() < f64::EPSILON, "{said:?}");
        }
    }

    #[test]
    fn a_run_that_is_settled_twice_counts_once() {
        let used = |micro_usd| Used { micro_usd, iterations: 1 };
        let mut ledger = Ledger::default();
        ledger.set(1, used(5));
        ledger.set(3, used(7));
        ledger.set(1, used(6));
        assert_eq!(ledger.total(), Used { micro_usd: 13, iterations: 2 });
        ledger.set(3, Used::default());
        assert_eq!(ledger.total(), used(6));
        ledger.set(4, Used::MOST);
        assert_eq!(ledger.total(), Used::MOST, "a sum that cannot be counted is the most");
    }
}
