//! A checkpoint: repair, commit with the ledger, push.

use std::{collections::BTreeSet, pin::pin, process::Stdio, time::Duration};

use ralph_protocol::event::Level;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{
    Checkout, Workplace,
    bare::Bare,
    guard, ledger,
    pull_request::Verify,
    push::Parcel,
    run::GitError,
    setup::Setup,
    stage::{Findings, Tree},
};
use crate::{
    agent::sweep,
    machine::{Failure, Prepared, Push, SaveOrder, Saved, Verdict},
    platform,
};

/// How much of the verify command's output goes into the next prompt.
const TAIL: usize = 4_000;

/// After the verify command's end: how long to wait for more of its output.
const DRAIN: Duration = Duration::from_secs(1);

impl Workplace for Checkout {
    async fn prepare(&mut self) -> Result<Prepared, Failure> {
        self.warn_without_pull_request();
        let mut prepared = self.make().await?;
        if self.adopted {
            self.push_adopted().await?;
            prepared.commit.clone_from(&self.head);
            prepared.complete = self.is_complete().await;
        } else if !prepared.complete {
            // Before any money is spent. What moved on in this moment, or cannot be reached, a
            // real push deals with.
            self.may_push().await.or_else(|error| {
                if error.is_denied() { Err(Failure::from(error)) } else { Ok(()) }
            })?;
        }
        self.seal_store();
        if let (Setup::Unfit { .. }, Some(text)) = (&self.setup, self.setup.says()) {
            self.journal.log(Level::Warn, text);
        }
        Ok(prepared)
    }

    async fn set_up(&mut self) -> Result<(), Failure> {
        self.run_setup().await
    }

    async fn save(&mut self, order: SaveOrder) -> Saved {
        let before = self.head.clone();
        self.check_store();
        self.untouched.check(&self.dir);
        let mut saved = self.checkpoint(&order, &before).await;
        let mut freed = None;
        if let Err(error) = &saved
            && self.is_full(error)
        {
            self.journal.log(Level::Error, format!("the disk is full: {error}"));
            freed = Some(self.free().await);
            saved = self.checkpoint(&order, &before).await;
        }
        if let Err(error) = &saved
            && !self.is_full(error)
        {
            self.journal.log(Level::Warn, format!("the checkout is broken: {error}"));
            saved = match self.rebuild().await {
                Ok(()) => self.checkpoint(&order, &before).await,
                Err(failure) => Err(GitError::Start(failure.text)),
            };
        }
        let mut saved = saved.unwrap_or_else(|error| {
            let text = format!("the checkpoint could not be made: {error}");
            let push = if self.is_full(&error) { Push::NoSpace(text) } else { Push::Unmade(text) };
            let commit = self.head.clone();
            Saved { commit, progressed: false, complete: false, push, cut_off: false, note: None }
        });
        saved.note = join([saved.note, freed]);
        self.untouched.seal(&self.dir);
        self.seal_store();
        if saved.progressed {
            self.pulls.changed();
        }
        if saved.push == Push::Pushed {
            self.offer().await;
        }
        saved
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

    async fn verify(&mut self) -> Verdict {
        let Some(command) = &self.verify_command else { return Verdict::Passed };
        let verdict = self.run_verify(command).await;
        self.pulls.verify =
            if verdict == Verdict::Passed { Verify::Passed } else { Verify::Failed };
        // What the command left running must not meet the next push.
        sweep::sweep().await;
        verdict
    }
}

impl Checkout {
    /// A store that was touched is not used again.
    fn check_store(&mut self) {
        if self.store.as_ref().is_some_and(|store| !store.is_intact()) {
            let text = "the worker's own objects were touched; the whole history is copied";
            self.journal.log(Level::Warn, text);
            self.store = None;
        }
    }

    /// Nothing but the worker has run since the last look.
    fn seal_store(&mut self) {
        if self.store.as_mut().is_some_and(|store| store.seal().is_err()) {
            self.store = None;
        }
    }

    async fn checkpoint(&mut self, order: &SaveOrder, before: &str) -> Result<Saved, GitError> {
        self.repair().await?;
        let (mut left, tree, cut_off) = self.stage().await?;
        let tip = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        // The ledger must reach the remote with the work it paid for, or alone.
        self.commit(order, &tree).await?;
        let push = if self.is_pushed() {
            Push::Nothing
        } else {
            let mut whole = self.copy_for_push(order).await?;
            let found = self.guard(&mut whole, order.wip).await?;
            left.extend(found);
            let mut parcel = Parcel::new(whole, order.wip);
            let push = self.push(&mut parcel).await;
            let push = self.name_what_is_lost(push, &parcel).await;
            let Parcel { whole, reduced, withheld, .. } = parcel;
            let pushed = reduced.unwrap_or(whole);
            left.extend(withheld);
            self.follow(&pushed).await?;
            if push == Push::Pushed {
                self.remember(&pushed).await;
            }
            push
        };
        left.sort();
        left.dedup();
        let on_branch = matches!(push, Push::Pushed | Push::Nothing);
        let (complete, near) = if on_branch { self.completion().await } else { (false, None) };
        // What is taken out again each time is not progress.
        let progressed = (left.is_empty() && tip != before)
            || self.tree_of(&self.head).await? != self.tree_of(before).await?;
        self.say(&left);
        let reached = !matches!(push, Push::Denied(_) | Push::Failed(_));
        let sides = if reached { self.save_sides(order).await } else { None };
        let note = join([guard::note(&left), near, sides]);
        Ok(Saved { commit: self.head.clone(), progressed, complete, push, cut_off, note })
    }

    /// Stages the tree. After a signal, what takes too long stays out, and the rest goes on; the last
    /// answer says whether that was so.
    async fn stage(&self) -> Result<(Findings, String, bool), GitError> {
        let git = self.git.early();
        let there = Tree { git: &git, dir: &self.dir };
        let staged = there.stage(self.limits, &self.untouched).await;
        if let Ok((left, tree)) = &staged
            && self.stage_lfs(tree).await?
        {
            return Ok((left.clone(), there.written().await?, false));
        }
        match staged {
            Ok((left, tree)) => Ok((left, tree, false)),
            Err(error @ (GitError::Hurried(_) | GitError::Timeout(..))) => {
                self.journal.log(Level::Error, format!("not everything is committed: {error}"));
                self.remove_locks();
                let tree = Tree { git: &self.git, dir: &self.dir }.written().await?;
                Ok((Findings::new(), tree, true))
            }
            Err(error) => Err(error),
        }
    }

    /// Commits what is staged; an empty commit when only the ledger has changed, or when the agent's
    /// commits would not tell the next attempt whose they are.
    async fn commit(&mut self, order: &SaveOrder, tree: &str) -> Result<(), GitError> {
        let head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        let unnamed = !self.own && head != self.head;
        if unnamed || tree != self.tree_of("HEAD").await? || order.ledger != self.recorded {
            self.commit_tree("HEAD", tree, order).await?;
        }
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        Ok(())
    }

    async fn commit_tree(
        &mut self,
        parent: &str,
        tree: &str,
        order: &SaveOrder,
    ) -> Result<(), GitError> {
        let message = ledger::message(&self.run, &order.ledger, order.wip);
        let args = ["commit-tree", "-p", parent, "-m", &message, tree];
        let commit = self.git.text(&self.dir, args).await?;
        self.git.local(&self.dir, ["update-ref", "HEAD", &commit]).await?;
        self.recorded = order.ledger;
        self.own = true;
        Ok(())
    }

    /// The copy to push. Commits whose history is not all there, as after a fetch with a depth, are
    /// replaced by one.
    async fn copy_for_push(&mut self, order: &SaveOrder) -> Result<Bare, GitError> {
        match self.bare_copy(&self.head).await {
            Err(GitError::Failed { stderr, .. }) if !self.is_full_now() => {
                let text =
                    format!("one commit takes the place of those that are incomplete: {stderr}");
                self.journal.log(Level::Warn, text);
                let (parent, tree) = (self.known.clone(), self.tree_of("HEAD").await?);
                self.commit_tree(&parent, &tree, order).await?;
                self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
                self.bare_copy(&self.head).await
            }
            other => other,
        }
    }

    /// Says what nobody else has when a push did not work.
    async fn name_what_is_lost(&self, push: Push, parcel: &Parcel) -> Push {
        let add = async |text: String, how: &str| {
            let bare = &parcel.whole;
            let not = format!("^{}", self.known);
            let commits = self.git.text(&bare.dir, ["rev-list", &bare.commit, &not, "--"]).await;
            let commits = commits.unwrap_or_default();
            let changes = self.changes(bare).await.unwrap_or_default();
            let commits = name_some(commits.lines().map(|id| format!("{id:.12}")));
            let paths = changes.iter().map(|change| format!("`{}`", change.path.display()));
            format!("{text}\n{how}: commits {commits}; files {}", name_some(paths))
        };
        match push {
            Push::Lost(text) => Push::Lost(add(text, "lost with this machine").await),
            Push::Denied(text) => Push::Denied(add(text, "not pushed").await),
            Push::Failed(text) => Push::Failed(add(text, "not pushed").await),
            other => other,
        }
    }

    pub(super) async fn tree_of(&self, commit: &str) -> Result<String, GitError> {
        self.git.text(&self.dir, ["rev-parse", &format!("{commit}^{{tree}}")]).await
    }

    /// A git command in the checkout that reads or writes its files.
    pub(super) async fn git_inert(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let inert = Tree { git: &self.git, dir: &self.dir }.inert_drivers().await;
        self.git.with(&self.dir, inert, args).await
    }

    /// Logs what stays out, once.
    fn say(&mut self, left: &Findings) {
        let now: BTreeSet<String> = left.iter().map(|(path, why)| guard::says(path, why)).collect();
        for text in now.difference(&self.said) {
            self.journal.log(Level::Error, text);
        }
        self.said = now;
    }

    async fn run_verify(&self, line: &str) -> Verdict {
        let mut command = platform::confined("/bin/sh");
        command
            // One stream, in the order of writing.
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .env_clear()
            .envs(self.environment.clone())
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

/// Notes for the next prompt, together.
fn join(notes: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("\n\n"))
}

/// The first of many.
pub(super) fn name_some(names: impl Iterator<Item = String>) -> String {
    const MOST: usize = 20;
    let names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(MOST);
    let some = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{some} and {more} more") } else { some }
}
