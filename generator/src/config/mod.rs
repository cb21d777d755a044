//! `ralph.toml`, in two levels: [`raw`] is what the file says, [`valid`] is what it means.

pub mod keys;
mod names;
mod problem;
mod raw;
pub mod reference;
pub(crate) mod rules;
mod valid;

use std::path::Path;

use problem::Problem;
pub use valid::{
    Agent, Architecture, Environment, Limits, Monitoring, Network, NetworkMode, Settings, State,
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
    let text = String::from_utf8_lossy(&bytes);
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        let problem = Problem::new("the file is not UTF-8").at(at..at + 1, "this byte");
        return Err(wrong(&name, &text, vec![problem.hint("save the file as UTF-8")]));
    }
    parse(&name, &text)
}

/// Checks a configuration's text; `name` is how errors call the file.
///
/// # Errors
/// [`ConfigError::Wrong`] with all mistakes.
pub fn parse(name: &str, text: &str) -> Result<Settings, ConfigError> {
    // A byte order mark does not belong to the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut file, mut problems) = raw::read(text);
    rules::check(&mut file, &mut problems);
    let (warnings, errors): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| problem.is_warning);
    if errors.is_empty() {
        return Ok(Settings::new(file, problem::render(name, text, warnings)));
    }
    Err(wrong(name, text, errors))
}

fn wrong(name: &str, text: &str, errors: Vec<Problem>) -> ConfigError {
    // Whoever prints an error begins with `error: `.
    let errors = problem::render(name, text, errors);
    ConfigError::Wrong(errors.trim_start_matches("error: ").to_owned())
}
