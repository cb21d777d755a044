//! What one apply made, kept for the next start.
//!
//! An apply takes over a minute, in which the AWS provider mostly waits. The same HCL makes the same
//! environment, so the next start with the same HCL takes MiniStack's state from a folder. What
//! differs from start to start (port, keys, the functions' code) is not part of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{project::Project, tools::hex};

/// The outputs of one apply.
pub type Outputs = BTreeMap<String, Value>;

/// The place of an environment's kept state: a folder named by a hash of what the state depends on. It
/// appears at once and whole, and is never changed.
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// The place for an environment that is applied from `tree`, the copy of `terraform/`, to a server
    /// that is described by `server`.
    pub fn of(project: &Project, environment: &str, tree: &Path, server: &str) -> Result<Self> {
        let mut hash = Sha256::new();
        for text in [environment, server, include_str!("../../tools/local-cloud.txt")] {
            hash_one(&mut hash, text.as_bytes());
        }
        hash_all(&mut hash, tree)?;
        // How MiniStack is changed.
        hash_all(&mut hash, &project.root().join(super::STARTER))?;
        let key = hex::of(&hash.finalize());
        Ok(Self { folder: project.tools().join("applied").join(environment).join(key) })
    }

    /// MiniStack's state.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The outputs, if something is kept.
    pub fn read(&self) -> Option<Outputs> {
        serde_json::from_slice(&fs::read(self.folder.join("outputs.json")).ok()?).ok()
    }

    /// Takes over the state that MiniStack wrote to a folder, and removes what other HCL made. Another
    /// start with the same HCL may have been faster.
    pub fn write(&self, state: &Path, outputs: &Outputs) -> Result<()> {
        let parent = self.parent();
        let new = tempfile::tempdir_in(parent)?;
        fs::write(new.path().join("outputs.json"), serde_json::to_vec(outputs)?)?;
        fs::rename(state, new.path().join("state"))?;
        if self.read().is_none() {
            fs::rename(new.path(), &self.folder)?;
        }
        for entry in fs::read_dir(parent)?.flatten() {
            if entry.path() != self.folder {
                remove(&entry.path());
            }
        }
        Ok(())
    }

    /// Removes what is kept.
    pub fn forget(&self) {
        remove(&self.folder);
    }

    /// Where MiniStack may write its state, so that it can be taken over: on the same file system.
    pub fn unfinished(&self) -> Result<PathBuf> {
        fs::create_dir_all(self.parent())?;
        Ok(self.parent().join(format!("unfinished-{}", std::process::id())))
    }

    fn parent(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }
}

/// Removes a folder whose name must not stand for half of its contents.
fn remove(folder: &Path) {
    let renamed = folder.with_extension("old");
    if fs::rename(folder, &renamed).is_ok() {
        let _ = fs::remove_dir_all(renamed);
    }
}

/// Hashes bytes with their number, so that two texts cannot be taken for one.
fn hash_one(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Hashes the names and contents of all files below a folder, in the order of their names.
fn hash_all(hash: &mut Sha256, folder: &Path) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default();
        if name == "__pycache__" {
            continue;
        }
        hash_one(hash, name.as_encoded_bytes());
        if entry.is_dir() {
            hash_all(hash, &entry)?;
            hash_one(hash, b"end of the folder");
        } else {
            hash_one(hash, &fs::read(&entry)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(folder: &Path) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash_all(&mut hash, folder).unwrap();
        hash.finalize().to_vec()
    }

    #[test]
    fn a_changed_file_and_a_renamed_one_change_the_key_and_another_place_does_not() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            fs::create_dir(folder.path().join("modules")).unwrap();
            fs::write(folder.path().join("modules/main.tf"), "x").unwrap();
        }
        assert_eq!(hash_of(one.path()), hash_of(two.path()));
        fs::write(two.path().join("modules/main.tf"), "y").unwrap();
        assert_ne!(hash_of(one.path()), hash_of(two.path()));
        fs::write(two.path().join("modules/main.tf"), "x").unwrap();
        let from = two.path().join("modules/main.tf");
        fs::rename(from, two.path().join("modules/other.tf")).unwrap();
        assert_ne!(hash_of(one.path()), hash_of(two.path()));
    }

    #[test]
    fn what_is_kept_is_whole_and_replaces_what_other_hcl_made() {
        let tools = tempfile::tempdir().unwrap();
        let kept = |key: &str| Kept { folder: tools.path().join("dev").join(key) };
        let state = |kept: &Kept, text: &str| {
            let folder = kept.unfinished().unwrap();
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("sqs.json"), text).unwrap();
            folder
        };
        let outputs = Outputs::from([("cluster".to_owned(), "one".into())]);
        let (one, two) = (kept("one"), kept("two"));
        assert_eq!(one.read(), None);
        one.write(&state(&one, "1"), &outputs).unwrap();
        assert_eq!(one.read(), Some(outputs.clone()));
        // Somebody else was faster.
        one.write(&state(&one, "2"), &Outputs::new()).unwrap();
        assert_eq!(one.read(), Some(outputs.clone()));
        assert_eq!(fs::read_to_string(one.state().join("sqs.json")).unwrap(), "1");
        two.write(&state(&two, "3"), &outputs).unwrap();
        assert_eq!((one.read(), two.read()), (None, Some(outputs)));
        two.forget();
        assert_eq!(fs::read_dir(tools.path().join("dev")).unwrap().count(), 0);
    }
}
