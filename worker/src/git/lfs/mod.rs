//! git-lfs: content that the repository keeps beside git, with a pointer file in its place.
//!
//! The program `git-lfs` talks to the remote, in repositories of our own making alone, since its
//! settings can name programs to run. Whatever happens in the checkout is done here: pointers are
//! made by a [`filter`] of our own, content is put in place by us, and an object that the agent
//! could have changed counts only by its SHA-256.

mod filter;
mod pointer;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use ralph_protocol::event::Level;

use super::{
    Checkout,
    bare::Bare,
    run::{Git, GitError, Patience, REMOTE_TIMEOUT, Setting},
    stage::{Change, Findings, LINKS, Tree, list},
};
use pointer::{MAX_POINTER, Pointer};

pub use filter::filter;
pub(super) use store::room;

/// The hidden command by which git starts the worker as its filter.
pub const FILTER: &str = "lfs-filter";

/// Largest file that is pushed to LFS: what GitHub takes without a paid plan.
pub(super) const MAX_LFS_FILE: u64 = 2 << 30;

/// The beginning of a reason that may be gone at the next push.
pub(super) const NOT_STORED: &str = "cannot be stored in LFS";

/// How many objects one command is told of.
const BATCH: usize = 200;

/// How many names a warning has.
const NAMED: usize = 5;

/// What git has to know of the filter, which is the worker's own program, whatever the checkout's
/// configuration says. It is required, so that git streams large files through it and never falls
/// back to their content.
pub(super) fn settings(own: Option<&Path>) -> Vec<Setting> {
    let Some(program) = own else { return Vec::new() };
    let process = format!("{} {FILTER}", shell_words::quote(&program.to_string_lossy()));
    [("process", process.as_str()), ("required", "true")]
        .map(|(name, value)| (format!("filter.lfs.{name}").into(), value.into()))
        .to_vec()
}

/// A pointer and a name that it has.
type Named = (Pointer, OsString);

impl Checkout {
    /// Lets the agent's own git make pointers and content of each other, as `git lfs install` does.
    /// What is not here stays a pointer; the agent has no credential to ask for more.
    pub(super) async fn install_lfs(&self) -> Result<(), GitError> {
        if self.git.lfs.is_none() {
            return Ok(());
        }
        for (name, value) in [
            ("filter.lfs.clean", "git-lfs clean -- %f"),
            ("filter.lfs.smudge", "git-lfs smudge -- %f"),
            ("filter.lfs.process", "git-lfs filter-process"),
            ("filter.lfs.required", "true"),
            ("lfs.skipdownloaderrors", "true"),
        ] {
            self.git.local(&self.dir, ["config", name, value]).await?;
        }
        Ok(())
    }

    /// Puts content in the place of the pointers of a commit that is in `bare`, one of our own
    /// repositories, and checked out. What cannot be had stays a pointer, with a warning.
    pub(super) async fn furnish_lfs(&self, bare: &Path, commit: &str) {
        if self.dry {
            return;
        }
        if let Err(error) = self.try_furnish_lfs(bare, commit).await {
            let text = format!("files of git-lfs were not fetched: {error}");
            self.journal.log(Level::Warn, text);
        }
    }

    async fn try_furnish_lfs(&self, bare: &Path, commit: &str) -> Result<(), GitError> {
        let pointers = pointers(&self.git, bare, commit).await?;
        if pointers.is_empty() {
            return Ok(());
        }
        let store = self.lfs_store();
        let missing: Vec<&Named> =
            pointers.iter().filter(|(pointer, _)| !self.has(pointer)).collect();
        let room = store::room(&[bare, &self.dir]);
        let (wanted, left) = fitting(&missing, room);
        if !left.is_empty() {
            let why =
                format!("files of git-lfs do not fit in a third of the free space, {room} bytes");
            self.warn_of(&left, &why);
        }
        if !wanted.is_empty() {
            self.fetch(bare, &wanted).await?;
            for pointer in &wanted {
                store::take(&bare.join("lfs/objects"), &store, pointer);
            }
        }
        let gone: Vec<&Named> = missing
            .iter()
            .filter(|(pointer, _)| wanted.contains(pointer) && !self.has(pointer))
            .copied()
            .collect();
        if !gone.is_empty() {
            self.warn_of(&gone, "files of git-lfs could not be fetched");
        }
        let mut put = Vec::new();
        for (pointer, path) in pointers.iter().filter(|(pointer, _)| self.has(pointer)) {
            if store::put(&store, pointer, &self.dir.join(path)).await {
                put.push(path.as_os_str());
            }
        }
        if !put.is_empty() {
            let text = format!("files with content from git-lfs: {}", put.len());
            self.journal.log(Level::Info, text);
            // So that git knows them as unchanged.
            let update = ["update-index", "-z", "--stdin"];
            let paths = list(put);
            let inert = Tree { git: &self.git, dir: &self.dir }.inert_drivers().await;
            self.git.fed_with(&self.dir, inert, update, paths).await?;
        }
        Ok(())
    }

    /// Downloads content into `bare`. What the remote does not have is not an error.
    async fn fetch(&self, bare: &Path, wanted: &BTreeSet<Pointer>) -> Result<(), GitError> {
        if self.git.lfs.is_none() {
            let text = "git-lfs is not installed, so the files that it keeps are pointers\n\
                        hint: install it where the worker runs; its image has it";
            self.journal.log(Level::Warn, text);
            return Ok(());
        }
        // What little time is left belongs to the push.
        if self.git.is_hurried() {
            return Ok(());
        }
        self.alone().await?;
        // A tree of our own, so that no setting of the repository chooses among its files.
        let mut tree = Vec::new();
        for pointer in wanted {
            let text = pointer.to_string().into_bytes();
            let id = self.git.fed(bare, ["hash-object", "-w", "--stdin"], text).await?;
            let id = String::from_utf8_lossy(&id);
            tree.extend_from_slice(
                format!("100644 blob {}\t{}\n", id.trim(), pointer.oid).as_bytes(),
            );
        }
        let tree = self.git.fed(bare, ["mktree"], tree).await?;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let commit = self.git.text(bare, ["commit-tree", "-m", "wanted", &tree]).await?;
        match self.remote_lfs(bare, &["fetch", self.repo.as_str(), &commit]).await {
            // Each file that is missing is named by its own warning.
            Err(error @ GitError::Failed { .. }) => {
                self.journal.log(Level::Warn, error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    async fn remote_lfs(&self, dir: &Path, args: &[&str]) -> Result<(), GitError> {
        let patience = Patience::UntilHurried(REMOTE_TIMEOUT);
        let run = async |credential: Option<&_>| {
            self.git.remote_lfs(dir, &self.repo, credential, patience, args).await
        };
        self.logged_in(patience, "lfs", run).await.map(drop)
    }

    fn warn_of(&self, files: &[&Named], why: &str) {
        let mut names: Vec<String> =
            files.iter().take(NAMED).map(|(_, path)| format!("`{}`", path.display())).collect();
        if files.len() > NAMED {
            names.push("…".to_owned());
        }
        let text = format!("{why} ({}): {}", files.len(), names.join(", "));
        self.journal.log(Level::Warn, text);
    }

    /// Where the checkout's content is; the agent's git-lfs uses the same place.
    fn lfs_store(&self) -> PathBuf {
        self.dir.join(".git/lfs/objects")
    }

    fn has(&self, pointer: &Pointer) -> bool {
        store::has(&self.lfs_store(), pointer)
    }

    /// Stages pointers in the place of what the agent committed as it is although it belongs into
    /// LFS. `tree` is what is staged; whether that has changed.
    pub(super) async fn stage_lfs(&self, tree: &str) -> Result<bool, GitError> {
        let diff = ["diff-tree", "-r", "-z", "--no-renames", LINKS, &self.known, tree];
        let changes = plain_files(&Change::all(&self.git.local(&self.dir, diff).await?));
        let paths = changes.iter().map(|(_, path)| path.clone()).collect();
        let tracked = tracked(&self.git, &self.dir, &["--cached"], &paths).await?;
        let files: Vec<(String, OsString)> =
            changes.into_iter().filter(|(_, path)| tracked.contains(path)).collect();
        let (_, raw) = sorted(&self.git, &self.dir, &files).await?;
        if raw.is_empty() {
            return Ok(false);
        }
        let add = ["add", "--renormalize", "--pathspec-from-file=-", "--pathspec-file-nul"];
        let paths = list(raw.iter().map(|(_, path)| path.as_os_str()));
        let inert = Tree { git: &self.git, dir: &self.dir }.inert_drivers().await;
        self.git.fed_with(&self.dir, inert, add, paths).await?;
        Ok(true)
    }

    /// Looks at what the commits of a copy, whose changes are given, have in LFS or should have. When nothing is found, there
    /// or before, the content is stored at the remote, so that a push can follow.
    pub(super) async fn inspect_lfs(
        &self,
        bare: &Bare,
        history: &[Change],
        found: &mut Findings,
    ) -> Result<(), GitError> {
        let files = plain_files(history);
        let (pointers, raw) = sorted(&self.git, &bare.dir, &files).await?;
        let paths = raw.iter().map(|(_, path)| path.clone()).collect();
        for path in tracked_in(&self.git, &bare.dir, &bare.commit, &paths).await? {
            let why = "belongs into LFS (.gitattributes), but was committed without it";
            found.push((path, why.to_owned()));
        }
        let mut missing = Vec::new();
        let mut here = Vec::new();
        for named in &pointers {
            let (pointer, path) = named;
            if pointer.size > MAX_LFS_FILE {
                found.push((path.clone(), format!("is larger than {} GiB", MAX_LFS_FILE >> 30)));
                continue;
            }
            let target = bare.dir.join("lfs/objects");
            let redactor = self.journal.redactor();
            match store::collect(
                &self.lfs_store(),
                &self.dir.join(path),
                &target,
                pointer,
                redactor,
            )
            .await
            {
                Err(error) => found.push((path.clone(), format!("{NOT_STORED}: {error}"))),
                Ok(None) => missing.push(named),
                Ok(Some(true)) => found.push((path.clone(), "holds a credential".to_owned())),
                Ok(Some(false)) => here.push(named),
            }
        }
        if !found.is_empty() || here.is_empty() && missing.is_empty() {
            return Ok(());
        }
        if !missing.is_empty() {
            // The agent has merged what others pushed, and could not fetch it.
            self.furnish_lfs(&bare.dir, &bare.commit).await;
            missing.retain(|(pointer, _)| !self.has(pointer));
        }
        if !missing.is_empty() {
            let why = "files point to content of git-lfs that is not here, and are pushed so";
            self.warn_of(&missing, why);
        }
        if let Err(why) = self.store_lfs(bare, &here).await {
            found.extend(
                here.iter().map(|(_, path)| (path.clone(), format!("{NOT_STORED}: {why}"))),
            );
        }
        Ok(())
    }

    /// Stores content at the remote, or says why not.
    async fn store_lfs(&self, bare: &Bare, files: &[&Named]) -> Result<(), String> {
        if files.is_empty() {
            return Ok(());
        }
        if self.git.lfs.is_none() {
            return Err("git-lfs is not installed".to_owned());
        }
        self.alone().await.map_err(|error| error.to_string())?;
        let oids: BTreeSet<&str> = files.iter().map(|(pointer, _)| pointer.oid.as_str()).collect();
        let oids: Vec<&str> = oids.into_iter().collect();
        for oids in oids.chunks(BATCH) {
            let push = ["push", "--object-id", self.repo.as_str()];
            self.remote_lfs(&bare.dir, &[&push[..], oids].concat()).await.map_err(|error| {
                // Its last line is about the whole; the first says what is wrong.
                let said = error.stderr().lines().next().unwrap_or_default().to_owned();
                if said.is_empty() { error.to_string() } else { said }
            })?;
        }
        Ok(())
    }
}

/// Those that fit into `room` bytes, and the rest.
fn fitting<'a>(files: &[&'a Named], room: u64) -> (BTreeSet<Pointer>, Vec<&'a Named>) {
    let (mut wanted, mut left, mut sum) = (BTreeSet::new(), Vec::new(), 0_u64);
    for named in files {
        let more = sum.saturating_add(named.0.size);
        if wanted.contains(&named.0) {
            continue;
        }
        if more > room {
            left.push(*named);
        } else {
            sum = more;
            wanted.insert(named.0.clone());
        }
    }
    (wanted, left)
}

/// The pointers of a commit that stand where `.gitattributes` says so, written as git-lfs writes
/// them: of others, making the pointer again would be a change.
async fn pointers(git: &Git, bare: &Path, commit: &str) -> Result<Vec<Named>, GitError> {
    let tree = git.local(bare, ["ls-tree", "-r", "-l", "-z", "--full-tree", commit]).await?;
    let files = small_files(&tree);
    let paths = files.iter().map(|(_, path)| path.clone()).collect();
    let tracked = tracked_in(git, bare, commit, &paths).await?;
    let files: Vec<_> = files.into_iter().filter(|(_, path)| tracked.contains(path)).collect();
    Ok(sorted(git, bare, &files).await?.0)
}

/// Files that are not larger than a pointer in `ls-tree -r -l -z`:
/// `<mode> <type> <id> <size>\t<path>\0`, with blanks before the size.
fn small_files(raw: &[u8]) -> Vec<(String, OsString)> {
    let mut files = Vec::new();
    for entry in raw.split(|byte| *byte == 0) {
        let Some(tab) = memchr::memchr(b'\t', entry) else { continue };
        let head = String::from_utf8_lossy(&entry[..tab]);
        let mut words = head.split_ascii_whitespace();
        let (mode, id, size) = (words.next(), words.nth(1), words.next());
        let small =
            size.and_then(|size| size.parse::<usize>().ok()).is_some_and(|s| s < MAX_POINTER);
        if let (Some(mode), Some(id), true) = (mode, id, small)
            && mode.starts_with("10")
        {
            files.push((id.to_owned(), OsString::from_vec(entry[tab + 1..].to_vec())));
        }
    }
    files
}

/// Contents and names of plain files that are added or changed. No filter is asked about a link.
fn plain_files(changes: &[Change]) -> Vec<(String, OsString)> {
    let files = changes.iter().filter(|change| change.new.0.starts_with("10"));
    files.map(|change| (change.new.1.clone(), change.path.clone())).collect()
}

/// Files that are pointers, and those that are not and have content.
async fn sorted(
    git: &Git,
    dir: &Path,
    files: &[(String, OsString)],
) -> Result<(Vec<Named>, Vec<(String, OsString)>), GitError> {
    let ids: BTreeSet<&str> = files.iter().map(|(id, _)| id.as_str()).collect();
    if ids.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let check = ["cat-file", "--batch-check=%(objectname) %(objectsize)"];
    let sizes = git.fed(dir, check, list.into_bytes()).await?;
    let sizes = String::from_utf8_lossy(&sizes);
    let sizes: BTreeMap<&str, usize> = sizes
        .lines()
        .filter_map(|line| line.split_once(' ').and_then(|(id, n)| Some((id, n.parse().ok()?))))
        .collect();
    let small: String = sizes
        .iter()
        .filter(|(_, size)| **size < MAX_POINTER)
        .map(|(id, _)| format!("{id}\n"))
        .collect();
    let contents = git.fed(dir, ["cat-file", "--batch"], small.into_bytes()).await?;
    let mut known = BTreeMap::new();
    let mut rest = contents.as_slice();
    // `<id> <type> <size>\n<content>\n`
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let (id, size) = head.split_once(' ').unwrap_or_default();
        let size = size.rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let Some(body) = size.and_then(|size| rest.get(end + 1..end + 1 + size)) else { break };
        known.insert(id.to_owned(), Pointer::parse(body));
        rest = rest.get(end + body.len() + 2..).unwrap_or_default();
    }
    let (mut pointers, mut raw) = (Vec::new(), Vec::new());
    for (id, path) in files {
        match known.get(id) {
            Some(Some(pointer)) => pointers.push((pointer.clone(), path.clone())),
            _ if sizes.get(id.as_str()) == Some(&0) => {}
            _ => raw.push((id.clone(), path.clone())),
        }
    }
    Ok((pointers, raw))
}

/// Those of these paths that a checkout keeps in LFS: as its files say, or with `--cached` its index.
pub(super) async fn tracked(
    git: &Git,
    dir: &Path,
    from: &[&str],
    paths: &BTreeSet<OsString>,
) -> Result<BTreeSet<OsString>, GitError> {
    if paths.is_empty() {
        return Ok(BTreeSet::new());
    }
    let check = [&["check-attr"], from, &["-z", "--stdin", "filter"]].concat();
    let said = git.fed(dir, check, list(paths.iter().map(OsString::as_os_str))).await?;
    // `<path>\0filter\0<value>\0`
    let fields: Vec<&[u8]> = said.split(|byte| *byte == 0).collect();
    let kept = fields.chunks_exact(3).filter(|fields| fields[2] == b"lfs");
    Ok(kept.map(|fields| OsStr::from_bytes(fields[0]).to_owned()).collect())
}

/// Those of these paths that a commit keeps in LFS. Nothing but its `.gitattributes` counts, which
/// are put into the index of `bare` alone.
async fn tracked_in(
    git: &Git,
    bare: &Path,
    commit: &str,
    paths: &BTreeSet<OsString>,
) -> Result<BTreeSet<OsString>, GitError> {
    let folders: BTreeSet<&[u8]> = paths.iter().flat_map(|path| folders(path.as_bytes())).collect();
    let lines: Vec<u8> = folders
        .iter()
        .flat_map(|folder| [commit.as_bytes(), b":", folder, b".gitattributes\n"].concat())
        .collect();
    if lines.is_empty() {
        return Ok(BTreeSet::new());
    }
    let check = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
    let found = git.fed(bare, check, lines).await?;
    let mut index = Vec::new();
    for (line, folder) in found.split(|byte| *byte == b'\n').zip(&folders) {
        if let Some(id) = line.strip_suffix(b" blob") {
            index.extend([b"100644 ", id, b"\t", folder, b".gitattributes\0"].concat());
        }
    }
    if index.is_empty() {
        return Ok(BTreeSet::new());
    }
    let _ = std::fs::remove_file(bare.join("index"));
    git.fed(bare, ["update-index", "-z", "--index-info"], index).await?;
    tracked(git, bare, &["--cached"], paths).await
}

/// The folders above a path, each with a slash at its end; the first one is empty. A name with a
/// line break cannot be asked for, and has no `.gitattributes` for us.
fn folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'/', path).map(|at| at + 1);
    std::iter::once(0).chain(ends).map(|end| &path[..end]).filter(|folder| !folder.contains(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left() {
        let file = |oid: &str, size, path: &str| (Pointer { oid: oid.into(), size }, path.into());
        let files = [file("a", 5, "1"), file("b", 90, "2"), file("a", 5, "3"), file("c", 5, "4")];
        let (wanted, left) = fitting(&files.iter().collect::<Vec<_>>(), 10);
        let oids: Vec<&str> = wanted.iter().map(|pointer| pointer.oid.as_str()).collect();
        assert_eq!((oids, left), (vec!["a", "c"], vec![&files[1]]));
        let huge = [file("a", u64::MAX, "1"), file("b", u64::MAX, "2")];
        assert_eq!(fitting(&huge.iter().collect::<Vec<_>>(), u64::MAX - 1).1.len(), 2);
    }

    #[test]
    fn folders_of_a_path() {
        let of = |path| folders(path).collect::<Vec<_>>();
        assert_eq!(of(b"a/b/c"), [&b""[..], b"a/", b"a/b/"]);
        assert_eq!(of(b"c"), [b""]);
        assert_eq!(of(b"a/\n/c"), [&b""[..], b"a/"]);
    }

    #[test]
    fn plain_files_of_changes() {
        let raw = b":000000 100644 0 a A\0x\0:100644 100755 b e M\0d/y\0:100644 000000 a 0 D\0gone\0:000000 160000 0 c A\0sub\0:000000 120000 0 l A\0link\0";
        let expected = [("a", "x"), ("e", "d/y")];
        assert_eq!(
            plain_files(&Change::all(raw)),
            expected.map(|(id, path)| (id.to_owned(), path.into()))
        );
    }

    #[test]
    fn small_files_of_a_tree() {
        let tree = "100644 blob a     130\tx y|100755 blob b 1024\tlarge|120000 blob c 3\tlink|160000 commit d -\tsub|100755 blob e 0\tz|";
        let tree = tree.replace('|', "\0");
        let expected = [("a", "x y"), ("e", "z")];
        assert_eq!(
            small_files(tree.as_bytes()),
            expected.map(|(id, path)| (id.to_owned(), path.into()))
        );
    }
}
