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

use crate::project::Project;

/// The outputs of one apply.
pub type Outputs = BTreeMap<String, Value>;

/// The place of an environment's kept state. Its name is a hash of what the state depends on.
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// The place for an environment that is applied from `tree`, the copy of `terraform/`, to a server
    /// that is described by `server`.
    pub fn of(project: &Project, environment: &str, tree: &Path, server: &str) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(environment);
        hash.update(server);
        hash_all(&mut hash, tree)?;
        // MiniStack's version, and how it is changed.
        hash_all(&mut hash, &project.root().join(super::STARTER))?;
        hash.update(include_str!("../../tools/local-cloud.txt"));
        let key: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { folder: project.tools().join("applied").join(environment).join(key) })
    }

    /// Where MiniStack keeps its state.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn outputs(&self) -> PathBuf {
        self.folder.join("outputs.json")
    }

    /// The outputs, if something is kept. Otherwise what other HCL made is removed.
    pub fn read(&self) -> Option<Outputs> {
        let read = || serde_json::from_slice(&fs::read(self.outputs()).ok()?).ok();
        let outputs = read();
        if outputs.is_none() {
            self.forget();
        }
        outputs
    }

    /// Adds the outputs to the state that MiniStack has written.
    pub fn write(&self, outputs: &Outputs) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, outputs)?;
        // Last, and at once: what was cut off is not used.
        file.persist(self.outputs())?;
        Ok(())
    }

    /// Removes everything that is kept of the environment, and leaves an empty folder.
    pub fn forget(&self) {
        let _ = self.folder.parent().map(fs::remove_dir_all);
        let _ = fs::create_dir_all(&self.folder);
    }
}

/// Hashes the names and contents of all files below a folder, in the order of their names.
fn hash_all(hash: &mut Sha256, folder: &Path) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if entry.file_name().is_some_and(|name| name != "__pycache__") {
                hash_all(hash, &entry)?;
            }
            continue;
        }
        let contents = fs::read(&entry)?;
        // Relative to its folder, whose name came before: the scratch folder's own does not count.
        hash.update(entry.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update((contents.len() as u64).to_le_bytes());
        hash.update(contents);
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
}
