//! A checkpoint: repair, commit with the ledger, push.

use std::{process::Stdio, time::Duration};

use ralph_protocol::event::Level;
use tokio::process::Command;

use super::{Checkout, Workplace, run::GitError};
use crate::{
    agent::{command, sweep},
    machine::{Failure, Prepared, Push, SaveOrder, Saved, Verdict},
};

/// How much of the verify command's output goes into the next prompt.
const TAIL: usize = 4_000;

impl Workplace for Checkout {
    async fn prepare(&mut self) -> Result<Prepared, Failure> {
        self.make().await
    }

    async fn save(&mut self, order: SaveOrder) -> Saved {
        let before = self.head.clone();
        match self.checkpoint(&order, &before).await {
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
        let note = if self.head == before { None } else { self.guard(order).await? };
        // Whatever ran in the checkout is gone before a credential appears.
        let left = sweep::sweep().await;
        if left > 0 {
            self.journal.log(
                Level::Warn,
                format!("processes the repository's configuration had started were ended: {left}"),
            );
        }
        let push = if self.pushed.as_deref() == Some(self.head.as_str())
            || (self.pushed.is_none() && self.head == before && !progressed)
        {
            Push::Nothing
        } else {
            self.push(order.give_up).await
        };
        let on_branch = matches!(push, Push::Pushed | Push::Nothing);
        let complete = on_branch && self.says_complete().await;
        Ok(Saved { commit: self.head.clone(), progressed, complete, push, note })
    }

    async fn run_verify(&self, line: &str) -> Verdict {
        let own = |name: &str| std::env::var(name).ok();
        let mut command = Command::new("/bin/sh");
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
        let output = match tokio::time::timeout(
            self.verify_timeout.max(Duration::from_secs(1)),
            command.output(),
        )
        .await
        {
            Err(_) => {
                return Verdict::Failed { tail: "it took too long and was stopped".to_owned() };
            }
            Ok(Err(error)) => {
                return Verdict::Failed { tail: format!("it cannot be run: {error}") };
            }
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            return Verdict::Passed;
        }
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        let start = text.ceil_char_boundary(text.len().saturating_sub(TAIL));
        text.drain(..start);
        Verdict::Failed { tail: format!("{}\n({})", text.trim_end(), output.status) }
    }
}
