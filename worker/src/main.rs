//! `ralph-loop-cloud`: the agent loop in the container. Configured by `RALPH_*` variables; see
//! docs/configuration.md.

use std::process::ExitCode;

use clap::Parser;
use ralph_protocol::exit::RunExit;

/// Runs a coding agent again and again on one branch until its work is complete or a limit is
/// reached. Everything is configured by RALPH_* environment variables; events go to stdout, one
/// line of JSON each.
#[derive(Parser)]
#[command(version)]
struct Cli {}

fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    let environment = match ralph_worker::platform::take_secrets() {
        Ok(environment) => environment,
        Err(error) => {
            return fail(&format!("cannot take the secrets out of the environment: {error}"));
        }
    };
    // Before the first child, and before the secrets go anywhere.
    if let Err(error) = ralph_worker::platform::guard() {
        return fail(&format!("cannot guard the process: {error}"));
    }
    ExitCode::from(ralph_worker::run::run(&environment).code())
}

fn fail(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::from(RunExit::Internal.code())
}
