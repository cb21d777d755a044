//! Signals, and what another machine finds.

use std::time::{Duration, Instant};

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Fixture, Running, appears, cost, progress, run_id, started, write};

#[test]
fn a_signal_saves_the_work_and_another_attempt_finishes_it() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([
        [write("a", "1"), cost(0.01)],
        [write("b", "half"), {"text": "waiting"}, {"sleepMs": 50_000}],
    ]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    let begun = Instant::now();
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(done.of("interrupt")[0]["signal"], "SIGTERM");
    assert_eq!(done.outcomes(), ["ok", "interrupted"]);
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("half"));
    let subject = fixture.remote_git(&["log", "-1", "--format=%s", "ralph/docs"]);
    assert_eq!(subject.trim(), "ralph: work in progress after 1 iteration");

    fixture
        .calls(json!([[write("never", "x")], [write("b", "whole"), progress(true), cost(0.02)]]));
    fixture.set(env::RUN, run_id(2));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("resuming after 1 iterations"), "{}", done.text());
    assert_eq!(done.outcomes(), ["ok"]);
    assert_eq!(fixture.file("ralph/docs", "never"), None);
    let log = fixture.remote_git(&[
        "log",
        "-1",
        "--format=%(trailers:key=Ralph-Cost-Usd,valueonly)",
        "ralph/docs",
    ]);
    assert_eq!(log.trim(), "0.030000");
    assert_eq!(done.of("iter.end")[0]["costUsd"], json!(0.02));
    let spend = done.spend().unwrap();
    assert_eq!((&spend["spentUsd"], &spend["executionUsd"]), (&json!(0.02), &json!(0.03)));
}

#[test]
fn a_new_execution_has_fresh_limits_on_the_same_branch() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.calls(json!([[write("a", "1")]]));
    assert_eq!(fixture.run().exit(), 10);
    fixture.set(env::RUN, run_id(2));
    assert_eq!(fixture.run().exit(), 10, "the same execution has used its iteration");
    fixture.set(env::RUN, "");
    let state = fixture.path("calls");
    fixture.scenario(json!({"state": state, "calls": [[write("a", "2")]]}));
    assert_eq!(fixture.run().exit(), 10);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2"));
}

#[test]
fn an_agent_that_ignores_the_signal_is_killed() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([["ignoreTerm", write("a", "1"), {"text": "waiting"}, "hang"]]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn a_second_signal_does_not_wait_for_the_agent() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([["ignoreTerm", write("a", "1"), {"text": "waiting"}, "hang"]]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    let begun = Instant::now();
    running.term();
    running.until(|event| event["type"] == "interrupt");
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75);
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited for the agent's grace");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn a_signal_during_the_clone_ends_at_once() {
    let fixture = {
        let mut fixture = Fixture::new();
        fixture.calls(json!([[write("a", "1")]]));
        fixture
    };
    let mut running = fixture.spawn();
    running.until(|event| event["type"] == "run.start");
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
}

#[test]
fn a_signal_when_the_remote_is_gone_still_ends_in_time() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[write("a", "1"), {"text": "waiting"}, "hang"]]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    std::fs::rename(fixture.remote(), fixture.path("elsewhere.git")).unwrap();
    let begun = Instant::now();
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75);
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(done.of("checkpoint")[0]["pushed"], json!(false), "{done:#?}");
}

#[test]
fn a_signal_during_a_push_lets_it_end() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[write("a", "1")], [write("b", "2")]]));
    let (begun, go) = (fixture.path("pushing"), fixture.path("go"));
    // The remote says when it has begun, and waits until the worker has said that it is interrupted.
    let wait = format!("until test -e {}; do sleep 0.05; done", go.display());
    fixture.hook("pre-receive", &format!("#!/bin/sh\ntouch {}\n{wait}\n", begun.display()));
    let mut running = fixture.spawn();
    appears(&begun);
    running.term();
    running.until(|event| event["type"] == "interrupt");
    std::fs::write(go, "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert_eq!(done.of("checkpoint")[0]["pushed"], json!(true));
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn a_stdout_that_nobody_reads_delays_nothing() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([
        [{"lines": {"count": 3, "template": "x"}}, {"long": {"bytes": 12_000_000, "pattern": "0123456789"}}, write("a", "1")],
        [{"long": {"bytes": 12_000_000, "pattern": "0123456789"}}, progress(true)],
    ]));
    let begun = Instant::now();
    let mut child = started(&mut fixture.command());
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert!(fixture.file("ralph/docs", "PROGRESS.md").is_some());
}

#[test]
fn what_a_blocked_stdout_dropped_is_counted_in_one_event_and_takes_no_number() {
    let mut fixture = Fixture::new();
    let (said, go) = (fixture.path("said"), fixture.path("go"));
    let wait =
        format!("touch {}; while ! test -e {}; do sleep 0.05; done", said.display(), go.display());
    fixture.calls(json!([[
        {"lines": {"count": 30, "template": "0123456789".repeat(100_000)}},
        {"run": ["sh", "-c", wait]},
        {"text": "heard again"},
        progress(true)
    ]]));
    let child = started(&mut fixture.command());
    appears(&said);
    let mut running = Running::reading(child);
    running.until_text("0123456789");
    std::fs::write(go, "").unwrap();
    let done = running.wait();
    // Checks that no number is missing.
    assert_eq!(done.exit(), 0);
    let text = done.text();
    assert_eq!(text.matches("events were dropped").count(), 1, "{}", text.len());
    assert!(text.contains("heard again"));
}
