//! The folders that generated files are written to: comparing them, writing them.

use std::collections::BTreeSet;
use std::fs::{DirEntry, FileType};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A generated file: path below its folder, with `/`, and text.
pub type File = (String, String);

/// What tools and people recognise a generated file by; it stands in the first three lines.
/// (<https://go.dev/s/generatedcode> made the form common.)
#[must_use]
pub fn mark(source: &str) -> String {
    format!("Code generated from {source} by `just gen`; DO NOT EDIT.")
}

const TEMPORARY: (&str, &str) = (".ralph-", ".tmp");

/// Whether a file is being written, or was left half-written by a killed run.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// A folder and the files that belong there.
#[derive(Debug)]
pub struct Tree {
    /// The folder.
    pub folder: PathBuf,
    /// What belongs there.
    pub files: Vec<File>,
    /// Folders in it whose generated files are all ours.
    pub owned: &'static [Owned],
}

/// A folder in which a generated file that nothing generates any more is an orphan.
#[derive(Debug)]
pub struct Owned {
    /// The folder, below the tree's.
    pub folder: &'static str,
    /// What the names of generated files end with. Any other file is somebody else's.
    pub endings: &'static [&'static str],
    /// Whether generated files there have a mark. JSON for IAM cannot hold one.
    pub has_marks: bool,
}

/// A file that is not as it should be.
#[derive(Debug)]
pub struct Change {
    /// Where.
    path: PathBuf,
    /// What is there.
    now: Option<String>,
    /// What belongs there.
    then: Option<String>,
}

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file there is not ours.
    #[error(
        "{0} was not written by the generator and stands where a generated file belongs\nhint: move it away or delete it; only files whose first lines say `Code generated` are ever replaced"
    )]
    Foreign(String),
    /// The files of an environment would go, and the way to destroy what it deployed with them.
    #[error(
        "{folder} holds a state or a backend.tf, but ralph.toml no longer has the environment `{environment}`\nhint: if it is deployed, put its tables back and run `just destroy {environment}`; once nothing is deployed, delete the folder and run `just gen` again"
    )]
    State {
        /// The environment's folder.
        folder: String,
        /// Its name.
        environment: String,
    },
    /// Reading or writing failed.
    #[error("cannot {verb} {path}: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TreeError + use<> {
    let path = path.display().to_string();
    move |source| TreeError::Io { verb, path, source }
}

impl Tree {
    /// What differs from the files that belong there, in the order of paths. A checkout with `\r\n`
    /// does not differ.
    ///
    /// # Errors
    /// [`TreeError`], before anything is written.
    pub fn compare(&self) -> Result<Vec<Change>, TreeError> {
        let mut changes = self.orphans()?;
        for (path, text) in &self.files {
            let full = self.folder.join(path);
            let now = read(&full)?;
            // A link to nothing is somebody's, too.
            if now.as_ref().map_or(full.is_symlink(), |now| !self.is_ours(Path::new(path), now)) {
                return Err(TreeError::Foreign(full.display().to_string()));
            }
            let now = now.map(|now| now.replace("\r\n", "\n"));
            if now.as_ref() != Some(text) {
                changes.push(Change { path: full, now, then: Some(text.clone()) });
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    fn owner(&self, path: &Path) -> Option<&Owned> {
        self.owned.iter().find(|owned| path.starts_with(owned.folder))
    }

    fn is_ours(&self, path: &Path, text: &str) -> bool {
        let marked =
            |line: &str| line.contains("Code generated from ") && line.contains(" by `just gen`");
        text.lines().take(3).any(marked)
            || is_temporary(path)
            || self.owner(path).is_some_and(|owned| !owned.has_marks)
    }

    /// Files of ours that nothing generates any more.
    fn orphans(&self) -> Result<Vec<Change>, TreeError> {
        let files: BTreeSet<&Path> = self.files.iter().map(|(path, _)| Path::new(path)).collect();
        let mut present = BTreeSet::new();
        for owned in self.owned {
            self.collect(Path::new(owned.folder), true, &mut present)?;
        }
        // Other folders are not ours alone, but a killed run may have left something there.
        let beside: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
        for folder in beside.into_iter().filter(|folder| self.owner(folder).is_none()) {
            self.collect(folder, false, &mut present)?;
        }
        let mut orphans = Vec::new();
        for path in present.iter().filter(|path| !files.contains(&***path)) {
            let name = path.to_string_lossy();
            let ends = |owned: &Owned| owned.endings.iter().any(|end| name.ends_with(end));
            if !is_temporary(path) && !self.owner(path).is_some_and(ends) {
                continue;
            }
            let full = self.folder.join(path);
            let Some(now) = read(&full)?.filter(|now| self.is_ours(path, now)) else { continue };
            let folder = path.parent().unwrap_or(path);
            if !files.iter().any(|file| file.starts_with(folder)) {
                refuse_state(&self.folder.join(folder))?;
            }
            orphans.push(Change { path: full, now: Some(now), then: None });
        }
        Ok(orphans)
    }

    /// The files of a folder and, if asked for, of the folders in it, by path below the tree's.
    fn collect(
        &self,
        folder: &Path,
        deep: bool,
        files: &mut BTreeSet<PathBuf>,
    ) -> Result<(), TreeError> {
        for (name, kind) in entries(&self.folder.join(folder))? {
            let path = folder.join(&name);
            if kind.is_file() {
                files.insert(path);
            } else if deep && kind.is_dir() && name != ".terraform" {
                self.collect(&path, deep, files)?;
            }
        }
        Ok(())
    }
}

impl Change {
    /// What differs, a line for a person.
    #[must_use]
    pub fn difference(&self) -> String {
        let kind = match (&self.now, &self.then) {
            (Some(_), Some(_)) => "stale",
            (None, _) => "missing",
            (_, None) => "orphaned",
        };
        format!("{kind}: {}", self.path.display())
    }

    /// The lines that differ, as a unified diff; nothing if the file is missing or orphaned.
    #[must_use]
    pub fn diff(&self) -> String {
        let (Some(now), Some(then)) = (&self.now, &self.then) else { return String::new() };
        let name = self.path.display().to_string();
        let diff = similar::TextDiff::from_lines(now, then);
        let header = (&*name, &*format!("{name} (generated)"));
        format!("\n{}", diff.unified_diff().context_radius(3).header(header.0, header.1))
    }

    /// Writes or removes the file, with the folders that this leaves empty. At every moment the file
    /// is whole, the old one or the new one. Gives a line about it.
    ///
    /// # Errors
    /// [`TreeError::Io`].
    pub fn make(&self) -> Result<String, TreeError> {
        let path = &self.path;
        if let Some(text) = &self.then {
            write_whole(path, text)?;
            return Ok(format!("wrote {}", path.display()));
        }
        std::fs::remove_file(path).map_err(io("delete", path))?;
        // Fails, as it should, at the first folder that holds anything else.
        let _ = path.ancestors().skip(1).try_for_each(std::fs::remove_dir);
        Ok(format!("removed {}", path.display()))
    }
}

fn read(path: &Path) -> Result<Option<String>, TreeError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// What a folder holds: name and kind. A folder that does not exist holds nothing.
fn entries(folder: &Path) -> Result<Vec<(String, FileType)>, TreeError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io("read", folder))?,
    };
    let entry = |entry: std::io::Result<DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?))
    };
    entries.map(entry).collect::<Result<_, _>>().map_err(io("read", folder))
}

/// Refuses a root's folder that holds a state or a backend.tf. A fresh clone knows of a state in S3 by
/// its backend.tf alone.
fn refuse_state(folder: &Path) -> Result<(), TreeError> {
    let is_state = |name: &str| name.starts_with("terraform.tfstate") || name == "backend.tf";
    let here = entries(folder)?.iter().any(|(name, _)| is_state(name));
    if !here && !folder.join(".terraform/terraform.tfstate").exists() {
        return Ok(());
    }
    let environment = folder.file_name().unwrap_or_default().display().to_string();
    Err(TreeError::State { folder: folder.display().to_string(), environment })
}

fn write_whole(path: &Path, text: &str) -> Result<(), TreeError> {
    // Through a link, so that it stays one.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("make", folder))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    // As any other file of a checkout; a temporary file is otherwise its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut temporary = builder.tempfile_in(folder).map_err(io("write to", folder))?;
    temporary.write_all(text.as_bytes()).map_err(io("write", path))?;
    temporary.persist(path).map_err(|error| io("write", path)(error.error))?;
    Ok(())
}
