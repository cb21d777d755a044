//! How a run ends: completion, and each limit.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Done, Fixture, cost, git_text, processes_with, progress, write};

#[test]
fn a_run_ends_when_the_committed_progress_says_so() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([
        [{"text": "one"}, write("a.txt", "1"), {"commit": "the agent's own"}, progress(false), cost(0.01)],
        [write("b.txt", "2"), cost(0.02)],
        [progress(true), cost(0.03)],
        [write("never.txt", "x")],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let kinds: Vec<&str> = done.events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["run.start", "clone", "iter.start"]);
    assert_eq!(done.outcomes(), ["ok", "ok", "ok"]);
    let branch = "ralph/docs";
    assert_eq!(fixture.file(branch, "a.txt").as_deref(), Some("1"));
    assert_eq!(fixture.file(branch, "b.txt").as_deref(), Some("2"));
    assert_eq!(fixture.file(branch, "never.txt"), None);
    assert_eq!(fixture.file("main", "a.txt"), None, "the default branch is untouched");
    let log =
        fixture.remote_git(&["log", "--format=%(trailers:key=Ralph-Cost-Usd,valueonly)", branch]);
    assert_eq!(log.split_whitespace().collect::<Vec<_>>(), ["0.060000", "0.030000", "0.010000"]);
    let subjects = fixture.remote_git(&["log", "--format=%s", branch]);
    assert!(subjects.contains("the agent's own"));
    let ends = done.of("iter.end");
    let tip = fixture.remote_git(&["rev-parse", branch]);
    assert_eq!(ends[2]["commit"].as_str(), Some(tip.trim()));
    let journal = std::fs::read_to_string(fixture.path("journal")).unwrap();
    assert_eq!(journal.lines().count(), done.events.len());
}

#[test]
fn work_of_this_execution_that_is_complete_at_the_start_costs_nothing() {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("a", "a")]]));
    fixture.seed_own("ralph/docs", &[("PROGRESS.md", "## Status: COMPLETE\n")]);
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 0));
}

#[test]
fn a_comment_that_holds_the_line_does_not_end_a_run_before_any_work() {
    let mut fixture = Fixture::new();
    let template = "# Tasks\n\n<!-- when all is done:\n\n## Status: COMPLETE\n-->\n";
    fixture.seed("ralph/docs", &[("PROGRESS.md", template)]);
    fixture.counted_calls(json!([
        [write("a", "1")],
        [write("PROGRESS.md", "\u{feff}## Status: COMPLETE\r\n")],
    ]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 2), "{done:#?}");
    assert_eq!(warnings(&done), [""; 0]);
}

/// What was said about a status that only looks complete.
fn warnings(done: &Done) -> Vec<&str> {
    let texts = done.of("log").into_iter().filter(|event| event["level"] == "warn");
    let texts = texts.filter_map(|event| event["text"].as_str());
    texts.filter(|text| text.contains("does not end the run")).collect()
}

/// The prompts that the agent shows.
fn prompts(done: &Done) -> Vec<&str> {
    done.of("agent.text").into_iter().filter_map(|event| event["text"].as_str()).collect()
}

#[test]
fn a_status_that_only_looks_complete_is_named_once_and_in_each_next_prompt() {
    let mut fixture = Fixture::new();
    let prompt = json!({"text": "prompt was: {prompt}"});
    fixture.calls(json!([
        [write("PROGRESS.md", "# Tasks\n\n## **Status: COMPLETE**\n"), prompt],
        [prompt],
        [prompt],
        [progress(true), prompt],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let [warning] = warnings(&done)[..] else { panic!("{done:#?}") };
    assert!(warning.starts_with("PROGRESS.md says `## **Status: COMPLETE**`"), "{warning}");
    assert!(warning.contains("exactly `## Status: COMPLETE`"), "{warning}");
    let prompts = prompts(&done);
    let told = |what: &str| -> Vec<bool> { prompts.iter().map(|p| p.contains(what)).collect() };
    assert_eq!(told("says `## **Status: COMPLETE**`"), [false, true, true, true]);
    assert_eq!(told("must be exactly `## Status: COMPLETE`"), [false, true, true, true]);
    assert_eq!(told("changed nothing"), [false, false, false, true], "beside the other note");
}

#[test]
fn a_progress_file_of_another_name_or_folder_is_named() {
    let mut fixture = Fixture::new();
    // Of somebody else's, and not what this run means.
    fixture.seed("main", &[("vendor/PROGRESS.md", "## Status: COMPLETE\n"), ("PROGRESS.md", "x")]);
    let prompt = json!({"text": "prompt was: {prompt}"});
    let complete = "# All\n\n## Status: COMPLETE\n";
    fixture.calls(json!([
        [write("a", "1"), prompt],
        [write("docs/PROGRESS.md", complete), prompt],
        [{"run": ["git", "mv", "docs/PROGRESS.md", "Progress.md"]}, prompt],
        [write("docs/PROGRESS.md", "```\n## Status: COMPLETE\n```\n"), {"run": ["git", "rm", "-q", "-f", "Progress.md"]}, prompt],
        [{"run": ["git", "mv", "vendor/PROGRESS.md", "progress.md"]}, {"run": ["git", "rm", "-q", "PROGRESS.md"]}, prompt],
        [progress(true), prompt],
    ]));
    fixture.set(env::MAX_ITERATIONS, "8");
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let warnings = warnings(&done);
    let named: Vec<&str> = warnings.iter().filter_map(|text| text.split('`').nth(1)).collect();
    assert_eq!(named, ["docs/PROGRESS.md", "Progress.md", "progress.md"], "{warnings:#?}");
    let prompts = prompts(&done);
    let told: Vec<bool> =
        prompts.iter().map(|prompt| prompt.contains("does not count as complete")).collect();
    assert_eq!(told, [false, false, true, true, false, true]);
    assert!(
        prompts[2].contains("`docs/PROGRESS.md` holds `## Status: COMPLETE`"),
        "{}",
        prompts[2]
    );
}

#[test]
fn a_status_that_was_not_committed_well_does_not_count() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    // In a fence; and by an attempt that failed.
    fixture.counted_calls(json!([
        [progress(true), {"exit": 1}],
        [write("PROGRESS.md", "```\n## Status: COMPLETE\n```\n")],
    ]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (10, 2), "{done:#?}");
    assert_eq!(done.outcomes(), ["crash", "ok"]);
}

#[test]
fn the_iteration_limit_ends_the_run() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "2");
    fixture.calls(json!([[write("a", "1")], [write("a", "2")], [write("a", "3")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2"));
}

#[test]
fn the_cost_limit_ends_the_run() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_COST_USD, "0.05");
    fixture.calls(json!([
        [write("a", "1"), cost(0.03)],
        [write("a", "2"), cost(0.03)],
        [write("a", "3")]
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 12);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2"));
}

#[test]
fn the_duration_limit_stops_the_agent_and_keeps_its_work() {
    let mut fixture = Fixture::new();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let begun: ralph_protocol::ids::Run = crate::harness::run_id(1).parse().unwrap();
    let limit = now - begun.started_ms() / 1000 + 10;
    fixture.set(env::MAX_DURATION_SECS, limit.to_string());
    fixture.calls(json!([[write("a", "1"), {"sleepMs": 60_000}]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 11, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn iterations_without_progress_end_the_run_after_one_hint() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[{"text": "prompt was: {prompt}"}, cost(0.01)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 13);
    assert_eq!(done.outcomes(), ["ok", "ok", "ok"]);
    let hinted: Vec<bool> = done
        .of("agent.text")
        .iter()
        .map(|event| event["text"].as_str().unwrap().contains("changed nothing"))
        .collect();
    assert_eq!(hinted, [false, false, true]);
    // What it cost is still on record.
    let log = fixture.remote_git(&[
        "log",
        "-1",
        "--format=%(trailers:key=Ralph-Cost-Usd,valueonly)",
        "ralph/docs",
    ]);
    assert_eq!(log.trim(), "0.030000");
}

#[test]
fn an_iteration_that_takes_too_long_is_stopped() {
    let mut fixture = Fixture::new();
    fixture.set(env::ITERATION_TIMEOUT_SECS, "3").set(env::MAX_ITERATIONS, "1");
    fixture.counted_calls(json!([
        [write("a", "1"), {"lines": {"count": 1000, "template": "{n}", "delayMs": 50}}],
        [write("b", "2")],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(done.outcomes(), ["timeout", "ok"]);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn an_agent_that_falls_silent_is_stopped() {
    let mut fixture = Fixture::new();
    fixture.set(env::SILENCE_SECS, "3").set(env::MAX_ITERATIONS, "1");
    fixture.counted_calls(json!([[{"text": "hm"}, "hang"], [write("b", "2")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(done.outcomes(), ["timeout", "ok"]);
}

#[test]
fn a_verify_command_has_the_last_word() {
    let mut fixture = Fixture::new();
    fixture.set(env::VERIFY_COMMAND, "test -f proof.txt || { echo 'no proof'; exit 3; }");
    fixture.calls(json!([
        [progress(true)],
        [{"text": "prompt was: {prompt}"}, write("proof.txt", "x")],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(done.outcomes(), ["ok", "ok"]);
    let prompt = done.of("agent.text")[0]["text"].as_str().unwrap().to_owned();
    assert!(prompt.contains("no proof") && prompt.contains("exit status: 3"), "{prompt}");
}

#[test]
fn a_verify_command_has_ended_when_it_has_whatever_it_left_running() {
    let mut fixture = Fixture::new();
    // Longer than the harness waits.
    fixture.set(env::VERIFY_COMMAND, "sleep 976003 & echo checked; exit 0");
    fixture.set(env::ITERATION_TIMEOUT_SECS, "600");
    fixture.calls(json!([[progress(true)]]));
    assert_eq!(fixture.run().exit(), 0);
    assert_eq!(processes_with("976003"), 0);
}

#[test]
fn the_branch_starts_where_it_is_told() {
    let mut fixture = Fixture::new();
    fixture.seed("next", &[("PROMPT.md", "Next.\n"), ("next.txt", "n")]);
    fixture.set(env::BASE, "next").set(env::BRANCH, "feature/x").set(env::MAX_ITERATIONS, "1");
    fixture.calls(json!([[write("a", "1")]]));
    assert_eq!(fixture.run().exit(), 10);
    let files = git_text(&fixture.remote(), &["ls-tree", "-r", "--name-only", "feature/x"]);
    assert_eq!(files, "PROMPT.md\nREADME.md\na\nnext.txt\n");
}

#[test]
fn every_limit_is_said_at_the_start() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1").set(env::MAX_COST_USD, "2.5").set(env::MAX_STALLS, "7");
    fixture.set(env::ITERATION_TIMEOUT_SECS, "31").set(env::SILENCE_SECS, "32");
    fixture.calls(json!([[write("a", "1")]]));
    let done = fixture.run();
    let duration: u64 = fixture.env[env::MAX_DURATION_SECS].parse().unwrap();
    let expected = json!({
        "maxIterations": 1, "maxDurationSecs": duration, "maxCostUsd": 2.5,
        "iterationTimeoutSecs": 31, "silenceSecs": 32, "maxStalls": 7,
    });
    assert_eq!(done.events[0]["limits"], expected);
}

#[test]
fn an_attempt_that_comes_after_the_duration_limit_spends_nothing() {
    let mut fixture = Fixture::new();
    // Counted from the time in the ulid, which is long ago.
    fixture.set(env::MAX_DURATION_SECS, "3600");
    fixture.counted_calls(json!([[write("a", "1")]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (11, 0));
    assert!(done.of("clone").is_empty());
}
