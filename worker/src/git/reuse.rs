//! Which branch an execution works on when its workstream has one already, and what it begins with
//! there: the base merged in, and an old COMPLETE taken back. Both are pushed before the agent starts,
//! so that the branch itself tells the next attempt whose it is.

use std::{
    ffi::{OsStr, OsString},
    io::{Read, Seek},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::Stdio,
};

use ralph_protocol::{
    event::Level,
    execution::{Reuse, number_of, numbered},
    exit::RunExit,
};

use super::{
    Checkout, PROGRESS_FILE,
    checkpoint::name_some,
    completion::reopened,
    ledger,
    prepare::{Refs, entry},
    refusal::Refusal,
    run::{Git, GitError},
    stage::paths,
};
use crate::machine::Failure;

/// The highest number of a workstream's branch.
const MOST: u32 = 9_999;

/// In how many of the newest branches a later attempt looks for its execution's commits.
const LOOK_BACK: usize = 20;

/// What decides which of a workstream's branches it is.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// The highest number; 1 is the branch without one. `None`: there is no branch.
    newest: Option<u32>,
    /// The newest one that holds a commit of this execution.
    own: Option<u32>,
    /// The newest one is merged into the base.
    merged: bool,
    /// What the order says.
    asked: Option<Reuse>,
    /// The next number that no branch has.
    next: u32,
}

/// Which branch the work goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The first one, from the base.
    Start,
    /// The one on which this execution works already.
    Resume(u32),
    /// The one of earlier executions.
    Continue(u32),
    /// Another one, from the base.
    New(u32),
}

fn choose(facts: Facts) -> Choice {
    match facts {
        Facts { own: Some(own), .. } => Choice::Resume(own),
        Facts { newest: None, .. } => Choice::Start,
        Facts { newest: Some(newest), merged, asked, next, .. } => {
            let other = asked.map_or(merged, |asked| asked == Reuse::NewBranch);
            if other { Choice::New(next) } else { Choice::Continue(newest) }
        }
    }
}

/// The branch of a workstream that has this number.
fn name(branch: &str, n: u32) -> String {
    if n == 1 { branch.to_owned() } else { numbered(branch, n) }
}

/// The numbers of a workstream's branches that the remote has, the highest first. The default branch
/// is never worked on, nor is the base, unless the order names it as the branch.
fn numbers(branch: &str, base: Option<&str>, refs: &Refs) -> Vec<u32> {
    let others = refs.branches.iter().map(|(name, _)| name.as_str());
    let others = others.filter(|name| refs.default.as_deref() != Some(name));
    let others = others.filter(|name| base != Some(name) || *name == branch);
    let mut numbers: Vec<u32> =
        others.filter_map(|other| number_of(branch, other)).filter(|n| *n <= MOST).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers
}

/// The base as it is merged into the branch.
struct Merged {
    /// Its name.
    base: String,
    /// Its commit.
    commit: String,
    /// The files of both.
    tree: String,
}

/// The first commit of an execution on its branch.
struct Beginning {
    commit: String,
    /// It takes an old COMPLETE back.
    reopens: bool,
}

impl Checkout {
    /// Decides which branch the work goes to, and downloads where it starts from.
    pub(super) async fn choose_branch(
        &mut self,
        refs: &Refs,
        bare: &Path,
    ) -> Result<Choice, Failure> {
        const TIP: &str = "refs/heads/start";
        let branch = self.branch.clone();
        let numbers = numbers(&branch, self.base.as_deref(), refs);
        let newest = numbers.first().copied();
        // An attempt that is the first has pushed nothing, unless it is started once more.
        let look = if self.run.attempt() > 1 { LOOK_BACK } else { 1 };
        let (mut own, mut here) = (None, None);
        for &n in numbers.iter().take(look) {
            self.download(bare, &name(&branch, n), "start").await?;
            here = Some(n);
            if ledger::knows(&self.git, bare, TIP, &self.run).await? {
                own = Some(n);
                break;
            }
        }
        if let Some(newest) = newest.filter(|_| own.is_none() && here != newest) {
            self.download(bare, &name(&branch, newest), "start").await?;
        }
        let merged = match (own, newest, self.reuse) {
            (None, Some(newest), None) => self.is_merged(bare, &name(&branch, newest)).await,
            _ => None,
        };
        let next =
            (newest.unwrap_or(1) + 1..).find(|n| !refs.has(&name(&branch, *n))).unwrap_or(u32::MAX);
        let is_merged = merged.is_some();
        let choice = choose(Facts { newest, own, merged: is_merged, asked: self.reuse, next });
        self.pulls.pushed = own.is_some();
        if let Choice::Resume(n) | Choice::Continue(n) | Choice::New(n) = choice {
            self.branch = name(&branch, n);
        }
        if next > MOST && choice == Choice::New(next) {
            let text = format!(
                "there is a branch `{}`, and no branch has a higher number\nhint: delete the branches of `{branch}` that are merged",
                name(&branch, newest.unwrap_or(1))
            );
            return Err(Failure { exit: RunExit::Configuration, text });
        }
        self.start = self.start(refs)?;
        if let Choice::Start | Choice::New(_) = choice {
            let start = self.start.clone();
            self.download(bare, &start, "start").await?;
        }
        self.own = match choice {
            Choice::Resume(_) => true,
            Choice::Continue(_) => false,
            // Somebody may have merged this execution's work and deleted its branch.
            Choice::Start | Choice::New(_) => {
                ledger::knows(&self.git, bare, TIP, &self.run).await?
            }
        };
        self.says = match (choice, merged) {
            (Choice::Start | Choice::Resume(_), _) => None,
            (Choice::Continue(_), _) => {
                Some(format!("the work goes on upon the branch `{}`", self.branch))
            }
            (Choice::New(_), Some(base)) => {
                let old = name(&branch, newest.unwrap_or(1));
                let new = &self.branch;
                Some(format!("`{old}` is merged into `{base}`; the work goes to `{new}`"))
            }
            (Choice::New(_), None) => {
                Some(format!("the work goes to the new branch `{}`", self.branch))
            }
        };
        Ok(choice)
    }

    /// The branch that the work is for, unless it is the work's own.
    fn upstream(&self, branch: &str) -> Option<&str> {
        self.base.as_deref().or(self.default.as_deref()).filter(|name| *name != branch)
    }

    /// The base, if this branch, which is in `bare` as `start`, is merged into it.
    async fn is_merged(&self, bare: &Path, branch: &str) -> Option<String> {
        let base = self.upstream(branch).filter(|name| self.beside.iter().any(|b| b == name))?;
        match self.is_merged_into(bare, &format!("refs/remotes/origin/{base}")).await {
            Ok(merged) => merged.then(|| base.to_owned()),
            Err(error) => {
                let text = format!("nobody knows whether `{branch}` is merged: {error}");
                self.journal.log(Level::Warn, text);
                None
            }
        }
    }

    /// Whether merging `start` into the base would change nothing, and it did hold something. PROGRESS.md
    /// may differ: it tells of the work on its own branch, and somebody may have left it out.
    async fn is_merged_into(&self, bare: &Path, base: &str) -> Result<bool, GitError> {
        let git = &self.git;
        let tip = git.text(bare, ["rev-parse", "refs/heads/start"]).await?;
        if git.local(bare, ["merge-base", "--is-ancestor", &tip, base]).await.is_ok() {
            let last = format!("{tip}^!");
            if !ledger::runs(git, bare, &[&last]).await?.is_empty() {
                return Ok(true);
            }
            // Somebody else's commit is its last one. Where the base's own line does not lead through
            // it, there is a merge; else it may be a branch that was made and never used.
            let line = ["rev-list", "--first-parent", "--parents", base, &format!("^{tip}"), "--"];
            let line = git.text(bare, line).await?;
            let first = line.lines().next_back().and_then(|ids| ids.split(' ').nth(1));
            return Ok(!line.is_empty() && first != Some(&tip));
        }
        let Ok(fork) = git.text(bare, ["merge-base", &tip, base]).await else { return Ok(false) };
        let merge = merge(git, bare, base, &tip).await?;
        let of_base = git.text(bare, ["rev-parse", &format!("{base}^{{tree}}")]).await?;
        let progress = progress(git, bare, base).await?;
        let beside = with_progress(git, bare, &merge.tree, progress.as_deref()).await?;
        if !merge.conflicts.is_empty() || beside != of_base {
            return Ok(false);
        }
        let exactly = merge.tree == of_base && !merge.kept_progress;
        let changed = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", &fork, &tip];
        let changed = git.local(bare, changed).await?;
        Ok(paths(&changed).any(|path| exactly || path != PROGRESS_FILE))
    }

    /// Begins the work of an execution that is new on the branch. HEAD is where the branch starts from.
    pub(super) async fn begin_work(&mut self, bare: &Path, choice: Choice) -> Result<(), Failure> {
        let tip = self.known.clone();
        let mut notes = Vec::new();
        let mut merged = match choice {
            Choice::Continue(_) => self.merge_base(&tip, &mut notes).await,
            _ => None,
        };
        let mut beginning = self.beginning(&tip, merged.as_ref()).await?;
        if let Some(Beginning { commit, .. }) = &beginning {
            self.stand_on(commit, bare).await?;
            if !self.dry
                && let Err(why) = self.push_beginning(bare, commit).await?
            {
                let what = merged.map_or_else(
                    || format!("the new status in {PROGRESS_FILE}"),
                    |merged| format!("the merge of `{}`", merged.base),
                );
                let text = format!("{what} cannot be pushed, and the run goes on without: {why}");
                self.journal.log(Level::Warn, text);
                merged = None;
                // An old COMPLETE must not end the run. This goes with its first checkpoint.
                beginning = self.beginning(&tip, None).await?;
                let commit = beginning.as_ref().map_or(&tip, |beginning| &beginning.commit);
                self.stand_on(commit, bare).await?;
            }
        }
        let reopens = beginning.is_some_and(|beginning| beginning.reopens);
        if reopens {
            notes.insert(
                0,
                format!(
                    "The work that this branch held at first is complete, and this prompt is a new task. {PROGRESS_FILE} said COMPLETE of the old work; its status line says IN PROGRESS now."
                ),
            );
        }
        self.note = (!notes.is_empty()).then(|| notes.join("\n\n"));
        self.say_beginning(choice, merged.as_ref(), reopens);
        Ok(())
    }

    /// Says in one event which branch was chosen, why, and what it begins with.
    fn say_beginning(&mut self, choice: Choice, merged: Option<&Merged>, reopens: bool) {
        let again = format!("the status in {PROGRESS_FILE} is IN PROGRESS again");
        let branch = &self.branch;
        let mut parts: Vec<String> = match choice {
            Choice::Continue(_) if reopens => {
                vec![format!(
                    "the branch `{branch}` is finished, and new work goes on upon it: {again}"
                )]
            }
            _ => self.says.take().into_iter().chain(reopens.then_some(again)).collect(),
        };
        if let Some(Merged { base, .. }) = merged {
            parts.push(format!("`{base}` is merged into `{branch}`"));
        }
        self.says = (!parts.is_empty()).then(|| parts.join("; "));
        if let Some(text) = &self.says {
            self.journal.log(Level::Info, text.clone());
        }
    }

    /// The files of the branch and of its base together; `None` when there is nothing to merge, or it
    /// cannot be done. Then the log says why, and the notes what the agent has to know.
    async fn merge_base(&self, tip: &str, notes: &mut Vec<String>) -> Option<Merged> {
        let base = self.upstream(&self.branch)?;
        let not = |why: &str| {
            let text = format!("`{base}` is not merged into `{}`: {why}", self.branch);
            self.journal.log(Level::Warn, text);
        };
        let origin = format!("origin/{base}");
        let commit = format!("refs/remotes/{origin}^{{commit}}");
        let commit = self.git.text(&self.dir, ["rev-parse", "-q", "--verify", &commit]).await;
        let Ok(commit) = commit else {
            not("the remote has no such branch");
            return None;
        };
        if self.is_ancestor(&commit, tip).await {
            return None;
        }
        match merge(&self.git, &self.dir, tip, &commit).await {
            Ok(Merge { tree, conflicts, .. }) if conflicts.is_empty() => {
                Some(Merged { base: base.to_owned(), commit, tree })
            }
            Ok(Merge { conflicts, .. }) => {
                let files = conflicts.iter().map(|path| format!("`{}`", path.display()));
                let files = name_some(files);
                not(&format!("there are conflicts in {files}; the agent is asked to merge it"));
                notes.push(format!(
                    "`{origin}` has changes that this branch does not have, and that conflict with it in {files}. Before anything else, run `git merge {origin}`, resolve the conflicts and commit the merge."
                ));
                None
            }
            Err(error) => {
                not(&error.to_string());
                None
            }
        }
    }

    /// Asks the agent for the merge once more: no iteration of the execution has ended, so that nobody
    /// may have heard of it. What has no conflicts is not merged any more.
    pub(super) async fn ask_again(&mut self) {
        let mut notes = Vec::new();
        self.merge_base(&self.head, &mut notes).await;
        self.note = notes.pop();
    }

    /// Makes the commit that the work begins with; `None` when there is nothing to begin with. The
    /// remote has all of its content, except for the status.
    async fn beginning(
        &mut self,
        tip: &str,
        merged: Option<&Merged>,
    ) -> Result<Option<Beginning>, GitError> {
        let whole = match merged {
            Some(merged) => merged.tree.clone(),
            None => self.git.text(&self.dir, ["rev-parse", &format!("{tip}^{{tree}}")]).await?,
        };
        let taken_back = self.take_back(&whole).await?;
        let reopens = taken_back.is_some();
        if merged.is_none() && !reopens {
            return Ok(None);
        }
        let what = match merged {
            Some(merged) => format!("merge {} into {}", merged.base, self.branch),
            None => format!("new work on {}", self.branch),
        };
        let ledger = self.earlier.unwrap_or_default();
        let message = ledger::with_trailers(&what, &self.run, &ledger);
        let mut args = vec!["commit-tree", "-p", tip];
        args.extend(merged.into_iter().flat_map(|merged| ["-p", &merged.commit]));
        args.extend(["-m", &message, taken_back.as_ref().unwrap_or(&whole)]);
        let commit = self.git.text(&self.dir, args).await?;
        Ok(Some(Beginning { commit, reopens }))
    }

    /// The same files with PROGRESS.md's COMPLETE taken back; `None` when it does not say so.
    async fn take_back(&self, tree: &str) -> Result<Option<String>, GitError> {
        let (git, dir) = (&self.git, &self.dir);
        let found = entry(git, dir, tree, PROGRESS_FILE).await;
        let Some(found) = found.filter(|found| found.mode.starts_with("100")) else {
            return Ok(None);
        };
        let Some(bytes) = found.read(git, dir).await.and_then(|bytes| reopened(&bytes)) else {
            return Ok(None);
        };
        let id = git.fed(dir, ["hash-object", "-w", "--stdin"], bytes).await?;
        let id = String::from_utf8_lossy(&id);
        let line = format!("{} blob {}\t{PROGRESS_FILE}", found.mode, id.trim());
        with_progress(git, dir, tree, Some(line.as_bytes())).await.map(Some)
    }

    /// Puts the branch and the working tree at a commit, and the commit into `bare`. Nobody else has
    /// worked in the checkout yet.
    async fn stand_on(&mut self, commit: &str, bare: &Path) -> Result<(), GitError> {
        self.git_inert(&["reset", "-q", "--hard", commit]).await?;
        let from = self.dir.to_string_lossy();
        let refspec = format!("+refs/heads/{}:refs/heads/start", self.branch);
        let fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", &from, &refspec];
        self.git.local(bare, fetch).await?;
        self.own = commit != self.known;
        commit.clone_into(&mut self.head);
        Ok(())
    }

    /// Pushes what the work begins with, from the repository of the download. The inner error says why
    /// that did not work.
    async fn push_beginning(
        &mut self,
        bare: &Path,
        commit: &str,
    ) -> Result<Result<(), String>, Failure> {
        let refspec = format!("{commit}:refs/heads/{}", self.branch);
        let repo = self.repo.to_string();
        let push = ["push", "--porcelain", "--no-verify", "--", &repo, &refspec];
        match self.ask(bare, &push).await {
            Ok(_) => {
                self.pushed = Some(commit.to_owned());
                commit.clone_into(&mut self.known);
                Ok(Ok(()))
            }
            // Before any money is spent.
            Err(error) if error.is_denied() => Err(Failure::from(error)),
            Err(error) => {
                let refused = Refusal::of(&error).map(|refusal| refusal.text());
                Ok(Err(refused.unwrap_or_else(|| error.to_string())))
            }
        }
    }
}

/// Two commits, merged.
struct Merge {
    /// The files of both; with marks in those that conflict.
    tree: String,
    /// Which ones conflict.
    conflicts: Vec<OsString>,
    /// Both had changed PROGRESS.md, and ours stays: it tells of the work on its own branch.
    kept_progress: bool,
}

/// Merges without a working tree. It runs nothing, since nothing in our repositories names a driver.
async fn merge(git: &Git, dir: &Path, ours: &str, theirs: &str) -> Result<Merge, GitError> {
    let problem = |error: std::io::Error| GitError::Start(error.to_string());
    let mut output = tempfile::tempfile().map_err(problem)?;
    let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs];
    let written = output.try_clone().map_err(problem)?;
    // Exit code 1: there are conflicts.
    let ended = git.piped(dir, args, Stdio::null(), written).await;
    let mut bytes = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut bytes)).map_err(problem)?;
    let mut fields = paths(&bytes);
    let tree = fields.next().map(|tree| tree.to_string_lossy().into_owned());
    let mut conflicts: Vec<OsString> = fields.map(OsStr::to_owned).collect();
    let mut tree = match (ended, tree) {
        (Ok(()), Some(tree)) => tree,
        (Err(GitError::Failed { .. }), Some(tree)) if !conflicts.is_empty() => tree,
        (Err(error), _) => return Err(error),
        (Ok(()), None) => return Err(GitError::Start("merge-tree wrote nothing".to_owned())),
    };
    let kept_progress = conflicts == [PROGRESS_FILE];
    if kept_progress {
        let progress = progress(git, dir, ours).await?;
        tree = with_progress(git, dir, &tree, progress.as_deref()).await?;
        conflicts.clear();
    }
    Ok(Merge { tree, conflicts, kept_progress })
}

/// What a commit has as PROGRESS.md: `<mode> <type> <id>\t<path>`.
async fn progress(git: &Git, dir: &Path, commit: &str) -> Result<Option<Vec<u8>>, GitError> {
    let listed = git.local(dir, ["ls-tree", "-z", "--full-tree", commit]).await?;
    let found = listed.split(|byte| *byte == 0).find(|entry| is_progress(entry));
    Ok(found.map(<[u8]>::to_vec))
}

/// A tree with another PROGRESS.md, as `<mode> <type> <id>\t<path>`, or without one.
async fn with_progress(
    git: &Git,
    dir: &Path,
    tree: &str,
    progress: Option<&[u8]>,
) -> Result<String, GitError> {
    let listed = git.local(dir, ["ls-tree", "-z", "--full-tree", tree]).await?;
    let others = listed.split(|byte| *byte == 0).filter(|e| !e.is_empty() && !is_progress(e));
    let entries: Vec<u8> =
        others.chain(progress).flat_map(|entry| [entry, b"\0"].concat()).collect();
    let tree = git.fed(dir, ["mktree", "-z"], entries).await?;
    Ok(String::from_utf8_lossy(&tree).trim().to_owned())
}

/// Whether an entry of `ls-tree` is PROGRESS.md.
fn is_progress(entry: &[u8]) -> bool {
    let path = entry.splitn(2, |byte| *byte == b'\t').nth(1);
    path.is_some_and(|path| OsStr::from_bytes(path) == PROGRESS_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(names: &[&str]) -> Refs {
        let branches = names.iter().map(|name| ((*name).to_owned(), "c".to_owned())).collect();
        Refs { default: Some("main".to_owned()), branches }
    }

    #[test]
    fn which_branch_the_work_goes_to() {
        use Choice::{Continue, New, Resume, Start};
        const GO_ON: Option<Reuse> = Some(Reuse::Continue);
        const NEW: Option<Reuse> = Some(Reuse::NewBranch);
        // Newest, this execution's, merged, asked for.
        for (newest, own, merged, asked, expected) in [
            (None, None, false, None, Start),
            (None, None, false, GO_ON, Start),
            (None, None, false, NEW, Start),
            (Some(1), None, false, None, Continue(1)),
            (Some(1), None, true, None, New(2)),
            (Some(1), None, false, NEW, New(2)),
            (Some(1), None, true, NEW, New(2)),
            (Some(1), None, true, GO_ON, Continue(1)),
            (Some(3), None, false, None, Continue(3)),
            (Some(3), None, true, None, New(4)),
            // Whatever was asked for: it has been done.
            (Some(1), Some(1), true, None, Resume(1)),
            (Some(2), Some(2), false, NEW, Resume(2)),
            (Some(3), Some(2), true, NEW, Resume(2)),
            (Some(3), Some(2), true, GO_ON, Resume(2)),
        ] {
            let next = newest.unwrap_or(1) + 1;
            let facts = Facts { newest, own, merged, asked, next };
            assert_eq!(choose(facts), expected, "{facts:?}");
        }
    }

    #[test]
    fn the_branches_of_a_workstream() {
        let cases: [(&[&str], &[u32]); 6] = [
            (&[], &[]),
            (&["main", "ralph/docs"], &[1]),
            (&["ralph/docs.2", "ralph/docs", "ralph/docs.10", "ralph/docs.9"], &[10, 9, 2, 1]),
            // The first one may be merged and deleted.
            (&["ralph/docs.2", "ralph/docs2", "ralph/docs-x", "ralph/doc"], &[2]),
            (&["ralph/docs.9999", "ralph/docs.10000", "ralph/docs.4000000000"], &[9999]),
            (&["ralph/docs.02", "ralph/docs.x", "ralph/docs.2.2", "ralph/docs/2"], &[]),
        ];
        for (names, expected) in cases {
            assert_eq!(numbers("ralph/docs", None, &refs(names)), expected, "{names:?}");
        }
        let default = Refs { default: Some("x.2".to_owned()), ..refs(&["x", "x.2"]) };
        assert_eq!(numbers("x", None, &default), [1], "the default branch is never worked on");
        let all = refs(&["x", "x.2", "x.3"]);
        assert_eq!(numbers("x", Some("x.3"), &all), [2, 1], "nor is the base");
        assert_eq!(numbers("x", Some("x"), &all), [3, 2, 1], "unless the order says so");
    }

    #[test]
    fn an_entry_is_named_by_all_that_follows_its_first_tab() {
        assert!(is_progress(b"100644 blob 1\tPROGRESS.md"));
        for entry in [&b"100644 blob 1\tx\tPROGRESS.md"[..], b"100644 blob 1\tPROGRESS.md2", b""] {
            assert!(!is_progress(entry));
        }
    }
}
