use std::collections::BTreeSet;

use proptest::prelude::*;
use ralph_lambdas::{limiter::REFILL, ports::LogEntry};
use ralph_protocol::message::{MAX_FRAME, MAX_LIMIT};
use serde_json::{Value, json};
use tokio::time::Duration;

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
async fn a_line_that_cloudwatch_holds_twice_does_not_close_a_range_early() {
    let server = Server::with_run("w", RUN, STREAM, 2);
    server.logs.put(STREAM, START + 2, event(2));
    server.logs.put(STREAM, START + 3, event(3));
    let (lines, last) = ask(&server, json!({"ranges": [range(2, 3, START)]})).await;
    assert_eq!((seqs(&lines), &last["complete"]), (vec![2, 2, 3], &json!(true)));
}

/// Bytes of the lines of an answer.
fn bytes(lines: &[Value]) -> usize {
    lines.iter().map(|line| line.to_string().len()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_a_megabyte_and_its_cursor_leads_on_without_a_hole() {
    let server = Server::default();
    server.write("w", RUN, STREAM, 1..=1);
    let text = "x".repeat(12_000);
    for seq in 2..=400 {
        server.logs.put(STREAM, START + seq, event_of("w", RUN, seq, json!({"text": text})));
    }
    let (mut lines, mut last) = ask(&server, json!({"limit": MAX_LIMIT})).await;
    let mut pages = 1;
    while let Some(cursor) = last["cursor"].as_str() {
        assert_eq!(last["complete"], false, "its bytes ran out, not its limit");
        let (older, next) = ask(&server, json!({"limit": MAX_LIMIT, "before": cursor})).await;
        assert!((1 << 19..=1 << 20).contains(&bytes(&older)) || next["cursor"].is_null());
        lines.splice(0..0, older);
        (last, pages) = (next, pages + 1);
    }
    assert_eq!((&last["complete"], pages), (&json!(true), 5));
    assert_eq!(seqs(&lines), (1..=400).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_larger_than_an_answer_has_one_to_itself() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    server.logs.put(STREAM, START + 2, "\u{1}".repeat(400_000));
    let (lines, last) = ask(&server, json!({})).await;
    assert_eq!((seqs(&lines), &last["complete"]), (vec![3], &json!(false)));
    let (lines, last) = ask(&server, json!({"before": last["cursor"]})).await;
    assert!(bytes(&lines) > 2 << 20 && seqs(&lines).is_empty());
    let (lines, last) = ask(&server, json!({"before": last["cursor"]})).await;
    assert_eq!((seqs(&lines), &last["cursor"]), (vec![1, 2], &json!(null)));
    let (lines, answers) = read_on(&server, range(1, 3, START), MAX_LIMIT).await;
    assert_eq!((seqs(&lines), answers), (vec![1, 2, 3], 3));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_lines_since_a_time_goes_on_by_its_cursor_and_ends_at_that_time() {
    let server = Server::with_run("w", RUN, STREAM, 50);
    server.write("w", NEXT_RUN, NEXT_STREAM, 1..=20);
    let since = START + 15;
    let (mut lines, mut last) = ask(&server, json!({"since": since, "limit": 10})).await;
    while last["complete"] == false {
        let more = json!({"since": since, "limit": 10, "before": last["cursor"]});
        let (older, next) = ask(&server, more).await;
        lines.splice(0..0, older);
        last = next;
    }
    assert_eq!(seqs(&lines), (15..=50).chain(15..=20).collect::<Vec<_>>());
}

/// Asks for a range, and then on from where each answer stopped, to the end. Gives each line once, and
/// how many answers that took.
async fn read_on(server: &Server, mut range: Value, limit: u32) -> (Vec<Value>, usize) {
    let (mut all, mut held) = (Vec::new(), BTreeSet::new());
    for answers in 1.. {
        let (lines, last) = ask(server, json!({"limit": limit, "ranges": [range]})).await;
        // Lines of the millisecond where an answer stopped may come again.
        all.extend(lines.into_iter().filter(|line| held.insert(line.to_string())));
        if last["complete"] == true {
            assert_eq!(last["readTo"], json!(null));
            return (all, answers);
        }
        assert_eq!(last["readTo"]["run"], range["run"]);
        let (after, read_to) = (range["after"].as_u64(), last["readTo"]["ts"].as_u64());
        assert!(after < read_to, "every answer is a step: {after:?}, {read_to:?}");
        range["after"] = json!(read_to);
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_ranges_that_is_full_says_where_the_next_one_begins() {
    let long = "x".repeat(12_000);
    // Raw lines, how many of them in each millisecond, what they say, the limit, answers.
    for (raw, each, text, limit, expected) in [
        (25_000, 5, "raw", MAX_LIMIT, 4),
        (25_000, 1, "raw", MAX_LIMIT, 4),
        (300, 1, long.as_str(), MAX_LIMIT, 4),
        (100, 1, "raw", 10, 11),
        // More in one millisecond than an answer holds.
        (25_000, 12_500, "raw", MAX_LIMIT, 4),
        (600, 200, long.as_str(), MAX_LIMIT, 5),
        (500, 100, "raw", 10, 7),
    ] {
        let mut server = Server::default();
        server.logs.page = 10_000;
        server.write("w", RUN, STREAM, [1]);
        // Event 2 stands in their middle, and event 3 at their end.
        let at = |n: u64| START + 2 + n / each;
        server.logs.put_all(STREAM, (0..raw).map(|n| (at(n), format!("{n} {text}"))));
        server.logs.put_all(STREAM, [(at(raw / 2), event(2)), (at(raw), event(3))]);
        let (lines, answers) = read_on(&server, range(1, 3, START), limit).await;
        assert_eq!(seqs(&lines), [1, 2, 3], "{raw} in {each}");
        assert_eq!(lines.len() as u64, raw + 3, "{raw} in {each}");
        assert_eq!(answers, expected, "{raw} in {each}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_is_where_reading_begins_whatever_ts_says() {
    let server = Server::with_run("w", RUN, STREAM, 20);
    server.logs.put(STREAM, START + 9, "too early");
    server.logs.put(STREAM, START + 10, "raw");
    for ts in [0, START + 1, START + 90_000] {
        let mut range = range(1, 12, ts);
        range["after"] = json!(START + 10);
        let (lines, last) = ask(&server, json!({"ranges": [range]})).await;
        assert_eq!((seqs(&lines), lines.len()), ((10..=12).collect(), 4), "{ts}");
        assert_eq!(last["complete"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_answer_begins_no_further_run() {
    let server = Server::with_run("w", RUN, STREAM, 5);
    server.write("w", NEXT_RUN, NEXT_STREAM, 1..=5);
    let next = json!({"run": NEXT_RUN, "from": 1, "to": 5, "ts": START});
    let ranges = |after: Option<u64>| {
        let mut next = next.clone();
        next["after"] = json!(after);
        json!([next, range(1, 5, START)])
    };
    for (limit, lines_expected, read_to) in [
        (3, vec![1, 2, 3], json!({"run": RUN, "ts": START + 4})),
        (5, vec![1, 2, 3, 4, 5], json!({"run": NEXT_RUN, "ts": START + 1})),
        (7, vec![1, 2, 3, 4, 5, 1, 2], json!({"run": NEXT_RUN, "ts": START + 3})),
    ] {
        let (lines, last) = ask(&server, json!({"limit": limit, "ranges": ranges(None)})).await;
        assert_eq!(seqs(&lines), lines_expected);
        assert_eq!((&last["complete"], &last["readTo"]), (&json!(false), &read_to));
    }
}

/// Reads are throttled before the first one, after the first, the second …
#[tokio::test(start_paused = true)]
async fn what_was_read_before_reads_are_throttled_is_sent() {
    for (more, goes_on_by) in [
        (json!({"limit": 5_000}), "cursor"),
        (json!({"limit": 5_000, "ranges": [range(1, None, START)]}), "readTo"),
    ] {
        for reads in 0..4 {
            let mut server = Server::with_run("w", RUN, STREAM, 500);
            server.logs.page = 100;
            server.logs.reads_left.set(Some(reads));
            let (lines, last) = ask(&server, more.clone()).await;
            assert_eq!(lines.len(), reads * 100, "{more}");
            if reads == 0 {
                assert_eq!(last["code"], "throttled");
            } else {
                assert_eq!((&last["type"], &last["complete"]), (&json!("caughtUp"), &json!(false)));
                assert!(!last[goes_on_by].is_null(), "{last}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_ranges_lack_is_settled_when_cloudwatch_took_a_later_line_five_minutes_ago() {
    const MINUTES: u64 = 60_000;
    // The stream's events: number, CloudWatch's time of it and when it was taken, minutes before now.
    let early = [(1, 9, 9), (4, 6, 6), (9, 1, 1)];
    let to_4 = [(1, 9, 9), (4, 6, 6)];
    for (name, stream, wanted, settled) in [
        ("a hole with an old line behind it", &early[..], vec![(2, Some(3))], true),
        ("a hole with a new line behind it", &early[..], vec![(5, Some(8))], false),
        ("one of each", &early[..], vec![(2, Some(3)), (5, Some(8))], false),
        ("nothing lacks", &early[..], vec![(4, Some(4))], true),
        ("a part of it is there", &early[..], vec![(1, Some(3))], true),
        ("the end of the stream", &to_4[..], vec![(5, Some(6))], false),
        ("a range without an end", &early[..], vec![(2, None)], false),
        (
            "a line that was written long ago and taken now",
            &[(4, 60, 1)],
            vec![(2, Some(3))],
            false,
        ),
        ("a line of a clock that is ahead", &[(4, 1, 6)], vec![(2, Some(3))], true),
    ] {
        let server = Server::default();
        server.write("w", RUN, STREAM, [1]);
        let now = START + 100 * MINUTES;
        tokio::time::advance(Duration::from_millis(100 * MINUTES)).await;
        let entries = stream.iter().map(|(seq, at, taken)| LogEntry {
            timestamp: now - at * MINUTES,
            ingested: now - taken * MINUTES,
            message: event(*seq),
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.timestamp);
        server.logs.streams.borrow_mut().insert(STREAM.into(), entries);
        let ranges: Vec<_> = wanted.iter().map(|&(from, to)| range(from, to, 0)).collect();
        let (_, last) = ask(&server, json!({"ranges": ranges})).await;
        assert_eq!(last["complete"], true);
        assert_eq!(last["settled"] == true, settled, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_settles_nothing() {
    let server = Server::with_run("w", RUN, STREAM, 5);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let unknown = json!({"run": NEXT_RUN, "from": 1, "to": 1, "ts": START});
    for more in [
        json!({"ranges": [range(1, 2, START), unknown]}),
        json!({"ranges": [range(1, 2, START)], "limit": 1}),
    ] {
        let (_, last) = ask(&server, more).await;
        assert_eq!((&last["complete"], &last["settled"]), (&json!(false), &json!(null)));
    }
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
