//! Git: the checkout, checkpoints, pushes.
//!
//! Invariant: git, or git-lfs, with a credential never runs in the agent's checkout, and never while
//! anything of the agent's is running.

mod checkpoint;
mod commit;
mod completion;
mod guard;
mod ledger;
mod lfs;
mod prepare;
mod push;
mod rebuild;
mod repair;
mod run;
mod submodules;

use std::{future::Future, path::PathBuf, time::Duration};

use ralph_protocol::{
    ids::Run,
    secret::{GitCredential, GitToken},
};
use tokio::sync::watch;
use url::Url;

use crate::{
    config::{Config, Secrets},
    journal::Journal,
    machine::{Failure, Ledger, Prepared, SaveOrder, Saved, Verdict},
};

pub use completion::is_complete;
pub use lfs::{FILTER as LFS_FILTER, filter as lfs_filter};
pub use run::{Git, GitError, Patience};

/// The file whose status line ends the loop.
pub const PROGRESS_FILE: &str = "PROGRESS.md";

/// Where the work lies: what the driver needs of git.
pub trait Workplace {
    /// Makes the checkout.
    fn prepare(&mut self) -> impl Future<Output = Result<Prepared, Failure>>;
    /// Commits and pushes everything in the checkout.
    fn save(&mut self, order: SaveOrder) -> impl Future<Output = Saved>;
    /// The prompt as committed; the last one there was, when the agent took it away.
    fn prompt(&mut self) -> impl Future<Output = String>;
    /// Runs the verify command.
    fn verify(&self) -> impl Future<Output = Verdict>;
}

/// A checkout and the remote it belongs to.
pub struct Checkout {
    /// Runs git.
    pub git: Git,
    /// The remote.
    pub repo: Url,
    /// Branch to start from.
    pub base: Option<String>,
    /// Branch the work goes to.
    pub branch: String,
    /// The run.
    pub run: Run,
    /// The working tree.
    pub dir: PathBuf,
    /// Prompt file below it.
    pub prompt_file: String,
    /// Whether to fetch what a build needs beside git's own files: content of LFS, submodules.
    pub furnish: bool,
    /// The last prompt there was.
    pub prompt: String,
    /// The credential, if there is one.
    pub credential: Option<GitCredential>,
    /// Command that must pass before the work is complete.
    pub verify_command: Option<String>,
    /// The agent's home, for the verify command.
    pub home: PathBuf,
    /// Longest run of the verify command.
    pub verify_timeout: Duration,
    /// Where events go.
    pub journal: Journal,
    /// What the remote's branch is known to hold; `None` while it does not exist there.
    pub pushed: Option<String>,
    /// Branch the work started from.
    pub start: String,
    /// Branches of the remote that the checkout has as `origin/…`: the base and the default branch.
    pub beside: Vec<String>,
    /// The remote's default branch, if it has one.
    pub default: Option<String>,
    /// A commit the remote has, on which our work builds.
    pub known: String,
    /// HEAD after the last checkpoint, to see progress.
    pub head: String,
    /// What earlier runs have used, if somebody knows better than the commits.
    pub earlier: Option<Ledger>,
    /// What the last checkpoint's trailers say.
    pub recorded: Ledger,
}

impl Checkout {
    /// A checkout that is not made yet. `hurry` says by when a push must be done, ms since the
    /// epoch.
    #[must_use]
    pub fn new(
        config: &Config,
        secrets: &Secrets,
        hurry: watch::Receiver<Option<u64>>,
        journal: Journal,
    ) -> Self {
        let folder = config.workdir.join(config.run.as_str());
        let dir = folder.join("checkout");
        Self {
            git: Git::new(dir.clone(), config.repo.scheme() == "file", hurry),
            repo: config.repo.clone(),
            base: config.base.clone(),
            branch: config.branch.clone(),
            run: config.run.clone(),
            dir,
            prompt_file: config.prompt_file.clone(),
            furnish: true,
            prompt: String::new(),
            credential: match &secrets.git {
                GitToken::Token(credential) => Some(credential.clone()),
                GitToken::Public(_) => None,
            },
            verify_command: config.verify_command.clone(),
            home: folder.join("home"),
            verify_timeout: Duration::from_secs(config.limits.iteration_timeout_secs),
            journal,
            pushed: None,
            start: String::new(),
            beside: Vec::new(),
            default: None,
            known: String::new(),
            head: String::new(),
            earlier: config.earlier,
            recorded: Ledger::default(),
        }
    }
}
