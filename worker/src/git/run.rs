//! Runs the `git` program with an environment of our own making.

use std::{
    ffi::{OsStr, OsString},
    io::{Seek, Write},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use base64::Engine;
use ralph_protocol::secret::GitCredential;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{process::Command, sync::watch};
use url::Url;

use super::github::Why;
use crate::{
    journal::now_ms,
    machine::policy::{COMMIT_BY_MS, PUSH_BY_MS},
};

/// Longest run of one git command that talks to nobody.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(300);

/// Longest run of one git command that talks to the remote.
pub const REMOTE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a command that talks to the remote may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// This long, or until a signal says by when it must be done.
    UntilHurried(Duration),
    /// This long.
    Fixed(Duration),
}

/// Why a git command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// It could not be started.
    #[error("cannot run git: {0}")]
    Start(String),
    /// It ran too long.
    #[error("git {0} took longer than {1} s and was stopped")]
    Timeout(String, u64),
    /// Something else runs that must not see a credential.
    #[error("{0} processes of the agent cannot be ended; the credential is not used beside them")]
    Company(usize),
    /// A signal left no more time for it.
    #[error("git {0} was not done in time after the signal")]
    Hurried(String),
    /// GitHub gives the App no token, so git was not started.
    #[error("{text}")]
    NoToken {
        /// What kind of problem it is.
        why: Why,
        /// Which App, and what GitHub said.
        text: String,
        /// What to do.
        hint: String,
    },
    /// It said no.
    #[error("git {command} failed: {stderr}")]
    Failed {
        /// First argument.
        command: String,
        /// What it said.
        stderr: String,
    },
}

impl GitError {
    /// What git said; empty when it said nothing.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } => stderr,
            _ => "",
        }
    }

    /// There was no room for what it wrote.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let text = self.to_string();
        ["No space left on device", "Out of diskspace", "Disk quota exceeded"]
            .iter()
            .any(|sign| text.contains(sign))
    }

    /// The remote wants another credential, or one at all.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        const SIGNS: [&str; 5] = [
            "Authentication failed",
            "could not read Username",
            "returned error: 401",
            "returned error: 403",
            "Permission to ",
        ];
        if let Self::NoToken { why, .. } = self {
            return *why == Why::Denied;
        }
        SIGNS.iter().any(|sign| self.stderr().contains(sign)) && !self.is_limited()
    }

    /// The remote does not know the credential, or has been shown none: status 401, in git's and in
    /// git-lfs's words. Another token can help.
    pub(super) fn is_unauthorized(&self) -> bool {
        const SIGNS: [&str; 4] = [
            "Authentication failed",
            "could not read Username",
            "returned error: 401",
            "Authentication required",
        ];
        SIGNS.iter().any(|sign| self.stderr().contains(sign))
    }

    /// The remote has had too many requests: GitHub answers 429, or 403 with the reason in its
    /// text. git shows that text as `remote: …` when it is plain; the URL beside it could hold
    /// any words.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        const SIGNS: [&str; 4] =
            ["rate limit", "rate-limit", "too many requests", "abuse detection"];
        if let Self::NoToken { why, .. } = self {
            return *why == Why::Limited;
        }
        self.stderr().lines().map(str::to_ascii_lowercase).any(|line| {
            line.ends_with("returned error: 429")
                || (line.starts_with("remote: ") && SIGNS.iter().any(|sign| line.contains(sign)))
        })
    }

    /// How often it is worth asking again, later: often when the remote itself is in trouble, less
    /// often when nothing answers, which can also be a wrong name, and else not at all.
    pub(super) fn retries(&self) -> u32 {
        const SILENCE: [&str; 6] = [
            "Could not resolve host",
            "Failed to connect",
            "Couldn't connect",
            "Connection reset",
            "Operation timed out",
            "the remote end hung up unexpectedly",
        ];
        if let Self::NoToken { why, .. } = self {
            return match why {
                Why::Limited | Why::Trouble => 5,
                Why::Silence => 2,
                Why::Denied | Why::Other => 0,
            };
        }
        if self.is_limited() || self.stderr().contains("returned error: 5") {
            5
        } else if SILENCE.iter().any(|sign| self.stderr().contains(sign)) {
            2
        } else {
            0
        }
    }
}

/// Runs git.
#[derive(Debug, Clone)]
pub struct Git {
    program: PathBuf,
    /// git-lfs, where it is installed.
    pub(super) lfs: Option<PathBuf>,
    /// This program.
    pub(super) own: Option<PathBuf>,
    /// The agent's checkout, whose configuration must not say where its own parts are.
    tree: PathBuf,
    /// Its git folder.
    git_dir: PathBuf,
    pub(super) allow_file: bool,
    /// By when a push must be done after a signal, ms since the epoch.
    hurry: watch::Receiver<Option<u64>>,
    /// How much earlier than that a local command must be done.
    margin: Duration,
}

/// How long a local command may take when its time is over already: it may be a short one.
const LEAST: Duration = Duration::from_secs(5);

/// Settings that keep a repository's own configuration from running anything, and from saying that
/// commits or objects are other than they are.
const INERT: [(&str, &str); 26] = [
    ("advice.graftFileDeprecated", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.pager", "cat"),
    ("core.editor", "true"),
    ("sequence.editor", "true"),
    ("core.sshCommand", "false"),
    ("core.gitProxy", ""),
    ("core.alternateRefsCommand", "true"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("rebase.autoStash", "false"),
    ("rebase.updateRefs", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("user.useConfigOnly", "false"),
    ("core.commitGraph", "false"),
    ("core.multiPackIndex", "false"),
    ("fetch.unpackLimit", "1"),
    ("i18n.commitEncoding", "UTF-8"),
];

/// A setting: its full name and its value. A name may hold any bytes.
pub(super) type Setting = (OsString, OsString);

impl Git {
    /// Git as found now, before any agent could put another one in its place. `tree` is where the
    /// checkout will be.
    #[must_use]
    pub fn new(tree: PathBuf, allow_file: bool, hurry: watch::Receiver<Option<u64>>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|candidate| candidate.is_file())
        };
        let program = find("git").unwrap_or_else(|| PathBuf::from("git"));
        let git_dir = tree.join(".git");
        let (lfs, own) = (find("git-lfs"), std::env::current_exe().ok());
        let margin = Duration::ZERO;
        Self { program, lfs, own, tree, git_dir, allow_file, hurry, margin }
    }

    /// The same for another working tree of the agent's.
    #[must_use]
    pub fn elsewhere(&self, tree: PathBuf, git_dir: PathBuf) -> Self {
        Self { tree, git_dir, ..self.clone() }
    }

    /// The same for what comes before the push: after a signal, its local commands end earlier.
    #[must_use]
    pub fn early(&self) -> Self {
        Self { margin: Duration::from_millis(PUSH_BY_MS - COMMIT_BY_MS), ..self.clone() }
    }

    /// A signal has said by when a push must be done.
    #[must_use]
    pub fn is_hurried(&self) -> bool {
        self.hurried_by().is_some()
    }

    /// By when a push must be done after the signal that has come, ms since the epoch.
    #[must_use]
    pub fn hurried_by(&self) -> Option<u64> {
        *self.hurry.borrow()
    }

    /// Returns when a signal has come.
    pub(super) async fn hurried(&self) {
        if self.hurry.clone().wait_for(Option::is_some).await.is_err() {
            // Nobody is left who could send one.
            std::future::pending::<()>().await;
        }
    }

    /// Waits, unless a signal has come or comes.
    pub(super) async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.hurried() => {}
        }
    }

    /// Settings go by environment: as arguments, a name that holds `=` could not be set, and other
    /// users could read them.
    fn command(&self, dir: &Path, settings: impl IntoIterator<Item = Setting>) -> Command {
        self.command_of(&self.program, dir, settings)
    }

    fn command_of(
        &self,
        program: &Path,
        dir: &Path,
        settings: impl IntoIterator<Item = Setting>,
    ) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            // No `~/.netrc`, no `~/.gitconfig`.
            .env("HOME", "/dev/null")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("GIT_OPTIONAL_LOCKS", "0")
            // A file's name is a name, whatever it looks like.
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            // Replaced or grafted objects would make the worker commit something else than it
            // checked.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            // A fetch with a depth hides parents that are there.
            .env("GIT_SHALLOW_FILE", "")
            .env("GIT_AUTHOR_NAME", IDENTITY.0)
            .env("GIT_AUTHOR_EMAIL", IDENTITY.1)
            .env("GIT_COMMITTER_NAME", IDENTITY.0)
            .env("GIT_COMMITTER_EMAIL", IDENTITY.1)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if dir == self.tree {
            command.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", dir);
        }
        let inert = INERT.map(|(name, value)| (name.into(), value.into()));
        let mut count = 0;
        for (name, value) in inert.into_iter().chain(settings) {
            command.env(format!("GIT_CONFIG_KEY_{count}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command
    }

    /// A git command in a folder, without any credential and without the network.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn local<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        self.with(dir, Vec::new(), args).await
    }

    /// As [`Git::local`], with more settings.
    pub(super) async fn with<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        settings: Vec<Setting>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        self.here(self.command(dir, settings), args).await
    }

    /// As [`Git::local`], with something to read on stdin.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn fed<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: impl IntoIterator<Item = A>,
        input: Vec<u8>,
    ) -> Result<Vec<u8>, GitError> {
        self.fed_with(dir, Vec::new(), args, input).await
    }

    /// As [`Git::fed`], with more settings.
    pub(super) async fn fed_with<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        settings: Vec<Setting>,
        args: impl IntoIterator<Item = A>,
        input: Vec<u8>,
    ) -> Result<Vec<u8>, GitError> {
        // A file, not a pipe: git may write much before it has read all.
        let file = tempfile::tempfile()
            .and_then(|mut file| {
                file.write_all(&input)?;
                file.rewind()?;
                Ok(file)
            })
            .map_err(|error| GitError::Start(error.to_string()))?;
        let mut command = self.command(dir, settings);
        command.stdin(file);
        self.here(command, args).await
    }

    /// As [`Git::local`], from a file and to a file: neither has to fit in memory.
    pub(super) async fn piped<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: impl IntoIterator<Item = A>,
        input: impl Into<Stdio>,
        output: impl Into<Stdio>,
    ) -> Result<(), GitError> {
        let mut command = self.command(dir, []);
        command.stdin(input).stdout(output);
        self.here(command, args).await.map(drop)
    }

    /// Runs a command that talks to nobody. After a signal it ends in time for the push.
    async fn here<A: AsRef<OsStr>>(
        &self,
        mut command: Command,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        let args: Vec<A> = args.into_iter().collect();
        command.env("GIT_ALLOW_PROTOCOL", "file");
        let mut hurry = self.hurry.clone();
        tokio::select! {
            done = finish(command, &args, LOCAL_TIMEOUT) => done,
            () = too_late(&mut hurry, self.margin, LEAST) => Err(GitError::Hurried(first(&args))),
        }
    }

    /// As [`Git::local`], but the answer is text without the newline at its end.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn text<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, GitError> {
        let bytes = self.local(dir, args).await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    /// A git command that talks to `repo`, the remote. `dir` must be a repository of our own
    /// making.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn remote<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        repo: &Url,
        credential: Option<&GitCredential>,
        patience: Patience,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        let args: Vec<A> = args.into_iter().collect();
        self.remote_of(&self.program, dir, Vec::new(), (repo, credential), patience, &args).await
    }

    /// As [`Git::remote`], but `git-lfs`, for the content that belongs to `repo`: nothing in a
    /// repository says where it goes.
    pub(super) async fn remote_lfs(
        &self,
        dir: &Path,
        repo: &Url,
        credential: Option<&GitCredential>,
        patience: Patience,
        args: &[&str],
    ) -> Result<Vec<u8>, GitError> {
        let Some(program) = &self.lfs else {
            return Err(GitError::Start("git-lfs is not installed".to_owned()));
        };
        let endpoint = lfs_endpoint(repo);
        let settings = [
            ("lfs.url", endpoint.as_str()),
            ("lfs.pushurl", endpoint.as_str()),
            // No program that a setting names.
            ("lfs.basictransfersonly", "true"),
            ("lfs.locksverify", "false"),
        ];
        let settings = settings.map(|(name, value)| (name.into(), value.into())).to_vec();
        self.remote_of(program, dir, settings, (repo, credential), patience, args).await
    }

    async fn remote_of<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        dir: &Path,
        mut settings: Vec<Setting>,
        (repo, credential): (&Url, Option<&GitCredential>),
        patience: Patience,
        args: &[A],
    ) -> Result<Vec<u8>, GitError> {
        settings.push(("http.followRedirects".into(), "false".into()));
        settings.push(("credential.helper".into(), OsString::new()));
        if let Some(credential) = credential {
            let pair = format!("{}:{}", credential.username, credential.token.expose());
            let basic = base64::engine::general_purpose::STANDARD.encode(pair);
            // Only this host ever sees it. git compares the port too.
            let port = repo.port().map(|port| format!(":{port}")).unwrap_or_default();
            let name = format!("http.https://{}{port}/.extraHeader", credential.host);
            settings.push((name.into(), format!("Authorization: Basic {basic}").into()));
        }
        let mut command = self.command_of(program, dir, settings);
        command.env("GIT_ALLOW_PROTOCOL", if self.allow_file { "https:file" } else { "https" });
        // What OpenSSL, Node and rustls call SSL_CERT_FILE.
        if let Some(file) = std::env::var_os("SSL_CERT_FILE") {
            command.env("GIT_SSL_CAINFO", file);
        }
        let (Patience::Fixed(timeout) | Patience::UntilHurried(timeout)) = patience;
        self.within(patience, &first(args), finish(command, args, timeout)).await
    }

    /// Does something that belongs to a git command of this name, and gives it up when the patience
    /// is over.
    pub(super) async fn within<T>(
        &self,
        patience: Patience,
        name: &str,
        doing: impl Future<Output = Result<T, GitError>>,
    ) -> Result<T, GitError> {
        let mut hurry = self.hurry.clone();
        let (timeout, late) = match patience {
            Patience::Fixed(timeout) => (timeout, None),
            Patience::UntilHurried(timeout) => {
                (timeout, Some(too_late(&mut hurry, Duration::ZERO, Duration::ZERO)))
            }
        };
        let late = async {
            match late {
                Some(late) => late.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = doing => done,
            () = tokio::time::sleep(timeout) => {
                Err(GitError::Timeout(name.to_owned(), timeout.as_secs()))
            }
            () = late => Err(GitError::Hurried(name.to_owned())),
        }
    }
}

/// Where a repository's LFS server is: git-lfs, docs/api/server-discovery.md. Of a folder, itself.
fn lfs_endpoint(repo: &Url) -> Url {
    let mut url = repo.clone();
    if repo.scheme() != "file" {
        let path = repo.path().trim_end_matches('/');
        let end = if path.ends_with(".git") { "" } else { ".git" };
        url.set_path(&format!("{path}{end}/info/lfs"));
    }
    url
}

/// Author and committer of the worker's commits. The domain is reserved (RFC 2606).
pub(super) const IDENTITY: (&str, &str) = ("ralph-loop-cloud", "ralph@worker.invalid");

/// Returns when a signal came and its time less `margin` is over, but not before it had `least`;
/// never without a signal.
async fn too_late(hurry: &mut watch::Receiver<Option<u64>>, margin: Duration, least: Duration) {
    let by = match hurry.wait_for(Option::is_some).await {
        Ok(by) => by.unwrap_or(u64::MAX),
        // Nobody is left who could hurry us.
        Err(_) => return std::future::pending().await,
    };
    let left = Duration::from_millis(by.saturating_sub(now_ms()));
    tokio::time::sleep(left.saturating_sub(margin).max(least)).await;
}

/// A command's name, for its error.
pub(super) fn first<A: AsRef<OsStr>>(args: &[A]) -> String {
    args.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default()
}

/// Ends git's helpers with it when nobody waits any more: one of them holds the credential.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already, if it was quick.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn finish<A: AsRef<OsStr>>(
    mut command: Command,
    args: &[A],
    timeout: Duration,
) -> Result<Vec<u8>, GitError> {
    let name = first(args);
    let child = command.args(args).spawn().map_err(|error| GitError::Start(error.to_string()))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let output: Output = match tokio::time::timeout(timeout, child.wait_with_output()).await {
        Err(_) => return Err(GitError::Timeout(name, timeout.as_secs())),
        Ok(Err(error)) => return Err(GitError::Start(error.to_string())),
        Ok(Ok(output)) => output,
    };
    group.0 = None;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // `push --porcelain` says why on stdout, and a remote may say much on stderr before.
    let stdout = String::from_utf8_lossy(&output.stdout);
    let text = format!("{}\n{}", ends(stderr.trim()), ends(stdout.trim()));
    let text = text.trim().to_owned();
    Err(GitError::Failed { command: name, stderr: text })
}

/// The first and the last lines of a text that is long.
fn ends(text: &str) -> String {
    const MOST: usize = 32_000;
    if text.len() <= 2 * MOST {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(MOST)];
    let tail = &text[text.ceil_char_boundary(text.len() - MOST)..];
    format!("{head}\n…\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_repository_has_its_lfs_server() {
        for (repo, endpoint) in [
            ("https://h/you/p", "https://h/you/p.git/info/lfs"),
            ("https://h:8443/you/p.git/", "https://h:8443/you/p.git/info/lfs"),
            ("file:///r/p.git", "file:///r/p.git"),
        ] {
            assert_eq!(lfs_endpoint(&repo.parse().unwrap()).as_str(), endpoint);
        }
    }

    #[test]
    fn what_an_error_of_the_remote_means() {
        let http = |code: u32, said: &str| {
            format!(
                "{said}fatal: unable to access 'https://h/rate-limit.git/': The requested URL returned error: {code}"
            )
        };
        let limit =
            "remote: You have exceeded a secondary rate limit. Please wait a few minutes.\n";
        let many = "remote: This request was rate-limited due to too many requests.\n";
        let abuse = "remote: You have triggered an Abuse detection mechanism.\n";
        let resolve = "fatal: unable to access 'https://h/': Could not resolve host: h";
        let reset = "fatal: unable to access 'https://h/': Recv failure: Connection reset by peer";
        let cases = [
            (http(401, ""), (true, false, 0)),
            (http(403, ""), (true, false, 0)),
            (http(403, "remote: Write access to repository not granted.\n"), (true, false, 0)),
            (http(403, limit), (false, true, 5)),
            (http(403, abuse), (false, true, 5)),
            (http(429, many), (false, true, 5)),
            (http(429, ""), (false, true, 5)),
            (http(503, ""), (false, false, 5)),
            (http(404, ""), (false, false, 0)),
            (
                "error: RPC failed; HTTP 429 curl 22 The requested URL returned error: 429"
                    .to_owned(),
                (false, true, 5),
            ),
            (resolve.to_owned(), (false, false, 2)),
            (reset.to_owned(), (false, false, 2)),
            ("fatal: '/x' does not appear to be a git repository".to_owned(), (false, false, 0)),
        ];
        for (stderr, expected) in cases {
            let error = GitError::Failed { command: "push".to_owned(), stderr };
            let found = (error.is_denied(), error.is_limited(), error.retries());
            assert_eq!(found, expected, "{error}");
        }
    }

    #[test]
    fn what_an_app_without_a_token_means() {
        for (why, expected) in [
            (Why::Denied, (true, false, 0)),
            (Why::Limited, (false, true, 5)),
            (Why::Trouble, (false, false, 5)),
            (Why::Silence, (false, false, 2)),
            (Why::Other, (false, false, 0)),
        ] {
            // Whatever the text says.
            let text = "returned error: 403; rate limit".to_owned();
            let error = GitError::NoToken { why, text, hint: String::new() };
            let found = (error.is_denied(), error.is_limited(), error.retries());
            assert_eq!(found, expected, "{why:?}");
        }
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(ends("short"), "short");
        let text = format!("first{}last", "é".repeat(100_000));
        let kept = ends(&text);
        assert!(kept.starts_with("first") && kept.ends_with("last") && kept.len() < 64_100);
    }
}
