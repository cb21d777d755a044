//! Looks at everything a push would publish, intermediate commits too, and refuses files that are
//! too large and content that holds a credential.

use ralph_protocol::event::Level;

use super::{Checkout, push::Bare, run::GitError};
use crate::machine::SaveOrder;

/// Largest file that is pushed. GitHub warns above 50 MiB and refuses above 100.
pub const MAX_FILE: u64 = 50 << 20;

/// How much content is read at a time, unless one file alone is larger.
const BATCH: u64 = 8 << 20;

/// What must not be pushed.
#[derive(Debug, Default)]
struct Findings {
    /// (path, why); the path is empty for a commit's message.
    items: Vec<(String, String)>,
}

struct Object {
    id: String,
    size: u64,
    path: String,
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
        if found.items.is_empty() {
            return Ok((bare, None));
        }
        for (path, why) in &found.items {
            let what =
                if path.is_empty() { "a commit message".to_owned() } else { format!("`{path}`") };
            self.journal.log(Level::Error, format!("{what} is not pushed: it {why}"));
        }
        let known = self.known.clone();
        self.git
            .local(&self.dir, ["update-ref", &format!("refs/heads/{}", self.branch), &known])
            .await?;
        let paths: Vec<&str> = found
            .items
            .iter()
            .map(|(path, _)| path.as_str())
            .filter(|path| !path.is_empty())
            .collect();
        for path in &paths {
            self.git.local(&self.dir, ["reset", "-q", &known, "--", path]).await?;
        }
        self.exclude(&paths);
        self.commit(order).await?;
        self.head = self.git.text(&self.dir, ["rev-parse", "HEAD"]).await?;
        let bare = self.bare_copy().await?;
        if let Some((path, why)) = self.inspect(&bare).await?.items.into_iter().next() {
            return Err(GitError::Failed {
                command: "push".to_owned(),
                stderr: format!("refused by the worker: `{path}` {why}"),
            });
        }
        let note = format!(
            "These files were not committed, because they are too large or hold a credential: {}. \
             Remove them or what is wrong in them; never commit credentials.",
            paths.join(", ")
        );
        Ok((bare, Some(note)))
    }

    /// New untracked files by these names are not added again. Without the file they merely are
    /// found again.
    fn exclude(&self, paths: &[&str]) {
        use std::io::Write;
        let path = self.dir.join(".git/info/exclude");
        let lines: String = paths.iter().map(|path| format!("\n/{}\n", escape(path))).collect();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(lines.as_bytes()));
    }

    async fn inspect(&self, bare: &Bare) -> Result<Findings, GitError> {
        let mut found = Findings::default();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for object in self.objects(bare).await? {
            if self.journal.redactor().finds_credential(&object.path) {
                found.items.push((object.path.clone(), "has a credential in its name".to_owned()));
            }
            if object.size > MAX_FILE {
                let why = format!("is larger than {} MiB", MAX_FILE >> 20);
                found.items.push((object.path, why));
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
        found.items.sort();
        found.items.dedup();
        Ok(found)
    }

    /// Commits and files between the remote and HEAD.
    async fn objects(&self, bare: &Bare) -> Result<Vec<Object>, GitError> {
        let not = format!("^{}", self.known);
        let list = ["rev-list", "--objects", &bare.commit, &not, "--"];
        let listed = self.git.local(&bare.dir, list).await?;
        let check = ["cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"];
        let checked = self.git.fed(&bare.dir, check, listed).await?;
        let objects = String::from_utf8_lossy(&checked).lines().filter_map(object).collect();
        Ok(objects)
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
                found.items.push((object.path.clone(), "holds a credential".to_owned()));
            }
            rest = rest.get(head + size + 2..).unwrap_or_default();
        }
        Ok(())
    }
}

fn object(line: &str) -> Option<Object> {
    let mut fields = line.splitn(4, ' ');
    let kind = fields.next()?;
    let (id, size) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?);
    let path = fields.next().unwrap_or_default().to_owned();
    matches!(kind, "blob" | "commit").then_some(Object { id, size, path })
}

/// A path as a pattern of gitignore that means only itself.
fn escape(path: &str) -> String {
    path.chars()
        .flat_map(|c| "*?[\\ !#".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
