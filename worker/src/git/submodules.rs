//! Submodules: public ones are put into the checkout before the agent begins. No credential is
//! used for them, and what the agent does in them is not pushed.

use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ralph_protocol::{event::Level, execution::check_repo};
use tempfile::TempDir;
use url::Url;

use super::{
    Checkout,
    bare::scratch,
    run::{GitError, Patience, REMOTE_TIMEOUT},
};

/// Submodules of submodules of submodules are fetched; what they have is not.
const MAX_DEPTH: u32 = 3;

/// Most submodules that are fetched, those of submodules too.
const MAX_COUNT: usize = 50;

/// Largest submodule, bytes, as git has it.
const MAX_SIZE: u64 = 1 << 30;

/// How often the size of a download is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// A repository whose submodules are wanted.
struct Parent {
    /// Its working tree.
    dir: PathBuf,
    /// The path of `dir` in the checkout, with a slash at its end unless it is empty.
    prefix: String,
    /// Where it comes from.
    url: Url,
    /// A repository of our own that holds its commit.
    bare: PathBuf,
    commit: String,
    depth: u32,
    /// Removes `bare`, if nobody else does.
    _folder: Option<TempDir>,
}

/// A submodule as the commit has it.
struct Link {
    path: String,
    commit: String,
}

impl Checkout {
    /// Fetches the submodules of a commit that is in `bare` and checked out, each at the commit
    /// that it is linked to. Those that cannot be had are named in warnings.
    pub(super) async fn furnish_submodules(&self, bare: &Path, commit: &str) {
        if self.dry {
            return;
        }
        let begun = Instant::now();
        let mut parents = vec![Parent {
            dir: self.dir.clone(),
            prefix: String::new(),
            url: self.repo.clone(),
            bare: bare.to_path_buf(),
            commit: commit.to_owned(),
            depth: 0,
            _folder: None,
        }];
        let mut count = 0;
        while let Some(parent) = parents.pop() {
            let modules = match self.submodules(&parent).await {
                Ok(modules) => modules,
                Err(error) => {
                    let text = format!("submodules cannot be read: {error}");
                    self.journal.log(Level::Warn, text);
                    continue;
                }
            };
            for (link, module) in modules {
                count += 1;
                let fetched = if parent.depth >= MAX_DEPTH {
                    Err("it is too deep in other submodules".to_owned())
                } else if count > MAX_COUNT {
                    Err(format!("there are more than {MAX_COUNT}"))
                } else if begun.elapsed() > REMOTE_TIMEOUT || self.git.is_hurried() {
                    Err("there was no more time".to_owned())
                } else {
                    self.furnish_submodule(&parent, &link, module).await
                };
                match fetched {
                    Ok(child) => parents.push(child),
                    Err(why) => {
                        let path = format!("{}{}", parent.prefix, link.path);
                        let text = format!("submodule `{path}` is not fetched: {why}");
                        self.journal.log(Level::Warn, text);
                    }
                }
            }
        }
    }

    /// The links of a commit, each with its name and URL in `.gitmodules`, if it has them.
    async fn submodules(
        &self,
        parent: &Parent,
    ) -> Result<Vec<(Link, Option<(String, String)>)>, GitError> {
        let tree = ["ls-tree", "-r", "-z", "--full-tree", &parent.commit];
        let tree = self.git.local(&parent.bare, tree).await?;
        let links: Vec<Link> = links(&tree)
            .map(|(commit, path)| Link { path: String::from_utf8_lossy(path).into(), commit })
            .collect();
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let blob = format!("{}:.gitmodules", parent.commit);
        let pattern = r"^submodule\..*\.(path|url)$";
        let config = ["config", "--blob", &blob, "-z", "--get-regexp", pattern];
        // None, or one that says nothing.
        let said = self.git.local(&parent.bare, config).await.unwrap_or_default();
        let mut modules = modules(&said);
        let with = |link: Link| {
            let module = modules.remove(&link.path);
            (link, module)
        };
        Ok(links.into_iter().map(with).collect())
    }

    async fn furnish_submodule(
        &self,
        parent: &Parent,
        link: &Link,
        module: Option<(String, String)>,
    ) -> Result<Parent, String> {
        let (name, url) = module.ok_or("`.gitmodules` has no URL for it")?;
        let url = resolve(&url, &parent.url, self.git.allow_file)?;
        let folder = scratch().map_err(|failure| failure.text)?;
        let bare = folder.path().join("module.git");
        self.git
            .local(folder.path(), ["init", "-q", "--bare", "module.git"])
            .await
            .map_err(said)?;
        let wanted = format!("{}:refs/heads/module", link.commit);
        let fetch = [
            "fetch",
            "-q",
            "--no-tags",
            "--no-recurse-submodules",
            "--depth=1",
            "--",
            url.as_str(),
        ];
        let fetch = [&fetch[..], &[&wanted]].concat();
        let patience = Patience::UntilHurried(REMOTE_TIMEOUT);
        let download = self.git.remote(&bare, &url, None, patience, fetch);
        within(download, &bare, MAX_SIZE).await?.map_err(said)?;
        self.git.local(&bare, ["symbolic-ref", "HEAD", "refs/heads/module"]).await.map_err(said)?;

        // From here on git does what it does for everyone; only the download is done already.
        let key = format!("submodule.{name}.url");
        let from = bare.to_string_lossy();
        self.git.local(&parent.dir, ["config", &key, &from]).await.map_err(said)?;
        let update = ["submodule", "-q", "update", "--init", "--checkout", "--", &link.path];
        let updated = self.git.local(&parent.dir, update).await;
        let dir = parent.dir.join(&link.path);
        self.git.local(&parent.dir, ["config", &key, url.as_str()]).await.map_err(said)?;
        updated.map_err(said)?;
        let origin = ["config", "remote.origin.url", url.as_str()];
        self.git.local(&dir, origin).await.map_err(said)?;
        Ok(Parent {
            dir,
            prefix: format!("{}{}/", parent.prefix, link.path),
            url,
            bare,
            commit: link.commit.clone(),
            depth: parent.depth + 1,
            _folder: Some(folder),
        })
    }

    /// Takes the repositories of submodules out of a `.git` that is thrown away.
    pub(super) fn set_submodules_aside(&self) {
        let (from, to) = (self.dir.join(".git/modules"), self.aside());
        let _ = fs::remove_dir_all(&to);
        if fs::symlink_metadata(&from).is_ok_and(|kind| kind.is_dir()) {
            // Without them their files are still there.
            let _ = fs::rename(from, to);
        }
    }

    /// Puts them into the new one, and lets git know them again.
    pub(super) async fn put_submodules_back(&self) {
        if fs::rename(self.aside(), self.dir.join(".git/modules")).is_ok() {
            // Writes their URLs into the configuration.
            let _ = self.git_inert(&["submodule", "-q", "init"]).await;
        }
    }

    fn aside(&self) -> PathBuf {
        self.home.with_file_name("modules")
    }
}

/// Why git could not fetch it, in a line.
fn said(error: GitError) -> String {
    if error.is_denied() {
        return "it is not public; no credential is used for submodules".to_owned();
    }
    let mut lines = error.stderr().lines();
    lines.find_map(|line| line.strip_prefix("fatal: ")).map_or(error.to_string(), str::to_owned)
}

/// Commits and paths of links in `ls-tree -r -z` (`<mode> <type> <id>\t<path>\0`) or
/// `ls-files --stage -z` (`<mode> <id> <stage>\t<path>\0`).
fn links(raw: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let entries = raw.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 "));
    entries.filter_map(|entry| {
        let tab = memchr::memchr(b'\t', entry)?;
        let head = String::from_utf8_lossy(&entry[..tab]);
        let commit = head.split(' ').find(|word| word.len() >= 40)?.to_owned();
        Some((commit, &entry[tab + 1..]))
    })
}

/// Names and URLs by path, of `config -z --get-regexp`: `submodule.<name>.<key>\n<value>\0`.
fn modules(raw: &[u8]) -> BTreeMap<String, (String, String)> {
    let mut found: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    for entry in raw.split(|byte| *byte == 0) {
        let Some((key, value)) = std::str::from_utf8(entry).ok().and_then(|e| e.split_once('\n'))
        else {
            continue;
        };
        let named = key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.'));
        let Some((name, key)) = named else { continue };
        let (path, url) = found.entry(name.to_owned()).or_default();
        *(if key == "path" { path } else { url }) = Some(value.to_owned());
    }
    let both = |(name, (path, url)): (String, (Option<_>, Option<_>))| Some((path?, (name, url?)));
    found.into_iter().filter_map(both).collect()
}

/// A submodule's URL, if an execution could name it; a relative one begins at the parent's, as in
/// `git help submodule`. The error says why it is not fetched.
fn resolve(text: &str, parent: &Url, allow_file: bool) -> Result<Url, String> {
    let mut text = text.to_owned();
    if text.starts_with("./") || text.starts_with("../") {
        let mut folders: Vec<&str> = parent.path().trim_matches('/').split('/').collect();
        let mut rest = text.as_str();
        loop {
            if let Some(after) = rest.strip_prefix("../") {
                rest = after;
                folders.pop().ok_or("its URL leads above its host")?;
            } else if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else {
                break;
            }
        }
        folders.push(rest);
        let mut url = parent.clone();
        url.set_path(&folders.join("/"));
        text = url.into();
    }
    check_repo(&text, allow_file).map_err(|problem| {
        let problem = problem.to_string();
        problem.lines().next().unwrap_or_default().to_owned()
    })?;
    Url::parse(&text).map_err(|error| error.to_string())
}

/// Ends a download when its folder becomes larger than this many bytes, or than a third of the free
/// space.
async fn within<T>(
    download: impl Future<Output = T>,
    folder: &Path,
    most: u64,
) -> Result<T, String> {
    let most = most.min(super::lfs::room(&[folder]));
    let mut download = std::pin::pin!(download);
    loop {
        tokio::select! {
            done = &mut download => return Ok(done),
            () = tokio::time::sleep(GLANCE) => {
                if size(folder, 0) > most {
                    return Err(format!("it is larger than {} MiB", most >> 20));
                }
            }
        }
    }
}

fn size(folder: &Path, depth: u32) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let kind = entry.metadata().ok()?;
        Some(if kind.is_dir() && depth < 8 { size(&entry.path(), depth + 1) } else { kind.len() })
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_submodule_comes_from() {
        let parent: Url = "https://h.example:8443/you/project.git".parse().unwrap();
        let form =
            "the repository is not an https URL with a host name and a path, and nothing else";
        for (text, expected) in [
            ("https://other.example/x.git", Ok("https://other.example/x.git")),
            ("../lib.git", Ok("https://h.example:8443/you/lib.git")),
            ("./../../them/lib", Ok("https://h.example:8443/them/lib")),
            ("./inner", Ok("https://h.example:8443/you/project.git/inner")),
            ("../../../lib", Err("its URL leads above its host")),
            ("https://user:word@h.example/x", Err(form)),
            ("git@github.com:you/x.git", Err(form)),
            ("ssh://h/x", Err(form)),
            ("git://h/x", Err(form)),
            ("http://h.example/x", Err(form)),
            ("ext::sh -c id", Err(form)),
            ("file:///etc", Err(form)),
            ("/etc", Err(form)),
            ("-u", Err(form)),
            ("https://127.0.0.1/x", Err(form)),
            (
                "https://git.internal/x",
                Err("the repository's host is a name inside a private network"),
            ),
            ("", Err(form)),
        ] {
            let found = resolve(text, &parent, false);
            let found = found.as_ref().map(Url::as_str).map_err(String::as_str);
            assert_eq!(found, expected, "{text}");
        }
        let parent: Url = "file:///r/top.git".parse().unwrap();
        assert_eq!(resolve("../lib.git", &parent, true).unwrap().as_str(), "file:///r/lib.git");
        assert!(resolve("../lib.git", &parent, false).is_err());
    }

    #[test]
    fn links_and_their_modules() {
        let id = "1".repeat(40);
        let of = |path: &'static [u8]| (id.clone(), path);
        let tree = format!("100644 blob {id}\ta|160000 commit {id}\tb c|160000 commit {id}\td/e|");
        let tree = tree.replace('|', "\0");
        assert_eq!(links(tree.as_bytes()).collect::<Vec<_>>(), [of(b"b c"), of(b"d/e")]);
        let index = format!("100644 {id} 0\ta|160000 {id} 0\tb|").replace('|', "\0");
        assert_eq!(links(index.as_bytes()).collect::<Vec<_>>(), [of(b"b")]);
        let config = "submodule.x.y.path\nb c\0submodule.x.y.url\n../u\0submodule.z.path\nz\0";
        let expected = [("b c".to_owned(), ("x.y".to_owned(), "../u".to_owned()))];
        assert_eq!(modules(config.as_bytes()), expected.into());
    }

    #[tokio::test]
    async fn a_download_that_becomes_too_large_ends() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pack")).unwrap();
        fs::write(folder.path().join("pack/x"), [0; 100]).unwrap();
        let never = std::future::pending::<()>();
        assert!(within(never, folder.path(), 99).await.unwrap_err().contains("larger than"));
        assert_eq!(within(async { 1 }, folder.path(), 99).await, Ok(1));
    }
}
