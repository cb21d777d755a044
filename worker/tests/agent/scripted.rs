//! A scripted model, and the real agent in front of it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use ralph_protocol::names::worker_env as env;
use ralph_worker::{
    config::DEFAULT_AGENT_COMMAND,
    gateway::{meter::Meter, price},
    machine::Usd,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Fixture, KEY};

/// The folder of the real agent.
pub fn agent() -> PathBuf {
    let folder = std::env::var("RALPH_TEST_AGENT");
    PathBuf::from(folder.expect("RALPH_TEST_AGENT names the agent's folder: use `just test-agent`"))
}

/// A scripted model that runs.
pub struct Model {
    child: Child,
    pub url: String,
    /// Reads what it was asked.
    lines: Option<JoinHandle<Vec<Value>>>,
    _dir: TempDir,
}

impl Model {
    /// Gives these answers, one after the other.
    pub fn answers(answers: Value) -> Self {
        Self::play(json!({"conversations": [{"answers": answers}]}))
    }

    pub fn play(scenario: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenario.json");
        fs::write(&path, scenario.to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ralph-scripted-model"))
            .arg("--scenario")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap();
        let url = first["listens"].as_str().unwrap().to_owned();
        let lines = std::thread::spawn(|| {
            lines.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
        });
        Self { child, url, lines: Some(lines), _dir: dir }
    }

    /// Ends it and says what it was asked.
    pub fn requests(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        self.lines.take().unwrap().join().unwrap()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every request showed the real key, and nothing else of ours left the machine.
#[track_caller]
pub fn assert_only_the_key(requests: &[Value]) {
    assert!(!requests.is_empty());
    for request in requests {
        let headers = request["headers"].as_object().unwrap();
        assert_eq!(headers["x-api-key"], KEY, "{headers:#?}");
        // An endpoint of one's own gets a key that is not Anthropic's in both fields.
        assert_eq!(headers["authorization"], format!("Bearer {KEY}"), "{headers:#?}");
        assert!(!request.to_string().contains("ralph-gateway-"), "the dummy key left the machine");
    }
}

/// What the gateway's meter and prices make of the answers.
pub fn metered(requests: &[Value]) -> Usd {
    let answered = requests.iter().filter(|request| request["status"] == 200);
    answered.fold(Usd::default(), |sum, request| {
        let mut meter = Meter::new("text/event-stream");
        meter.feed(request["answer"].as_str().unwrap().as_bytes());
        let (model, used) = meter.finish().unwrap();
        sum.plus(price::estimate(&model, used))
    })
}

/// A worker whose agent is the real one, with the worker's own command.
pub fn fixture(url: &str) -> Fixture {
    let mut fixture = Fixture::new();
    let path = format!("{}:{}", agent().display(), std::env::var("PATH").unwrap());
    fixture.set("PATH", path).set(env::MODEL_ENDPOINT, url);
    fixture
}

/// The same with variables of the agent's.
pub fn fixture_with(url: &str, variables: &str) -> Fixture {
    let mut fixture = fixture(url);
    fixture.set(env::AGENT_COMMAND, format!("env {variables} {DEFAULT_AGENT_COMMAND}"));
    fixture
}

/// Starts the agent without a worker and returns its lines.
pub fn claude(url: &str, args: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(agent().join("claude"))
        .args(["-p", "--output-format", "stream-json", "--verbose"])
        .args(args)
        .current_dir(dir.path())
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", dir.path())
        .env("TMPDIR", dir.path())
        .env("CLAUDE_CONFIG_DIR", dir.path().join(".claude"))
        .env("DISABLE_AUTOUPDATER", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        // Otherwise an old model's name stands for the newest one.
        .env("CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP", "1")
        .env("ANTHROPIC_BASE_URL", url)
        .env("ANTHROPIC_API_KEY", "not-a-real-key")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Go.").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An answer that calls a tool.
pub fn tool(name: &str, input: Value) -> Value {
    json!({"tools": [{"name": name, "input": input}]})
}

/// An answer that runs a command.
pub fn bash(command: &str) -> Value {
    tool("Bash", json!({"command": command, "description": "as the test says"}))
}

/// An answer that marks the work as complete.
pub fn complete() -> Value {
    bash("printf '# Tasks\\n\\n## Status: COMPLETE\\n' > PROGRESS.md")
}

/// An answer that ends the turn.
pub fn say(text: &str) -> Value {
    json!({"text": text})
}

/// An answer that fails.
pub fn fail(status: u16, error: &str, message: &str) -> Value {
    json!({"status": status, "error": error, "message": message})
}

/// An answer with a usage record.
pub fn using(mut answer: Value, usage: Value) -> Value {
    answer["usage"] = usage;
    answer
}
