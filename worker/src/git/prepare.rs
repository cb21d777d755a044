//! Makes the checkout: what the remote has, where we start from, and a working tree that
//! holds no credential.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ralph_protocol::{event::Level, exit::RunExit};

use super::{
    Checkout, PROGRESS_FILE,
    completion::{self, Completion},
    ledger,
    rebuild::last_rescue,
    reuse::Choice,
    run::{Git, GitError, IDENTITY, Patience, REMOTE_TIMEOUT},
    store::Store,
};
use crate::{
    config::Prompt,
    machine::{Failure, Prepared, policy::backoff_ms},
};

/// Digits of an object's name in a repository whose names are SHA-1.
const SHA1_DIGITS: usize = 40;

/// Most bytes of PROGRESS.md or the prompt that are read.
pub(super) const MAX_TEXT: u64 = 4 << 20;

/// What the remote has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refs {
    /// The default branch, without `refs/heads/`.
    pub(super) default: Option<String>,
    /// (name without `refs/heads/`, commit).
    pub(super) branches: Vec<(String, String)>,
}

impl Refs {
    /// Reads what `ls-remote --symref` prints.
    fn parse(text: &str) -> Self {
        let mut refs = Self::default();
        for line in text.lines() {
            let Some((left, name)) = line.split_once('\t') else { continue };
            match left.strip_prefix("ref: ") {
                Some(target) if name == "HEAD" => {
                    refs.default = target.strip_prefix("refs/heads/").map(str::to_owned);
                }
                Some(_) => {}
                None => {
                    if let Some(branch) = name.strip_prefix("refs/heads/") {
                        refs.branches.push((branch.to_owned(), left.to_owned()));
                    }
                }
            }
        }
        refs
    }

    pub(super) fn has(&self, branch: &str) -> bool {
        self.branches.iter().any(|(name, _)| name == branch)
    }

    /// Whether the remote could hold this branch beside those that it has. A branch is a file, so
    /// none can have the name of another one's folder (git-check-ref-format(1)).
    ///
    /// # Errors
    /// The name of a branch that is in the way.
    pub(super) fn can_create(&self, branch: &str) -> Result<(), &str> {
        let within = |name: &str, folder: &str| {
            name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let names = self.branches.iter().map(|(name, _)| name.as_str());
        let mut blocking = names.filter(|name| within(name, branch) || within(branch, name));
        blocking.next().map_or(Ok(()), Err)
    }

    /// Whether its objects have names of SHA-256.
    fn is_sha256(&self) -> bool {
        self.branches.iter().any(|(_, id)| id.len() > SHA1_DIGITS)
    }
}

fn failure(exit: RunExit, text: impl Into<String>) -> Failure {
    Failure { exit, text: text.into() }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let hint = if let GitError::NoToken { hint, .. } = &error {
            &format!("\nhint: {hint}")
        } else if error.is_denied() {
            "\nhint: the repository needs a credential, or refuses this one: `ralph keys set git-token`"
        } else if error.is_limited() {
            "\nhint: the remote has had too many requests; start again later, with a token if there is none"
        } else {
            match &error {
                GitError::Start(_) => "\nhint: is git installed?",
                _ => "\nhint: check RALPH_REPO and that the repository exists",
            }
        };
        if error.is_full() {
            let hint = "hint: the repository needs more room: storage_gib in ralph.toml";
            return failure(RunExit::NoSpace, format!("the disk is full: {error}\n{hint}"));
        }
        failure(RunExit::Git, format!("{error}{hint}"))
    }
}

impl Checkout {
    /// What the remote has.
    pub(super) async fn refs(&self, scratch: &Path) -> Result<Refs, Failure> {
        let args = ["ls-remote", "--symref", "--", self.repo.as_str(), "HEAD", "refs/heads/*"];
        let bytes = self.ask(scratch, &args).await?;
        Ok(Refs::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Checks what costs nothing.
    fn check(&self, refs: &Refs) -> Result<(), Failure> {
        if refs.is_sha256() {
            return Err(failure(
                RunExit::Git,
                "the repository names its objects by SHA-256, and the worker works with SHA-1 only\nhint: push its history to a new repository, made with `git init --object-format=sha1`",
            ));
        }
        if refs.default.as_deref() == Some(self.branch.as_str()) {
            return Err(failure(
                RunExit::Configuration,
                format!(
                    "`{}` is the repository's default branch\nhint: let RALPH_BRANCH name another; the worker never pushes to the default branch",
                    self.branch
                ),
            ));
        }
        Ok(())
    }

    /// The branch to start from.
    pub(super) fn start(&self, refs: &Refs) -> Result<String, Failure> {
        if refs.has(&self.branch) {
            return Ok(self.branch.clone());
        }
        if let Err(other) = refs.can_create(&self.branch) {
            return Err(failure(
                RunExit::Configuration,
                format!(
                    "the branch `{}` cannot be made, because the repository has a branch `{other}`\nhint: rename that branch, or let RALPH_BRANCH name another, such as {}",
                    self.branch,
                    self.branch.replace('/', "-")
                ),
            ));
        }
        let base = match (&self.base, &refs.default) {
            (Some(base), _) => base.clone(),
            (None, Some(default)) => default.clone(),
            (None, None) => {
                return Err(failure(
                    RunExit::Git,
                    "the repository has no default branch\nhint: push a first commit, or let RALPH_BASE name a branch",
                ));
            }
        };
        if refs.has(&base) {
            Ok(base)
        } else {
            Err(failure(
                RunExit::Git,
                format!(
                    "the repository has no branch `{base}`\nhint: check RALPH_BASE; an empty repository needs a first commit"
                ),
            ))
        }
    }

    /// Makes the checkout. Only what a new execution begins with is written to the remote.
    pub(crate) async fn make(&mut self) -> Result<Prepared, Failure> {
        let begun = Instant::now();
        self.fresh_dir()?;
        let folder = self.folder().to_path_buf();
        let refs = self.refs(&folder).await?;
        self.check(&refs)?;
        self.default = refs.default.clone().filter(|name| refs.has(name));
        let beside = [self.base.clone(), self.default.clone()];
        self.beside = beside.into_iter().flatten().filter(|name| refs.has(name)).collect();
        self.beside.sort();
        self.beside.dedup();

        // The credential is used in a repository that is gone before the agent runs …
        let bare = folder.join("clone.git");
        self.git.local(&folder, ["init", "-q", "--bare", "--template=", "clone.git"]).await?;
        let choice = self.choose_branch(&refs, &bare).await?;

        // … and the checkout is made from there.
        self.furnish(&bare, "start").await?;
        let dir = self.dir.clone();
        self.git_inert(&["checkout", "-q", "-B", &self.branch, "FETCH_HEAD"]).await?;
        let tip = self.git.text(&dir, ["rev-parse", "HEAD"]).await?;
        self.pushed = refs.has(&self.branch).then(|| tip.clone());
        self.setup = self.find_setup(&tip).await;
        self.head.clone_from(&tip);
        self.known = tip;
        // Rescued work has begun already.
        if !self.own && last_rescue(&refs, &self.run).is_none() {
            self.begin_work(&bare, choice).await?;
        }
        if let Some(pushed) = self.pushed.clone() {
            self.keep_origin(&pushed).await;
        }
        self.furnish_lfs(&bare, "refs/heads/start").await;
        self.begin.clone_from(&self.head);
        self.adopt(&refs, &bare).await?;
        let head = self.head.clone();
        // Also when it is work that was taken up.
        self.furnish_submodules(&bare, &head).await;
        self.recorded = match self.earlier {
            Some(ledger) => ledger,
            None => ledger::read(&self.git, &dir, &self.head, &self.run).await?,
        };
        if self.recorded.iterations == 0 && (self.adopted || matches!(choice, Choice::Resume(_))) {
            self.ask_again().await;
        }
        let tips = ["for-each-ref", "--format=%(objectname)", "refs/remotes/"];
        self.upstream = self.git.text(&bare, tips).await?.lines().map(str::to_owned).collect();
        let format = "--format=create %(refname) %(objectname)";
        let list = ["for-each-ref", format, "refs/remotes/", "refs/tags/"];
        self.origin = self.git.local(&bare, list).await?;
        self.keep_objects(&bare);
        self.prompt = self.read_prompt().await?;
        let complete = self.is_complete().await;
        Ok(Prepared {
            commit: self.head.clone(),
            branch: self.branch.clone(),
            note: self.note.clone(),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ledger: self.recorded,
            complete,
            has_setup: self.setup.runs(),
        })
    }

    /// Fetches a branch of the remote into `bare`, under another name, with the branches beside
    /// it and the tags of their commits.
    pub(super) async fn download(
        &self,
        bare: &Path,
        branch: &str,
        name: &str,
    ) -> Result<(), GitError> {
        let wanted = format!("+refs/heads/{branch}:refs/heads/{name}");
        let beside = |name: &String| format!("+refs/heads/{name}:refs/remotes/origin/{name}");
        let beside: Vec<String> = self.beside.iter().map(beside).collect();
        // Without `--no-tags` git fetches those that lead to what it fetches anyway.
        let fetch = ["fetch", "-q", "--no-recurse-submodules", "--", self.repo.as_str(), &wanted];
        let all: Vec<&str> = fetch.into_iter().chain(beside.iter().map(String::as_str)).collect();
        match self.ask(bare, &all).await {
            // A branch beside ours may be gone by now.
            Err(error) if error.stderr().contains("couldn't find remote ref") => {
                self.ask(bare, &fetch).await?;
            }
            other => drop(other?),
        }
        Ok(())
    }

    /// As [`Checkout::remote`], for what may be done twice; asks again, later each time, when the
    /// remote may answer then.
    pub(super) async fn ask(&self, dir: &Path, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut failures = 0;
        loop {
            let error = match self.remote(dir, Patience::UntilHurried(REMOTE_TIMEOUT), args).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            failures += 1;
            if failures > error.retries() || self.git.is_hurried() {
                return Err(error);
            }
            let pause = backoff_ms(failures);
            let text = format!("{error}; the remote is asked again in {} s", pause / 1000);
            self.journal.log(Level::Warn, text);
            self.git.pause(Duration::from_millis(pause)).await;
        }
    }

    /// Makes a repository in the checkout's folder and fetches a branch of `bare` into it, as
    /// FETCH_HEAD, with the tags and the branches of origin. The working tree stays as it is.
    pub(super) async fn furnish(&self, bare: &Path, name: &str) -> Result<(), GitError> {
        let branch = format!("--initial-branch={}", self.branch);
        self.git.local(&self.dir, ["init", "-q", &branch]).await?;
        for (name, value) in [
            ("remote.origin.url", self.repo.as_str()),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
            ("user.name", IDENTITY.0),
            ("user.email", IDENTITY.1),
            ("gc.auto", "0"),
        ] {
            self.git.local(&self.dir, ["config", name, value]).await?;
        }
        let (bare, from) = (bare.to_string_lossy(), format!("refs/heads/{name}"));
        let fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", &bare, &from];
        self.git.local(&self.dir, fetch).await?;
        let rest = ["+refs/remotes/origin/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        let fetch =
            ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
        self.git.local(&self.dir, [&fetch[..], &["--", &bare], &rest].concat()).await?;
        if let Some(default) = &self.default {
            let target = format!("refs/remotes/origin/{default}");
            let head = ["symbolic-ref", "refs/remotes/origin/HEAD", &target];
            self.git.local(&self.dir, head).await?;
        }
        self.install_lfs().await?;
        // One file, however many tags there are.
        self.git.local(&self.dir, ["pack-refs", "--all"]).await?;
        Ok(())
    }

    /// Keeps what was downloaded, so that a checkpoint copies only what the remote lacks.
    fn keep_objects(&mut self, bare: &Path) {
        let objects = bare.with_file_name("objects");
        let kept = std::fs::rename(bare.join("objects"), &objects)
            .and_then(|()| std::fs::remove_dir_all(bare))
            .and_then(|()| Store::new(objects));
        match kept {
            Ok(store) => self.store = Some(store),
            Err(error) => {
                let text = format!("each checkpoint copies the whole history: {error}");
                self.journal.log(Level::Warn, text);
            }
        }
    }

    /// Lets `origin/<branch>` in the checkout say what the remote has. A reference there that the
    /// agent has spoiled is left alone.
    pub(super) async fn keep_origin(&self, commit: &str) {
        let name = format!("refs/remotes/origin/{}", self.branch);
        let _ = self.git.local(&self.dir, ["update-ref", "--no-deref", &name, commit]).await;
    }

    /// The folder is named after the run, so nobody else's work is ever in it.
    fn fresh_dir(&self) -> Result<(), Failure> {
        let problem = |error: std::io::Error| {
            failure(
                RunExit::Configuration,
                format!(
                    "cannot write to {}: {error}\nhint: RALPH_WORKDIR must be a folder the worker can write to",
                    self.dir.display()
                ),
            )
        };
        let folder = self.folder();
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(problem)?;
        }
        std::fs::create_dir_all(&self.dir).map_err(problem)?;
        // Without it, programs that want a temporary folder fail in odd ways.
        std::fs::create_dir_all(self.home.join("tmp")).map_err(problem)
    }

    /// The prompt. A file is read as committed: the one in the tree could be a link to anywhere.
    pub(super) async fn read_prompt(&self) -> Result<String, Failure> {
        let file = match &self.prompt_source {
            Prompt::Text(text) => return Ok(text.clone()),
            Prompt::File(file) => file,
        };
        match committed(&self.git, &self.dir, file).await {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => {
                Err(failure(RunExit::Configuration, format!("the prompt file `{file}` is empty")))
            }
            None => Err(failure(
                RunExit::Configuration,
                format!(
                    "the repository has no prompt file `{file}`\nhint: commit one, or let RALPH_PROMPT_FILE name it"
                ),
            )),
        }
    }

    /// Whether this execution's work is complete, and the remote has it: of another execution's, the
    /// status does not count.
    pub(super) async fn is_complete(&self) -> bool {
        if !self.own || !self.is_pushed() {
            return false;
        }
        let text = committed(&self.git, &self.dir, PROGRESS_FILE).await;
        text.is_some_and(|text| completion::read(&text) == Completion::Complete)
    }
}

/// What a commit has at a path.
pub(super) struct Entry {
    /// 100644 and 100755 are plain files, 120000 is a symbolic link.
    pub(super) mode: String,
    id: String,
    /// Bytes of a file or a link.
    size: Option<u64>,
}

impl Entry {
    /// Its content; `None` when it has none, or it is huge.
    pub(super) async fn read(&self, git: &Git, dir: &Path) -> Option<Vec<u8>> {
        if self.size? > MAX_TEXT {
            return None;
        }
        git.local(dir, ["cat-file", "blob", &self.id]).await.ok()
    }
}

/// What a commit has at a path; `None` when it has nothing there.
pub(super) async fn entry(git: &Git, dir: &Path, commit: &str, path: &str) -> Option<Entry> {
    let entry = git.text(dir, ["ls-tree", "--long", commit, "--", path]).await.ok()?;
    // <mode> <type> <id> <size, or `-`>\t<path>
    let mut fields = entry.lines().next()?.split_ascii_whitespace();
    let (mode, id) = (fields.next()?.to_owned(), fields.nth(1)?.to_owned());
    Some(Entry { mode, id, size: fields.next()?.parse().ok() })
}

/// A file's text at HEAD; `None` when there is no such file, or no plain one, or it is huge.
pub(super) async fn committed(git: &Git, dir: &Path, path: &str) -> Option<String> {
    let found =
        entry(git, dir, "HEAD", path).await.filter(|found| found.mode.starts_with("100"))?;
    let bytes = found.read(git, dir).await?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_remote_says_is_read() {
        let refs = Refs::parse(
            "ref: refs/heads/main\tHEAD\n1111\tHEAD\n1111\trefs/heads/main\n2222\trefs/heads/ralph/docs\n",
        );
        assert_eq!(refs.default.as_deref(), Some("main"));
        assert!(refs.has("main") && refs.has("ralph/docs") && !refs.has("docs"));
        assert_eq!(Refs::parse(""), Refs::default());
        assert!(!refs.is_sha256());
        assert!(Refs::parse(&format!("{:064}\trefs/heads/main\n", 1)).is_sha256());
    }

    #[test]
    fn a_branch_cannot_be_the_folder_of_another() {
        let cases: [(&[&str], &str, Result<(), &str>); 11] = [
            (&[], "ralph/docs", Ok(())),
            (&["main", "ralph"], "ralph/docs", Err("ralph")),
            (&["main", "ralph/docs"], "ralph/docs/x", Err("ralph/docs")),
            (&["main", "ralph/docs/x/y"], "ralph/docs", Err("ralph/docs/x/y")),
            (&["main", "ralph/rescue"], "ralph/rescue/1", Err("ralph/rescue")),
            (&["ralph/rescue/1"], "ralph/rescue/2", Ok(())),
            // A common beginning is not a folder.
            (&["ralphx", "ralp", "r"], "ralph/docs", Ok(())),
            (&["ralph/doc", "ralph/docs2", "ralph/docs-x/y"], "ralph/docs", Ok(())),
            (&["x/ralph", "docs"], "ralph/docs", Ok(())),
            // It is there already.
            (&["ralph/docs"], "ralph/docs", Ok(())),
            (&["main"], "main", Ok(())),
        ];
        for (names, branch, expected) in cases {
            let branches = names.iter().map(|name| ((*name).to_owned(), "c".to_owned())).collect();
            let refs = Refs { default: None, branches };
            assert_eq!(refs.can_create(branch), expected, "{branch} beside {names:?}");
        }
    }
}
