//! Bad input: the documented exit code and an event, before any money is spent.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Fixture, write};

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("a", "a")]]));
    fixture
}

#[track_caller]
fn refused(fixture: &Fixture, code: i32, text: &str) {
    let done = fixture.run();
    assert_eq!(done.exit(), code, "{done:#?}");
    assert!(done.text().contains(text), "{text}: {done:#?}");
    assert_eq!(fixture.count(), 0, "the agent was started");
}

#[test]
fn each_wrong_variable_is_named_in_an_event() {
    let required = [
        env::REPO,
        env::MAX_ITERATIONS,
        env::MAX_DURATION_SECS,
        env::MAX_COST_USD,
        env::ITERATION_TIMEOUT_SECS,
        env::SILENCE_SECS,
        env::MAX_STALLS,
        env::ANTHROPIC_KEYS,
        env::GIT_TOKEN,
    ];
    let malformed = [
        (env::ATTEMPT, "first"),
        (env::REPO, "git@github.com:you/project"),
        (env::BASE, "a..b"),
        (env::BRANCH, "-x"),
        (env::PROMPT_FILE, "../PROMPT.md"),
        (env::MAX_ITERATIONS, "unlimited"),
        (env::MAX_DURATION_SECS, "1h"),
        (env::MAX_COST_USD, "0"),
        (env::ITERATION_TIMEOUT_SECS, "-1"),
        (env::SILENCE_SECS, "0"),
        (env::MAX_STALLS, "1e3"),
        (env::MAX_LOG_MB, "0"),
        (env::MAX_COMMIT_MB, "200MB"),
        (env::MAX_COMMIT_FILES, "-1"),
        (env::AGENT_COMMAND, "claude 'unclosed"),
        (env::ANTHROPIC_KEYS, "hunter2-not-json"),
        (env::GIT_TOKEN, "hunter2-not-json"),
        (env::MODEL_ENDPOINT, "http://example.com"),
    ];
    let empty = required.map(|name| (name, Some("")));
    let missing = required.map(|name| (name, None));
    let malformed = malformed.map(|(name, value)| (name, Some(value)));
    for (name, value) in empty.into_iter().chain(missing).chain(malformed) {
        let mut fixture = fixture();
        match value {
            Some(value) => drop(fixture.set(name, value)),
            None => drop(fixture.env.remove(name)),
        }
        refused(&fixture, 30, name);
    }
}

#[test]
fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let fixture = fixture();
    let mut command = fixture.command();
    command.env(env::BRANCH, std::ffi::OsStr::from_bytes(b"ralph/\xff"));
    let done = crate::harness::Running::new(command).wait();
    assert_eq!(done.exit(), 30, "{done:#?}");
    assert!(done.text().contains("RALPH_BRANCH: is not text"), "{}", done.text());
}

#[test]
fn without_a_workstream_there_is_only_stderr() {
    let mut fixture = fixture();
    fixture.set(env::WORKSTREAM, "Not A Name");
    let done = fixture.run();
    assert_eq!((done.code, done.events.len()), (Some(30), 0));
    assert!(done.stderr.contains("RALPH_WORKSTREAM"), "{}", done.stderr);
}

#[test]
fn a_file_repository_needs_to_be_allowed() {
    let mut fixture = fixture();
    fixture.set(env::ALLOW_FILE_REPO, "");
    refused(&fixture, 30, "not an https URL");
}

#[test]
fn a_repository_that_does_not_exist() {
    let mut fixture = fixture();
    let gone = format!("file://{}", fixture.path("gone.git").display());
    fixture.set(env::REPO, gone);
    refused(&fixture, 20, "check RALPH_REPO");
}

#[test]
fn an_empty_repository() {
    let mut fixture = Fixture::empty();
    fixture.counted_calls(json!([[]]));
    refused(&fixture, 20, "first commit");
}

#[test]
fn a_base_that_does_not_exist() {
    let mut fixture = fixture();
    fixture.set(env::BASE, "nowhere");
    refused(&fixture, 20, "no branch `nowhere`");
}

#[test]
fn the_default_branch() {
    let mut fixture = fixture();
    fixture.set(env::BRANCH, "main");
    refused(&fixture, 30, "default branch");
}

#[test]
fn a_prompt_or_progress_that_is_a_link_is_not_read() {
    let mut fixture = fixture();
    let clone = fixture.path("clone");
    let dir = fixture.dir.path();
    crate::harness::git(dir, &["clone", "-q", "remote.git", "clone"]);
    std::fs::write(clone.join("done.md"), "## Status: COMPLETE\n").unwrap();
    std::os::unix::fs::symlink("done.md", clone.join("PROGRESS.md")).unwrap();
    std::os::unix::fs::symlink("/proc/self/environ", clone.join("LINK.md")).unwrap();
    crate::harness::git(&clone, &["add", "-A"]);
    crate::harness::git(&clone, &["commit", "-q", "-m", "links"]);
    crate::harness::git(&clone, &["push", "-q", "origin", "HEAD:main"]);
    fixture.set(env::PROMPT_FILE, "LINK.md");
    refused(&fixture, 30, "no prompt file `LINK.md`");
    fixture.set(env::PROMPT_FILE, "PROMPT.md").set(env::MAX_ITERATIONS, "1");
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (10, 1), "the link is not a status");
}

#[test]
fn a_prompt_that_is_missing_or_empty() {
    let mut fixture = fixture();
    fixture.set(env::PROMPT_FILE, "NOPE.md");
    refused(&fixture, 30, "no prompt file `NOPE.md`");
    fixture.seed("main", &[("EMPTY.md", "\n")]);
    fixture.set(env::PROMPT_FILE, "EMPTY.md");
    refused(&fixture, 30, "is empty");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let mut fixture = fixture();
    std::fs::write(fixture.path("file"), "").unwrap();
    let file = fixture.path("file").display().to_string();
    fixture.set(env::WORKDIR, file);
    refused(&fixture, 30, "RALPH_WORKDIR");
}

#[test]
fn a_journal_that_cannot_be_opened() {
    let mut fixture = fixture();
    let path = fixture.path("no/such/folder").display().to_string();
    fixture.set(env::JOURNAL, path);
    let done = fixture.run();
    assert_eq!(done.code, Some(30));
    assert!(done.stderr.contains("RALPH_JOURNAL"), "{}", done.stderr);
}

#[test]
fn an_agent_that_does_not_exist() {
    let mut fixture = fixture();
    fixture.set(env::AGENT_COMMAND, "/no/such/agent --flag");
    refused(&fixture, 30, "cannot start the agent");
}

#[test]
fn a_progress_file_that_is_not_text_is_not_complete() {
    let mut fixture = fixture();
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.seed("ralph/docs", &[("PROGRESS.md", "\u{0}\u{1}\u{fffd}\u{0}")]);
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (10, 1));
}
