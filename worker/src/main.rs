//! `ralph-loop-cloud`: the agent loop in the container. Configured by `RALPH_*` variables; see
//! docs/operations.md.

use std::{ffi::OsString, io::ErrorKind, process::ExitCode};

use clap::Parser;
use ralph_protocol::exit::RunExit;
use ralph_worker::{
    git, platform,
    validate::{Depth, validate},
};

/// Runs a coding agent again and again on one branch until its work is complete or a limit is
/// reached. Everything is configured by RALPH_* environment variables; events go to stdout, one
/// line of JSON each.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Check everything and show what a run would do first, without starting the agent or pushing.
    #[arg(long)]
    dry_run: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check the environment, the keys, the repository, the permission to push, the prompt and the
    /// agent, without spending anything.
    Validate,
    /// Answer git, which makes pointers of content that belongs into LFS.
    #[command(name = git::LFS_FILTER, hide = true)]
    LfsFilter,
    /// Become a program that cannot reach the process that started this one.
    #[command(name = platform::CONFINED, hide = true)]
    Confined {
        #[arg(last = true, required = true)]
        words: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Confined { words }) = &cli.command {
        return become_confined(words);
    }
    if let Some(Command::LfsFilter) = &cli.command {
        return filter();
    }
    let environment = match platform::take_secrets() {
        Ok(environment) => environment,
        Err(error) => {
            return fail(&format!("cannot take the secrets out of the environment: {error}"));
        }
    };
    // Before the first child, and before the secrets go anywhere.
    if let Err(error) = platform::guard() {
        return fail(&format!("cannot guard the process: {error}"));
    }
    let exit = match (cli.command, cli.dry_run) {
        (_, true) => validate(&environment, Depth::DryRun),
        (Some(Command::Validate), false) => validate(&environment, Depth::Validate),
        (Some(Command::Confined { .. } | Command::LfsFilter) | None, false) => {
            ralph_worker::run::run(&environment)
        }
    };
    ExitCode::from(exit.code())
}

/// Returns only when the program cannot be started; with the exit codes of a shell.
fn become_confined(words: &[OsString]) -> ExitCode {
    let error = platform::become_confined(words);
    let program = words[0].display();
    eprintln!("error: cannot start the agent `{program}`: {error}");
    eprintln!("hint: check RALPH_AGENT_COMMAND");
    ExitCode::from(if error.kind() == ErrorKind::NotFound { 127 } else { 126 })
}

/// As a filter of git's, with nothing but what git says.
fn filter() -> ExitCode {
    match git::lfs_filter(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("git was not understood: {error}")),
    }
}

fn fail(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::from(RunExit::Internal.code())
}
