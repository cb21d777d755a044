//! How executions begin, go on and end: `admit` and `decide` with the table and the state machine in
//! memory.

use std::{cell::RefCell, collections::BTreeSet};

use proptest::prelude::*;
use ralph_lambdas::{
    execution::{self, Context, Defaults, ExecutionError, Notices},
    ports::{Clock, Executions, Lease, Logs, Machine, Unavailable},
};
use ralph_protocol::{
    event::timestamp_text,
    execution::{Admission, Ended, Next, Outcome, Output, Step, VERSION},
    ids::Workstream,
    index::WorkstreamState,
    table::RunState,
};
use serde_json::{Value, json};
use tokio::time::{Duration, advance};

use crate::memory::{Lines, MemoryLogs, MemoryTable, MemoryTopic, START, TestClock};
use crate::workers::event_of;

const DEFAULTS: Defaults = Defaults { max_duration_secs: 28_800, file_repositories: false };
const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:execution:ralph-dev-workstream:";

/// The executions that run.
#[derive(Default)]
struct Running(RefCell<BTreeSet<String>>);

impl Machine for Running {
    async fn is_running(&self, execution: &str) -> Result<bool, Unavailable> {
        Ok(self.0.borrow().contains(execution))
    }
}

#[derive(Default)]
pub struct Cloud {
    pub table: MemoryTable,
    pub logs: MemoryLogs,
    pub clock: TestClock,
    running: Running,
    lines: Lines,
    pub topic: MemoryTopic,
    notices: Option<Notices<MemoryTopic>>,
}

fn order() -> Value {
    json!({"workstream": "docs", "repo": "https://github.com/you/project"})
}

pub fn docs() -> Workstream {
    "docs".parse().unwrap()
}

/// An execution's ARN; `n` makes its ULID.
pub fn arn(n: u128) -> String {
    format!("{MACHINE}docs-{}", ulid::Ulid::from_parts(START, n))
}

fn admission(execution: &str, order: Value) -> Admission {
    Admission { execution: execution.into(), started_at: timestamp_text(START), order }
}

impl Cloud {
    /// One whose topic hears of the end of executions.
    pub fn told() -> Self {
        let topic = MemoryTopic::default();
        let notices = Notices {
            topic: topic.clone(),
            environment: "dev".into(),
            log_url: Some("https://logs.example.com/{workstream}/{run}".into()),
        };
        Self { topic, notices: Some(notices), ..Self::default() }
    }

    /// What the functions have logged.
    pub fn log(&self) -> String {
        self.lines.all()
    }

    fn context(&self) -> Context<'_, MemoryTable, TestClock> {
        Context { table: &self.table, clock: &self.clock, retention_secs: 604_800 }
    }

    pub async fn try_admit(&self, execution: &str, order: Value) -> Result<Step, ExecutionError> {
        let admission = admission(execution, order);
        let invocation = self.lines.invocation();
        execution::admit(&admission, DEFAULTS, &self.running, &self.context(), invocation).await
    }

    pub async fn admit(&self, execution: &str) -> Step {
        self.running.0.borrow_mut().insert(execution.to_owned());
        self.try_admit(execution, order()).await.unwrap()
    }

    pub async fn decide_by(&self, step: &Step, logs: &impl Logs) -> Result<Step, ExecutionError> {
        let text = serde_json::to_string(step).unwrap();
        let (context, notices) = (self.context(), self.notices.as_ref());
        execution::decide(&text, logs, notices, &context, self.lines.invocation()).await
    }

    /// One call of the function.
    pub async fn try_decide(&self, step: &Step) -> Result<Step, ExecutionError> {
        self.decide_by(step, &self.logs).await
    }

    /// What follows once the run is settled: as the machine does, through the waits for its lines.
    pub async fn decide(&self, step: &Step) -> Step {
        let mut step = self.try_decide(step).await.unwrap();
        while let Some(seconds) = settles_in(&step) {
            advance(Duration::from_secs(seconds)).await;
            step = self.try_decide(&step).await.unwrap();
        }
        step
    }

    fn lease(&self) -> Option<String> {
        self.table.leases.borrow().get(&docs()).map(|lease| lease.execution.clone())
    }
}

/// How long the machine waits for the last lines of a run, if it does.
pub fn settles_in(step: &Step) -> Option<u64> {
    match &step.next {
        Next::Wait { progress, seconds } if progress.ending.is_some() => Some(*seconds),
        _ => None,
    }
}

/// The log stream of a step's run.
pub fn stream_of(step: &Step) -> String {
    format!("worker/worker/{}", run_of(step))
}

pub fn ended(step: &Step, exit: Option<i64>, code: &str) -> Step {
    let task = json!({
        "TaskArn": format!("arn:task/ralph-dev/{}", run_of(step)), "StopCode": code, "Containers": [{"Name": "worker", "ExitCode": exit}],
    });
    let ended = Ended {
        cause: Some(task.to_string()),
        error: Some("States.TaskFailed".into()),
        description: None,
    };
    Step { ended: Some(ended), ..step.clone() }
}

pub fn exits(step: &Step, exit: i64) -> Step {
    ended(step, Some(exit), "EssentialContainerExited")
}

pub fn raised(step: &Step, error: &str, cause: &str) -> Step {
    let ended = Ended { error: Some(error.into()), cause: Some(cause.into()), description: None };
    Step { ended: Some(ended), ..step.clone() }
}

pub fn output(step: &Step) -> Output {
    match &step.next {
        Next::Done { output } => output.clone(),
        Next::Failed { error, cause } => {
            let output = Output::parse(cause).unwrap();
            assert_eq!(output.outcome.error(), Some(error.as_str()));
            output
        }
        other => panic!("not over: {other:?}"),
    }
}

pub fn variable(step: &Step, name: &str) -> String {
    let Next::Run { run, .. } = &step.next else { panic!("no run: {step:?}") };
    let mut variables = run.overrides.variables();
    variables.find(|one| one.name == name).unwrap().value.clone()
}

pub fn run_of(step: &Step) -> String {
    variable(step, "RALPH_RUN")
}

#[tokio::test(start_paused = true)]
async fn an_execution_takes_the_lease_begins_a_run_and_gives_the_lease_back() {
    let cloud = Cloud::default();
    let step = cloud.admit(&arn(1)).await;
    assert_eq!(cloud.lease(), Some(arn(1)));
    let lease = cloud.table.leases.borrow()[&docs()].clone();
    assert_eq!(lease.expires_at, START / 1000 + 28_800 + 3_600, "an hour after the deadline");
    assert_eq!(lease.ulid, ulid::Ulid::from_parts(START, 1));
    let row = cloud.table.row("docs", &run_of(&step)).unwrap();
    assert_eq!((row.info.state, row.info.started_at), (RunState::Starting, START));
    let over = cloud.decide(&exits(&step, 0)).await;
    assert_eq!((output(&over).outcome, output(&over).attempts), (Outcome::Complete, 1));
    assert_eq!(cloud.lease(), None);
    let log = cloud.lines.all();
    assert!(log.contains(r#""next":"run""#) && log.contains(r#""next":"complete""#), "{log}");
}

/// Refused before anything is started or written, with the field and what is allowed.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_accepted_leaves_no_trace() {
    let with = |field: &str, value: Value| {
        let mut order = order();
        order[field] = value;
        order
    };
    let sized = |cpu: u32, memory: u32| {
        let mut order = with("cpu", json!(cpu));
        order["memory"] = json!(memory);
        order
    };
    let other = format!("{MACHINE}api-{}", ulid::Ulid::from_parts(START, 1));
    let ahead = format!("{MACHINE}docs-{}", ulid::Ulid::from_parts(START + 3_600_001, 1));
    for (execution, order, said) in [
        (arn(1), json!([]), "not a JSON object"),
        (arn(1), with("maxCostUsd", json!(1)), "unknown field `maxCostUsd`"),
        (arn(1), with("limits", json!({"maxCost": 1})), "expected one of `maxIterations`"),
        (
            arn(1),
            with("limits", json!({"maxIterations": 1.5})),
            "`limits.maxIterations` is out of range\nhint: a whole number from 1 to 100000",
        ),
        (arn(1), with("limits", json!({"maxCostUsd": 0})), "`limits.maxCostUsd`"),
        (arn(1), with("workstream", json!("https://you:hunter2@x/a")), "`workstream` is not an id"),
        (
            arn(1),
            with("repo", json!("https://10.0.0.1/a")),
            "such as https://github.com/you/project",
        ),
        (
            arn(1),
            with("repo", json!("https://localhost/a")),
            "such as https://github.com/you/project",
        ),
        (arn(1), with("repo", json!("https://git.internal/a")), "inside a private network"),
        (arn(1), with("repo", json!("https://you:hunter2@github.com/a")), "the git-token secret"),
        (arn(1), with("repo", json!("file:///srv/a")), "such as https://github.com/you/project"),
        (arn(1), with("verifyCommand", json!("x".repeat(2_001))), "1 to 2000 characters"),
        (
            arn(1),
            with("verifyCommand", json!("\u{1}".repeat(2_000))),
            "shorten `verifyCommand`, the longest field",
        ),
        (
            arn(1),
            with("cpu", json!(1000)),
            "`cpu` and `memory` belong together\nhint: give both, or leave both out",
        ),
        (
            arn(1),
            sized(1000, 2048),
            "`cpu` is 1000, which Fargate does not offer\nhint: one of 256, 512, 1024",
        ),
        (
            arn(1),
            sized(256, 4096),
            "`memory` is 4096, which Fargate does not offer with 256 CPU units\nhint: one of 512",
        ),
        (arn(1), with("prompt", json!("x".repeat(4_097))), "`prompt` is not a text of 1 to 4096"),
        (arn(1), with("setupCommand", json!("")), "`setupCommand` is not a text of 1 to 2000"),
        (
            arn(1),
            with("limits", json!({"setupTimeoutSecs": 86_401})),
            "`limits.setupTimeoutSecs` is out of range\nhint: a whole number from 1 to 86400",
        ),
        (other, self::order(), "belongs to workstream api, its order to docs"),
        (ahead, self::order(), "check the clock"),
    ] {
        let cloud = Cloud::default();
        let step = cloud.try_admit(&execution, order.clone()).await.unwrap();
        let output = output(&step);
        assert_eq!((output.outcome, output.attempts), (Outcome::Refused, 0), "{order}");
        assert!(output.reason.contains(said), "{order}: {}", output.reason);
        assert!(output.reason.contains("\nhint: "), "{}", output.reason);
        assert!(!cloud.lines.all().contains("hunter2"));
        assert!(!serde_json::to_string(&step).unwrap().contains("hunter2"));
        assert_eq!(cloud.table.calls.get(), 0, "nothing is read or written: {order}");
    }
}

/// As Step Functions hands them to RunTask.
#[tokio::test(start_paused = true)]
async fn what_an_order_brings_becomes_the_overrides_of_its_task() {
    let order = json!({
        "workstream": "docs", "repo": "https://github.com/you/project", "base": "main",
        "branch": "work", "prompt": "Do it.", "setupCommand": "just setup", "model": "opus",
        "verifyCommand": "just test", "cpu": 4096, "memory": 16_384, "limits": {
            "maxIterations": 7, "maxDurationSecs": 7200, "maxCostUsd": 2.5,
            "iterationTimeoutSecs": 600, "silenceSecs": 60, "setupTimeoutSecs": 900,
            "maxStalls": 2, "maxLogMb": 10, "maxCommitMb": 20, "maxCommitFiles": 30,
        },
    });
    let cloud = Cloud::default();
    let step = cloud.try_admit(&arn(1), order).await.unwrap();
    let run = run_of(&step);
    let Next::Run { run: task, .. } = &step.next else { panic!("{step:?}") };
    let variables = [
        ("RALPH_WORKSTREAM", "docs"),
        ("RALPH_RUN", &run),
        ("RALPH_ATTEMPT", "1"),
        ("RALPH_REPO", "https://github.com/you/project"),
        ("RALPH_BASE", "main"),
        ("RALPH_BRANCH", "work"),
        ("RALPH_PROMPT", "Do it."),
        ("RALPH_SETUP_COMMAND", "just setup"),
        ("RALPH_MODEL", "opus"),
        ("RALPH_VERIFY_COMMAND", "just test"),
        ("RALPH_MAX_ITERATIONS", "7"),
        ("RALPH_MAX_DURATION_SECS", "7200"),
        ("RALPH_MAX_COST_USD", "2.5"),
        ("RALPH_ITERATION_TIMEOUT_SECS", "600"),
        ("RALPH_SILENCE_SECS", "60"),
        ("RALPH_SETUP_TIMEOUT_SECS", "900"),
        ("RALPH_MAX_STALLS", "2"),
        ("RALPH_MAX_LOG_MB", "10"),
        ("RALPH_MAX_COMMIT_MB", "20"),
        ("RALPH_MAX_COMMIT_FILES", "30"),
        ("RALPH_SPENT_USD", "0"),
        ("RALPH_ITERATIONS_DONE", "0"),
    ];
    let variables = variables.map(|(name, value)| json!({"Name": name, "Value": value}));
    assert_eq!(
        serde_json::to_value(&task.overrides).unwrap(),
        json!({
            "ContainerOverrides": [{"Name": "worker", "Environment": variables}],
            "Cpu": "4096", "Memory": "16384",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_order_without_odd_characters_fits_into_ecs_s_overrides() {
    let cloud = Cloud::default();
    let order = json!({
        "workstream": "docs", "repo": format!("https://github.com/{}", "a".repeat(981)),
        "base": "b".repeat(200), "branch": "c".repeat(200), "promptFile": "d".repeat(500),
        "verifyCommand": "ä".repeat(2_000), "limits": {
            "maxIterations": 100_000, "maxDurationSecs": 25_920_000, "maxCostUsd": 999_999.999,
            "iterationTimeoutSecs": 25_920_000, "silenceSecs": 25_920_000, "maxStalls": 1_000,
            "maxLogMb": 100_000, "maxCommitMb": 100_000, "maxCommitFiles": 1_000_000,
        },
    });
    let step = cloud.try_admit(&arn(1), order).await.unwrap();
    let Next::Run { run, .. } = &step.next else { panic!("{step:?}") };
    assert!(run.overrides.characters() <= 8_192);
}

/// From the console, or by a schedule.
#[tokio::test(start_paused = true)]
async fn an_execution_of_any_name_gets_a_ulid_that_its_lease_tells() {
    let cloud = Cloud::default();
    let execution = format!("{MACHINE}nightly-2026-11-28");
    let step = cloud.admit(&execution).await;
    let lease = cloud.table.leases.borrow()[&docs()].clone();
    assert_eq!(lease.ulid.timestamp_ms(), START);
    assert_eq!(run_of(&step), format!("{}-0001", lease.ulid));
}

#[tokio::test(start_paused = true)]
async fn one_execution_works_on_a_workstream() {
    let cloud = Cloud::default();
    cloud.admit(&arn(1)).await;
    let busy = cloud.admit(&arn(2)).await;
    assert_eq!(output(&busy).outcome, Outcome::Busy);
    assert!(output(&busy).reason.contains(&arn(1)), "{}", output(&busy).reason);
    assert_eq!(cloud.lease(), Some(arn(1)));
    // Stopped, or failed: nobody had to give the lease back.
    cloud.running.0.borrow_mut().remove(&arn(1));
    run_of(&cloud.admit(&arn(2)).await);
    assert_eq!(cloud.lease(), Some(arn(2)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_expired_is_free_whoever_holds_it() {
    let cloud = Cloud::default();
    let lease =
        Lease { execution: "x".into(), ulid: ulid::Ulid::nil(), expires_at: START / 1000 - 1 };
    cloud.running.0.borrow_mut().insert("x".into());
    cloud.table.leases.borrow_mut().insert(docs(), lease);
    run_of(&cloud.admit(&arn(1)).await);
}

/// A run's row is written where no task was made: no event tells of it.
#[tokio::test(start_paused = true)]
async fn a_start_without_a_task_shows_its_reason() {
    let cloud = Cloud::default();
    let step = cloud.admit(&arn(1)).await;
    let run = run_of(&step);
    let full = raised(&step, "AmazonECS.Unknown", "[{Reason: Capacity is unavailable}]");
    let waits = cloud.decide(&full).await;
    assert!(matches!(waits.next, Next::Wait { seconds: 30, .. }), "{waits:?}");
    let row = cloud.table.row("docs", &run).unwrap();
    assert_eq!((row.info.state, row.stream), (RunState::Failed, None));
    assert!(row.info.reason.unwrap().contains("Capacity is unavailable"));
    let next = cloud.decide(&waits).await;
    assert_ne!(run_of(&next), run);
    let made = cloud.decide(&exits(&next, 137)).await;
    assert!(matches!(made.next, Next::Wait { .. }));
    let row = cloud.table.row("docs", &run_of(&next)).unwrap();
    assert_eq!(row.info.state, RunState::Starting, "ECS's events tell of this one");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_is_waited_for_as_its_last_lines_say() {
    let cloud = Cloud::default();
    let step = cloud.admit(&arn(1)).await;
    let until = cloud.clock.now_ms() + 60_000;
    for (seq, said) in [
        (1, json!({"type": "wait", "until": until, "reason": "limit"})),
        (2, json!({"type": "run.end", "reason": "waiting", "exit": 76})),
    ] {
        cloud.logs.put(&stream_of(&step), START, event_of("docs", &run_of(&step), seq, said));
    }
    let reset = cloud.try_decide(&exits(&step, 76)).await.unwrap();
    assert!(matches!(reset.next, Next::Wait { seconds: 60, .. }), "{reset:?}");
    advance(Duration::from_secs(60)).await;
    assert!(run_of(&cloud.decide(&reset).await).ends_with("-0002"));
}

/// `ralph stop`: between two attempts, and for a task that ends as interrupted.
#[tokio::test(start_paused = true)]
async fn a_request_to_stop_is_followed_by_no_run_of_that_execution() {
    for between in [false, true] {
        let cloud = Cloud::default();
        let mut step = cloud.admit(&arn(1)).await;
        if between {
            step = cloud.decide(&exits(&step, 137)).await;
        }
        cloud.table.stops.borrow_mut().insert(docs(), arn(1));
        let asked = if between { step } else { exits(&step, 75) };
        let over = cloud.decide(&asked).await;
        assert_eq!(output(&over).outcome, Outcome::Stopped, "between: {between}");
        assert_eq!(cloud.lease(), None);
        // The next execution is not the one that was asked to stop.
        let step = cloud.admit(&arn(2)).await;
        run_of(&cloud.decide(&ended(&step, Some(75), "SpotInterruption")).await);
    }
}

/// Step Functions repeats a call that it got no answer to.
#[tokio::test(start_paused = true)]
async fn a_repeated_call_gets_the_answer_that_stands_whatever_has_changed_since() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    advance(Duration::from_secs(60)).await;
    assert_eq!(cloud.admit(&arn(1)).await, first);
    let asked = exits(&first, 75);
    let pause = cloud.decide(&asked).await;
    cloud.table.stops.borrow_mut().insert(docs(), arn(1));
    advance(Duration::from_secs(1_000)).await;
    assert_eq!(cloud.decide(&asked).await, pause);
    let over = cloud.decide(&pause).await;
    assert_eq!(output(&over).outcome, Outcome::Stopped, "the next step sees what has changed");
    assert_eq!(cloud.decide(&pause).await, over);
    // A late repetition takes nothing from the execution that came after.
    cloud.running.0.borrow_mut().clear();
    cloud.admit(&arn(2)).await;
    assert_eq!(cloud.decide(&pause).await, over);
    assert_eq!(cloud.lease(), Some(arn(2)));
}

/// The table fails at every call in turn; the repetition does the rest.
#[tokio::test(start_paused = true)]
async fn a_call_that_breaks_off_anywhere_is_made_whole_by_its_repetition() {
    for works in 0..10 {
        let cloud = Cloud::default();
        let broken = |calls| {
            cloud.table.calls_left.set(Some(calls));
            cloud.table.down.set(false);
        };
        let restored = || {
            cloud.table.calls_left.set(None);
            cloud.table.down.set(false);
        };
        broken(works);
        let first = cloud.try_admit(&arn(1), order()).await;
        restored();
        let step = cloud.admit(&arn(1)).await;
        assert!(first.is_ok_and(|first| first == step) || works < 5, "{works}");
        assert!(cloud.table.row("docs", &run_of(&step)).is_some(), "{works}");
        let failed = raised(&step, "ECS.AccessDeniedException", "not authorized");
        broken(works);
        let first = cloud.try_decide(&failed).await;
        restored();
        let over = cloud.decide(&failed).await;
        assert!(first.is_ok_and(|first| first == over) || works < 9, "{works}");
        assert_eq!(output(&over).outcome, Outcome::CannotStart, "{works}");
        assert_eq!(cloud.lease(), None, "{works}");
        let row = cloud.table.row("docs", &run_of(&step)).unwrap();
        assert_eq!(row.info.state, RunState::Failed, "{works}");
        let listed = cloud.table.listed("docs").unwrap();
        assert_eq!(listed.state, WorkstreamState::CannotStart, "{works}");
    }
}

/// It failed, the next one took its lease over, and then somebody redrove it.
#[tokio::test(start_paused = true)]
async fn an_execution_that_is_redriven_does_not_disturb_the_one_that_took_over() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.running.0.borrow_mut().clear();
    cloud.admit(&arn(2)).await;
    let over = cloud.decide(&exits(&first, 75)).await;
    assert_eq!(output(&over).outcome, Outcome::Busy);
    assert_eq!(cloud.lease(), Some(arn(2)));
    let listed = cloud.table.listed("docs").unwrap();
    assert!(arn(2).ends_with(listed.run.ulid()) && listed.state == WorkstreamState::Starting);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_step_that_goes_on_is_refused() {
    let cloud = Cloud::default();
    let step = cloud.admit(&arn(1)).await;
    let over = cloud.decide(&exits(&step, 0)).await;
    assert!(matches!(cloud.try_decide(&over).await, Err(ExecutionError::Over)));
    let newer = Step { version: VERSION + 1, ..exits(&step, 0) };
    let refused = cloud.try_decide(&newer).await.unwrap_err().to_string();
    assert!(refused.contains("\nhint: apply again"), "{refused}");
    // A machine that hands on no end at all.
    let none = cloud.decide(&Step { ended: None, ..cloud.admit(&arn(2)).await }).await;
    assert!(matches!(none.next, Next::Wait { seconds: 15, .. }), "{none:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, in whatever order calls are repeated: the lease is held while the execution
    /// runs and given back at its end, and no two runs have one id.
    #[test]
    fn an_execution_holds_its_lease_to_its_end_and_no_longer(
        happens in prop::collection::vec((0usize..8, 0u64..4_000, 1usize..3, prop::bool::weighted(0.03)), 8..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::default();
            let mut step = cloud.admit(&arn(1)).await;
            let mut runs = BTreeSet::new();
            for (kind, seconds, times, stop) in happens.into_iter().cycle() {
                if matches!(step.next, Next::Done { .. } | Next::Failed { .. }) {
                    break;
                }
                assert_eq!(cloud.lease(), Some(arn(1)));
                if stop {
                    cloud.table.stops.borrow_mut().insert(docs(), arn(1));
                }
                let asked = match &step.next {
                    Next::Run { .. } => {
                        assert!(runs.insert(run_of(&step)), "{} twice", run_of(&step));
                        advance(Duration::from_secs(seconds)).await;
                        match kind {
                            0 => exits(&step, 75),
                            1 => exits(&step, 76),
                            2 => exits(&step, 137),
                            3 => ended(&step, Some(75), "SpotInterruption"),
                            4 => ended(&step, None, "TaskFailedToStart"),
                            5 => raised(&step, "AmazonECS.Unknown", "no capacity"),
                            6 => raised(&step, "States.TaskFailed", "{oops}"),
                            _ => Step { ended: None, ..step.clone() },
                        }
                    }
                    Next::Wait { seconds, .. } => {
                        advance(Duration::from_secs(*seconds)).await;
                        step.clone()
                    }
                    _ => unreachable!(),
                };
                let mut answers = Vec::new();
                for _ in 0..times {
                    answers.push(cloud.decide(&asked).await);
                }
                assert!(answers.iter().all(|answer| *answer == answers[0]));
                step = answers.remove(0);
            }
            let output = output(&step);
            assert_eq!(output.attempts as usize, runs.len());
            assert_eq!(cloud.lease(), None);
            assert_eq!(cloud.table.lease_holder(&docs()).await, Ok(None));
        });
    }
}
