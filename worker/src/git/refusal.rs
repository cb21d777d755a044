//! Why a remote refused a push, and which files it names.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
};

use super::run::GitError;

/// Why a push to a branch did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The branch holds commits we do not have.
    Behind,
    /// No branch can have this name beside another one.
    NameTaken(String),
    /// The remote's rules forbid it: the reason, and the whole of what it said.
    Rejected {
        /// The reason on the branch's line.
        why: String,
        /// Every line of the remote's own.
        said: String,
    },
}

impl Refusal {
    /// What `git push --porcelain` says about a refused branch:
    /// `!<tab>from:to<tab>[rejected] (why)`. `None` when it says nothing about a branch.
    pub(super) fn of(error: &GitError) -> Option<Self> {
        let text = error.stderr();
        let line = text.lines().find(|line| line.starts_with("!\t"))?;
        let why = line.rsplit('\t').next().unwrap_or_default();
        let remote = text.lines().filter_map(|line| line.strip_prefix("remote: "));
        let said = remote.map(str::trim_end).collect::<Vec<_>>().join("\n");
        // refs/files-backend.c, and what GitHub says about the same thing.
        let taken = ["exists; cannot create", "directory file conflict"];
        if let Some(line) = text.lines().find(|line| taken.iter().any(|sign| line.contains(sign))) {
            return Some(Self::NameTaken(line.trim_start_matches("remote: ").to_owned()));
        }
        // The last three: another push took the branch between our look and our write.
        let behind = [
            "(fetch first)",
            "(non-fast-forward)",
            "failed to update ref",
            "cannot lock ref",
            "incorrect old value",
        ];
        if why.starts_with("[rejected]") || behind.iter().any(|sign| why.contains(sign)) {
            return Some(Self::Behind);
        }
        why.starts_with("[remote rejected]").then(|| Self::Rejected { why: why.to_owned(), said })
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Behind => "the branch holds other work".to_owned(),
            Self::NameTaken(why) => format!("the remote cannot have a branch of this name: {why}"),
            Self::Rejected { why, said } => {
                format!("the remote rejected the push: {why} {said}").trim_end().to_owned()
            }
        }
    }

    /// Those of the changed paths that the remote names, itself or a folder they are in.
    pub(super) fn names(&self, changed: &BTreeSet<OsString>) -> BTreeSet<OsString> {
        let Self::Rejected { why, said } = self else { return BTreeSet::new() };
        let words = words(why).chain(words(said)).collect::<BTreeSet<_>>();
        let named = |plain: bool| {
            let is_named = |path: &&OsString| is_named(path, &words, plain);
            changed.iter().filter(is_named).cloned().collect::<BTreeSet<_>>()
        };
        // A file called `push` is meant only if nothing that looks like a path is.
        let clear = named(false);
        if clear.is_empty() { named(true) } else { clear }
    }
}

/// The words of a text, without the marks that people put around and after a path.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let edges = |c: char| c.is_whitespace() || "`'\"()[]<>{},;*".contains(c);
    text.split(edges).map(|word| {
        // `path.`, and `path:12:3` with a line and a column.
        let mut word = word.trim_end_matches([':', '.', '!', '?']);
        while let Some((path, number)) = word.rsplit_once(':')
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            word = path;
        }
        word.strip_prefix("./").unwrap_or(word)
    })
}

fn is_named(path: &OsStr, words: &BTreeSet<&str>, plain: bool) -> bool {
    let Some(path) = path.to_str() else { return false };
    let looks_like_a_path = |name: &str| name.contains(['/', '.']);
    if words.contains(path) && (plain || looks_like_a_path(path)) {
        return true;
    }
    // A folder is meant only when it is written as one: `.github/workflows`, `secrets/`.
    path.match_indices('/').any(|(at, _)| {
        let (folder, slashed) = (&path[..at], &path[..=at]);
        words.contains(slashed) || (looks_like_a_path(folder) && words.contains(folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(stderr: &str) -> GitError {
        GitError::Failed { command: "push".into(), stderr: stderr.into() }
    }

    #[test]
    fn what_a_remote_says_about_a_branch() {
        let cases = [
            ("!\ta:b\t[rejected] (fetch first)", Some("behind")),
            ("!\ta:b\t[rejected] (non-fast-forward)", Some("behind")),
            ("!\ta:b\t[remote rejected] (failed to update ref)", Some("behind")),
            (
                "remote: error: cannot lock ref 'refs/heads/ralph/docs': 'refs/heads/ralph' exists; cannot create 'refs/heads/ralph/docs'\n!\ta:b\t[remote rejected] (failed to update ref)",
                Some("taken"),
            ),
            ("!\ta:b\t[remote rejected] (directory file conflict)", Some("taken")),
            ("!\ta:b\t[remote rejected] (pre-receive hook declined)", Some("rejected")),
            ("fatal: unable to access", None),
        ];
        for (text, expected) in cases {
            let got = Refusal::of(&error(text)).map(|refusal| match refusal {
                Refusal::Behind => "behind",
                Refusal::NameTaken(_) => "taken",
                Refusal::Rejected { .. } => "rejected",
            });
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn the_files_that_a_remote_names() {
        let changed = [
            ".github/workflows/ci.yml",
            ".github/dependabot.yml",
            "src/main.rs",
            "config/keys.py",
            "big.bin",
            "push",
            "Makefile",
            "secrets/a",
        ];
        let changed: BTreeSet<OsString> = changed.into_iter().map(OsString::from).collect();
        let cases: [(&str, &[&str]); 10] = [
            (
                "refusing to allow a Personal Access Token to create or update workflow `.github/workflows/ci.yml` without `workflow` scope",
                &[".github/workflows/ci.yml"],
            ),
            (
                "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission",
                &[".github/workflows/ci.yml"],
            ),
            ("changes below .github/workflows/ are not allowed.", &[".github/workflows/ci.yml"]),
            ("changes in .github/workflows are not allowed", &[".github/workflows/ci.yml"]),
            (
                "—— GitHub Personal Access Token ——\n locations:\n  - commit: 8b1c\n    path: config/keys.py:12",
                &["config/keys.py"],
            ),
            (
                "error: File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB",
                &["big.bin"],
            ),
            ("Makefile must not change", &["Makefile"]),
            ("the folder secrets/ is closed", &["secrets/a"]),
            ("no secrets in this push, see src/main.rs:4:7", &["src/main.rs"]),
            ("commits must be signed", &[]),
        ];
        for (said, expected) in cases {
            let why = "[remote rejected] (hook declined)".to_owned();
            let named = Refusal::Rejected { why, said: said.to_owned() }.names(&changed);
            let expected: BTreeSet<OsString> = expected.iter().map(OsString::from).collect();
            assert_eq!(named, expected, "{said}");
        }
    }
}
