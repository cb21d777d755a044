//! Setup: what makes a checkout ready to work in. A command of whoever ordered the run, else a file
//! of the repository.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use ralph_protocol::{event::Level, exit::RunExit};

use super::{
    Checkout,
    prepare::{MAX_TEXT, entry},
    rebuild::remove,
    run::GitError,
    stage::{Tree, list, paths},
    untouched::{MOST, Untouched},
};
use crate::{agent::setup, machine::Failure};

/// The repository's own setup.
pub const SETUP_FILE: &str = ".ralph/setup";

/// Longer than the clock that stamps files takes for one step: what is changed later has another
/// time.
const TICK: Duration = Duration::from_millis(20);

/// What runs before the first iteration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setup {
    /// Nothing.
    #[default]
    Nothing,
    /// A shell's command line.
    Command(String),
    /// [`SETUP_FILE`].
    File {
        /// The branch that it is of.
        branch: String,
        /// What it holds; `None` when it is too large, or git cannot give it.
        content: Option<Vec<u8>>,
    },
    /// [`SETUP_FILE`], which cannot be run.
    Unfit {
        /// The branch that it is of.
        branch: String,
        /// Why, and what to do.
        why: String,
    },
}

impl Setup {
    /// Whether anything runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self, Self::Command(_) | Self::File { .. })
    }

    /// What runs, for a person; why nothing does, of a file that is there.
    #[must_use]
    pub fn says(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => return None,
            Self::Command(line) => format!("`{}`", clip(line)),
            Self::File { branch, .. } => format!("{SETUP_FILE} of {branch}"),
            Self::Unfit { branch, why } => format!("{SETUP_FILE} of {branch} is not run: {why}"),
        })
    }

    /// Why it would fail in any case.
    #[must_use]
    pub fn problem(&self) -> Option<Failure> {
        let Self::File { content, .. } = self else { return None };
        let Some(content) = content else {
            let why = format!(
                "it is larger than {} MiB, or git cannot read it\nhint: keep the script small, and let it start what is large",
                MAX_TEXT >> 20
            );
            return Some(self.failed(&why));
        };
        let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        (first.starts_with(b"#!") && first.ends_with(b"\r")).then(|| {
            let why = format!(
                "its first line ends in CR LF, and no program has a name that ends in CR\nhint: `{SETUP_FILE} text eol=lf` in .gitattributes, `git add --renormalize {SETUP_FILE}`, and commit both"
            );
            self.failed(&why)
        })
    }

    fn failed(&self, why: &str) -> Failure {
        let says = self.says().unwrap_or_default();
        Failure { exit: RunExit::Configuration, text: format!("setup failed: {says}: {why}") }
    }

    /// [`SETUP_FILE`] as git has it: its mode, and its content where that was read.
    fn of_file(branch: &str, mode: &str, content: Option<Vec<u8>>) -> Self {
        let unfit = |why: String| Self::Unfit { branch: branch.to_owned(), why };
        match (mode, content) {
            ("100755", content) => Self::File { branch: branch.to_owned(), content },
            ("100644", _) => unfit(format!(
                "it is not executable\nhint: `git update-index --chmod=+x {SETUP_FILE}`, and commit that"
            )),
            ("120000", _) => unfit(format!(
                "it is a link\nhint: make it a file, and then `git update-index --chmod=+x {SETUP_FILE}`"
            )),
            _ => unfit("it is not a file".to_owned()),
        }
    }
}

/// The beginning of a command, on one line.
fn clip(line: &str) -> String {
    const MOST: usize = 200;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = line.chars().take(MOST).map(plain).collect();
    if line.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

impl Checkout {
    /// What runs in this checkout. The file is read from the branch that the work starts from, as
    /// git has it: on its own branch the agent could have broken it. `tip` is where this run starts,
    /// of which it is read when the remote has no such branch.
    pub(super) async fn find_setup(&self, tip: &str) -> Setup {
        if let Some(line) = &self.setup_command {
            return Setup::Command(line.clone());
        }
        let mut bases = self.base.iter().chain(&self.default);
        let base = bases.find(|name| self.beside.contains(name));
        let of_base = base.map(|name| (name.as_str(), format!("refs/remotes/origin/{name}")));
        let of_start = (self.start.as_str(), tip.to_owned());
        for (branch, commit) in of_base.into_iter().chain([of_start]) {
            let name = format!("{commit}^{{commit}}");
            let known = self.git.text(&self.dir, ["rev-parse", "-q", "--verify", &name]).await;
            // A branch can be deleted in the moment of the download.
            let Ok(commit) = known else { continue };
            let Some(found) = entry(&self.git, &self.dir, &commit, SETUP_FILE).await else {
                return Setup::Nothing;
            };
            let content = found.read(&self.git, &self.dir).await;
            return Setup::of_file(branch, &found.mode, content);
        }
        Setup::Nothing
    }

    /// Runs it. What it leaves in the tree is not the agent's work.
    pub(super) async fn run_setup(&mut self) -> Result<(), Failure> {
        let Some(says) = self.setup.says().filter(|_| self.setup.runs()) else { return Ok(()) };
        if let Some(problem) = self.setup.problem() {
            return Err(problem);
        }
        let words = match &self.setup {
            Setup::File { content: Some(content), .. } => {
                let path = self.home.join("setup");
                write(&path, content).map_err(|error| {
                    self.setup.failed(&format!("cannot write {}: {error}", path.display()))
                })?;
                // The shell says what is wrong when it cannot be started.
                vec!["exec \"$0\"".to_owned(), path.to_string_lossy().into_owned()]
            }
            Setup::Command(line) => vec![line.clone()],
            Setup::Nothing | Setup::Unfit { .. } | Setup::File { content: None, .. } => {
                return Ok(());
            }
        };
        self.journal.log(Level::Info, format!("setup: {says}"));
        let begun = Instant::now();
        let order = setup::Order {
            words,
            dir: &self.dir,
            environment: self.environment.clone(),
            timeout: self.setup_timeout,
            journal: &self.journal,
        };
        setup::run(order).await.map_err(|why| self.setup.failed(&why))?;
        let took = begun.elapsed().as_secs_f64();
        self.journal.log(Level::Info, format!("setup took {took:.1} s"));
        self.remember_tree().await;
        Ok(())
    }

    /// Remembers what the tree holds beside the commit.
    async fn remember_tree(&mut self) {
        tokio::time::sleep(TICK).await;
        let tree = Tree { git: &self.git, dir: &self.dir };
        let changed = async {
            self.repair().await?;
            // What it staged is not the agent's work either.
            self.git_inert(&["reset", "-q"]).await?;
            tree.changed().await
        };
        match changed.await {
            Ok(paths) => {
                let (untouched, whole) = Untouched::new(&self.dir, paths);
                self.untouched = untouched;
                if !whole {
                    let text = format!(
                        "setup left more than {MOST} files that git does not ignore; the others count as the agent's work\nhint: name their folder in .gitignore"
                    );
                    self.journal.log(Level::Warn, text);
                }
            }
            Err(error) => {
                let text = format!("what setup left counts as the agent's work: {error}");
                self.journal.log(Level::Warn, text);
            }
        }
    }

    /// Takes back what setup did to files that others have changed: on the branch theirs count, and
    /// git would not put its own file in the place of another.
    pub(super) async fn make_way(&self, theirs: &str) -> Result<(), GitError> {
        for (which, is_new) in [("--diff-filter=A", true), ("--diff-filter=a", false)] {
            let differs = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", which];
            let differs = differs.into_iter().chain(["HEAD", theirs]);
            let changed = self.git.local(&self.dir, differs).await?;
            let of_setup: Vec<_> = paths(&changed).filter(|p| self.untouched.has(p)).collect();
            if is_new {
                // A folder stays: it may hold work.
                of_setup.iter().for_each(|path| drop(fs::remove_file(self.dir.join(path))));
            } else if !of_setup.is_empty() {
                let inert = Tree { git: &self.git, dir: &self.dir }.inert_drivers().await;
                let again = ["checkout-index", "-q", "-f", "-z", "--stdin"];
                self.git.fed_with(&self.dir, inert, again, list(of_setup)).await?;
            }
        }
        Ok(())
    }
}

/// A program, in the place of whatever is there.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    remove(path)?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(path)?;
    std::io::Write::write_all(&mut file, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_that_is_executable_is_run() {
        let content = || Some(b"#!/bin/sh\n".to_vec());
        for (mode, content, expected) in [
            ("100755", content(), ".ralph/setup of main"),
            ("100644", content(), "hint: `git update-index --chmod=+x .ralph/setup`"),
            ("120000", content(), "it is a link\nhint: "),
            ("040000", None, "not a file"),
            ("160000", None, "not a file"),
        ] {
            let setup = Setup::of_file("main", mode, content);
            assert_eq!(setup.runs(), expected == ".ralph/setup of main", "{mode}");
            assert!(setup.says().unwrap().contains(expected), "{setup:?}");
        }
        assert_eq!(Setup::Nothing.says(), None);
        let huge = Setup::of_file("main", "100755", None);
        assert!(huge.runs() && huge.problem().unwrap().text.contains("larger than 4 MiB"));
    }

    #[test]
    fn a_long_command_is_shown_by_its_beginning() {
        let setup = Setup::Command(format!("make\tdeps\n{}", "é".repeat(300)));
        let says = setup.says().unwrap();
        assert!(says.starts_with("`make deps é") && says.ends_with("…`"), "{says}");
        assert!(says.chars().count() < 210, "{says}");
    }
}
