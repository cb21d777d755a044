//! Runs setup as a process: as the agent would run, but without a way to the model.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use ralph_protocol::event::Level;
use rustix::process::{Pid, Signal};
use tokio::time::sleep_until;

use super::{
    environment::Variables,
    lines::{LastLines, Source},
    process::{DRAIN, begin_end, signal},
    sweep,
};
use crate::{journal::Journal, machine::policy::AGENT_GRACE_MS, platform};

/// How many of the last lines stand in an error, and how many bytes they have in JSON at most: a run's
/// last sentence has room for 2,000.
const TAIL: (usize, usize) = (20, 1_500);

/// A setup to run.
pub struct Order<'a> {
    /// A shell's command line, and what it has as `$0`, `$1` and so on.
    pub words: Vec<String>,
    /// Its working directory: the checkout.
    pub dir: &'a Path,
    /// Its whole environment.
    pub environment: Variables,
    /// Longest run.
    pub timeout: Duration,
    /// Where its lines go.
    pub journal: &'a Journal,
}

/// Runs it to its end and leaves no process behind. A caller that does not wait for the end must
/// [`sweep`](sweep::sweep).
///
/// # Errors
/// How it ended, and its last lines.
pub async fn run(order: Order<'_>) -> Result<(), String> {
    let Order { words, dir, environment, timeout, journal } = order;
    let begun = Instant::now();
    let mut child = platform::confined("/bin/sh")
        .arg("-c")
        .args(words)
        .env_clear()
        .envs(environment)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut stdout = Source::new(child.stdout.take());
    let mut stderr = Source::new(child.stderr.take());
    let mut tail = LastLines::new(TAIL.0);
    let mut kill_at: Option<Instant> = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(lines) = stdout.read_after(journal) => take(journal, &mut tail, Level::Info, lines),
            Some(lines) = stderr.read_after(journal) => take(journal, &mut tail, Level::Warn, lines),
            () = sleep_until(kill_at.unwrap_or(begun + timeout).into()) => {
                kill_at = Some(if kill_at.is_none() {
                    begin_end(group, AGENT_GRACE_MS)
                } else {
                    signal(group, Signal::KILL);
                    // KILL cannot be refused; look again soon in case the group had moved on.
                    let _ = child.start_kill();
                    Instant::now() + Duration::from_secs(1)
                });
            }
        }
    };
    signal(group, Signal::KILL);
    sweep::sweep_after("setup", journal).await;
    let rest = async {
        while let Some(lines) = stdout.read_after(journal).await {
            take(journal, &mut tail, Level::Info, lines);
        }
        while let Some(lines) = stderr.read_after(journal).await {
            take(journal, &mut tail, Level::Warn, lines);
        }
    };
    // Only a process that outlived the sweep still holds a pipe.
    let _ = tokio::time::timeout(DRAIN, rest).await;
    let how = match status {
        _ if kill_at.is_some() => format!(
            "it took longer than {} s and was stopped\nhint: RALPH_SETUP_TIMEOUT_SECS allows more",
            timeout.as_secs()
        ),
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let tail = tail.within(TAIL.1).text();
    Err(if tail.is_empty() { how } else { format!("{how}\nits last lines:\n{tail}") })
}

fn take(journal: &Journal, tail: &mut LastLines, level: Level, lines: Vec<Vec<u8>>) {
    for line in lines {
        tail.take(&line);
        journal.emit_of_setup(level, String::from_utf8_lossy(&line).into_owned());
    }
}
