//! Goes on where something broke off: what an earlier attempt had no time to push to its branch,
//! and a `.git` that no longer works.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ralph_protocol::{event::Level, exit::RunExit, ids::Run};

use super::{Checkout, ledger, prepare::Refs, push::Parcel, run::GitError};
use crate::{
    config::RESCUE_PREFIXES,
    machine::{Failure, Push},
};

impl Checkout {
    /// Takes up what an earlier attempt of this execution put on its rescue branch when a signal
    /// left no time for more.
    pub(super) async fn adopt(&mut self, refs: &Refs, bare: &Path) -> Result<(), Failure> {
        let Some((branch, rescued)) = last_rescue(refs, &self.run) else { return Ok(()) };
        self.download(bare, &branch, "rescue").await?;
        let found = self.git.text(bare, ["rev-parse", "refs/heads/rescue"]).await?;
        let within = ["merge-base", "--is-ancestor", &found, &self.known];
        // An attempt in between may have put it on top of what others pushed.
        let runs = ledger::runs(&self.git, bare, &[&self.known]).await?;
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
        (self.own, self.adopted) = (true, true);
        Ok(())
    }

    /// Pushes to the branch what was taken up, before anything else happens.
    pub(super) async fn push_adopted(&mut self) -> Result<(), Failure> {
        let whole = self.bare_copy(&self.head).await?;
        let mut parcel = Parcel::new(whole, false);
        match self.push(&mut parcel).await {
            Push::Pushed => {
                let pushed = parcel.reduced.unwrap_or(parcel.whole);
                self.follow(&pushed).await?;
                self.remember(&pushed).await;
                self.pulls.pushed = true;
                Ok(())
            }
            Push::Nothing | Push::Rescued { .. } => Ok(()),
            // The next checkpoint tries again.
            Push::Failed(text) => {
                self.journal.log(Level::Warn, text);
                Ok(())
            }
            Push::Conflict { text, .. } => Err(Failure { exit: RunExit::PushConflict, text }),
            // It lies on the rescue branch from which it was taken up.
            Push::Lost(text) => Err(Failure { exit: RunExit::PushConflict, text }),
            Push::Denied(text) | Push::Unmade(text) | Push::NoSpace(text) => {
                Err(Failure { exit: RunExit::Git, text })
            }
        }
    }

    /// Puts a fresh repository below the working tree, at the last commit the remote is known to
    /// have. The files stay; commits that were never pushed become part of the next one.
    pub(super) async fn rebuild(&mut self) -> Result<(), Failure> {
        let scratch = super::bare::scratch()?;
        let bare = scratch.path().join("clone.git");
        self.git.local(scratch.path(), ["init", "-q", "--bare", "clone.git"]).await?;
        if let Some(store) = &self.store {
            store.link_to(&bare).map_err(|error| GitError::Start(error.to_string()))?;
            self.git.local(&bare, ["update-ref", "refs/heads/start", &self.known]).await?;
            self.git.fed(&bare, ["update-ref", "--stdin"], self.origin.clone()).await?;
        } else {
            self.alone().await?;
            let from = if self.pushed.is_some() { &self.branch } else { &self.start };
            self.download(&bare, from, "start").await?;
        }

        self.set_submodules_aside();
        // The old one goes only when the new one is whole.
        let (own, broken) = (self.dir.join(".git"), scratch_beside(&self.dir));
        let problem = |error: std::io::Error| {
            GitError::Start(format!("cannot replace {}: {error}", own.display()))
        };
        // The agent may have taken the whole folder away.
        fs::create_dir_all(&self.dir).map_err(problem)?;
        remove(&broken).map_err(problem)?;
        if fs::symlink_metadata(&own).is_ok() {
            fs::rename(&own, &broken).map_err(problem)?;
        }
        let furnished = self.furnish_again(&bare).await;
        if furnished.is_err() && fs::symlink_metadata(&broken).is_ok() {
            remove(&own).and_then(|()| fs::rename(&broken, &own)).map_err(problem)?;
        }
        self.put_submodules_back().await;
        furnished?;
        remove(&broken).map_err(problem)?;
        self.head.clone_from(&self.known);
        if let Some(pushed) = self.pushed.clone() {
            self.keep_origin(&pushed).await;
        }
        self.journal.log(Level::Warn, "the checkout has a new `.git`; its files are kept");
        Ok(())
    }

    async fn furnish_again(&self, bare: &Path) -> Result<(), GitError> {
        self.furnish(bare, "start").await?;
        self.git.local(&self.dir, ["reset", "-q", "--mixed", &self.known]).await?;
        Ok(())
    }
}

/// Where a `.git` that no longer works waits for its end.
fn scratch_beside(dir: &Path) -> PathBuf {
    dir.with_extension("broken-git")
}

/// Removes whatever is there, and never what a link leads to.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// The branch and the run of the latest attempt of this execution, before this one, that left a
/// rescue branch.
pub(super) fn last_rescue(refs: &Refs, run: &Run) -> Option<(String, Run)> {
    let of = |name: &str| {
        let (prefix, run) = name.rsplit_once('/')?;
        RESCUE_PREFIXES.contains(&prefix).then(|| run.parse::<Run>().ok())?
    };
    let runs = refs.branches.iter().filter_map(|(name, _)| Some((name.clone(), of(name)?)));
    runs.filter(|(_, other)| other.ulid() == run.ulid() && other.attempt() < run.attempt())
        .max_by_key(|(_, other)| other.attempt())
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
        let of =
            |run: &str| last_rescue(&refs, &run.parse().unwrap()).map(|(_, run)| run.attempt());
        assert_eq!(of("01ARZ3NDEKTSV4RRFFQ69G5FAV-0004"), Some(2));
        assert_eq!(of("01ARZ3NDEKTSV4RRFFQ69G5FAV-0001"), None);
        assert_eq!(of("01BX5ZZKBKACTAV9WEVGEMMVRZ-0003"), None);
    }
}
