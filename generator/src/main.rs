//! `generator`: writes or checks `terraform/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ralph_generator::run::{Mode, Order, Outcome, run};

/// Writes terraform/ from ralph.toml.
///
/// Exit code 0: done, or nothing differs; 2: --check found a difference; 1: an error.
#[derive(Parser)]
struct Arguments {
    /// The configuration
    #[arg(long, default_value = "ralph.toml")]
    config: PathBuf,
    /// The folder to write [default: terraform]
    #[arg(long)]
    out: Option<PathBuf>,
    /// The folder for the configuration's reference [default: docs, unless --out is given]
    #[arg(long)]
    docs: Option<PathBuf>,
    /// Write nothing: print how the folders differ, and exit with 2 if they do
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
    /// Write nothing: print the HCL
    #[arg(long)]
    stdout: bool,
}

impl From<Arguments> for Order {
    fn from(arguments: Arguments) -> Self {
        let docs = arguments.docs.or_else(|| arguments.out.is_none().then(|| "docs".into()));
        let mode = match (arguments.check, arguments.stdout) {
            (true, _) => Mode::Check,
            (false, true) => Mode::Stdout,
            (false, false) => Mode::Write,
        };
        let out = arguments.out.unwrap_or_else(|| "terraform".into());
        Self { config: arguments.config, out, docs, mode }
    }
}

fn main() -> ExitCode {
    // clap's own exit code for a wrong argument is 2, which here means a difference.
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&arguments.into()) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => {
            eprintln!("hint: run `just gen` and commit what it writes");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
