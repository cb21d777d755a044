//! Commits what the agent left in the tree, without running anything the repository configures.

use super::{
    Checkout, ledger, lfs,
    run::{GitError, Setting},
};
use crate::machine::SaveOrder;

/// What git does by itself with text, as a merge driver (gitattributes(5)).
const PLAIN_MERGE: &str = "git merge-file --marker-size=%L %A %O %B";

impl Checkout {
    /// Settings that make every filter and merge driver of the checkout's configuration do nothing,
    /// except for LFS, which has a filter of our own.
    pub(super) async fn inert_drivers(&self) -> Vec<Setting> {
        let names = ["config", "--name-only", "-z", "--get-regexp", r"^(filter|merge)\..*\."];
        let bytes = self.git.local(&self.dir, names).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let names = text.split('\0').filter(|name| !name.is_empty());
        let value = |name: &str| match name.rsplit('.').next() {
            Some("required") => "false",
            Some("driver") => PLAIN_MERGE,
            _ => "",
        };
        let inert = names.map(|name| (name.to_owned(), value(name).to_owned()));
        // The last one counts.
        inert.chain(lfs::settings(self.git.own.as_deref())).collect()
    }

    /// A git command in the checkout that reads or writes its files.
    pub(super) async fn git_inert(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.git.with(&self.dir, self.inert_drivers().await, args).await
    }

    /// Stages the tree. Links to other repositories are left as they were: their commits exist
    /// nowhere else, so a link to them would be broken for everyone.
    pub(super) async fn stage(&self) -> Result<(), GitError> {
        let (paths, links) = self.all_but_links().await?;
        let add = ["-c", "advice.addEmbeddedRepo=false", "add", "-A"];
        if self.git_add(&add, paths.clone()).await.is_err() {
            // An unreadable file, or a repository without a commit: everything else still counts.
            let rest = self.git_add(&[&add[..], &["--ignore-errors"]].concat(), paths).await;
            if let Err(error) = rest {
                let text = format!("not everything could be added: {}", error.stderr());
                self.journal.log(ralph_protocol::event::Level::Warn, text);
            }
        }
        let bytes =
            self.git_inert(&["diff-index", "--cached", "--raw", "-z", "HEAD", "--"]).await?;
        let moved = self.moved_links(&links).await;
        for path in changed_links(&bytes).into_iter().chain(moved) {
            self.journal.log(
                ralph_protocol::event::Level::Warn,
                format!("`{path}` is a repository of its own; its content is not committed"),
            );
            self.git_inert(&["reset", "-q", "HEAD", "--", &path]).await?;
        }
        self.stage_lfs().await
    }

    /// `git add` of what a list of patterns says.
    async fn git_add(&self, add: &[&str], paths: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let list = ["--pathspec-from-file=-", "--pathspec-file-nul"];
        let args = [&["--no-literal-pathspecs"], add, &list].concat();
        self.git.fed_with(&self.dir, self.inert_drivers().await, args, paths).await
    }

    /// Whether anything is staged.
    pub(super) async fn has_staged(&self) -> Result<bool, GitError> {
        let bytes =
            self.git_inert(&["diff-index", "--cached", "--raw", "-z", "HEAD", "--"]).await?;
        Ok(!bytes.is_empty())
    }

    /// Commits what is staged, or an empty commit that only carries the ledger.
    pub(super) async fn commit(&mut self, order: &SaveOrder) -> Result<(), GitError> {
        let message = ledger::message(&self.run, &order.ledger, order.wip);
        self.git_inert(&[
            "commit",
            "-q",
            "--allow-empty",
            "--no-verify",
            "--cleanup=verbatim",
            "-m",
            &message,
        ])
        .await?;
        self.recorded = order.ledger;
        Ok(())
    }
}

/// Paths of changed gitlinks (mode 160000) in `diff-index --raw -z`:
/// `:<mode> <mode> <id> <id> <status>\0<path>\0`.
fn changed_links(raw: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(raw);
    let mut fields = text.split('\0');
    let mut paths = Vec::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        if head.split(' ').take(2).any(|mode| mode.trim_start_matches(':') == "160000") {
            paths.push(path.to_owned());
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_links_are_found() {
        let raw = b":100644 100644 a b M\0file\0:000000 160000 0 c A\0sub module\0:160000 160000 a b M\0x\0";
        assert_eq!(changed_links(raw), ["sub module", "x"]);
        assert!(changed_links(b"").is_empty());
    }
}
