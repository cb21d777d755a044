//! The output folder: writing it, comparing it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::generate::{File, MARK};

/// Why the output folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file there is not ours.
    #[error(
        "{0} was not written by the generator and stands where a generated file belongs\nhint: move it away, or delete it"
    )]
    Foreign(String),
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// How the folder differs from what it should be.
#[derive(Debug, Default)]
pub struct Difference {
    /// Files whose text differs, with the text there now.
    pub stale: Vec<(String, String)>,
    /// Files that are not there.
    pub missing: Vec<String>,
    /// Files of ours that nothing generates any more.
    pub orphans: Vec<String>,
}

impl Difference {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.missing.is_empty() && self.orphans.is_empty()
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> TreeError {
    let path = path.display().to_string();
    |source| TreeError::Io { path, source }
}

/// Compares the folder with the files.
///
/// # Errors
/// [`TreeError`].
pub fn compare(out: &Path, files: &[File]) -> Result<Difference, TreeError> {
    let mut present = BTreeMap::new();
    collect(out, out, &mut present)?;
    let mut difference = Difference::default();
    for (path, text) in files {
        match present.remove(path) {
            None => difference.missing.push(path.clone()),
            Some(now) if !now.starts_with(MARK) => {
                return Err(TreeError::Foreign(out.join(path).display().to_string()));
            }
            Some(now) if now.replace("\r\n", "\n") != *text => {
                difference.stale.push((path.clone(), now));
            }
            Some(_) => {}
        }
    }
    difference.orphans = present
        .into_iter()
        .filter(|(_, now)| now.starts_with(MARK))
        .map(|(path, _)| path)
        .collect();
    Ok(difference)
}

/// Every `.tf` file below `folder`, by path below `out`.
fn collect(
    out: &Path,
    folder: &Path,
    present: &mut BTreeMap<String, String>,
) -> Result<(), TreeError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(folder)(error)),
    };
    for entry in entries {
        let path = entry.map_err(io(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != ".terraform" {
                collect(out, &path, present)?;
            }
        } else if name.ends_with(".tf") {
            let bytes = std::fs::read(&path).map_err(io(&path))?;
            present.insert(relative(out, &path), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}

fn relative(out: &Path, path: &Path) -> String {
    let below: PathBuf = path.strip_prefix(out).unwrap_or(path).to_owned();
    below.to_string_lossy().replace('\\', "/")
}

/// Writes what differs and removes orphans. Each file is whole at every moment.
///
/// # Errors
/// [`TreeError`].
pub fn write(out: &Path, files: &[File], difference: &Difference) -> Result<(), TreeError> {
    for (path, text) in files {
        let changed = difference.missing.contains(path)
            || difference.stale.iter().any(|(stale, _)| stale == path);
        if changed {
            write_whole(&out.join(path), text)?;
        }
    }
    for orphan in &difference.orphans {
        let path = out.join(orphan);
        std::fs::remove_file(&path).map_err(io(&path))?;
    }
    Ok(())
}

fn write_whole(path: &Path, text: &str) -> Result<(), TreeError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".ralph-")
        .suffix(".tmp")
        .permissions(permissions())
        .tempfile_in(folder)
        .map_err(io(folder))?;
    temporary.write_all(text.as_bytes()).map_err(io(path))?;
    temporary.persist(path).map_err(|error| io(path)(error.error))?;
    Ok(())
}

/// As any other file of a checkout; a temporary file is otherwise its owner's alone.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::Permissions::from_mode(0o644)
}
