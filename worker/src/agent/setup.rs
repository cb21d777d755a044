//! Runs setup as a process: as the agent would run, but without a way to the model.

use std::{
    collections::VecDeque,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use ralph_protocol::event::Level;
use rustix::process::{Pid, Signal};
use tokio::{io::AsyncRead, time::sleep_until};

use super::{
    environment::Variables,
    lines::Source,
    process::{DRAIN, begin_end, signal},
    sweep,
};
use crate::{journal::Journal, machine::policy::AGENT_GRACE_MS, platform};

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
    let mut tail = Tail::default();
    let mut kill_at: Option<Instant> = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(lines) = next(journal, &mut stdout) => take(journal, &mut tail, Level::Info, lines),
            Some(lines) = next(journal, &mut stderr) => take(journal, &mut tail, Level::Warn, lines),
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
    let swept = sweep::sweep().await;
    if swept.ended > 0 {
        let text = format!("processes that setup left running were ended: {}", swept.ended);
        journal.log(Level::Debug, text);
    }
    if swept.left > 0 {
        let text = format!("processes of setup could not be ended: {}", swept.left);
        journal.log(Level::Error, text);
    }
    let rest = async {
        while let Some(lines) = next(journal, &mut stdout).await {
            take(journal, &mut tail, Level::Info, lines);
        }
        while let Some(lines) = next(journal, &mut stderr).await {
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
    let tail = tail.text();
    Err(if tail.is_empty() { how } else { format!("{how}\nits last lines:\n{tail}") })
}

/// The next lines, once what came before is mostly written.
async fn next(
    journal: &Journal,
    source: &mut Source<impl AsyncRead + Unpin>,
) -> Option<Vec<Vec<u8>>> {
    journal.settle().await;
    source.read().await
}

fn take(journal: &Journal, tail: &mut Tail, level: Level, lines: Vec<Vec<u8>>) {
    for line in lines {
        let text = String::from_utf8_lossy(&line).into_owned();
        tail.take(&text);
        journal.emit_of_setup(level, text);
    }
}

/// The last lines, for whoever must know why it failed.
#[derive(Debug, Default)]
struct Tail(VecDeque<String>);

impl Tail {
    const LINES: usize = 20;

    /// Longer lines are left out: in a part of one, a secret would not be recognised.
    const LONGEST: usize = 1_000;

    /// Most bytes in JSON: a run's last sentence has room for 2,000.
    const BYTES: usize = 1_500;

    fn take(&mut self, line: &str) {
        if line.len() > Self::LONGEST || line.trim().is_empty() {
            return;
        }
        self.0.push_back(line.to_owned());
        if self.0.len() > Self::LINES {
            self.0.pop_front();
        }
    }

    fn text(mut self) -> String {
        let bytes = |line: &String| serde_json::Value::from(line.as_str()).to_string().len();
        while self.0.iter().map(bytes).sum::<usize>() > Self::BYTES {
            self.0.pop_front();
        }
        Vec::from(self.0).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(lines: impl IntoIterator<Item = String>) -> String {
        let mut tail = Tail::default();
        lines.into_iter().for_each(|line| tail.take(&line));
        tail.text()
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_bytes() {
        assert_eq!(tail([]), "");
        let many = tail((1..=100).map(|n| format!("line {n}")));
        assert!(many.starts_with("line 81\n") && many.ends_with("\nline 100"), "{many}");
        // As JSON writes it.
        let loud = tail((1..=20).map(|n| format!("\u{1b}[31m{n}{}", "\"".repeat(60))));
        assert!(loud.len() < Tail::BYTES && loud.contains("20\""), "{loud}");
        assert!(serde_json::Value::from(loud).to_string().len() <= Tail::BYTES);
        let whole = tail(["x".repeat(999), String::new(), "y".repeat(1_001), "last".to_owned()]);
        assert_eq!(whole, format!("{}\nlast", "x".repeat(999)));
    }
}
