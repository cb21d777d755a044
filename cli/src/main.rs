//! `ralph`: runs the demo, the local cloud, and the daily commands of an operator.
//!
//! Exit codes: 0 done; 1 it failed, the message says why; 2 the command line is wrong; 3 the demo
//! or the verification ran, and what it compared differed. `ralph wait`, `ralph run --wait`,
//! `ralph run --follow` and `ralph logs --exit-code` end with the worker's exit code. A command whose
//! standard output nobody reads any more ends with 0.

// A closed pipe must not be a panic: see `tools::output` and `tools::steps::say`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod aws;
mod build;
mod complaint;
mod cost;
mod demo;
mod keys;
mod local;
mod logs;
mod outputs;
mod plan;
mod preparation;
mod project;
mod table;
mod target;
mod token;
mod tools;
mod verify;
mod view;
mod watch;
mod workstream;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    tools::invocation::remember(args.command.target());
    match run(args) {
        Ok(code) => code,
        Err(error) if tools::output::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tools::steps::say(&format!("error: {}", complaint::text(&error)));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Two TLS stacks could be linked in; the process says once which one it uses.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match args.command {
        Command::Demo(options) => return demo::run(options).await,
        Command::Run(options) => return workstream::run(options).await,
        Command::Logs(options) => return logs::run(options).await,
        Command::Wait(options) => return workstream::wait(options).await,
        Command::Ps(options) => workstream::ps(options).await?,
        Command::Stop(options) => workstream::stop(options).await?,
        Command::View(options) => view::run(options).await?,
        Command::Local(options) => local::run(options).await?,
        Command::Token(options) => token::run(options).await?,
        Command::Keys(options) => keys::run(options).await?,
        Command::Outputs(options) => outputs::run(options).await?,
        Command::Cost(options) => cost::run(options).await?,
        Command::Plan(options) => plan::plan(options).await?,
        Command::Apply(options) => plan::apply(options).await?,
        Command::Destroy(options) => plan::destroy(options).await?,
        Command::VerifyAws(options) => return verify::run(options).await,
        Command::Supervise(options) => return tools::supervise::run(options).await,
        Command::Terraform(options) => {
            tools::terraform::Terraform::new(options.folder)?.pass(&options.arguments).await?;
        }
        Command::BuildLambdas => build::lambdas_command().await?,
        Command::Completions { shell } => tools::output::print(args::completions(shell))?,
    }
    Ok(ExitCode::SUCCESS)
}
