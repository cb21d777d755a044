//! Plays `protocol/scenarios/*.json` against the Rust rules. The format is in the README there; the
//! TypeScript client plays the same files.

use std::{collections::BTreeMap, fs, path::Path};

use ralph_protocol::{
    event::timestamp_text,
    ids::Run,
    message::ClientMessage,
    reassembly::{Client, Input, Options, Output},
};
use serde_json::{Map, Value, json};

const START: i64 = 1_800_000_000_000;

fn run_id(letter: &str) -> String {
    format!("01M0000000000000000000000{letter}-0001")
}

fn letter(run: &Run) -> String {
    run.as_str()[25..26].to_owned()
}

fn absolute(relative: &Value) -> Value {
    json!(START + relative.as_i64().expect("a time"))
}

/// `"A 1-3 5 run.end"` as events.
fn events(text: &str, ts: i64) -> Vec<Value> {
    let mut words = text.split_whitespace();
    let run = run_id(words.next().expect("a run"));
    let (mut numbers, mut kind) = (Vec::new(), "log");
    for word in words {
        match numbers_of(word) {
            Some(more) => numbers.extend(more),
            None => kind = word,
        }
    }
    let ts = timestamp_text(u64::try_from(START + ts).expect("after 1970"));
    let event = |seq: u64| {
        let mut event =
            json!({"v": 1, "ts": ts, "workstream": "w", "run": run, "seq": seq, "type": kind});
        if kind == "run.end" {
            event["reason"] = json!("complete");
            event["exit"] = json!(0);
        }
        event
    };
    numbers.into_iter().map(event).collect()
}

fn numbers_of(word: &str) -> Option<Vec<u64>> {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    Some((from.parse().ok()?..=to.parse().ok()?).collect())
}

/// A message as scenarios write it, as a frame.
fn frame(short: &Value, at: i64) -> String {
    let mut message = short.as_object().expect("a message").clone();
    message.entry("workstream").or_insert_with(|| json!("w"));
    let ts = message.remove("ts").map_or(at, |ts| ts.as_i64().expect("a time"));
    if let Some(list) = message.get_mut("events") {
        let full = match &*list {
            Value::String(text) => events(text, ts),
            other => other.as_array().expect("raw lines").iter().map(raw_line).collect(),
        };
        *list = Value::Array(full);
    }
    if let Some(run) = message.get("run").and_then(Value::as_str).map(run_id) {
        message.insert("run".into(), json!(run));
    }
    if let Some(runs) = message.get_mut("runs").and_then(Value::as_array_mut) {
        for info in runs {
            let mut full = json!({"attempt": 1, "startedAt": 0, "lastSeq": 0, "lastTs": 0, "state": "running"});
            for (key, value) in info.as_object().expect("a run") {
                full[key] = value.clone();
            }
            full["run"] = json!(run_id(full["run"].as_str().expect("a letter")));
            for time in ["startedAt", "lastTs"] {
                full[time] = absolute(&full[time]);
            }
            *info = full;
        }
    }
    if let Some(read_to) = message.get_mut("readTo") {
        read_to["run"] = json!(run_id(read_to["run"].as_str().expect("a letter")));
        read_to["ts"] = absolute(&read_to["ts"]);
    }
    // What cannot be written as a value goes in as text.
    let field = message.remove("field");
    let text = Value::Object(message).to_string();
    match field.as_ref().and_then(Value::as_str) {
        None => text,
        Some("lone surrogate") => text.replace("\"v\":1", r#""v":1,"text":"\ud800""#),
        Some("deep") => {
            let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
            text.replace("\"v\":1", &format!("\"v\":1,\"deep\":{deep}"))
        }
        Some(other) => panic!("unknown field {other}"),
    }
}

/// A raw line; what has no run or no time stays as it is.
fn raw_line(short: &Value) -> Value {
    let mut full = short.clone();
    if short["run"].is_null() || short["ts"].is_null() {
        return full;
    }
    full["run"] = json!(run_id(short["run"].as_str().expect("a letter")));
    full["ts"] = absolute(&short["ts"]);
    full
}

#[derive(Default)]
struct Seen {
    shown: BTreeMap<String, Vec<u64>>,
    raw: Vec<String>,
    sent: Vec<Value>,
    pings: u64,
    refused: bool,
}

impl Seen {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Show(line) => {
                    self.shown.entry(letter(&line.run)).or_default().push(line.seq)
                }
                Output::ShowRaw(raw) => self.raw.push(raw.text),
                Output::Send(ClientMessage::Ping {}) => self.pings += 1,
                Output::Send(ClientMessage::SendLogs(ask)) => {
                    self.sent.push(serde_json::to_value(ask).expect("JSON"));
                }
                Output::Send(ClientMessage::ListWorkstreams(_)) => {
                    panic!("who follows a workstream asks for no list")
                }
                Output::Refused { .. } => self.refused = true,
                Output::Lost { .. } | Output::CaughtUp => {}
            }
        }
    }
}

fn expect(client: &Client, seen: &mut Seen, expected: &Map<String, Value>, place: &str) {
    for (key, value) in expected {
        match key.as_str() {
            "shown" => {
                let wanted: BTreeMap<String, Vec<u64>> = value
                    .as_object()
                    .expect("by run")
                    .iter()
                    .map(|(run, text)| {
                        let text = text.as_str().expect("numbers");
                        (
                            run.clone(),
                            text.split_whitespace().filter_map(numbers_of).flatten().collect(),
                        )
                    })
                    .collect();
                assert_eq!(seen.shown, wanted, "{place}: shown");
            }
            "raw" => assert_eq!(json!(seen.raw), *value, "{place}: raw"),
            "pings" => assert_eq!(json!(seen.pings), *value, "{place}: pings"),
            "refused" => assert_eq!(json!(seen.refused), *value, "{place}: refused"),
            "replaying" => assert_eq!(json!(client.is_replaying()), *value, "{place}: replaying"),
            "loadingOlder" => {
                assert_eq!(json!(client.is_loading_older()), *value, "{place}: loadingOlder")
            }
            "redelivered" => {
                assert_eq!(json!(client.redelivered()), *value, "{place}: redelivered")
            }
            "pending" | "lost" => {
                for run in ["A", "B", "C", "D"] {
                    let id: Run = run_id(run).parse().expect("a run");
                    let count = if key == "lost" { client.lost(&id) } else { client.pending(&id) };
                    assert_eq!(count, value[run].as_u64().unwrap_or(0), "{place}: {key} of {run}");
                }
            }
            "sent" => {
                let sent = std::mem::take(&mut seen.sent);
                let wanted = value.as_array().expect("requests");
                assert_eq!(sent.len(), wanted.len(), "{place}: sent {sent:?}");
                for (ours, theirs) in sent.iter().zip(wanted) {
                    compare(ours, theirs, place);
                }
            }
            other => panic!("{place}: unknown expectation {other}"),
        }
    }
}

/// Compares a request in the keys that are given.
fn compare(ours: &Value, theirs: &Value, place: &str) {
    for (key, value) in theirs.as_object().expect("a request") {
        match key.as_str() {
            "ranges" => {
                let ours = ours["ranges"]
                    .as_array()
                    .unwrap_or_else(|| panic!("{place}: no ranges in {ours}"));
                let theirs = value.as_array().expect("ranges");
                assert_eq!(ours.len(), theirs.len(), "{place}: {ours:?}");
                for (ours, theirs) in ours.iter().zip(theirs) {
                    for (key, value) in theirs.as_object().expect("a range") {
                        let wanted = match key.as_str() {
                            "run" => json!(run_id(value.as_str().expect("a letter"))),
                            "ts" if *value == json!("start") => json!(0),
                            "ts" | "after" => absolute(value),
                            _ => value.clone(),
                        };
                        assert_eq!(ours[key], wanted, "{place}: {key} of {ours}");
                    }
                }
            }
            "run" => {
                assert_eq!(ours["run"], json!(run_id(value.as_str().expect("a letter"))), "{place}")
            }
            _ => assert_eq!(ours[key], *value, "{place}: {key} of {ours}"),
        }
    }
}

fn play(name: &str, scenario: &Value) {
    let mut client = Client::new(Options::new("w".parse().expect("an id")));
    let mut seen = Seen::default();
    for step in scenario["steps"].as_array().expect("steps") {
        let at = step["at"].as_i64().expect("a time");
        let place = format!("{name} at {at} ({})", scenario["about"].as_str().unwrap_or_default());
        let now = u64::try_from(START + at).expect("after 1970");
        while let Some(due) = client.next_tick().filter(|&due| due <= now) {
            let outputs = client.handle(due, Input::Tick);
            seen.take(outputs);
            assert_ne!(client.next_tick(), Some(due), "{place}: the clock stands still");
        }
        if let Some(input) = step.get("in") {
            let input = match input.as_str() {
                Some("connected") => Input::Connected,
                Some("disconnected") => Input::Disconnected,
                Some("unreadable") => Input::Unreadable,
                Some(other) => panic!("{place}: unknown input {other}"),
                None => Input::frame(&frame(input, at)),
            };
            let outputs = client.handle(now, input);
            seen.take(outputs);
        }
        if let Some(evict) = step.get("evict") {
            let run = run_id(evict["run"].as_str().expect("a letter")).parse().expect("a run");
            client.evict(&run, evict["seq"].as_u64().expect("a number"));
        }
        if let Some(count) = step.get("older") {
            let outputs = client.older(now, count.as_u64().expect("a number") as usize);
            seen.take(outputs);
        }
        if let Some(expected) = step.get("expect") {
            expect(&client, &mut seen, expected.as_object().expect("expectations"), &place);
        }
    }
}

#[test]
fn the_rust_rules_follow_every_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("scenarios")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut failed = Vec::new();
    let mut played = 0;
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scenario: Value =
            serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
        played += 1;
        if std::panic::catch_unwind(|| play(&name, &scenario)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} of {played} failed: {}", failed.len(), failed.join(", "));
    assert!(played > 20, "only {played} scenarios were found");
}
