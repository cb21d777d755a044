//! `ralph-lambda`: every function in one binary; Lambda's handler name picks one.

use std::process::ExitCode;

// One invocation at a time and nothing but waiting in it: one thread is enough, and starts faster.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match ralph_lambdas::aws::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
