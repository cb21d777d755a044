//! The workstreams that a page shows: those it is started with and, in a local cloud, those that
//! `ralph run` starts there. A file in the scratch folder, which nobody else may enter, names each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ralph_protocol::ids::Workstream;

/// The workstreams of a page; it gets tokens for no other.
pub struct Shown {
    given: Vec<Workstream>,
    scratch: Option<PathBuf>,
}

impl Shown {
    /// Those alone.
    pub const fn only(given: Vec<Workstream>) -> Self {
        Self { given, scratch: None }
    }

    /// Those, and what is added to the local cloud with this scratch folder.
    pub fn with_added(given: Vec<Workstream>, scratch: &Path) -> Self {
        Self { given, scratch: Some(scratch.to_owned()) }
    }

    /// All of them now.
    pub fn all(&self) -> Vec<Workstream> {
        let files = self.scratch.as_deref().and_then(|scratch| fs::read_dir(folder(scratch)).ok());
        let names = files.into_iter().flatten().flatten().map(|file| file.file_name());
        let mut added: Vec<Workstream> =
            names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        added.retain(|one| !self.given.contains(one));
        added.sort();
        [self.given.clone(), added].concat()
    }
}

/// Adds a workstream to the page of a local cloud.
pub fn add(scratch: &Path, workstream: &Workstream) -> Result<()> {
    let folder = folder(scratch);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(workstream.as_str()), ""))
        .with_context(|| format!("cannot write into {}", folder.display()))
}

fn folder(scratch: &Path) -> PathBuf {
    scratch.join("shown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_comes_after_what_is_given_and_once() {
        let scratch = tempfile::tempdir().unwrap();
        let name = |text: &str| text.parse::<Workstream>().unwrap();
        let shown = Shown::with_added(vec![name("docs"), name("api")], scratch.path());
        assert_eq!(shown.all(), [name("docs"), name("api")]);
        for added in ["parser", "api", "build", "parser"] {
            add(scratch.path(), &name(added)).unwrap();
        }
        assert_eq!(shown.all(), ["docs", "api", "build", "parser"].map(name));
        assert_eq!(Shown::only(vec![name("docs")]).all(), [name("docs")]);
    }
}
