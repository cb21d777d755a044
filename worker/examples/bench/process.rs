//! The worker as a process: what it takes of memory.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, routing::post};
use serde_json::Value;
use tokio::net::TcpListener;

/// The argument that asks for it.
pub const WORKER: &str = "worker";

/// Writes three lines of 5 MB, says so, and stays until it may go.
const LONG_LINES: &str = r#"
text() { printf '{"type":"assistant","message":{"content":[{"type":"text","text":"'; "$@"; printf '"}]}}\n'; }
long() { head -c 5242880 /dev/zero | tr '\0' x; }
for n in 1 2 3; do text long; done
text printf 'all is said'
while ! test -e ../../go; do sleep 0.1; done
"#;

/// Forty requests at a time of 31 MB, which are passed on, and forty of 60 MB, which are not.
const LARGE_REQUESTS: &str = r#"
for size in 31 60; do
    printf '{"model":"claude-haiku-4-5","max_tokens":1,"x":"' > $size
    head -c ${size}000000 /dev/zero | tr '\0' x >> $size
    printf '"}' >> $size
done
for n in $(seq 40); do for size in 31 60; do
    curl -s -o /dev/null -w '%{http_code}\n' -X POST -T $size -H "x-api-key: $ANTHROPIC_API_KEY" \
        "$ANTHROPIC_BASE_URL/v1/messages" &
done; done > codes
wait
sort codes | uniq -c
printf '%s\n' 'all is said'
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

/// Lines of 5 MB must not stay in memory.
pub fn long_lines() -> Value {
    let (most, said) = most_megabytes(LONG_LINES, "http://127.0.0.1:9");
    assert!(said.len() > 3 * 5_000_000, "only {} bytes", said.len());
    crate::row("resident memory with 5 MB lines, whole process", "MB", most, None, 20.0, true)
}

/// Nor may what an agent sends all at once.
pub fn large_requests() -> Value {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // Reads a request to its end before it answers, as the service does.
    let answer = |request: Bytes| async move {
        assert!(request.len() > 31_000_000);
        crate::ANSWER
    };
    let app = Router::new().route("/v1/messages", post(answer)).layer(DefaultBodyLimit::disable());
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, app).await
        })
    });
    let (most, said) = most_megabytes(LARGE_REQUESTS, &url);
    assert!(said.contains("40 200") && said.contains("40 413"), "{said}");
    let name = "resident memory with 40 requests of 31 MB and 40 of 60 MB, whole process";
    crate::row(name, "MB", most, None, 300.0, true)
}

/// Most memory that was resident in the whole process, and what it said until then.
fn most_megabytes(agent: &str, endpoint: &str) -> (f64, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    git(dir, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
    git(dir, &["clone", "-q", "remote.git", "seed"]);
    fs::write(dir.join("seed/PROMPT.md"), "Do the next task.\n").expect("a file");
    git(&dir.join("seed"), &["add", "-A"]);
    git(&dir.join("seed"), &["commit", "-q", "-m", "first"]);
    git(&dir.join("seed"), &["push", "-q", "origin", "HEAD:main"]);
    fs::write(dir.join("agent.sh"), agent).expect("a file");
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
        .env("RALPH_MODEL_ENDPOINT", endpoint)
        .env("RALPH_MAX_ITERATIONS", "1")
        .env("RALPH_MAX_DURATION_SECS", "600")
        .env("RALPH_MAX_COST_USD", "1000")
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
    let mut said = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        said.push_str(&line);
        if line.contains("all is said") {
            break;
        }
    }
    let most = resident_kilobytes(child.id(), "VmHWM:");
    eprintln!("worker: {} MB resident now", resident_kilobytes(child.id(), "VmRSS:") / 1e3);
    fs::write(dir.join("work").join("go"), "").expect("a file");
    // Nobody reads the rest, and that is allowed.
    drop(lines);
    let _ = child.wait();
    (most / 1e3, said)
}
