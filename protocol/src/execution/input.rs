//! What an execution is told.

use serde::{Deserialize, Serialize};

use super::repo::{self, RepoProblem};
use crate::ids::Workstream;

/// Most characters of a branch's name.
pub const MAX_BRANCH: usize = 200;
/// Most characters of the prompt file's path.
pub const MAX_PATH: usize = 500;
/// Most characters of a command. ECS takes 8192 of overrides in all.
pub const MAX_COMMAND: usize = 2_000;
/// Most iterations.
pub const MAX_ITERATIONS: u32 = 100_000;
/// Longest duration: 300 days. AWS ends an execution after a year, whatever it does.
pub const MAX_DURATION_SECS: u64 = 300 * 24 * 3600;
/// Most stalls in a row.
pub const MAX_STALLS: u32 = 1_000;
/// Highest cost, US dollars.
const MAX_COST_USD: f64 = 1e6;

/// The input of an execution. What is absent is as the task definition says, which is as
/// `ralph.toml` says; an unknown field is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
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
    /// Prompt file, a path inside the repository; absent: `PROMPT.md`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt_file: Option<String>,
    /// A command that must pass before the work counts as complete.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verify_command: Option<String>,
    /// What bounds the execution, all its runs together.
    #[serde(skip_serializing_if = "InputLimits::is_empty", default)]
    pub limits: InputLimits,
}

/// Limits that differ from the task definition's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputLimits {
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
    /// Most iterations in a row without progress, 1 to [`MAX_STALLS`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_stalls: Option<u32>,
}

impl InputLimits {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoProblem),
    /// A text is empty or too long.
    #[error(
        "`{field}` is empty or longer than {most} characters\nhint: leave it out for the environment's own"
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

impl Input {
    /// Everything that the state machine would refuse this input for, so that `ralph run` says it
    /// before it starts anything. `files` accepts a `file://` repository.
    #[must_use]
    pub fn problems(&self, files: bool) -> Vec<Problem> {
        let mut all: Vec<Problem> =
            repo::check(&self.repo, files).err().into_iter().map(Into::into).collect();
        for (field, value, most) in [
            ("base", &self.base, MAX_BRANCH),
            ("branch", &self.branch, MAX_BRANCH),
            ("promptFile", &self.prompt_file, MAX_PATH),
            ("verifyCommand", &self.verify_command, MAX_COMMAND),
        ] {
            let fits = |text: &String| (1..=most).contains(&text.chars().count());
            if !value.as_ref().is_none_or(fits) {
                all.push(Problem::Text { field, most });
            }
        }
        let limits = &self.limits;
        for (field, value, most) in [
            ("maxIterations", limits.max_iterations.map(u64::from), MAX_ITERATIONS.into()),
            ("maxDurationSecs", limits.max_duration_secs, MAX_DURATION_SECS),
            ("iterationTimeoutSecs", limits.iteration_timeout_secs, MAX_DURATION_SECS),
            ("silenceSecs", limits.silence_secs, MAX_DURATION_SECS),
            ("maxStalls", limits.max_stalls.map(u64::from), MAX_STALLS.into()),
        ] {
            if !value.is_none_or(|value| (1..=most).contains(&value)) {
                all.push(Problem::Limit {
                    field,
                    allowed: format!("a whole number from 1 to {most}"),
                });
            }
        }
        if !limits.max_cost_usd.is_none_or(|usd| usd > 0.0 && usd <= MAX_COST_USD) {
            let allowed = "US dollars, more than 0 and at most 1000000".to_owned();
            all.push(Problem::Limit { field: "maxCostUsd", allowed });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(rest: &str) -> Input {
        let text =
            format!(r#"{{"workstream":"docs","repo":"https://github.com/you/project"{rest}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn two_fields_are_enough_and_the_rest_is_not_written() {
        let least = input("");
        assert_eq!(least.problems(false), []);
        assert_eq!(
            serde_json::to_string(&least).unwrap(),
            r#"{"workstream":"docs","repo":"https://github.com/you/project"}"#
        );
    }

    #[test]
    fn a_full_input_is_accepted() {
        let full = input(
            r#","base":"main","branch":"work","promptFile":"P.md","verifyCommand":"just test","limits":{"maxIterations":1,"maxDurationSecs":60,"maxCostUsd":0.5,"iterationTimeoutSecs":60,"silenceSecs":30,"maxStalls":2}"#,
        );
        assert_eq!(full.problems(false), []);
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), full);
    }

    #[test]
    fn every_wrong_value_is_named_with_what_to_do() {
        for (rest, field) in [
            (r#","base":"""#, "base"),
            (r#","promptFile":"""#, "promptFile"),
            (r#","limits":{"maxIterations":0}"#, "limits.maxIterations"),
            (r#","limits":{"maxDurationSecs":25920001}"#, "limits.maxDurationSecs"),
            (r#","limits":{"maxCostUsd":0}"#, "limits.maxCostUsd"),
            (r#","limits":{"maxCostUsd":1000001}"#, "limits.maxCostUsd"),
            (r#","limits":{"maxStalls":1001}"#, "limits.maxStalls"),
        ] {
            let problems = input(rest).problems(false);
            assert_eq!(problems.len(), 1, "{rest}");
            let text = problems[0].to_string();
            assert!(text.contains(&format!("`{field}`")) && text.contains("\nhint: "), "{text}");
        }
    }

    #[test]
    fn an_unknown_field_or_workstream_is_not_an_input() {
        for bad in [
            r#"{"workstream":"docs","repo":"r","maxCostUsd":1}"#,
            r#"{"workstream":"docs","repo":"r","limits":{"cost":1}}"#,
            r#"{"workstream":"../x","repo":"r"}"#,
            r#"{"workstream":"docs"}"#,
        ] {
            assert!(serde_json::from_str::<Input>(bad).is_err(), "{bad}");
        }
    }
}
