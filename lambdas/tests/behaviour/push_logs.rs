use ralph_lambdas::{
    ports::PostError,
    push_logs::{Context, Counts, Memory, PushError, PushFailure, push_logs},
};
use ralph_protocol::{message::MAX_FRAME, table::RunState};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, advance};

use crate::{
    memory::{Fate, Lines, MemoryPost, MemoryTable, START, TestClock},
    workers::{NEXT_RUN, RUN, STREAM, event, event_of, events, payload, wrap, wrap_bytes},
};

#[derive(Default)]
pub struct Push {
    pub table: MemoryTable,
    pub post: MemoryPost,
    clock: TestClock,
    memory: Memory,
    lines: Lines,
}

impl Push {
    pub fn followed_by(connections: &[&str]) -> Self {
        let push = Self::default();
        connections.iter().for_each(|connection| push.table.follow(connection, "w"));
        push
    }

    pub async fn deliver(&self, payload: &str) -> Result<Counts, PushFailure> {
        let context = Context {
            table: &self.table,
            post: &self.post,
            clock: &self.clock,
            memory: &self.memory,
            retention_secs: 7 * 86_400,
        };
        push_logs(payload, &context, self.lines.invocation()).await
    }
}

#[tokio::test(start_paused = true)]
async fn events_reach_the_followers_of_their_workstream_verbatim() {
    let push = Push::followed_by(&["a=", "b="]);
    push.table.follow("other=", "x");
    let odd = event(2).replace(r#""seq":2"#, r#""seq" : 2, "new":{"field":[1.50]}"#);
    let lines = [(START, event(1)), (START, format!("{odd}\n"))];
    let counts = push.deliver(&payload(STREAM, &lines)).await.unwrap();
    for connection in ["a=", "b="] {
        assert_eq!(push.post.events(connection), [event(1), odd.clone()]);
    }
    assert!(push.post.messages("other=").is_empty());
    assert_eq!((counts.events, counts.followers, counts.posts, counts.frames), (2, 2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn frames_are_full_in_order_and_never_too_large() {
    let push = Push::followed_by(&["a="]);
    push.deliver(&events(1..=2_000)).await.unwrap();
    assert_eq!(push.post.seqs("a="), (1..=2_000).collect::<Vec<_>>());
    let delivered = push.post.delivered.borrow();
    let sizes: Vec<_> = delivered.iter().map(|(_, frame)| frame.len()).collect();
    let (_, full) = sizes.split_last().unwrap();
    assert!(full.iter().all(|size| (MAX_FRAME - 200..=MAX_FRAME).contains(size)), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_payload_without_lines_is_acknowledged_and_delivers_nothing() {
    let control = json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "",
        "logStream": "", "subscriptionFilters": [],
        "logEvents": [{"id": "", "timestamp": 1_700_000_000_000_u64,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Lambda function."}],
    });
    let bomb = wrap_bytes(&vec![b' '; 60 << 20]);
    assert!(bomb.len() < 1_000_000, "as CloudWatch could send it");
    for (name, payload, refused) in [
        ("control message", wrap(&control), 0),
        ("no payload", "{}".to_owned(), 1),
        ("not base64", r#"{"awslogs":{"data":"%"}}"#.to_owned(), 1),
        ("not gzip", r#"{"awslogs":{"data":"aGVsbG8="}}"#.to_owned(), 1),
        ("not JSON", wrap_bytes(b"oops"), 1),
        ("a bomb", bomb, 1),
    ] {
        let push = Push::followed_by(&["a="]);
        let counts = push.deliver(&payload).await.unwrap();
        assert_eq!((counts.refused, counts.posts), (refused, 0), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_entry_costs_no_other() {
    let push = Push::followed_by(&["a="]);
    let text = json!({
        "messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": STREAM,
        "logEvents": [
            {"timestamp": 1, "message": event(1)},
            {"timestamp": 2, "message": "LONE"},
            {"timestamp": 3},
            "what",
            {"timestamp": 4, "message": event(2)},
            {"timestamp": 5, "message": "\\ubad and \u{1f980}"},
        ],
    })
    .to_string()
    .replace("LONE", r"lone \ud800 surrogate \\u0041 \ud83e\udd80");
    let counts = push.deliver(&wrap_bytes(text.as_bytes())).await.unwrap();
    assert_eq!((counts.entries, counts.unreadable), (6, 2));
    let texts: Vec<_> = push.post.events("a=").iter().map(|event| text_of(event)).collect();
    assert_eq!(
        texts,
        [
            "line 1",
            "lone \u{fffd}\u{fffd}\u{fffd} surrogate \\u0041 \u{1f980}",
            "line 2",
            "\\ubad and \u{1f980}",
        ]
    );
}

fn text_of(event: &str) -> String {
    let value: Value = serde_json::from_str(event).unwrap();
    value["text"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_stream_belongs_to_the_run_that_its_first_record_names() {
    let push = Push::followed_by(&["a="]);
    push.table.follow("victim=", "x");
    push.deliver(&events(1..=2)).await.unwrap();
    assert_eq!(push.table.streams.borrow()[STREAM].run.as_str(), RUN);
    let lines = [
        (START, event(3)),
        (START, event_of("x", RUN, 4, json!({}))),
        (START, event_of("w", NEXT_RUN, 4, json!({}))),
    ];
    let counts = push.deliver(&payload(STREAM, &lines)).await.unwrap();
    assert_eq!((counts.events, counts.foreign), (1, 2));
    assert_eq!(push.post.seqs("a="), [1, 2, 3]);
    assert!(push.post.messages("victim=").is_empty());
    assert_eq!(push.table.row("x", RUN), None);
    assert_eq!(push.table.row("w", NEXT_RUN), None);
}

#[tokio::test(start_paused = true)]
async fn an_owner_recorded_by_someone_else_wins_over_the_first_event() {
    let push = Push::followed_by(&["a="]);
    push.table.own(STREAM, "x", NEXT_RUN);
    let counts = push.deliver(&events(1..=2)).await.unwrap();
    assert_eq!((counts.foreign, counts.posts), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn raw_lines_go_to_the_run_of_their_stream_or_wait_for_one() {
    let push = Push::followed_by(&["a="]);
    let early = [(START, "exec format error".to_owned())];
    let counts = push.deliver(&payload(STREAM, &early)).await.unwrap();
    assert_eq!((counts.unrouted, counts.raw, counts.posts), (1, 0, 0));
    let lines = [(START + 1, "panic at …\n".to_owned()), (START + 2, event(1))];
    let counts = push.deliver(&payload(STREAM, &lines)).await.unwrap();
    assert_eq!((counts.unrouted, counts.raw, counts.events), (0, 1, 1));
    let raw: Value = serde_json::from_str(&push.post.events("a=")[0]).unwrap();
    assert_eq!(
        raw,
        json!({"type": "raw", "run": RUN, "stream": STREAM, "ts": START + 1, "text": "panic at …"})
    );
}

#[tokio::test(start_paused = true)]
async fn raw_lines_are_counted_in_the_row_of_their_run() {
    let push = Push::default();
    let raw = |n: u64| (START + n, format!("raw {n}"));
    for (lines, counted) in [
        // A line that no frame holds is counted by its parts.
        (vec![raw(1), (START + 2, "x".repeat(MAX_FRAME))], None),
        (vec![raw(3)], None),
        // The first event names the run.
        (vec![raw(4), (START + 5, event(1))], Some(5)),
        (vec![(START + 6, event(2))], Some(5)),
        (vec![raw(7), raw(8)], Some(7)),
        // A delivery that comes again counts again.
        (vec![raw(7), raw(8)], Some(9)),
        (vec![(START + 9, event_of("x", RUN, 9, json!({})))], Some(9)),
    ] {
        push.deliver(&payload(STREAM, &lines)).await.unwrap();
        let row = push.table.row("w", RUN);
        assert_eq!(row.and_then(|row| row.info.raw), counted, "{lines:?}");
    }
    assert_eq!(push.table.row("w", RUN).unwrap().info.last_seq, 2);
}

#[tokio::test(start_paused = true)]
async fn raw_lines_of_a_run_without_an_event_are_counted_and_can_be_read() {
    let push = Push::default();
    push.table.own(STREAM, "w", RUN);
    push.deliver(&payload(STREAM, &[(START, "exec format error".to_owned())])).await.unwrap();
    let row = push.table.row("w", RUN).unwrap();
    assert_eq!((row.info.raw, row.info.state), (Some(1), RunState::Starting));
    assert_eq!(row.stream.as_deref(), Some(STREAM));
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_megabyte_comes_in_parts_and_a_huge_event_as_a_notice() {
    let push = Push::followed_by(&["a="]);
    push.table.own(STREAM, "w", RUN);
    let long: String = "0123456789ä\u{1b}[31m\"\u{1}".chars().cycle().take(700_000).collect();
    let huge = event_of("w", RUN, 2, json!({"text": "x".repeat(200_000)}));
    let lines = [(START, event(1)), (START, long.clone()), (START, huge), (START, event(3))];
    push.deliver(&payload(STREAM, &lines)).await.unwrap();
    assert_eq!(push.post.seqs("a="), [1, 2, 3]);
    let events = push.post.events("a=");
    let values: Vec<Value> = events.iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    let parts: Vec<_> = values.iter().filter(|value| value["type"] == "raw").collect();
    let of = parts.len();
    for (n, part) in parts.iter().enumerate() {
        assert_eq!(part["part"], json!([n + 1, of]));
    }
    let text: String = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert!(text == long, "the parts are the line");
    let counted = push.table.row("w", RUN).unwrap().info.raw;
    assert_eq!(counted, Some(of as u64), "as a client counts them");
    let notice = values.iter().find(|value| value["seq"] == 2).unwrap();
    assert!(notice["text"].as_str().unwrap().contains("too long to be shown"), "{notice}");
    for (_, frame) in push.post.delivered.borrow().iter() {
        assert!(frame.len() <= MAX_FRAME);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_run_says_it_has_cost_is_in_its_row_and_only_grows() {
    let push = Push::default();
    let spend = |seq, usd: f64| {
        event_of("w", RUN, seq, json!({"type": "spend", "spentUsd": 0.1, "executionUsd": usd}))
    };
    let end =
        json!({"type": "run.end", "reason": "complete", "exit": 0, "spend": {"executionUsd": 2.5}});
    let foreign = spend(9, 50.0).replace("\"w\"", "\"x\"");
    let told = json!({"type": "agent.text", "text": spend(9, 50.0), "executionUsd": 50});
    for (lines, usd) in [
        (vec![event(1), event_of("w", RUN, 2, told)], None),
        (vec![spend(3, 0.0)], Some(0.0)),
        (vec![spend(4, 1.0), spend(5, 1.25), event(6), foreign], Some(1.25)),
        (vec![spend(4, 1.0)], Some(1.25)),
        (vec![event_of("w", RUN, 7, end)], Some(2.5)),
        (vec![spend(6, 1.5)], Some(2.5)),
        (vec![spend(8, 1e300)], Some(1e9)),
    ] {
        let entries: Vec<_> = lines.iter().map(|line| (START, line.clone())).collect();
        push.deliver(&payload(STREAM, &entries)).await.unwrap();
        assert_eq!(push.table.row("w", RUN).unwrap().info.spent_usd, usd, "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_runs_only_grow() {
    let push = Push::default();
    let end = event_of("w", RUN, 9, json!({"type": "run.end", "reason": "complete", "exit": 0}));
    push.deliver(&events(4..=6)).await.unwrap();
    let row = push.table.row("w", RUN).unwrap();
    assert_eq!((row.info.last_seq, row.info.last_ts), (6, START + 6));
    assert_eq!((row.info.state, row.stream.as_deref()), (RunState::Running, Some(STREAM)));
    push.deliver(&payload(STREAM, &[(START, end)])).await.unwrap();
    push.deliver(&events(1..=3)).await.unwrap();
    let info = push.table.row("w", RUN).unwrap().info;
    assert_eq!((info.last_seq, info.last_ts, info.state), (9, START + 9, RunState::Ended));
    assert_eq!((info.exit, info.reason.as_deref()), (Some(0), Some("complete")));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_loses_its_rows_and_nobody_else_notices() {
    let push = Push::followed_by(&["a=", "gone="]);
    push.post.fate("gone=", [Fate::Fail(PostError::Gone)]);
    let counts = push.deliver(&events(1..=3)).await.unwrap();
    assert_eq!((counts.gone, counts.posts), (1, 1));
    assert_eq!(push.post.seqs("a="), [1, 2, 3]);
    let tries = push.post.tries.get();
    let counts = push.deliver(&events(4..=4)).await.unwrap();
    assert_eq!((counts.followers, push.post.tries.get()), (1, tries + 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_hanging_connection_delays_no_other() {
    let push = Push::followed_by(&["a=", "hangs=", "slow="]);
    push.post.fate("hangs=", [Fate::Hang]);
    push.post.fate("slow=", [Fate::DeliverAfter(Duration::from_secs(2))]);
    push.post.fate("a=", [Fate::DeliverAfter(Duration::from_millis(10))]);
    let begun = Instant::now();
    let counts = push.deliver(&events(1..=2_000)).await.unwrap();
    assert_eq!(push.post.seqs("a=").len(), 2_000);
    assert!(push.post.seqs("hangs=").is_empty());
    assert!((1..2_000).contains(&push.post.seqs("slow=").len()), "what fits into the time");
    assert_eq!(counts.failed, 2);
    assert!(begun.elapsed() <= Duration::from_secs(13), "{:?}", begun.elapsed());
    // What the slow one got is the beginning, without holes.
    let seqs = push.post.seqs("slow=");
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_hang_delay_none_of_a_thousand() {
    let push = Push::default();
    for i in 0..1_000 {
        let id = format!("c{i:03}=");
        push.table.follow(&id, "w");
        let hangs = i % 3 == 0;
        push.post.fate(
            &id,
            [if hangs { Fate::Hang } else { Fate::DeliverAfter(Duration::from_millis(10)) }],
        );
    }
    let begun = Instant::now();
    let counts = push.deliver(&events(1..=1)).await.unwrap();
    assert_eq!((counts.posts, counts.failed), (666, 334));
    // Ten rounds of 64 take a tenth of a second; five times 64 hang for another tenth each.
    let last = push.post.last_delivered.get().unwrap() - begun;
    assert!(last < Duration::from_secs(1), "the last one waited for {last:?}");
}

#[tokio::test(start_paused = true)]
async fn the_rows_of_the_gone_are_deleted_while_others_are_posted_to() {
    let push = Push::default();
    push.table.slow.set(Duration::from_millis(200));
    for i in 0..100 {
        push.table.follow(&format!("gone{i}="), "w");
        push.post.fate(&format!("gone{i}="), [Fate::Fail(PostError::Gone)]);
    }
    push.table.follow("z=", "w");
    let begun = Instant::now();
    let counts = push.deliver(&events(1..=1)).await.unwrap();
    assert_eq!((counts.gone, counts.posts), (100, 1));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let rows = push.table.subscriptions.borrow();
    assert_eq!(rows.len(), 1, "nothing of a connection whose $disconnect never came is left");
}

#[tokio::test(start_paused = true)]
async fn throttling_and_faults_are_tried_again_in_order() {
    let push = Push::followed_by(&["a="]);
    let fail = |error: PostError| Fate::Fail(error);
    let fault = PostError::Failed("500".into());
    push.post.fate(
        "a=",
        [
            fail(PostError::Throttled),
            fail(fault.clone()),
            fail(PostError::Throttled),
            Fate::Deliver,
        ],
    );
    let counts = push.deliver(&events(1..=1_000)).await.unwrap();
    assert_eq!((counts.retried, counts.throttled, counts.failed), (3, 2, 0));
    assert_eq!(push.post.seqs("a="), (1..=1_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_a_frame_that_failed_no_later_one_is_tried() {
    let push = Push::followed_by(&["a=", "b="]);
    push.post.fate("a=", [Fate::Deliver, Fate::Fail(PostError::Refused("413".into()))]);
    let counts = push.deliver(&events(1..=2_000)).await.unwrap();
    assert_eq!((push.post.messages("a=").len(), counts.failed), (1, 1));
    assert_eq!(push.post.seqs("b=").len(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn an_outage_as_a_whole_fails_the_invocation() {
    let push = Push::followed_by(&["a=", "b="]);
    let fault = Fate::Fail(PostError::Failed("502".into()));
    push.post.fate("a=", [fault.clone()]);
    push.post.fate("b=", [fault.clone()]);
    let result = push.deliver(&events(1..=3)).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.cause, PushError::Gateway { followers: 2 });
    assert_eq!(
        failure.to_string(),
        format!(
            "stream {STREAM}, lines of 2023-11-14T22:13:20.001Z to 2023-11-14T22:13:20.003Z: \
             none of 2 connections could be posted to"
        ),
        "what the failure queue says",
    );
    push.post.fate("b=", [Fate::Deliver]);
    assert!(push.deliver(&events(1..=3)).await.is_ok(), "one that works: the other is at fault");
    push.post.fate("b=", [Fate::Fail(PostError::Throttled)]);
    push.post.fate("a=", [Fate::Fail(PostError::Throttled)]);
    assert!(push.deliver(&events(1..=3)).await.is_ok(), "slow viewers are not an outage");
    let push = Push::followed_by(&["a="]);
    push.table.down.set(true);
    let failure = push.deliver(&events(1..=3)).await.unwrap_err();
    assert!(matches!(failure.cause, PushError::Table(_)), "{failure}");
}

/// It is the only follower; or the others are gone, or hang as well.
#[tokio::test(start_paused = true)]
async fn connections_that_hang_are_not_an_outage() {
    let gone = Fate::Fail(PostError::Gone);
    for fates in [vec![Fate::Hang], vec![Fate::Hang, gone], vec![Fate::Hang, Fate::Hang]] {
        let push = Push::default();
        for (n, fate) in fates.iter().enumerate() {
            push.table.follow(&format!("c{n}="), "w");
            push.post.fate(&format!("c{n}="), [fate.clone()]);
        }
        let hang = fates.iter().filter(|fate| matches!(fate, Fate::Hang)).count();
        let counts = push.deliver(&events(1..=3)).await.expect("Lambda need not try again");
        assert_eq!((counts.failed, counts.posts), (hang, 0), "{fates:?}");
        assert!(push.lines.all().contains("no answer in time"), "the log names it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_reaches_nobody_is_an_outage_although_a_connection_hangs() {
    let push = Push::default();
    for (connection, fate) in
        [("a=", Fate::Hang), ("b=", Fate::Fail(PostError::Failed("500".into())))]
    {
        push.table.follow(connection, "w");
        push.post.fate(connection, [fate]);
    }
    let failure = push.deliver(&events(1..=1)).await.unwrap_err();
    assert_eq!(failure.cause, PushError::Gateway { followers: 2 });
}

#[tokio::test(start_paused = true)]
async fn who_came_a_moment_ago_gets_the_next_delivery() {
    let push = Push::default();
    push.deliver(&events(1..=1)).await.unwrap();
    push.table.follow("a=", "w");
    push.deliver(&events(2..=2)).await.unwrap();
    push.table.follow("b=", "w");
    push.deliver(&events(3..=3)).await.unwrap();
    assert_eq!(push.post.seqs("a="), [2, 3]);
    assert_eq!(push.post.seqs("b="), [3]);
}

#[tokio::test(start_paused = true)]
async fn many_connections_are_posted_to_at_once() {
    let push = Push::default();
    for i in 0..500 {
        push.table.follow(&format!("c{i}="), "w");
    }
    let counts = push.deliver(&events(1..=1_000)).await.unwrap();
    assert_eq!(counts.posts, counts.frames * 500);
    assert!(push.post.seqs("c499=").len() == 1_000);
}

#[tokio::test(start_paused = true)]
async fn the_log_holds_counts_and_never_a_lines_content() {
    let push = Push::followed_by(&["a=", "b="]);
    push.post.fate("b=", [Fate::Fail(PostError::Refused("413".into()))]);
    push.table.own(STREAM, "w", RUN);
    let lines = [
        (START, event_of("w", RUN, 1, json!({"text": "hunter2"}))),
        (START, "raw hunter2".to_owned()),
        (START, event_of("x", RUN, 1, json!({"text": "hunter2"}))),
    ];
    push.deliver(&payload(STREAM, &lines)).await.unwrap();
    let _ = push.deliver(&wrap_bytes(b"{\"hunter2\":\"hunter2\"}")).await;
    let log = push.lines.all();
    assert!(log.contains("\"requestId\":\"req-1\"") && log.contains("\"foreign\":1"), "{log}");
    assert!(log.contains("payload refused"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_leaves_metrics() {
    let push = Push::followed_by(&["a=", "gone="]);
    push.post.fate("gone=", [Fate::Fail(PostError::Gone)]);
    advance(Duration::from_secs(1)).await;
    push.deliver(&payload(STREAM, &[(START, event(1)), (START, event_of("x", RUN, 1, json!({})))]))
        .await
        .unwrap();
    let log = push.lines.all();
    for metric in
        [r#""Events":1"#, r#""Foreign":1"#, r#""Posts":1"#, r#""Gone":1"#, r#""DeliveryAge":999"#]
    {
        assert!(log.contains(metric), "{metric} in {log}");
    }
}
