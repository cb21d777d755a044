//! Git: the checkout, checkpoints, pushes.
//!
//! Invariant: git, or git-lfs, with a credential never runs in the agent's checkout, and never while
//! anything of the agent's is running.

mod bare;
mod checkpoint;
mod completion;
mod credential;
mod github;
mod guard;
mod ledger;
mod lfs;
mod prepare;
mod pull_request;
mod push;
mod rebuild;
mod refusal;
mod repair;
mod reuse;
mod run;
mod setup;
mod side;
mod space;
mod stage;
mod store;
mod submodules;
mod untouched;
mod volume;

use std::{collections::BTreeSet, ffi::OsString, future::Future, path::PathBuf, time::Duration};

use ralph_protocol::{execution::Reuse, ids::Run};
use tokio::sync::watch;
use url::Url;

use crate::{
    agent::environment::Variables,
    config::{CommitLimits, Config, Prompt, Secrets},
    journal::Journal,
    machine::{Failure, Ledger, Prepared, SaveOrder, Saved, Verdict},
};

pub use credential::Credential;
pub use github::Why;
pub use lfs::{FILTER as LFS_FILTER, filter as lfs_filter};
pub use run::{Git, GitError, Patience};
pub use setup::{SETUP_FILE, Setup};

/// The file whose status line ends the loop.
pub const PROGRESS_FILE: &str = "PROGRESS.md";

/// Where the work lies: what the driver needs of git.
pub trait Workplace {
    /// Makes the checkout.
    fn prepare(&mut self) -> impl Future<Output = Result<Prepared, Failure>>;
    /// Runs setup, if there is one.
    fn set_up(&mut self) -> impl Future<Output = Result<(), Failure>>;
    /// Commits and pushes everything in the checkout.
    fn save(&mut self, order: SaveOrder) -> impl Future<Output = Saved>;
    /// The prompt: as committed, the last one there was when the agent took it away, or the one that
    /// the run came with.
    fn prompt(&mut self) -> impl Future<Output = String>;
    /// Runs the verify command.
    fn verify(&mut self) -> impl Future<Output = Verdict>;
}

/// A checkout and the remote it belongs to.
pub struct Checkout {
    /// Runs git.
    pub git: Git,
    /// The remote.
    pub repo: Url,
    /// Branch to start from.
    pub base: Option<String>,
    /// Branch the work goes to. Until [`Checkout::make`] has chosen, the workstream's first one.
    pub branch: String,
    /// What to do where the workstream has a branch already.
    pub reuse: Option<Reuse>,
    /// The run.
    pub run: Run,
    /// The working tree.
    pub dir: PathBuf,
    /// Where the prompt is.
    pub prompt_source: Prompt,
    /// Only looks: what a build needs beside git's own files (content of LFS, submodules) is not
    /// fetched, and nothing is pushed.
    pub dry: bool,
    /// The last prompt there was.
    pub prompt: String,
    /// The credential, if there is one.
    pub credential: Option<Credential>,
    /// Command that runs before the first iteration; without one, the repository's own.
    pub setup_command: Option<String>,
    /// What runs before the first iteration.
    pub setup: Setup,
    /// Longest run of it.
    pub setup_timeout: Duration,
    /// Command that must pass before the work is complete.
    pub verify_command: Option<String>,
    /// The agent's home.
    pub home: PathBuf,
    /// The environment of setup and of the verify command; the agent's has the way to the model too.
    pub environment: Variables,
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
    /// Their commits, as downloaded.
    upstream: Vec<String>,
    /// The remote's default branch, if it has one.
    pub default: Option<String>,
    /// A commit the remote has, on which our work builds.
    pub known: String,
    /// HEAD before this run's agent changed anything.
    pub begin: String,
    /// A commit of this execution is among those of HEAD.
    pub own: bool,
    /// HEAD is work that an earlier attempt left on a rescue branch.
    adopted: bool,
    /// Which branch was chosen, why, and what the work begins with; `None` when there was no choice.
    pub says: Option<String>,
    /// What the agent has to know of it, for its first prompt.
    note: Option<String>,
    /// What the last checkpoint found that only looks complete.
    pub near: Option<String>,
    /// HEAD after the last checkpoint, to see progress.
    pub head: String,
    /// What earlier runs have used, if somebody knows better than the commits.
    pub earlier: Option<Ledger>,
    /// What the last checkpoint's trailers say.
    pub recorded: Ledger,
    /// What bounds a commit.
    limits: CommitLimits,
    /// What setup left in the tree.
    untouched: untouched::Untouched,
    /// What the remote has refused: paths with the content's id.
    refused: BTreeSet<(OsString, String)>,
    /// Work beside the branch that was pushed.
    sides: side::Sides,
    /// What was logged of the last checkpoint's files that stay out.
    said: BTreeSet<String>,
    /// Branches and tags of origin as they were at the start, for `git update-ref --stdin`.
    origin: Vec<u8>,
    /// What the remote has; `None` while it has to be copied again.
    store: Option<store::Store>,
    /// The pull request that offers the branch.
    pulls: pull_request::PullRequests,
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
        let home = folder.join("home");
        let own = |name: &str| std::env::var(name).ok();
        Self {
            git: Git::new(dir.clone(), config.repo.scheme() == "file", hurry),
            repo: config.repo.clone(),
            base: config.base.clone(),
            branch: config.branch.clone(),
            reuse: config.reuse,
            run: config.run.clone(),
            environment: Variables::new(own, &home, &dir, &secrets.agent),
            dir,
            home,
            prompt_source: config.prompt.clone(),
            dry: false,
            prompt: String::new(),
            credential: Credential::new(&secrets.git, &config.repo, journal.redactor()),
            setup_command: config.setup_command.clone(),
            setup: Setup::Nothing,
            setup_timeout: Duration::from_secs(config.setup_timeout_secs),
            verify_command: config.verify_command.clone(),
            verify_timeout: Duration::from_secs(config.limits.iteration_timeout_secs),
            journal,
            pushed: None,
            start: String::new(),
            beside: Vec::new(),
            upstream: Vec::new(),
            default: None,
            known: String::new(),
            begin: String::new(),
            own: false,
            adopted: false,
            says: None,
            note: None,
            near: None,
            head: String::new(),
            earlier: config.earlier,
            recorded: Ledger::default(),
            limits: config.commit_limits,
            untouched: untouched::Untouched::default(),
            refused: BTreeSet::new(),
            sides: side::Sides::default(),
            said: BTreeSet::new(),
            origin: Vec::new(),
            store: None,
            pulls: pull_request::PullRequests::new(config, &secrets.git),
        }
    }
}
