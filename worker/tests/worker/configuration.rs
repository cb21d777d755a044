//! Bad input: the documented exit code and an event, before any money is spent.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{World, write};

fn world() -> World {
    let mut world = World::new();
    world.counted_calls(json!([[write("a", "a")]]));
    world
}

#[track_caller]
fn refused(world: &World, code: i32, text: &str) {
    let done = world.run();
    assert_eq!(done.exit(), code, "{done:#?}");
    assert!(done.text().contains(text), "{text}: {done:#?}");
    assert_eq!(world.count(), 0, "the agent was started");
}

#[test]
fn a_wrong_environment_becomes_events() {
    let mut world = world();
    world.set(env::MAX_COST_USD, "").set(env::MAX_STALLS, "0");
    refused(&world, 30, "RALPH_MAX_COST_USD");
    refused(&world, 30, "RALPH_MAX_STALLS");
}

#[test]
fn without_a_workstream_there_is_only_stderr() {
    let mut world = world();
    world.set(env::WORKSTREAM, "Not A Name");
    let done = world.run();
    assert_eq!((done.code, done.events.len()), (Some(30), 0));
    assert!(done.stderr.contains("RALPH_WORKSTREAM"), "{}", done.stderr);
}

#[test]
fn a_file_repository_needs_to_be_allowed() {
    let mut world = world();
    world.set(env::ALLOW_FILE_REPO, "");
    refused(&world, 30, "file://");
}

#[test]
fn a_repository_that_does_not_exist() {
    let mut world = world();
    let gone = format!("file://{}", world.path("gone.git").display());
    world.set(env::REPO, gone);
    refused(&world, 20, "check RALPH_REPO");
}

#[test]
fn an_empty_repository() {
    let mut world = World::empty();
    world.counted_calls(json!([[]]));
    refused(&world, 20, "first commit");
}

#[test]
fn a_base_that_does_not_exist() {
    let mut world = world();
    world.set(env::BASE, "nowhere");
    refused(&world, 20, "no branch `nowhere`");
}

#[test]
fn the_default_branch() {
    let mut world = world();
    world.set(env::BRANCH, "main");
    refused(&world, 30, "default branch");
}

#[test]
fn a_prompt_that_is_missing_empty_or_a_link() {
    let mut world = world();
    world.set(env::PROMPT_FILE, "NOPE.md");
    refused(&world, 30, "no prompt file `NOPE.md`");
    world.seed("main", &[("EMPTY.md", "\n")]);
    world.set(env::PROMPT_FILE, "EMPTY.md");
    refused(&world, 30, "is empty");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let mut world = world();
    std::fs::write(world.path("file"), "").unwrap();
    let file = world.path("file").display().to_string();
    world.set(env::WORKDIR, file);
    refused(&world, 30, "RALPH_WORKDIR");
}

#[test]
fn a_journal_that_cannot_be_opened() {
    let mut world = world();
    let path = world.path("no/such/folder").display().to_string();
    world.set(env::JOURNAL, path);
    let done = world.run();
    assert_eq!(done.code, Some(30));
    assert!(done.stderr.contains("RALPH_JOURNAL"), "{}", done.stderr);
}

#[test]
fn an_agent_that_does_not_exist() {
    let mut world = world();
    world.set(env::AGENT_COMMAND, "/no/such/agent --flag");
    refused(&world, 30, "cannot start the agent");
}

#[test]
fn a_progress_file_that_is_not_text_is_not_complete() {
    let mut world = world();
    world.set(env::MAX_ITERATIONS, "1");
    world.seed("ralph/docs", &[("PROGRESS.md", "\u{0}\u{1}\u{fffd}\u{0}")]);
    let done = world.run();
    assert_eq!((done.exit(), world.count()), (10, 1));
}
