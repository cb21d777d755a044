//! What the program does.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::tree::{Tree, TreeError};
use crate::{config, generate, hcl};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The configuration.
    pub config: PathBuf,
    /// The folder of HCL.
    pub out: PathBuf,
    /// The folder of the configuration's reference; `None` leaves it alone.
    pub docs: Option<PathBuf>,
    /// What to do.
    pub mode: Mode,
}

/// What to do with what is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bring the folders up to date.
    Write,
    /// Say how they differ.
    Check,
    /// Print the HCL.
    Stdout,
}

/// How it went.
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
    Print(std::io::Error),
}

/// Reads the configuration, generates, then writes, checks or prints.
///
/// # Errors
/// [`RunError`], before anything is written.
pub fn run(order: &Order) -> Result<Outcome, RunError> {
    let settings = config::read(&order.config)?;
    if !settings.warnings.is_empty() {
        eprintln!("{}", settings.warnings);
    }
    let generated = generate::all(&settings).map_err(RunError::Model)?;
    if order.mode == Mode::Stdout {
        return print(&order.out, &generated.terraform)
            .map(|()| Outcome::Good)
            .map_err(RunError::Print);
    }
    let mut trees =
        vec![Tree { folder: order.out.clone(), files: generated.terraform, owned: true }];
    if let Some(docs) = &order.docs {
        trees.push(Tree { folder: docs.clone(), files: generated.docs, owned: false });
    }
    // All comparisons come first: a file that is not ours stops the run before the first write.
    let differences = trees.iter().map(Tree::compare).collect::<Result<Vec<_>, _>>()?;
    let mut outcome = Outcome::Good;
    for (tree, difference) in trees.iter().zip(&differences) {
        if order.mode == Mode::Write {
            tree.write(difference)?;
        } else if !difference.is_empty() {
            outcome = Outcome::Differs;
            let text = difference.describe(&tree.folder);
            std::io::stdout().write_all(text.as_bytes()).map_err(RunError::Print)?;
        }
    }
    Ok(outcome)
}

fn print(out: &Path, files: &[generate::File]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for (path, text) in files {
        writeln!(stdout, "### {}\n{text}", out.join(path).display())?;
    }
    stdout.flush()
}
