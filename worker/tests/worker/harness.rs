//! A fixture for one worker: a remote, a working folder, an environment, and what comes out.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use ralph_protocol::{event::MAX_LINE, names::worker_env as env};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tls::with_hosts;

pub const WORKER: &str = env!("CARGO_BIN_EXE_ralph-loop-cloud");
pub const AGENT: &str = env!("CARGO_BIN_EXE_ralph-scripted-agent");

/// A key no output may ever hold.
pub const KEY: &str = "hunter2-anthropic-key-0123456789";
const RUN: &str = "01M7ZZZZZZ0000000000000000";

/// Longest wait for anything in a test.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fixture {
    pub dir: TempDir,
    pub env: BTreeMap<String, String>,
    /// What the worker finds in `/etc/hosts`, if not the machine's own.
    pub hosts: Option<PathBuf>,
}

/// What a worker left.
pub struct Done {
    pub code: Option<i32>,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Fixture {
    /// A remote whose branch `main` holds a prompt.
    pub fn new() -> Self {
        let fixture = Self::empty();
        fixture
            .seed("main", &[("PROMPT.md", "Do the next task.\n"), ("README.md", "A project.\n")]);
        fixture
    }

    /// A remote without any commit.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let remote = dir.path().join("remote.git");
        git(dir.path(), &["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
        fs::create_dir(dir.path().join("work")).unwrap();
        let text = |path: &str| dir.path().join(path).to_str().unwrap().to_owned();
        let pairs = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("TMPDIR", text("")),
            (env::WORKSTREAM, "docs".to_owned()),
            (env::RUN, run_id(1)),
            (env::REPO, format!("file://{}", text("remote.git"))),
            (env::ALLOW_FILE_REPO, "1".to_owned()),
            (env::WORKDIR, text("work")),
            (env::JOURNAL, text("journal")),
            (env::MAX_ITERATIONS, "5".to_owned()),
            // The ulid's time is long ago; the limit is counted from there.
            (env::MAX_DURATION_SECS, (300 * 24 * 3600).to_string()),
            (env::MAX_COST_USD, "10".to_owned()),
            (env::ITERATION_TIMEOUT_SECS, "40".to_owned()),
            (env::SILENCE_SECS, "30".to_owned()),
            (env::MAX_STALLS, "2".to_owned()),
            (env::ANTHROPIC_KEYS, json!({"keys": [{"id": "main", "value": KEY}]}).to_string()),
            (env::GIT_TOKEN, "{}".to_owned()),
        ];
        let env = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        Self { dir, env, hosts: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn remote(&self) -> PathBuf {
        self.path("remote.git")
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The agent plays these calls.
    pub fn calls(&mut self, calls: Value) -> &mut Self {
        self.scenario(json!({"calls": calls}))
    }

    /// The agent plays these calls, counted in a file, so that failed attempts count too.
    pub fn counted_calls(&mut self, calls: Value) -> &mut Self {
        let state = self.path("calls");
        self.scenario(json!({"state": state, "calls": calls}))
    }

    pub fn scenario(&mut self, scenario: Value) -> &mut Self {
        let path = self.path("scenario.json");
        fs::write(&path, scenario.to_string()).unwrap();
        self.set(env::AGENT_COMMAND, format!("{AGENT} --scenario {}", path.display()))
    }

    /// How often the agent was started, with [`Fixture::counted_calls`].
    pub fn count(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |text| text.trim().parse().unwrap())
    }

    /// Commits files to a branch of the remote, as somebody else would.
    pub fn seed(&self, branch: &str, files: &[(&str, &str)]) {
        self.seed_message(branch, files, "somebody else's commit");
    }

    /// Commits files to a branch of the remote, as an earlier attempt of this execution.
    pub fn seed_own(&self, branch: &str, files: &[(&str, &str)]) {
        let trailers = format!("Ralph-Run: {}\nRalph-Iteration: 0\n", run_id(1));
        self.seed_message(branch, files, &format!("ralph: checkpoint\n\n{trailers}"));
    }

    pub fn seed_message(&self, branch: &str, files: &[(&str, &str)], message: &str) {
        let clone = tempfile::tempdir_in(self.dir.path()).unwrap();
        git(clone.path(), &["clone", "-q", self.remote().to_str().unwrap(), "."]);
        let known = git_text(clone.path(), &["branch", "-r"]).contains(&format!("origin/{branch}"));
        let args: &[&str] =
            if known { &["checkout", "-q", branch] } else { &["checkout", "-q", "-B", branch] };
        git(clone.path(), args);
        for (path, text) in files {
            let path = clone.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        git(clone.path(), &["add", "-A"]);
        git(clone.path(), &["commit", "-q", "--allow-empty", "-m", message]);
        git(clone.path(), &["push", "-q", "origin", &format!("HEAD:{branch}")]);
    }

    /// Merges a branch of the remote into another one.
    pub fn merge(&self, from: &str, into: &str) {
        let clone = tempfile::tempdir_in(self.dir.path()).unwrap();
        git(clone.path(), &["clone", "-q", self.remote().to_str().unwrap(), "."]);
        git(clone.path(), &["checkout", "-q", into]);
        git(clone.path(), &["merge", "-q", "--no-ff", "-m", "merge", &format!("origin/{from}")]);
        git(clone.path(), &["push", "-q", "origin", into]);
    }

    /// A script the remote runs.
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.remote().join("hooks").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn command(&self) -> Command {
        let mut command = match &self.hosts {
            Some(hosts) => with_hosts(hosts, WORKER),
            None => Command::new(WORKER),
        };
        command.env_clear().envs(&self.env);
        command
    }

    pub fn spawn(&self) -> Running {
        Running::new(self.command())
    }

    /// The worker as PID 1 of its own PID namespace, as in the container.
    pub fn spawn_contained(&self) -> Running {
        let mut command = unshare();
        command.env_clear().envs(&self.env).arg(WORKER);
        let mut running = Running::new(command);
        running.contained = true;
        running
    }

    /// No process of this fixture is left: none has its path in its arguments.
    #[track_caller]
    pub fn assert_nothing_runs(&self, what: &str) {
        let path = self.dir.path().to_str().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        // The kernel ends a namespace's processes a moment after its first one.
        while processes_with(path) > 0 {
            assert!(Instant::now() < deadline, "{what}: {path} is still in use");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// No secret is in the remote, in any object.
    #[track_caller]
    pub fn assert_no_secret_in_the_remote(&self, what: &str) {
        let objects = base_git(&self.remote())
            .args(["cat-file", "--batch", "--batch-all-objects"])
            .output()
            .unwrap();
        assert!(objects.status.success());
        assert!(!holds(&objects.stdout, b"hunter2"), "{what}: a secret is in the remote");
    }

    /// No secret is in the remote, nor in any file below the fixture's folder.
    #[track_caller]
    pub fn assert_no_secret_anywhere(&self, what: &str) {
        self.assert_no_secret_in_the_remote(what);
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let bytes = fs::read(entry.path()).unwrap_or_default();
                    assert!(!holds(&bytes, b"hunter2"), "{what}: {}", entry.path().display());
                }
            }
        }
    }

    pub fn run(&self) -> Done {
        self.spawn().wait()
    }

    /// Text at the tip of a branch of the remote.
    pub fn file(&self, branch: &str, path: &str) -> Option<String> {
        let mut command = base_git(&self.remote());
        let output = command.args(["show", &format!("{branch}:{path}")]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    pub fn remote_git(&self, args: &[&str]) -> String {
        git_text(&self.remote(), args)
    }

    /// Files of a branch and their content's hashes.
    pub fn tree(&self, branch: &str) -> String {
        self.remote_git(&["ls-tree", "-r", branch])
    }
}

/// What is added runs as PID 1 of its own PID namespace with its own `/proc`.
pub fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        unshare.args(["--user", "--map-current-user"]);
    }
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    unshare
}

/// How many processes have this in their arguments.
pub fn processes_with(marker: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| holds(line, marker.as_bytes()))
        .count()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// Waits until a file exists.
#[track_caller]
pub fn appears(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The run of this attempt; all attempts belong to one execution.
pub fn run_id(attempt: u32) -> String {
    format!("{RUN}-{attempt:04}")
}

fn base_git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        // Some fixtures belong to another user.
        .env("GIT_CONFIG_GLOBAL", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worker/gitconfig"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

pub fn git(dir: &Path, args: &[&str]) {
    git_text(dir, args);
}

pub fn git_text(dir: &Path, args: &[&str]) -> String {
    let output = base_git(dir).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a worker whose output nobody reads yet.
pub fn started(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A worker that runs.
pub struct Running {
    pub child: Child,
    lines: mpsc::Receiver<String>,
    stderr: std::thread::JoinHandle<String>,
    pub events: Vec<Value>,
    /// The worker is the child's child.
    contained: bool,
}

impl Running {
    pub fn new(mut command: Command) -> Self {
        Self::reading(started(&mut command))
    }

    /// Begins to read what a worker writes that was [`started`].
    pub fn reading(mut child: Child) -> Self {
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, stderr, events: Vec::new(), contained: false }
    }

    fn take(&mut self, line: &str) -> Value {
        assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
        assert!(!line.contains("hunter2"), "a secret in {line}");
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.events.push(event.clone());
        event
    }

    /// Waits for an event.
    pub fn until(&mut self, what: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| {
                let _ = self.child.kill();
                panic!("the event did not come: {:#?}", self.events)
            });
            let event = self.take(&line);
            if what(&event) {
                return event;
            }
        }
    }

    pub fn until_text(&mut self, text: &str) -> Value {
        self.until(|event| event["text"].as_str().is_some_and(|t| t.contains(text)))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // When `unshare` is killed, so is everything in the namespace.
        let inside = self.contained && signal != rustix::process::Signal::KILL;
        let pid = if inside { self.inner(pid) } else { Some(pid) };
        // A worker that has just ended needs no signal.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
    }

    /// The only child of `unshare`, which may not have started it yet.
    fn inner(&self, outer: rustix::process::Pid) -> Option<rustix::process::Pid> {
        let raw = outer.as_raw_nonzero();
        let path = format!("/proc/{raw}/task/{raw}/children");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let children = fs::read_to_string(&path).ok()?;
            if let Ok(pid) = children.trim().parse() {
                return rustix::process::Pid::from_raw(pid);
            }
            let state = fs::read_to_string(format!("/proc/{raw}/stat")).ok()?;
            if state.contains(") Z ") {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    pub fn term(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub fn wait(mut self) -> Done {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.take(&line);
        }
        if Instant::now() >= deadline {
            let _ = self.child.kill();
            panic!("the worker did not end: {:#?}", self.events);
        }
        let code = self.child.wait().unwrap().code();
        let stderr = self.stderr.join().unwrap();
        assert!(!stderr.contains("hunter2"), "a secret in {stderr}");
        Done { code, events: self.events, stderr }
    }
}

/// A line for each event: where a long text is cut, what matters is still there.
impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "code {:?}, stderr {:?}", self.code, self.stderr)?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

impl Done {
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["type"] == kind).collect()
    }

    pub fn outcomes(&self) -> Vec<&str> {
        self.of("iter.end").iter().map(|event| event["outcome"].as_str().unwrap()).collect()
    }

    /// What the run said last of what it has spent.
    pub fn spend(&self) -> Option<&Value> {
        let said = |event: &'_ Value| match event["type"].as_str() {
            Some("spend") => true,
            Some("run.end") => event["spend"].is_object(),
            _ => false,
        };
        let last = self.events.iter().rfind(|event| said(event))?;
        Some(if last["type"] == "spend" { last } else { &last["spend"] })
    }

    /// The most that the run has cost, US dollars, and the iterations that have ended: what the
    /// ledger counts, wherever the run was cut off.
    pub fn settled(&self) -> (f64, u64) {
        self.spend().map_or((0.0, 0), |spend| {
            let usd = |name: &str| spend[name].as_f64().unwrap();
            (usd("spentUsd") + usd("reservedUsd"), spend["iterations"].as_u64().unwrap())
        })
    }

    /// All texts, joined.
    pub fn text(&self) -> String {
        let texts = self.events.iter().filter_map(|event| event["text"].as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The exit code, after checks that hold for every run: `seq` without holes, `run.end` last,
    /// the code in it.
    #[track_caller]
    pub fn exit(&self) -> i32 {
        let code = self.code.unwrap_or_else(|| panic!("killed: {:#?}", self.events));
        for (index, event) in self.events.iter().enumerate() {
            assert_eq!(event["seq"], json!(index + 1), "{event}");
        }
        let last = self.events.last().unwrap_or_else(|| panic!("no events: {}", self.stderr));
        assert_eq!(last["type"], "run.end", "{last}");
        assert_eq!(last["exit"], json!(code), "{last}");
        assert_eq!(self.of("run.end").len(), 1);
        code
    }
}

/// A step that writes PROGRESS.md.
pub fn progress(complete: bool) -> Value {
    let status = if complete { "## Status: COMPLETE" } else { "## Status: IN PROGRESS" };
    json!({"write": {"path": "PROGRESS.md", "text": format!("# Tasks\n\n{status}\n")}})
}

/// A step that writes a file.
pub fn write(path: &str, text: &str) -> Value {
    json!({"write": {"path": path, "text": text}})
}

/// A result line that costs this much.
pub fn cost(dollars: f64) -> Value {
    json!({"result": {"total_cost_usd": dollars}})
}
