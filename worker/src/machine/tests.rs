use proptest::prelude::*;
use ralph_protocol::event::Tokens;

use super::*;

const NOW: u64 = 1_000_000;

fn terms() -> Terms {
    Terms {
        attempt: 1,
        repo: "https://example.com/r".into(),
        branch: "ralph/docs".into(),
        limits: Limits {
            max_iterations: 3,
            max_duration_secs: 10_000,
            max_cost_usd: 1.0,
            iteration_timeout_secs: 60,
            silence_secs: 30,
            max_stalls: 2,
        },
        deadline: NOW + 10_000_000,
        verifies: false,
    }
}

fn ready() -> Event {
    prepared(Ledger::default(), false)
}

fn prepared(ledger: Ledger, complete: bool) -> Event {
    with_setup(ledger, complete, false)
}

fn with_setup(ledger: Ledger, complete: bool, has_setup: bool) -> Event {
    Event::Prepared(Ok(Prepared {
        commit: "c0".into(),
        branch: "ralph/docs".into(),
        note: None,
        duration_ms: 1,
        ledger,
        complete,
        has_setup,
    }))
}

fn set_up() -> Event {
    Event::SetUp(Ok(()))
}

fn attempted(outcome: Outcome) -> Event {
    costly(outcome, 0.1)
}

fn costly(outcome: Outcome, dollars: f64) -> Event {
    Event::Attempted(Attempt {
        outcome,
        cost: Usd::from_dollars(dollars),
        tokens: Tokens::default(),
        turns: 1,
        duration_ms: 1,
    })
}

fn saved() -> Event {
    pushed(true, false, Push::Pushed)
}

fn pushed(progressed: bool, complete: bool, push: Push) -> Event {
    let commit = "c1".into();
    Event::Saved(Saved { commit, progressed, complete, push, cut_off: false, note: None })
}

/// Runs events one second apart; returns the machine and the last step's effects.
fn play(terms: Terms, events: impl IntoIterator<Item = Event>) -> (Machine, Vec<Effect>) {
    let mut machine = Machine::new(terms);
    let mut effects = Vec::new();
    for (n, event) in events.into_iter().enumerate() {
        (machine, effects) = machine.step(NOW + 1000 * n as u64, event);
    }
    (machine, effects)
}

/// The last effect's name, with the exit for ends.
fn last(terms: Terms, events: impl IntoIterator<Item = Event>) -> String {
    match play(terms, events).1.last() {
        Some(Effect::End { exit, .. }) => format!("end {exit:?}"),
        Some(Effect::Sleep(until)) => format!("sleep {}", until - NOW),
        Some(Effect::Save(order)) if order.wip => "save wip".into(),
        Some(Effect::Save(_)) => "save".into(),
        Some(Effect::RunAgent(order)) => match &order.note {
            Some(_) => format!("run {} with a note", order.iteration),
            None => format!("run {}", order.iteration),
        },
        Some(Effect::StopAgent) => "stop".into(),
        Some(Effect::KillAgent) => "kill".into(),
        Some(Effect::Hurry(by)) => format!("push by {}", by - NOW),
        Some(Effect::Verify) => "verify".into(),
        Some(Effect::Prepare) => "prepare".into(),
        Some(Effect::SetUp) => "set up".into(),
        Some(Effect::Emit(..) | Effect::Iteration(_) | Effect::Earlier(_) | Effect::Spend(_)) => {
            "emit".into()
        }
        None => "nothing".into(),
    }
}

#[test]
fn what_follows_what() {
    use Event::{Deadline, Signal, Start, Woke};
    use Outcome::{
        Budget, Configuration, Crash, Interrupted, NoKey, Ok, Partial, RateLimited, Timeout,
        Transient,
    };
    let text = || "x".to_owned();
    let failure = |exit| Event::Prepared(Err(Failure { exit, text: text() }));
    let term = || Signal("SIGTERM");
    let soon = NOW + 60_000;
    let late = NOW + 3_600_000;
    let used = |iterations, dollars| {
        prepared(Ledger { iterations, cost: Usd::from_dollars(dollars) }, false)
    };
    let conflict = || Push::Conflict { rescue: "r".into(), text: text() };
    let rescued = || Push::Rescued { rescue: "r".into(), text: text() };
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (vec![Start], "prepare"),
        (vec![Start, failure(RunExit::Git)], "end Git"),
        (vec![Start, failure(RunExit::Configuration)], "end Configuration"),
        (vec![Start, ready()], "run 1"),
        (vec![Start, prepared(Ledger::default(), true)], "end Complete"),
        (vec![Start, used(2, 0.5)], "run 3"),
        (vec![Start, used(3, 0.5)], "end Iterations"),
        (vec![Start, used(1, 1.0)], "end Budget"),
        (vec![Start, ready(), attempted(Ok)], "save"),
        (vec![Start, ready(), attempted(Ok), saved()], "run 2"),
        (vec![Start, ready(), attempted(Ok), pushed(true, true, Push::Pushed)], "end Complete"),
        (vec![Start, ready(), attempted(Partial), pushed(true, true, Push::Pushed)], "run 2"),
        (
            vec![Start, ready(), attempted(Crash(text())), pushed(true, true, Push::Pushed)],
            "sleep 7000",
        ),
        (vec![Start, ready(), attempted(Crash(text())), saved(), Woke], "run 1"),
        (vec![Start, ready(), attempted(Timeout(text())), saved(), Woke], "run 1"),
        (vec![Start, ready(), attempted(Transient(text())), saved()], "sleep 7000"),
        (vec![Start, ready(), attempted(Transient(text())), saved(), Woke], "run 1"),
        (vec![Start, ready(), attempted(RateLimited(Some(soon))), saved()], "sleep 60000"),
        (vec![Start, ready(), attempted(RateLimited(Some(late))), saved()], "end Waiting"),
        (vec![Start, ready(), attempted(RateLimited(None)), saved()], "end Waiting"),
        (
            vec![Start, ready(), attempted(RateLimited(Some(NOW + 20_000_000))), saved()],
            "end Duration",
        ),
        (vec![Start, ready(), attempted(NoKey(text())), saved()], "end NoKey"),
        (vec![Start, ready(), costly(Budget, 1.0), saved()], "end Budget"),
        // Metered at the dearest prices, it seemed to have cost more than it had.
        (vec![Start, ready(), attempted(Budget), saved()], "run 2"),
        (vec![Start, ready(), attempted(Configuration(text())), saved()], "end Configuration"),
        (vec![Start, ready(), costly(Ok, 1.0), saved()], "end Budget"),
        (vec![Start, ready(), costly(Ok, 1.0), pushed(true, true, Push::Pushed)], "end Complete"),
        (vec![Start, ready(), costly(Transient(text()), 1.0), saved()], "end Budget"),
        (vec![Start, ready(), attempted(Ok), pushed(true, false, conflict())], "end PushConflict"),
        (vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Denied(text()))], "end Git"),
        (vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Unmade(text()))], "end Git"),
        (
            vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Failed(text()))],
            "sleep 8000",
        ),
        (
            vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Failed(text())), Woke],
            "save",
        ),
        (vec![Start, ready(), attempted(RateLimited(Some(NOW - 9_000))), saved()], "sleep 7000"),
        (vec![Start, term()], "end Interrupted"),
        (vec![Start, ready(), term()], "stop"),
        (vec![Start, ready(), term(), term()], "kill"),
        (vec![Start, ready(), term(), attempted(Interrupted)], "save wip"),
        (vec![Start, ready(), term(), attempted(Interrupted), saved()], "end Interrupted"),
        (vec![Start, ready(), term(), attempted(Ok), saved()], "end Interrupted"),
        (
            vec![Start, ready(), term(), attempted(Ok), pushed(true, true, Push::Pushed)],
            "end Complete",
        ),
        (
            vec![
                Start,
                ready(),
                term(),
                attempted(Interrupted),
                pushed(true, false, Push::Failed(text())),
            ],
            "end Interrupted",
        ),
        (
            vec![Start, ready(), term(), attempted(Interrupted), pushed(true, false, rescued())],
            "end Interrupted",
        ),
        (
            vec![Start, ready(), attempted(Ok), term(), pushed(true, false, rescued())],
            "end Interrupted",
        ),
        (vec![Start, ready(), attempted(Ok), term()], "push by 73000"),
        (
            vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Lost(text()))],
            "end Unpushed",
        ),
        (
            vec![Start, ready(), attempted(Ok), pushed(true, false, Push::NoSpace(text()))],
            "end NoSpace",
        ),
        (
            vec![Start, ready(), attempted(Ok), term(), pushed(true, false, Push::NoSpace(text()))],
            "end Interrupted",
        ),
        (vec![Start, ready(), attempted(Ok), term(), saved()], "end Interrupted"),
        (vec![Start, ready(), attempted(Crash(text())), saved(), term()], "end Interrupted"),
        (
            vec![Start, ready(), attempted(Ok), pushed(true, false, Push::Failed(text())), term()],
            "save wip",
        ),
        (vec![Start, ready(), Deadline], "stop"),
        (vec![Start, ready(), Deadline, attempted(Interrupted), saved()], "end Duration"),
        (
            vec![Start, ready(), Deadline, term(), attempted(Interrupted), saved()],
            "end Interrupted",
        ),
        (vec![Start, ready(), attempted(Crash(text())), saved(), Deadline], "end Duration"),
        (vec![Start, Event::Broken(text())], "end Internal"),
        (vec![Start, ready(), Woke], "nothing"),
        (vec![Start, term(), ready()], "nothing"),
    ];
    for (events, expected) in cases {
        let shown = format!("{events:?}");
        assert_eq!(last(terms(), events), expected, "{shown}");
    }
}

#[test]
fn setup_runs_once_before_anything_else() {
    use Event::{Deadline, Signal, Start};
    let failure =
        || Event::SetUp(Err(Failure { exit: RunExit::Configuration, text: "setup failed".into() }));
    let ready = || with_setup(Ledger::default(), false, true);
    let complete = || with_setup(Ledger::default(), true, true);
    let used = |iterations, complete| {
        with_setup(Ledger { iterations, cost: Usd::from_dollars(0.1) }, complete, true)
    };
    let term = || Signal("SIGTERM");
    // Events, and what follows without and with a verify command.
    let cases: Vec<(Vec<Event>, &str, &str)> = vec![
        (vec![Start, ready()], "set up", "set up"),
        (vec![Start, ready(), set_up()], "run 1", "run 1"),
        (vec![Start, ready(), failure()], "end Configuration", "end Configuration"),
        (vec![Start, ready(), set_up(), attempted(Outcome::Ok), saved()], "run 2", "run 2"),
        (vec![Start, used(1, false), set_up()], "run 2", "run 2"),
        // Work that is complete needs it only for the verify command.
        (vec![Start, complete()], "end Complete", "set up"),
        (vec![Start, complete(), set_up()], "nothing", "verify"),
        (vec![Start, complete(), failure()], "nothing", "end Configuration"),
        (vec![Start, used(3, true), set_up()], "nothing", "verify"),
        // Without an iteration to come it does not run.
        (vec![Start, used(3, false)], "end Iterations", "end Iterations"),
        (vec![Start, ready(), term()], "end Interrupted", "end Interrupted"),
        (vec![Start, ready(), Deadline], "end Duration", "end Duration"),
        (vec![Start, ready(), term(), set_up()], "nothing", "nothing"),
        (vec![Start, ready(), set_up(), set_up()], "nothing", "nothing"),
        (vec![Start, ready(), attempted(Outcome::Ok)], "nothing", "nothing"),
    ];
    for (events, without, with) in cases {
        for (verifies, expected) in [(false, without), (true, with)] {
            let shown = format!("{events:?}, verifies: {verifies}");
            let terms = Terms { verifies, ..terms() };
            assert_eq!(last(terms, events.clone()), expected, "{shown}");
        }
    }
    let (machine, effects) = play(terms(), [Start, used(1, false), failure()]);
    assert_eq!(machine.ledger, Ledger { iterations: 1, cost: Usd::from_dollars(0.1) });
    let text = Some("setup failed".to_owned());
    assert_eq!(effects, [Effect::End { exit: RunExit::Configuration, text }]);
}

#[test]
fn stalls_bring_one_hint_and_then_the_end() {
    let still = || pushed(false, false, Push::Nothing);
    let mut events = vec![Event::Start, ready()];
    let mut terms = terms();
    terms.limits.max_iterations = 100;
    terms.limits.max_cost_usd = 100.0;
    let mut got = Vec::new();
    for _ in 0..3 {
        events.extend([attempted(Outcome::Ok), still()]);
        got.push(last(terms.clone(), events.clone()));
    }
    assert_eq!(got, ["run 2", "run 3 with a note", "end Stalled"]);
    // Progress starts the count again.
    events.truncate(6);
    events.extend([attempted(Outcome::Ok), saved(), attempted(Outcome::Ok), still()]);
    assert_eq!(last(terms, events), "run 5");
}

#[test]
fn a_verify_command_decides() {
    let mut terms = terms();
    terms.verifies = true;
    let mut events =
        vec![Event::Start, ready(), attempted(Outcome::Ok), pushed(true, true, Push::Pushed)];
    assert_eq!(last(terms.clone(), events.clone()), "verify");
    let mut passed = events.clone();
    passed.push(Event::Verified(Verdict::Passed));
    assert_eq!(last(terms.clone(), passed), "end Complete");
    let at_start = vec![Event::Start, prepared(Ledger::default(), true)];
    assert_eq!(last(terms.clone(), at_start), "verify");
    events.push(Event::Verified(Verdict::Failed { tail: "3 tests failed".into() }));
    let (_, effects) = play(terms, events);
    let Some(Effect::RunAgent(order)) = effects.last() else { panic!("{effects:?}") };
    assert!(order.note.as_ref().unwrap().contains("3 tests failed"));
}

#[test]
fn what_a_checkpoint_has_to_say_stands_beside_what_follows_from_it() {
    let said = |complete: bool| {
        let Event::Saved(saved) = pushed(false, complete, Push::Pushed) else { panic!() };
        Event::Saved(Saved { note: Some("a file was withheld".into()), ..saved })
    };
    let mut terms = terms();
    terms.verifies = true;
    let verify = [
        Event::Start,
        ready(),
        attempted(Outcome::Ok),
        said(true),
        Event::Verified(Verdict::Failed { tail: "3 tests failed".into() }),
    ];
    let stuck = [attempted(Outcome::Ok), said(false), attempted(Outcome::Ok), said(false)];
    let stuck = [Event::Start, ready()].into_iter().chain(stuck);
    for (events, follows) in
        [(verify.to_vec(), "3 tests failed"), (stuck.collect(), "changed nothing")]
    {
        let (_, effects) = play(terms.clone(), events);
        let Some(Effect::RunAgent(order)) = effects.last() else { panic!("{effects:?}") };
        let note = order.note.as_deref().unwrap();
        assert!(note.contains("a file was withheld\n\n") && note.contains(follows), "{note}");
    }
}

#[test]
fn what_the_checkout_says_about_the_branch_stays_in_the_prompt_until_an_iteration_has_ended() {
    let Event::Prepared(Ok(ready)) = ready() else { panic!() };
    let note = Some("`main` has conflicts".to_owned());
    let branch = "ralph/docs.2".to_owned();
    let ready = || {
        Event::Prepared(Ok(Prepared {
            note: note.clone(),
            branch: branch.clone(),
            ..ready.clone()
        }))
    };
    let down = || attempted(Outcome::Transient("down".into()));
    let still = || pushed(false, false, Push::Nothing);
    let mut events = vec![Event::Start, ready()];
    assert_eq!(last(terms(), events.clone()), "run 1 with a note");
    events.extend([down(), still(), Event::Woke]);
    assert_eq!(last(terms(), events.clone()), "run 1 with a note");
    events.extend([attempted(Outcome::Ok), saved()]);
    assert_eq!(last(terms(), events.clone()), "run 2");
    // Until the checkout is made, nobody knows better.
    let mut branches = Vec::new();
    for end in 1..=events.len() {
        for effect in play(terms(), events[..end].to_vec()).1 {
            if let Effect::Emit(
                _,
                Kind::RunStart { branch, .. }
                | Kind::Clone { branch: Some(branch), .. }
                | Kind::Checkpoint { branch, .. },
            ) = effect
            {
                branches.push(branch);
            }
        }
    }
    assert_eq!(branches, [terms().branch.as_str(), "ralph/docs.2", "ralph/docs.2"]);
}

#[test]
fn a_service_that_stays_down_ends_the_task_for_now() {
    let mut events = vec![Event::Start, ready()];
    for _ in 0..policy::MAX_TRANSIENTS {
        events.extend([costly(Outcome::Transient("x".into()), 0.0), saved(), Event::Woke]);
    }
    assert_eq!(last(terms(), events.clone()), "run 1");
    events.extend([costly(Outcome::Transient("x".into()), 0.0), saved()]);
    assert_eq!(last(terms(), events), "end Waiting");
}

#[test]
fn after_a_signal_what_was_not_committed_in_time_is_said() {
    for (cut_off, expected) in [(true, "no time to commit everything"), (false, "is pushed")] {
        let Event::Saved(saved) = pushed(true, true, Push::Pushed) else { unreachable!() };
        let cut = Event::Saved(Saved { cut_off, complete: false, ..saved });
        let term = Event::Signal("SIGTERM");
        let (_, effects) =
            play(terms(), [Event::Start, ready(), term, attempted(Outcome::Interrupted), cut]);
        let Some(Effect::End { exit, text: Some(text) }) = effects.last() else {
            panic!("{effects:?}")
        };
        assert_eq!(*exit, RunExit::Interrupted);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn after_a_signal_the_push_has_a_time_limit() {
    let (machine, effects) = play(terms(), [Event::Start, ready(), Event::Signal("SIGTERM")]);
    let by = NOW + 2_000 + policy::PUSH_BY_MS;
    assert!(effects.contains(&Effect::Hurry(by)), "{effects:?}");
    // The second one changes nothing about it.
    let (_, effects) = machine.step(NOW + 9_000, Event::Signal("SIGTERM"));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Hurry(_))), "{effects:?}");
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = || "x".to_owned();
    let outcome = prop::sample::select(vec![
        Outcome::Ok,
        Outcome::Partial,
        Outcome::Transient(text()),
        Outcome::RateLimited(None),
        Outcome::RateLimited(Some(NOW + 9_000)),
        Outcome::NoKey(text()),
        Outcome::Budget,
        Outcome::Configuration(text()),
        Outcome::Timeout(text()),
        Outcome::Crash(text()),
        Outcome::Interrupted,
    ]);
    let push = prop::sample::select(vec![
        Push::Pushed,
        Push::Pushed,
        Push::Nothing,
        Push::Failed(text()),
        Push::Unmade(text()),
        Push::Denied(text()),
        Push::Conflict { rescue: "r".into(), text: text() },
        Push::Lost(text()),
        Push::NoSpace(text()),
        Push::Rescued { rescue: "r".into(), text: text() },
    ]);
    prop_oneof![
        4 => (outcome, 0.0..0.3f64).prop_map(|(outcome, dollars)| costly(outcome, dollars)),
        4 => (any::<bool>(), any::<bool>(), push).prop_map(|(p, c, push)| pushed(p, c, push)),
        2 => Just(Event::Woke),
        1 => Just(Event::Deadline),
        1 => Just(Event::Signal("SIGTERM")),
        1 => Just(Event::Verified(Verdict::Passed)),
        1 => Just(Event::Verified(Verdict::Failed { tail: text() })),
        1 => (0..5u32, any::<bool>()).prop_map(|(iterations, has_setup)| {
            with_setup(Ledger { iterations, cost: Usd::default() }, false, has_setup)
        }),
        1 => any::<bool>().prop_map(|well| {
            let failure = Failure { exit: RunExit::Configuration, text: "x".to_owned() };
            Event::SetUp(if well { Ok(()) } else { Err(failure) })
        }),
    ]
}

/// Whether an effect is one that an event answers.
fn is_operation(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Prepare
            | Effect::SetUp
            | Effect::RunAgent(_)
            | Effect::Save(_)
            | Effect::Verify
            | Effect::Sleep(_)
    )
}

proptest! {
    #[test]
    fn whatever_happens(
        events in prop::collection::vec(any_event(), 1..120),
        verifies: bool,
        has_setup: bool,
    ) {
        let mut machine = Machine::new(Terms { verifies, ..terms() });
        let mut all = vec![Event::Start, with_setup(Ledger::default(), false, has_setup)];
        all.extend(events);
        let mut attempts = 0;
        for (n, event) in all.into_iter().enumerate() {
            let before = machine.clone();
            let (after, effects) = machine.step(NOW + 500 * n as u64, event);
            let ended = matches!(before.phase, Phase::Ended(_));
            // The ledger never decreases, except that preparing reads it.
            if before.phase != Phase::Preparing {
                prop_assert!(after.ledger.cost >= before.ledger.cost);
                prop_assert!(after.ledger.iterations >= before.ledger.iterations);
            }
            // After the end there is silence; the end is the last effect, and at most one
            // operation begins at a time, the last of its step.
            prop_assert!(!ended || effects.is_empty());
            for (index, effect) in effects.iter().enumerate() {
                if is_operation(effect) || matches!(effect, Effect::End { .. }) {
                    prop_assert_eq!(index, effects.len() - 1);
                }
            }
            let ends = matches!(effects.last(), Some(Effect::End { .. }));
            prop_assert_eq!(ends, !ended && matches!(after.phase, Phase::Ended(_)));
            // No attempt begins past a limit, or after a signal.
            if let Some(Effect::RunAgent(order)) = effects.last() {
                attempts += 1;
                prop_assert!(before.ledger.cost < before.terms.max_cost());
                prop_assert!(order.iteration <= 3 && after.draining.is_none() && !after.overdue);
                prop_assert!(order.budget > Usd::default());
            }
            // What an attempt cost is saved before anything else happens.
            if before.phase == Phase::Running && after.phase != Phase::Running {
                prop_assert!(matches!(effects.last(), Some(Effect::Save(_))), "{effects:?}");
            }
            machine = after;
        }
        prop_assert!(attempts <= 60);
    }
}
