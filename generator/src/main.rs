//! `generator`: writes or checks `terraform/`. Exit code 0: done, or nothing differs; 1: an error;
//! 2: `--check` found a difference.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Writes terraform/ from ralph.toml.
#[derive(Parser)]
struct Arguments {
    /// The configuration.
    #[arg(long, default_value = "ralph.toml")]
    config: PathBuf,
    /// The folder to write.
    #[arg(long, default_value = "terraform")]
    out: PathBuf,
    /// Write nothing: compare, and exit with 2 if something differs.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match ralph_generator::run(&arguments.config, &arguments.out, arguments.check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
