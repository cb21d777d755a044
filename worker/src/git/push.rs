//! Pushes a commit from a fresh bare repository: whatever the agent planted in its checkout or
//! its home takes no part.
//!
//! A push tries one place after the other: the branch, the branch without what the remote refused,
//! a rescue branch. Never with force.

use std::{collections::BTreeSet, ffi::OsString, time::Duration};

use ralph_protocol::event::Level;

use super::{
    Checkout,
    bare::{Bare, PUSH},
    ledger,
    refusal::Refusal,
    run::{GitError, Patience, REMOTE_TIMEOUT},
    stage::{Findings, refused_by_remote},
};
use crate::{
    agent::sweep,
    config::RESCUE_PREFIXES,
    machine::{Failure, Push, policy::RESCUE_MS},
};

/// How often files that a remote names are taken out: one message may name only the first.
const ROUNDS: usize = 5;

/// How much of what a remote says goes into one sentence.
const SAID: usize = 400;

/// A commit on its way to the remote.
pub(super) struct Parcel {
    /// The whole of it.
    pub(super) whole: Bare,
    /// The same without what the remote refused.
    pub(super) reduced: Option<Bare>,
    /// What that is.
    pub(super) withheld: Findings,
    /// It was cut off in the middle.
    pub(super) wip: bool,
}

impl Parcel {
    pub(super) fn new(whole: Bare, wip: bool) -> Self {
        Self { whole, reduced: None, withheld: Findings::new(), wip }
    }
}

impl Checkout {
    /// Pushes a copy to the branch; when others pushed first, rebases and retries once; when the
    /// remote refuses some files, pushes without them; when nothing helps, pushes to a rescue
    /// branch.
    pub(super) async fn push(&mut self, parcel: &mut Parcel) -> Push {
        match self.try_branch(parcel).await {
            Ok(None) => Push::Pushed,
            Ok(Some(why)) => self.rescue(parcel, &why).await,
            Err(error) if error.is_denied() => Push::Denied(Failure::from(error).text),
            Err(error) if self.git.is_hurried() => {
                match self.rescue(parcel, &error.to_string()).await {
                    // It was for the time, not for what others pushed.
                    Push::Conflict { rescue, text } => Push::Rescued { rescue, text },
                    Push::Lost(text) => Push::Failed(text),
                    other => other,
                }
            }
            Err(error) => Push::Failed(error.to_string()),
        }
    }

    /// Whether the remote holds HEAD already.
    pub(super) fn is_pushed(&self) -> bool {
        self.head == self.pushed.as_ref().unwrap_or(&self.known).as_str()
    }

    /// Whatever ran in the checkout must be gone before a credential appears.
    pub(super) async fn alone(&self) -> Result<(), GitError> {
        let swept = sweep::sweep().await;
        if swept.ended > 0 {
            self.journal.log(
                Level::Warn,
                format!(
                    "processes the repository's configuration had started were ended: {}",
                    swept.ended
                ),
            );
        }
        if swept.left > 0 && self.credential.is_some() {
            return Err(GitError::Company(swept.left));
        }
        Ok(())
    }

    /// Asks the remote whether it would take a push, without pushing. Rules that only look at
    /// content (protected branches, hooks) speak up at the real push.
    pub(crate) async fn may_push(&self) -> Result<(), GitError> {
        let bare = self.bare_copy(&self.head).await?;
        let refspec = format!("{PUSH}:refs/heads/{}", self.branch);
        let args =
            ["push", "--dry-run", "--porcelain", "--no-verify", "--", self.repo.as_str(), &refspec];
        self.remote(&bare.dir, Patience::UntilHurried(REMOTE_TIMEOUT), args).await?;
        Ok(())
    }

    /// Pushes to the branch. The text says why that did not work.
    async fn try_branch(&mut self, parcel: &mut Parcel) -> Result<Option<String>, GitError> {
        let mut behind = false;
        for _ in 0..ROUNDS {
            let bare = parcel.reduced.as_ref().unwrap_or(&parcel.whole);
            let branch = self.branch.clone();
            let patience = Patience::UntilHurried(REMOTE_TIMEOUT);
            match self.push_to(bare, &branch, patience).await? {
                Ok(()) => {
                    self.pushed = Some(bare.commit.clone());
                    self.known.clone_from(&bare.commit);
                    return Ok(None);
                }
                Err(Refusal::Behind) if !behind => {
                    behind = true;
                    if let Err(why) = self.rebase(parcel).await? {
                        return Ok(Some(why));
                    }
                }
                Err(Refusal::Behind) => {
                    return Ok(Some("the branch moved again during the retry".to_owned()));
                }
                Err(refusal) => {
                    if !self.reduce(parcel, &refusal).await? {
                        return Ok(Some(refusal.text()));
                    }
                }
            }
        }
        Ok(Some("the remote refused file after file".to_owned()))
    }

    /// Takes out what the remote may mean: first earlier commits, since the last one may be right,
    /// then the files that it names. Whether anything was taken out.
    async fn reduce(&mut self, parcel: &mut Parcel, refusal: &Refusal) -> Result<bool, GitError> {
        self.journal.log(Level::Warn, refusal.text());
        if !matches!(refusal, Refusal::Rejected { .. }) {
            return Ok(false);
        }
        let bare = parcel.reduced.as_ref().unwrap_or(&parcel.whole);
        if parcel.reduced.is_none() && self.count(bare).await? > 1 {
            let mut reduced = self.bare_copy(&parcel.whole.commit).await?;
            self.squash(&mut reduced, &BTreeSet::new(), parcel.wip).await?;
            parcel.reduced = Some(reduced);
            return Ok(true);
        }
        let changes = self.changes(bare).await?;
        let changed: BTreeSet<OsString> =
            changes.iter().map(|change| change.path.clone()).collect();
        let named = refusal.names(&changed);
        if named.is_empty() {
            return Ok(false);
        }
        let refused = changes.into_iter().filter(|change| named.contains(&change.path));
        self.refused.extend(refused.map(|change| (change.path, change.new.1)));
        let why = |path: OsString| (path, refused_by_remote());
        parcel.withheld.extend(named.into_iter().map(why));
        let places = parcel.withheld.iter().map(|(path, _)| path.clone()).collect();
        let mut reduced = self.bare_copy(&parcel.whole.commit).await?;
        self.squash(&mut reduced, &places, parcel.wip).await?;
        parcel.reduced = Some(reduced);
        Ok(true)
    }

    /// How many commits the remote lacks.
    async fn count(&self, bare: &Bare) -> Result<usize, GitError> {
        let not = format!("^{}", self.known);
        let commits = ["rev-list", "--max-count=2", &bare.commit, &not, "--"];
        Ok(self.git.text(&bare.dir, commits).await?.lines().count())
    }

    /// Saves the work on a branch of its own: whole, else without what the remote refused, under
    /// the first name that the remote can have.
    async fn rescue(&mut self, parcel: &mut Parcel, why: &str) -> Push {
        let why = clip(why);
        let patience = Patience::Fixed(Duration::from_millis(RESCUE_MS));
        match self.push_aside(parcel, "", patience).await {
            Ok(Ok(rescue)) => {
                let text = format!(
                    "{why}; the work is on `{rescue}`\nhint: merge it into `{}`",
                    self.branch
                );
                Push::Conflict { rescue, text }
            }
            Ok(Err(refused)) => Push::Lost(format!("{why}; {refused}")),
            Err(error) if error.is_denied() => Push::Denied(Failure::from(error).text),
            Err(error) => Push::Failed(format!("{why}; {error}")),
        }
    }

    /// Pushes to the rescue branch of this name: whole, else without what the remote refuses, below
    /// the first prefix that it can have. The inner error says what was refused.
    pub(super) async fn push_aside(
        &mut self,
        parcel: &mut Parcel,
        name: &str,
        patience: Patience,
    ) -> Result<Result<String, String>, GitError> {
        let mut refused = Vec::new();
        let (mut reduced, mut rounds) = (false, 0);
        loop {
            let bare = match &parcel.reduced {
                Some(bare) if reduced => bare,
                _ => &parcel.whole,
            };
            let mut last = Refusal::Behind;
            for prefix in RESCUE_PREFIXES {
                let rescue = format!("{prefix}/{}{name}", self.run);
                match self.push_to(bare, &rescue, patience).await? {
                    Ok(()) => return Ok(Ok(rescue)),
                    Err(refusal) => {
                        refused.push(format!("`{rescue}`: {}", clip(&refusal.text())));
                        last = refusal;
                    }
                }
                // Another prefix helps only against other names.
                if matches!(last, Refusal::Rejected { .. }) {
                    break;
                }
            }
            // What was taken out for the branch is tried as it is; then as the remote says here.
            let ready = !reduced && parcel.reduced.is_some();
            rounds += 1;
            if rounds > ROUNDS || (!ready && !self.reduce(parcel, &last).await?) {
                refused.dedup();
                return Ok(Err(refused.join("; ")));
            }
            reduced = true;
        }
    }

    /// Pushes to a branch. The inner error is the remote's refusal.
    pub(super) async fn push_to(
        &self,
        bare: &Bare,
        branch: &str,
        patience: Patience,
    ) -> Result<Result<(), Refusal>, GitError> {
        self.alone().await?;
        let refspec = format!("{PUSH}:refs/heads/{branch}");
        let args = ["push", "--porcelain", "--no-verify", "--", self.repo.as_str(), &refspec];
        match self.remote(&bare.dir, patience, args).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => Refusal::of(&error).map(Err).ok_or(error),
        }
    }

    /// Puts our commits on top of what others pushed. The inner error says why not.
    async fn rebase(&mut self, parcel: &mut Parcel) -> Result<Result<(), String>, GitError> {
        let bare = parcel.reduced.as_ref().unwrap_or(&parcel.whole);
        let refspec = format!("+refs/heads/{}:refs/heads/theirs", self.branch);
        let args = ["fetch", "-q", "--no-tags", "--", self.repo.as_str(), &refspec];
        self.remote(&bare.dir, Patience::UntilHurried(REMOTE_TIMEOUT), args).await?;
        let theirs = self.git.text(&bare.dir, ["rev-parse", "refs/heads/theirs"]).await?;

        // A person may have merged the base, which holds the runs of other workstreams.
        let range = format!("{}..{theirs}", bare.commit);
        let runs = ledger::runs(&self.git, &bare.dir, &["--first-parent", &range]).await?;
        if runs.iter().any(|run| *run > self.run) {
            return Ok(Err("a later run of this workstream has pushed to the branch".to_owned()));
        }
        self.follow(bare).await?;
        self.bring(bare, "refs/heads/theirs").await?;
        self.make_way(&theirs).await?;
        // The tree may hold changes that were withheld from the commit.
        let rebase = ["rebase", "-q", "--no-autosquash", "--autostash", &theirs];
        if let Err(error) = self.git_inert(&rebase).await {
            // Back to our own commits; the rescue branch takes them.
            let _ = self.git_inert(&["rebase", "--abort"]).await;
            if matches!(error, GitError::Hurried(_)) {
                return Err(error);
            }
            let text: String = error.stderr().lines().take(5).collect::<Vec<_>>().join("; ");
            return Ok(Err(format!("the work conflicts with what others pushed: {text}")));
        }
        self.keep_ledger().await?;
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        self.furnish_lfs(&bare.dir, &theirs).await;
        self.known = theirs;
        self.remember(bare).await;
        let mut whole = self.bare_copy(&self.head).await?;
        let mut withheld = std::mem::take(&mut parcel.withheld);
        withheld.extend(self.guard(&mut whole, parcel.wip).await?);
        *parcel = Parcel { withheld, ..Parcel::new(whole, parcel.wip) };
        Ok(Ok(()))
    }

    /// A commit whose changes others have pushed already is left out by a rebase, and with it what
    /// the execution has used: then it is said again.
    async fn keep_ledger(&self) -> Result<(), GitError> {
        if ledger::read(&self.git, &self.dir, "HEAD", &self.run).await? == self.recorded {
            return Ok(());
        }
        let message = ledger::message(&self.run, &self.recorded, false);
        let args = ["commit-tree", "-p", "HEAD", "-m", &message, "HEAD^{tree}"];
        let commit = self.git.text(&self.dir, args).await?;
        self.git.local(&self.dir, ["update-ref", "HEAD", &commit]).await?;
        Ok(())
    }

    /// Fetches a branch of a copy into the checkout.
    async fn bring(&self, bare: &Bare, name: &str) -> Result<(), GitError> {
        let from = bare.dir.to_string_lossy();
        let fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", &from, name];
        self.git.local(&self.dir, fetch).await.map(drop)
    }

    /// Makes the checkout's branch what the copy holds, if something was taken out there. The files
    /// stay as they are.
    pub(super) async fn follow(&mut self, bare: &Bare) -> Result<(), GitError> {
        if bare.commit == self.head {
            return Ok(());
        }
        self.bring(bare, PUSH).await?;
        self.git_inert(&["reset", "-q", "--mixed", &bare.commit]).await?;
        self.head.clone_from(&bare.commit);
        Ok(())
    }

    /// Keeps what the remote is known to hold, for the agent and for the next copy.
    pub(super) async fn remember(&mut self, bare: &Bare) {
        self.keep_origin(&self.known).await;
        let Some(store) = &mut self.store else { return };
        if let Err(error) = store.add(&bare.dir) {
            let text = format!("the next checkpoint copies the whole history: {error}");
            self.journal.log(Level::Warn, text);
            self.store = None;
        }
    }
}

/// The beginning of what may be long.
fn clip(text: &str) -> String {
    let end = text.floor_char_boundary(SAID);
    if end < text.len() { format!("{}…", &text[..end]) } else { text.to_owned() }
}
