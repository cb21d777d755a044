//! Pushes a commit from a fresh bare repository: whatever the agent planted in its checkout or
//! its home takes no part.

use std::{path::PathBuf, time::Duration};

use ralph_protocol::{event::Level, exit::RunExit};
use tempfile::TempDir;

use super::{
    Checkout, ledger,
    run::{GitError, Patience, REMOTE_TIMEOUT},
};
use crate::{
    agent::sweep,
    config::RESCUE_PREFIX,
    journal::now_ms,
    machine::{Failure, Push, policy::RESCUE_MS},
};

/// A bare repository of our own that holds one commit of the checkout, its history, and nothing
/// of the checkout's configuration. What is checked in it is what is pushed from it.
pub(super) struct Bare {
    /// Where it is.
    pub(super) dir: PathBuf,
    /// The commit.
    pub(super) commit: String,
    /// Removes it.
    _folder: TempDir,
}

/// A folder that only this user can enter.
pub(super) fn scratch() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("ralph-git-").tempdir().map_err(|error| Failure {
        exit: RunExit::Internal,
        text: format!("cannot make a temporary folder: {error}\nhint: TMPDIR must be writable"),
    })
}

/// Why a push to the branch did not work.
enum Refusal {
    /// The branch holds commits we do not have.
    Behind,
    /// The remote's rules forbid it.
    Rejected(String),
}

impl Checkout {
    /// Pushes the copy to the branch; when others pushed first, rebases and retries once; when
    /// that does not work, pushes to the rescue branch. Never forces. `give_up` is a time, ms
    /// since the epoch.
    pub(super) async fn push(&mut self, mut bare: Bare, give_up: Option<u64>) -> Push {
        match self.try_push(&mut bare, give_up).await {
            Ok(push) => push,
            Err(error) if error.is_denied() => Push::Denied(Failure::from(error).text),
            Err(error) if give_up.is_some() || self.git.is_hurried() => {
                match self.rescue(&bare, &error.to_string()).await {
                    // It was for the time, not for what others pushed.
                    Push::Conflict { rescue: Some(rescue), text } => Push::Rescued { rescue, text },
                    Push::Conflict { rescue: None, text } => Push::Failed(text),
                    other => other,
                }
            }
            Err(error) => Push::Failed(error.to_string()),
        }
    }

    /// Whether the remote holds HEAD already.
    pub(super) fn is_pushed(&self) -> bool {
        self.head == self.pushed.as_ref().unwrap_or(&self.known).as_str()
    }

    /// Whatever ran in the checkout must be gone before a credential appears.
    pub(super) async fn alone(&self) -> Result<(), GitError> {
        let swept = sweep::sweep().await;
        if swept.ended > 0 {
            self.journal.log(
                Level::Warn,
                format!(
                    "processes the repository's configuration had started were ended: {}",
                    swept.ended
                ),
            );
        }
        if swept.left > 0 && self.credential.is_some() {
            return Err(GitError::Company(swept.left));
        }
        Ok(())
    }

    /// Asks the remote whether it would take a push, without pushing. Rules that only look at
    /// content (protected branches, hooks) speak up at the real push.
    pub(crate) async fn may_push(&self) -> Result<(), GitError> {
        let bare = self.bare_copy().await?;
        let refspec = format!("refs/heads/push:refs/heads/{}", self.branch);
        let args =
            ["push", "--dry-run", "--porcelain", "--no-verify", "--", self.repo.as_str(), &refspec];
        self.remote(&bare.dir, Patience::UntilHurried(REMOTE_TIMEOUT), args).await?;
        Ok(())
    }

    async fn try_push(&mut self, bare: &mut Bare, give_up: Option<u64>) -> Result<Push, GitError> {
        let branch = self.branch.clone();
        let first = match self.push_to(bare, &branch, time_left(give_up)).await? {
            Ok(()) => return Ok(Push::Pushed),
            Err(refusal) => refusal,
        };
        let why = match first {
            Refusal::Rejected(text) => format!("the remote rejected the push: {text}"),
            Refusal::Behind => match self.rebase(bare, time_left(give_up)).await? {
                Err(why) => why,
                Ok(()) => match self.push_to(bare, &branch, time_left(give_up)).await? {
                    Ok(()) => return Ok(Push::Pushed),
                    Err(Refusal::Behind) => "the branch moved again during the retry".to_owned(),
                    Err(Refusal::Rejected(text)) => format!("the remote rejected the push: {text}"),
                },
            },
        };
        Ok(self.rescue(bare, &why).await)
    }

    /// Saves the work on a branch of its own.
    async fn rescue(&mut self, bare: &Bare, why: &str) -> Push {
        let rescue = format!("{RESCUE_PREFIX}/{}", self.run);
        let patience = Patience::Fixed(Duration::from_millis(RESCUE_MS));
        match self.push_to(bare, &rescue, patience).await {
            Ok(Ok(())) => Push::Conflict {
                text: format!(
                    "{why}; the work is on `{rescue}`\nhint: merge it into `{}`",
                    self.branch
                ),
                rescue: Some(rescue),
            },
            Ok(Err(Refusal::Behind)) => {
                Push::Conflict { rescue: None, text: format!("{why}; `{rescue}` holds other work") }
            }
            Ok(Err(Refusal::Rejected(text))) => Push::Conflict {
                rescue: None,
                text: format!("{why}; `{rescue}` was rejected too: {text}"),
            },
            Err(error) if error.is_denied() => Push::Denied(Failure::from(error).text),
            Err(error) => Push::Failed(format!("{why}; {error}")),
        }
    }

    async fn push_to(
        &mut self,
        bare: &Bare,
        branch: &str,
        patience: Patience,
    ) -> Result<Result<(), Refusal>, GitError> {
        self.alone().await?;
        let refspec = format!("refs/heads/push:refs/heads/{branch}");
        let args = ["push", "--porcelain", "--no-verify", "--", self.repo.as_str(), &refspec];
        match self.remote(&bare.dir, patience, args).await {
            Ok(_) => {
                if branch == self.branch {
                    self.pushed = Some(bare.commit.clone());
                    self.known.clone_from(&bare.commit);
                    self.keep_origin(&bare.commit).await;
                }
                Ok(Ok(()))
            }
            Err(error) => refusal(&error).map(Err).ok_or(error),
        }
    }

    /// Copies HEAD into a bare repository.
    pub(super) async fn bare_copy(&self) -> Result<Bare, GitError> {
        let folder = scratch().map_err(|failure| GitError::Start(failure.text))?;
        let dir = folder.path().join("push.git");
        self.git.local(folder.path(), ["init", "-q", "--bare", "push.git"]).await?;
        let from = self.dir.to_string_lossy();
        let refspec = format!("{}:refs/heads/push", self.head);
        let args = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", &from, &refspec];
        self.git.local(&dir, args).await?;
        Ok(Bare { dir, commit: self.head.clone(), _folder: folder })
    }

    /// Puts our commits on top of what others pushed. The inner error says why not.
    async fn rebase(
        &mut self,
        bare: &mut Bare,
        patience: Patience,
    ) -> Result<Result<(), String>, GitError> {
        let refspec = format!("+refs/heads/{}:refs/heads/theirs", self.branch);
        let args = ["fetch", "-q", "--no-tags", "--", self.repo.as_str(), &refspec];
        self.remote(&bare.dir, patience, args).await?;
        let theirs = self.git.text(&bare.dir, ["rev-parse", "refs/heads/theirs"]).await?;

        let range = format!("{}..{theirs}", bare.commit);
        let runs = ledger::runs(&self.git, &bare.dir, &range).await?;
        if runs.iter().any(|run| *run > self.run) {
            return Ok(Err("a later run of this workstream has pushed to the branch".to_owned()));
        }
        let from = bare.dir.to_string_lossy();
        let fetch = [
            "fetch",
            "-q",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            &from,
            "refs/heads/theirs",
        ];
        self.git.local(&self.dir, fetch).await?;
        // The tree may hold changes that were withheld from the commit.
        let rebase = ["rebase", "-q", "--no-autosquash", "--autostash", &theirs];
        if let Err(error) = self.git_inert(&rebase).await {
            // Back to our own commits; the rescue branch takes them.
            let _ = self.git_inert(&["rebase", "--abort"]).await;
            let text: String = error.stderr().lines().take(5).collect::<Vec<_>>().join("; ");
            return Ok(Err(format!("the work conflicts with what others pushed: {text}")));
        }
        self.keep_ledger().await?;
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        self.furnish_lfs(&bare.dir, &theirs).await;
        self.known = theirs;
        *bare = self.bare_copy().await?;
        Ok(Ok(()))
    }

    /// A commit whose changes others have pushed already is left out by a rebase, and with it what
    /// the execution has used: then it is said again.
    async fn keep_ledger(&self) -> Result<(), GitError> {
        if ledger::read(&self.git, &self.dir, "HEAD", &self.run).await? == self.recorded {
            return Ok(());
        }
        let message = ledger::message(&self.run, &self.recorded, false);
        let args = ["commit-tree", "-p", "HEAD", "-m", &message, "HEAD^{tree}"];
        let commit = self.git.text(&self.dir, args).await?;
        self.git.local(&self.dir, ["update-ref", "HEAD", &commit]).await?;
        Ok(())
    }
}

/// A push that begins after a signal has its own end; one that is under way heeds the signal.
fn time_left(give_up: Option<u64>) -> Patience {
    match give_up {
        Some(at) => Patience::Fixed(Duration::from_millis(at.saturating_sub(now_ms()).max(1))),
        None => Patience::UntilHurried(REMOTE_TIMEOUT),
    }
}

/// What `git push --porcelain` says about a refused ref: `!<tab>from:to<tab>[rejected] (why)`.
fn refusal(error: &GitError) -> Option<Refusal> {
    let line = error.stderr().lines().find(|line| line.starts_with("!\t"))?;
    let why = line.rsplit('\t').next().unwrap_or_default();
    if why.starts_with("[rejected]")
        || why.contains("(fetch first)")
        || why.contains("(non-fast-forward)")
    {
        return Some(Refusal::Behind);
    }
    // Another push took the ref between our look and our write.
    if why.contains("failed to update ref")
        || why.contains("cannot lock ref")
        || why.contains("incorrect old value")
    {
        return Some(Refusal::Behind);
    }
    why.starts_with("[remote rejected]").then(|| {
        let said: Vec<&str> = error
            .stderr()
            .lines()
            .filter_map(|line| line.strip_prefix("remote: "))
            .take(5)
            .collect();
        Refusal::Rejected(format!("{why} {}", said.join(" ")).trim().to_owned())
    })
}
