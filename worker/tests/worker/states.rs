//! SIGTERM and SIGKILL in every state of the machine, each followed by another process that
//! finishes: the result is an uninterrupted run's.

use std::path::Path;

use ralph_protocol::names::worker_env as env;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    harness::{Fixture, Running, appears, run_id},
    soak::{Ledger, calls, undisturbed, used_before},
};

/// One state: how a fixture is made to stay in it, and how a reader knows that it is there.
struct State {
    name: &'static str,
    /// Prepares the fixture; `once` exists from the first time on.
    arrange: fn(&mut Fixture),
    reached: fn(&mut Running, &Fixture),
}

fn once(fixture: &Fixture) -> String {
    fixture.path("once").display().to_string()
}

/// Shell: true the first time only.
fn first(fixture: &Fixture) -> String {
    format!("test ! -e {0} && touch {0}", once(fixture))
}

/// A script for the remote: the first time it takes until the signal has been sent.
fn slow_once(fixture: &Fixture) -> String {
    let sent = fixture.path("sent");
    let wait = format!("until test -e {}; do sleep 0.05; done", sent.display());
    format!("#!/bin/sh\nif {}; then {wait}; fi\n", first(fixture))
}

fn until_once(_: &mut Running, fixture: &Fixture) {
    appears(&fixture.path("once"));
}

fn nothing(_: &mut Fixture) {}

/// The first call of the first process fails in this way; the second process has the usual calls.
fn fails(fixture: &mut Fixture, failure: Value) {
    fixture.calls(json!([[failure, {"exit": 1}]]));
}

const STATES: [State; 9] = [
    State {
        name: "preparing",
        arrange: nothing,
        reached: |running, _| drop(running.until(|event| event["type"] == "run.start")),
    },
    State {
        name: "pushing the merge of the base",
        arrange: |fixture| {
            used_before(fixture);
            fixture.hook("pre-receive", &slow_once(fixture));
        },
        reached: until_once,
    },
    State {
        name: "the merge of the base pushed, but not told so",
        arrange: |fixture| {
            used_before(fixture);
            fixture.hook("post-receive", &slow_once(fixture));
        },
        reached: until_once,
    },
    State {
        name: "running",
        arrange: nothing,
        reached: |running, _| drop(running.until_text("working 2")),
    },
    State {
        name: "pushing for the first time",
        arrange: |fixture| fixture.hook("pre-receive", &slow_once(fixture)),
        reached: until_once,
    },
    State {
        name: "pushed, but not told so",
        arrange: |fixture| fixture.hook("post-receive", &slow_once(fixture)),
        reached: until_once,
    },
    State {
        name: "waiting for a service that is down",
        arrange: |fixture| {
            fails(fixture, json!({"result": {"is_error": true, "api_error_status": 529}}));
        },
        reached: |running, _| drop(running.until(|event| event["type"] == "wait")),
    },
    State {
        name: "waiting for a remote that is gone",
        arrange: |fixture| {
            let (here, there) = (fixture.remote(), fixture.path("gone.git"));
            let hide = format!("mv {} {}", here.display(), there.display());
            fixture
                .calls(json!([[{"run": ["sh", "-c", hide]}, crate::harness::write("x", "lost")]]));
        },
        reached: |running, _| drop(running.until_text("git push failed")),
    },
    State {
        name: "verifying",
        arrange: |fixture| {
            let command = format!("if {}; then sleep 30; fi", first(fixture));
            fixture.set(env::VERIFY_COMMAND, command);
        },
        reached: until_once,
    },
];

fn interrupted(state: &State, signal: Signal, expected: &str) {
    let what = format!("{} and {signal:?}", state.name);
    let mut fixture = Fixture::new();
    let mut ledger = Ledger::of(&mut fixture);
    (state.arrange)(&mut fixture);
    let mut running = fixture.spawn_contained();
    (state.reached)(&mut running, &fixture);
    running.signal(signal);
    std::fs::write(fixture.path("sent"), "").unwrap();
    let done = running.wait();
    if signal == Signal::TERM {
        assert_eq!(done.exit(), 75, "{what}: {done:#?}");
    } else {
        assert_eq!(done.code, None, "{what}: {done:#?}");
    }
    fixture.assert_nothing_runs(&what);
    let gone = fixture.path("gone.git");
    if Path::new(&gone).exists() {
        std::fs::rename(gone, fixture.remote()).unwrap();
    }
    ledger.settle(&mut fixture, &done, &what);

    fixture.calls(calls(&fixture));
    fixture.set(env::RUN, run_id(2));
    let done = fixture.spawn_contained().wait();
    assert_eq!(done.exit(), 0, "{what}: {done:#?}");
    ledger.settle(&mut fixture, &done, &what);
    assert_eq!(fixture.tree("ralph/docs"), expected, "{what}");
    fixture.assert_nothing_runs(&what);
    fixture.assert_no_secret_anywhere(&what);
}

#[test]
fn ended_in_any_state_the_work_is_the_same_in_the_end() {
    let expected = undisturbed();
    // Waiting is most of it.
    std::thread::scope(|scope| {
        for state in &STATES {
            let expected = expected.as_str();
            scope.spawn(move || {
                interrupted(state, Signal::TERM, expected);
                interrupted(state, Signal::KILL, expected);
            });
        }
    });
}
