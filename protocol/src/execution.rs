//! An execution: one order to work on a workstream, carried out by the state machine
//! `ralph-<env>-workstream` in as many runs of the worker as it takes.
//!
//! * Started with [`Input`] as its input and [`name`] as its name, which gives it its ULID: every
//!   run's id is that ULID and an attempt, and its duration counts from the ULID's time.
//! * Ends with an [`Output`]: as the execution's output where [`Outcome::succeeds`], else as the
//!   `cause` of its failure, with [`Outcome::error`] as the `error`.
//! * Holds its workstream's lease meanwhile: the row `WS#<w>`/`LEASE` with
//!   [`attribute::EXECUTION`](crate::table::attribute::EXECUTION) (the execution's ARN) and
//!   `expiresAt` (seconds since the epoch, an hour after the execution's deadline). A lease whose
//!   execution no longer runs is taken over, so nobody has to delete the lease of an execution that
//!   was stopped or lost.
//!
//! To stop one: stop its task (ECS `StopTask`), and the execution ends by itself as
//! [`Outcome::Stopped`], with its last run pushed. Between two runs, while it waits, there is no
//! task: then stop the execution (`StopExecution`), which has no output.

use serde::{Deserialize, Serialize};

use crate::ids::{Run, Workstream};

mod input;
mod repo;

pub use input::{
    Input, InputLimits, MAX_BRANCH, MAX_COMMAND, MAX_DURATION_SECS, MAX_ITERATIONS, MAX_PATH,
    MAX_STALLS, Problem,
};
pub use repo::{FILE_PATTERN, INSIDE, MAX_REPO, REPO_PATTERN, RepoProblem, check as check_repo};

/// What ends an execution, and how it goes on after each kind of end of a run.
pub mod restart {
    /// Most restarts after an interruption of Spot capacity.
    pub const MAX_SPOT: u32 = 50;
    /// Most restarts after the worker waited (exit 76).
    pub const MAX_WAITS: u32 = 100;
    /// Most restarts in a row after any other end; an interruption or a wait in between resets it.
    pub const MAX_IN_A_ROW: u32 = 3;
    /// Most restarts after any other end, all told.
    pub const MAX_OTHER: u32 = 20;
    /// Starts that found no Spot capacity before on-demand capacity is asked for.
    pub const SPOT_TRIES: u32 = 5;
    /// Starts that found no capacity of either kind before the execution gives up.
    pub const MAX_CAPACITY: u32 = 20;
    /// Seconds before the first restart for lack of capacity; each later one waits twice as long.
    pub const CAPACITY_WAIT_SECS: u32 = 30;
    /// Longest of those waits, seconds.
    pub const CAPACITY_WAIT_MAX_SECS: u32 = 600;
    /// Seconds before a restart after any other end, times the number of them in a row.
    pub const OTHER_WAIT_SECS: u32 = 15;
    /// Seconds for a waiting worker's last lines to arrive before its row is read.
    pub const SETTLE_SECS: u32 = 180;
    /// Seconds to wait when the row does not say until when.
    pub const WAIT_SECS: u32 = 900;
    /// Seconds that a task may outlive the deadline: the worker ends itself at the deadline, and
    /// what it then commits and pushes takes a while.
    pub const GRACE_SECS: u32 = 600;
    /// Seconds that a lease outlives the deadline.
    pub const LEASE_GRACE_SECS: u32 = 3600;
}

/// The name of an execution: `<workstream>-<ulid>`. At most 75 characters; AWS allows 80.
#[must_use]
pub fn name(workstream: &Workstream, ulid: ulid::Ulid) -> String {
    format!("{workstream}-{ulid}")
}

/// Reads [`name`] back, from a name or from an execution's ARN.
#[must_use]
pub fn parse_name(text: &str) -> Option<(Workstream, ulid::Ulid)> {
    let name = text.rsplit(':').next()?;
    let (workstream, ulid) = name.rsplit_once('-')?;
    let parsed = ulid::Ulid::from_string(ulid).ok()?;
    // Only the canonical form names runs, see `Run`.
    (parsed.to_string() == ulid).then_some(())?;
    Some((workstream.parse().ok()?, parsed))
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The work is complete (exit 0).
    Complete,
    /// A limit was reached (exits 10 to 13; also the task's time limit, as exit 11).
    Limit,
    /// The worker cannot go on without a person (exits 20, 21, 30, 31).
    Blocked,
    /// Someone stopped the task.
    Stopped,
    /// The input is not one this machine accepts. Nothing was started.
    Refused,
    /// Another execution works on this workstream. Nothing was started.
    Busy,
    /// The task cannot start: image, secret or network. A person must mend it.
    CannotStart,
    /// Restarted as often as allowed, in vain.
    GaveUp,
    /// A service that the state machine calls failed.
    Internal,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Complete,
        Self::Limit,
        Self::Blocked,
        Self::Stopped,
        Self::Refused,
        Self::Busy,
        Self::CannotStart,
        Self::GaveUp,
        Self::Internal,
    ];

    /// As the [`Output`] writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Limit => "limit",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::CannotStart => "cannotStart",
            Self::GaveUp => "gaveUp",
            Self::Internal => "internal",
        }
    }

    /// Whether the execution's status is SUCCEEDED, with the [`Output`] as output: a worker came to
    /// an end of its own, or was stopped by a person. The others are FAILED, which is what the
    /// alarm on failed executions counts.
    #[must_use]
    pub const fn succeeds(self) -> bool {
        matches!(self, Self::Complete | Self::Limit | Self::Blocked | Self::Stopped)
    }

    /// The `error` of an execution that failed.
    #[must_use]
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Complete | Self::Limit | Self::Blocked | Self::Stopped => None,
            Self::Refused => Some("Ralph.Refused"),
            Self::Busy => Some("Ralph.Busy"),
            Self::CannotStart => Some("Ralph.CannotStart"),
            Self::GaveUp => Some("Ralph.GaveUp"),
            Self::Internal => Some("Ralph.Internal"),
        }
    }
}

/// What an execution tells at its end, whether it succeeded (`output`) or failed (`cause`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The workstream, as the input named it.
    pub workstream: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The last run's exit code; `None` when it had none.
    pub exit: Option<i64>,
    /// Why, for a person: the task's stopped reason, or what is wrong and what to do.
    pub reason: String,
    /// How many runs were begun; a start that found no capacity counts.
    pub attempts: u32,
    /// The last of them; `None` when there was none.
    pub run: Option<Run>,
}

impl Output {
    /// Reads the `output` or the `cause` of an execution; `None` when the execution was aborted,
    /// or failed before its first state.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn a_name_leads_back_to_its_workstream_and_ulid() {
        let docs: Workstream = "docs-2".parse().unwrap();
        let ulid: ulid::Ulid = ULID.parse().unwrap();
        let name = name(&docs, ulid);
        assert_eq!(name, format!("docs-2-{ULID}"));
        assert_eq!(parse_name(&name), Some((docs.clone(), ulid)));
        let arn =
            format!("arn:aws:states:us-east-1:000000000000:execution:ralph-dev-workstream:{name}");
        assert_eq!(parse_name(&arn), Some((docs, ulid)));
        for bad in [
            "",
            ULID,
            "docs",
            "docs-",
            "docs-01arz3ndektsv4rrffq69g5fav",
            "Docs-01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_longest_name_fits_into_what_aws_allows() {
        let longest: Workstream = "a".repeat(Workstream::MAX_LEN).parse().unwrap();
        assert!(name(&longest, ulid::Ulid::nil()).len() <= 80);
    }

    #[test]
    fn every_outcome_either_succeeds_or_has_an_error() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.succeeds(), outcome.error().is_none(), "{outcome:?}");
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn an_output_is_read_with_and_without_a_run() {
        let started = r#"{"workstream":"docs","outcome":"limit","exit":11,"reason":"r","attempts":2,"run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0002"}"#;
        assert_eq!(Output::parse(started).unwrap().run.unwrap().attempt(), 2);
        let refused = r#"{"workstream":"","outcome":"refused","exit":null,"reason":"r","attempts":0,"run":null}"#;
        assert_eq!(Output::parse(refused).unwrap().outcome, Outcome::Refused);
        assert_eq!(Output::parse("States.Runtime"), None);
    }
}
