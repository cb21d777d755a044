//! An output folder: comparing it, writing it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::generate::{File, MARK_TEXT};

/// A folder and the files that belong there.
#[derive(Debug)]
pub struct Tree {
    /// The folder.
    pub folder: PathBuf,
    /// What belongs there.
    pub files: Vec<File>,
    /// Whether every generated `.tf` file there belongs to us, so that one nothing generates any
    /// more is an orphan.
    pub owned: bool,
}

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file there is not ours.
    #[error(
        "{0} was not written by the generator and stands where a generated file belongs\nhint: move it away or delete it; only files whose first lines say `Code generated` are ever replaced"
    )]
    Foreign(String),
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

/// How a folder differs from what it should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files whose text differs: path, text there, text that belongs there.
    pub stale: Vec<(String, String, String)>,
    /// Files that are not there: path and text.
    pub missing: Vec<(String, String)>,
    /// Files of ours that nothing generates any more.
    pub orphans: Vec<String>,
}

impl Difference {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.missing.is_empty() && self.orphans.is_empty()
    }

    /// What differs, for a person: a line for each file, then the changes as a unified diff.
    #[must_use]
    pub fn describe(&self, folder: &Path) -> String {
        let name = |path: &str| folder.join(path).display().to_string();
        let mut out = String::new();
        let named = [
            ("stale", self.stale.iter().map(|(path, _, _)| path).collect::<Vec<_>>()),
            ("missing", self.missing.iter().map(|(path, _)| path).collect()),
            ("orphaned", self.orphans.iter().collect()),
        ];
        for (kind, paths) in named {
            for path in paths {
                out.push_str(&format!("{kind}: {}\n", name(path)));
            }
        }
        for (path, now, then) in &self.stale {
            let diff = similar::TextDiff::from_lines(now, then);
            let (old, new) = (name(path), format!("{} (generated)", name(path)));
            out.push('\n');
            out.push_str(&diff.unified_diff().context_radius(3).header(&old, &new).to_string());
        }
        out
    }
}

fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TreeError + use<> {
    let path = path.display().to_string();
    move |source| TreeError::Io { verb, path, source }
}

/// Whether a text says that it is generated.
fn ours(text: &str) -> bool {
    text.lines().take(3).any(|line| line.contains(MARK_TEXT))
}

impl Tree {
    /// Compares the folder with what belongs there. A checkout with `\r\n` does not differ.
    ///
    /// # Errors
    /// [`TreeError::Foreign`] before anything is written.
    pub fn compare(&self) -> Result<Difference, TreeError> {
        let mut present = BTreeMap::new();
        if self.owned {
            collect(&self.folder, &self.folder, &mut present)?;
        } else {
            left_behind(&self.folder, &mut present)?;
        }
        let mut difference = Difference::default();
        for (path, text) in &self.files {
            let there = match present.remove(path) {
                Some(now) => Some(now),
                None => read(&self.folder.join(path))?,
            };
            match there {
                // A link to nothing is somebody's, too.
                None if self.folder.join(path).is_symlink() => {
                    return Err(TreeError::Foreign(self.folder.join(path).display().to_string()));
                }
                None => difference.missing.push((path.clone(), text.clone())),
                Some(now) if !ours(&now) => {
                    return Err(TreeError::Foreign(self.folder.join(path).display().to_string()));
                }
                Some(now) => {
                    let now = now.replace("\r\n", "\n");
                    if now != *text {
                        difference.stale.push((path.clone(), now, text.clone()));
                    }
                }
            }
        }
        let orphans = present.into_iter().filter(|(path, now)| is_temporary(path) || ours(now));
        difference.orphans = orphans.map(|(path, _)| path).collect();
        Ok(difference)
    }

    /// Writes what differs and removes orphans, then the folders that this leaves empty. At every
    /// moment each file is whole, the old one or the new one.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn write(&self, difference: &Difference) -> Result<(), TreeError> {
        let stale = difference.stale.iter().map(|(path, _, text)| (path, text));
        let missing = difference.missing.iter().map(|(path, text)| (path, text));
        for (path, text) in stale.chain(missing) {
            write_whole(&self.folder.join(path), text)?;
        }
        for orphan in &difference.orphans {
            let path = self.folder.join(orphan);
            std::fs::remove_file(&path).map_err(io("delete", &path))?;
            // Fails, as it should, at the first folder that holds anything else.
            let within = path.ancestors().skip(1).take_while(|above| *above != self.folder);
            for above in within {
                if std::fs::remove_dir(above).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<String>, TreeError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// What a killed run left in a folder that is not ours alone.
fn left_behind(folder: &Path, present: &mut BTreeMap<String, String>) -> Result<(), TreeError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read", folder)(error)),
    };
    for entry in entries {
        let name = entry.map_err(io("read", folder))?.file_name().to_string_lossy().into_owned();
        if is_temporary(&name) {
            present.insert(name, String::new());
        }
    }
    Ok(())
}

/// What the names of generated files end with. State, lock files and `*.tfvars` are somebody else's,
/// whatever they say.
const ENDINGS: [&str; 3] = [".tf", ".tftest.hcl", ".md"];

/// Every file that could be ours below `folder`, by path below `out`.
fn collect(
    out: &Path,
    folder: &Path,
    present: &mut BTreeMap<String, String>,
) -> Result<(), TreeError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(io("read", folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(io("read", folder))?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && name != ".terraform" {
            collect(out, &path, present)?;
        } else if kind.is_file()
            && (ENDINGS.iter().any(|ending| name.ends_with(ending)) || is_temporary(&name))
            && let Some(text) = read(&path)?
        {
            let below =
                path.strip_prefix(out).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            present.insert(below, text);
        }
    }
    Ok(())
}

const TEMPORARY: (&str, &str) = (".ralph-", ".tmp");

/// A file that a killed run left half-written.
fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
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
