//! Ends whatever the agent left running, wherever it hid: own session, own group, re-parented.
//!
//! The worker is the subreaper of all its descendants (as PID 1 it would be anyway), so a process
//! whose parent died becomes the worker's child and is still found below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use ralph_protocol::event::Level;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use crate::journal::Journal;

/// Longest a sweep takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many processes were running and were told to end.
    pub ended: usize,
    /// How many were still there when patience ended: stuck in the kernel or, unless the worker
    /// is PID 1, forking faster than they can be found.
    pub left: usize,
}

/// Kills every descendant and reaps what became the worker's own child. Call it only when no
/// child of the worker's own is running.
pub async fn sweep() -> Swept {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = BTreeSet::new();
    loop {
        let found = descendants();
        if found.is_empty() || Instant::now() >= deadline {
            let left = found.iter().filter(|(_, running)| *running).count();
            return Swept { ended: seen.len(), left };
        }
        end_all_as_init();
        for (number, running) in found {
            if let Some(pid) = Pid::from_raw(number) {
                if running {
                    seen.insert(number);
                }
                // Gone already, or about to be.
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As [`sweep`], and says what was left of `whose`.
pub async fn sweep_after(whose: &str, journal: &Journal) {
    let swept = sweep().await;
    if swept.ended > 0 {
        let text = format!("processes that {whose} left running were ended: {}", swept.ended);
        journal.log(Level::Debug, text);
    }
    if swept.left > 0 {
        let text = format!("processes of {whose} could not be ended: {}", swept.left);
        journal.log(Level::Error, text);
    }
}

/// As PID 1: everything else in the namespace at once, so that nothing can fork away from it.
fn end_all_as_init() {
    if std::process::id() == 1 {
        // kill(2): the group of process 1 is written -1, which means every process but the
        // caller. The processes of a PID namespace are all the agent's.
        let _ = kill_process_group(Pid::INIT, Signal::KILL);
    }
}

/// Process ids of everything below this process, in no order, and whether each still runs (a
/// zombie only waits to be reaped).
#[must_use]
pub fn descendants() -> Vec<(i32, bool)> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut children: BTreeMap<i32, Vec<(i32, bool)>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some((parent, running)) = parent_of(pid) {
            children.entry(parent).or_default().push((pid, running));
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![own];
    while let Some(parent) = queue.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(child);
            queue.push(child.0);
        }
    }
    found
}

/// State and parent in `/proc/<pid>/stat`: the two fields after the name, which may hold anything,
/// parentheses too (proc(5)).
fn parent_of(pid: i32) -> Option<(i32, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let running = !matches!(fields.next()?, "Z" | "X");
    Some((fields.next()?.parse().ok()?, running))
}
