//! Clears up what a broken agent left: files that git would wait for, operations in progress, locks,
//! a HEAD somewhere else.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ralph_protocol::event::Level;

use super::{
    Checkout,
    run::GitError,
    stage::{open, paths},
};

/// Largest file in `.git` that is believed, bytes; an index may be larger. Objects are not looked
/// at: git reads no more of them than they say they hold.
const MAX_OWN: u64 = 16 << 20;
const MAX_INDEX: u64 = 1 << 30;

/// The same in the repository of somebody else's that lies in the tree.
const MAX_OTHER: u64 = MAX_INDEX;

/// Files that git opens wherever they are in the tree, and the largest that it gets to read.
const READ_BY_GIT: [&str; 3] = [".gitattributes", ".gitignore", ".gitmodules"];
const MAX_READ: u64 = 16 << 20;

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
        if fs::symlink_metadata(&git_dir).is_ok_and(|kind| !kind.is_dir()) {
            // What it leads to could be anything; a new one has all that was pushed.
            let stderr = "`.git` is not a folder".to_owned();
            return Err(GitError::Failed { command: "repair".to_owned(), stderr });
        }
        self.remove_traps(&git_dir).await;
        // The agent is gone, so no lock has an owner.
        let locks = self.remove_locks();
        if locks > 0 {
            self.journal.log(Level::Warn, format!("{locks} stale git locks were removed"));
        }
        for (sign, abort, quit) in OPERATIONS {
            if !git_dir.join(sign).exists() {
                continue;
            }
            self.journal.log(Level::Warn, format!("an unfinished `git {}` was left", abort[0]));
            if self.git_inert(abort).await.is_err() {
                // Worst case: its notes go, the tree stays as it is.
                let _ = self.git_inert(quit).await;
            }
            let left = git_dir.join(sign);
            let _ = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
        }
        self.attach_head().await?;
        if !git_dir.join("index").exists() {
            // Without it every file counts as new, and one that is ignored as gone.
            self.git_inert(&["read-tree", "HEAD"]).await?;
        }
        Ok(())
    }

    /// The run's folder, which holds the checkout.
    pub(super) fn folder(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    /// Removes locks whose owner is gone; returns how many.
    pub(super) fn remove_locks(&self) -> u32 {
        remove_locks(&self.dir.join(".git"), 0)
    }

    /// Removes what git would wait for, follow out of the checkout, or read for ever.
    async fn remove_traps(&self, git_dir: &Path) {
        let mut traps = traps_in_git(git_dir);
        traps.extend(traps_in_tree(&self.dir, self.folder()));
        for path in traps {
            let name = path.strip_prefix(&self.dir).unwrap_or(&path).display();
            let text = match fs::remove_file(&path) {
                Ok(()) => format!("`{name}` was removed: git cannot read it"),
                Err(error) => format!("`{name}` cannot be removed: {error}"),
            };
            self.journal.log(Level::Warn, text);
        }
        // It would say that the rest is somewhere else.
        if fs::remove_file(git_dir.join("commondir")).is_ok() {
            let text = "`.git/commondir` was removed: the checkout's repository is all in `.git`";
            self.journal.log(Level::Warn, text);
        }
        // A file that is included may be anything anywhere.
        let mut files = vec![git_dir.join("config"), git_dir.join("config.worktree")];
        let trees = fs::read_dir(git_dir.join("worktrees")).into_iter().flatten().flatten();
        files.extend(trees.map(|entry| entry.path().join("config.worktree")));
        for file in files.iter().filter(|file| file.exists()) {
            let here = |args: &[&OsStr]| -> Vec<OsString> {
                let all = ["config", "--no-includes", "--file"].map(OsStr::new);
                all.iter().chain([&file.as_os_str()]).chain(args).map(OsString::from).collect()
            };
            let Some(folder) = self.dir.parent() else { continue };
            let names = ["--name-only", "-z", "--get-regexp", r"^include(if)?\."].map(OsStr::new);
            let Ok(names) = self.git.local(folder, here(&names)).await else { continue };
            for name in paths(&names) {
                let text = format!("`{}` was removed from the git settings", name.display());
                self.journal.log(Level::Warn, text);
                // A section that is named twice is gone the first time.
                let unset = here(&[OsStr::new("--unset-all"), name]);
                let _ = self.git.local(folder, unset).await;
            }
        }
        if !git_dir.join("HEAD").exists() && git_dir.is_dir() {
            let _ = fs::write(git_dir.join("HEAD"), format!("ref: refs/heads/{}\n", self.branch));
        }
    }

    /// HEAD on our branch, with the commits it had. The tree and the index stay as they are, unless
    /// HEAD was at commits beside those of the branch.
    async fn attach_head(&self) -> Result<(), GitError> {
        let wanted = format!("refs/heads/{}", self.branch);
        let on = self.git.text(&self.dir, ["symbolic-ref", "-q", "HEAD"]).await.ok();
        let commit = async |name: &str| {
            let name = format!("{name}^{{commit}}");
            self.git.text(&self.dir, ["rev-parse", "-q", "--verify", &name]).await.ok()
        };
        let base = self.head.as_str();
        // What the branch has, if that is ours.
        let tip = match commit(&wanted).await {
            Some(tip) if self.is_ancestor(base, &tip).await => Some(tip),
            _ => None,
        };
        let ours = tip.clone().unwrap_or_else(|| base.to_owned());
        let target = commit("HEAD").await.unwrap_or_else(|| ours.clone());
        if on.as_deref() != Some(&wanted) {
            let was = on.clone().unwrap_or_else(|| "no branch".to_owned());
            if tip.is_some() && !self.is_ancestor(&ours, &target).await {
                self.keep_beside(&target).await;
                if self.go_back().await {
                    let text = format!("the agent left HEAD on {was}; `{}` goes on", self.branch);
                    self.journal.log(Level::Warn, text);
                    return Ok(());
                }
                self.keep_beside(&ours).await;
            }
            let text = format!("the agent left HEAD on {was}; its commits go to `{}`", self.branch);
            self.journal.log(Level::Warn, text);
            self.git.local(&self.dir, ["update-ref", &wanted, &target]).await?;
            self.git.local(&self.dir, ["symbolic-ref", "HEAD", &wanted]).await?;
        } else if commit("HEAD").await.is_none() {
            self.git.local(&self.dir, ["update-ref", &wanted, &target]).await?;
        }
        // History that was rewritten would need a forced push: its tree becomes a commit on top.
        if !self.is_ancestor(base, &target).await {
            let text = "the agent rewrote commits that were already pushed; its tree is kept as a new commit";
            self.journal.log(Level::Warn, text);
            self.git.local(&self.dir, ["update-ref", &wanted, base]).await?;
        }
        Ok(())
    }

    pub(super) async fn is_ancestor(&self, one: &str, other: &str) -> bool {
        self.git.local(&self.dir, ["merge-base", "--is-ancestor", one, other]).await.is_ok()
    }

    /// A branch for commits that may have none: it is looked at with the others.
    async fn keep_beside(&self, commit: &str) {
        let name = format!("refs/heads/left-{commit:.8}");
        let _ = self.git.local(&self.dir, ["update-ref", &name, commit]).await;
    }

    /// Puts the branch's files into the tree again, with what is not committed on top. Whether that
    /// worked.
    async fn go_back(&self) -> bool {
        // Files that are staged would stop it.
        self.git_inert(&["reset", "-q", "--mixed"]).await.is_ok()
            && self.git_inert(&["checkout", "-q", "-m", &self.branch, "--"]).await.is_ok()
    }
}

/// What git would wait for or read for ever below `.git`: anything but folders and files, and files
/// that are too large. Hooks are never run.
fn traps_in_git(git_dir: &Path) -> Vec<PathBuf> {
    let mut traps = Vec::new();
    walk(git_dir, |path, kind, entry| {
        let below = path.strip_prefix(git_dir).unwrap_or(path);
        let mut names = below.iter().map(|name| name.to_str().unwrap_or_default());
        let most = match (names.next(), names.next()) {
            (Some("hooks"), _) => return false,
            // Where other objects are: git reads all of it.
            (Some("objects"), Some("info")) => MAX_OWN,
            (Some("objects" | "lfs"), _) => u64::MAX,
            (Some("modules"), _) if names.any(|name| name == "objects") => u64::MAX,
            (Some("modules" | "index"), _) => MAX_INDEX,
            _ => MAX_OWN,
        };
        if !kind.is_dir() && (!kind.is_file() || size(entry) > most) {
            traps.push(path.to_path_buf());
        }
        kind.is_dir()
    });
    traps
}

/// The same for what git opens in the tree. It does not follow links there.
/// A repository in the tree may have its git folder `within` this folder.
pub(super) fn traps_in_tree(dir: &Path, within: &Path) -> Vec<PathBuf> {
    let mut traps = Vec::new();
    let own = dir.join(".git");
    let within = fs::canonicalize(within).unwrap_or_else(|_| within.to_path_buf());
    walk(dir, |path, kind, entry| {
        if entry.file_name() == ".git" && path != own {
            // Git looks whether it is a repository. One that could be any folder of the machine is
            // neither searched nor asked.
            let other = repository(path);
            let near = |path: &Path| fs::canonicalize(path).is_ok_and(|p| p.starts_with(&within));
            if other == path || near(&other) {
                traps.extend(traps_in_other(&other));
            } else if other.exists() {
                traps.push(path.to_path_buf());
            }
            return false;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let trap = !kind.is_dir() && !kind.is_symlink() && READ_BY_GIT.contains(&name);
        if trap && (!kind.is_file() || size(entry) > MAX_READ) {
            traps.push(path.to_path_buf());
        }
        kind.is_dir() && name != ".git"
    });
    traps
}

/// The git folder of a repository in the tree: the one that a `.git` file names, else `.git`.
fn repository(path: &Path) -> PathBuf {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|file| file.take(8 << 10).read_to_end(&mut bytes));
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_prefix(b"gitdir: ").filter(|_| read.is_ok()) {
        Some(to) => path.with_file_name("").join(OsStr::from_bytes(to)),
        None => path.to_path_buf(),
    }
}

/// The same in another repository's folder, which is not ours: links there that lead to a file or a
/// folder stay. Git looks at its references only.
fn traps_in_other(git_dir: &Path) -> Vec<PathBuf> {
    let mut traps = Vec::new();
    walk(git_dir, |path, kind, entry| {
        let fits =
            |meta: fs::Metadata| meta.is_dir() || (meta.is_file() && meta.len() <= MAX_OTHER);
        if !kind.is_dir() && !fs::metadata(path).is_ok_and(fits) {
            traps.push(path.to_path_buf());
        }
        let name = entry.file_name();
        kind.is_dir() && !["hooks", "lfs", "objects"].iter().any(|other| name == *other)
    });
    traps
}

/// Bytes of a file.
fn size(entry: &fs::DirEntry) -> u64 {
    entry.metadata().map_or(0, |meta| meta.len())
}

/// Visits everything below a folder; the answer says whether to go into it.
fn walk(dir: &Path, mut visit: impl FnMut(&Path, fs::FileType, &fs::DirEntry) -> bool) {
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if visit(&path, kind, &entry) {
                folders.push(path);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_reads_whole_is_not_endless() {
        let dir = tempfile::tempdir().unwrap();
        for (path, trap) in [
            ("objects/info/alternates", true),
            ("objects/pack/a.pack", false),
            ("modules/m/HEAD", true),
            ("modules/m/objects/pack/a.pack", false),
            ("packed-refs", true),
            ("hooks/h", false),
        ] {
            let whole = dir.path().join(path);
            fs::create_dir_all(whole.parent().unwrap()).unwrap();
            fs::File::create(&whole).unwrap().set_len(1 << 40).unwrap();
            let found = traps_in_git(dir.path());
            assert_eq!(found, if trap { vec![whole.clone()] } else { vec![] }, "{path}");
            fs::remove_file(whole).unwrap();
        }
    }
}
