//! Processes that run beside this one and must not outlive it.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
};

use super::supervise::Handover;

/// A child in a process group of its own; the whole group is killed when this is dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
    pid: Pid,
    /// A supervisor ends when this closes, which the kernel does if this process is killed.
    _watched: Option<ChildStdin>,
}

impl Group {
    /// Starts a command as the leader of a new process group.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| {
            format!("{} cannot be started", command.as_std().get_program().display())
        })?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .context("the process has no id")?;
        Ok(Self { child, pid, _watched: None })
    }

    /// Starts a command of [`supervised`](super::supervise::supervised).
    pub async fn spawn_supervised(command: &mut Command, handover: &Handover) -> Result<Self> {
        let mut group = Self::spawn(command.stdin(Stdio::piped()))?;
        let mut pipe = group.child.stdin.take().context("the supervisor has no input")?;
        let mut line = serde_json::to_vec(handover)?;
        line.push(b'\n');
        pipe.write_all(&line).await.context("the supervisor ended at its start")?;
        group._watched = Some(pipe);
        Ok(group)
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the leader ends.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Sends a signal to the leader alone.
    pub fn signal_leader(&self, signal: Signal) {
        // It may have ended by itself in the meantime.
        let _ = rustix::process::kill_process(self.pid, signal);
    }

    /// Asks the leader to end, and kills what is left of the group then, or after `patience`.
    pub async fn stop(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.signal_leader(Signal::TERM);
        let status = tokio::time::timeout(patience, self.child.wait()).await;
        let _ = kill_process_group(self.pid, Signal::KILL);
        match status {
            Ok(status) => status.ok(),
            Err(_) => self.child.wait().await.ok(),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    #[tokio::test]
    async fn a_grandchild_ends_with_its_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo $!; wait"]).stdout(std::process::Stdio::piped());
        let mut group = Group::spawn(&mut command).unwrap();
        let stdout = group.child().stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next_line().await.unwrap().unwrap();
        let grandchild = Pid::from_raw(line.parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(grandchild).is_ok());
        group.stop(Duration::from_secs(5)).await;
        // Gone, or a zombie that nobody in this container reaps.
        let gone = || {
            std::fs::read_to_string(format!("/proc/{line}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while !gone() && std::time::Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        assert!(gone());
    }
}
