//! Makes room on a full disk: what git could fetch or a tool could make again goes first, and the
//! work is committed.

use std::{cmp::Reverse, ffi::OsString, fs, os::unix::ffi::OsStrExt, path::Path};

use ralph_protocol::event::Level;

use super::{
    Checkout,
    checkpoint::name_some,
    rebuild::remove,
    run::GitError,
    stage::{MAX_FILE, Tree, paths},
    volume::{is_within, too_much},
};

/// With less than this free, an error counts as one for lack of space, bytes.
const NEARLY_NOTHING: u64 = 1 << 20;

/// How much a checkpoint needs, bytes: something for itself, and each file's content as an object,
/// in the pack that leaves the checkout and in the repository that is pushed from.
const ROOM: u64 = 4 << 20;
const COPIES: u64 = 3;

impl Checkout {
    /// Whether a command failed for lack of space. Git does not always say so.
    pub(super) fn is_full(&self, error: &GitError) -> bool {
        error.is_full() || self.is_full_now()
    }

    /// Whether hardly anything is free.
    pub(super) fn is_full_now(&self) -> bool {
        [self.dir.clone(), std::env::temp_dir()].iter().any(|dir| free(dir) < NEARLY_NOTHING)
    }

    /// Removes files until what is left can be committed: the agent's temporary files, what no
    /// commit may hold, what is ignored or left by setup, then the largest untracked files. Says what is
    /// gone.
    pub(super) async fn free(&self) -> String {
        let mut gone = Vec::new();
        let temporary = self.home.join("tmp");
        if remove(&temporary).is_ok_and(|()| fs::create_dir_all(&temporary).is_ok()) {
            gone.push("temporary files".to_owned());
        }
        self.remove_locks();
        let files = self.listed(&["--others", "--exclude-standard"]).await;
        // No commit gets it, and no work goes for it.
        let of_setup = |(path, _): &(OsString, u64)| self.untouched.has(path);
        let (mut spare, mut files): (Vec<_>, Vec<_>) = files.into_iter().partition(of_setup);
        let sizes = files.iter().map(|(path, size)| (path.as_os_str(), *size, true));
        let out = too_much(sizes, self.limits);
        let stays_out = |path: &OsString, size| size > MAX_FILE || is_within(path, &out).is_some();
        self.remove_all(&mut files, &mut gone, |path, size| stays_out(path, size));
        // Files that the branch has are kept, whatever became of them.
        let mut changed = self.listed(&["--modified"]).await;
        changed.retain(|file| !of_setup(file));
        let needed = |files: &[(OsString, u64)]| {
            let all = files.iter().chain(&changed).filter(|(_, size)| *size <= MAX_FILE);
            ROOM + COPIES * all.map(|(_, size)| size).sum::<u64>()
        };
        if free(&self.dir) < needed(&files) {
            spare.extend(self.listed(&["--others", "--ignored", "--exclude-standard"]).await);
            self.remove_all(&mut spare, &mut gone, |_, _| true);
        }
        files.sort_by_key(|(_, size)| Reverse(*size));
        while free(&self.dir) < needed(&files) && !files.is_empty() {
            let mut largest = vec![files.remove(0)];
            self.remove_all(&mut largest, &mut gone, |_, _| true);
        }
        let text = format!(
            "The disk was full. To save the work, these files were removed: {}.",
            name_some(gone.into_iter())
        );
        self.journal.log(Level::Error, text.clone());
        format!("{text} Keep large files out of the checkout, or free the disk as you go.")
    }

    /// Files that `git ls-files` lists, and their sizes, bytes.
    async fn listed(&self, which: &[&str]) -> Vec<(OsString, u64)> {
        let inert = Tree { git: &self.git, dir: &self.dir }.inert_drivers().await;
        let args = [&["ls-files", "-z"], which].concat();
        let listed = self.git.with(&self.dir, inert, args).await.unwrap_or_default();
        // A repository inside this one ends in a slash, and is left alone.
        let files = paths(&listed).filter(|path| !path.as_bytes().ends_with(b"/"));
        let size = |path: &Path| fs::symlink_metadata(path).map_or(0, |meta| meta.len());
        files.map(|path| (path.to_owned(), size(&self.dir.join(path)))).collect()
    }

    /// Removes the files that are meant, and takes them off the list.
    fn remove_all(
        &self,
        files: &mut Vec<(OsString, u64)>,
        gone: &mut Vec<String>,
        meant: impl Fn(&OsString, u64) -> bool,
    ) {
        files.retain(|(path, size)| {
            let removed = meant(path, *size) && remove(&self.dir.join(path)).is_ok();
            if removed {
                gone.push(format!("`{}` ({size} bytes)", path.display()));
            }
            !removed
        });
    }
}

/// What is free for this user, bytes; everything when nobody knows.
fn free(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(u64::MAX, |stat| {
        // A file system may have room and no inodes.
        let inodes_are_out = stat.f_files > 0 && stat.f_favail == 0;
        if inodes_are_out { 0 } else { stat.f_bavail.saturating_mul(stat.f_frsize) }
    })
}
