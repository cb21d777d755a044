//! The repository that is pushed from.

use std::{fs::File, io::Seek, path::PathBuf};

use ralph_protocol::exit::RunExit;
use tempfile::TempDir;

use super::{Checkout, run::GitError};
use crate::machine::Failure;

/// A bare repository of our own that holds a commit of the checkout, what the remote has, and
/// nothing of the checkout's configuration. What is checked in it is what is pushed from it.
pub(super) struct Bare {
    /// Where it is.
    pub(super) dir: PathBuf,
    /// The commit, on its only branch, [`PUSH`].
    pub(super) commit: String,
    /// Removes it.
    _folder: TempDir,
}

/// The branch of a [`Bare`] that is pushed.
pub(super) const PUSH: &str = "refs/heads/push";

/// A folder that only this user can enter.
pub(super) fn scratch() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("ralph-git-").tempdir().map_err(|error| Failure {
        exit: RunExit::Internal,
        text: format!("cannot make a temporary folder: {error}\nhint: TMPDIR must be writable"),
    })
}

impl Checkout {
    /// Copies a commit of the checkout into a fresh bare repository: only what the remote lacks, as
    /// long as the store has the rest. Every object's name is computed from its content.
    pub(super) async fn bare_copy(&self, commit: &str) -> Result<Bare, GitError> {
        let problem = |error: std::io::Error| GitError::Start(error.to_string());
        let folder = scratch().map_err(|failure| GitError::Start(failure.text))?;
        let dir = folder.path().join("push.git");
        self.git.local(folder.path(), ["init", "-q", "--bare", "--template=", "push.git"]).await?;
        let mut wanted = format!("{commit}\n");
        if let Some(store) = &self.store {
            store.link_to(&dir).map_err(problem)?;
            wanted += &format!("^{}\n", self.known);
        }
        let pack = tempfile::tempfile_in(folder.path()).map_err(problem)?;
        let list = input(wanted.as_bytes()).map_err(problem)?;
        let args = ["pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "-q"];
        let output = pack.try_clone().map_err(problem)?;
        self.git.piped(&self.dir, args, list, output).await?;
        let mut pack = pack;
        pack.rewind().map_err(problem)?;
        let index = ["index-pack", "--stdin", "--fix-thin"];
        self.git.piped(&dir, index, pack, std::process::Stdio::null()).await?;
        self.git.local(&dir, ["update-ref", PUSH, commit]).await?;
        Ok(Bare { dir, commit: commit.to_owned(), _folder: folder })
    }
}

/// A file that holds this, to be read from its beginning.
pub(super) fn input(bytes: &[u8]) -> std::io::Result<File> {
    use std::io::Write;
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
