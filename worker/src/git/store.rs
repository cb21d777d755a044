//! The objects that the remote has, kept beside the checkout: a copy of the checkout then takes
//! only what is new.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A folder of objects of ours. The agent runs as the same user and could write to it, so it is
/// sealed while the agent runs: every inode's change time is noted, which only the kernel sets. A
/// folder that was touched is not used again.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    seal: Seal,
}

/// By path below the folder: inode, size, change time.
type Seal = BTreeMap<PathBuf, (u64, u64, i64, i64)>;

impl Store {
    /// A store of this folder's objects as they are now.
    pub(super) fn new(dir: PathBuf) -> io::Result<Self> {
        let seal = look(&dir)?;
        Ok(Self { dir, seal })
    }

    /// Lets a repository of ours use the objects (gitrepository-layout(5), alternates).
    pub(super) fn link_to(&self, repository: &Path) -> io::Result<()> {
        let info = repository.join("objects/info");
        fs::create_dir_all(&info)?;
        fs::write(info.join("alternates"), format!("{}\n", self.dir.display()))
    }

    /// Whether nobody wrote to it since it was sealed.
    pub(super) fn is_intact(&self) -> bool {
        look(&self.dir).is_ok_and(|seal| seal == self.seal)
    }

    /// Seals it as it is now: nothing but the worker has run since the last look.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.seal = look(&self.dir)?;
        Ok(())
    }

    /// Adds the objects of a repository of ours.
    pub(super) fn add(&self, repository: &Path) -> io::Result<()> {
        copy(&repository.join("objects"), &self.dir)
    }
}

/// Copies what is not there yet. `info` says where other objects are and is left out.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "info" {
                copy(&entry.path(), &target)?;
            }
        } else if !target.exists() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn look(dir: &Path) -> io::Result<Seal> {
    let mut seal = Seal::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let meta = fs::symlink_metadata(&folder)?;
        seal.insert(folder.clone(), (meta.ino(), 0, meta.ctime(), meta.ctime_nsec()));
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                let stamp = (meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec());
                seal.insert(entry.path(), stamp);
            }
        }
    }
    Ok(seal)
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::PermissionsExt, time::SystemTime};

    use super::*;

    #[test]
    fn any_touch_breaks_the_seal() {
        type Touch = fn(&Path) -> io::Result<()>;
        let touches: [(&str, Touch); 6] = [
            ("another file", |dir| fs::write(dir.join("pack/other"), "x")),
            ("a file is gone", |dir| fs::remove_file(dir.join("pack/a.pack"))),
            ("a file is replaced", |dir| {
                fs::write(dir.join("new"), "12345")?;
                fs::rename(dir.join("new"), dir.join("pack/a.pack"))
            }),
            ("the same size, and the old times set again", |dir| {
                let path = dir.join("pack/a.pack");
                let before = fs::metadata(&path)?.modified()?;
                let mut file = OpenOptions::new().write(true).open(&path)?;
                file.write_all(b"54321")?;
                file.set_modified(before)
            }),
            ("another mode", |dir| {
                fs::set_permissions(dir.join("pack/a.pack"), fs::Permissions::from_mode(0o600))
            }),
            ("another time", |dir| {
                let file = fs::File::open(dir.join("pack/a.pack"))?;
                file.set_modified(SystemTime::UNIX_EPOCH)
            }),
        ];
        for (what, touch) in touches {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("pack")).unwrap();
            fs::write(dir.path().join("pack/a.pack"), "12345").unwrap();
            let store = Store::new(dir.path().to_path_buf()).unwrap();
            assert!(store.is_intact(), "{what}");
            // The kernel's clock for files moves in steps of some milliseconds.
            let is_past = |&(_, _, s, ns): &(u64, u64, i64, i64)| {
                let file = tempfile::tempfile().unwrap();
                let now = file.metadata().unwrap();
                (s, ns) < (now.ctime(), now.ctime_nsec())
            };
            while !store.seal.values().all(is_past) {}
            touch(dir.path()).unwrap();
            assert!(!store.is_intact(), "{what}");
        }
    }
}
