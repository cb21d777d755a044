//! `ralph logs` against a server that answers as ours does, over links that break, and with lines that
//! are hard to read.

use std::{
    process::{Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use ralph_protocol::event::timestamp_text;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    cloud::{stderr, stdout},
    fake_gateway::{Connection, FakeGateway},
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
/// When the run's name was made, ms since the epoch.
const BEGUN: u64 = 1_469_922_850_259;
/// How far before a given time the server begins to read, ms.
const CLOCKS_DIFFER: u64 = 60_000;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line as CloudWatch Logs has it.
#[derive(Clone)]
struct Stored {
    ts: u64,
    /// `None`: not an event of ours.
    seq: Option<u64>,
    /// As it goes into a frame.
    json: String,
}

fn event(seq: u64, ts: u64, rest: &str) -> Stored {
    let time = timestamp_text(ts);
    let json = format!(
        r#"{{"v":1,"ts":"{time}","workstream":"w","run":"{RUN}","seq":{seq},"iter":0,"level":"info",{rest}}}"#
    );
    Stored { ts, seq: Some(seq), json }
}

fn line(seq: u64, ts: u64) -> Stored {
    event(seq, ts, &format!(r#""type":"log","text":"line {seq}.""#))
}

fn last(seq: u64, ts: u64) -> Stored {
    event(seq, ts, r#""type":"run.end","reason":"complete","exit":0"#)
}

/// An event that the server takes for a raw line.
fn raw(stored: &Stored) -> Stored {
    let raw = json!({
        "type": "raw", "run": RUN, "stream": "s", "ts": stored.ts, "text": stored.json,
    });
    Stored { ts: stored.ts, seq: None, json: raw.to_string() }
}

/// The lines that a request asks for, in the stream's order.
fn asked_for(lines: &[Stored], ask: &Value) -> Vec<Stored> {
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| line.ts);
    if let Some(range) = ask["ranges"].get(0) {
        let from = range["from"].as_u64().expect("a number");
        let ts = range["ts"].as_u64().expect("a time").saturating_sub(CLOCKS_DIFFER);
        let begin = range["after"].as_u64().unwrap_or(ts);
        lines.retain(|line| line.ts >= begin && line.seq.is_none_or(|seq| seq >= from));
    }
    lines
}

fn logs(ask: &Value, lines: &[Stored]) -> String {
    let events: Vec<&str> = lines.iter().map(|line| line.json.as_str()).collect();
    let id = &ask["id"];
    // Put together by hand: not every line here passes through `Value`.
    format!(
        r#"{{"type":"logs","id":{id},"workstream":"w","source":"replay","events":[{}]}}"#,
        events.join(",")
    )
}

fn caught_up(ask: &Value, complete: bool, read_to: Option<u64>) -> String {
    let mut end = json!({
        "type": "caughtUp", "id": ask["id"], "workstream": "w", "complete": complete, "cursor": null,
    });
    if let Some(ts) = read_to {
        end["readTo"] = json!({"run": RUN, "ts": ts});
    }
    end.to_string()
}

fn runs(last_seq: u64, state: &str) -> String {
    let run = json!({
        "run": RUN, "attempt": 1, "startedAt": BEGUN, "lastSeq": last_seq, "lastTs": BEGUN,
        "state": state,
    });
    json!({"type": "runs", "workstream": "w", "runs": [run]}).to_string()
}

/// Answers one request after another with everything that it asks for, for as long as the client is there.
fn answer_all(connection: &mut Connection, lines: &[Stored]) {
    while let Some(ask) = connection.next() {
        if ask["action"] == "ping" {
            connection.send(r#"{"type":"pong"}"#);
            continue;
        }
        connection.send(&logs(&ask, &asked_for(lines, &ask)));
        connection
            .send(&runs(lines.iter().filter_map(|line| line.seq).max().unwrap_or(0), "ended"));
        connection.send(&caught_up(&ask, true, None));
    }
}

/// `ralph logs` of the run, which the table knows.
fn read(gateway: &FakeGateway, more: &[&str]) -> Output {
    let row = json!({
        "pk": {"S": "WS#w"}, "sk": {"S": format!("RUN#{RUN}")}, "state": {"S": "running"},
    });
    gateway.aws.answer("DynamoDB_20120810.Query", &json!({"Items": [row]}).to_string());
    let words = [&["logs", "w", "--run", RUN], more].concat();
    output(gateway.ralph(&words))
}

/// What a command said; one that takes too long is killed.
fn output(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("ralph starts");
    let (ended, end) = mpsc::channel::<()>();
    let process = Pid::from_child(&child);
    thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            kill_process(process, Signal::KILL).ok();
        }
    });
    let output = child.wait_with_output().expect("ralph ends");
    drop(ended);
    output
}

/// The numbers of the events that were shown, in their order.
fn numbers(output: &Output) -> Vec<u64> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stdout(output);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| event["seq"].as_u64()).collect()
}

#[test]
fn what_came_before_an_answer_broke_off_is_kept_and_the_rest_is_asked_for() {
    let lines: Vec<Stored> = (1..=60).map(|seq| line(seq, BEGUN + seq)).collect();
    let gateway = FakeGateway::start(move |number, connection| {
        while let Some(ask) = connection.next() {
            let rest = asked_for(&lines, &ask);
            let some = &rest[..rest.len().min(10)];
            match number {
                // The network cuts it off.
                1 => return connection.send(&logs(&ask, some)),
                2 => {
                    connection.send(&logs(&ask, some));
                    let error = json!({
                        "type": "error", "id": ask["id"], "workstream": "w", "code": "throttled",
                        "message": "too many clients", "retryAfterMs": 1,
                    });
                    connection.send(&error.to_string());
                }
                3 => {
                    connection.send(&logs(&ask, some));
                    connection.send(r#"{"message":"Internal server error","requestId":"x"}"#);
                }
                // A frame in the middle is damaged.
                4 if rest.len() == 30 => {
                    connection.send(&logs(&ask, some));
                    connection.send(&logs(&ask, &rest[10..20])[..200]);
                    connection.send(&logs(&ask, &rest[20..]));
                    connection.send(&caught_up(&ask, true, None));
                }
                // It stops early, and says where.
                _ if rest.len() > 5 && ask["ranges"][0].get("after").is_none() => {
                    connection.send(&logs(&ask, &rest[..5]));
                    connection.send(&caught_up(&ask, false, Some(rest[5].ts)));
                }
                _ => {
                    connection.send(&logs(&ask, &rest));
                    connection.send(&caught_up(&ask, true, None));
                }
            }
        }
    });
    let output = read(&gateway, &["--json"]);
    assert_eq!(numbers(&output), (1..=60).collect::<Vec<u64>>());
    let asked = gateway.asked();
    let ranges: Vec<String> = asked
        .iter()
        .map(|ask| &ask["ranges"][0])
        .map(|range| format!("{}@{} {}", range["from"], range["ts"], range["after"]))
        .collect();
    let after = BEGUN + 46;
    let expected =
        ["1@0 null", "11@0 null", "21@0 null", "31@0 null", "41@0 null", &format!("46@0 {after}")];
    assert_eq!(ranges, expected);
}

#[test]
fn a_worker_whose_clock_was_stepped_back_has_no_line_missing() {
    // For ten seconds the clock is two minutes behind.
    let stamp = |seq: u64| BEGUN + seq * 1_000 - if (21..=30).contains(&seq) { 120_000 } else { 0 };
    let lines: Vec<Stored> = (1..=40).map(|seq| line(seq, stamp(seq))).collect();
    for since in [None, Some(timestamp_text(BEGUN + 10_000))] {
        let lines = lines.clone();
        let gateway = FakeGateway::start(move |_, connection| {
            while let Some(ask) = connection.next() {
                let mut rest = asked_for(&lines, &ask);
                let complete = rest.len() <= 8;
                let read_to = rest.get(8).map(|line| line.ts);
                rest.truncate(8);
                connection.send(&logs(&ask, &rest));
                connection.send(&caught_up(&ask, complete, read_to));
            }
        });
        let more: Vec<&str> = since.iter().flat_map(|time| ["--since", time]).collect();
        let output = read(&gateway, &[&["--json"], &more[..]].concat());
        let shown = numbers(&output);
        assert!(!stderr(&output).contains("lost"), "{since:?}: {}", stderr(&output));
        // What was stamped before the time is not wanted, and nobody calls it lost.
        let wanted = |seq: &u64| since.is_none() || stamp(*seq) >= BEGUN + 10_000;
        assert_eq!(shown, (1..=40).filter(wanted).collect::<Vec<u64>>(), "{since:?}");
    }
}

#[test]
fn a_line_that_is_not_stored_is_lost_only_once_the_run_was_read_from_its_start() {
    let stored = (1..=9).filter(|seq| *seq != 5);
    let lines: Vec<Stored> = stored.map(|seq| line(seq, BEGUN + seq * 1_000)).collect();
    let gateway = FakeGateway::start(move |_, connection| answer_all(connection, &lines));
    let output = read(&gateway, &["--json", "--since", &timestamp_text(BEGUN)]);
    assert_eq!(numbers(&output), [1, 2, 3, 4, 6, 7, 8, 9]);
    assert!(stderr(&output).contains("1 lines lost (5 to 5)"), "{}", stderr(&output));
    let begins: Vec<Value> =
        gateway.asked().iter().map(|ask| ask["ranges"][0]["ts"].clone()).collect();
    assert_eq!(begins, [json!(BEGUN), json!(0)]);
}

#[test]
fn a_follower_leaves_a_connection_on_which_nothing_passes_any_more() {
    let lines: Vec<Stored> = (1..=4).map(|seq| line(seq, BEGUN + seq)).collect();
    let whole = [&lines[..], &[last(5, BEGUN + 5)]].concat();
    let gateway = FakeGateway::start(move |number, connection| {
        if number > 1 {
            return answer_all(connection, &whole);
        }
        if let Some(ask) = connection.next() {
            connection.send(&logs(&ask, &lines));
            connection.send(&runs(4, "running"));
            connection.send(&caught_up(&ask, true, None));
        }
        // A client that pings twice has not noticed.
        for _ in std::iter::from_fn(|| connection.next()).take(2) {}
    });
    let output = read(&gateway, &["--json", "-f"]);
    assert_eq!(numbers(&output), [1, 2, 3, 4, 5]);
    let pings = gateway.asked().iter().filter(|asked| asked["action"] == "ping").count();
    assert_eq!(pings, 1);
    assert!(stderr(&output).contains("note: the connection is gone"), "{}", stderr(&output));
}

#[test]
fn lines_that_are_hard_to_read_do_not_keep_others_from_being_shown() {
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let surrogate = r#""type":"log","text":"half \ud83d of a character""#;
    let lines = [
        line(1, BEGUN),
        event(2, BEGUN + 1, surrogate),
        event(3, BEGUN + 2, &format!(r#""type":"agent.retry","status":{nested}"#)),
        event(4, BEGUN + 3, &format!(r#""type":"from.the.future","x":{nested}"#)),
        raw(&event((1 << 53) + 1, BEGUN + 4, r#""type":"log","text":"far beyond""#)),
        raw(&event(5, BEGUN + 5, r#""type":"wait","reason":"\udc00""#)),
        line(5, BEGUN + 6),
        last(6, BEGUN + 7),
    ];
    let gateway = FakeGateway::start(move |_, connection| answer_all(connection, &lines));
    for follow in [&[][..], &["-f"]] {
        let shown = read(&gateway, follow);
        let text = stdout(&shown);
        assert!(shown.status.success(), "{follow:?}: {}", stderr(&shown));
        for part in
            ["line 1.", r"half \ud83d of", "[[[[", "from.the.future", "far beyond", r"\udc00"]
        {
            assert!(text.contains(part), "{follow:?} {part}: {text}");
        }
        assert!(text.contains("line 5.") && text.contains("(exit 0)"), "{follow:?}: {text}");

        let json = read(&gateway, &[follow, &["--json"]].concat());
        let text = stdout(&json);
        assert!(json.status.success(), "{follow:?}: {}", stderr(&json));
        assert_eq!(text.lines().count(), 8, "{follow:?}: {text}");
        for part in [surrogate, &nested, "far beyond", r#""seq":5,"#, r#""seq":6,"#] {
            assert!(text.contains(part), "{follow:?} {part}: {text}");
        }
    }
}

#[test]
fn a_page_that_comes_in_parts_is_shown_in_its_order() {
    let lines: Vec<Stored> = (1..=8).map(|seq| line(seq, BEGUN + seq)).collect();
    let gateway = FakeGateway::start(move |_, connection| {
        let raw = raw(&Stored { json: "a container speaks".to_owned(), ..line(3, BEGUN + 3) });
        while let Some(ask) = connection.next() {
            let (some, cursor) = match ask["before"].as_str() {
                None if ask["limit"].is_null() => continue,
                None => (lines[6..].to_vec(), Some("6")),
                Some("6") => ([std::slice::from_ref(&raw), &lines[3..6]].concat(), Some("3")),
                Some(_) => (lines[..3].to_vec(), None),
            };
            connection.send(&logs(&ask, &some));
            connection.send(&runs(8, "running"));
            let end = json!({
                "type": "caughtUp", "id": ask["id"], "workstream": "w",
                "complete": cursor.is_none(), "cursor": cursor,
            });
            connection.send(&end.to_string());
        }
    });
    let shown = output(gateway.ralph(&["logs", "w", "--json"]));
    assert_eq!(numbers(&shown), [1, 2, 3, 4, 5, 6, 7, 8], "{}", stderr(&shown));
    let text = stdout(&shown);
    let place = text.lines().position(|line| line.contains("a container speaks"));
    assert_eq!(place, Some(3), "{text}");
}

#[test]
fn what_the_environment_forbids_ends_it_and_is_said_once() {
    let refuse = |connection: &mut Connection, ask: &Value, code: &str| {
        let error = json!({
            "type": "error", "id": ask["id"], "workstream": "w", "code": code, "message": "not yours",
        });
        connection.send(&error.to_string());
    };
    for (code, at_once) in [("forbidden", true), ("badRequest", true), ("forbidden", false)] {
        let gateway = FakeGateway::start(move |number, connection| {
            while let Some(ask) = connection.next() {
                if at_once || number > 1 {
                    refuse(connection, &ask, code);
                    continue;
                }
                connection.send(&logs(&ask, &[line(1, BEGUN)]));
                connection.send(&runs(1, "running"));
                connection.send(&caught_up(&ask, true, None));
                // Later, with another token.
                return;
            }
        });
        let refused = read(&gateway, &["--json", "-f"]);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{code}: {said}");
        assert_eq!(said.matches("not yours").count(), 1, "{code}: {said}");
        assert!(said.contains("error: the lines cannot be read: not yours"), "{code}: {said}");
        assert_eq!(stdout(&refused).lines().count(), usize::from(!at_once), "{code}");
    }
}
