//! The list of workstreams: what is written where a state changes, and who may read which rows.

use ralph_lambdas::limiter::BURST;
use ralph_protocol::{
    execution::Next,
    index::{MAX_LISTED, WorkstreamInfo, WorkstreamState},
    message::MAX_FRAME,
};
use serde_json::{Value, json};
use tokio::time::{Duration, advance};

use crate::{
    executions::{Cloud, arn, ended, exits, output, raised, run_of, stream_of},
    memory::START,
    push_logs::Push,
    send_logs::Server,
    workers::{NEXT_RUN, RUN, STREAM, event_of, payload},
};

const LINK: &str = "https://github.com/you/project/pull/7";

fn pull_request() -> Value {
    json!({"type": "pull_request", "url": LINK, "number": 7, "draft": true})
}

async fn says(push: &Push, run: &str, stream: &str, lines: &[(u64, Value)]) {
    let lines: Vec<_> = lines
        .iter()
        .map(|(seq, more)| (START + seq, event_of("w", run, *seq, more.clone())))
        .collect();
    push.deliver(&payload(stream, &lines)).await.unwrap();
}

fn stands(info: &WorkstreamInfo) -> (WorkstreamState, Option<f64>, Option<i64>) {
    (info.state, info.spent_usd, info.exit)
}

#[tokio::test(start_paused = true)]
async fn lines_tell_the_list_where_their_workstream_stands() {
    let push = Push::default();
    let spend = |usd: f64| json!({"type": "spend", "executionUsd": usd});
    let end = |exit: i64| json!({"type": "run.end", "reason": "why", "exit": exit});
    let listed = || push.table.listed("w").unwrap();
    says(&push, RUN, STREAM, &[(1, json!({"type": "run.start"}))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Running, None, None));
    assert_eq!((listed().changed_at, listed().last_ts), (START, START + 1));
    // Not at each `spend`: a row is written where an iteration ends, or a minute later.
    says(&push, RUN, STREAM, &[(2, spend(0.5))]).await;
    assert_eq!(listed().spent_usd, None);
    says(&push, RUN, STREAM, &[(3, json!({"type": "iter.end"})), (4, spend(1.0))]).await;
    assert_eq!(listed().spent_usd, Some(1.0));
    says(&push, RUN, STREAM, &[(5, spend(1.5))]).await;
    advance(Duration::from_secs(60)).await;
    says(&push, RUN, STREAM, &[(6, spend(2.0))]).await;
    assert_eq!((listed().spent_usd, listed().last_ts), (Some(2.0), START + 6));
    assert_eq!(listed().changed_at, START, "it runs since then");
    says(&push, RUN, STREAM, &[(7, pull_request())]).await;
    assert_eq!(listed().pull_request.as_deref(), Some(LINK));
    let wait = json!({"type": "wait", "until": START + 900_000, "reason": "limit"});
    says(&push, RUN, STREAM, &[(8, wait), (9, end(76))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Waiting, Some(2.0), Some(76)));
    assert_eq!(listed().wait_until, Some(START + 900_000));
    // The next run of the execution, and then a delivery of the first again.
    says(&push, NEXT_RUN, "s2", &[(1, json!({"type": "run.start"}))]).await;
    says(&push, RUN, STREAM, &[(9, end(76))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Running, Some(2.0), None));
    assert_eq!((listed().run.as_str(), listed().pull_request.as_deref()), (NEXT_RUN, Some(LINK)));
    // That its worker is done does not make its work complete: `decide` says what follows.
    says(&push, NEXT_RUN, "s2", &[(2, end(0))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Ending, Some(2.0), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_written_does_not_bring_lines_twice_and_the_next_lines_write_it() {
    let push = Push::followed_by(&["a="]);
    push.table.no_list.set(true);
    says(&push, RUN, STREAM, &[(1, json!({"type": "run.start"}))]).await;
    assert_eq!(push.post.seqs("a="), [1]);
    assert_eq!(push.table.listed("w"), None);
    push.table.no_list.set(false);
    // Not only those that change a state, and not a minute later.
    says(&push, RUN, STREAM, &[(2, json!({"type": "agent.text", "text": "x"}))]).await;
    assert_eq!(push.table.listed("w").unwrap().state, WorkstreamState::Running);
}

#[tokio::test(start_paused = true)]
async fn the_pull_request_of_a_run_is_told_to_its_viewers() {
    let (push, mut server) = (Push::default(), Server::default());
    says(&push, RUN, STREAM, &[(1, pull_request())]).await;
    // Nothing that comes later takes it away.
    says(&push, RUN, STREAM, &[(2, json!({"type": "run.end", "exit": 0}))]).await;
    server.table = push.table;
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    let got = server.got();
    let runs = got.iter().find(|frame| frame["type"] == "runs").unwrap();
    assert_eq!(runs["runs"][0]["pullRequest"], LINK, "{runs}");
}

impl Cloud {
    fn listed(&self) -> WorkstreamInfo {
        self.table.listed("docs").unwrap()
    }

    fn line(&self, step: &ralph_protocol::execution::Step, seq: u64, more: Value) {
        self.logs.put(&stream_of(step), START, event_of("docs", &run_of(step), seq, more));
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_tells_the_list_from_its_beginning_to_its_end() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Starting, Some(0.0), None));
    assert_eq!((cloud.listed().run.as_str(), cloud.listed().started_at), (&*run_of(&first), START));
    let name = cloud.listed().execution.unwrap();
    assert!(arn(1).ends_with(&format!(":{name}")), "{name}");
    // Killed: its last lines may be on their way.
    let spend = json!({"type": "spend", "spentUsd": 0.5, "reservedUsd": 0.5});
    cloud.line(&first, 1, spend);
    let settling = cloud.try_decide(&exits(&first, 137)).await.unwrap();
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Ending, Some(0.0), Some(137)));
    advance(Duration::from_secs(40)).await;
    let pause = cloud.decide(&settling).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Waiting, Some(1.0), Some(137)));
    let Next::Wait { seconds, .. } = pause.next else { panic!("{pause:?}") };
    let until = cloud.listed().wait_until.unwrap();
    assert_eq!(until, cloud.listed().changed_at + seconds * 1000);
    let second = cloud.decide(&pause).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Starting, Some(1.0), None));
    cloud.line(&second, 1, json!({"type": "run.end", "exit": 12, "reason": "budget"}));
    let over = cloud.decide(&exits(&second, 12)).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Limit, Some(1.0), Some(12)));
    assert_eq!(cloud.listed().reason, Some(output(&over).reason));
    // A step that is repeated, and a delivery that is late, change nothing.
    let listed = cloud.listed();
    cloud.decide(&exits(&second, 12)).await;
    assert_eq!(cloud.listed(), listed);
    // The next execution begins from nothing.
    cloud.admit(&arn(2)).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::Starting, Some(0.0), None));
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_fails_says_how() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    let reason = "CannotPullContainerError: not found";
    let task = json!({
        "TaskArn": "arn:task/ralph-dev/x", "StopCode": "TaskFailedToStart", "StoppedReason": reason,
        "Containers": [{"Name": "worker"}],
    });
    cloud.decide(&raised(&first, "States.TaskFailed", &task.to_string())).await;
    assert_eq!(stands(&cloud.listed()), (WorkstreamState::CannotStart, Some(0.0), None));
    assert!(cloud.listed().reason.unwrap().contains(reason));
}

/// A worker sits a short wait out, and ends for a long one.
#[tokio::test(start_paused = true)]
async fn a_workstream_whose_worker_goes_on_after_a_wait_does_not_wait() {
    let push = Push::default();
    let listed = || push.table.listed("w").unwrap();
    let wait = json!({"type": "wait", "until": START + 60_000, "reason": "overloaded"});
    says(&push, RUN, STREAM, &[(1, json!({"type": "run.start"}))]).await;
    says(&push, RUN, STREAM, &[(2, wait.clone())]).await;
    says(&push, RUN, STREAM, &[(3, json!({"type": "iter.end"}))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Running, None, None));
    let end = |exit| json!({"type": "run.end", "reason": "why", "exit": exit});
    says(&push, RUN, STREAM, &[(4, end(75))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Ending, None, Some(75)));
    says(&push, NEXT_RUN, "s2", &[(1, wait), (2, end(76))]).await;
    assert_eq!(stands(&listed()), (WorkstreamState::Waiting, None, Some(76)));
}

/// Nothing is decided by the list.
#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_written_neither_delays_nor_fails_an_execution() {
    let cloud = Cloud::told();
    cloud.table.no_list.set(true);
    let first = cloud.admit(&arn(1)).await;
    cloud.line(&first, 1, json!({"type": "run.end", "exit": 0}));
    let over = cloud.decide(&exits(&first, 0)).await;
    assert_eq!(output(&over).outcome.as_str(), "complete");
    assert_eq!(cloud.topic.heard().len(), 1, "and its end is told");
    let log = cloud.log();
    assert!(log.contains(r#""message":"the list of workstreams does not show this""#), "{log}");
    assert!(log.contains("dynamodb GetItem failed: AccessDeniedException"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_refused_and_one_that_comes_too_soon_leave_the_list_alone() {
    let cloud = Cloud::default();
    cloud.try_admit(&arn(1), json!({"workstream": "docs"})).await.unwrap();
    assert_eq!(cloud.table.listed("docs"), None);
    cloud.admit(&arn(1)).await;
    let listed = cloud.listed();
    let busy = cloud.admit(&arn(2)).await;
    assert_eq!(output(&busy).outcome.as_str(), "busy");
    assert_eq!(cloud.listed(), listed);
}

/// Where the pull request stands when its execution ends.
#[tokio::test(start_paused = true)]
async fn the_output_names_the_pull_request_wherever_it_was_told() {
    for (told, in_the_row, said) in
        [(true, false, true), (false, true, true), (false, false, false)]
    {
        let cloud = Cloud::default();
        let first = cloud.admit(&arn(1)).await;
        if told {
            cloud.line(&first, 2, pull_request());
        }
        if in_the_row {
            let key = (crate::executions::docs(), run_of(&first).parse().unwrap());
            let mut runs = cloud.table.runs.borrow_mut();
            runs.get_mut(&key).unwrap().info.pull_request = Some(LINK.to_owned());
        }
        let forged = event_of("docs", &run_of(&first), 9, pull_request()).replace("docs", "api");
        cloud.logs.put(&stream_of(&first), START, forged);
        cloud.line(&first, 3, json!({"type": "run.end", "exit": 75}));
        // A run that is interrupted, and one that says nothing of it any more.
        let second = cloud.decide(&ended(&first, Some(75), "SpotInterruption")).await;
        let link = said.then(|| LINK.to_owned());
        let row = cloud.table.row("docs", &run_of(&second)).unwrap();
        assert_eq!(row.info.pull_request, link, "the next run begins with it");
        cloud.line(&second, 1, json!({"type": "run.end", "exit": 0}));
        let over = cloud.decide(&exits(&second, 0)).await;
        assert_eq!(output(&over).pull_request, link, "{told} {in_the_row}");
        assert_eq!(cloud.listed().pull_request, link);
        assert_eq!(cloud.listed().state, WorkstreamState::Complete);
    }
}

/// A server whose list holds `w0` and so on, each newer than the one before, and one row that has
/// expired.
fn server(many: u64) -> Server {
    let server = Server::default();
    for n in 0..many {
        let run = format!("{}-0001", ulid::Ulid::from_parts(START + n, 0)).parse().unwrap();
        let name: ralph_protocol::ids::Workstream = format!("w{n}").parse().unwrap();
        let info = WorkstreamInfo::new(name.clone(), run, WorkstreamState::Running, START);
        let info = WorkstreamInfo { pull_request: Some(LINK.to_owned()), ..info };
        let expires_at = if n == 3 { START / 1000 } else { u64::MAX };
        server.table.listed.borrow_mut().insert(name, (info, expires_at));
    }
    server
}

/// The names that a list holds, and whether only its last frame says that it is complete.
fn names(frames: &[Value], id: Option<&str>) -> Vec<String> {
    let (last, before) = frames.split_last().unwrap();
    assert!(last["complete"] == true && before.iter().all(|frame| frame["complete"] == false));
    let mut names = Vec::new();
    for frame in frames {
        assert_eq!((frame["type"].as_str(), frame["id"].as_str()), (Some("workstreams"), id));
        assert!(frame.to_string().len() <= MAX_FRAME);
        let rows = frame["workstreams"].as_array().unwrap();
        names.extend(rows.iter().map(|row| row["workstream"].as_str().unwrap().to_owned()));
    }
    names
}

#[tokio::test(start_paused = true)]
async fn a_token_lists_the_workstreams_that_it_names_and_never_another() {
    let server = server(6);
    for (scope, listed) in [
        ("w1,w4", vec!["w4", "w1"]),
        ("w4,w4,w1", vec!["w4", "w1"]),
        ("w2", vec!["w2"]),
        // Expired, and never seen.
        ("w3,unknown", vec![]),
        ("*", vec!["w5", "w4", "w2", "w1", "w0"]),
    ] {
        server.ask_as(scope, r#"{"action":"listWorkstreams","id":"7"}"#).await;
        assert_eq!(names(&server.got(), Some("7")), listed, "{scope}");
    }
    // Not even when a row is found under a name that it does not have.
    let (other, expires_at) = server.table.listed.borrow()[&"w5".parse().unwrap()].clone();
    server.table.listed.borrow_mut().insert("w2".parse().unwrap(), (other, expires_at));
    server.ask_as("w2", r#"{"action":"listWorkstreams"}"#).await;
    assert_eq!(names(&server.got(), None), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_names_workstreams_reads_their_rows_alone() {
    let server = server(500);
    server.ask_as("w1,w2,w3", r#"{"action":"listWorkstreams"}"#).await;
    assert_eq!(server.table.calls.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_list_takes_several_frames_and_ends_with_the_newest_thousand() {
    let many = MAX_LISTED as u64 + 100;
    let server = server(many);
    server.ask_as("*", r#"{"action":"listWorkstreams"}"#).await;
    let got = server.got();
    assert!(got.len() > 1, "{}", got.len());
    let newest: Vec<_> = (100..many).rev().map(|n| format!("w{n}")).collect();
    assert_eq!(names(&got, None), newest);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_refused_as_every_request_is() {
    let long = "x".repeat(65);
    for (scope, body, code) in [
        ("", json!({"action": "listWorkstreams"}), "forbidden"),
        ("w1", json!({"action": "listWorkstreams", "workstream": "w5"}), "badRequest"),
        ("w1", json!({"action": "listWorkstreams", "id": long}), "badRequest"),
    ] {
        let server = server(6);
        server.ask_as(scope, &body.to_string()).await;
        assert_eq!(server.got()[0]["code"], code, "{body}");
    }
    let server = server(6);
    for _ in 0..BURST {
        server.ask_as("w1", r#"{"action":"listWorkstreams"}"#).await;
    }
    server.got();
    server.ask_as("w1", r#"{"action":"listWorkstreams","id":"1"}"#).await;
    let got = server.got();
    assert_eq!((&got[0]["code"], &got[0]["id"]), (&json!("throttled"), &json!("1")));
    server.table.down.set(true);
    advance(Duration::from_secs(60)).await;
    server.ask_as("*", r#"{"action":"listWorkstreams"}"#).await;
    assert_eq!(server.got()[0]["code"], "internal");
}
