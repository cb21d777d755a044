//! Looks at everything a push would publish, intermediate commits too, and refuses files that are
//! too large and content that holds a credential.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use ralph_protocol::event::Level;

use super::{Checkout, lfs, push::Bare, run::GitError};
use crate::machine::SaveOrder;

/// Largest file that is pushed. GitHub warns above 50 MiB and refuses above 100.
pub const MAX_FILE: u64 = 50 << 20;

/// How much content is read at a time, unless one file alone is larger.
const BATCH: u64 = 8 << 20;

/// What must not be pushed: (path, why), sorted; the path is empty for a commit's message.
pub(super) type Findings = Vec<(OsString, String)>;

/// A commit or a file's content, and every name it has in the commits.
struct Object {
    id: String,
    size: u64,
    paths: Vec<OsString>,
}

impl Checkout {
    /// Makes the copy that is pushed and checks, in the copy, what lies between the remote and
    /// HEAD: nothing in the checkout can hide a commit there. When something must not be pushed,
    /// the commits are replaced by one without it; the files stay in the tree. Returns what the
    /// agent should be told.
    pub(super) async fn guarded_copy(
        &mut self,
        order: &SaveOrder,
    ) -> Result<(Bare, Option<String>), GitError> {
        let bare = self.bare_copy().await?;
        let found = self.inspect(&bare).await?;
        if found.is_empty() {
            return Ok((bare, None));
        }
        for (path, why) in &found {
            let what = if path.is_empty() {
                "a commit message".to_owned()
            } else {
                format!("`{}`", path.display())
            };
            self.journal.log(Level::Error, format!("{what} is not pushed: it {why}"));
        }
        // What only an earlier commit or a message held is gone when one commit replaces them all.
        let (bare, left) = self.replace(order, &[]).await?;
        if left.is_empty() {
            let note = "Your commits were replaced by a single one, because one of them held a \
                        credential, a file that is too large, or one that belongs into LFS. Never \
                        commit credentials.";
            return Ok((bare, Some(note.to_owned())));
        }
        // What LFS refuses today it may take tomorrow.
        let lasting = left.iter().filter(|(_, why)| !why.starts_with(lfs::NOT_STORED));
        let lasting: Vec<OsString> = lasting.map(|(path, _)| path.clone()).collect();
        let mut paths: Vec<OsString> = left.into_iter().map(|(path, _)| path).collect();
        paths.dedup();
        let (bare, left) = self.replace(order, &paths).await?;
        if let Some((path, why)) = left.first() {
            return Err(GitError::Failed {
                command: "push".to_owned(),
                stderr: format!("refused by the worker: `{}` {why}", path.display()),
            });
        }
        self.exclude(&lasting);
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let note = format!(
            "These files were not committed, because they are too large, hold a credential or cannot be stored \
             in LFS: {}. Remove them or what is wrong in them; never commit credentials.",
            names.join(", ")
        );
        Ok((bare, Some(note)))
    }

    /// Puts one commit in the place of all that the remote does not have, with these paths as the
    /// remote has them, and looks again.
    async fn replace(
        &mut self,
        order: &SaveOrder,
        paths: &[OsString],
    ) -> Result<(Bare, Findings), GitError> {
        let branch = format!("refs/heads/{}", self.branch);
        self.git.local(&self.dir, ["update-ref", &branch, &self.known]).await?;
        if !paths.is_empty() {
            let list = paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
            let reset =
                ["reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", &self.known];
            self.git.fed(&self.dir, reset, list).await?;
        }
        self.commit(order).await?;
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        let bare = self.bare_copy().await?;
        let found = self.inspect(&bare).await?;
        Ok((bare, found))
    }

    /// New untracked files by these names are not added again. Without the file they merely are
    /// found again.
    fn exclude(&self, paths: &[OsString]) {
        use std::io::Write;
        let file = self.dir.join(".git/info/exclude");
        // A pattern ends with its line.
        let plain = paths.iter().map(|path| path.as_bytes()).filter(|path| !path.contains(&b'\n'));
        let lines: Vec<u8> =
            plain.flat_map(|path| [b"\n/", escape(path).as_slice(), b"\n"].concat()).collect();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        let _ = file.and_then(|mut file| file.write_all(&lines));
    }

    async fn inspect(&self, bare: &Bare) -> Result<Findings, GitError> {
        let mut found = Findings::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for object in self.objects(bare).await? {
            for path in &object.paths {
                if self.journal.redactor().finds_credential(&path.to_string_lossy()) {
                    found.push((path.clone(), "has a credential in its name".to_owned()));
                }
            }
            if object.size > MAX_FILE {
                let why = format!("is larger than {} MiB", MAX_FILE >> 20);
                found.extend(object.paths.into_iter().map(|path| (path, why.clone())));
                continue;
            }
            bytes += object.size;
            batch.push(object);
            if bytes >= BATCH {
                self.read_batch(bare, &std::mem::take(&mut batch), &mut found).await?;
                bytes = 0;
            }
        }
        self.read_batch(bare, &batch, &mut found).await?;
        self.inspect_lfs(bare, &mut found).await?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Commits between the remote and HEAD, and every file that one of them adds or changes.
    async fn objects(&self, bare: &Bare) -> Result<Vec<Object>, GitError> {
        let not = format!("^{}", self.known);
        let commits = self.git.local(&bare.dir, ["rev-list", &bare.commit, &not, "--"]).await?;
        let mut paths: BTreeMap<String, Vec<OsString>> = BTreeMap::new();
        for id in String::from_utf8_lossy(&commits).lines() {
            paths.entry(id.to_owned()).or_default().push(OsString::new());
        }
        // By name: one content may have several, and the remote may have it under another.
        let diff =
            ["diff-tree", "--stdin", "--root", "-r", "-m", "-z", "--no-renames", "--no-commit-id"];
        let changes = self.git.fed(&bare.dir, diff, commits).await?;
        for (id, path) in changed_files(&changes) {
            paths.entry(id).or_default().push(path);
        }
        let ids: String = paths.keys().map(|id| format!("{id}\n")).collect();
        let check = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
        let checked = self.git.fed(&bare.dir, check, ids.into_bytes()).await?;
        let sized = |line: &str| {
            let (id, size) = line.split_once(' ')?;
            Some(Object { id: id.to_owned(), size: size.parse().ok()?, paths: paths.remove(id)? })
        };
        Ok(String::from_utf8_lossy(&checked).lines().filter_map(sized).collect())
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
            let Some(head) = memchr::memchr(b'\n', rest) else { break };
            let size = usize::try_from(object.size).unwrap_or(usize::MAX);
            let Some(body) = rest.get(head + 1..head + 1 + size) else { break };
            if self.journal.redactor().finds_credential(&String::from_utf8_lossy(body)) {
                let why = || "holds a credential".to_owned();
                found.extend(object.paths.iter().map(|path| (path.clone(), why())));
            }
            rest = rest.get(head + size + 2..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Contents and names of files in `diff-tree -r -z`: `:<mode> <mode> <id> <id> <status>\0<path>\0`.
/// What was deleted, and links to other repositories, have no content here.
fn changed_files(raw: &[u8]) -> Vec<(String, OsString)> {
    let mut fields = raw.split(|byte| *byte == 0);
    let mut files = Vec::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        let head = String::from_utf8_lossy(head);
        let mut words = head.split(' ').skip(1);
        let (mode, id) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        if mode.starts_with("10") || mode == "120000" {
            files.push((id.to_owned(), OsString::from_vec(path.to_vec())));
        }
    }
    files
}

/// A path as a pattern of gitignore that means only itself.
fn escape(path: &[u8]) -> Vec<u8> {
    path.iter()
        .flat_map(|c| b"*?[\\ !#".contains(c).then_some(b'\\').into_iter().chain([*c]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_have_all_their_names() {
        let raw = b":000000 100644 0 a A\0x\0:100644 100755 b a M\0d/y\nz\0:100644 000000 a 0 D\0gone\0:000000 160000 0 c A\0sub\0:000000 120000 0 l A\0link\0";
        let names: Vec<_> = changed_files(raw);
        let expected = [("a", "x"), ("a", "d/y\nz"), ("l", "link")];
        assert_eq!(names, expected.map(|(id, path)| (id.to_owned(), OsString::from(path))));
        assert!(changed_files(b"").is_empty());
    }

    #[test]
    fn a_pattern_means_only_its_path() {
        assert_eq!(escape(b"a*[1] !#\\?"), br"a\*\[1]\ \!\#\\\?");
    }
}
