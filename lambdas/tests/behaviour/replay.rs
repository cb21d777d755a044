use std::collections::BTreeSet;

use proptest::prelude::*;
use ralph_lambdas::limiter::REFILL;
use ralph_protocol::message::{MAX_FRAME, MAX_LIMIT};
use serde_json::{Value, json};

use crate::{
    memory::START,
    send_logs::Server,
    workers::{NEXT_RUN, RUN, STREAM, event, event_of},
};

const NEXT_STREAM: &str = "worker/worker/fedcba9876543210";

/// Asks, and gives the lines and the last message.
async fn ask(server: &Server, more: Value) -> (Vec<Value>, Value) {
    let mut body = json!({"action": "sendLogs", "workstream": "w"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    // A client that waits until the limit on requests allows the next one.
    tokio::time::advance(REFILL).await;
    server.ask(body).await;
    let mut got = server.got();
    let last = got.pop().unwrap();
    let frames = got.iter().filter(|message| message["type"] == "logs");
    let lines = frames.flat_map(|frame| frame["events"].as_array().unwrap().clone()).collect();
    (lines, last)
}

fn seqs(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter_map(|line| line["seq"].as_u64()).collect()
}

fn range(from: u64, to: impl Into<Option<u64>>, ts: u64) -> Value {
    json!({"run": RUN, "from": from, "to": to.into(), "ts": ts})
}

#[tokio::test(start_paused = true)]
async fn the_newest_lines_come_oldest_first_and_the_cursor_leads_back_to_the_first() {
    let server = Server::with_run("w", RUN, STREAM, 2_500);
    server.write("w", NEXT_RUN, NEXT_STREAM, 1..=700);
    let (lines, mut last) = ask(&server, json!({})).await;
    let mut pages = vec![lines];
    while let Some(cursor) = last["cursor"].as_str() {
        let (lines, next) = ask(&server, json!({"before": cursor})).await;
        assert_eq!(next["complete"], true);
        pages.push(lines);
        last = next;
    }
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1_000, 1_000, 1_000, 200]);
    let all: Vec<_> = pages.into_iter().rev().flatten().collect();
    let expected: Vec<_> = (1..=2_500).chain(1..=700).collect();
    assert_eq!(seqs(&all), expected);
}

#[tokio::test(start_paused = true)]
async fn since_and_run_bound_the_page() {
    let server = Server::with_run("w", RUN, STREAM, 50);
    server.write("w", NEXT_RUN, NEXT_STREAM, 1..=20);
    let (lines, last) = ask(&server, json!({"run": RUN, "limit": 30})).await;
    assert_eq!(seqs(&lines), (21..=50).collect::<Vec<_>>());
    let (lines, last) = ask(&server, json!({"before": last["cursor"]})).await;
    assert_eq!((seqs(&lines), &last["cursor"]), ((1..=20).collect(), &json!(null)));
    let (lines, last) = ask(&server, json!({"since": START + 15})).await;
    let expected: Vec<_> = (15..=50).chain(15..=20).collect();
    assert_eq!((seqs(&lines), &last["complete"]), (expected, &json!(true)));
    let (lines, _) = ask(&server, json!({"before": last["cursor"]})).await;
    assert_eq!(seqs(&lines), (1..=14).collect::<Vec<_>>(), "older lines are a page away");
    let (lines, last) = ask(&server, json!({"since": START + 15, "limit": 10})).await;
    assert_eq!((lines.len(), &last["complete"]), (10, &json!(false)));
    let (lines, last) = ask(&server, json!({"run": RUN, "since": START + 45})).await;
    assert_eq!((seqs(&lines), &last["complete"]), ((45..=50).collect(), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn raw_lines_of_one_millisecond_are_paged_through_too() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    (0..25).for_each(|i| server.logs.put(STREAM, START + 2, format!("raw {i}")));
    let (mut lines, mut last) = ask(&server, json!({"limit": 4})).await;
    let mut asked = 0;
    while let Some(cursor) = last["cursor"].as_str() {
        let (older, next) = ask(&server, json!({"limit": 4, "before": cursor})).await;
        lines.splice(0..0, older);
        last = next;
        asked += 1;
        assert!(asked < 20, "paging moves on");
    }
    assert_eq!(lines.len(), 28);
    let raw: Vec<_> =
        lines.iter().filter_map(|line| line["text"].as_str()?.strip_prefix("raw ")).collect();
    assert_eq!(raw, (0..25).map(|i: i32| i.to_string()).collect::<Vec<_>>());
    assert_eq!(seqs(&lines), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn ranges_give_exactly_what_was_asked_for_and_what_is_raw_on_the_way() {
    let server = Server::with_run("w", RUN, STREAM, 100);
    server.logs.put(STREAM, START + 11, "raw");
    server.logs.put(STREAM, START + 12, event_of("x", RUN, 12, json!({})));
    let ranges = [range(50, 60, START + 50), range(10, 12, START + 10), range(97, None, START)];
    let (lines, last) = ask(&server, json!({"ranges": ranges, "id": "r"})).await;
    let expected: Vec<_> = (10..=12).chain(50..=60).chain(97..=100).collect();
    assert_eq!(seqs(&lines), expected);
    assert_eq!(lines.iter().filter(|line| line["type"] == "raw").count(), 1);
    assert_eq!(
        last,
        json!({"type": "caughtUp", "id": "r", "workstream": "w", "complete": true, "cursor": null})
    );
}

#[tokio::test(start_paused = true)]
async fn ranges_far_apart_do_not_read_what_lies_between() {
    let mut server = Server::with_run("w", RUN, STREAM, 3);
    server.logs.page = 10;
    let hour = 3_600_000;
    for i in 0..1_000 {
        server.logs.put(STREAM, START + hour + i * 100, event(100 + i));
    }
    let far = START + hour + 990 * 100;
    let ranges = [range(1, 2, START + 1), range(1_090, 1_091, far)];
    let (lines, _) = ask(&server, json!({"ranges": ranges})).await;
    assert_eq!(seqs(&lines), [1, 2, 1_090, 1_091]);
    // A minute of clock difference is some 600 lines, in pages of ten.
    assert!(server.logs.reads.get() < 70, "{}", server.logs.reads.get());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_makes_a_complete_answer_and_what_is_unknown_does_not() {
    let server = Server::with_run("w", RUN, STREAM, 5);
    let (lines, last) = ask(&server, json!({"ranges": [range(6, 9, START)]})).await;
    assert_eq!((lines.len(), &last["complete"]), (0, &json!(true)));
    let unknown = json!({"run": NEXT_RUN, "from": 1, "to": 1, "ts": START});
    let (lines, last) = ask(&server, json!({"ranges": [unknown, range(5, 5, START)]})).await;
    assert_eq!((seqs(&lines), &last["complete"]), (vec![5], &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_limit_ends_ranges_incomplete_and_raw_lines_never_starve_them() {
    let server = Server::with_run("w", RUN, STREAM, 100);
    (0..500).for_each(|i| server.logs.put(STREAM, START, format!("raw {i}")));
    let asked = json!({"limit": 10, "ranges": [range(1, 100, START)]});
    let (lines, last) = ask(&server, asked).await;
    assert_eq!((seqs(&lines), &last["complete"]), ((1..=10).collect(), &json!(false)));
    assert_eq!(lines.len(), 20, "as many raw lines at the most");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cloudwatch_holds_twice_does_not_close_a_range_early() {
    let server = Server::with_run("w", RUN, STREAM, 2);
    server.logs.put(STREAM, START + 2, event(2));
    server.logs.put(STREAM, START + 3, event(3));
    let (lines, last) = ask(&server, json!({"ranges": [range(2, 3, START)]})).await;
    assert_eq!((seqs(&lines), &last["complete"]), (vec![2, 2, 3], &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_before_it_fills_the_memory() {
    let server = Server::default();
    server.write("w", RUN, STREAM, 1..=1);
    let text = "x".repeat(12_000);
    for seq in 2..=1_500 {
        server.logs.put(STREAM, START + seq, event_of("w", RUN, seq, json!({"text": text})));
    }
    let (lines, last) = ask(&server, json!({"limit": MAX_LIMIT})).await;
    assert!((500..1_000).contains(&lines.len()), "{}", lines.len());
    let (older, _) = ask(&server, json!({"limit": MAX_LIMIT, "before": last["cursor"]})).await;
    let both = [seqs(&older), seqs(&lines)].concat();
    assert_eq!(both, (both[0]..=1_500).collect::<Vec<_>>(), "the cursor leads on without a hole");
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_stream_and_a_stream_without_lines_are_empty() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.write("w", NEXT_RUN, NEXT_STREAM, [1]);
    let key = ("w".parse().unwrap(), NEXT_RUN.parse().unwrap());
    server.logs.streams.borrow_mut().remove(NEXT_STREAM);
    let (lines, last) = ask(&server, json!({})).await;
    assert_eq!((seqs(&lines), &last["complete"]), (vec![1, 2, 3], &json!(true)));
    server.table.runs.borrow_mut().get_mut(&key).unwrap().stream = None;
    let wanted = json!({"run": NEXT_RUN, "from": 1, "to": 1, "ts": START});
    let (lines, last) = ask(&server, json!({"ranges": [wanted]})).await;
    assert_eq!((lines.len(), &last["complete"]), (0, &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn frames_of_a_replay_are_full_and_never_too_large() {
    let server = Server::with_run("w", RUN, STREAM, 1_000);
    server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
    let delivered = server.post.delivered.borrow();
    let logs = delivered.iter().filter(|(_, frame)| frame.contains(r#""type":"logs""#));
    let sizes: Vec<_> = logs.map(|(_, frame)| frame.len()).collect();
    let (_, full) = sizes.split_last().unwrap();
    assert!(full.iter().all(|size| (MAX_FRAME - 200..=MAX_FRAME).contains(size)), "{sizes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in the stream, in whatever page sizes it is read: paging back to the
    /// beginning gives every line exactly once.
    #[test]
    fn paging_gives_every_line_once(
        times in prop::collection::vec((0u64..40, prop::bool::ANY), 1..120),
        limit in 1usize..50,
        page in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut server = Server::default();
            server.logs.page = page;
            let mut times = times;
            times.sort_unstable();
            let (mut seq, mut all) = (0, BTreeSet::new());
            for (i, (at, ours)) in times.into_iter().enumerate() {
                if ours {
                    seq += 1;
                    server.logs.put(STREAM, START + at, event(seq));
                    all.insert(format!("line {seq}"));
                } else {
                    server.logs.put(STREAM, START + at, format!("raw {i}"));
                    all.insert(format!("raw {i}"));
                }
            }
            server.write("w", RUN, "other", [seq + 1]);
            let key = ("w".parse().unwrap(), RUN.parse().unwrap());
            server.table.runs.borrow_mut().get_mut(&key).unwrap().stream = Some(STREAM.into());
            let (mut lines, mut last) = ask(&server, json!({"limit": limit})).await;
            let mut seen = Vec::new();
            for _ in 0..200 {
                assert!(lines.len() <= limit);
                seen.extend(lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()));
                let Some(cursor) = last["cursor"].as_str() else { break };
                (lines, last) = ask(&server, json!({"limit": limit, "before": cursor})).await;
            }
            assert_eq!(&last["cursor"], &json!(null));
            let distinct: BTreeSet<_> = seen.iter().cloned().collect();
            assert_eq!(seen.len(), distinct.len(), "no line twice");
            assert_eq!(distinct, all);
        });
    }
}
