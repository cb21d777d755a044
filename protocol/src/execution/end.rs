//! How a run ended, from what Step Functions says about its task.
//!
//! The state machine hands on two texts and looks into neither: the task's description, or the
//! error that `ecs:runTask.sync` raised. [`End::read`] takes whatever stands in them; what it cannot
//! read is an end for an unknown reason, never an error.
//!
//! `.sync` raises `States.TaskFailed` with the description as its cause when a container did not exit
//! with 0, and returns the description otherwise. When RunTask made no task, the answer is an error with
//! another name, or an empty list of tasks with a list of failures.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::timestamp_ms,
    exit::RunExit,
    names::{CONTAINER, WORKER_PROGRAM, log_stream},
};

/// What the machine hands on after RunTask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The task's description as JSON, where RunTask returned one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The error's name, where RunTask raised one.
    #[serde(rename = "Error", skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The error's cause: a description as JSON, or a sentence.
    #[serde(rename = "Cause", skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct End {
    /// RunTask made a task. ECS sends events about it, so somebody else writes its row.
    pub made: bool,
    /// The worker's container ran.
    pub started: bool,
    /// The log stream of a worker that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// When the task stopped, ms since the epoch, if ECS says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<u64>,
    /// The task reached its own time limit.
    pub timed_out: bool,
    /// ECS's stop code; empty without one.
    pub stop_code: String,
    /// The worker's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i64>,
    /// What ECS or Step Functions says, for a person; empty when neither says anything.
    pub reason: String,
}

/// What an [`End`] means. The order is the order of the table in docs/operations.md: the first that
/// fits counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// Somebody stopped the task.
    Stopped,
    /// The worker came to an end that is final.
    Final(RunExit),
    /// Spot capacity was taken back.
    Interrupted,
    /// The worker waits for a limit to reset.
    Waiting,
    /// The task's time limit was reached.
    TimedOut,
    /// There was no room for the task, or too many requests.
    NoCapacity,
    /// The task cannot start until a person fixes something.
    CannotStart,
    /// Anything else.
    Other,
}

/// Most characters of a text from outside that go into a reason.
const MAX_TEXT: usize = 1_000;

/// No capacity, no free address, or too many requests. Compared in lower case.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>
const NO_CAPACITY: [&str; 10] = [
    "capacity is unavailable",
    "capacity unavailable",
    "no capacity",
    "insufficient capacity",
    "insufficientfreeaddresses",
    "insufficient free addresses",
    "limit on the number of tasks",
    "limit on the number of vcpus",
    "rate exceeded",
    "throttl",
];

/// What the API's own failure for a lack of room begins with. Only in this case of letters: "not
/// authorized to perform … on resource: …" is another matter.
const NO_ROOM: &str = "RESOURCE:";

/// Causes that pass by themselves, whatever else the text says: a call that was retried and timed
/// out, or a pull that was cut off. Compared in lower case.
const PASSING: [&str; 15] = [
    "timeout",
    "timed out",
    "deadline exceeded",
    "requestcanceled",
    "connection reset",
    "connection refused",
    "connection issue",
    "no such host",
    "unexpected eof",
    "signal: killed",
    "too many requests",
    "toomanyrequests",
    "internal server error",
    "service unavailable",
    // Of an account that uses ECS for the first time: the role is made meanwhile.
    "service linked role",
];

/// Causes that stay until a person fixes them. Each entry is a list of texts that all have to stand
/// in the reason, in lower case. A cause that is not here is tried again.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html>
const PERMANENT: [&[&str]; 22] = [
    // The image's tag or repository does not exist, or it is for another processor.
    &["cannotpull", "not found"],
    &["cannotpull", "manifest unknown"],
    &["cannotpull", "does not exist"],
    &["cannotpull", "invalid reference format"],
    &["cannotpull", "descriptor matching platform"],
    &["exec format error"],
    // A secret without a value, or one that is gone.
    &["can't find the specified secret"],
    &["cannot find the specified secret"],
    &["secret", "marked for deletion"],
    // A secret without the JSON key that the task definition names, or that is not JSON.
    // <https://github.com/aws/amazon-ecs-agent/blob/master/ecs-agent/utils/asm>
    &["did not contain json key"],
    &["unable to pull secrets", "invalid character"],
    // A permission is missing.
    &["accessdenied"],
    &["access denied"],
    &["not authorized"],
    &["403 forbidden"],
    // The definition, the cluster or the network it names cannot work.
    &["invalidparameter"],
    &["clusternotfound"],
    &["platformtaskdefinitionincompatibility"],
    &["clientexception", "taskdefinition"],
    &["no fargate configuration exists"],
    &["executable file not found"],
    &NOT_EXECUTED,
];

/// A container runtime says this when it cannot start a program: it is not in the image, or is not a program
/// of this machine. The words after these tell which, if they are still there: ECS keeps 255 characters of a
/// container's reason.
const NOT_EXECUTED: [&str; 2] = ["container process", "exec: \""];

/// ECS's reason for the end of a task, with the image's name where the image is the reason and ECS does not
/// name it. `image` is empty where nobody knows it.
#[must_use]
pub fn explained(said: &str, image: &str) -> String {
    let lower = said.to_lowercase();
    if image.is_empty() || !NOT_EXECUTED.iter().all(|text| lower.contains(text)) {
        return said.to_owned();
    }
    // First: a long reason is cut at its end.
    format!(
        "image `{image}` has no worker that starts, {WORKER_PROGRAM} (docs/images.md says what an image must have): {said}"
    )
}

impl End {
    /// Reads what the machine handed on.
    #[must_use]
    pub fn read(ended: &Ended) -> Self {
        let text = ended.cause.as_deref().or(ended.description.as_deref()).unwrap_or_default();
        let answer: Value = serde_json::from_str(text).unwrap_or_default();
        let task = first(&answer, "Tasks").unwrap_or(&answer);
        let worker = list(task, "Containers").iter().find(|one| string(one, "Name") == CONTAINER);
        let exit = worker.and_then(|worker| field(worker, "ExitCode")?.as_i64());
        let arn = string(task, "TaskArn");
        let made = !arn.is_empty();
        let started = exit.is_some() || field(task, "StartedAt").is_some();
        let reason = if made {
            let of_worker = |name| worker.map(|worker| string(worker, name)).unwrap_or_default();
            let said = joined([string(task, "StoppedReason"), of_worker("Reason")]);
            cut(&explained(&said, of_worker("Image")))
        } else if let Some(failure) = first(&answer, "Failures") {
            joined([string(failure, "Reason"), string(failure, "Detail")])
        } else {
            joined([ended.error.as_deref().unwrap_or_default(), text])
        };
        Self {
            made,
            started,
            stream: arn.rsplit('/').next().filter(|_| made && started).map(log_stream),
            stopped_at: field(task, "StoppedAt").and_then(time),
            timed_out: ended.error.as_deref() == Some("States.Timeout"),
            stop_code: string(task, "StopCode").to_owned(),
            exit,
            reason,
        }
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> EndKind {
        if self.stop_code == "UserInitiated" {
            return EndKind::Stopped;
        }
        let exit = self.exit.and_then(RunExit::from_code);
        if let Some(exit) = exit.filter(|exit| exit.is_final()) {
            return EndKind::Final(exit);
        }
        if matches!(self.stop_code.as_str(), "SpotInterruption" | "TerminationNotice") {
            return EndKind::Interrupted;
        }
        if exit == Some(RunExit::Waiting) {
            return EndKind::Waiting;
        }
        if self.timed_out {
            return EndKind::TimedOut;
        }
        // A worker that ran has had capacity, and was able to start.
        if self.exit.is_some() {
            return EndKind::Other;
        }
        let reason = self.reason.to_lowercase();
        let says = |text: &&str| reason.contains(text);
        if self.reason.contains(NO_ROOM) || NO_CAPACITY.iter().any(says) {
            EndKind::NoCapacity
        } else if PASSING.iter().any(says) {
            EndKind::Other
        } else if PERMANENT.iter().any(|all| all.iter().all(says)) {
            EndKind::CannotStart
        } else {
            EndKind::Other
        }
    }
}

/// A field; null is as good as absent.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

fn string<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).and_then(Value::as_str).unwrap_or_default()
}

/// A time as AWS gives it to Step Functions (ms), as its JSON interfaces do (seconds), or as text.
/// Ms since the epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn time(value: &Value) -> Option<u64> {
    /// Seconds reach this in five thousand years, and ms had reached it in 1973.
    const MS: f64 = 1e11;
    match value {
        Value::Number(number) => {
            let number = number.as_f64()?;
            Some(if number < MS { number * 1000.0 } else { number } as u64)
        }
        Value::String(text) => timestamp_ms(text),
        _ => None,
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    field(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn first<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    list(value, name).first()
}

fn joined<const N: usize>(parts: [&str; N]) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    cut(&parts.join(": "))
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
#[path = "end_tests.rs"]
mod tests;
