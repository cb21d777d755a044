//! An execution: one order to work on a workstream, carried out by the state machine
//! `ralph-<env>-workstream` in as many runs of the worker as it takes.
//!
//! * Started with an [`Order`] as its input. Its [`ulid`] names its runs: every run's id is that
//!   ULID and an attempt, and its duration counts from the ULID's time. [`name`] puts the ULID into
//!   the execution's name; an execution that was started under another name gets one from its ARN.
//! * Carried by [`Step`]s between the state machine and the functions that decide.
//! * Ends with an [`Output`]: as the execution's output where [`Outcome::succeeds`], else as the
//!   `cause` of its failure, with [`Outcome::error`] as the `error`.
//! * Holds its workstream's lease meanwhile: the row `WS#<w>`/`LEASE` with
//!   [`attribute::EXECUTION`](crate::table::attribute::EXECUTION) (the execution's ARN),
//!   [`attribute::ULID`](crate::table::attribute::ULID) and `expiresAt` (seconds since the epoch, an
//!   hour after the execution's deadline). A lease whose execution no longer runs is taken over, so
//!   nobody has to delete the lease of an execution that was stopped or lost.
//!
//! To stop one: write the row `WS#<w>`/`STOP` for it, then stop its task (ECS `StopTask`). The
//! execution ends by itself as [`Outcome::Stopped`], with its last run pushed. Between two runs,
//! while it waits, there is no task: then stop the execution (`StopExecution`), which has no output.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::ids::{Run, Workstream};

mod delivery;
mod end;
mod ledger;
mod model;
mod order;
mod repo;
mod size;
mod step;
mod variables;

pub use delivery::{PullRequest, Reuse, number_of, numbered};
pub use end::{End, EndKind, Ended, explained};
pub use ledger::{Ending, Ledger, Tail, Used};
pub use model::{
    ALIASES, EndpointProblem, MODELS, UnknownModel, check_endpoint, check_model, is_known_model,
};
pub use order::{
    DEFAULT_MAX_COMMIT_FILES, DEFAULT_MAX_COMMIT_MB, DEFAULT_MAX_LOG_MB,
    DEFAULT_SETUP_TIMEOUT_SECS, Limits, MAX_BRANCH, MAX_COMMAND, MAX_COMMIT_FILES,
    MAX_DURATION_SECS, MAX_ITERATIONS, MAX_MB, MAX_MODEL, MAX_PATH, MAX_PROMPT,
    MAX_SETUP_TIMEOUT_SECS, MAX_STALLS, Order, Problem,
};
pub use repo::{MAX_REPO, RepoProblem, Repositories, check as check_repo};
pub use size::{CPU_UNITS, SizeProblem, check as check_size, memory_sizes};
pub use step::{
    Admission, ContainerOverride, MAX_OVERRIDES, Next, Overrides, Progress, RunTask, Step,
    StepError, VERSION, Variable, WaitFor,
};
pub use variables::{MIN_AGENT_SECRET, VariableProblem, check_variable};

/// The name of an execution: `<workstream>-<ulid>`. At most 75 characters; AWS allows 80.
#[must_use]
pub fn name(workstream: &Workstream, ulid: Ulid) -> String {
    format!("{workstream}-{ulid}")
}

/// Reads [`name`] back, from a name or from an execution's ARN.
#[must_use]
pub fn parse_name(text: &str) -> Option<(Workstream, Ulid)> {
    let name = text.rsplit(':').next()?;
    let (workstream, ulid) = name.rsplit_once('-')?;
    let parsed = Ulid::from_string(ulid).ok()?;
    // Only the canonical form names runs, see `Run`.
    (parsed.to_string() == ulid).then_some(())?;
    Some((workstream.parse().ok()?, parsed))
}

/// The ULID of an execution of `workstream`: the one in its name, or else its start and 80 bits of
/// the SHA-256 of its ARN, so that an execution that was started in the console or by a schedule has
/// one too, and always the same.
///
/// # Errors
/// The name is [`name`] of another workstream: the workstream that the name promises.
pub fn ulid(workstream: &Workstream, arn: &str, started_ms: u64) -> Result<Ulid, Workstream> {
    match parse_name(arn) {
        Some((named, ulid)) if named == *workstream => Ok(ulid),
        Some((other, _)) => Err(other),
        None => {
            let mut random = [0; 16];
            random[6..].copy_from_slice(&Sha256::digest(arn.as_bytes())[..10]);
            Ok(Ulid::from_parts(started_ms, u128::from_be_bytes(random)))
        }
    }
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The work is complete (exit 0).
    Complete,
    /// A limit was reached (exits 10 to 13; also the task's time limit, as exit 11).
    Limit,
    /// The worker cannot go on without a person (exits 20 to 23, 30, 31).
    Blocked,
    /// Someone stopped the task.
    Stopped,
    /// The order is not accepted. Nothing was started.
    Refused,
    /// Another execution works on this workstream. Nothing was started.
    Busy,
    /// The task cannot start: image, secret or network. A person must fix it.
    CannotStart,
    /// Restarted as often as allowed, without success.
    GaveUp,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::Limit,
        Self::Blocked,
        Self::Stopped,
        Self::Refused,
        Self::Busy,
        Self::CannotStart,
        Self::GaveUp,
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
        }
    }
}

/// What an execution tells at its end, whether it succeeded (`output`) or failed (`cause`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What all its runs have cost, US dollars; `None` when an older version began the execution.
    #[serde(default)]
    pub spent_usd: Option<f64>,
    /// Iterations that ended in all its runs; `None` as above.
    #[serde(default)]
    pub iterations: Option<u32>,
    /// The pull request with its work, a link; `None` when its worker opened none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pull_request: Option<String>,
}

impl Output {
    /// Reads the `output` or the `cause` of an execution; `None` when the execution was aborted, or
    /// failed because one of its functions did.
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
        let ulid: Ulid = ULID.parse().unwrap();
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
    fn an_execution_of_any_name_has_one_ulid() {
        let docs: Workstream = "docs".parse().unwrap();
        let arn = |name: &str| format!("arn:aws:states:us-east-1:000000000000:execution:m:{name}");
        let named = ulid(&docs, &arn(&format!("docs-{ULID}")), 7).unwrap();
        assert_eq!(named.to_string(), ULID);
        let console = arn("0b6e2b3c-4a0f-9c5f-1c8d-6d7b8a9c0d1e");
        let made = ulid(&docs, &console, 1_700_000_000_123).unwrap();
        assert_eq!(made.timestamp_ms(), 1_700_000_000_123);
        assert_eq!(ulid(&docs, &console, 1_700_000_000_123), Ok(made), "always the same");
        assert_ne!(ulid(&docs, &arn("nightly"), 1_700_000_000_123), Ok(made));
        assert!(crate::ids::Run::new(made, 1).is_ok());
        let other = ulid(&docs, &arn(&format!("api-{ULID}")), 7).unwrap_err();
        assert_eq!(other.as_str(), "api", "a name that promises another workstream");
    }

    #[test]
    fn the_longest_name_fits_into_what_aws_allows() {
        let longest: Workstream = "a".repeat(Workstream::MAX_LEN).parse().unwrap();
        assert!(name(&longest, Ulid::nil()).len() <= 80);
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
        assert_eq!(Output::parse(started).unwrap().spent_usd, None, "as version 1 wrote it");
        let told = started.replace("}", r#","spentUsd":1.25,"iterations":7}"#);
        let told = Output::parse(&told).unwrap();
        assert_eq!((told.spent_usd, told.iterations), (Some(1.25), Some(7)));
        let refused = r#"{"workstream":"","outcome":"refused","exit":null,"reason":"r","attempts":0,"run":null}"#;
        assert_eq!(Output::parse(refused).unwrap().outcome, Outcome::Refused);
        assert_eq!(Output::parse("States.Runtime"), None);
    }
}
