//! The git repository that the demo works on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use ralph_protocol::{execution::number_of, ids::RESCUE_PREFIX};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::tools::{
    hex,
    program::{find, output},
};

/// A repository on this machine.
///
/// Once an agent in a container has worked on it, git does not run in it any more: its settings may
/// name programs. Only `git upload-pack` does, which is made for repositories that nobody vouches for
/// (<https://git-scm.com/docs/git#_security>).
pub struct Repository {
    folder: PathBuf,
    /// Where its objects are.
    objects: PathBuf,
    prompt: String,
    git: PathBuf,
}

/// What a container's user adds can be removed by us. Nobody else enters the folders that it lies in.
const SHARED: &str = "core.sharedRepository=0666";

const FILES: [(&str, &str); 3] = [
    ("README.md", "# Greetings\n\nA very small project that a demo works on.\n"),
    (
        "PROMPT.md",
        "Read PROGRESS.md, do the next open task, tick it off there and commit.\nWhen every task is done, set the status line to `## Status: COMPLETE`.\n",
    ),
    (
        "PROGRESS.md",
        "# Progress\n\n## Status: IN PROGRESS\n\n- [ ] say hello\n- [ ] say it in three languages\n- [ ] test it\n",
    ),
];

impl Repository {
    /// Makes a bare repository with one commit on `main`.
    pub async fn new(parent: &Path) -> Result<Self> {
        let git = find("git")?;
        fs::create_dir_all(parent)?;
        // One for each demo: several may run in one local cloud.
        let name = ulid::Ulid::generate().to_string();
        let (work, bare) =
            (parent.join(format!("{name}-work")), parent.join(format!("{name}.git")));
        fs::create_dir_all(&work)?;
        for (file, text) in FILES {
            fs::write(work.join(file), text)?;
        }
        let folder = bare.to_string_lossy().into_owned();
        for arguments in [
            vec!["init", "--quiet", "--initial-branch=main"],
            vec!["add", "."],
            vec![
                "-c",
                "user.name=Demo",
                "-c",
                "user.email=demo@example.invalid",
                "-c",
                "commit.gpgsign=false",
                "commit",
                "--quiet",
                "-m",
                "Begin",
            ],
            vec!["clone", "--quiet", "--bare", "--config", SHARED, ".", &folder],
        ] {
            output(Command::new(&git).args(arguments).current_dir(&work)).await?;
        }
        fs::remove_dir_all(&work)?;
        Ok(Self::bare(bare, "PROMPT.md", git))
    }

    fn bare(folder: PathBuf, prompt: &str, git: PathBuf) -> Self {
        Self { objects: folder.join("objects"), folder, prompt: prompt.to_owned(), git }
    }

    /// A copy of it, for a worker that must not have the repository itself. If an earlier one was not
    /// taken back, because somebody was killed, that comes first.
    pub async fn copy(&self, parent: &Path, branch: &str) -> Result<Self> {
        let whose = Sha256::digest(format!("{}\n{branch}", self.folder.display()));
        let name = hex::of(&whose[..8]) + ".git";
        let copy = Self::bare(parent.join(name), &self.prompt, self.git.clone());
        if copy.folder.exists() {
            self.take_back(&copy, branch).await?;
        }
        let mut clone = Command::new(&self.git);
        // As from another machine: no hard links, whose files would change their owner, and nothing that
        // no branch leads to.
        clone.args(["clone", "--quiet", "--bare", "--no-local", "--config", SHARED]);
        output(clone.arg(&self.folder).arg(&copy.folder)).await?;
        Ok(copy)
    }

    /// Takes a workstream's branch over from a copy, and work that was rescued, and removes the copy.
    pub async fn take_back(&self, copy: &Self, branch: &str) -> Result<()> {
        let mut fetch = Command::new(&self.git);
        fetch
            .args(["fetch", "--quiet", "--no-write-fetch-head", "--no-tags"])
            .args(["--no-recurse-submodules", "--upload-pack", &copy.upload_pack(), &copy.url()])
            .arg(format!("refs/heads/{RESCUE_PREFIX}/*:refs/heads/{RESCUE_PREFIX}/*"))
            .current_dir(&self.folder);
        if copy.pushed(branch).await?.is_some() {
            fetch.arg(format!("refs/heads/{branch}:refs/heads/{branch}"));
        }
        output(&mut fetch).await.with_context(|| {
            format!(
                "the branch {branch} cannot be taken over into {}\nhint: fetch it from {}, then remove that folder",
                self.folder.display(),
                copy.folder.display()
            )
        })?;
        fs::remove_dir_all(&copy.folder)
            .with_context(|| format!("{} cannot be removed", copy.folder.display()))
    }

    /// The newest branch of a workstream, which the demo's execution goes on upon; its first one, where
    /// there is none.
    pub async fn newest(&self, branch: String) -> Result<String> {
        let mut list = Command::new(&self.git);
        list.args(["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/"]);
        let names = output(list.current_dir(&self.folder)).await?;
        let numbered = names.lines().filter_map(|name| Some((number_of(&branch, name)?, name)));
        Ok(numbered.max().map_or_else(|| branch.clone(), |(_, name)| name.to_owned()))
    }

    /// # Errors
    /// When a branch is checked out: nobody can push to it then.
    pub async fn check_free(&self, branch: &str) -> Result<()> {
        let mut list = Command::new(&self.git);
        list.args(["worktree", "list", "--porcelain"]).current_dir(&self.folder);
        let used = format!("branch refs/heads/{branch}");
        if output(&mut list).await?.lines().any(|line| line == used) {
            bail!(
                "{branch} is checked out in {}, so that nothing can be pushed to it\nhint: check out another branch, or name another --workstream",
                self.folder.display()
            );
        }
        Ok(())
    }

    /// A person's own repository: pushes go to its branch `ralph/<workstream>`, nothing else in it
    /// changes.
    pub async fn existing(folder: &Path, prompt: &str) -> Result<Self> {
        let git = find("git")?;
        let folder = folder
            .canonicalize()
            .with_context(|| format!("{} does not exist", folder.display()))?;
        let mut top = Command::new(&git);
        top.args(["rev-parse", "--absolute-git-dir"]).current_dir(&folder);
        let found = output(&mut top)
            .await
            .with_context(|| format!("{} is not a git repository", folder.display()))?;
        let found = PathBuf::from(found.trim());
        // `.git` is a file where several work trees share one repository.
        if found != folder && !folder.join(".git").exists() {
            bail!(
                "{} lies inside a git repository\nhint: name the repository's own folder with --repo",
                folder.display()
            );
        }
        let mut show = Command::new(&git);
        show.args(["cat-file", "-e", &format!("HEAD:{prompt}")]).current_dir(&folder);
        if output(&mut show).await.is_err() {
            bail!(
                "{} has no committed file {prompt}\nhint: --prompt is a path inside the repository, and the file must be committed",
                folder.display()
            );
        }
        // Work trees of one repository share its objects.
        let mut common = Command::new(&git);
        common.args(["rev-parse", "--path-format=absolute", "--git-common-dir"]);
        let common = output(common.current_dir(&folder)).await?;
        let objects = Path::new(common.trim()).join("objects");
        Ok(Self { folder, objects, prompt: prompt.to_owned(), git })
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Where a branch stands before the worker starts; HEAD, where there is no such branch yet.
    pub async fn tip(&self, branch: &str) -> Result<String> {
        let commit = |name: String| {
            let mut parse = Command::new(&self.git);
            parse.args(["rev-parse", "--verify", "--quiet", &name]).current_dir(&self.folder);
            async move { output(&mut parse).await.map(|text| text.trim().to_owned()) }
        };
        match commit(format!("refs/heads/{branch}")).await {
            Ok(tip) => Ok(tip),
            Err(_) => commit("HEAD".to_owned()).await,
        }
    }

    /// The command that gives the repository's contents away, also if it belongs to a container's user.
    fn upload_pack(&self) -> String {
        let folder = self.folder.to_string_lossy();
        format!("git -c safe.directory={} upload-pack", shell_words::quote(&folder))
    }

    /// The commit that a branch stands at, if there is one of that name.
    async fn pushed(&self, branch: &str) -> Result<Option<String>> {
        let mut list = Command::new(&self.git);
        list.args(["ls-remote", "--upload-pack", &self.upload_pack(), &self.url()])
            .arg(format!("refs/heads/{branch}"));
        let listed = output(&mut list).await?;
        Ok(listed.split_once('\t').map(|(commit, _)| commit.to_owned()))
    }

    /// Subjects of the commits that a branch has beyond `tip`, newest first.
    pub async fn commits(&self, tip: &str, branch: &str) -> Result<Vec<String>> {
        let Some(commit) = self.pushed(branch).await? else {
            // The report says so.
            return Ok(Vec::new());
        };
        // A repository of our own, with our settings, that looks up the objects there.
        let reader = tempfile::tempdir()?;
        let mut init = Command::new(&self.git);
        output(init.args(["init", "--quiet", "--bare"]).arg(reader.path())).await?;
        let mut log = Command::new(&self.git);
        log.args(["log", "--format=%h %s", &format!("{tip}..{commit}")])
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.objects)
            .current_dir(reader.path());
        Ok(output(&mut log).await?.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn git(folder: &Path, words: &str) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.invalid"]);
        git.args(words.split(' ')).current_dir(folder);
        output(&mut git).await.unwrap();
    }

    #[tokio::test]
    async fn an_agent_that_had_a_copy_runs_nothing_here_and_its_work_is_taken_back() {
        let place = tempfile::tempdir().unwrap();
        let own = Repository::new(place.path()).await.unwrap();
        let copies = place.path().join("copies");
        fs::create_dir(&copies).unwrap();
        let copy = own.copy(&copies, "ralph/docs").await.unwrap();
        let tip = copy.tip("ralph/docs").await.unwrap();
        // The agent works in the copy, and leaves programs behind that git would run.
        let work = place.path().join("work");
        git(place.path(), &format!("clone --quiet {} work", copy.folder.display())).await;
        git(&work, "checkout --quiet -b ralph/docs").await;
        git(&work, "commit --quiet --allow-empty -m Work").await;
        git(&work, "push --quiet origin ralph/docs").await;
        let ran = place.path().join("ran");
        let program = format!("touch {}", ran.display());
        for setting in ["gpg.program", "core.fsmonitor", "core.pager", "uploadpack.packObjectsHook"]
        {
            let mut config = Command::new("git");
            output(config.args(["config", setting, &program]).current_dir(&copy.folder))
                .await
                .unwrap();
        }
        git(&copy.folder, "config log.showSignature true").await;

        let commits = copy.commits(&tip, "ralph/docs").await.unwrap();
        assert!(commits.len() == 1 && commits[0].ends_with(" Work"), "{commits:?}");
        assert_eq!(copy.commits(&tip, "ralph/other").await.unwrap(), Vec::<String>::new());
        // Somebody was killed, and the next one takes it back.
        let again = own.copy(&copies, "ralph/docs").await.unwrap();
        assert_eq!(own.commits(&tip, "ralph/docs").await.unwrap(), commits);
        assert!(!ran.exists());
        own.take_back(&again, "ralph/docs").await.unwrap();
        assert!(!again.folder.exists());
        // As an execution chooses.
        let newest = async || own.newest("ralph/docs".to_owned()).await.unwrap();
        assert_eq!(newest().await, "ralph/docs");
        for (name, expected) in [
            ("docs.2", "docs.2"),
            ("docs.10", "docs.10"),
            ("docs.x", "docs.10"),
            ("doc", "docs.10"),
        ] {
            git(&own.folder, &format!("branch ralph/{name} ralph/docs")).await;
            assert_eq!(newest().await, format!("ralph/{expected}"), "{name}");
        }
        assert_eq!(own.newest("ralph/other".to_owned()).await.unwrap(), "ralph/other");
    }
}
