//! The list of workstreams: one row each, [`INDEX`](crate::table::INDEX), written wherever a
//! workstream's state changes.
//!
//! Who writes does not know what the others have written: deliveries come twice and out of order, a
//! function is called again, and an execution that was thought to be over says one more word. So what
//! is new is [merged](merge) into the row, and the row is written only if nobody has changed it since
//! it was read. Whatever the order, the same row comes out.

use serde::{Deserialize, Serialize};

use crate::{
    execution::Outcome,
    ids::{Run, Workstream},
};

/// Most workstreams that a list holds: those whose executions are the newest.
pub const MAX_LISTED: usize = 1_000;

/// Where a workstream stands: its newest execution. Within a run it never goes back:
/// [`WorkstreamState::rank`] only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum WorkstreamState {
    /// A task was asked for; no event has been seen.
    Starting,
    /// Its worker writes events.
    Running,
    /// Its newest run is over; what that has cost and what follows is being found out.
    Ending,
    /// It waits until a limit resets, for room for a task, or before it tries again.
    Waiting,
    /// Over: somebody stopped it.
    Stopped,
    /// Over: a limit was reached.
    Limit,
    /// Over: the worker cannot go on without a person.
    Blocked,
    /// Over: the task cannot start.
    CannotStart,
    /// Over: it was restarted as often as allowed, without success.
    GaveUp,
    /// Over: the work is complete.
    Complete,
}

impl WorkstreamState {
    /// All of them, in the order of their ranks.
    pub const ALL: [Self; 10] = [
        Self::Starting,
        Self::Running,
        Self::Ending,
        Self::Waiting,
        Self::Stopped,
        Self::Limit,
        Self::Blocked,
        Self::CannotStart,
        Self::GaveUp,
        Self::Complete,
    ];

    /// Its place among all, from 0: no two states share one, so that of two reports about the same
    /// run the same one wins everywhere. An execution's own word wins over `ralph stop`'s.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The state as the messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Limit => "limit",
            Self::Blocked => "blocked",
            Self::CannotStart => "cannotStart",
            Self::GaveUp => "gaveUp",
            Self::Complete => "complete",
        }
    }

    /// Whether the row says that the execution is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.rank() >= Self::Stopped.rank()
    }

    /// The state of an execution that is over; `None` where another execution has the workstream, or
    /// nothing was begun: then the row is not its own.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Complete => Self::Complete,
            Outcome::Limit => Self::Limit,
            Outcome::Blocked => Self::Blocked,
            Outcome::Stopped => Self::Stopped,
            Outcome::CannotStart => Self::CannotStart,
            Outcome::GaveUp => Self::GaveUp,
            Outcome::Refused | Outcome::Busy => return None,
        })
    }
}

/// Where a workstream stands: a line of the list, and what is new about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct WorkstreamInfo {
    /// The workstream.
    pub workstream: Workstream,
    /// Its newest execution's name; absent before `admit` has told it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub execution: Option<String>,
    /// Its newest run.
    pub run: Run,
    /// Where its newest execution stands.
    pub state: WorkstreamState,
    /// When that execution was started, ms since the epoch.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub started_at: u64,
    /// Since when it stands there, ms since the epoch.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub changed_at: u64,
    /// Latest event time, ms since the epoch; 0 before the first event. While lines come, it is up to
    /// a minute late.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub last_ts: u64,
    /// Until when it waits, ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub wait_until: Option<u64>,
    /// What the execution has cost so far, US dollars. As late as `last_ts` while it runs; once it is
    /// over it is the ledger's number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent_usd: Option<f64>,
    /// The pull request with its work, a link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pull_request: Option<String>,
    /// Why it ended, or why it waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The exit code of the worker that ended last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub exit: Option<i64>,
}

impl WorkstreamInfo {
    /// Says that a run is in this state since `now`, ms since the epoch.
    #[must_use]
    pub fn new(workstream: Workstream, run: Run, state: WorkstreamState, now: u64) -> Self {
        Self {
            workstream,
            execution: None,
            state,
            started_at: run.started_ms(),
            run,
            changed_at: now,
            last_ts: 0,
            wait_until: None,
            spent_usd: None,
            pull_request: None,
            reason: None,
            exit: None,
        }
    }
}

/// What is known after a report, of the same workstream. The order of reports, and how often one comes,
/// change nothing:
///
/// * the newer run counts, and of one run the state with the higher rank;
/// * within a run's state, it began at the earlier time, and else the larger value counts;
/// * within an execution, money and times only grow, and of two pull requests the one with the longer
///   link counts, which has the higher number. The next execution begins without any.
#[must_use]
pub fn merge(held: WorkstreamInfo, new: WorkstreamInfo) -> WorkstreamInfo {
    let place = |info: &WorkstreamInfo| (info.run.clone(), info.state.rank());
    let (earlier, mut later) = if place(&held) <= place(&new) { (held, new) } else { (new, held) };
    if place(&earlier) == place(&later) {
        later.changed_at = later.changed_at.min(earlier.changed_at);
        later.wait_until = later.wait_until.max(earlier.wait_until);
        later.exit = later.exit.max(earlier.exit);
        later.reason = longer(later.reason, earlier.reason);
    }
    if earlier.run.ulid() == later.run.ulid() {
        later.last_ts = later.last_ts.max(earlier.last_ts);
        let spent = later.spent_usd.into_iter().chain(earlier.spent_usd);
        later.spent_usd = spent.reduce(f64::max);
        later.pull_request = longer(later.pull_request, earlier.pull_request);
        later.execution = longer(later.execution, earlier.execution);
    }
    later
}

/// The longer of two texts; of two that are as long, the one that sorts last.
fn longer(one: Option<String>, other: Option<String>) -> Option<String> {
    one.into_iter().chain(other).max_by(|a, b| (a.len(), a).cmp(&(b.len(), b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const SECOND: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

    fn info(run: &str, state: WorkstreamState) -> WorkstreamInfo {
        WorkstreamInfo::new("docs".parse().unwrap(), run.parse().unwrap(), state, 9)
    }

    #[test]
    fn states_are_told_apart_and_written_as_the_messages_write_them() {
        for (rank, state) in WorkstreamState::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.rank()), rank, "{state:?}");
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn an_outcome_is_a_state_of_its_own_name() {
        for outcome in Outcome::ALL {
            match WorkstreamState::of(outcome) {
                Some(state) => {
                    assert_eq!(state.as_str(), outcome.as_str());
                    assert!(state.is_over());
                }
                None => assert!(matches!(outcome, Outcome::Refused | Outcome::Busy)),
            }
        }
        for state in [
            WorkstreamState::Starting,
            WorkstreamState::Running,
            WorkstreamState::Ending,
            WorkstreamState::Waiting,
        ] {
            assert!(!state.is_over(), "{state:?}");
        }
    }

    #[test]
    fn a_row_is_written_and_read_back() {
        let mut row = info(&format!("{FIRST}-0001"), WorkstreamState::Running);
        row.spent_usd = Some(1.5);
        let text = r#"{"workstream":"docs","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","state":"running","startedAt":1469922850259,"changedAt":9,"lastTs":0,"spentUsd":1.5}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), text);
        assert_eq!(serde_json::from_str::<WorkstreamInfo>(text).unwrap(), row);
        // A later version's field passes.
        let later = text.replace("{", r#"{"mood":"good","#);
        assert_eq!(serde_json::from_str::<WorkstreamInfo>(&later).unwrap(), row);
    }

    #[test]
    fn a_row_goes_back_neither_to_an_older_run_nor_to_a_lower_state() {
        use WorkstreamState::{Complete, Ending, Running, Starting, Stopped, Waiting};
        let (old, first, second) =
            (format!("{FIRST}-0009"), format!("{SECOND}-0001"), format!("{SECOND}-0002"));
        for (held, new, stands) in [
            ((&first, Starting), (&first, Running), (&first, Running)),
            ((&first, Ending), (&first, Running), (&first, Ending)),
            ((&first, Waiting), (&first, Ending), (&first, Waiting)),
            ((&first, Waiting), (&second, Starting), (&second, Starting)),
            ((&second, Starting), (&first, Complete), (&second, Starting)),
            ((&first, Starting), (&old, Complete), (&first, Starting)),
            ((&second, Complete), (&second, Stopped), (&second, Complete)),
        ] {
            let of = |(run, state): (&String, _)| info(run, state);
            assert_eq!(merge(of(held), of(new)), of(stands), "{held:?} {new:?}");
        }
    }

    #[test]
    fn money_and_the_pull_request_are_of_one_execution() {
        let link = |n: u32| Some(format!("https://github.com/you/project/pull/{n}"));
        let with = |run: String, spent_usd, pull_request| WorkstreamInfo {
            spent_usd,
            pull_request,
            ..info(&run, WorkstreamState::Running)
        };
        let run = |ulid: &str, attempt: u32| format!("{ulid}-{attempt:04}");
        let first = with(run(FIRST, 1), Some(2.5), link(9));
        let again = with(run(FIRST, 2), Some(1.5), None);
        let next = with(run(SECOND, 1), None, None);
        let both = merge(first.clone(), again);
        assert_eq!((both.run.attempt(), both.spent_usd), (2, Some(2.5)));
        assert_eq!(both.pull_request, link(9), "a later run of the execution has it, too");
        let tenth = with(run(FIRST, 1), None, link(10));
        assert_eq!(merge(both.clone(), tenth).pull_request, link(10), "the higher number");
        let over = merge(both, next);
        assert_eq!((over.spent_usd, over.pull_request), (None, None));
    }

    fn any_info() -> impl Strategy<Value = WorkstreamInfo> {
        let text = || prop::option::of("[a-c]{0,2}");
        let values = (0u64..3, 0u64..3, prop::option::of(0u64..3), prop::option::of(0u8..3));
        (any::<bool>(), 1u32..3, 0..WorkstreamState::ALL.len(), values, text(), text()).prop_map(
            |(second, attempt, state, (changed_at, last_ts, wait_until, n), reason, link)| {
                let ulid = if second { SECOND } else { FIRST };
                WorkstreamInfo {
                    changed_at,
                    last_ts,
                    wait_until,
                    spent_usd: n.map(f64::from),
                    exit: n.map(i64::from),
                    reason,
                    pull_request: link.clone(),
                    execution: link,
                    ..info(&format!("{ulid}-{attempt:04}"), WorkstreamState::ALL[state])
                }
            },
        )
    }

    proptest! {
        /// In any order and grouping, each any number of times, reports end in the same row, and the
        /// row never goes back.
        #[test]
        fn reports_converge(
            reports in prop::collection::vec(any_info(), 1..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let all = reports.iter().cloned().reduce(merge).unwrap();
            let shuffled = order.iter().map(|index| index.get(&reports)).chain(reports.iter().rev());
            let mut row: Option<WorkstreamInfo> = None;
            for report in shuffled.cloned() {
                let next = match row.clone() {
                    Some(row) => merge(row, report),
                    None => report,
                };
                if let Some(before) = row {
                    let place = |info: &WorkstreamInfo| (info.run.clone(), info.state.rank());
                    prop_assert!(place(&next) >= place(&before));
                    if next.run.ulid() == before.run.ulid() {
                        prop_assert!(next.spent_usd >= before.spent_usd);
                        prop_assert!(next.pull_request.is_some() >= before.pull_request.is_some());
                    }
                }
                row = Some(next);
            }
            prop_assert_eq!(row, Some(all));
        }

        #[test]
        fn merging_is_associative(a in any_info(), b in any_info(), c in any_info()) {
            let left = merge(merge(a.clone(), b.clone()), c.clone());
            prop_assert_eq!(left, merge(a, merge(b, c)));
        }
    }
}
