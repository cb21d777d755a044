//! `ralph-scripted-agent`: plays a coding agent from a scenario file. It speaks claude's
//! stream-json and does real work in the git checkout it is started in.
//!
//! A scenario holds one list of steps a call. Which call this is comes from something that
//! survives the process and the machine: by default from the largest `Ralph-Iteration` in the
//! history of HEAD, which the worker's checkpoints write; with `state`, from a counter file.

mod scenario;
mod steps;
mod stream;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Plays a coding agent from a scenario file.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The scenario, a JSON file.
    #[arg(long, required_unless_present = "linger_ms")]
    scenario: Option<PathBuf>,
    /// Used by a scenario's `grandchild` step: stay this long, in ms, and do nothing.
    #[arg(long, hide = true)]
    linger_ms: Option<u64>,
    /// With `--linger-ms`: in a session of its own, ignoring SIGTERM.
    #[arg(long, hide = true)]
    detached: bool,
    /// Whatever else a template passes (session, budget): accepted and unused.
    #[arg(last = true)]
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (cli.linger_ms, cli.scenario) {
        (Some(ms), _) => steps::linger(ms, cli.detached),
        (None, Some(path)) => steps::play(&path),
        (None, None) => Ok(0),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
