use proptest::prelude::*;
use ralph_lambdas::task_events::{Context, Counts, task_events};
use ralph_protocol::{execution::explained, message::ServerMessage, table::RunState};
use serde_json::{Value, json};

use crate::{
    memory::{Fate, Lines, MemoryPost, MemoryTable, TestClock},
    push_logs::Push,
    workers::{NEXT_RUN, RUN, event_of, payload},
};
use ralph_lambdas::ports::{PostError, Unavailable};

const CHANGE: &str = include_str!("../fixtures/ecs-task-state-change.json");
const SPOT: &str = include_str!("../fixtures/ecs-spot-interruption.json");
/// The stream of the task in [`CHANGE`].
const STREAM: &str = "worker/worker/c13b4cb40f1f4fe4a2971f76ae5a47ad";

#[derive(Default)]
struct Tasks {
    table: MemoryTable,
    post: MemoryPost,
    clock: TestClock,
    lines: Lines,
}

impl Tasks {
    async fn hear(&self, event: &str) -> Result<Counts, Unavailable> {
        hear(&self.table, &self.post, &self.clock, &self.lines, event).await
    }

    fn row(&self) -> (RunState, Option<String>, Option<i64>) {
        let info = self.table.row("w", RUN).expect("a row").info;
        (info.state, info.reason, info.exit)
    }
}

async fn hear(
    table: &MemoryTable,
    post: &MemoryPost,
    clock: &TestClock,
    lines: &Lines,
    event: &str,
) -> Result<Counts, Unavailable> {
    let context = Context { table, post, clock, retention_secs: 7 * 86_400 };
    task_events(event, &context, lines.invocation()).await
}

/// The documented event as one of a worker's task, with other fields in its detail.
fn of_worker(fixture: &str, workstream: &str, run: &str, more: Value) -> String {
    let mut event: Value = serde_json::from_str(fixture).unwrap();
    let detail = event["detail"].as_object_mut().unwrap();
    detail.insert(
        "overrides".into(),
        json!({"containerOverrides": [{"name": "worker", "environment": [
            {"name": "RALPH_WORKSTREAM", "value": workstream}, {"name": "RALPH_RUN", "value": run},
        ]}]}),
    );
    let container = json!({"name": "worker", "lastStatus": detail["lastStatus"]});
    detail.insert("containers".into(), json!([container]));
    for (name, value) in more.as_object().unwrap() {
        detail.insert(name.clone(), value.clone());
    }
    event.to_string()
}

fn stopped(exit: Value, more: Value) -> String {
    let mut all = json!({
        "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "worker", "exitCode": exit}],
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    of_worker(CHANGE, "w", RUN, all)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_starts_names_the_run_of_its_stream() {
    let tasks = Tasks::default();
    tasks.table.follow("a=", "w");
    tasks.hear(&of_worker(CHANGE, "w", RUN, json!({}))).await.unwrap();
    assert_eq!(tasks.table.streams.borrow()[STREAM].run.as_str(), RUN);
    assert_eq!(tasks.row(), (RunState::Starting, None, None));
    assert_eq!(tasks.table.row("w", RUN).unwrap().stream.as_deref(), Some(STREAM));
    let messages = tasks.post.messages("a=");
    let [ServerMessage::Task { run, status, stop_code, reason, .. }] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((run.as_str(), status.as_str()), (RUN, "RUNNING"));
    assert_eq!((stop_code, reason), (&None, &None));
}

#[tokio::test(start_paused = true)]
async fn raw_lines_that_came_before_the_task_was_known_count_for_its_run() {
    let push = Push::default();
    let line = (crate::memory::START, "exec format error".to_owned());
    push.deliver(&payload(STREAM, &[line])).await.unwrap();
    assert_eq!(push.table.row("w", RUN), None);
    let (clock, lines) = (TestClock::default(), Lines::default());
    for _ in 0..2 {
        let event = of_worker(CHANGE, "w", RUN, json!({}));
        hear(&push.table, &push.post, &clock, &lines, &event).await.unwrap();
        assert_eq!(push.table.row("w", RUN).unwrap().info.raw, Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_hear_of_an_end_that_the_list_of_workstreams_cannot_be_told() {
    let tasks = Tasks::default();
    tasks.table.follow("a=", "w");
    tasks.table.no_list.set(true);
    tasks.hear(&stopped(json!(137), json!({}))).await.unwrap();
    assert_eq!(tasks.post.kinds("a="), ["task"]);
    assert_eq!(tasks.row().2, Some(137));
    assert_eq!(tasks.table.listed("w"), None);
}

/// What a viewer hears of a run that died before its first line, and of other ends.
#[tokio::test(start_paused = true)]
async fn every_end_shows_its_reason() {
    let none = json!(null);
    let start = |reason: &str| json!({"stopCode": "TaskFailedToStart", "stoppedReason": reason});
    let pull = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ralph-worker:0.1.0: not found";
    let secret = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";
    let capacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
    let oom = json!({"containers": [{"name": "worker", "exitCode": 137,
        "reason": "OutOfMemoryError: Container killed due to memory usage"}]});
    let exited = "Essential container in task exited";
    let exec = "CannotStartContainerError: unable to start container process: exec: \"/usr/local/bin/ralph-loop-cloud\": stat /usr/local/bin/ralph-loop-cloud: no such file or directory";
    let without_worker = json!({
        "stopCode": "TaskFailedToStart", "stoppedReason": "Task failed to start",
        "containers": [{"name": "worker", "image": "own:1", "reason": exec}],
    });
    for (name, event, state, reason, exit) in [
        (
            "image pull",
            stopped(none.clone(), start(pull)),
            RunState::Failed,
            Some(pull.to_owned()),
            None,
        ),
        (
            "an image without the worker",
            stopped(none.clone(), without_worker),
            RunState::Failed,
            Some(explained(&format!("Task failed to start: {exec}"), "own:1")),
            None,
        ),
        (
            "secret",
            stopped(none.clone(), start(secret)),
            RunState::Failed,
            Some(secret.to_owned()),
            None,
        ),
        (
            "capacity",
            stopped(none.clone(), start(capacity)),
            RunState::Failed,
            Some(capacity.to_owned()),
            None,
        ),
        (
            "memory",
            stopped(none, oom),
            RunState::Failed,
            Some(format!("{exited}: OutOfMemoryError: Container killed due to memory usage")),
            Some(137),
        ),
        (
            "killed",
            stopped(json!(137), json!({})),
            RunState::Failed,
            Some(format!(
                "{exited}: killed (exit 137): the memory ran out, or the worker did not stop in time"
            )),
            Some(137),
        ),
        ("complete", stopped(json!(0), json!({})), RunState::Ended, None, Some(0)),
        ("waits", stopped(json!(76), json!({})), RunState::Waiting, None, Some(76)),
        (
            "interrupted",
            stopped(json!(75), json!({"stopCode": "SpotInterruption"})),
            RunState::Ended,
            None,
            Some(75),
        ),
    ] {
        let tasks = Tasks::default();
        tasks.table.follow("a=", "w");
        tasks.hear(&event).await.unwrap();
        assert_eq!(tasks.row(), (state, reason.clone(), exit), "{name}");
        let messages = tasks.post.messages("a=");
        let [ServerMessage::Task { status, reason: said, .. }] = &messages[..] else {
            panic!("{name}: {messages:?}")
        };
        assert_eq!(status, "STOPPED");
        assert!(said.is_some() && (reason.is_none() || *said == reason), "{name}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_warning_of_an_interruption_is_told_and_ends_nothing() {
    let tasks = Tasks::default();
    tasks.table.follow("a=", "w");
    tasks.hear(&of_worker(SPOT, "w", RUN, json!({}))).await.unwrap();
    assert_eq!(tasks.row().0, RunState::Starting);
    let messages = tasks.post.messages("a=");
    let [ServerMessage::Task { status, stop_code, reason, .. }] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!((status.as_str(), stop_code.as_deref()), ("RUNNING", Some("SpotInterruption")));
    assert_eq!(reason.as_deref(), Some("Your Spot Task was interrupted."));
}

#[tokio::test(start_paused = true)]
async fn the_first_record_of_a_stream_stands() {
    let tasks = Tasks::default();
    tasks.table.own(STREAM, "w", NEXT_RUN);
    let counts = tasks.hear(&of_worker(CHANGE, "w", RUN, json!({}))).await.unwrap();
    assert_eq!(counts.foreign, 1);
    assert_eq!(tasks.table.streams.borrow()[STREAM].run.as_str(), NEXT_RUN);
    assert!(tasks.table.row("w", RUN).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_task_without_a_run_changes_nothing() {
    for (event, unreadable, unrouted) in [
        (CHANGE.to_owned(), 0, 1),
        (SPOT.to_owned(), 0, 1),
        (of_worker(CHANGE, "../w", RUN, json!({})), 0, 1),
        (of_worker(CHANGE, "w", "1", json!({})), 0, 1),
        ("{}".to_owned(), 1, 0),
        (r#"{"detail":{"taskArn":5}}"#.to_owned(), 1, 0),
        (String::new(), 1, 0),
    ] {
        let tasks = Tasks::default();
        let counts = tasks.hear(&event).await.unwrap();
        assert_eq!((counts.unreadable, counts.unrouted), (unreadable, unrouted), "{event}");
        assert_eq!(tasks.table.calls.get(), 0, "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_down_is_an_error_and_a_viewer_that_is_gone_is_not() {
    let tasks = Tasks::default();
    tasks.table.down.set(true);
    assert!(tasks.hear(&stopped(json!(0), json!({}))).await.is_err());
    tasks.table.down.set(false);
    tasks.table.follow("a=", "w");
    tasks.table.follow("b=", "w");
    tasks.post.fate("a=", [Fate::Fail(PostError::Gone)]);
    let counts = tasks.hear(&stopped(json!(0), json!({}))).await.unwrap();
    assert_eq!((counts.gone, counts.posts, counts.failed), (1, 1, 0));
    assert_eq!(tasks.post.messages("b=").len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Events of the task and lines of the worker, each any number of times, in any order: the state
    /// never goes back, and what the worker said about its end stands.
    #[test]
    fn a_state_never_goes_back(order in prop::collection::vec(0usize..6, 1..24), killed in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let push = Push::default();
            let (clock, lines) = (TestClock::default(), Lines::default());
            let line = |seq, more| payload(STREAM, &[(crate::memory::START, event_of("w", RUN, seq, more))]);
            let exit = if killed { 137 } else { 0 };
            let task = [of_worker(CHANGE, "w", RUN, json!({})), of_worker(SPOT, "w", RUN, json!({"taskArn": "arn:aws:ecs:us-west-2:111122223333:task/FargateCluster/c13b4cb40f1f4fe4a2971f76ae5a47ad"})), stopped(json!(exit), json!({}))];
            let said = [line(1, json!({"type": "run.start"})), line(2, json!({})), line(3, json!({"type": "run.end", "reason": "complete", "exit": 0}))];
            let mut rank = 0;
            // All of them at least once, the worker's last line at the end.
            for i in order.iter().copied().chain([0, 1, 2, 3, 4, 5]) {
                if i < 3 {
                    hear(&push.table, &push.post, &clock, &lines, &task[i]).await.unwrap();
                } else {
                    push.deliver(&said[i - 3]).await.unwrap();
                }
                let row = push.table.row("w", RUN).unwrap();
                assert!(row.info.state.rank() >= rank, "{:?} after rank {rank}", row.info.state);
                assert_eq!(row.stream.as_deref(), Some(STREAM));
                rank = row.info.state.rank();
            }
            let info = push.table.row("w", RUN).unwrap().info;
            assert_eq!((info.reason.as_deref(), info.exit, info.last_seq), (Some("complete"), Some(0), 3));
            assert!(info.state.is_over());
        });
    }
}
