//! Processes that run beside this one and must not outlive it.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
};

use super::supervise::Handover;

/// How long a supervisor may take that was told twice to end: it kills then.
const KILLING: Duration = Duration::from_secs(30);

/// The supervisors of this process.
static SUPERVISORS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A supervisor with its program, in a process group of its own. When this is dropped, the supervisor
/// ends the program; nobody waits for it then.
#[derive(Debug)]
pub struct Group {
    child: Child,
    pid: Pid,
    /// The supervisor ends when this closes, which the kernel does if this process is killed.
    _watched: ChildStdin,
}

impl Group {
    /// Starts a command of [`supervised`](super::supervise::supervised).
    pub async fn spawn(command: &mut Command, handover: &Handover) -> Result<Self> {
        // What a supervisor leaves that is killed itself comes to this process.
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (mut child, pid) = start(command.stdin(Stdio::piped()).process_group(0))?;
        let mut pipe = child.stdin.take().context("the supervisor has no input")?;
        let mut line = serde_json::to_vec(handover)?;
        line.push(b'\n');
        pipe.write_all(&line).await.context("the supervisor ended at its start")?;
        Ok(Self { child, pid, _watched: pipe })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the supervisor ends.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await?;
        let mut supervisors = SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner);
        if supervisors.remove(&self.pid.as_raw_pid()) {
            let _ = kill_process_group(self.pid, Signal::KILL);
            // Otherwise it has killed everything itself.
            if status.signal().is_some() {
                kill_strays(&supervisors);
            }
        }
        Ok(status)
    }

    /// Asks the program to end.
    pub fn ask(&self) {
        if self.child.id().is_some() {
            let _ = rustix::process::kill_process(self.pid, Signal::TERM);
        }
    }

    /// Asks the program to end, and has it killed after `patience`.
    pub async fn stop(&mut self, patience: Duration) -> Option<ExitStatus> {
        // A supervisor that is asked twice kills.
        for patience in [patience, KILLING] {
            self.ask();
            if let Ok(status) = tokio::time::timeout(patience, self.wait()).await {
                return status.ok();
            }
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.wait().await.ok()
    }
}

fn start(command: &mut Command) -> Result<(Child, Pid)> {
    // Held meanwhile, so that nobody takes the new one for a stray.
    let mut supervisors = SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn().with_context(|| {
        format!("{} cannot be started", command.as_std().get_program().display())
    })?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let pid = pid.context("the process has no id")?;
    supervisors.insert(pid.as_raw_pid());
    Ok((child, pid))
}

/// Kills what supervisors that were killed have left. Other children of this process are in its own
/// group.
fn kill_strays(supervisors: &BTreeSet<i32>) {
    #[cfg(target_os = "linux")]
    {
        let Some(this) = super::supervise::Process::this() else { return };
        super::supervise::kill_children(|child| {
            child.group != this.group && !supervisors.contains(&child.pid.as_raw_pid())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = supervisors;
}
