//! The commands about one workstream: run, stop, ps, logs.

use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{Args as ClapArgs, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use ralph_protocol::{
    execution::{Limits, Order, PullRequest, Reuse},
    ids::{Run, Workstream},
    message::MAX_LIMIT,
};

use super::positive;
use crate::target::TargetArgs;

#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// The workstream's name: 1 to 48 characters of a-z, 0-9 and `-`, not `rescue`
    pub workstream: Workstream,
    /// The repository: https, without user name or token; in the local cloud also file://
    pub repo: String,
    /// Branch to start from [default: the repository's own]
    #[arg(long)]
    pub base: Option<String>,
    /// Branch to work on [default: ralph/<workstream>]
    #[arg(long)]
    pub branch: Option<String>,
    /// Go on upon the workstream's branch, with the base merged into it [default, unless it is merged]
    #[arg(long = "continue", conflicts_with = "new_branch")]
    pub go_on: bool,
    /// Begin another branch from the base: ralph/<workstream>.2 and so on
    #[arg(long)]
    pub new_branch: bool,
    /// Whether the worker opens a pull request [default: ralph.toml's, else draft on GitHub]
    #[arg(long, value_name = "KIND", value_parser = pull_request)]
    pub pull_request: Option<PullRequest>,
    /// The prompt itself
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prompt_file", "prompt_path"])]
    pub prompt: Option<String>,
    /// A file of this machine with the prompt, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "prompt_path")]
    pub prompt_file: Option<PathBuf>,
    /// A file of the repository with the prompt [default: PROMPT.md]
    #[arg(long, value_name = "PATH")]
    pub prompt_path: Option<String>,
    /// A command that runs once before the first iteration [default: the repository's .ralph/setup]
    #[arg(long, value_name = "COMMAND")]
    pub setup: Option<String>,
    /// A command that must pass before the work counts as complete
    #[arg(long, value_name = "COMMAND")]
    pub verify: Option<String>,
    /// The model that the agent asks for, such as opus
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    #[command(flatten)]
    pub size: SizeArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Show the lines as they come, and end with the worker's exit code
    #[arg(short, long)]
    pub follow: bool,
    /// Wait until the execution is over, and end with the worker's exit code
    #[arg(long, conflicts_with = "follow")]
    pub wait: bool,
    /// In the local cloud: a scripted agent that costs nothing works instead of claude
    #[arg(long)]
    pub scripted: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// The size of a task; without it ralph.toml's.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct SizeArgs {
    /// CPU units of the task, 1024 for a processor; together with --memory
    #[arg(long, value_name = "N")]
    pub cpu: Option<u32>,
    /// Memory of the task in MiB
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
}

/// Limits; what is left out is as ralph.toml says.
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
pub struct LimitArgs {
    /// Most iterations
    #[arg(long, value_name = "N")]
    pub max_iterations: Option<u32>,
    /// Longest duration, such as 8h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub max_duration: Option<u64>,
    /// Highest cost in US dollars
    #[arg(long, value_name = "USD", value_parser = positive)]
    pub max_cost_usd: Option<f64>,
    /// Longest iteration, such as 30m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub iteration_timeout: Option<u64>,
    /// Longest silence of the agent, such as 10m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub silence: Option<u64>,
    /// Longest run of the setup command, such as 30m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub setup_timeout: Option<u64>,
    /// Most iterations in a row without progress
    #[arg(long, value_name = "N")]
    pub max_stalls: Option<u32>,
    /// Most that each run (one task) logs, in MB
    #[arg(long, value_name = "MB")]
    pub max_log_mb: Option<u32>,
    /// Most new content in one commit, in MB
    #[arg(long, value_name = "MB")]
    pub max_commit_mb: Option<u32>,
    /// Most new files in one commit
    #[arg(long, value_name = "N")]
    pub max_commit_files: Option<u32>,
}

impl RunArgs {
    /// What the execution is asked to do, with the prompt that an option brings.
    pub fn order(&self, prompt: Option<String>) -> Order {
        let limits = &self.limits;
        Order {
            base: self.base.clone(),
            branch: self.branch.clone(),
            reuse: match (self.go_on, self.new_branch) {
                (true, _) => Some(Reuse::Continue),
                (_, true) => Some(Reuse::NewBranch),
                _ => None,
            },
            pull_request: self.pull_request,
            prompt_file: self.prompt_path.clone(),
            prompt,
            setup_command: self.setup.clone(),
            model: self.model.clone(),
            cpu: self.size.cpu,
            memory: self.size.memory,
            verify_command: self.verify.clone(),
            limits: Limits {
                max_iterations: limits.max_iterations,
                max_duration_secs: limits.max_duration,
                max_cost_usd: limits.max_cost_usd,
                iteration_timeout_secs: limits.iteration_timeout,
                silence_secs: limits.silence,
                setup_timeout_secs: limits.setup_timeout,
                max_stalls: limits.max_stalls,
                max_log_mb: limits.max_log_mb,
                max_commit_mb: limits.max_commit_mb,
                max_commit_files: limits.max_commit_files,
            },
            ..Order::new(self.workstream.clone(), self.repo.clone())
        }
    }
}

fn pull_request(text: &str) -> Result<PullRequest, &'static str> {
    text.parse().map_err(|()| "one of none, draft and ready")
}

/// The fields of an order, as messages about them name them, and the options of `ralph run` that set them.
pub const OPTIONS: [(&str, &str); 19] = [
    ("base", "--base"),
    ("branch", "--branch"),
    ("promptFile", "--prompt-path"),
    ("prompt", "--prompt"),
    ("setupCommand", "--setup"),
    ("model", "--model"),
    ("verifyCommand", "--verify"),
    ("cpu", "--cpu"),
    ("memory", "--memory"),
    ("limits.maxIterations", "--max-iterations"),
    ("limits.maxDurationSecs", "--max-duration"),
    ("limits.maxCostUsd", "--max-cost-usd"),
    ("limits.iterationTimeoutSecs", "--iteration-timeout"),
    ("limits.silenceSecs", "--silence"),
    ("limits.setupTimeoutSecs", "--setup-timeout"),
    ("limits.maxStalls", "--max-stalls"),
    ("limits.maxLogMb", "--max-log-mb"),
    ("limits.maxCommitMb", "--max-commit-mb"),
    ("limits.maxCommitFiles", "--max-commit-files"),
];

#[derive(Debug, ClapArgs)]
pub struct StopArgs {
    /// The workstream
    pub workstream: Workstream,
    /// How long to wait until it is stopped
    #[arg(long, value_name = "TIME", default_value = "4m", value_parser = seconds)]
    pub wait: u64,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub struct WaitArgs {
    /// The workstream
    pub workstream: Workstream,
    /// This execution, by its name in `ralph ps --json` [default: the newest]
    #[arg(long, value_name = "NAME")]
    pub execution: Option<String>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub struct PsArgs {
    /// Also those that ended
    #[arg(short, long)]
    pub all: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, ClapArgs)]
pub struct LogsArgs {
    /// The workstream
    pub workstream: Workstream,
    /// Go on with new lines as they come; with --run until that run is over, else until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Lines from then on: how long ago (10m, 2h30m), or a time (2026-11-25T08:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<u64>,
    /// This run alone
    #[arg(long, value_name = "RUN")]
    pub run: Option<Run>,
    /// The newest lines; without it 1000, or with --since or --run all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    pub tail: Option<u32>,
    /// The events as they were written, a line of JSON each
    #[arg(long)]
    pub json: bool,
    /// Follow until the workstream's execution is over, and end with its worker's exit code
    #[arg(long)]
    pub exit_code: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    #[command(flatten)]
    pub target: TargetArgs,
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR says otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<Colour> for ColorChoice {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Auto => Self::Auto,
            Colour::Always => Self::Always,
            Colour::Never => Self::Never,
        }
    }
}

/// A duration in whole seconds, at least one.
fn seconds(text: &str) -> Result<u64, String> {
    let duration = text.parse::<SignedDuration>().ok();
    let secs = duration.and_then(|duration| u64::try_from(duration.as_secs()).ok());
    secs.filter(|&secs| secs > 0).ok_or_else(|| "expected a time such as 90s, 30m or 2h".to_owned())
}

/// A time, or how long ago; ms since the epoch.
fn since(text: &str) -> Result<u64, String> {
    let time = match text.parse::<SignedDuration>() {
        Ok(ago) if ago.is_positive() => Timestamp::now().checked_sub(ago).ok(),
        Ok(_) => None,
        Err(_) => text.parse::<Timestamp>().ok(),
    };
    time.and_then(|time| u64::try_from(time.as_millisecond()).ok()).ok_or_else(|| {
        "expected how long ago (10m, 2h30m), or a time (2026-11-25T08:00:00Z)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("2h30m", Some(9000)),
            ("1h 5s", Some(3605)),
            ("0s", None),
            ("-5m", None),
            ("10ms", None),
            ("90", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        assert_eq!(since("1970-01-01T00:00:01.5Z"), Ok(1500));
        assert_eq!(since("1970-01-01T01:00:01+01:00"), Ok(1000));
        assert!(since("yesterday").is_err() && since("-1m").is_err());
        let hour_ago = since("1h").unwrap();
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap();
        assert!((3_599_000..3_700_000).contains(&(now - hour_ago)));
    }
}
