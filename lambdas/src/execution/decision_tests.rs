//! The table of docs/operations.md, row by row, and what holds whatever happens.

use proptest::prelude::*;
use ralph_protocol::execution::{Ended, Order};
use serde_json::json;

use super::*;

/// The time in the ULID, ms since the epoch.
const BEGUN: u64 = 1_469_922_850_259;
const HOUR: u64 = 3_600;
const FULL: &str = "Capacity is unavailable at this time.";

fn order() -> Order {
    let order = json!({"workstream": "docs", "repo": "https://github.com/you/project"});
    Order::read(&order, false).unwrap()
}

fn admitted(seconds: u64) -> Progress {
    let execution = "arn:aws:states:us-east-1:1:execution:m:docs".to_owned();
    let ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    Progress::new(execution, order(), ulid, BEGUN + seconds * 1000)
}

fn end(code: &str, reason: &str, exit: Option<i64>) -> End {
    let worker = json!({"Name": "worker", "ExitCode": exit});
    let task = json!({
        "TaskArn": "arn", "StopCode": code, "StoppedReason": reason, "Containers": [worker],
    });
    End::read(&Ended { description: Some(task.to_string()), ..Ended::default() })
}

fn exits(exit: i64) -> End {
    end("EssentialContainerExited", "Essential container in task exited", Some(exit))
}

fn interrupted() -> End {
    end("SpotInterruption", "Your Spot Task was interrupted.", Some(75))
}

fn not_started(reason: &str) -> End {
    end("TaskFailedToStart", reason, None)
}

fn timed_out() -> End {
    End::read(&Ended { error: Some("States.Timeout".into()), ..Ended::default() })
}

/// What follows, in a form that reads well.
#[derive(Debug, PartialEq)]
enum Follows {
    Run(&'static str),
    Wait(u64),
    Over(Outcome, Option<i64>),
}
use Follows::{Over, Run, Wait};

fn follows(next: &Next) -> Follows {
    match next {
        Next::Run { run, .. } if run.capacity_provider == FARGATE => Run(FARGATE),
        Next::Run { .. } => Run(FARGATE_SPOT),
        Next::Wait { seconds, .. } => Wait(*seconds),
        Next::Done { output } => Over(output.outcome, output.exit),
        Next::Failed { error, cause } => {
            let output = Output::parse(cause).unwrap();
            assert_eq!(output.outcome.error(), Some(error.as_str()));
            Over(output.outcome, output.exit)
        }
    }
}

/// An execution in the hands of a test.
struct Execution {
    now: u64,
    next: Next,
    all: Vec<Follows>,
}

impl Execution {
    fn new(seconds: u64) -> Self {
        let next = begin(admitted(seconds), BEGUN);
        Self { now: BEGUN, all: vec![follows(&next)], next }
    }

    fn step(&mut self, facts: Facts<'_>) {
        let (Next::Run { progress, .. } | Next::Wait { progress, .. }) = self.next.clone() else {
            panic!("over: {:?}", self.all)
        };
        self.next = decide(progress, facts, self.now);
        self.all.push(follows(&self.next));
    }

    /// The run ends; a wait that follows passes.
    fn ends(mut self, end: &End) -> Self {
        self.step(Facts { end: Some(end), ..Facts::default() });
        self.waited()
    }

    fn waited(mut self) -> Self {
        while let Next::Wait { seconds, .. } = &self.next {
            self.now += seconds * 1000;
            self.step(Facts::default());
        }
        self
    }

    fn output(&self) -> Output {
        match &self.next {
            Next::Done { output } => output.clone(),
            Next::Failed { cause, .. } => Output::parse(cause).unwrap(),
            other => panic!("not over: {other:?}"),
        }
    }
}

/// What follows one end, and the waits after it.
fn after(end: &End) -> Vec<Follows> {
    Execution::new(8 * HOUR).ends(end).all.into_iter().skip(1).collect()
}

/// How often an end can come before the execution is over, and how it ends then.
fn allowance(end: &End) -> (usize, Output) {
    let mut execution = Execution::new(300 * 24 * HOUR);
    let mut times = 0;
    while matches!(execution.next, Next::Run { .. }) {
        execution = execution.ends(end);
        times += 1;
    }
    (times, execution.output())
}

/// A row of the table: its first cell, and ends that belong to it with what follows each.
type Row = (&'static str, Vec<(End, Vec<Follows>)>);

/// Every row of the table by its first cell, with what it must mean. The table itself is read, so a
/// row that is added or changed there has to be added or changed here.
#[test]
fn every_row_of_the_table_in_the_documentation() {
    use Outcome::{Blocked, CannotStart, Complete, Limit, Stopped};
    let expected: Vec<Row> = vec![
        (
            "stop code UserInitiated (`ralph stop`, the console)",
            vec![(end("UserInitiated", "", Some(0)), vec![Over(Stopped, Some(0))])],
        ),
        ("exit 0", vec![(exits(0), vec![Over(Complete, Some(0))])]),
        (
            "exit 10, 11, 12, 13",
            [10, 11, 12, 13].map(|n| (exits(n), vec![Over(Limit, Some(n))])).into(),
        ),
        (
            "exit 20, 21, 22, 23, 30, 31",
            [20, 21, 22, 23, 30, 31].map(|n| (exits(n), vec![Over(Blocked, Some(n))])).into(),
        ),
        // See `a_request_to_stop_is_followed_by_no_run`.
        ("any other end, when `ralph stop` was called for the execution", vec![]),
        (
            "SpotInterruption, TerminationNotice",
            vec![
                (interrupted(), vec![Run(FARGATE_SPOT)]),
                (end("TerminationNotice", "", None), vec![Run(FARGATE_SPOT)]),
            ],
        ),
        (
            "exit 76, the worker waits for a limit to reset",
            vec![(exits(76), vec![Wait(900), Run(FARGATE_SPOT)])],
        ),
        (
            "the task's own time limit (what was left until the deadline, and 10 minutes)",
            vec![(timed_out(), vec![Over(Limit, Some(11))])],
        ),
        (
            "no capacity, no free address, or too many requests at once",
            vec![
                (not_started(FULL), vec![Wait(30), Run(FARGATE_SPOT)]),
                (
                    not_started("InsufficientFreeAddressesInSubnet"),
                    vec![Wait(30), Run(FARGATE_SPOT)],
                ),
            ],
        ),
        (
            "the task cannot start for a permanent reason: no such image, an image without the worker, a secret without a value, no permission, an impossible definition; and no worker of the execution has run before",
            vec![(
                not_started("CannotPullContainerError: ralph-worker:0.1.0: not found"),
                vec![Over(CannotStart, None)],
            )],
        ),
        (
            "anything else: exit 75 without a Spot code, 50, 137, 139, none, a start that failed for any other reason",
            vec![
                (exits(75), vec![Wait(15), Run(FARGATE_SPOT)]),
                (exits(50), vec![Wait(15), Run(FARGATE_SPOT)]),
                (exits(137), vec![Wait(15), Run(FARGATE_SPOT)]),
                (exits(139), vec![Wait(15), Run(FARGATE_SPOT)]),
                (end("EssentialContainerExited", "", None), vec![Wait(15), Run(FARGATE_SPOT)]),
                (
                    not_started("ResourceInitializationError: context deadline exceeded"),
                    vec![Wait(15), Run(FARGATE_SPOT)],
                ),
                (End::read(&Ended::default()), vec![Wait(15), Run(FARGATE_SPOT)]),
            ],
        ),
    ];
    let documented = include_str!("../../../docs/operations.md")
        .lines()
        .skip_while(|line| !line.starts_with("| how the run ended |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').nth(1).unwrap_or_default().trim());
    assert_eq!(
        documented.collect::<Vec<_>>(),
        expected.iter().map(|row| row.0).collect::<Vec<_>>()
    );
    for (row, ends) in expected {
        for (end, expected) in ends {
            assert_eq!(after(&end), expected, "{row}: {end:?}");
        }
    }
}

#[test]
fn each_allowance_is_used_up_after_as_many_restarts_as_documented() {
    for (end, runs, said) in [
        (interrupted(), 51, "Spot capacity was taken back 51 times; last exit 75"),
        (exits(76), 101, "the worker waited 101 times; last exit 76"),
        (not_started(FULL), 21, "no capacity in 21 starts; last reason: Capacity is"),
        (exits(137), 4, "restarted as often as allowed; last exit 137"),
    ] {
        let (times, output) = allowance(&end);
        assert_eq!((times, output.attempts, output.outcome), (runs, runs as u32, Outcome::GaveUp));
        assert!(output.reason.starts_with(said), "{}", output.reason);
    }
}

#[test]
fn an_interruption_begins_a_new_row_of_other_ends_until_they_are_twenty() {
    let mut execution = Execution::new(300 * 24 * HOUR);
    let mut others = 0;
    while matches!(execution.next, Next::Run { .. }) {
        let row = others % 3 == 0 && others > 0;
        if row {
            execution = execution.ends(&interrupted());
        }
        execution = execution.ends(&exits(137));
        others += 1;
    }
    assert_eq!((others, execution.output().outcome), (21, Outcome::GaveUp));
}

#[test]
fn on_demand_capacity_is_asked_for_after_five_starts_without_spot_capacity() {
    let mut execution = Execution::new(24 * HOUR);
    for _ in 0..6 {
        execution = execution.ends(&not_started(FULL));
    }
    let spot = Run(FARGATE_SPOT);
    let expected = [30, 60, 120, 240].map(|wait| [Wait(wait), Run(FARGATE_SPOT)]);
    let mut all = vec![spot];
    all.extend(expected.into_iter().flatten());
    all.extend([Wait(480), Run(FARGATE), Wait(600), Run(FARGATE)]);
    assert_eq!(execution.all, all);
    let execution = execution.ends(&interrupted());
    assert_eq!(
        execution.all.last(),
        Some(&Run(FARGATE_SPOT)),
        "a run that had capacity resets the count"
    );
}

#[test]
fn a_permanent_cause_is_tried_again_once_a_worker_has_run() {
    let image = not_started("CannotPullContainerError: ralph-worker:0.1.0: not found");
    let execution = Execution::new(8 * HOUR).ends(&exits(137)).ends(&image);
    assert_eq!(execution.all.last(), Some(&Run(FARGATE_SPOT)));
    let (execution, mut times) = (execution.ends(&image), 3);
    let mut execution = execution;
    while matches!(execution.next, Next::Run { .. }) {
        execution = execution.ends(&image);
        times += 1;
    }
    assert_eq!(
        (times, execution.output().outcome),
        (4, Outcome::GaveUp),
        "with the ordinary retries"
    );
}

/// What a stream says whose worker has ended: `micro_usd` was spent.
fn ended_tail(micro_usd: u64) -> Tail {
    let used = Used { micro_usd, iterations: 1 };
    Tail { last_seq: 9, ended: true, used, wait_until: None }
}

/// What follows a worker that waits for a limit to reset, by its last lines.
fn waits(seconds: u64, wait_until: u64) -> Follows {
    let mut execution = Execution::new(seconds);
    let tail = Tail { wait_until: Some(wait_until), ..ended_tail(0) };
    execution.step(Facts { end: Some(&exits(76)), tail: Some(tail), ..Facts::default() });
    execution.all.pop().unwrap()
}

#[test]
fn a_worker_that_waits_is_started_again_when_its_last_lines_say() {
    assert_eq!(waits(8 * HOUR, BEGUN), Run(FARGATE_SPOT), "the time has passed");
    assert_eq!(waits(8 * HOUR, BEGUN + 3_600_001), Wait(3601));
    assert_eq!(waits(8 * HOUR, BEGUN + 9 * HOUR * 1000), Over(Outcome::Limit, Some(11)));
    assert_eq!(waits(8 * HOUR, u64::MAX), Over(Outcome::Limit, Some(11)));
}

#[test]
fn no_run_begins_at_the_deadline_and_no_wait_ends_after_it() {
    assert_eq!(follows(&begin(admitted(60), BEGUN + 60_000)), Over(Outcome::Limit, Some(11)));
    assert_eq!(follows(&begin(admitted(60), BEGUN + 59_999)), Run(FARGATE_SPOT));
    for end in [exits(137), exits(76), not_started(FULL)] {
        let execution = Execution::new(10).ends(&end);
        assert_eq!(execution.all.last(), Some(&Over(Outcome::Limit, Some(11))), "{end:?}");
    }
}

#[test]
fn a_request_to_stop_is_followed_by_no_run() {
    for end in [exits(75), exits(76), exits(137), interrupted(), not_started(FULL)] {
        let mut execution = Execution::new(8 * HOUR);
        execution.step(Facts { end: Some(&end), stop_requested: true, ..Facts::default() });
        assert_eq!(execution.all.last(), Some(&Over(Outcome::Stopped, end.exit)), "{end:?}");
    }
    for end in [exits(76), exits(137), not_started(FULL)] {
        let mut execution = Execution::new(8 * HOUR);
        execution.step(Facts { end: Some(&end), ..Facts::default() });
        execution.step(Facts { stop_requested: true, ..Facts::default() });
        assert_eq!(
            execution.all.last(),
            Some(&Over(Outcome::Stopped, end.exit)),
            "between two runs"
        );
    }
    let mut execution = Execution::new(8 * HOUR);
    execution.step(Facts { end: Some(&exits(0)), stop_requested: true, ..Facts::default() });
    assert_eq!(execution.output().outcome, Outcome::Complete, "what is complete is complete");
}

/// As version 1 left it: it waits for the lines of a worker that waits, and has no ledger.
#[test]
fn an_execution_of_version_1_goes_on_without_a_ledger() {
    let mut progress = Progress { ledger: None, ..admitted(8 * HOUR) };
    (progress.attempt, progress.step, progress.waits) = (1, 2, 1);
    progress.waiting_for = Some(WaitFor::LastLines);
    let tail = Tail { wait_until: Some(BEGUN + 60_000), ..ended_tail(5) };
    let facts = Facts { tail: Some(tail), ..Facts::default() };
    let mut next = decide(progress.clone(), facts, BEGUN);
    assert_eq!(follows(&next), Wait(60));
    assert_eq!(follows(&decide(progress, Facts::default(), BEGUN)), Wait(900));
    for (facts, expected) in [
        (Facts::default(), Run(FARGATE_SPOT)),
        (Facts { end: Some(&exits(0)), ..facts }, Over(Outcome::Complete, Some(0))),
    ] {
        let (Next::Run { progress, .. } | Next::Wait { progress, .. }) = next else { panic!() };
        next = decide(progress, facts, BEGUN + 60_000);
        assert_eq!(follows(&next), expected);
        if let Next::Run { run, .. } = &next {
            let told = run.overrides.variables().any(|one| one.name == "RALPH_SPENT_USD");
            assert!(!told, "its workers count in their commits");
        }
    }
    let Next::Done { output } = next else { panic!("{next:?}") };
    assert_eq!((output.spent_usd, output.iterations), (None, None));
}

/// Started again by hand after it failed, while the next one works.
#[test]
fn an_execution_whose_lease_was_taken_over_begins_no_run() {
    let taken_over = Facts { taken_over: true, ..Facts::default() };
    for end in [exits(75), exits(76), exits(137), interrupted(), not_started(FULL)] {
        let mut execution = Execution::new(8 * HOUR);
        execution.step(Facts { end: Some(&end), ..taken_over });
        assert_eq!(execution.all.last(), Some(&Over(Outcome::Busy, end.exit)), "{end:?}");
    }
    let mut execution = Execution::new(8 * HOUR);
    execution.step(Facts { end: Some(&exits(137)), ..Facts::default() });
    execution.step(taken_over);
    assert_eq!(execution.all.last(), Some(&Over(Outcome::Busy, Some(137))));
}

#[test]
fn the_order_becomes_the_workers_environment_and_nothing_else_does() {
    let order = json!({
        "workstream": "docs", "repo": "https://github.com/you/project", "base": "main",
        "branch": "work", "promptFile": "docs/PROMPT.md", "verifyCommand": "just test | tee \"log\"",
        "limits": {
            "maxIterations": 7, "maxDurationSecs": 3600, "maxCostUsd": 2.5,
            "iterationTimeoutSecs": 600, "silenceSecs": 120, "maxStalls": 2,
            "maxLogMb": 5, "maxCommitMb": 6, "maxCommitFiles": 70,
        },
    });
    let mut progress = admitted(HOUR);
    progress.order = Order::read(&order, false).unwrap();
    let Next::Run { run, .. } = begin(progress, BEGUN + 1) else { panic!("no run") };
    assert_eq!(run.timeout_seconds, 3_600 + 600, "what is left, and time to push");
    let written: Vec<_> =
        run.overrides.variables().map(|one| (one.name.as_str(), one.value.as_str())).collect();
    assert_eq!(
        written,
        [
            ("RALPH_WORKSTREAM", "docs"),
            ("RALPH_RUN", "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001"),
            ("RALPH_ATTEMPT", "1"),
            ("RALPH_REPO", "https://github.com/you/project"),
            ("RALPH_BASE", "main"),
            ("RALPH_BRANCH", "work"),
            ("RALPH_PROMPT_FILE", "docs/PROMPT.md"),
            ("RALPH_VERIFY_COMMAND", "just test | tee \"log\""),
            ("RALPH_MAX_ITERATIONS", "7"),
            ("RALPH_MAX_DURATION_SECS", "3600"),
            ("RALPH_MAX_COST_USD", "2.5"),
            ("RALPH_ITERATION_TIMEOUT_SECS", "600"),
            ("RALPH_SILENCE_SECS", "120"),
            ("RALPH_MAX_STALLS", "2"),
            ("RALPH_MAX_LOG_MB", "5"),
            ("RALPH_MAX_COMMIT_MB", "6"),
            ("RALPH_MAX_COMMIT_FILES", "70"),
            ("RALPH_SPENT_USD", "0"),
            ("RALPH_ITERATIONS_DONE", "0"),
        ]
    );
    let Next::Run { run, .. } = begin(admitted(HOUR), BEGUN) else { panic!("no run") };
    assert_eq!(run.overrides.variables().count(), 6, "an order of two fields leaves the rest out");
}

/// How a run can end, and what else can be true then.
fn ends() -> impl Strategy<Value = End> {
    let codes = prop::sample::select(vec![
        "TaskFailedToStart",
        "EssentialContainerExited",
        "SpotInterruption",
        "TerminationNotice",
        "ServiceSchedulerInitiated",
        "UserInitiated",
        "InfrastructureHealth",
        "",
    ]);
    let reasons = prop::sample::select(vec![
        "",
        FULL,
        "RESOURCE:ENI",
        "CannotPullContainerError: x: not found",
        "Rate exceeded",
        "ResourceInitializationError: context deadline exceeded",
        "AccessDenied",
    ]);
    let exits = prop::option::weighted(
        0.7,
        prop::sample::select(vec![75, 76, 76, 50, 137, 139, 75, 1, 0, 10, 21, 31]),
    );
    // Ends that are final are rare, so that executions become long.
    (codes, reasons, exits, prop::bool::weighted(0.02), prop::bool::weighted(0.03)).prop_map(
        |(code, reason, exit, timed_out, last)| {
            let code = if code == "UserInitiated" && !last { "" } else { code };
            let exit = exit.filter(|exit| last || ![0, 10, 21, 31].contains(exit));
            End { timed_out, ..end(code, reason, exit) }
        },
    )
}

/// What a stream can say when it is read; `wait_until` in seconds from then.
fn tails() -> impl Strategy<Value = Tail> {
    let until = prop::option::of(0u64..100_000);
    (0u64..3, any::<bool>(), 0u64..3_000_000, 0u32..3, until).prop_map(
        |(last_seq, ended, micro_usd, iterations, wait_until)| {
            let used = Used { micro_usd, iterations };
            Tail { last_seq, ended, used, wait_until }
        },
    )
}

proptest! {
    /// Whatever ends, whenever: the execution ends, begins no run at or after its deadline, keeps
    /// within its allowances, and after a request to stop begins no run at all.
    #[test]
    fn an_execution_always_ends_within_its_limits(
        hours in 0u64..24 * 30,
        happens in prop::collection::vec(
            (
                ends(), 0u64..7_200, prop::option::weighted(0.8, tails()),
                prop::bool::weighted(0.005),
            ),
            1..400,
        ),
    ) {
        let mut now = BEGUN;
        let mut next = begin(admitted(hours * HOUR), now);
        let (mut stopped, mut steps) = (false, 0);
        let mut happens = happens.iter().cycle();
        loop {
            // At most ten waits for the last lines and one for the reset between two runs.
            steps += 1;
            prop_assert!(steps < 50_000, "it does not end");
            let (end, seconds, tail, stop) = happens.next().unwrap();
            stopped |= stop;
            let facts = Facts {
                stop_requested: stopped,
                tail: tail.map(|tail| Tail {
                    wait_until: tail.wait_until.map(|until| now + until * 1000),
                    ..tail
                }),
                ..Facts::default()
            };
            next = match next {
                Next::Run { progress, run } => {
                    prop_assert!(now < progress.deadline);
                    prop_assert!(progress.interruptions <= MAX_INTERRUPTIONS);
                    prop_assert!(progress.waits <= MAX_WAITS);
                    prop_assert!(progress.others <= MAX_OTHERS);
                    prop_assert!(progress.others_in_a_row <= MAX_IN_A_ROW);
                    prop_assert!(progress.without_capacity <= MAX_WITHOUT_CAPACITY);
                    let most = progress.deadline + (GRACE_SECS + 1) * 1000;
                    prop_assert!(now + run.timeout_seconds * 1000 <= most);
                    now += seconds * 1000;
                    decide(progress, Facts { end: Some(end), ..facts }, now)
                }
                Next::Wait { progress, seconds } => {
                    prop_assert!(seconds > 0);
                    now += seconds * 1000;
                    let settles = progress.ending.is_some();
                    prop_assert!(settles || now < progress.deadline, "it would wait for nothing");
                    prop_assert!(!settles || seconds <= 180);
                    decide(progress, facts, now)
                }
                over => {
                    let output = match &over {
                        Next::Failed { cause, .. } => Output::parse(cause).unwrap(),
                        Next::Done { output } => output.clone(),
                        _ => unreachable!(),
                    };
                    prop_assert!(output.run.is_some_and(|run| run.attempt() == output.attempts)
                        || output.attempts == 0);
                    break;
                }
            };
            let goes_on = match &next {
                Next::Run { .. } => true,
                Next::Wait { progress, .. } => progress.ending.is_none(),
                _ => false,
            };
            prop_assert!(!(stopped && goes_on), "only its last run is settled");
        }
    }
}
