//! Clears up what a broken agent left: operations in progress, locks, a HEAD somewhere else.

use std::{fs, path::Path};

use ralph_protocol::event::Level;

use super::{Checkout, run::GitError};

/// Operations in progress and how to leave them.
const OPERATIONS: [(&str, &[&str], &[&str]); 6] = [
    ("rebase-merge", &["rebase", "--abort"], &["rebase", "--quit"]),
    ("rebase-apply", &["rebase", "--abort"], &["am", "--quit"]),
    ("MERGE_HEAD", &["merge", "--abort"], &["merge", "--quit"]),
    ("CHERRY_PICK_HEAD", &["cherry-pick", "--abort"], &["cherry-pick", "--quit"]),
    ("REVERT_HEAD", &["revert", "--abort"], &["revert", "--quit"]),
    ("BISECT_LOG", &["bisect", "reset"], &["bisect", "reset"]),
];

impl Checkout {
    /// Brings the checkout into a state in which a commit can be made. Nothing the agent
    /// committed or left in the tree is thrown away, except what an aborted operation had staged.
    pub(super) async fn repair(&self) -> Result<(), GitError> {
        let git_dir = self.dir.join(".git");
        // The agent is gone, so no lock has an owner.
        let locks = remove_locks(&git_dir, 0);
        if locks > 0 {
            self.journal.log(Level::Warn, format!("{locks} stale git locks were removed"));
        }
        for (sign, abort, quit) in OPERATIONS {
            if !git_dir.join(sign).exists() {
                continue;
            }
            self.journal.log(Level::Warn, format!("an unfinished `git {}` was left", abort[0]));
            if self.git.local(&self.dir, abort).await.is_err() {
                // Worst case: its notes go, the tree stays as it is.
                let _ = self.git.local(&self.dir, quit).await;
            }
            let left = git_dir.join(sign);
            let _ = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
        }
        self.attach_head().await
    }

    /// HEAD on our branch, with the commits it had. The tree and the index stay as they are.
    async fn attach_head(&self) -> Result<(), GitError> {
        let wanted = format!("refs/heads/{}", self.branch);
        let on = self.git.text(&self.dir, ["symbolic-ref", "-q", "HEAD"]).await.ok();
        let commit =
            self.git.text(&self.dir, ["rev-parse", "-q", "--verify", "HEAD^{commit}"]).await;
        let target = commit.unwrap_or_else(|_| self.head.clone());
        if on.as_deref() != Some(&wanted) {
            let was = on.unwrap_or_else(|| "no branch".to_owned());
            let text = format!("the agent left HEAD on {was}; its commits go to `{}`", self.branch);
            self.journal.log(Level::Warn, text);
            self.git.local(&self.dir, ["update-ref", &wanted, &target]).await?;
            self.git.local(&self.dir, ["symbolic-ref", "HEAD", &wanted]).await?;
        } else if self.git.local(&self.dir, ["rev-parse", "-q", "--verify", "HEAD"]).await.is_err()
        {
            self.git.local(&self.dir, ["update-ref", &wanted, &target]).await?;
        }
        // History that was rewritten would need a forced push: its tree becomes a commit on top.
        let base = self.head.as_str();
        let kept = ["merge-base", "--is-ancestor", base, &target];
        if self.git.local(&self.dir, kept).await.is_err() {
            let text = "the agent rewrote commits that were already pushed; its tree is kept as a new commit";
            self.journal.log(Level::Warn, text);
            self.git.local(&self.dir, ["update-ref", &wanted, base]).await?;
        }
        Ok(())
    }
}

/// Removes `*.lock` below a folder, but not inside `objects`, where none belongs to us.
fn remove_locks(dir: &Path, depth: u32) -> u32 {
    let mut removed = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < 16 && entry.file_name() != "objects" {
            removed += remove_locks(&path, depth + 1);
        } else if kind.is_file() && path.extension().is_some_and(|ext| ext == "lock") {
            removed += u32::from(fs::remove_file(&path).is_ok());
        }
    }
    removed
}
