//! Ends the worker at arbitrary instants and lets other attempts finish: the result is that of an
//! undisturbed run, no money is counted twice, nothing is left running, and no secret is anywhere.

use std::time::Duration;

use ralph_protocol::names::worker_env as env;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Fixture, progress, run_id, write};

/// Three iterations that do the same whenever they are done again. Each leaves a process behind
/// that ignores SIGTERM in a session of its own; the fixture's path in its environment tells whose.
pub fn calls(fixture: &Fixture) -> Value {
    let scenario = fixture.path("scenario.json").display().to_string();
    let iteration = |n: u32, complete: bool| {
        let stay =
            format!("setsid sh -c 'trap \"\" TERM; sleep 600 # {scenario}' >/dev/null 2>&1 &");
        let commit =
            format!("echo step {n} > last.txt; git add -A; git commit -qm 'agent {n}' || true");
        json!([
            {"lines": {"count": 3, "template": format!("working {n}"), "delayMs": 10}},
            write(&format!("dir/{n}.txt"), &format!("{n}\n")),
            {"run": ["sh", "-c", commit]},
            {"run": ["sh", "-c", stay]},
            progress(complete),
            {"result": {"total_cost_usd": 0.01}}
        ])
    };
    json!([iteration(1, false), iteration(2, false), iteration(3, true)])
}

/// The tree that an undisturbed run leaves.
pub fn undisturbed() -> String {
    let mut fixture = Fixture::new();
    fixture.calls(calls(&fixture));
    assert_eq!(fixture.spawn_contained().wait().exit(), 0);
    assert_eq!(ledger(&fixture), (3, 0.03));
    fixture.tree("ralph/docs")
}

/// What the branch says the execution has used.
pub fn ledger(fixture: &Fixture) -> (u32, f64) {
    let known = fixture.remote_git(&["branch", "--list", "ralph/docs"]);
    if known.trim().is_empty() {
        return (0, 0.0);
    }
    let format = "--format=%(trailers:key=Ralph-Iteration,valueonly,separator=) %(trailers:key=Ralph-Cost-Usd,valueonly,separator=)";
    let log = fixture.remote_git(&["log", format, "ralph/docs"]);
    let mut most = (0, 0.0f64);
    for line in log.lines() {
        if let Some((n, cost)) = line.trim().split_once(' ') {
            most = (most.0.max(n.parse().unwrap()), most.1.max(cost.parse().unwrap()));
        }
    }
    most
}

/// A small generator, so that a failure can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn instants() -> u32 {
    // `just soak worker` asks for more.
    std::env::var("RALPH_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

const LANES: u32 = 4;

/// One execution, disturbed at most `most` times, to its end. Returns how often it was.
fn disturbed(random: &mut Random, most: u32, expected: &str) -> u32 {
    let seed = random.0;
    let what = format!("seed {seed}");
    let mut fixture = Fixture::new();
    fixture.calls(calls(&fixture));
    let mut before = (0, 0.0);
    for attempt in 1..=most + 1 {
        fixture.set(env::RUN, run_id(attempt));
        let running = fixture.spawn_contained();
        let disturb = attempt <= most;
        let mut killed = false;
        if disturb {
            std::thread::sleep(Duration::from_millis(random.below(900)));
            killed = random.below(2) == 0;
            running.signal(if killed { Signal::KILL } else { Signal::TERM });
        }
        let done = running.wait();
        // Before its first line it does not listen yet.
        killed |= done.events.is_empty();
        if !killed {
            done.exit();
        }
        let expected_end = matches!((done.code, disturb), (Some(0), _) | (Some(75) | None, true));
        assert!(expected_end, "{what}: {done:#?}");
        fixture.assert_nothing_runs(&what);
        let now = ledger(&fixture);
        assert!(now.0 >= before.0 && now.1 >= before.1, "{what}: {before:?} then {now:?}");
        before = now;
        if done.code == Some(0) {
            assert_eq!(fixture.tree("ralph/docs"), expected, "{what}");
            assert_eq!(before.0, 3, "{what}");
            // Not less than the three good iterations; more only by what was really spent again.
            assert!(before.1 >= 0.0299, "{what}: {}", before.1);
            fixture.assert_no_secret_anywhere(&what);
            return attempt.min(most);
        }
    }
    panic!("{what}: the last attempt was not disturbed and did not complete");
}

#[test]
fn ended_at_any_instant_the_work_is_the_same_in_the_end() {
    let expected = undisturbed();
    let seed = u64::from(std::process::id()) << 8;
    println!("seed {seed}");
    // Waiting is most of it, so several fixtures share a core.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let expected = expected.as_str();
            scope.spawn(move || {
                let mut random = Random(seed + u64::from(lane) + 1);
                let mut left = instants().div_ceil(LANES);
                while left > 0 {
                    left = left.saturating_sub(disturbed(&mut random, left.min(6), expected));
                }
            });
        }
    });
}
