//! The worker's configuration: every `RALPH_*` variable is checked before anything is spent, and
//! all problems are reported together.

mod fields;
mod repo;
mod variables;

use std::{collections::BTreeMap, path::PathBuf};

use ralph_protocol::{
    event::Limits,
    execution::{PullRequest, Reuse},
    ids::{Run, Workstream},
    names::worker_env as env,
    secret::{AnthropicKeys, GitToken},
};
use url::Url;

use crate::machine::Ledger;

use ralph_protocol::ids::RESCUE_PREFIX;
pub use ralph_protocol::names::DEFAULT_AGENT_COMMAND;
pub use repo::RepoError;
pub use variables::{AgentVariables, long_lines};

/// Where checkouts go unless `RALPH_WORKDIR` says otherwise: the image's volume.
pub const DEFAULT_WORKDIR: &str = "/workspace";

/// The prompt file unless `RALPH_PROMPT_FILE` names another.
pub const DEFAULT_PROMPT_FILE: &str = "PROMPT.md";

/// What an agent must know of the loop, whatever its prompt says: it stands for `{convention}` in the
/// agent's command. docs/operations.md shows it.
pub const CONVENTION: &str = include_str!("convention.txt");

/// Branches below these prefixes belong to work that could not be pushed to its own branch. The
/// second and the third are used when a branch of the remote stands in the way of the first.
pub const RESCUE_PREFIXES: [&str; 3] = [RESCUE_PREFIX, "ralph-rescue", "ralph-rescue-branches"];

/// Bytes of an MB, the unit of some limits.
pub const MB: u64 = 1_000_000;

/// The service the gateway talks to unless `RALPH_MODEL_ENDPOINT` names another.
pub const DEFAULT_MODEL_ENDPOINT: &str = "https://api.anthropic.com";

/// A checked configuration, without the secrets.
#[derive(Debug, Clone)]
pub struct Config {
    /// The workstream.
    pub workstream: Workstream,
    /// This start of the worker.
    pub run: Run,
    /// Repository URL, without user info.
    pub repo: Url,
    /// Branch to start from; `None`: the remote's default branch.
    pub base: Option<String>,
    /// Branch the work goes to.
    pub branch: String,
    /// What to do where the workstream has a branch already; `None`: go on upon it, or begin another
    /// one when it is merged.
    pub reuse: Option<Reuse>,
    /// Whether to open a pull request; `None`: a draft where the host is GitHub.
    pub pull_request: Option<PullRequest>,
    /// Where the lines of a run can be read: a template of [`ralph_protocol::link::log_url`].
    pub log_url: Option<String>,
    /// What the agent is asked to do.
    pub prompt: Prompt,
    /// Runs once before the first iteration; `None`: the repository's own, if it has one.
    pub setup_command: Option<String>,
    /// Longest run of setup, seconds.
    pub setup_timeout_secs: u64,
    /// What ends the run; each is greater than zero.
    pub limits: Limits,
    /// Most bytes that the run logs, after redaction.
    pub max_log_bytes: u64,
    /// What one commit may add.
    pub commit_limits: CommitLimits,
    /// What earlier runs of the execution have used; `None` when the worker runs alone and reads it
    /// from the commits.
    pub earlier: Option<Ledger>,
    /// The agent's command, one element an argument, placeholders not yet filled in.
    pub agent_command: Vec<String>,
    /// Must pass before the work counts as complete.
    pub verify_command: Option<String>,
    /// Gets a copy of every event.
    pub journal: Option<PathBuf>,
    /// The model's endpoint.
    pub model_endpoint: Url,
    /// Folder for checkouts.
    pub workdir: PathBuf,
}

/// Where the prompt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Here, and the same in every iteration.
    Text(String),
    /// In a file: its path, relative to the repository's root.
    File(String),
}

/// What one commit may add. What is beyond it stays out of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitLimits {
    /// Most bytes of new content, before compression.
    pub bytes: u64,
    /// Most new files.
    pub files: u64,
}

/// The secrets, apart from [`Config`] so that only what needs them holds them.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Keys of the model's service.
    pub anthropic: AnthropicKeys,
    /// The git credential.
    pub git: GitToken,
    /// What the agent gets, of which some is secret.
    pub agent: AgentVariables,
}

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} in the environment:\n{}", count(problems.len()), problems.join("\n"))]
pub struct ConfigError {
    /// One text a problem, each with the variable's name and a hint.
    pub problems: Vec<String>,
    /// Who the run is, when at least that could be read: then the problems become events.
    pub identity: Option<(Workstream, Run)>,
    /// Where events are copied to, when that could be read.
    pub journal: Option<PathBuf>,
}

fn count(n: usize) -> String {
    if n == 1 { "1 problem".to_owned() } else { format!("{n} problems") }
}

/// Texts by name, as the process got them. Empty means absent.
#[derive(Debug, Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// A variable's text; `None` when absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
    }
}

/// Reads and checks the whole environment.
///
/// # Errors
/// [`ConfigError`] with every problem there is, never with a secret's value.
pub fn read(environment: &Environment) -> Result<(Config, Secrets), ConfigError> {
    let mut reader = fields::Reader::new(environment);
    let workstream = reader.workstream();
    let run = reader.run();
    let journal = reader.path(env::JOURNAL);
    let anthropic = reader.secret(env::ANTHROPIC_KEYS, AnthropicKeys::parse);
    let git = reader.secret(env::GIT_TOKEN, GitToken::parse);
    let repo = reader.repo(git.as_ref());
    let base = reader.branch(env::BASE);
    let branch =
        reader.branch(env::BRANCH).or_else(|| workstream.as_ref().map(Workstream::default_branch));
    let reuse = reader.one_of(env::REUSE, "continue or newBranch");
    let pull_request = reader.one_of(env::PULL_REQUEST, "none, draft or ready");
    let log_url = reader.log_url();
    let prompt = reader.prompt();
    let setup_command = reader.text(env::SETUP_COMMAND);
    let setup_timeout = reader.setup_timeout();
    let limits = reader.limits();
    let max_log_bytes = reader.max_log_bytes();
    let commit_limits = reader.commit_limits();
    let earlier = reader.earlier();
    let model_endpoint = reader.model_endpoint();
    let model = reader.model(model_endpoint.as_ref());
    let agent_command = reader.agent_command(model.as_deref());
    let verify_command = reader.text(env::VERIFY_COMMAND);
    let agent = reader.agent_variables(repo.as_ref());
    let workdir = reader.path(env::WORKDIR).unwrap_or_else(|| PathBuf::from(DEFAULT_WORKDIR));
    // Programs run in the checkout, where a relative path would lead elsewhere.
    let workdir = std::path::absolute(&workdir).unwrap_or(workdir);

    let problems = reader.problems;
    match (
        workstream,
        run,
        anthropic,
        git,
        repo,
        branch,
        prompt.zip(setup_timeout),
        limits.zip(max_log_bytes).zip(commit_limits),
        agent_command,
        model_endpoint,
    ) {
        (
            Some(workstream),
            Some(run),
            Some(anthropic),
            Some(git),
            Some(repo),
            Some(branch),
            Some((prompt, setup_timeout_secs)),
            Some(((limits, max_log_bytes), commit_limits)),
            Some(agent_command),
            Some(model_endpoint),
        ) if problems.is_empty() => Ok((
            Config {
                workstream,
                run,
                repo,
                base,
                branch,
                reuse,
                pull_request,
                log_url,
                prompt,
                setup_command,
                setup_timeout_secs,
                limits,
                max_log_bytes,
                commit_limits,
                earlier,
                agent_command,
                verify_command,
                journal,
                model_endpoint,
                workdir,
            },
            Secrets { anthropic, git, agent },
        )),
        (workstream, run, ..) => {
            Err(ConfigError { problems, identity: workstream.zip(run), journal })
        }
    }
}

#[cfg(test)]
mod tests;
