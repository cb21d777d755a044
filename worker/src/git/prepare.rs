//! Makes the checkout: what the remote has, where we start from, and a working tree that
//! holds no credential.

use std::{path::Path, time::Instant};

use ralph_protocol::exit::RunExit;

use super::{
    Checkout, PROGRESS_FILE,
    completion::{self, Completion},
    ledger,
    run::{Git, GitError, IDENTITY, Patience, REMOTE_TIMEOUT},
};
use crate::machine::{Failure, Prepared};

/// Most bytes of PROGRESS.md or the prompt that are read.
const MAX_TEXT: u64 = 4 << 20;

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
}

fn failure(exit: RunExit, text: impl Into<String>) -> Failure {
    Failure { exit, text: text.into() }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let hint = if error.is_denied() {
            "\nhint: the repository needs a credential, or refuses this one: `ralph keys set git-token`"
        } else {
            match &error {
                GitError::Start(_) => "\nhint: is git installed?",
                _ => "\nhint: check RALPH_REPO and that the repository exists",
            }
        };
        failure(RunExit::Git, format!("{error}{hint}"))
    }
}

impl Checkout {
    /// What the remote has.
    pub(super) async fn refs(&self, scratch: &Path) -> Result<Refs, Failure> {
        let args = ["ls-remote", "--symref", "--", self.repo.as_str(), "HEAD", "refs/heads/*"];
        let bytes = self.remote(scratch, Patience::UntilHurried(REMOTE_TIMEOUT), args).await?;
        Ok(Refs::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// A git command that talks to the remote, from a repository of our own making.
    pub(super) async fn remote<A: AsRef<std::ffi::OsStr>>(
        &self,
        dir: &Path,
        patience: Patience,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        self.git.remote(dir, &self.repo, self.credential.as_ref(), patience, args).await
    }

    /// The branch to start from, after checks that cost nothing.
    pub(super) fn start(&self, refs: &Refs) -> Result<String, Failure> {
        if refs.default.as_deref() == Some(self.branch.as_str()) {
            return Err(failure(
                RunExit::Configuration,
                format!(
                    "`{}` is the repository's default branch\nhint: let RALPH_BRANCH name another; the worker never pushes to the default branch",
                    self.branch
                ),
            ));
        }
        if refs.has(&self.branch) {
            return Ok(self.branch.clone());
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

    /// Makes the checkout, without writing to the remote.
    pub(crate) async fn make(&mut self) -> Result<Prepared, Failure> {
        let begun = Instant::now();
        let scratch = super::push::scratch()?;
        let refs = self.refs(scratch.path()).await?;
        self.start = self.start(&refs)?;

        // The credential is used in a repository the agent never sees …
        let bare = scratch.path().join("clone.git");
        self.git.local(scratch.path(), ["init", "-q", "--bare", "clone.git"]).await?;
        self.download(&bare, &self.start, "start").await?;

        // … and the checkout is made from there.
        self.fresh_dir()?;
        self.furnish(&bare, "start").await?;
        let dir = self.dir.clone();
        self.git.local(&dir, ["checkout", "-q", "-B", &self.branch, "FETCH_HEAD"]).await?;
        let tip = self.git.text(&dir, ["rev-parse", "HEAD"]).await?;
        self.pushed = refs.has(&self.branch).then(|| tip.clone());
        self.head.clone_from(&tip);
        self.begin.clone_from(&tip);
        self.known = tip;
        self.adopt(&refs, &bare).await?;
        self.recorded = match self.earlier {
            Some(ledger) => ledger,
            None => ledger::read(&self.git, &dir, &self.head, &self.run).await?,
        };
        self.prompt = self.read_prompt().await?;
        let complete = self.is_pushed() && self.says_complete().await;
        Ok(Prepared {
            commit: self.head.clone(),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ledger: self.recorded,
            complete,
        })
    }

    /// Fetches a branch of the remote into `bare`, under another name.
    pub(super) async fn download(
        &self,
        bare: &Path,
        branch: &str,
        name: &str,
    ) -> Result<(), GitError> {
        let refspec = format!("+refs/heads/{branch}:refs/heads/{name}");
        let repo = self.repo.as_str();
        let fetch = ["fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", repo, &refspec];
        self.remote(bare, Patience::UntilHurried(REMOTE_TIMEOUT), fetch).await?;
        Ok(())
    }

    /// Makes a repository in the checkout's folder and fetches a branch of `bare` into it, as
    /// FETCH_HEAD. The working tree stays as it is.
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
        Ok(())
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
        if self.dir.exists() {
            std::fs::remove_dir_all(&self.dir).map_err(problem)?;
        }
        std::fs::create_dir_all(&self.dir).map_err(problem)?;
        std::fs::create_dir_all(&self.home).map_err(problem)
    }

    /// The prompt as committed: the file in the tree could be a link to anywhere.
    pub(super) async fn read_prompt(&self) -> Result<String, Failure> {
        match committed(&self.git, &self.dir, &self.prompt_file).await {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(failure(
                RunExit::Configuration,
                format!("the prompt file `{}` is empty", self.prompt_file),
            )),
            None => Err(failure(
                RunExit::Configuration,
                format!(
                    "the repository has no prompt file `{}`\nhint: commit one, or let RALPH_PROMPT_FILE name it",
                    self.prompt_file
                ),
            )),
        }
    }

    pub(super) async fn says_complete(&self) -> bool {
        let text = committed(&self.git, &self.dir, PROGRESS_FILE).await;
        text.is_some_and(|text| completion::read(&text) == Completion::Complete)
    }
}

/// A file's text at HEAD; `None` when there is no such file, or no plain one, or it is huge.
pub(super) async fn committed(git: &Git, dir: &Path, path: &str) -> Option<String> {
    let entry = git.text(dir, ["ls-tree", "--long", "HEAD", "--", path]).await.ok()?;
    // <mode> blob <id> <size>\t<path>; 120000 is a symbolic link.
    let mut fields = entry.lines().next()?.split_ascii_whitespace();
    let (mode, kind, id, size) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let plain = mode.starts_with("100") && kind == "blob";
    if !plain || size.parse::<u64>().ok()? > MAX_TEXT {
        return None;
    }
    let bytes = git.local(dir, ["cat-file", "blob", id]).await.ok()?;
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
    }
}
