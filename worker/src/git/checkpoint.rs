//! A checkpoint: repair, commit with the ledger, push.

use std::{pin::pin, process::Stdio, time::Duration};

use ralph_protocol::event::Level;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Checkout, Workplace, run::GitError};
use crate::{
    agent::{command, sweep},
    machine::{Failure, Prepared, Push, SaveOrder, Saved, Verdict},
    platform,
};

/// How much of the verify command's output goes into the next prompt.
const TAIL: usize = 4_000;

/// After the verify command's end: how long to wait for more of its output.
const DRAIN: Duration = Duration::from_secs(1);

impl Workplace for Checkout {
    async fn prepare(&mut self) -> Result<Prepared, Failure> {
        let mut prepared = self.make().await?;
        if !self.is_pushed() {
            self.push_adopted().await?;
            prepared.commit.clone_from(&self.head);
            prepared.complete = self.is_pushed() && self.says_complete().await;
        } else if !prepared.complete {
            // Before any money is spent. What moved on in this moment, or cannot be reached, a
            // real push deals with.
            self.may_push().await.or_else(|error| {
                if error.is_denied() { Err(Failure::from(error)) } else { Ok(()) }
            })?;
        }
        Ok(prepared)
    }

    async fn save(&mut self, order: SaveOrder) -> Saved {
        let before = self.head.clone();
        let mut saved = self.checkpoint(&order, &before).await;
        if let Err(error) = &saved {
            self.journal.log(Level::Warn, format!("the checkout is broken: {error}"));
            saved = match self.rebuild().await {
                Ok(()) => self.checkpoint(&order, &before).await,
                Err(failure) => Err(GitError::Start(failure.text)),
            };
        }
        match saved {
            Ok(saved) => saved,
            Err(error) => Saved {
                commit: self.head.clone(),
                progressed: false,
                complete: false,
                push: Push::Unmade(format!("the checkpoint could not be made: {error}")),
                note: None,
            },
        }
    }

    async fn prompt(&mut self) -> String {
        match self.read_prompt().await {
            Ok(text) => self.prompt = text,
            Err(failure) => {
                let text = format!("{}; the last one is used", failure.text);
                self.journal.log(Level::Warn, text);
            }
        }
        self.prompt.clone()
    }

    async fn verify(&self) -> Verdict {
        let Some(command) = &self.verify_command else { return Verdict::Passed };
        let verdict = self.run_verify(command).await;
        // What the command left running must not meet the next push.
        sweep::sweep().await;
        verdict
    }
}

impl Checkout {
    async fn checkpoint(&mut self, order: &SaveOrder, before: &str) -> Result<Saved, GitError> {
        self.repair().await?;
        self.stage().await?;
        let staged = self.has_staged().await?;
        let tip = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        let progressed = staged || tip != before;
        // The ledger must reach the remote with the work it paid for, or alone.
        if staged || order.ledger != self.recorded {
            self.commit(order).await?;
        }
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        let mut note = None;
        let push = if self.is_pushed() {
            Push::Nothing
        } else {
            let bare;
            (bare, note) = self.guarded_copy(order).await?;
            self.push(bare, order.give_up).await
        };
        let on_branch = matches!(push, Push::Pushed | Push::Nothing);
        let (complete, near) = if on_branch { self.completion().await } else { (false, None) };
        let note = [note, near].into_iter().flatten().reduce(|a, b| format!("{a}\n\n{b}"));
        Ok(Saved { commit: self.head.clone(), progressed, complete, push, note })
    }

    async fn run_verify(&self, line: &str) -> Verdict {
        let own = |name: &str| std::env::var(name).ok();
        let mut command = platform::confined("/bin/sh");
        command
            // One stream, in the order of writing.
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .env_clear()
            .envs(command::environment(own, &self.home, None))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Verdict::Failed { tail: format!("it cannot be run: {error}") },
        };
        let mut tail = Vec::new();
        let ended = tokio::time::timeout(self.verify_timeout.max(Duration::from_secs(1)), async {
            let pipe = child.stdout.take();
            let mut reading = pin!(async {
                if let Some(pipe) = pipe {
                    read_tail(pipe, &mut tail).await;
                }
            });
            tokio::select! {
                () = &mut reading => child.wait().await,
                status = child.wait() => {
                    // What it left running may hold the pipe for ever.
                    let _ = tokio::time::timeout(DRAIN, reading).await;
                    status
                }
            }
        })
        .await;
        let how = match ended {
            Ok(Ok(status)) if status.success() => return Verdict::Passed,
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long and was stopped".to_owned(),
        };
        let text = String::from_utf8_lossy(&tail);
        Verdict::Failed { tail: format!("{}\n({how})", text.trim_end()) }
    }
}

/// Reads to the end and keeps the last [`TAIL`] bytes, from the beginning of a character.
async fn read_tail(mut pipe: impl AsyncRead + Unpin, tail: &mut Vec<u8>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..read]);
        let extra = tail.len().saturating_sub(TAIL);
        let inside = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
        let extra = extra + tail[extra..].iter().take_while(inside).count().min(3);
        if extra > 3 {
            tail.drain(..extra);
        }
    }
}
