//! Ends the worker at arbitrary instants and lets other attempts finish: the result is that of an
//! undisturbed run, no money is counted twice or forgotten, nothing is left running, and no secret is
//! anywhere.

use std::time::Duration;

use ralph_protocol::names::worker_env as env;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    harness::{Done, Fixture, progress, run_id, write},
    model::{Seen, ask, endpoint, stream},
};

/// What one request costs: 10,000 tokens of Sonnet's output.
const REQUEST_USD: f64 = 0.15;

/// The most that a run can count for beyond what it has cost: what is reserved for one request, and
/// for those that may follow.
const RESERVED_USD: f64 = 2.5;

/// Three iterations that do the same whenever they are done again. Each asks the model, and leaves a
/// process behind that ignores SIGTERM in a session of its own; the fixture's path in its
/// environment tells whose.
pub fn calls(fixture: &Fixture) -> Value {
    let scenario = fixture.path("scenario.json").display().to_string();
    let iteration = |n: u32, complete: bool| {
        let stay =
            format!("setsid sh -c 'trap \"\" TERM; sleep 600 # {scenario}' >/dev/null 2>&1 &");
        let commit =
            format!("echo step {n} > last.txt; git add -A; git commit -qm 'agent {n}' || true");
        json!([
            {"lines": {"count": 3, "template": format!("working {n}"), "delayMs": 10}},
            ask(),
            write(&format!("dir/{n}.txt"), &format!("{n}\n")),
            {"run": ["sh", "-c", commit]},
            {"run": ["sh", "-c", stay]},
            progress(complete),
            {"result": {"total_cost_usd": REQUEST_USD}}
        ])
    };
    json!([iteration(1, false), iteration(2, false), iteration(3, true)])
}

/// What an execution has used, as `decide` learns it: each run's own lines say what it has cost, and
/// the next run is told the sum of all.
pub struct Ledger {
    seen: Seen,
    runs: Vec<(f64, u64)>,
}

impl Ledger {
    /// A fixture with a model that counts its requests, for the calls above.
    pub fn of(fixture: &mut Fixture) -> Self {
        let (url, seen) = endpoint(|_, _| stream(0, 10_000));
        fixture.set(env::MODEL_ENDPOINT, url).set(env::MAX_COST_USD, "100");
        fixture.calls(calls(fixture));
        let ledger = Self { seen, runs: Vec::new() };
        ledger.tell(fixture);
        ledger
    }

    fn sum(&self) -> (f64, u64) {
        self.runs.iter().fold((0.0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1))
    }

    fn tell(&self, fixture: &mut Fixture) {
        let (usd, iterations) = self.sum();
        fixture.set(env::SPENT_USD, usd.to_string());
        fixture.set(env::ITERATIONS_DONE, iterations.to_string());
    }

    /// Takes up what a run that is over has said. It is never less than what the model has
    /// answered, and more only by what a run that was cut off has reserved.
    #[track_caller]
    pub fn settle(&mut self, fixture: &mut Fixture, done: &Done, what: &str) {
        self.runs.push(done.settled());
        let truth = self.seen.lock().unwrap().len() as f64 * REQUEST_USD;
        let (usd, _) = self.sum();
        let most = truth + self.runs.len() as f64 * RESERVED_USD;
        assert!(usd > truth - 1e-6 && usd < most, "{what}: {usd}, really {truth}: {done:#?}");
        self.tell(fixture);
    }
}

/// An earlier execution has completed the work, and the base went on: what a new one begins with is
/// pushed before its agent starts. The work leaves the same tree.
pub fn used_before(fixture: &Fixture) {
    fixture.seed("ralph/docs", &[("PROGRESS.md", "# Tasks\n\n## Status: COMPLETE\n")]);
    fixture.seed("main", &[]);
}

/// The tree that an undisturbed run leaves.
pub fn undisturbed() -> String {
    let mut fixture = Fixture::new();
    let mut ledger = Ledger::of(&mut fixture);
    let done = fixture.spawn_contained().wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    ledger.settle(&mut fixture, &done, "undisturbed");
    let (usd, iterations) = ledger.sum();
    assert!((usd - 3.0 * REQUEST_USD).abs() < 1e-6 && iterations == 3, "{usd} {iterations}");
    fixture.tree("ralph/docs")
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
    let reused = random.below(2) == 0;
    if reused {
        used_before(&fixture);
    }
    let mut ledger = Ledger::of(&mut fixture);
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
        ledger.settle(&mut fixture, &done, &what);
        if done.code == Some(0) {
            assert_eq!(fixture.tree("ralph/docs"), expected, "{what}");
            assert!(ledger.sum().1 >= 3, "{what}");
            let merges = fixture.remote_git(&["rev-list", "--merges", "ralph/docs"]);
            assert_eq!(merges.lines().count(), usize::from(reused), "{what}: {done:#?}");
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
