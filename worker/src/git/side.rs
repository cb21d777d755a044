//! Work that is not on the run's branch: other local branches, stashes, other working trees. It goes
//! to branches beside the rescue branch, and the agent is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ralph_protocol::event::Level;

use super::{
    Checkout,
    bare::Bare,
    push::Parcel,
    repair::traps_in_tree,
    run::{Git, GitError, Patience, REMOTE_TIMEOUT},
    stage::{Tree, open, paths},
    untouched::Untouched,
};
use crate::machine::SaveOrder;

/// Most of them that one checkpoint pushes.
const MOST: usize = 20;

/// Longest name of one in a branch's name.
const MAX_NAME: usize = 60;

/// What was found beside the branch.
#[derive(Debug, Default)]
pub(super) struct Sides {
    /// Commits that are pushed, or that the remote or the branch had anyway.
    done: BTreeSet<String>,
    /// Commits that could not be pushed, and of which the agent was told.
    failed: BTreeSet<String>,
    /// The last commit made of a working tree, by its git folder.
    trees: BTreeMap<PathBuf, String>,
}

/// Work beside the branch.
struct Side {
    /// For a person: "the branch `x`".
    what: String,
    /// In the branch's name.
    name: String,
    commit: String,
}

impl Checkout {
    /// Pushes what the remote does not have and the run's branch does not hold. Says what is new.
    pub(super) async fn save_sides(&mut self, order: &SaveOrder) -> Option<String> {
        let mut lines = Vec::new();
        let mut looked_at = 0;
        let mut sides = self.sides(order).await;
        sides.retain(|side| !self.sides.done.contains(&side.commit));
        for side in &sides {
            if !self.is_new(&side.commit).await {
                self.sides.done.insert(side.commit.clone());
                continue;
            }
            looked_at += 1;
            if looked_at > MOST {
                let text = format!(
                    "more than {MOST} branches and stashes are new beside the work; the others are looked at next time"
                );
                self.journal.log(Level::Warn, text);
                break;
            }
            match self.push_side(side, order).await {
                Ok(branch) => {
                    self.sides.done.insert(side.commit.clone());
                    self.journal.log(Level::Warn, format!("{} is saved on `{branch}`", side.what));
                    lines.push(format!("- {} (saved on `{branch}`)", side.what));
                }
                Err(error) => {
                    let text = format!("{} could not be saved: {error}", side.what);
                    self.journal.log(Level::Error, text);
                    if self.sides.failed.insert(side.commit.clone()) {
                        lines.push(format!("- {} (it could not be saved)", side.what));
                    }
                }
            }
        }
        (!lines.is_empty()).then(|| {
            format!(
                "Only what is on `{}` in this checkout counts as work of this run. Found beside it:\n{}\nMerge or apply here what belongs to the work.",
                self.branch,
                lines.join("\n")
            )
        })
    }

    /// Everything there is, with what is uncommitted in other working trees first: it holds the
    /// branch it was made on.
    async fn sides(&mut self, order: &SaveOrder) -> Vec<Side> {
        let mut sides = Vec::new();
        for (git_dir, tree) in self.worktrees() {
            let name = git_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match self.commit_worktree(&git_dir, &tree, order).await {
                Ok(commit) => {
                    self.sides.trees.insert(git_dir, commit.clone());
                    sides.push(Side {
                        what: format!("the working tree `{}`", tree.display()),
                        name: format!("worktree-{name}"),
                        commit,
                    });
                }
                Err(error) => {
                    let text = format!("the working tree `{}`: {error}", tree.display());
                    self.journal.log(Level::Warn, text);
                }
            }
        }
        let format = "--format=%(objectname) %(refname:lstrip=2)";
        let branches = self.git.text(&self.dir, ["for-each-ref", format, "refs/heads/"]).await;
        for line in branches.unwrap_or_default().lines() {
            if let Some((commit, name)) =
                line.split_once(' ').filter(|(_, name)| *name != self.branch)
            {
                sides.push(Side {
                    what: format!("the branch `{name}`"),
                    name: name.to_owned(),
                    commit: commit.to_owned(),
                });
            }
        }
        let stashes = ["log", "-g", "--format=%H", "refs/stash", "--"];
        let stashes = self.git.text(&self.dir, stashes).await.unwrap_or_default();
        // The oldest keeps its number when another is added.
        for (number, commit) in (1..).zip(stashes.lines().rev()) {
            sides.push(Side {
                what: format!("the stash `{commit:.8}`"),
                name: format!("stash-{number}"),
                commit: commit.to_owned(),
            });
        }
        for side in &mut sides {
            side.name = self.plain(&side.name);
        }
        sides
    }

    /// Whether neither the remote nor the run's branch has a commit. What the agent has fetched, the
    /// remote has.
    async fn is_new(&self, commit: &str) -> bool {
        let not = ["--not", "HEAD", &self.known, "--remotes"];
        let saved = self.sides.done.iter().map(String::as_str);
        // A new `.git` does not have all that was saved.
        let args: Vec<&str> = ["rev-list", "-1", "--ignore-missing", commit]
            .into_iter()
            .chain(not)
            .chain(saved)
            .chain(["--"])
            .collect();
        let left = self.git.text(&self.dir, args).await;
        left.is_ok_and(|left| !left.is_empty()) && !self.store_has(commit).await
    }

    async fn store_has(&self, commit: &str) -> bool {
        let Some(store) = &self.store else { return false };
        let Ok(folder) = super::bare::scratch() else { return false };
        let init = ["init", "-q", "--bare", "--template=", "."];
        self.git.local(folder.path(), init).await.is_ok()
            && store.link_to(folder.path()).is_ok()
            && self.git.local(folder.path(), ["cat-file", "-e", commit]).await.is_ok()
    }

    async fn push_side(&mut self, side: &Side, order: &SaveOrder) -> Result<String, GitError> {
        let mut whole: Bare = self.bare_copy(&side.commit).await?;
        self.guard(&mut whole, order.wip).await?;
        let mut parcel = Parcel::new(whole, order.wip);
        let patience = Patience::UntilHurried(REMOTE_TIMEOUT);
        let mut refused = String::new();
        // The second name is for a side that was rewritten.
        for name in [side.name.clone(), format!("{}-{:.8}", side.name, side.commit)] {
            match self.push_aside(&mut parcel, &format!("-{name}"), patience).await? {
                Ok(branch) => return Ok(branch),
                Err(why) => refused = why,
            }
        }
        Err(GitError::Failed { command: "push".to_owned(), stderr: refused })
    }

    /// A name that a branch can have and that holds no credential.
    fn plain(&self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let plain: String = name.chars().map(plain).take(MAX_NAME).collect();
        let bad =
            self.journal.redactor().finds_credential(name) || plain.trim_matches('-').is_empty();
        if bad { "branch".to_owned() } else { plain }
    }

    /// Other working trees of the checkout's repository that are there: their git folder and
    /// their files.
    fn worktrees(&self) -> Vec<(PathBuf, PathBuf)> {
        let entries = fs::read_dir(self.dir.join(".git/worktrees")).into_iter().flatten().flatten();
        let mut found = Vec::new();
        for entry in entries.take(MOST) {
            let git_dir = entry.path();
            let Some(link) = first_line(&git_dir.join("gitdir")) else { continue };
            // It must say so itself: what the agent wrote could name any folder.
            let Some(back) = first_line(&link) else { continue };
            let back = back.as_os_str().as_bytes().strip_prefix(b"gitdir: ");
            let (Some(back), Some(tree)) = (back, link.parent()) else { continue };
            let same = |path: &Path| fs::canonicalize(path).ok();
            let back = Path::new(std::ffi::OsStr::from_bytes(back));
            if same(back).is_some() && same(back) == same(&git_dir) {
                found.push((git_dir, tree.to_path_buf()));
            }
        }
        found
    }

    /// A commit of all that is in another working tree; its HEAD when nothing changed.
    async fn commit_worktree(
        &self,
        git_dir: &Path,
        tree: &Path,
        order: &SaveOrder,
    ) -> Result<String, GitError> {
        for path in traps_in_tree(tree, self.folder()) {
            // Git would wait for it.
            let _ = fs::remove_file(path);
        }
        let git: Git = self.git.early().elsewhere(tree.to_path_buf(), git_dir.to_path_buf());
        let there = Tree { git: &git, dir: tree };
        let head = git.text(tree, ["rev-parse", "-q", "--verify", "HEAD^{commit}"]).await?;
        let (_, written) = there.stage(self.limits, &Untouched::default()).await?;
        if written == git.text(tree, ["rev-parse", "HEAD^{tree}"]).await? {
            return Ok(head);
        }
        let message = super::ledger::message(&self.run, &order.ledger, true);
        let mut args = vec!["commit-tree", "-p", &head, "-m", &message];
        if let Some(last) = self.sides.trees.get(git_dir) {
            let last_tree = git.text(tree, ["rev-parse", &format!("{last}^{{tree}}")]).await;
            if last_tree.as_ref() == Ok(&written) {
                return Ok(last.clone());
            }
            if last_tree.is_ok() && *last != head {
                // So that the same branch can take it.
                args.extend(["-p", last]);
            }
        }
        args.push(&written);
        git.text(tree, args).await
    }
}

/// The first line of a short file of the agent's, as a path.
fn first_line(path: &Path) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    open(path).ok()?.take(8 << 10).read_to_end(&mut bytes).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    paths(line).next().map(PathBuf::from)
}
