//! Slow steps, a line each with its seconds.

use std::{future::Future, time::Instant};

use anyhow::Result;

/// Runs a step and prints a line when it is over.
pub async fn step<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let start = Instant::now();
    let result = work.await;
    let mark = if result.is_ok() { "done  " } else { "FAILED" };
    eprintln!("  {mark} {:6.1} s  {name}", start.elapsed().as_secs_f64());
    result
}
