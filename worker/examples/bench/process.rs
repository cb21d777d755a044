//! The worker as a process: what it takes of memory.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// The argument that asks for it.
pub const WORKER: &str = "worker";

/// Writes three lines of 5 MB, says so, and stays until it may go.
const AGENT: &str = r#"
text() { printf '{"type":"assistant","message":{"content":[{"type":"text","text":"'; "$@"; printf '"}]}}\n'; }
long() { head -c 5242880 /dev/zero | tr '\0' x; }
for n in 1 2 3; do text long; done
text printf 'all is said'
while ! test -e ../../go; do sleep 0.1; done
"#;

fn git(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"];
    let status = Command::new("git").current_dir(dir).args(who).args(args).status();
    assert!(status.expect("git").success(), "git {args:?}");
}

/// What the worker's `main` does: this program plays the worker in a process of its own, so that
/// nothing is compiled twice.
pub fn be_the_worker() -> ! {
    let environment = ralph_worker::platform::take_secrets().expect("an environment");
    ralph_worker::platform::guard().expect("a guard");
    let exit = ralph_worker::run::run(&environment);
    std::process::exit(exit.code().into())
}

fn resident_kilobytes(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// Most memory that was resident in the whole process.
pub fn memory() -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    git(dir, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
    git(dir, &["clone", "-q", "remote.git", "seed"]);
    fs::write(dir.join("seed/PROMPT.md"), "Do the next task.\n").expect("a file");
    git(&dir.join("seed"), &["add", "-A"]);
    git(&dir.join("seed"), &["commit", "-q", "-m", "first"]);
    git(&dir.join("seed"), &["push", "-q", "origin", "HEAD:main"]);
    fs::write(dir.join("agent.sh"), AGENT).expect("a file");
    let text = |name: &str| dir.join(name).to_str().expect("a path in UTF-8").to_owned();
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .arg(WORKER)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", dir)
        .env("RALPH_WORKSTREAM", "bench")
        .env("RALPH_REPO", format!("file://{}", text("remote.git")))
        .env("RALPH_ALLOW_FILE_REPO", "1")
        .env("RALPH_WORKDIR", text("work"))
        .env("RALPH_AGENT_COMMAND", format!("sh {}", text("agent.sh")))
        .env("RALPH_MAX_ITERATIONS", "1")
        .env("RALPH_MAX_DURATION_SECS", "600")
        .env("RALPH_MAX_COST_USD", "1")
        .env("RALPH_ITERATION_TIMEOUT_SECS", "300")
        .env("RALPH_SILENCE_SECS", "300")
        .env("RALPH_MAX_STALLS", "1")
        .env("RALPH_ANTHROPIC_KEYS", r#"{"keys":[{"id":"a","value":"not-a-real-key"}]}"#)
        .env("RALPH_GIT_TOKEN", "{}")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the worker");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut seen = 0;
    for line in lines.by_ref().map_while(Result::ok) {
        seen += line.len();
        if line.contains("all is said") {
            break;
        }
    }
    assert!(seen > 3 * 5_000_000, "only {seen} bytes");
    let most = resident_kilobytes(child.id(), "VmHWM:");
    eprintln!("worker: {} MB resident now", resident_kilobytes(child.id(), "VmRSS:") / 1e3);
    fs::write(dir.join("work").join("go"), "").expect("a file");
    // Nobody reads the rest, and that is allowed.
    drop(lines);
    let _ = child.wait();
    crate::row("resident memory with 5 MB lines, whole process", "MB", most / 1e3, None, 20.0, true)
}
