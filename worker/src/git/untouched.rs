//! What setup left in the working tree: files that it made, changed or removed, and that nobody has
//! changed since. They are not the agent's work, so a checkpoint leaves them as they are.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Most files that are remembered; about 200 bytes of memory each. What is beyond counts as the
/// agent's work.
pub(super) const MOST: usize = 200_000;

/// What tells that a file was changed, by whomever: its inode, its size and the time of its last
/// change, which only the kernel sets. Tools like to set the time of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: nothing is there.
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok()?;
        let changed = (meta.ctime(), meta.ctime_nsec());
        Some(Self { inode: meta.ino(), bytes: meta.size(), changed })
    }
}

/// Paths below a working tree, with what was there.
#[derive(Debug, Default)]
pub(super) struct Untouched(BTreeMap<OsString, Option<Stamp>>);

impl Untouched {
    /// These paths as they are now, without repositories inside this one: their folder does not tell
    /// whether something below it was changed. Says whether they are all.
    pub(super) fn new(dir: &Path, paths: impl IntoIterator<Item = OsString>) -> (Self, bool) {
        let is_repository =
            |path: &OsString| fs::symlink_metadata(dir.join(path).join(".git")).is_ok();
        let mut paths = paths.into_iter().filter(|path| !is_repository(path));
        let some = paths.by_ref().take(MOST);
        let stamped = some.map(|path| (path.clone(), Stamp::of(&dir.join(&path)))).collect();
        (Self(stamped), paths.next().is_none())
    }

    /// Forgets, for good, what somebody has changed since the last look.
    pub(super) fn check(&mut self, dir: &Path) {
        self.0.retain(|path, stamp| Stamp::of(&dir.join(path)) == *stamp);
    }

    /// Nothing but the worker has run since [`Untouched::check`]: git may have written files again.
    pub(super) fn seal(&mut self, dir: &Path) {
        for (path, stamp) in &mut self.0 {
            *stamp = Stamp::of(&dir.join(path));
        }
    }

    /// Whether a path is one of them.
    pub(super) fn has(&self, path: &OsStr) -> bool {
        self.0.contains_key(path)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf};

    use proptest::prelude::*;

    use super::*;

    /// What somebody does to a file.
    #[derive(Debug, Clone, Copy)]
    enum Deed {
        Nothing,
        Write,
        Replace,
        Remove,
        Chmod,
    }

    impl Deed {
        fn on(self, path: &Path) {
            match self {
                Self::Nothing => drop(fs::read(path)),
                // Of the same size.
                Self::Write => fs::write(path, "2").unwrap(),
                Self::Replace => {
                    let other = path.with_extension("new");
                    fs::write(&other, "1").unwrap();
                    fs::rename(other, path).unwrap();
                }
                Self::Remove => fs::remove_file(path).unwrap(),
                Self::Chmod => {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
                }
            }
        }
    }

    fn later(path: &Path) {
        // Until the clock that stamps files has moved on.
        let now = || {
            let probe = path.join("probe");
            fs::write(&probe, "").unwrap();
            Stamp::of(&probe).unwrap().changed
        };
        let begun = now();
        while now() == begun {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn seen(dir: &Path, names: &[&str]) -> Untouched {
        let (untouched, all) = Untouched::new(dir, names.iter().map(OsString::from));
        assert!(all);
        untouched
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_file_stays_untouched_until_somebody_changes_it(
            deeds in prop::collection::vec(prop::sample::select(vec![
                Deed::Nothing, Deed::Nothing, Deed::Write, Deed::Replace, Deed::Remove, Deed::Chmod,
            ]), 1..6),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let paths: Vec<PathBuf> =
                (0..deeds.len()).map(|n| dir.path().join(format!("file{n}"))).collect();
            paths.iter().for_each(|path| fs::write(path, "1").unwrap());
            let names = paths.iter().map(|path| path.file_name().unwrap().to_owned());
            let (mut untouched, _) = Untouched::new(dir.path(), names.clone());
            later(dir.path());
            for (deed, path) in deeds.iter().zip(&paths) {
                deed.on(path);
            }
            untouched.check(dir.path());
            for (deed, name) in deeds.iter().zip(names) {
                prop_assert_eq!(untouched.has(&name), matches!(deed, Deed::Nothing), "{:?}", deed);
            }
        }
    }

    #[test]
    fn what_is_gone_is_untouched_until_it_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut untouched = seen(dir.path(), &["gone", "back"]);
        fs::write(dir.path().join("back"), "").unwrap();
        untouched.check(dir.path());
        assert!(untouched.has(OsStr::new("gone")) && !untouched.has(OsStr::new("back")));
    }

    #[test]
    fn what_the_worker_wrote_itself_stays_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "1").unwrap();
        let mut untouched = seen(dir.path(), &["lock"]);
        untouched.check(dir.path());
        Deed::Replace.on(&path);
        untouched.seal(dir.path());
        untouched.check(dir.path());
        assert!(untouched.has(OsStr::new("lock")));
    }

    #[test]
    fn how_many_are_remembered_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let names = |count| (0..count).map(|n: usize| OsString::from(n.to_string()));
        let (all, whole) = Untouched::new(dir.path(), names(MOST));
        assert!((all.0.len(), whole) == (MOST, true));
        let (some, whole) = Untouched::new(dir.path(), names(MOST + 1));
        assert!((some.0.len(), whole) == (MOST, false));
    }
}
