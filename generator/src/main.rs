//! `generator`: writes or checks everything that is generated.

use std::process::ExitCode;

use clap::Parser as _;
use ralph_generator::run::{Outcome, Request, run};

fn main() -> ExitCode {
    // clap's own exit code for a wrong argument is 2, which here means a difference.
    let request = match Request::try_parse() {
        Ok(request) => request,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&request) {
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
