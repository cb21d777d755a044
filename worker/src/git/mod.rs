//! Git: the checkout, checkpoints, pushes.
//!
//! Invariant: git with a credential never runs in the agent's checkout, and never while anything
//! of the agent's is running.

mod checkpoint;
mod commit;
mod completion;
mod guard;
mod ledger;
mod prepare;
mod push;
mod repair;
mod run;

use std::{future::Future, path::PathBuf};

use ralph_protocol::{ids::Run, secret::GitCredential};
use url::Url;

use crate::{
    journal::Journal,
    machine::{Failure, Prepared, SaveOrder, Saved, Verdict},
};

pub use completion::is_complete;
pub use run::{Git, GitError};

/// The file whose status line ends the loop.
pub const PROGRESS_FILE: &str = "PROGRESS.md";

/// Where the work lies: what the driver needs of git.
pub trait Workplace {
    /// Makes the checkout.
    fn prepare(&mut self) -> impl Future<Output = Result<Prepared, Failure>>;
    /// Commits and pushes what there is.
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
    /// The last prompt there was.
    pub prompt: String,
    /// The credential, if there is one.
    pub credential: Option<GitCredential>,
    /// Command that must pass before the work is complete.
    pub verify_command: Option<String>,
    /// The agent's home, for the verify command.
    pub home: PathBuf,
    /// Longest run of the verify command.
    pub verify_timeout: std::time::Duration,
    /// Where events go.
    pub journal: Journal,
    /// What the remote's branch is known to hold; `None` while it does not exist there.
    pub pushed: Option<String>,
    /// A commit the remote has, on which our work builds.
    pub known: String,
    /// HEAD after the last checkpoint, to see progress.
    pub head: String,
    /// What the last checkpoint's trailers say.
    pub recorded: crate::machine::Ledger,
}
