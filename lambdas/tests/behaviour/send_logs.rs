use ralph_lambdas::{
    limiter::{BURST, REFILL},
    ports::PostError,
    request::Response,
    runs::Gathered,
    send_logs::{Context, Memory, send_logs},
};
use ralph_protocol::{
    event::MAX_SEQ,
    message::{ErrorCode, MAX_CLIENT_MESSAGE, ServerMessage},
    table::CONNECTION_TTL_SECS,
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::{
    memory::{Fate, Lines, MemoryLogs, MemoryPost, MemoryTable, START, TestClock, request},
    workers::{RUN, STREAM, event, event_of},
};

#[derive(Default)]
pub struct Server {
    pub table: MemoryTable,
    pub post: MemoryPost,
    pub logs: MemoryLogs,
    pub clock: TestClock,
    pub lines: Lines,
    memory: Memory,
}

impl Server {
    /// A server that holds lines 1 to `count` of a run.
    pub fn with_run(workstream: &str, run: &str, stream: &str, count: u64) -> Self {
        let server = Self::default();
        server.write(workstream, run, stream, 1..=count);
        server
    }

    /// Writes events into CloudWatch Logs and the run's row, as a worker and push-logs do.
    pub fn write(
        &self,
        workstream: &str,
        run: &str,
        stream: &str,
        seqs: impl IntoIterator<Item = u64>,
    ) {
        let mut gathered = Gathered::default();
        for seq in seqs {
            let line = event_of(workstream, run, seq, json!({}));
            gathered.add(&ralph_protocol::event::Envelope::parse(&line).unwrap(), &line);
            self.logs.put(stream, START + seq, line);
        }
        let (workstream, run) = (workstream.parse().unwrap(), run.parse().unwrap());
        if let Some(update) = gathered.update(stream, u64::MAX) {
            let mut runs = self.table.runs.borrow_mut();
            let row = ralph_lambdas::runs::merge(None, &run, &update);
            runs.insert((workstream, run), row);
        }
    }

    pub async fn ask_as(&self, scope: &str, body: &str) {
        let context = Context {
            table: &self.table,
            post: &self.post,
            logs: &self.logs,
            clock: &self.clock,
            memory: &self.memory,
        };
        let invocation = self.lines.invocation_of(Duration::from_secs(29));
        let answer = send_logs(&request("c=", scope, Some(body)), &context, invocation).await;
        assert_eq!(answer, Response::OK);
    }

    pub async fn ask(&self, body: Value) {
        self.ask_as("w", &body.to_string()).await;
    }

    /// What the client got since the last time, as JSON.
    pub fn got(&self) -> Vec<Value> {
        let got = std::mem::take(&mut *self.post.delivered.borrow_mut());
        got.iter().map(|(_, frame)| serde_json::from_str(frame).unwrap()).collect()
    }

    fn error(&self) -> (ErrorCode, String) {
        match self.post.messages("c=").last() {
            Some(ServerMessage::Error { code, message, .. }) => (*code, message.clone()),
            other => panic!("no error but {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_subscribes_then_tells_runs_then_replays_then_is_caught_up() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.ask(json!({"action": "sendLogs", "id": "1", "workstream": "w"})).await;
    let run = json!({
        "run": RUN, "attempt": 1, "startedAt": 1_469_922_850_259_u64, "lastSeq": 3,
        "lastTs": START + 3, "state": "running",
    });
    let runs = json!({"type": "runs", "workstream": "w", "runs": [run]});
    let lines: Vec<Value> = (1..=3).map(|seq| serde_json::from_str(&event(seq)).unwrap()).collect();
    assert_eq!(
        server.got(),
        [
            runs.clone(),
            json!({"type": "logs", "id": "1", "workstream": "w", "source": "replay", "events": lines}),
            runs,
            json!({"type": "caughtUp", "id": "1", "workstream": "w", "complete": true, "cursor": null}),
        ]
    );
    let subscriptions = server.table.subscriptions.borrow();
    let expires = subscriptions[&("c=".to_owned(), "w".parse().unwrap())];
    assert_eq!(expires, START / 1000 + CONNECTION_TTL_SECS);
}

#[tokio::test(start_paused = true)]
async fn a_workstream_nobody_has_seen_is_not_an_error() {
    let server = Server::default();
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    let runs = json!({"type": "runs", "workstream": "w", "runs": []});
    let caught_up =
        json!({"type": "caughtUp", "workstream": "w", "complete": true, "cursor": null});
    assert_eq!(server.got(), [runs.clone(), runs, caught_up]);
    assert_eq!(server.table.subscriptions.borrow().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn follow_says_what_becomes_of_the_subscription() {
    let range = json!([{"run": RUN, "from": 1, "to": 1, "ts": START}]);
    let cursor = {
        let server = Server::with_run("w", RUN, STREAM, 3);
        server.ask(json!({"action": "sendLogs", "workstream": "w", "limit": 1})).await;
        server.got().last().unwrap()["cursor"].clone()
    };
    for (before, request, after) in [
        (false, json!({}), true),
        (false, json!({"follow": true}), true),
        (true, json!({"follow": false}), false),
        (false, json!({"follow": false}), false),
        (false, json!({"since": START}), true),
        (false, json!({"run": RUN}), true),
        (false, json!({"ranges": range}), false),
        (true, json!({"ranges": range}), true),
        (true, json!({"ranges": range, "follow": false}), false),
        (false, json!({"ranges": range, "follow": true}), true),
        (false, json!({"before": cursor}), false),
        (true, json!({"before": cursor}), true),
    ] {
        let server = Server::with_run("w", RUN, STREAM, 3);
        if before {
            server.table.follow("c=", "w");
        }
        let mut body = json!({"action": "sendLogs", "workstream": "w"});
        body.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        server.ask(body.clone()).await;
        assert_eq!(server.got().last().unwrap()["type"], "caughtUp", "{body}");
        let follows = !server.table.subscriptions.borrow().is_empty();
        assert_eq!(follows, after, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_is_refused_with_a_reason() {
    let long_id = "x".repeat(65);
    let range = |from: u64, to: u64| json!([{"run": RUN, "from": from, "to": to, "ts": 0}]);
    let many: Vec<_> = (0..51).map(|_| range(1, 2)[0].clone()).collect();
    let send = |more: Value| {
        let mut body = json!({"action": "sendLogs", "workstream": "w"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    for (body, reason) in [
        (String::new(), "not one of ours"),
        ("oops".into(), "not one of ours"),
        ("[]".into(), "not one of ours"),
        (r#"{"action":"dropTable"}"#.into(), "unknown variant `dropTable`"),
        (r#"{"action":"sendLogs"}"#.into(), "missing field `workstream`"),
        (r#"{"action":"sendLogs","workstream":"../x"}"#.into(), "is not a workstream id"),
        (send(json!({"limt": 1})), "unknown field `limt`"),
        (send(json!({"id": long_id})), "`id` is longer than 64"),
        (send(json!({"limit": 0})), "`limit` is not 1 to 10000"),
        (send(json!({"limit": 10_001})), "`limit` is not 1 to 10000"),
        (send(json!({"ranges": []})), "1 to 50 ranges"),
        (send(json!({"ranges": many})), "1 to 50 ranges"),
        (send(json!({"ranges": range(0, 1)})), "a range does not begin"),
        (send(json!({"ranges": range(3, 2)})), "a range does not begin"),
        (send(json!({"ranges": range(1, MAX_SEQ + 1)})), "a number above 9007199254740991"),
        (send(json!({"ranges": range(MAX_SEQ + 1, MAX_SEQ + 1)})), "a number above"),
        (
            send(json!({"ranges": [{"run": RUN, "from": MAX_SEQ + 1, "to": null, "ts": 0}]})),
            "a number above",
        ),
        (send(json!({"ranges": range(1, 2), "before": "x"})), "exclude each other"),
        (send(json!({"ranges": range(1, 2), "since": 1})), "exclude each other"),
        (send(json!({"ranges": range(1, 2), "run": RUN})), "exclude each other"),
        (send(json!({"run": RUN, "before": "x"})), "exclude each other"),
        (send(json!({"before": "x"})), "`before` is not a cursor"),
        ("x".repeat(MAX_CLIENT_MESSAGE + 1), "longer than 16384 bytes"),
    ] {
        let server = Server::default();
        server.ask_as("w", &body).await;
        let (code, message) = server.error();
        assert_eq!(code, ErrorCode::BadRequest, "{body}");
        assert!(message.contains(reason) && message.len() <= 300, "{body}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_workstream_outside_the_scope_is_refused_on_every_way() {
    for body in [
        json!({"action": "sendLogs", "id": "7", "workstream": "w"}),
        json!({"action": "sendLogs", "id": "7", "workstream": "w", "run": RUN}),
        json!({"action": "sendLogs", "id": "7", "workstream": "w",
            "ranges": [{"run": RUN, "from": 1, "to": null, "ts": 0}]}),
        json!({"action": "sendLogs", "id": "7", "workstream": "w", "follow": false}),
    ] {
        let server = Server::with_run("w", RUN, STREAM, 3);
        server.ask_as("x,y", &body.to_string()).await;
        assert_eq!(
            server.got(),
            [json!({"type": "error", "id": "7", "workstream": "w", "code": "forbidden",
                "message": "the token does not allow w"})]
        );
        assert!(server.table.subscriptions.borrow().is_empty());
        assert_eq!(server.logs.reads.get(), 0);
    }
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.ask_as("", r#"{"action":"ping"}"#).await;
    assert_eq!(server.error().0, ErrorCode::Forbidden);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_another_workstream_cannot_be_read_through_ones_own() {
    let server = Server::with_run("secret", RUN, STREAM, 3);
    for more in [
        json!({"run": RUN}),
        json!({"ranges": [{"run": RUN, "from": 1, "to": 3, "ts": START}]}),
        json!({}),
    ] {
        let mut body = json!({"action": "sendLogs", "workstream": "w"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.ask(body).await;
    }
    assert!(server.post.events("c=").is_empty());
    assert_eq!(server.logs.reads.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn pong_comes_after_the_runs_of_each_subscription() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.table.follow("c=", "w");
    server.table.follow("c=", "other");
    server.ask(json!({"action": "ping"})).await;
    let kinds: Vec<_> =
        server.got().iter().map(|m| (m["type"].clone(), m["workstream"].clone())).collect();
    assert_eq!(kinds, [(json!("runs"), json!("w")), (json!("pong"), json!(null))]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_of_everything_follows_fifty_workstreams_at_most() {
    let server = Server::default();
    (0..50).for_each(|i| server.table.follow("c=", &format!("w{i}")));
    server.ask_as("*", r#"{"action":"sendLogs","workstream":"w7"}"#).await;
    assert_eq!(server.post.kinds("c=").last().unwrap(), "caughtUp");
    server.ask_as("*", r#"{"action":"sendLogs","workstream":"w50"}"#).await;
    assert_eq!(server.error().0, ErrorCode::BadRequest);
}

#[tokio::test(start_paused = true)]
async fn a_connection_asks_for_fifty_workstreams_at_once_and_none_is_refused() {
    let server = Server::default();
    for i in 0..50 {
        server.ask_as("*", &format!(r#"{{"action":"sendLogs","workstream":"w{i}"}}"#)).await;
    }
    server.ask_as("*", r#"{"action":"ping"}"#).await;
    let kinds = server.post.kinds("c=");
    let count = |of: &str| kinds.iter().filter(|kind| *kind == of).count();
    assert_eq!((count("caughtUp"), count("pong"), count("error")), (50, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_reply_that_failed_nothing_more_is_sent() {
    // The replies: runs, three frames of lines, runs, caughtUp.
    let server = Server::with_run("w", RUN, STREAM, 500);
    let lost = Fate::Fail(PostError::Refused("413".into()));
    for good in 0..6 {
        server.post.fate("c=", std::iter::repeat_n(Fate::Deliver, good).chain([lost.clone()]));
        server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
        let got = server.got();
        assert_eq!(got.len(), good);
        assert!(got.iter().all(|message| message["type"] != "caughtUp"));
    }
    assert_eq!(server.table.subscriptions.borrow().len(), 1, "live lines still come");
}

/// Refused with 429 again and again, as by a buffer that is full.
fn throttled(times: usize) -> impl Iterator<Item = Fate> {
    std::iter::repeat_n(Fate::Fail(PostError::Throttled), times)
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_tried_until_the_connection_takes_more() {
    let server = Server::with_run("w", RUN, STREAM, 500);
    // runs, and the first frame of lines.
    let begun = [Fate::Deliver, Fate::Deliver];
    server.post.fate("c=", begun.into_iter().chain(throttled(12)).chain([Fate::Deliver]));
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    assert_eq!(server.post.seqs("c="), (1..=500).collect::<Vec<_>>());
    assert_eq!(server.got().last().unwrap()["complete"], true);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_connection_does_not_take_in_time_ends_where_it_stopped() {
    let page = json!({"limit": 300});
    let ranges = json!({"ranges": [{"run": RUN, "from": 201, "to": 500, "ts": START}]});
    for more in [page, ranges] {
        // How many frames of lines are delivered.
        for frames in 0..2 {
            let server = Server::with_run("w", RUN, STREAM, 500);
            let mut body = json!({"action": "sendLogs", "workstream": "w", "follow": false});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let some = std::iter::repeat_n(Fate::Deliver, frames);
            server.post.fate("c=", some.chain(throttled(1)));
            let begun = Instant::now();
            let takes_more = async {
                tokio::time::sleep(Duration::from_millis(26_500)).await;
                server.post.fate("c=", [Fate::Deliver]);
            };
            tokio::join!(server.ask(body), takes_more);
            assert!(begun.elapsed() < Duration::from_secs(28));
            let seqs = server.post.seqs("c=");
            let last = server.got().pop().unwrap();
            if frames == 0 {
                assert_eq!((&last["code"], seqs.len()), (&json!("throttled"), 0), "{more}");
                continue;
            }
            let next = seqs.last().unwrap() + 1;
            assert_eq!(seqs, (201..next).collect::<Vec<_>>(), "{more}");
            assert_eq!((&last["type"], &last["complete"]), (&json!("caughtUp"), &json!(false)));
            match more.get("ranges") {
                Some(_) => assert_eq!(last["readTo"], json!({"run": RUN, "ts": START + next})),
                None => assert!(last["cursor"].is_string(), "older lines are a page away"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_loses_its_rows() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.post.fate("c=", [Fate::Deliver, Fate::Fail(PostError::Gone)]);
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    assert!(server.table.subscriptions.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_told_without_its_details() {
    let server = Server::default();
    server.table.down.set(true);
    server.ask(json!({"action": "sendLogs", "id": "1", "workstream": "w"})).await;
    let mut got = server.got();
    let after = got[0]["retryAfterMs"].take().as_u64().unwrap();
    assert!((2_000..4_000).contains(&after), "{after}");
    assert_eq!(
        got,
        [json!({"type": "error", "id": "1", "workstream": "w", "code": "internal",
            "message": "a service failed", "retryAfterMs": null})]
    );
    assert!(server.lines.all().contains("InternalServerError"));
}

#[tokio::test(start_paused = true)]
async fn throttled_reads_are_waited_for_and_then_reported_in_time() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.logs.throttle.set(3);
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    assert_eq!(server.got().last().unwrap()["complete"], true);
    server.logs.throttle.set(usize::MAX);
    let begun = Instant::now();
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    let last = server.got().pop().unwrap();
    assert_eq!((&last["type"], &last["code"]), (&json!("error"), &json!("throttled")));
    let after = last["retryAfterMs"].as_u64().unwrap();
    assert!((2_000..4_000).contains(&after), "{after}");
    assert!(begun.elapsed() < Duration::from_secs(29), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn reading_that_takes_too_long_ends_in_time_and_says_so() {
    let mut server = Server::with_run("w", RUN, STREAM, 5_000);
    server.logs.page = 100;
    server.logs.slow.set(Duration::from_secs(1));
    for more in [
        json!({"limit": 5_000}),
        json!({"limit": 5_000, "ranges": [{"run": RUN, "from": 1, "to": null, "ts": START}]}),
    ] {
        let mut body = json!({"action": "sendLogs", "workstream": "w"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let begun = Instant::now();
        server.ask(body).await;
        assert!(begun.elapsed() < Duration::from_secs(29), "{:?}", begun.elapsed());
        assert!(server.post.seqs("c=").len() >= 1_000);
        let last = server.got().pop().unwrap();
        assert_eq!((&last["type"], &last["complete"]), (&json!("caughtUp"), &json!(false)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_too_much_is_put_off_and_others_are_not() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    for _ in 0..BURST {
        server.ask(json!({"action": "ping"})).await;
        assert_eq!(server.got().last().unwrap()["type"], "pong");
    }
    let reads = server.table.calls.get();
    server.ask(json!({"action": "sendLogs", "id": "9", "workstream": "w"})).await;
    let error = server.got().pop().unwrap();
    assert_eq!((&error["code"], &error["id"]), (&json!("throttled"), &json!("9")));
    assert!(error["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(server.table.calls.get(), reads, "refusing costs no read");
    tokio::time::advance(REFILL).await;
    server.ask(json!({"action": "ping"})).await;
    assert_eq!(server.got().last().unwrap()["type"], "pong");
}

#[tokio::test(start_paused = true)]
async fn a_request_leaves_metrics() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    server.ask_as("x", r#"{"action":"sendLogs","workstream":"w"}"#).await;
    let log = server.lines.all();
    assert!(log.contains(r#""Events":3,"#) && log.contains(r#""Posts":4,"#), "{log}");
    assert!(log.contains(r#""Refused":1,"#), "{log}");
}

#[tokio::test(start_paused = true)]
async fn the_log_holds_ids_and_never_what_lines_or_messages_hold() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    for body in [
        "hunter2",
        r#"{"action":"hunter2"}"#,
        r#"{"action":"sendLogs","workstream":"w","before":"hunter2"}"#,
        r#"{"action":"sendLogs","workstream":"hunter2 "}"#,
    ] {
        server.ask_as("w", body).await;
    }
    let log = server.lines.all();
    assert!(log.contains(r#""connectionId":"c=""#) && log.contains(r#""requestId":"req-1""#));
    assert!(log.contains(r#""Frames":4"#) && log.contains(r#""Bytes":"#), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("line 1"), "{log}");
}
