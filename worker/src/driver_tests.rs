//! The timetable after a signal, in virtual time.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use ralph_protocol::event::{Limits, Tokens};
use tokio::sync::{Mutex, mpsc, watch};

use super::*;
use crate::{
    machine::{
        Attempt, Failure, Ledger, Outcome, Prepared, Push, SaveOrder, Saved, Terms, Usd, Verdict,
    },
    redact::Redactor,
};

const NOW: u64 = 1_000_000;
const FOREVER: u64 = u64::MAX / 4;

/// Time that stands still until everybody waits.
struct Virtual {
    now: Cell<u64>,
    sleepers: RefCell<BTreeSet<u64>>,
}

impl Clock for Virtual {
    fn now(&self) -> u64 {
        self.now.get()
    }

    async fn sleep_until(&self, at: u64) {
        poll_fn(|_| {
            if self.now.get() >= at {
                return Poll::Ready(());
            }
            self.sleepers.borrow_mut().insert(at);
            Poll::Pending
        })
        .await;
    }
}

/// A fixture in which everything takes as long as it says, in ms.
struct Fixture<'a> {
    clock: &'a Virtual,
    /// From the request to stop until the agent is gone; without a request it runs forever.
    agent_ends: u64,
    save: u64,
    /// Without one there is no setup.
    setup: Option<u64>,
    verify: u64,
    complete: bool,
    log: RefCell<Vec<String>>,
}

impl Fixture<'_> {
    fn note(&self, text: impl std::fmt::Display) {
        let at = (self.clock.now() - NOW) / 1000;
        self.log.borrow_mut().push(format!("{at} s: {text}"));
    }

    async fn takes(&self, ms: u64) {
        self.clock.sleep_until(self.clock.now().saturating_add(ms)).await;
    }
}

impl Workplace for &Fixture<'_> {
    async fn prepare(&mut self) -> Result<Prepared, Failure> {
        self.takes(1_000).await;
        Ok(Prepared {
            commit: "c".to_owned(),
            branch: "ralph/docs".to_owned(),
            note: None,
            duration_ms: 1,
            ledger: Ledger::default(),
            complete: false,
            has_setup: self.setup.is_some(),
        })
    }

    async fn set_up(&mut self) -> Result<(), Failure> {
        self.note("set up");
        self.takes(self.setup.unwrap_or_default()).await;
        Ok(())
    }

    async fn save(&mut self, order: SaveOrder) -> Saved {
        self.note(if order.wip { "save wip" } else { "save" });
        self.takes(self.save).await;
        self.note("saved");
        let (commit, complete) = ("c".to_owned(), self.complete);
        let push = Push::Pushed;
        Saved { commit, progressed: true, complete, push, cut_off: false, note: None }
    }

    async fn prompt(&mut self) -> String {
        String::new()
    }

    async fn verify(&mut self) -> Verdict {
        self.note("verify");
        self.takes(self.verify).await;
        Verdict::Passed
    }
}

impl Runner for &Fixture<'_> {
    async fn run(&self, _: Order, _: String, mut stop: watch::Receiver<Stop>) -> Attempt {
        self.note("agent");
        let mut outcome = Outcome::Ok;
        if !self.complete {
            let asked = stop.wait_for(|stop| *stop != Stop::Run).await.map(|stop| *stop);
            self.note(format_args!("{:?}", asked.unwrap()));
            tokio::select! {
                () = self.takes(self.agent_ends) => {}
                _ = stop.wait_for(|stop| *stop == Stop::Kill) => self.note("killed"),
            }
            outcome = Outcome::Interrupted;
        }
        Attempt {
            outcome,
            cost: Usd::default(),
            tokens: Tokens::default(),
            turns: 0,
            duration_ms: 0,
        }
    }
}

fn terms(verifies: bool) -> Terms {
    let limits = Limits {
        max_iterations: 9,
        max_duration_secs: 9_000,
        max_cost_usd: 1.0,
        iteration_timeout_secs: 9_000,
        silence_secs: 9_000,
        max_stalls: 2,
    };
    let (repo, branch) = ("https://example.com/r".to_owned(), "b".to_owned());
    Terms { attempt: 1, repo, branch, limits, deadline: NOW + 9_000_000, verifies }
}

/// Runs it with signals at these times, ms from the start. Returns the exit, the second it came,
/// and what happened.
fn play(fixture: &Fixture, verifies: bool, signals: &[u64]) -> (RunExit, u64, Vec<String>) {
    let journal = Journal::start(
        "w".parse().unwrap(),
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap(),
        Redactor::new([""; 0]),
        std::io::sink(),
        None,
    )
    .unwrap();
    let workplace = Mutex::new(fixture);
    let (hurry, hurried) = watch::channel(None);
    let ports = Ports {
        workplace: &workplace,
        runner: &fixture,
        clock: fixture.clock,
        hurry: &hurry,
        journal: &journal,
        account: &Account::new(Usd::default(), journal.clone()),
    };
    let (sender, mut receiver) = mpsc::channel(8);
    let mut run = pin!(drive(Machine::new(terms(verifies)), &ports, &mut receiver));
    let mut due = signals.iter().map(|at| NOW + at).peekable();
    let ended = loop {
        while due.next_if(|at| *at <= fixture.clock.now()).is_some() {
            sender.try_send("SIGTERM").unwrap();
        }
        if let Poll::Ready(ended) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break ended;
        }
        let mut sleepers = fixture.clock.sleepers.borrow_mut();
        sleepers.extend(due.peek());
        let next = sleepers.iter().find(|at| **at > fixture.clock.now()).copied();
        sleepers.clear();
        fixture.clock.now.set(next.expect("nobody waits for anything"));
    };
    if let Some(by) = *hurried.borrow() {
        fixture.note(format_args!("hurried to {} s", (by - NOW) / 1000));
    }
    (ended.exit, (fixture.clock.now() - NOW) / 1000, fixture.log.take())
}

fn clock() -> Virtual {
    Virtual { now: Cell::new(NOW), sleepers: RefCell::default() }
}

fn fixture(clock: &Virtual) -> Fixture<'_> {
    Fixture {
        clock,
        agent_ends: 14_000,
        save: 5_000,
        setup: None,
        verify: 0,
        complete: false,
        log: RefCell::default(),
    }
}

#[test]
fn after_a_signal_the_agent_stops_and_the_work_is_pushed() {
    let clock = clock();
    let (exit, at, log) = play(&fixture(&clock), false, &[10_000]);
    assert_eq!((exit, at), (RunExit::Interrupted, 29));
    assert_eq!(
        log,
        ["1 s: agent", "10 s: Term", "24 s: save wip", "29 s: saved", "29 s: hurried to 80 s"]
    );
}

#[test]
fn a_push_that_never_ends_is_left_in_time() {
    let clock = clock();
    let fixture = Fixture { save: FOREVER, ..fixture(&clock) };
    let (exit, at, _) = play(&fixture, false, &[10_000]);
    // The sweep, of at most 2 s, and the flush, of at most 5 s, end by second 100.
    assert_eq!((exit, at), (RunExit::Interrupted, 93));
}

#[test]
fn an_agent_that_never_ends_is_left_in_time() {
    let clock = clock();
    let fixture = Fixture { agent_ends: FOREVER, ..fixture(&clock) };
    assert_eq!(play(&fixture, false, &[10_000]).1, 93);
}

#[test]
fn a_second_signal_goes_straight_to_the_push() {
    let clock = clock();
    let (exit, at, log) = play(&fixture(&clock), false, &[10_000, 12_000]);
    assert_eq!((exit, at), (RunExit::Interrupted, 17));
    assert_eq!(
        log,
        [
            "1 s: agent",
            "10 s: Term",
            "12 s: killed",
            "12 s: save wip",
            "17 s: saved",
            "17 s: hurried to 80 s"
        ]
    );
}

#[test]
fn a_push_under_way_is_hurried_and_nothing_begins_after_it() {
    let clock = clock();
    let fixture = Fixture { complete: true, save: 30_000, verify: 9_000, ..fixture(&clock) };
    // The branch says complete, and the verify command still decides.
    let (exit, at, log) = play(&fixture, true, &[10_000]);
    assert_eq!((exit, at), (RunExit::Interrupted, 31));
    assert_eq!(log, ["1 s: agent", "1 s: save", "31 s: saved", "31 s: hurried to 80 s"]);
}

#[test]
fn a_verify_command_is_cut_off_by_a_signal() {
    let clock = clock();
    let fixture = Fixture { complete: true, verify: FOREVER, ..fixture(&clock) };
    let (exit, at, log) = play(&fixture, true, &[20_000]);
    assert_eq!((exit, at), (RunExit::Interrupted, 20));
    assert_eq!(log[log.len() - 2..], ["6 s: verify", "20 s: hurried to 90 s"]);
}

#[test]
fn setup_runs_before_the_agent_and_is_cut_off_by_a_signal() {
    let clock1 = clock();
    let fixture1 = Fixture { setup: Some(4_000), ..fixture(&clock1) };
    let (_, _, log) = play(&fixture1, false, &[10_000]);
    assert_eq!(log[..3], ["1 s: set up", "5 s: agent", "10 s: Term"]);
    let clock2 = clock();
    let fixture2 = Fixture { setup: Some(FOREVER), ..fixture(&clock2) };
    let (exit, at, log) = play(&fixture2, false, &[10_000]);
    assert_eq!((exit, at), (RunExit::Interrupted, 10));
    assert_eq!(log, ["1 s: set up", "10 s: hurried to 80 s"]);
}

#[test]
fn the_duration_limit_ends_setup() {
    let clock = clock();
    let fixture = Fixture { setup: Some(FOREVER), ..fixture(&clock) };
    let (exit, at, log) = play(&fixture, false, &[]);
    assert_eq!((exit, at), (RunExit::Duration, 9_000));
    assert_eq!(log, ["1 s: set up"]);
}

#[test]
fn the_duration_limit_stops_the_agent_too() {
    let clock = clock();
    let (exit, at, log) = play(&fixture(&clock), false, &[]);
    assert_eq!((exit, at), (RunExit::Duration, 9_019));
    assert_eq!(log[1..], ["9000 s: Term", "9014 s: save wip", "9019 s: saved"]);
}
