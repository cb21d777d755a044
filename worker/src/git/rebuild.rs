//! Goes on where something broke off: what an earlier attempt had no time to push to its branch,
//! and a `.git` that no longer works.

use std::{fs, path::Path};

use ralph_protocol::{event::Level, exit::RunExit, ids::Run};

use super::{Checkout, ledger, prepare::Refs, run::GitError};
use crate::{
    config::RESCUE_PREFIX,
    machine::{Failure, Push},
};

impl Checkout {
    /// Takes up what an earlier attempt of this execution put on its rescue branch when a signal
    /// left no time for more.
    pub(super) async fn adopt(&mut self, refs: &Refs, bare: &Path) -> Result<(), Failure> {
        let Some(rescued) = last_rescue(refs, &self.run) else { return Ok(()) };
        let branch = format!("{RESCUE_PREFIX}/{rescued}");
        self.download(bare, &branch, "rescue").await?;
        let found = self.git.text(bare, ["rev-parse", "refs/heads/rescue"]).await?;
        let within = ["merge-base", "--is-ancestor", &found, &self.known];
        // An attempt in between may have put it on top of what others pushed.
        let runs = ledger::runs(&self.git, bare, &self.known).await?;
        let between = |run: &Run| *run > rescued && *run < self.run;
        if self.git.local(bare, within).await.is_ok() || runs.iter().any(between) {
            return Ok(());
        }
        self.journal.log(Level::Info, format!("the work on `{branch}` is taken up"));
        let from = bare.to_string_lossy();
        let fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", &from];
        self.git.local(&self.dir, [&fetch[..], &["refs/heads/rescue"]].concat()).await?;
        self.git_inert(&["reset", "-q", "--hard", &found]).await?;
        self.furnish_lfs(bare, &found).await;
        self.head = found;
        Ok(())
    }

    /// Pushes to the branch what was taken up, before anything else happens.
    pub(super) async fn push_adopted(&mut self) -> Result<(), Failure> {
        let copy = self.bare_copy().await?;
        match self.push(copy, None).await {
            Push::Pushed | Push::Nothing | Push::Rescued { .. } => Ok(()),
            // The next checkpoint tries again.
            Push::Failed(text) => {
                self.journal.log(Level::Warn, text);
                Ok(())
            }
            Push::Conflict { text, .. } => Err(Failure { exit: RunExit::PushConflict, text }),
            Push::Denied(text) | Push::Unmade(text) => Err(Failure { exit: RunExit::Git, text }),
        }
    }

    /// Puts a fresh repository below the working tree, at the last commit the remote is known to
    /// have. The files stay; commits that were never pushed become part of the next one.
    pub(super) async fn rebuild(&mut self) -> Result<(), Failure> {
        self.alone().await?;
        let scratch = super::push::scratch()?;
        let bare = scratch.path().join("clone.git");
        self.git.local(scratch.path(), ["init", "-q", "--bare", "clone.git"]).await?;
        let from = if self.pushed.is_some() { &self.branch } else { &self.start };
        self.download(&bare, from, "start").await?;

        self.set_submodules_aside();
        let broken = self.dir.join(".git");
        let removed = match fs::symlink_metadata(&broken) {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&broken),
            Ok(_) => fs::remove_file(&broken),
            Err(_) => Ok(()),
        };
        let problem = |error: std::io::Error| {
            GitError::Start(format!("cannot replace {}: {error}", broken.display()))
        };
        removed.map_err(problem)?;
        // The agent may have taken the whole folder away.
        fs::create_dir_all(&self.dir).map_err(problem)?;
        self.furnish(&bare, "start").await?;
        self.git.local(&self.dir, ["reset", "-q", "--mixed", &self.known]).await?;
        self.put_submodules_back().await;
        self.head.clone_from(&self.known);
        if let Some(pushed) = self.pushed.clone() {
            self.keep_origin(&pushed).await;
        }
        self.journal.log(Level::Warn, "the checkout has a new `.git`; its files are kept");
        Ok(())
    }
}

/// The latest attempt of this execution, before this one, that left a rescue branch.
fn last_rescue(refs: &Refs, run: &Run) -> Option<Run> {
    let prefix = format!("{RESCUE_PREFIX}/");
    let names = refs.branches.iter().filter_map(|(name, _)| name.strip_prefix(&prefix));
    let runs = names.filter_map(|name| name.parse::<Run>().ok());
    runs.filter(|other| other.ulid() == run.ulid() && other.attempt() < run.attempt())
        .max_by_key(Run::attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_earlier_attempts_of_the_same_execution_are_taken_up() {
        let names = [
            "main",
            "ralph/rescue/01ARZ3NDEKTSV4RRFFQ69G5FAV-0001",
            "ralph/rescue/01ARZ3NDEKTSV4RRFFQ69G5FAV-0002",
            "ralph/rescue/01ARZ3NDEKTSV4RRFFQ69G5FAV-0004",
            "ralph/rescue/01BX5ZZKBKACTAV9WEVGEMMVRZ-0003",
            "ralph/rescue/something",
        ];
        let branches = names.map(|name| (name.to_owned(), "c".to_owned())).to_vec();
        let refs = Refs { default: None, branches };
        let of = |run: &str| last_rescue(&refs, &run.parse().unwrap()).map(|run| run.attempt());
        assert_eq!(of("01ARZ3NDEKTSV4RRFFQ69G5FAV-0004"), Some(2));
        assert_eq!(of("01ARZ3NDEKTSV4RRFFQ69G5FAV-0001"), None);
        assert_eq!(of("01BX5ZZKBKACTAV9WEVGEMMVRZ-0003"), None);
    }
}
