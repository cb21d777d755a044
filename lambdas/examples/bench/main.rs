//! The parts of the functions that are measured, as one program: `bench/lambdas.py` runs it and the
//! peers in `bench/peers`, and compares. Built with the profile `lambda`, as what is deployed is.
//!
//! * `make FILE EVENTS` writes a subscription payload of that many events
//! * `decode FILE REPEATS` our decode, group and pack; `events-crate FILE REPEATS` decoding with
//!   `aws_lambda_events::LogsEvent` alone: milliseconds each, one a line
//! * `endpoint HANGING` a management endpoint on a free port that never answers that many of a
//!   thousand connections
//! * `fan-out URL`, `fan-out-paced URL`, `bare URL`: one 16 KB frame to 1,000 connections, by
//!   push-logs and by a bare loop over the SDK's client: a line of JSON each pass

mod endpoint;
mod fan_out;
mod lines;
mod payloads;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["make", file, events] => payloads::make(file, number(events)),
        ["decode", file, repeats] => payloads::decode(file, number(repeats)),
        ["events-crate", file, repeats] => payloads::events_crate(file, number(repeats)),
        ["endpoint", hanging] => endpoint::run(number(hanging)),
        ["fan-out", url] => fan_out::push_logs(url, false),
        ["fan-out-paced", url] => fan_out::push_logs(url, true),
        ["bare", url] => fan_out::bare(url),
        _ => {
            eprintln!("bench/lambdas.py knows how to run this");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
