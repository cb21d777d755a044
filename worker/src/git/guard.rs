//! Looks at everything a push would publish, intermediate commits too, and refuses files that are
//! too large and content that holds a credential.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use super::{
    Checkout,
    bare::{Bare, PUSH},
    ledger,
    run::GitError,
    stage::{Change, Findings, LINKS, MAX_FILE, refused_by_remote, too_large, too_many},
    volume::{is_within, too_much},
};

/// How much content is read at a time, unless one file alone is larger.
const BATCH: u64 = 8 << 20;

/// A commit or a file's content, and every name it has in the commits.
struct Object {
    id: String,
    size: u64,
    paths: Vec<OsString>,
}

impl Checkout {
    /// Checks, in the copy that is pushed, what lies between the remote and its commit: nothing in
    /// the checkout can hide a commit there. When something must not be pushed, one commit without
    /// it takes the place of all. Returns what was found.
    pub(super) async fn guard(&self, bare: &mut Bare, wip: bool) -> Result<Findings, GitError> {
        if !self.merged(bare).await.is_empty() {
            // The agent cannot fetch what the base has in LFS.
            self.furnish_lfs(&bare.dir, &bare.commit).await;
        }
        let mut all = self.inspect(bare).await?;
        if all.is_empty() {
            return Ok(all);
        }
        // What only an earlier commit or a message held is gone when one commit replaces them all.
        self.squash(bare, &BTreeSet::new(), wip).await?;
        let left = self.inspect(bare).await?;
        if !left.is_empty() {
            let places = left.iter().map(|(path, _)| path.clone()).collect();
            self.squash(bare, &places, wip).await?;
            if let Some((path, why)) = self.inspect(bare).await?.first() {
                return Err(GitError::Failed {
                    command: "push".to_owned(),
                    stderr: format!("refused by the worker: `{}` {why}", path.display()),
                });
            }
        }
        all.extend(left);
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// Puts one commit in the place of all that the remote does not have, with these places as the
    /// remote has them.
    pub(super) async fn squash(
        &self,
        bare: &mut Bare,
        places: &BTreeSet<OsString>,
        wip: bool,
    ) -> Result<(), GitError> {
        let git = &self.git;
        git.local(&bare.dir, ["read-tree", &bare.commit]).await?;
        let all = self.changes(bare).await?;
        let withheld = all.into_iter().filter(|change| is_within(&change.path, places).is_some());
        let lines = withheld.flat_map(|Change { old: (mode, id), path, .. }| {
            // A mode of zeros removes the path.
            [format!("{mode} {id}\t").as_bytes(), path.as_bytes(), b"\0"].concat()
        });
        let update = ["update-index", "-z", "--index-info"];
        git.fed(&bare.dir, update, lines.collect()).await?;
        let tree = git.text(&bare.dir, ["write-tree"]).await?;
        let message = ledger::message(&self.run, &self.recorded, wip);
        let merged = self.merged(bare).await;
        let mut args = vec!["commit-tree", "-p", &self.known];
        args.extend(merged.iter().flat_map(|commit| ["-p", commit]));
        args.extend(["-m", &message, &tree]);
        bare.commit = git.text(&bare.dir, args).await?;
        git.local(&bare.dir, ["update-ref", PUSH, &bare.commit]).await?;
        Ok(())
    }

    /// What differs between the remote's commit and the copy's.
    pub(super) async fn changes(&self, bare: &Bare) -> Result<Vec<Change>, GitError> {
        let diff = ["diff-tree", "-r", "-z", "--no-renames", LINKS, &self.known, &bare.commit];
        Ok(Change::all(&self.git.local(&bare.dir, diff).await?))
    }

    /// The commits of the base that are merged in the copy, as the agent is asked to after a conflict.
    async fn merged(&self, bare: &Bare) -> Vec<String> {
        let mut merged = Vec::new();
        for commit in &self.upstream {
            let is_within = async |other: &str| {
                let within = ["merge-base", "--is-ancestor", commit, other];
                self.git.local(&bare.dir, within).await.is_ok()
            };
            if !merged.contains(commit)
                && is_within(&bare.commit).await
                && !is_within(&self.known).await
            {
                merged.push(commit.clone());
            }
        }
        merged
    }

    /// Changes but those to what the base has at the same place: the remote holds that already.
    async fn without(
        &self,
        bare: &Bare,
        merged: &[String],
        history: &[Change],
    ) -> Result<Vec<Change>, GitError> {
        let mut theirs = BTreeSet::new();
        for commit in merged {
            let diff = ["diff-tree", "-r", "-z", "--no-renames", LINKS, &self.known, commit];
            let changes = Change::all(&self.git.local(&bare.dir, diff).await?);
            theirs.extend(changes.into_iter().map(|change| (change.path, change.new)));
        }
        let is_ours = |change: &&Change| {
            theirs.is_empty() || !theirs.contains(&(change.path.clone(), change.new.clone()))
        };
        Ok(history.iter().filter(is_ours).cloned().collect())
    }

    async fn inspect(&self, bare: &Bare) -> Result<Findings, GitError> {
        let mut found = Findings::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        let merged = self.merged(bare).await;
        let (commits, history) = self.history(bare, &merged).await?;
        let ours = self.without(bare, &merged, &history).await?;
        let (objects, paths, refused) = self.objects(bare, &commits, &ours).await?;
        found.extend(refused.into_iter().map(|path| (path, refused_by_remote())));
        for path in paths {
            if self.journal.redactor().finds_credential(&path.to_string_lossy()) {
                found.push((path, "has a credential in its name".to_owned()));
            }
        }
        let (large, small): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.size > MAX_FILE);
        if !large.is_empty() || !self.fits(small.iter()) {
            let new = self.new_to_the_remote(bare, &merged).await?;
            let is_new = |object: &&Object| new.contains(&object.id);
            let out = too_much(files(small.iter().filter(is_new)), self.limits);
            found.extend(out.into_iter().map(|place| (place, too_many(self.limits))));
            for object in large.iter().filter(is_new) {
                found.extend(object.paths.iter().map(|path| (path.clone(), too_large())));
            }
        }
        for object in small {
            bytes += object.size;
            batch.push(object);
            if bytes >= BATCH {
                self.read_batch(bare, &std::mem::take(&mut batch), &mut found).await?;
                bytes = 0;
            }
        }
        self.read_batch(bare, &batch, &mut found).await?;
        self.inspect_lfs(bare, &ours, &mut found).await?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Whether a commit may add all of it, even if all of it is new to the remote.
    fn fits<'a>(&self, objects: impl Iterator<Item = &'a Object>) -> bool {
        too_much(files(objects), self.limits).is_empty()
    }

    /// Commits between the remote and the copy's, one a line, and what each of them changes.
    async fn history(
        &self,
        bare: &Bare,
        merged: &[String],
    ) -> Result<(Vec<u8>, Vec<Change>), GitError> {
        let commits = ["rev-list", &bare.commit, "--not", &self.known];
        let commits = commits.into_iter().chain(merged.iter().map(String::as_str)).chain(["--"]);
        let commits = self.git.local(&bare.dir, commits).await?;
        let diff = [
            "diff-tree",
            "--stdin",
            "--root",
            "-r",
            "-m",
            "-z",
            "--no-renames",
            LINKS,
            "--no-commit-id",
        ];
        let changes = Change::all(&self.git.fed(&bare.dir, diff, commits.clone()).await?);
        Ok((commits, changes))
    }

    /// These commits, every file that one of them adds or changes, every path, and those with which
    /// the remote has refused them.
    async fn objects(
        &self,
        bare: &Bare,
        commits: &[u8],
        history: &[Change],
    ) -> Result<(Vec<Object>, BTreeSet<OsString>, BTreeSet<OsString>), GitError> {
        let mut names: BTreeMap<String, Vec<OsString>> = BTreeMap::new();
        for id in String::from_utf8_lossy(commits).lines() {
            names.entry(id.to_owned()).or_default().push(OsString::new());
        }
        // By name: one content may have several, and the remote may have it under another.
        let (mut paths, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for Change { new: (mode, id), path, .. } in history {
            if self.refused.contains(&(path.clone(), id.clone())) {
                refused.insert(path.clone());
            }
            // What was deleted, and links to other repositories, have no content here.
            if mode.starts_with("10") || mode == "120000" {
                names.entry(id.clone()).or_default().push(path.clone());
            }
            if mode != "000000" {
                paths.insert(path.clone());
            }
        }
        let ids: String = names.keys().map(|id| format!("{id}\n")).collect();
        let check = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
        let checked = self.git.fed(&bare.dir, check, ids.into_bytes()).await?;
        let sized = |line: &str| {
            let (id, size) = line.split_once(' ')?;
            Some(Object { id: id.to_owned(), size: size.parse().ok()?, paths: names.remove(id)? })
        };
        let objects = String::from_utf8_lossy(&checked).lines().filter_map(sized).collect();
        if let Some(id) = names.into_keys().next() {
            return Err(GitError::Failed {
                command: "cat-file".to_owned(),
                stderr: format!("object {id} is missing"),
            });
        }
        Ok((objects, paths, refused))
    }

    /// Objects that the remote does not have under any name.
    async fn new_to_the_remote(
        &self,
        bare: &Bare,
        merged: &[String],
    ) -> Result<BTreeSet<String>, GitError> {
        let all =
            ["rev-list", "--objects", "--no-object-names", &bare.commit, "--not", &self.known];
        let args = all.into_iter().chain(merged.iter().map(String::as_str)).chain(["--"]);
        let bytes = self.git.local(&bare.dir, args).await?;
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }

    async fn read_batch(
        &self,
        bare: &Bare,
        batch: &[Object],
        found: &mut Findings,
    ) -> Result<(), GitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ids: String = batch.iter().map(|object| format!("{}\n", object.id)).collect();
        let content = self.git.fed(&bare.dir, ["cat-file", "--batch"], ids.into_bytes()).await?;
        let mut rest = content.as_slice();
        for object in batch {
            // `<id> <type> <size>\n<content>\n`
            let size = usize::try_from(object.size).unwrap_or(usize::MAX);
            let head = memchr::memchr(b'\n', rest);
            let body = head.and_then(|head| rest.get(head + 1..(head + 1).checked_add(size)?));
            let (Some(head), Some(body)) = (head, body) else {
                return Err(GitError::Failed {
                    command: "cat-file".to_owned(),
                    stderr: format!("object {} cannot be read", object.id),
                });
            };
            if self.journal.redactor().finds_credential(&String::from_utf8_lossy(body)) {
                let why = || "holds a credential".to_owned();
                found.extend(object.paths.iter().map(|path| (path.clone(), why())));
            }
            rest = rest.get(head + size + 2..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Every name of these files, as what a commit adds.
fn files<'a>(
    objects: impl Iterator<Item = &'a Object>,
) -> impl Iterator<Item = (&'a OsStr, u64, bool)> {
    objects.flat_map(|object| {
        let names = object.paths.iter().filter(|path| !path.is_empty());
        names.map(|path| (path.as_os_str(), object.size, true))
    })
}

/// How many names a text for a person holds.
const MOST_NAMES: usize = 20;

/// What stays out, for the next prompt.
pub(super) fn note(found: &Findings) -> Option<String> {
    let (messages, files): (Vec<_>, Vec<_>) = found.iter().partition(|(path, _)| path.is_empty());
    let mut parts = Vec::new();
    if !files.is_empty() {
        let named = files.iter().take(MOST_NAMES);
        let lines: Vec<_> = named.map(|(path, why)| format!("- {}", says(path, why))).collect();
        let more = files.len().saturating_sub(MOST_NAMES);
        let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
        parts.push(format!(
            "These files were not committed:\n{}{more}\nRemove them, or what is wrong with them. Never commit credentials.",
            lines.join("\n")
        ));
    }
    if !messages.is_empty() {
        parts.push("A message of one of your commits held a credential; your commits were replaced by a single one.".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// One finding, for a person.
pub(super) fn says(path: &OsStr, why: &str) -> String {
    if path.is_empty() {
        return format!("a commit message is not pushed: it {why}");
    }
    format!("`{}` is not pushed: it {why}", path.display())
}
