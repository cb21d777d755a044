//! The order: what an execution is asked to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ulid::Ulid;

use super::{
    delivery::{PullRequest, Reuse},
    ledger::Used,
    repo::{self, RepoProblem},
    size::{self, SizeProblem},
    step::{MAX_OVERRIDES, Overrides},
};
use crate::ids::{Run, Workstream};

/// Most characters of a branch's name.
pub const MAX_BRANCH: usize = 200;
/// Most characters of the prompt file's path.
pub const MAX_PATH: usize = 500;
/// Most characters of a command. ECS takes 8192 of overrides in all.
pub const MAX_COMMAND: usize = 2_000;
/// Most characters of a prompt.
pub const MAX_PROMPT: usize = 4_096;
/// Most characters of a model's name.
pub const MAX_MODEL: usize = 200;
/// Longest time that anybody may give the setup command, seconds.
pub const MAX_SETUP_TIMEOUT_SECS: u32 = 24 * 3600;
/// How long the setup command may take where nobody says otherwise, seconds.
pub const DEFAULT_SETUP_TIMEOUT_SECS: u32 = 1_800;
/// Most iterations.
pub const MAX_ITERATIONS: u32 = 100_000;
/// Longest duration: 300 days. AWS ends an execution after a year, whatever it does.
pub const MAX_DURATION_SECS: u64 = 300 * 24 * 3600;
/// Most stalls in a row.
pub const MAX_STALLS: u32 = 1_000;
/// Most MB of anything. An MB is 10^6 bytes.
pub const MAX_MB: u32 = 100_000;
/// Most new files in one commit.
pub const MAX_COMMIT_FILES: u32 = 1_000_000;
/// What one run logs at most where nobody says otherwise, MB after redaction.
pub const DEFAULT_MAX_LOG_MB: u32 = 200;
/// The most new content of one commit where nobody says otherwise, MB.
pub const DEFAULT_MAX_COMMIT_MB: u32 = 200;
/// The most new files of one commit where nobody says otherwise.
pub const DEFAULT_MAX_COMMIT_FILES: u32 = 20_000;
/// Highest attempt that a run's id can name.
const MAX_ATTEMPT: u32 = 9_999;
/// Most characters of a message about a field.
const MAX_MESSAGE: usize = 300;
/// Highest cost, US dollars.
const MAX_COST_USD: f64 = 1e6;

/// An order. A field that is absent has the task definition's value, which comes from `ralph.toml`;
/// an unknown field is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// The workstream; also the beginning of the execution's [`name`](super::name).
    pub workstream: Workstream,
    /// The repository: see [`check_repo`](super::check_repo).
    pub repo: String,
    /// Branch to start from; absent: the remote's default branch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base: Option<String>,
    /// Branch to work on; absent: `ralph/<workstream>`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<String>,
    /// What to do where the workstream has a branch already; absent: go on upon it, or begin another
    /// one when it is merged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reuse: Option<Reuse>,
    /// Whether the worker opens a pull request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pull_request: Option<PullRequest>,
    /// Prompt file, a path inside the repository; absent: `PROMPT.md`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt_file: Option<String>,
    /// The prompt itself, in place of a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<String>,
    /// A command that runs once before the first iteration, with the agent's rights; absent: the
    /// repository's `.ralph/setup`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub setup_command: Option<String>,
    /// The model that the agent asks for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// A command that must pass before the work counts as complete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verify_command: Option<String>,
    /// CPU units of the task, 1024 for a processor; only together with `memory`, see
    /// [`memory_sizes`](super::memory_sizes).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu: Option<u32>,
    /// Memory of the task, MiB.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory: Option<u32>,
    /// What bounds the execution, all its runs together.
    #[serde(skip_serializing_if = "Limits::is_empty", default)]
    pub limits: Limits,
}

/// Limits that differ from the task definition's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Most iterations, 1 to [`MAX_ITERATIONS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_iterations: Option<u32>,
    /// Longest duration, seconds from the time in the execution's ULID, 1 to [`MAX_DURATION_SECS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_duration_secs: Option<u64>,
    /// Highest cost, US dollars, more than 0 and at most a million.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_cost_usd: Option<f64>,
    /// Longest iteration, seconds, 1 to [`MAX_DURATION_SECS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub iteration_timeout_secs: Option<u64>,
    /// Longest silence of the agent, seconds, 1 to [`MAX_DURATION_SECS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub silence_secs: Option<u64>,
    /// Longest run of the setup command, seconds, 1 to [`MAX_SETUP_TIMEOUT_SECS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub setup_timeout_secs: Option<u64>,
    /// Most iterations in a row without progress, 1 to [`MAX_STALLS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_stalls: Option<u32>,
    /// Most that each run logs, MB, 1 to [`MAX_MB`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_log_mb: Option<u32>,
    /// Most new content in one commit, MB, 1 to [`MAX_MB`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_commit_mb: Option<u32>,
    /// Most new files in one commit, 1 to [`MAX_COMMIT_FILES`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_commit_files: Option<u32>,
}

impl Limits {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong with an order. The text repeats no value: a URL may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not an object at all.
    #[error("the order is not a JSON object\nhint: `ralph run` writes one")]
    NotAnObject,
    /// A field is unknown or missing.
    #[error("{0}\nhint: docs/operations.md lists the fields of an order")]
    Field(String),
    /// A field has a value of another kind.
    #[error("`{field}` is not {allowed}\nhint: docs/operations.md lists the fields of an order")]
    Value {
        /// The field.
        field: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// ECS would refuse the overrides of a run, and only say how long they may be.
    #[error(
        "the order makes {characters} characters of overrides, and ECS takes {MAX_OVERRIDES}\nhint: shorten `{field}`, the longest field; a quote, a backslash or a control character counts more than once"
    )]
    TooLong {
        /// Characters of the overrides.
        characters: usize,
        /// The longest field.
        field: &'static str,
    },
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoProblem),
    /// The size of the task.
    #[error(transparent)]
    Size(#[from] SizeProblem),
    /// Two prompts.
    #[error("the order has a `prompt` and a `promptFile`\nhint: leave one of them out")]
    TwoPrompts,
    /// A text is empty or too long.
    #[error(
        "`{field}` is not a text of 1 to {most} characters\nhint: leave it out to use the environment's value"
    )]
    Text {
        /// The field.
        field: &'static str,
        /// Most characters.
        most: usize,
    },
    /// A limit is out of range.
    #[error("`limits.{field}` is out of range\nhint: {allowed}")]
    Limit {
        /// The field.
        field: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

/// The text fields with a limit, and the most characters of each.
const TEXTS: [(&str, usize); 7] = [
    ("base", MAX_BRANCH),
    ("branch", MAX_BRANCH),
    ("promptFile", MAX_PATH),
    ("prompt", MAX_PROMPT),
    ("setupCommand", MAX_COMMAND),
    ("model", MAX_MODEL),
    ("verifyCommand", MAX_COMMAND),
];

/// The limits that are whole numbers from 1, and the highest value of each.
const WHOLE: [(&str, u64); 9] = [
    ("maxIterations", MAX_ITERATIONS as u64),
    ("maxDurationSecs", MAX_DURATION_SECS),
    ("iterationTimeoutSecs", MAX_DURATION_SECS),
    ("silenceSecs", MAX_DURATION_SECS),
    ("setupTimeoutSecs", MAX_SETUP_TIMEOUT_SECS as u64),
    ("maxStalls", MAX_STALLS as u64),
    ("maxLogMb", MAX_MB as u64),
    ("maxCommitMb", MAX_MB as u64),
    ("maxCommitFiles", MAX_COMMIT_FILES as u64),
];
const COST: &str = "maxCostUsd";

impl Problem {
    fn whole(field: &'static str, most: u64) -> Self {
        Self::Limit { field, allowed: format!("a whole number from 1 to {most}") }
    }

    fn cost() -> Self {
        let allowed = format!("US dollars, more than 0 and at most {MAX_COST_USD}");
        Self::Limit { field: COST, allowed }
    }

    /// A value of the wrong type gets the same words as one that is out of range.
    fn unreadable(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        let limit = path.strip_prefix("limits.");
        if let Some(&(field, most)) = TEXTS.iter().find(|(field, _)| *field == path) {
            return Self::Text { field, most };
        }
        if let Some(&(field, most)) = WHOLE.iter().find(|(field, _)| Some(*field) == limit) {
            return Self::whole(field, most);
        }
        if limit == Some(COST) {
            return Self::cost();
        }
        // These two messages name fields only; every other one quotes the value.
        let message = error.inner().to_string();
        if message.starts_with("unknown field `") || message.starts_with("missing field `") {
            return Self::Field(message.chars().take(MAX_MESSAGE).collect());
        }
        let allowed = match path.as_str() {
            "workstream" => {
                "an id: 1 to 48 characters of a-z, 0-9 and -, not starting with -, and not rescue"
            }
            "limits" => "an object of limits",
            "cpu" | "memory" => "a whole number",
            "reuse" => "`continue` or `newBranch`",
            "pullRequest" => "`none`, `draft` or `ready`",
            _ => "a text",
        };
        Self::Value { field: path, allowed }
    }
}

impl Order {
    /// An order that leaves everything else to the environment.
    #[must_use]
    pub fn new(workstream: Workstream, repo: String) -> Self {
        Self {
            workstream,
            repo,
            base: None,
            branch: None,
            reuse: None,
            pull_request: None,
            prompt_file: None,
            prompt: None,
            setup_command: None,
            model: None,
            verify_command: None,
            cpu: None,
            memory: None,
            limits: Limits::default(),
        }
    }

    /// Reads an order and checks it. `files` also accepts a `file://` repository.
    ///
    /// # Errors
    /// Every [`Problem`] with the order; only the first where it cannot be read at all.
    pub fn read(value: &Value, files: bool) -> Result<Self, Vec<Problem>> {
        if !value.is_object() {
            return Err(vec![Problem::NotAnObject]);
        }
        let order: Self = serde_path_to_error::deserialize(value)
            .map_err(|error| vec![Problem::unreadable(&error)])?;
        let problems = order.problems(files);
        if problems.is_empty() { Ok(order) } else { Err(problems) }
    }

    /// Every value that `admit` would refuse, so that `ralph run` says it before it starts
    /// anything. `files` also accepts a `file://` repository.
    #[must_use]
    pub fn problems(&self, files: bool) -> Vec<Problem> {
        let mut all: Vec<Problem> =
            repo::check(&self.repo, files).err().into_iter().map(Into::into).collect();
        let texts = [
            &self.base,
            &self.branch,
            &self.prompt_file,
            &self.prompt,
            &self.setup_command,
            &self.model,
            &self.verify_command,
        ];
        for ((field, most), value) in TEXTS.into_iter().zip(texts) {
            let fits = |text: &String| (1..=most).contains(&text.chars().count());
            if !value.as_ref().is_none_or(fits) {
                all.push(Problem::Text { field, most });
            }
        }
        let limits = &self.limits;
        let whole = [
            limits.max_iterations.map(u64::from),
            limits.max_duration_secs,
            limits.iteration_timeout_secs,
            limits.silence_secs,
            limits.setup_timeout_secs,
            limits.max_stalls.map(u64::from),
            limits.max_log_mb.map(u64::from),
            limits.max_commit_mb.map(u64::from),
            limits.max_commit_files.map(u64::from),
        ];
        for ((field, most), value) in WHOLE.into_iter().zip(whole) {
            if !value.is_none_or(|value| (1..=most).contains(&value)) {
                all.push(Problem::whole(field, most));
            }
        }
        if !limits.max_cost_usd.is_none_or(|usd| usd > 0.0 && usd <= MAX_COST_USD) {
            all.push(Problem::cost());
        }
        if self.prompt.is_some() && self.prompt_file.is_some() {
            all.push(Problem::TwoPrompts);
        }
        all.extend(size::check(self.cpu, self.memory).err().map(Into::into));
        all.extend(self.too_long());
        all
    }

    fn too_long(&self) -> Option<Problem> {
        // As long as any run of the order can make them.
        let run = Run::new(Ulid::nil(), MAX_ATTEMPT).ok()?;
        let characters = Overrides::of(self, &run, Some(Used::MOST)).characters();
        if characters <= MAX_OVERRIDES {
            return None;
        }
        let fields = [
            ("repo", Some(&self.repo)),
            ("base", self.base.as_ref()),
            ("branch", self.branch.as_ref()),
            ("promptFile", self.prompt_file.as_ref()),
            ("prompt", self.prompt.as_ref()),
            ("setupCommand", self.setup_command.as_ref()),
            ("model", self.model.as_ref()),
            ("verifyCommand", self.verify_command.as_ref()),
        ];
        let length = |text: &String| serde_json::to_string(text).map_or(0, |json| json.len());
        let lengths = fields.into_iter().filter_map(|(field, text)| Some((length(text?), field)));
        lengths.max().map(|(_, field)| Problem::TooLong { characters, field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rest: &str) -> Order {
        let text =
            format!(r#"{{"workstream":"docs","repo":"https://github.com/you/project"{rest}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn two_fields_are_enough_and_the_rest_is_not_written() {
        let least = order("");
        assert_eq!(least.problems(false), []);
        assert_eq!(
            serde_json::to_string(&least).unwrap(),
            r#"{"workstream":"docs","repo":"https://github.com/you/project"}"#
        );
    }

    #[test]
    fn a_full_input_is_accepted() {
        let full = order(
            r#","base":"main","branch":"work","reuse":"newBranch","pullRequest":"ready","promptFile":"P.md","setupCommand":"just setup","model":"opus","verifyCommand":"just test","cpu":4096,"memory":16384,"limits":{"maxIterations":1,"maxDurationSecs":60,"maxCostUsd":0.5,"iterationTimeoutSecs":60,"silenceSecs":30,"setupTimeoutSecs":600,"maxStalls":2,"maxLogMb":1,"maxCommitMb":100000,"maxCommitFiles":1000000}"#,
        );
        assert_eq!(full.problems(false), []);
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), full);
    }

    #[test]
    fn every_wrong_value_is_named_with_what_to_do() {
        for (rest, field) in [
            (r#","base":"""#, "base"),
            (r#","promptFile":"""#, "promptFile"),
            (r#","prompt":"""#, "prompt"),
            (r#","prompt":"Do it.","promptFile":"P.md""#, "prompt"),
            (r#","setupCommand":"""#, "setupCommand"),
            (r#","model":"""#, "model"),
            (r#","cpu":1024"#, "cpu"),
            (r#","memory":2048"#, "cpu"),
            (r#","cpu":1000,"memory":2048"#, "cpu"),
            (r#","cpu":1024,"memory":1024"#, "memory"),
            (r#","limits":{"setupTimeoutSecs":86401}"#, "limits.setupTimeoutSecs"),
            (r#","limits":{"maxIterations":0}"#, "limits.maxIterations"),
            (r#","limits":{"maxDurationSecs":25920001}"#, "limits.maxDurationSecs"),
            (r#","limits":{"maxCostUsd":0}"#, "limits.maxCostUsd"),
            (r#","limits":{"maxCostUsd":1000001}"#, "limits.maxCostUsd"),
            (r#","limits":{"maxStalls":1001}"#, "limits.maxStalls"),
            (r#","limits":{"maxLogMb":0}"#, "limits.maxLogMb"),
            (r#","limits":{"maxCommitMb":100001}"#, "limits.maxCommitMb"),
            (r#","limits":{"maxCommitFiles":0}"#, "limits.maxCommitFiles"),
        ] {
            let problems = order(rest).problems(false);
            assert_eq!(problems.len(), 1, "{rest}");
            let text = problems[0].to_string();
            assert!(text.contains(&format!("`{field}`")) && text.contains("\nhint: "), "{text}");
        }
    }

    /// What a person reads who wrote an order by hand.
    #[test]
    fn what_cannot_be_read_is_named_with_what_is_allowed() {
        let repo = "https://github.com/you/project";
        for (text, said) in [
            ("[]", "not a JSON object"),
            (r#"{"workstream":"docs"}"#, "missing field `repo`"),
            (r#"{"workstream":"docs","repo":7}"#, "`repo` is not a text"),
            (r#"{"workstream":"../x","repo":"REPO"}"#, "`workstream` is not an id: 1 to 48"),
            (r#"{"workstream":"rescue","repo":"REPO"}"#, "and not rescue"),
            (
                r#"{"workstream":"docs","repo":"REPO","maxCostUsd":1}"#,
                "unknown field `maxCostUsd`, expected one of `workstream`, ",
            ),
            (
                r#"{"workstream":"docs","repo":"REPO","limits":{"cost":1}}"#,
                "unknown field `cost`, expected one of `maxIterations`, ",
            ),
            (r#"{"workstream":"docs","repo":"REPO","limits":"none"}"#, "`limits` is not an object"),
            (
                r#"{"workstream":"docs","repo":"REPO","limits":{"maxIterations":1.5}}"#,
                "`limits.maxIterations` is out of range\nhint: a whole number from 1 to 100000",
            ),
            (
                r#"{"workstream":"docs","repo":"REPO","limits":{"maxCostUsd":"1"}}"#,
                "`limits.maxCostUsd` is out of range\nhint: US dollars, more than 0 and at most 1000000",
            ),
            (
                r#"{"workstream":"docs","repo":"REPO","branch":[]}"#,
                "`branch` is not a text of 1 to 200 characters",
            ),
            (r#"{"workstream":"docs","repo":"REPO","cpu":"1"}"#, "`cpu` is not a whole number"),
            (
                r#"{"workstream":"docs","repo":"REPO","reuse":"never"}"#,
                "`reuse` is not `continue` or `newBranch`",
            ),
            (
                r#"{"workstream":"docs","repo":"REPO","pullRequest":true}"#,
                "`pullRequest` is not `none`, `draft` or `ready`",
            ),
            (
                r#"{"workstream":"docs","repo":"https://you:hunter2@github.com/a"}"#,
                "the git-token secret is for credentials",
            ),
        ] {
            let value = serde_json::from_str(&text.replace("REPO", repo)).unwrap();
            let problems = Order::read(&value, false).unwrap_err();
            let message = problems[0].to_string();
            assert!(message.contains(said), "{text}: {message}");
            assert!(message.contains("\nhint: ") && !message.contains("hunter2"), "{message}");
        }
    }
    /// Where ECS draws the line, for the longest id of a run.
    #[test]
    fn the_longest_overrides_are_accepted_and_one_character_more_is_not() {
        let mut order = order("");
        order.prompt_file = Some("p".repeat(MAX_PATH));
        // Each control character counts six times.
        let with = |order: &Order, controls: usize, plain: usize| {
            let command = "\u{1}".repeat(controls) + &"x".repeat(plain);
            Order { verify_command: Some(command), ..order.clone() }
        };
        let run = Run::new(Ulid::nil(), MAX_ATTEMPT).unwrap();
        let characters = |order: &Order| Overrides::of(order, &run, Some(Used::MOST)).characters();
        let controls = 1_100;
        let plain = MAX_OVERRIDES - characters(&with(&order, controls, 0));
        let longest = with(&order, controls, plain);
        assert_eq!((characters(&longest), longest.problems(false)), (MAX_OVERRIDES, vec![]));
        let over = with(&order, controls, plain + 1);
        assert_eq!(
            over.problems(false),
            [Problem::TooLong { characters: MAX_OVERRIDES + 1, field: "verifyCommand" }]
        );
    }
}
