//! `ralph.toml` to plain Terraform: the generator behind `just gen`.
#![forbid(unsafe_code)]

pub mod aws;
pub mod config;
pub mod environment;
pub mod generate;
pub mod hcl;
pub mod modules;
pub mod tree;

use std::path::Path;

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The modules are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Model(Vec<hcl::Error>),
    /// The output folder is in the way.
    #[error(transparent)]
    Tree(#[from] tree::TreeError),
}

/// Writes or checks the output folder; `false` when a check finds a difference.
///
/// # Errors
/// [`RunError`].
pub fn run(config: &Path, out: &Path, check: bool) -> Result<bool, RunError> {
    let settings = config::read(config)?;
    let files = generate::files(&settings).map_err(RunError::Model)?;
    let difference = tree::compare(out, &files)?;
    if !check {
        tree::write(out, &files, &difference)?;
        return Ok(true);
    }
    for (path, _) in &difference.stale {
        eprintln!("stale: {path}");
    }
    for path in &difference.missing {
        eprintln!("missing: {path}");
    }
    for path in &difference.orphans {
        eprintln!("orphan: {path}");
    }
    if !difference.is_empty() {
        eprintln!("hint: run `just gen`");
    }
    Ok(difference.is_empty())
}
