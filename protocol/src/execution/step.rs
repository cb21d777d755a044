//! What passes between the state machine and its two functions, `admit` and `decide`.
//!
//! The machine hands [`Admission`] to `admit` and gets a [`Step`]. It does what the step says and
//! hands the step to `decide`, after a run with [`Step::ended`] in it, and so on until the step says
//! that the execution is over. The machine reads only `next` and what belongs to it; nothing is
//! decided there.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ulid::Ulid;

use super::{Ended, Ending, Ledger, Order, Output, Used};
use crate::{
    ids::{IdError, Run},
    names::{CONTAINER, worker_env as env},
};

/// Version of [`Step`]. An execution can wait for days while an apply replaces the functions, so a
/// function also reads the version before its own: a new field has a default, and a field is only
/// removed after one version that does not need it.
pub const VERSION: u32 = 2;

/// Most characters of a task's overrides, the JSON around them included.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html>
pub const MAX_OVERRIDES: usize = 8_192;

/// What `admit` gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// ARN of the execution.
    pub execution: String,
    /// When it was started, RFC 3339.
    pub started_at: String,
    /// Its input: an [`Order`], not checked yet.
    pub order: Value,
}

/// One step of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// [`VERSION`] of the function that wrote it.
    pub version: u32,
    /// What the machine does.
    #[serde(flatten)]
    pub next: Next,
    /// How the run ended. The machine adds it after RunTask.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Ended>,
}

/// What the machine does next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "camelCase")]
pub enum Next {
    /// Starts a run, and asks `decide` when it has ended.
    Run {
        /// Where the execution stands.
        progress: Progress,
        /// What differs from run to run.
        run: RunTask,
    },
    /// Waits, and asks `decide` again.
    Wait {
        /// Where the execution stands.
        progress: Progress,
        /// How long, at least 1.
        seconds: u64,
    },
    /// Ends the execution as SUCCEEDED.
    Done {
        /// The execution's output.
        output: Output,
    },
    /// Ends the execution as FAILED.
    Failed {
        /// See [`Outcome::error`](super::Outcome::error).
        #[serde(rename = "Error")]
        error: String,
        /// An [`Output`] as JSON.
        #[serde(rename = "Cause")]
        cause: String,
    },
}

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// ARN of the execution.
    pub execution: String,
    /// What it was asked to do.
    pub order: Order,
    /// All its runs share it.
    pub ulid: Ulid,
    /// No run begins at or after this time, ms since the epoch.
    pub deadline: u64,
    /// Which answer this is; `admit`'s is 1.
    pub step: u32,
    /// Runs begun so far; also the newest run's attempt.
    pub attempt: u32,
    /// A worker of this execution has run. What kept a later one from starting can pass.
    pub started: bool,
    /// Runs that ended because Spot capacity was taken back.
    pub interruptions: u32,
    /// Runs that ended to wait for a limit to reset.
    pub waits: u32,
    /// Starts without capacity since the last run that had some.
    pub without_capacity: u32,
    /// Other ends since the last interruption or wait.
    pub others_in_a_row: u32,
    /// Other ends in all.
    pub others: u32,
    /// What the machine waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting_for: Option<WaitFor>,
    /// The newest run's exit code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit: Option<i64>,
    /// Why the newest run ended, for a person.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// What its runs have used; `None` when version 1 began the execution, whose workers count in
    /// their commits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<Ledger>,
    /// The pull request with its work, a link, once a run has named one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pull_request: Option<String>,
    /// How the newest run ended, until it is settled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ending: Option<Ending>,
}

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitFor {
    /// The last lines of a worker that waits: they say until when. Of version 1, which did not wait
    /// for [`Self::Settlement`].
    LastLines,
    /// The last lines of a run: they say what it has used.
    Settlement,
    /// The time until which the worker waits.
    Reset,
    /// Room for a task.
    Capacity,
    /// A pause before the next try.
    Pause,
}

/// What of RunTask differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunTask {
    /// `FARGATE_SPOT` or `FARGATE`.
    pub capacity_provider: String,
    /// When Step Functions ends the task if it has not ended.
    pub timeout_seconds: u64,
    /// The task's overrides, as RunTask takes them.
    pub overrides: Overrides,
}

/// `Overrides` of ECS's RunTask, as Step Functions spells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Overrides {
    /// One, the worker's.
    pub container_overrides: Vec<ContainerOverride>,
    /// CPU units of the task, where the order names a size.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu: Option<String>,
    /// Memory of the task, MiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory: Option<String>,
}

/// A container's part of [`Overrides`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerOverride {
    /// The container.
    pub name: String,
    /// Variables beside the task definition's.
    pub environment: Vec<Variable>,
}

/// A variable of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Overrides {
    /// The worker's environment beside what the task definition says. What the order does not name
    /// has no value here. `used` is what the earlier runs have used.
    #[must_use]
    pub fn of(order: &Order, run: &Run, used: Option<Used>) -> Self {
        let limits = &order.limits;
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let entries = [
            (env::WORKSTREAM, Some(order.workstream.to_string())),
            (env::RUN, Some(run.to_string())),
            (env::ATTEMPT, Some(run.attempt().to_string())),
            (env::REPO, Some(order.repo.clone())),
            (env::BASE, order.base.clone()),
            (env::BRANCH, order.branch.clone()),
            (env::REUSE, order.reuse.map(|reuse| reuse.as_str().to_owned())),
            (env::PULL_REQUEST, order.pull_request.map(|kind| kind.as_str().to_owned())),
            (env::PROMPT_FILE, order.prompt_file.clone()),
            (env::PROMPT, order.prompt.clone()),
            (env::SETUP_COMMAND, order.setup_command.clone()),
            (env::MODEL, order.model.clone()),
            (env::VERIFY_COMMAND, order.verify_command.clone()),
            (env::MAX_ITERATIONS, number(limits.max_iterations.map(u64::from))),
            (env::MAX_DURATION_SECS, number(limits.max_duration_secs)),
            (env::MAX_COST_USD, limits.max_cost_usd.map(|usd| usd.to_string())),
            (env::ITERATION_TIMEOUT_SECS, number(limits.iteration_timeout_secs)),
            (env::SILENCE_SECS, number(limits.silence_secs)),
            (env::SETUP_TIMEOUT_SECS, number(limits.setup_timeout_secs)),
            (env::MAX_STALLS, number(limits.max_stalls.map(u64::from))),
            (env::MAX_LOG_MB, number(limits.max_log_mb.map(u64::from))),
            (env::MAX_COMMIT_MB, number(limits.max_commit_mb.map(u64::from))),
            (env::MAX_COMMIT_FILES, number(limits.max_commit_files.map(u64::from))),
            (env::SPENT_USD, used.map(|used| used.usd().to_string())),
            (env::ITERATIONS_DONE, number(used.map(|used| used.iterations.into()))),
        ];
        let environment = entries
            .into_iter()
            .filter_map(|(name, value)| Some(Variable { name: name.to_owned(), value: value? }))
            .collect();
        let name = CONTAINER.to_owned();
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        Self {
            container_overrides: vec![ContainerOverride { name, environment }],
            cpu: text(order.cpu),
            memory: text(order.memory),
        }
    }

    /// The worker's variables.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.container_overrides.iter().flat_map(|one| &one.environment)
    }

    /// Characters as ECS counts them, at most [`MAX_OVERRIDES`].
    #[must_use]
    pub fn characters(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.chars().count())
    }
}

impl Progress {
    /// An execution that begins nothing yet. `deadline` is in ms since the epoch.
    #[must_use]
    pub fn new(execution: String, order: Order, ulid: Ulid, deadline: u64) -> Self {
        Self {
            execution,
            order,
            ulid,
            deadline,
            step: 1,
            attempt: 0,
            started: false,
            interruptions: 0,
            waits: 0,
            without_capacity: 0,
            others_in_a_row: 0,
            others: 0,
            waiting_for: None,
            exit: None,
            reason: String::new(),
            ledger: Some(Ledger::default()),
            pull_request: None,
            ending: None,
        }
    }

    /// What its runs have used, those that are settled; `None` when version 1 began the execution.
    #[must_use]
    pub fn used(&self) -> Option<Used> {
        self.ledger.as_ref().map(Ledger::total)
    }

    /// The newest run; `None` before the first.
    ///
    /// # Errors
    /// More than 9,999 attempts, which the allowances do not let happen.
    pub fn run(&self) -> Result<Option<Run>, IdError> {
        (self.attempt > 0).then(|| Run::new(self.ulid, self.attempt)).transpose()
    }
}

/// Why a step cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Written by a function that is newer, or much older.
    #[error("the step has version {0}, this function reads {from} to {VERSION}\nhint: apply again, so that the functions and the state machine are of one version", from = VERSION - 1)]
    Version(u64),
    /// Not a step.
    #[error("the step cannot be read: {0}")]
    Form(#[from] serde_json::Error),
}

impl Step {
    /// A step of this version.
    #[must_use]
    pub fn new(next: Next) -> Self {
        Self { version: VERSION, next, ended: None }
    }

    /// Reads a step of this version or the one before.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn read(text: &str) -> Result<Self, StepError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version > u64::from(VERSION) || version + 1 < u64::from(VERSION) {
            return Err(StepError::Version(version));
        }
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step as version 1 wrote it. Never change it: an execution that runs carries such a step.
    const VERSION_1: &str = r#"{
        "version": 1, "next": "wait", "seconds": 180,
        "progress": {
            "execution": "arn:aws:states:us-east-1:123456789012:execution:ralph-dev-workstream:docs-01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "order": {"workstream": "docs", "repo": "https://github.com/you/project", "limits": {"maxCostUsd": 2.5}},
            "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "deadline": 1469922879059, "step": 2, "attempt": 1,
            "started": true, "interruptions": 0, "waits": 1, "withoutCapacity": 0,
            "othersInARow": 0, "others": 0, "waitingFor": "lastLines", "exit": 76
        }
    }"#;

    /// A step as version 2 wrote it. Never change it: an execution that runs carries such a step.
    const VERSION_2: &str = r#"{
        "version": 2, "next": "wait", "seconds": 10,
        "progress": {
            "execution": "arn:aws:states:us-east-1:123456789012:execution:ralph-dev-workstream:docs-01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "order": {"workstream": "docs", "repo": "https://github.com/you/project"},
            "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "deadline": 1469922879059, "step": 3, "attempt": 2,
            "started": true, "interruptions": 1, "waits": 0, "withoutCapacity": 0,
            "othersInARow": 0, "others": 0, "waitingFor": "settlement", "exit": 75,
            "ledger": [[1, {"microUsd": 1250000, "iterations": 7}]],
            "ending": {
                "end": {
                    "made": true, "started": true, "stream": "worker/worker/0123",
                    "stoppedAt": 1469922859059, "timedOut": false,
                    "stopCode": "EssentialContainerExited", "exit": 137, "reason": "killed"
                },
                "stoppedAt": 1469922859059, "waited": 10,
                "tail": {"lastSeq": 9, "ended": false, "used": {"microUsd": 500000, "iterations": 1}}
            }
        }
    }"#;

    #[test]
    fn a_step_of_version_2_is_read_and_written_back() {
        let step = Step::read(VERSION_2).unwrap();
        let Next::Wait { progress, .. } = &step.next else { panic!("{step:?}") };
        assert_eq!(progress.used(), Some(Used { micro_usd: 1_250_000, iterations: 7 }));
        assert_eq!(progress.ending.as_ref().unwrap().tail.unwrap().last_seq, 9);
        let written = serde_json::to_value(&step).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(VERSION_2).unwrap());
    }

    #[test]
    fn a_pull_request_travels_with_the_steps() {
        let link = "https://github.com/you/project/pull/7";
        let told =
            VERSION_2.replace(r#""ending":"#, &format!(r#""pullRequest": "{link}", "ending":"#));
        let step = Step::read(&told).unwrap();
        let Next::Wait { progress, .. } = &step.next else { panic!("{step:?}") };
        assert_eq!(progress.pull_request.as_deref(), Some(link));
        let written = serde_json::to_value(&step).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&told).unwrap());
    }

    /// Step Functions carries 256 KiB: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    #[test]
    fn the_longest_step_is_far_below_what_step_functions_carries() {
        let Next::Wait { mut progress, seconds } = Step::read(VERSION_2).unwrap().next else {
            panic!("no wait")
        };
        // More than can run: 50 interruptions, 100 waits, 20 other ends, and the last one.
        for attempt in 1..=171 {
            progress.ledger.as_mut().unwrap().set(9_000 + attempt, Used::MOST);
        }
        progress.ending.as_mut().unwrap().end.reason = "\u{1}".repeat(1_000);
        progress.reason = "\u{1}".repeat(1_000);
        progress.pull_request = Some("x".repeat(crate::link::MAX_LINK));
        progress.order.verify_command = Some("\u{1}".repeat(super::super::MAX_COMMAND));
        let text = serde_json::to_string(&Step::new(Next::Wait { progress, seconds })).unwrap();
        assert!(text.len() < 64 << 10, "{}", text.len());
    }

    #[test]
    fn a_step_of_version_1_is_read_and_written_back() {
        let step = Step::read(VERSION_1).unwrap();
        let Next::Wait { progress, seconds } = &step.next else { panic!("{step:?}") };
        assert_eq!((*seconds, progress.waiting_for), (180, Some(WaitFor::LastLines)));
        assert_eq!(progress.run().unwrap().unwrap().as_str(), "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001");
        let written = serde_json::to_value(&step).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(VERSION_1).unwrap());
    }

    #[test]
    fn a_step_of_the_version_before_is_read_and_of_a_later_one_refused() {
        let of = |version: u32| {
            VERSION_1.replace(r#""version": 1"#, &format!(r#""version": {version}"#))
        };
        assert!(Step::read(&of(VERSION)).is_ok());
        assert!(Step::read(&of(VERSION - 1)).is_ok());
        let refused = Step::read(&of(VERSION + 1)).unwrap_err().to_string();
        assert!(refused.contains("\nhint: apply again"), "{refused}");
    }

    #[test]
    fn the_machine_finds_the_error_where_a_failure_of_its_own_would_stand() {
        let step = Step::new(Next::Failed { error: "Ralph.Busy".into(), cause: "{}".into() });
        let text = serde_json::to_string(&step).unwrap();
        assert_eq!(text, r#"{"version":2,"next":"failed","Error":"Ralph.Busy","Cause":"{}"}"#);
    }

    #[test]
    fn overrides_are_counted_with_the_json_around_them() {
        let variable = Variable { name: "A".into(), value: "é\"".into() };
        let overrides = Overrides {
            container_overrides: vec![ContainerOverride {
                name: "worker".into(),
                environment: vec![variable],
            }],
            cpu: None,
            memory: Some("2048".into()),
        };
        let text = r#"{"ContainerOverrides":[{"Name":"worker","Environment":[{"Name":"A","Value":"é\""}]}],"Memory":"2048"}"#;
        assert_eq!(overrides.characters(), text.chars().count());
    }
}
