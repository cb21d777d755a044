//! Stages what is in a working tree, without running anything the repository configures. The worker
//! looks at every changed file before git opens it: the agent owns them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{
    lfs::{self, MAX_LFS_FILE},
    run::{Git, GitError, Setting},
    untouched::Untouched,
    volume::{is_within, too_much},
};
use crate::config::CommitLimits;

/// Largest file that is pushed. GitHub warns above 50 MiB and refuses above 100.
pub const MAX_FILE: u64 = 50 << 20;

/// What git does by itself with text, as a merge driver (gitattributes(5)).
const PLAIN_MERGE: &str = "git merge-file --marker-size=%L %A %O %B";

/// Links to other repositories are never left out of a difference, whatever `.gitmodules` says.
pub(super) const LINKS: &str = "--ignore-submodules=none";

/// What must not be committed: (path, why), sorted. A path that ends in `/` is a folder; an empty
/// one is a commit's message.
pub(super) type Findings = Vec<(OsString, String)>;

/// A working tree and the git that works in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) git: &'a Git,
    pub(super) dir: &'a Path,
}

/// A file that differs from the index.
#[derive(Debug)]
struct Changed {
    path: OsString,
    size: u64,
    is_new: bool,
}

/// What is at a path.
enum Found {
    Nothing,
    File(u64),
    Folder,
    Repository,
    /// Git must not open it.
    Unfit(String),
}

impl Tree<'_> {
    /// Settings that make every filter and merge driver of the checkout's configuration do nothing,
    /// except for LFS, which has a filter of our own.
    pub(super) async fn inert_drivers(&self) -> Vec<Setting> {
        let names = ["config", "--name-only", "-z", "--get-regexp", r"^(filter|merge)\..*\."];
        let bytes = self.git.local(self.dir, names).await.unwrap_or_default();
        let value = |name: &[u8]| match name.rsplit(|byte| *byte == b'.').next() {
            Some(b"required") => "false",
            Some(b"driver") => PLAIN_MERGE,
            _ => "",
        };
        let inert = paths(&bytes).map(|name| (name.to_owned(), value(name.as_bytes()).into()));
        // The last one counts.
        inert.chain(lfs::settings(self.git.own.as_deref())).collect()
    }

    /// Stages every change but those that are `untouched` and what must not be committed. Returns what
    /// must not be committed, and the tree of all that is staged. Links to other commits of other
    /// repositories are left as they were: those commits may exist nowhere else, so a link to them
    /// would be broken for everyone.
    pub(super) async fn stage(
        &self,
        limits: CommitLimits,
        untouched: &Untouched,
    ) -> Result<(Findings, String), GitError> {
        let inert = self.inert_drivers().await;
        let (changed, gone, mut left) = self.changes(&inert, limits, untouched).await?;
        // In portions: when there is no more time, what came before counts. What a file was moved
        // from goes last, so that it is never in neither place.
        for some in portions(&changed) {
            let some = some.iter().map(|file| file.path.as_os_str()).collect();
            self.update(&inert, &["--add", "--replace"], some, &mut left).await?;
        }
        let gone = gone.iter().map(|path| path.as_os_str()).collect();
        self.update(&inert, &["--force-remove"], gone, &mut left).await?;

        // What stays out for its size stays as it was, also where the index has nothing of it.
        let why = too_many(limits);
        let large: Vec<&OsStr> =
            left.iter().filter(|(_, w)| *w == why).map(|(path, _)| path.as_os_str()).collect();
        if !large.is_empty() {
            self.reset(&inert, large).await?;
        }
        let mut tree = self.written().await?;
        let differs = ["diff-tree", "-r", "-z", "--no-renames", LINKS, "HEAD", &tree];
        let links = changed_links(&self.git.local(self.dir, differs).await?);
        if !links.is_empty() {
            self.reset(&inert, links.iter().map(OsString::as_os_str)).await?;
            left.extend(links.into_iter().map(|path| (path, own_repository())));
            tree = self.written().await?;
        }
        left.sort();
        left.dedup();
        Ok((left, tree))
    }

    /// Puts these paths into the index as HEAD has them.
    async fn reset<'a>(
        &self,
        inert: &[Setting],
        paths: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<(), GitError> {
        let reset = ["reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", "HEAD"];
        self.git.fed_with(self.dir, inert.to_vec(), reset, list(paths)).await.map(drop)
    }

    /// The tree of what is staged.
    pub(super) async fn written(&self) -> Result<String, GitError> {
        // Git looks again at files that changed in the moment the index was written.
        let inert = self.inert_drivers().await;
        let tree = self.git.with(self.dir, inert, ["write-tree"]).await?;
        Ok(String::from_utf8_lossy(&tree).trim_end().to_owned())
    }

    /// Files to stage, paths that are gone, and what stays out.
    async fn changes(
        &self,
        inert: &[Setting],
        limits: CommitLimits,
        untouched: &Untouched,
    ) -> Result<(Vec<Changed>, BTreeSet<OsString>, Findings), GitError> {
        let (mut found, mut left) = (Vec::new(), Findings::new());
        let (mut gone, mut large) = (BTreeSet::new(), Vec::new());
        let mut folders = BTreeMap::new();
        let candidates = self.candidates(inert).await?.into_iter();
        for (path, is_new) in candidates.filter(|(path, _)| !untouched.has(path)) {
            match look(self.dir, &path, &mut folders) {
                Found::File(size) if size > MAX_FILE => large.push(Changed { path, size, is_new }),
                Found::File(size) => found.push(Changed { path, size, is_new }),
                // A file that became a folder is gone; what is in the folder is new.
                Found::Nothing | Found::Folder if !is_new => drop(gone.insert(path)),
                Found::Nothing | Found::Folder => {}
                Found::Repository => left.push((path, own_repository())),
                Found::Unfit(why) => left.push((path, why)),
            }
        }
        let known = if large.is_empty() && total(&found) <= limits.bytes {
            Vec::new()
        } else {
            self.sizes(&gone).await?
        };
        let pointers = self.pointers(&large, &found, limits).await?;
        for file in large {
            // A file that was moved has been pushed before.
            if known.contains(&file.size) || pointers.contains(&file.path) {
                found.push(file);
            } else {
                left.push((file.path, too_large()));
            }
        }
        // What takes the place of other files adds less.
        let all = CommitLimits {
            bytes: limits.bytes.saturating_add(known.iter().sum()),
            files: limits.files.saturating_add(gone.len() as u64),
        };
        let sizes = found.iter().map(|file| {
            let size = if pointers.contains(&file.path) { 0 } else { file.size };
            (file.path.as_os_str(), size, file.is_new)
        });
        let out = too_much(sizes, all);
        if !out.is_empty() {
            // What was moved there, by its name, stays where it was.
            let is_out = |file: &&Changed| is_within(&file.path, &out).is_some();
            let name = |path: &OsString| Path::new(path).file_name().map(OsStr::to_owned);
            let moved: BTreeSet<_> =
                found.iter().filter(is_out).map(|file| name(&file.path)).collect();
            gone.retain(|path| !moved.contains(&name(path)));
            found.retain(|file| is_within(&file.path, &out).is_none());
            left.extend(out.into_iter().map(|place| (place, too_many(limits))));
        }
        Ok((found, gone, left))
    }

    /// Files of which the commit gets no more than a pointer. Asked only when sizes matter.
    async fn pointers(
        &self,
        large: &[Changed],
        small: &[Changed],
        limits: CommitLimits,
    ) -> Result<BTreeSet<OsString>, GitError> {
        if large.is_empty() && total(small) <= limits.bytes {
            return Ok(BTreeSet::new());
        }
        let files = large.iter().chain(small).filter(|file| file.size <= MAX_LFS_FILE);
        let paths = files.map(|file| file.path.clone()).collect();
        lfs::tracked(self.git, self.dir, &[], &paths).await
    }

    /// Paths that may differ from the commit of a fresh checkout.
    pub(super) async fn changed(&self) -> Result<impl Iterator<Item = OsString>, GitError> {
        let inert = self.inert_drivers().await;
        Ok(self.candidates(&inert).await?.into_keys())
    }

    /// Paths that may differ from the index, and whether the index does not have them.
    async fn candidates(&self, inert: &[Setting]) -> Result<BTreeMap<OsString, bool>, GitError> {
        let mut candidates = BTreeMap::new();
        // What a merge left open is listed as modified.
        let new = ["ls-files", "-z", "--others", "--exclude-standard"];
        let old = ["ls-files", "-z", "--modified"];
        let (new, old) = tokio::try_join!(
            self.git.with(self.dir, inert.to_vec(), new),
            self.git.with(self.dir, inert.to_vec(), old),
        )?;
        for (bytes, is_new) in [(new, true), (old, false)] {
            for path in paths(&bytes) {
                let path = path.as_bytes();
                // A repository inside this one ends in a slash.
                let path = path.strip_suffix(b"/").unwrap_or(path);
                candidates.entry(OsString::from_vec(path.to_vec())).or_insert(is_new);
            }
        }
        Ok(candidates)
    }

    /// Sizes that files which are gone have at HEAD, bytes.
    async fn sizes(&self, gone: &BTreeSet<OsString>) -> Result<Vec<u64>, GitError> {
        // A name with a newline cannot be asked for.
        let names = gone.iter().map(|path| path.as_bytes()).filter(|path| !path.contains(&b'\n'));
        let input = names.flat_map(|path| [b"HEAD:", path, b"\n"].concat()).collect();
        let check = ["cat-file", "--batch-check=%(objectsize)"];
        let sizes = self.git.fed(self.dir, check, input).await?;
        Ok(String::from_utf8_lossy(&sizes).lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Puts paths into the index. When git refuses some, the others still count.
    async fn update(
        &self,
        inert: &[Setting],
        how: &[&str],
        paths: Vec<&OsStr>,
        left: &mut Findings,
    ) -> Result<(), GitError> {
        let args = [&["update-index"], how, &["-z", "--stdin"]].concat();
        let mut todo = vec![paths];
        while let Some(mut some) = todo.pop() {
            if some.is_empty() {
                continue;
            }
            let input = list(some.iter().copied());
            let done = self.git.fed_with(self.dir, inert.to_vec(), &args, input).await;
            match done {
                Ok(_) => {}
                Err(error) if error.is_full() || !matches!(error, GitError::Failed { .. }) => {
                    return Err(error);
                }
                Err(error) if some.len() == 1 => {
                    let why = error.stderr().lines().next().unwrap_or_default();
                    left.push((some.remove(0).to_owned(), format!("is refused by git: {why}")));
                }
                Err(_) => {
                    todo.push(some.split_off(some.len() / 2));
                    todo.push(some);
                }
            }
        }
        Ok(())
    }
}

/// Files one after the other, as many at a time as git adds in some seconds.
fn portions(files: &[Changed]) -> Vec<&[Changed]> {
    const BYTES: u64 = 16 << 20;
    const FILES: usize = 2_000;
    let (mut portions, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (end, file) in files.iter().enumerate() {
        if end > begin && (end - begin == FILES || bytes + file.size > BYTES) {
            portions.push(&files[begin..end]);
            (begin, bytes) = (end, 0);
        }
        bytes += file.size;
    }
    portions.push(&files[begin..]);
    portions
}

fn total(files: &[Changed]) -> u64 {
    files.iter().map(|file| file.size).sum()
}

/// Why a file is not committed that is too large by itself.
pub(super) fn too_large() -> String {
    format!("is larger than {} MiB", MAX_FILE >> 20)
}

/// Why a folder is not committed with which the commit would be too large.
pub(super) fn too_many(limits: CommitLimits) -> String {
    format!(
        "would make the commit larger than {} MB or {} new files; put it into .gitignore, or raise max_commit_mb or max_commit_files",
        limits.bytes / 1_000_000,
        limits.files
    )
}

/// Why a path is not committed again.
pub(super) fn refused_by_remote() -> String {
    "is refused by the remote".to_owned()
}

fn own_repository() -> String {
    "is a repository of its own; its content is not committed".to_owned()
}

/// What is at a path, found without following a link and without waiting for anybody.
fn look(dir: &Path, path: &OsStr, folders: &mut BTreeMap<PathBuf, bool>) -> Found {
    let path = Path::new(path);
    let parents = path.parent().into_iter().flat_map(Path::ancestors);
    let is_folder =
        |folder: &Path| fs::symlink_metadata(dir.join(folder)).is_ok_and(|meta| meta.is_dir());
    for folder in parents.filter(|folder| !folder.as_os_str().is_empty()) {
        if !*folders.entry(folder.to_path_buf()).or_insert_with(|| is_folder(folder)) {
            return Found::Nothing;
        }
    }
    let whole = dir.join(path);
    let Ok(meta) = fs::symlink_metadata(&whole) else { return Found::Nothing };
    if meta.is_dir() {
        let inner = fs::symlink_metadata(whole.join(".git")).is_ok();
        return if inner { Found::Repository } else { Found::Folder };
    }
    if meta.is_symlink() {
        return Found::File(meta.len());
    }
    if !meta.is_file() {
        return Found::Unfit("is neither a file nor a folder nor a link".to_owned());
    }
    match open(&whole) {
        Ok(_) => Found::File(meta.len()),
        Err(error) => Found::Unfit(format!("cannot be read: {error}")),
    }
}

/// Opens a file of the agent's for reading: only a regular one, and not through a link.
///
/// # Errors
/// What the system says, or that it is something else.
pub(super) fn open(path: &Path) -> std::io::Result<fs::File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}

/// Paths in what git prints with `-z`.
pub(super) fn paths(bytes: &[u8]) -> impl Iterator<Item = &OsStr> {
    bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(OsStr::from_bytes)
}

/// Paths as git reads them with `-z`.
pub(super) fn list<'a>(paths: impl IntoIterator<Item = &'a OsStr>) -> Vec<u8> {
    paths.into_iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect()
}

/// Paths of gitlinks (mode 160000) to other commits than before, in `diff-index --raw -z`. One that
/// was removed needs no commit, and one that was moved leads to where it led.
fn changed_links(raw: &[u8]) -> Vec<OsString> {
    let changes = Change::all(raw);
    let link = |(mode, id): &(String, String)| (mode == "160000").then(|| id.clone());
    let before: BTreeSet<String> = changes.iter().filter_map(|c| link(&c.old)).collect();
    let is_other = |id: String| !before.contains(&id);
    let other = changes.into_iter().filter(|change| link(&change.new).is_some_and(is_other));
    other.map(|change| change.path).collect()
}

/// A line of `diff-tree -r -z` or `diff-index --raw -z`:
/// `:<mode> <mode> <id> <id> <status>\0<path>\0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Mode and id before; zeros when it is new.
    pub(super) old: (String, String),
    /// Mode and id after; zeros when it is gone.
    pub(super) new: (String, String),
    pub(super) path: OsString,
}

impl Change {
    pub(super) fn all(raw: &[u8]) -> Vec<Self> {
        let mut fields = raw.split(|byte| *byte == 0);
        let mut changes = Vec::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            let head = String::from_utf8_lossy(head);
            let mut words = head.trim_start_matches(':').split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            let (before, after) = (word(), word());
            let (old, new) = ((before, word()), (after, word()));
            changes.push(Self { old, new, path: OsString::from_vec(path.to_vec()) });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_links_are_found() {
        let raw = b":100644 100644 a b M\0file\0:000000 160000 0 c A\0sub module\0:160000 160000 a b M\0z\xff\0:160000 000000 d 0 D\0old\0:000000 160000 0 d A\0moved\0";
        assert_eq!(
            changed_links(raw),
            ["sub module".into(), OsString::from_vec(b"z\xff".to_vec())]
        );
        assert!(changed_links(b"").is_empty());
    }

    #[test]
    fn portions_hold_every_file_once() {
        let file = |size| Changed { path: OsString::new(), size, is_new: true };
        let lengths = |sizes: &[u64]| {
            let files: Vec<Changed> = sizes.iter().copied().map(file).collect();
            portions(&files).into_iter().map(<[_]>::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[]), [0]);
        assert_eq!(lengths(&[1, 40 << 20, 1, 1]), [1, 1, 2]);
        assert_eq!(lengths(&vec![1; 4_500]), [2_000, 2_000, 500]);
    }

    #[test]
    fn a_change_says_what_was_and_what_is() {
        let raw = b":000000 100644 0 a A\0d/y\nz\0:100644 000000 a 0 D\0gone\0";
        let text = |text: &str| text.to_owned();
        let changes = Change::all(raw);
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0].new, (text("100644"), text("a")));
        assert_eq!(changes[0].path, OsString::from("d/y\nz"));
        assert_eq!(changes[1].old, (text("100644"), text("a")));
        assert_eq!(changes[1].new, (text("000000"), text("0")));
    }

    #[test]
    fn only_a_regular_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from(0o600)).unwrap();
        assert!(open(&at("file")).is_ok());
        for name in ["link", "fifo", "nothing"] {
            assert!(open(&at(name)).is_err(), "{name}");
        }
    }
}
