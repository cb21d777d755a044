//! What the program does.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;

use crate::tree::{Change, Owned, Tree, TreeError};
use crate::{config, generate, hcl};

/// Writes everything that is generated from ralph.toml and the types: terraform/, pages of docs/,
/// docker/worker.env and the client's types.
///
/// Exit code 0: done, or nothing differs; 2: --check found a difference; 1: an error.
#[derive(Debug, Clone, Parser)]
pub struct Request {
    /// The configuration
    #[arg(long, default_value = "ralph.toml")]
    pub config: PathBuf,
    /// A folder for the HCL alone, in place of the project's files
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Write nothing: print how the files differ, and exit with 2 if they do
    #[arg(long, conflicts_with = "stdout")]
    pub check: bool,
    /// Write nothing: print the files
    #[arg(long)]
    pub stdout: bool,
}

/// Whether a check found a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or nothing differs.
    Good,
    /// A check found a difference.
    Differs,
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The modules are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: "))]
    Model(Vec<hcl::Error>),
    /// A folder is in the way.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Standard output is closed or full.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

const fn hcl(folder: &'static str) -> Owned {
    Owned { folder, endings: &[".tf", ".tftest.hcl", ".md"], has_marks: true }
}
const POLICIES: Owned = Owned {
    folder: "docs/policies",
    endings: &["-network.json", "-tasks.json", "-delivery.json"],
    has_marks: false,
};

/// Reads the configuration, generates, then writes, checks or prints. Warnings go to standard error.
///
/// # Errors
/// [`RunError`]: before anything is written, unless a file cannot be written.
pub fn run(request: &Request) -> Result<Outcome, RunError> {
    let settings = config::read(&request.config)?;
    if !settings.warnings.is_empty() {
        eprintln!("{}", settings.warnings);
    }
    let (files, owned): (_, &[Owned]) = match request.out {
        Some(_) => (generate::files(&settings), const { &[hcl("")] }),
        None => (generate::all(&settings), const { &[hcl(generate::TERRAFORM), POLICIES] }),
    };
    let folder = request.out.clone().unwrap_or_default();
    let tree = Tree { folder, files: files.map_err(RunError::Model)?, owned };
    let mut stdout = std::io::stdout().lock();
    if request.stdout {
        for (path, text) in &tree.files {
            writeln!(stdout, "### {}\n{text}", tree.folder.join(path).display())?;
        }
        return Ok(Outcome::Good);
    }
    let changes = tree.compare()?;
    if request.check {
        changes.iter().try_for_each(|change| writeln!(stdout, "{}", change.difference()))?;
        changes.iter().try_for_each(|change| write!(stdout, "{}", change.diff()))?;
        return Ok(if changes.is_empty() { Outcome::Good } else { Outcome::Differs });
    }
    // Everything is written before the first line is printed: a reader that goes away stops nothing.
    let lines = changes.iter().map(Change::make).collect::<Result<Vec<_>, _>>()?;
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))?;
    if lines.is_empty() {
        writeln!(stdout, "nothing to write")?;
    }
    Ok(Outcome::Good)
}
