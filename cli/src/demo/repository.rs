//! The git repository that the demo works on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::tools::program::{find, output};

/// A repository on this machine.
pub struct Repository {
    folder: PathBuf,
    prompt: String,
    git: PathBuf,
}

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
            vec!["clone", "--quiet", "--bare", ".", &folder],
        ] {
            output(Command::new(&git).args(arguments).current_dir(&work)).await?;
        }
        fs::remove_dir_all(&work)?;
        Ok(Self { folder: bare, prompt: "PROMPT.md".to_owned(), git })
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
        Ok(Self { folder, prompt: prompt.to_owned(), git })
    }

    /// git in the repository, which belongs to a container's user if the worker ran in one.
    fn git(&self) -> Command {
        let mut command = Command::new(&self.git);
        let safe = format!("safe.directory={}", self.folder.display());
        command.args(["-c", &safe]).current_dir(&self.folder);
        command
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Where a branch stands; HEAD, where there is no such branch yet.
    pub async fn tip(&self, branch: &str) -> String {
        let mut parse = self.git();
        parse.args(["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]);
        output(&mut parse).await.map_or_else(|_| "HEAD".to_owned(), |text| text.trim().to_owned())
    }

    /// Subjects of the commits that a branch has beyond `tip`, newest first.
    pub async fn commits(&self, tip: &str, branch: &str) -> Result<Vec<String>> {
        let mut log = self.git();
        log.args(["log", "--format=%h %s", &format!("{tip}..refs/heads/{branch}")]);
        // No such branch: nothing was pushed, and the report says so.
        let text = output(&mut log).await.unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }
}
