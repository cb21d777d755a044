//! Work that a signal left no time for: the rescue branch, and who takes it up.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Fixture, cost, progress, run_id, write};

/// The remote takes forever with the branch, but not with a rescue branch.
fn slow_remote(fixture: &Fixture) {
    fixture.hook(
        "update",
        "#!/bin/sh\ncase $1 in refs/heads/ralph/rescue/*) exit 0;; esac\nsleep 300\n",
    );
}

fn rescue(attempt: u32) -> String {
    format!("ralph/rescue/{}", run_id(attempt))
}

/// Leaves work and a ledger on the rescue branch, as attempt 1 does when its time is over.
fn rescued(fixture: &Fixture, files: &[(&str, &str)]) {
    let trailers =
        format!("Ralph-Run: {}\nRalph-Iteration: 1\nRalph-Cost-Usd: 0.500000\n", run_id(1));
    let message = format!("ralph: checkpoint after 1 iteration\n\n{trailers}");
    fixture.seed_message(&rescue(1), files, &message);
}

#[test]
fn the_next_attempt_takes_up_what_was_rescued() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[write("never", "x")], [write("b", "2"), progress(true), cost(0.25)]]));
    rescued(&fixture, &[("a", "1")]);
    assert_eq!(fixture.file("ralph/docs", "a"), None);
    fixture.set(env::RUN, run_id(2));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("is taken up"), "{}", done.text());
    assert!(done.text().contains("resuming after 1 iterations and $0.5000"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    let format = "--format=%(trailers:key=Ralph-Cost-Usd,valueonly,separator=)";
    let log = fixture.remote_git(&["log", "-1", format, "ralph/docs"]);
    assert_eq!(log.trim(), "0.750000");

    // Once is enough: what the branch holds is not taken up again.
    fixture.set(env::RUN, run_id(3));
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    assert!(!done.text().contains("is taken up"), "{}", done.text());
}

#[test]
fn work_that_is_taken_up_and_put_on_others_leaves_the_objects_in_use() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[write("never", "x")], [write("b", "2"), progress(true)]]));
    rescued(&fixture, &[("a", "1")]);
    fixture.seed("ralph/docs", &[("x", "1")]);
    fixture.set(env::RUN, run_id(2));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    for (path, text) in [("a", "1"), ("b", "2"), ("x", "1")] {
        assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text), "{path}");
    }
    assert!(!done.text().contains("objects were touched"), "{done:#?}");
}

#[test]
fn a_commit_that_names_a_run_of_the_future_hides_no_rescued_work() {
    for run in ["7ZZZZZZZZZZZZZZZZZZZZZZZZZ-9999", "01M7ZZZZZZ0000000000000001-0001", &run_id(2)] {
        let mut fixture = Fixture::new();
        fixture.calls(json!([[progress(true), cost(0.25)]]));
        fixture.seed_message("ralph/docs", &[("x", "1")], &format!("x\n\nRalph-Run: {run}\n"));
        fixture.remote_git(&["branch", &rescue(1), "ralph/docs"]);
        rescued(&fixture, &[("a", "1")]);
        fixture.set(env::RUN, run_id(2)).set(env::SPENT_USD, "3").set(env::ITERATIONS_DONE, "1");
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{run}: {done:#?}");
        assert!(done.text().contains("is taken up"), "{run}: {done:#?}");
        assert!(
            done.text().contains("resuming after 1 iterations and $3.0000"),
            "{run}: {done:#?}"
        );
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{run}");
    }
}

#[test]
fn rescued_work_that_is_complete_costs_nothing_more() {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("never", "x")]]));
    rescued(&fixture, &[("PROGRESS.md", "## Status: COMPLETE\n")]);
    fixture.set(env::RUN, run_id(2));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 0), "{done:#?}");
    assert!(fixture.file("ralph/docs", "PROGRESS.md").is_some());
}

#[test]
fn rescued_work_is_put_on_top_of_what_others_pushed() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "2");
    fixture.calls(json!([[write("never", "x")], [write("b", "2")]]));
    rescued(&fixture, &[("a", "1")]);
    fixture.seed("ralph/docs", &[("c", "theirs")]);
    fixture.set(env::RUN, run_id(2));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    for (path, text) in [("a", "1"), ("b", "2"), ("c", "theirs")] {
        assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text));
    }
}

#[test]
fn another_execution_leaves_the_rescue_branch_alone() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    rescued(&fixture, &[("a", "1")]);
    fixture.set(env::RUN, "");
    fixture.counted_calls(json!([[write("b", "2")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a"), None);
    assert_eq!(fixture.file(&rescue(1), "a").as_deref(), Some("1"));
}

/// The real timetable takes 70 s; `just soak worker` runs it.
#[test]
#[ignore = "takes over a minute; just soak worker"]
fn a_push_that_never_ends_is_rescued_by_the_timetable() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([["ignoreTerm", write("a", "1"), {"text": "waiting"}, "hang"]]));
    fixture.set(env::ITERATION_TIMEOUT_SECS, "600").set(env::SILENCE_SECS, "600");
    let mut running = fixture.spawn_contained();
    running.until_text("waiting");
    slow_remote(&fixture);
    let begun = Instant::now();
    running.term();
    // Longer than the harness waits for one event.
    running.until(|event| event["type"] == "interrupt");
    std::thread::sleep(Duration::from_secs(50));
    let done = running.wait();
    let took = begun.elapsed().as_secs();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert!((70..90).contains(&took), "{took} s");
    assert_eq!(done.of("checkpoint")[0]["branch"], json!(rescue(1)));
    assert_eq!(fixture.file(&rescue(1), "a").as_deref(), Some("1"));
    println!("rescued and ended {took} s after the signal");
}

/// Files of the repository that is large, of this many bytes each: 3 GB together.
const LARGE_FILES: usize = 70;
const LARGE_BYTES: usize = 45_000_000;

/// Puts 3 GB on the remote's `main`. Nothing is compressed, so that every copy has that size.
fn make_large(fixture: &Fixture) {
    fixture.remote_git(&["config", "core.compression", "0"]);
    let mut import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(fixture.remote())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = import.stdin.take().unwrap();
    let tip = fixture.remote_git(&["rev-parse", "main"]);
    let who = "committer x <x@example.invalid> 1700000000 +0000";
    write!(input, "commit refs/heads/main\n{who}\ndata 0\nfrom {tip}").unwrap();
    for file in 0..LARGE_FILES {
        let content = vec![u8::try_from(file).unwrap(); LARGE_BYTES];
        write!(input, "M 100644 inline large/{file}\ndata {LARGE_BYTES}\n").unwrap();
        input.write_all(&content).unwrap();
        input.write_all(b"\n").unwrap();
    }
    drop(input);
    assert!(import.wait().unwrap().success());
}

#[test]
#[ignore = "takes minutes and 15 GB; just soak worker"]
fn a_large_repository_is_saved_by_the_timetable() {
    let mut fixture = Fixture::new();
    make_large(&fixture);
    let ready = fixture.path("ready");
    let change = format!("printf x >> large/7; rm large/8; touch {}", ready.display());
    fixture.calls(json!([[write("a", "1"), {"run": ["sh", "-c", change]}, "hang"]]));
    fixture.set(env::ITERATION_TIMEOUT_SECS, "600").set(env::SILENCE_SECS, "600");
    let running = fixture.spawn_contained();
    let patience = Instant::now() + Duration::from_secs(600);
    while !ready.exists() {
        assert!(Instant::now() < patience, "the checkout is not ready");
        std::thread::sleep(Duration::from_millis(100));
    }
    let begun = Instant::now();
    running.term();
    let done = running.wait();
    let took = begun.elapsed().as_secs();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert!(took < 83, "{took} s");
    assert_eq!(done.of("checkpoint")[0]["branch"], json!("ralph/docs"), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert!(!fixture.tree("ralph/docs").contains("large/8\n"));
    println!("3 GB: saved and ended {took} s after the signal");
}
