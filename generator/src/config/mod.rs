//! `ralph.toml`, in two levels: [`raw`] is what the file says, [`valid`] is what it means.

mod check;
mod cidr;
pub mod keys;
mod monitoring;
mod names;
mod problem;
mod raw;
pub mod reference;
mod rules;
mod valid;

use std::path::Path;

pub use valid::{
    Architecture, Environment, Limits, Monitoring, Network, NetworkMode, Settings, State,
    Websocket, Worker,
};

/// Why a configuration is refused. The text shows every mistake with its line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}\nhint: name another file with --config")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not UTF-8 text.
    #[error("{path}:{line}:{column}: not UTF-8\nhint: save the file as UTF-8")]
    Encoding {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1.
        column: usize,
    },
    /// The file is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// Reads and checks a configuration file.
///
/// # Errors
/// [`ConfigError`].
pub fn read(path: &Path) -> Result<Settings, ConfigError> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|source| ConfigError::Read { path: name.clone(), source })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&name, text),
        Err(error) => {
            let good = &bytes[..error.valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            Err(ConfigError::Encoding { path: name, line, column })
        }
    }
}

/// Checks a configuration's text; `name` is how errors call the file.
///
/// # Errors
/// [`ConfigError::Wrong`] with all mistakes.
pub fn parse(name: &str, text: &str) -> Result<Settings, ConfigError> {
    // A byte order mark does not belong to the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (file, mut problems) = raw::read(text);
    let settings = check::settings(&file, &mut problems);
    if problems.is_empty() {
        return Ok(settings);
    }
    Err(ConfigError::Wrong(problem::render(name, text, &problems)))
}
