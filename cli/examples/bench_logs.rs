//! Measures `ralph logs` against awslogs, both reading the same events from one local server and
//! formatting them for people, and prints rows of JSON, one a line:
//! `{name, unit, ours, peer, peerName, ratio, goal, met}`.
//!
//! `cargo run --release -p ralph-cli --example bench_logs -- RALPH AWSLOGS`: the two programs. The server
//! plays the WebSocket for the first and CloudWatch Logs' FilterLogEvents for the second; what it
//! sends is made in advance, so neither waits for it.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Instant,
};

use ralph_protocol::event::kind;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

const LINES: usize = 100_000;
/// The most that a range request, and a page of FilterLogEvents, holds.
const PAGE: usize = 10_000;
const FRAME: usize = 32_000;
const RUN: &str = "01HF7YAT00000000000000000A-0001";
/// 2023-11-14T22:13:20Z, when the run began.
const START: u64 = 1_700_000_000_000;
const ROUNDS: usize = 3;

/// What the server sends, by page.
struct Feed {
    /// Frames of `logs`, by page.
    frames: Vec<Vec<String>>,
    /// Answers of FilterLogEvents.
    pages: Vec<String>,
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let ralph = arguments.next().expect("the path of ralph");
    let awslogs = arguments.next().expect("the path of awslogs");
    let feed = Arc::new(feed());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let feed = Arc::clone(&feed);
            thread::spawn(move || serve(stream, &feed));
        }
    });
    let scratch = tempfile::tempdir().expect("a folder");
    describe_cloud(scratch.path(), port);

    let mut own = Command::new(ralph);
    own.args(["logs", "bench", "--run", RUN, "--scratch"]).arg(scratch.path());
    let ours = fastest(&mut own, scratch.path(), LINES + 1);
    let mut peer = Command::new(awslogs);
    peer.args(["get", "/ralph/workstreams", "ALL", "--start", "2023-11-14", "--timestamp"])
        .args(["--no-color", "--aws-region", "us-east-1"])
        .args(["--aws-endpoint-url", &format!("http://127.0.0.1:{port}")])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let theirs = fastest(&mut peer, scratch.path(), LINES);
    let row = json!({
        "name": "ralph logs, 100,000 events to a file", "unit": "lines/s",
        "ours": ours.round(), "peer": theirs.round(), "peerName": "awslogs 0.15.0",
        "ratio": (ours / theirs * 10.0).round() / 10.0, "goal": 5.0, "met": ours >= theirs * 5.0,
    });
    println!("{row}");
}

/// Lines a second of the fastest round, with every line counted.
fn fastest(command: &mut Command, folder: &Path, lines: usize) -> f64 {
    let file = folder.join("out");
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        let out = File::create(&file).expect("a file");
        let status = command.stdin(Stdio::null()).stdout(out).status().expect("it starts");
        let secs = start.elapsed().as_secs_f64();
        assert!(status.success(), "{command:?} failed");
        let written = BufReader::new(File::open(&file).expect("a file")).lines().count();
        assert_eq!(written, lines, "{command:?} did not show every line");
        lines as f64 / secs
    });
    rounds.fold(0.0, f64::max)
}

/// What `ralph` takes for a local cloud.
fn describe_cloud(scratch: &Path, port: u16) {
    let description = json!({
        "environment": "dev", "endpoint": format!("http://127.0.0.1:{port}"), "viewer": null,
        "key": {"id": "bench", "secret": "bench"},
        "outputs": {
            "state_machine_arn": "arn:aws:states:us-east-1:000000000000:stateMachine:bench",
            "websocket_api_id": "api", "websocket_stage": "dev",
            "secret_arns": {"websocket-signing-keys": "arn"},
        },
    });
    std::fs::write(scratch.join("cloud.json"), description.to_string()).expect("written");
}

fn event(seq: usize) -> String {
    let ms = START + seq as u64;
    let (minutes, rest) = (ms / 60_000 % 60, ms % 60_000);
    let kind = [kind::AGENT_TEXT, kind::AGENT_TOOL_RESULT, kind::AGENT_STDERR, kind::LOG][seq % 4];
    format!(
        r#"{{"v":1,"ts":"2023-11-14T22:{minutes:02}:{:02}.{:03}Z","workstream":"bench","run":"{RUN}","seq":{seq},"iter":{},"level":"info","type":"{kind}","id":"toolu_{seq}","isError":false,"text":"line {seq}: reading src/module_{}.rs and running cargo test -p ralph-protocol, 37 passed, 0 failed"}}"#,
        rest / 1_000,
        rest % 1_000,
        seq / 1_000,
        seq % 97,
    )
}

fn feed() -> Feed {
    let events: Vec<String> = (1..=LINES).map(event).collect();
    let (mut frames, mut pages) = (Vec::new(), Vec::new());
    for (number, page) in events.chunks(PAGE).enumerate() {
        frames.push(pack(page));
        let listed: Vec<Value> = page
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let seq = number * PAGE + index + 1;
                json!({
                    "eventId": format!("{seq:056}"), "ingestionTime": START + seq as u64,
                    "logStreamName": "worker/worker/task", "message": text,
                    "timestamp": START + seq as u64,
                })
            })
            .collect();
        let mut answer = json!({ "events": listed, "searchedLogStreams": [] });
        if (number + 1) * PAGE < LINES {
            answer["nextToken"] = json!((number + 1).to_string());
        }
        pages.push(answer.to_string());
    }
    Feed { frames, pages }
}

/// `logs` frames without their id: `@` stands for it.
fn pack(events: &[String]) -> Vec<String> {
    const HEAD: &str =
        r#"{"type":"logs","id":"@","workstream":"bench","source":"replay","events":["#;
    let mut frames = vec![HEAD.to_owned()];
    for event in events {
        let frame = frames.last_mut().expect("there is one");
        if frame.len() + event.len() + 3 > FRAME {
            frame.push_str("]}");
            frames.push(HEAD.to_owned());
        }
        let frame = frames.last_mut().expect("there is one");
        let comma = if frame.len() > HEAD.len() { "," } else { "" };
        let _ = write!(frame, "{comma}{event}");
    }
    frames.last_mut().expect("there is one").push_str("]}");
    frames
}

fn serve(stream: TcpStream, feed: &Feed) {
    let mut start = [0u8; 4];
    while stream.peek(&mut start).is_ok_and(|read| read > 0 && read < start.len()) {}
    if start.starts_with(b"GET ") {
        websocket(stream, feed);
    } else {
        http(stream, feed);
    }
}

fn websocket(stream: TcpStream, feed: &Feed) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let ask: Value = serde_json::from_str(&text).expect("JSON");
        let id = ask["id"].as_str().unwrap_or_default();
        let from = ask["ranges"][0]["from"].as_u64().expect("a range") as usize - 1;
        assert_eq!(from % PAGE, 0, "asked for page by page");
        for frame in &feed.frames[from / PAGE] {
            let frame = frame.replacen('@', id, 1);
            if socket.write(Message::text(frame)).is_err() {
                return;
            }
        }
        let end = json!({
            "type": "caughtUp", "id": id, "workstream": "bench", "complete": from + PAGE >= LINES,
            "cursor": null,
        });
        if socket.send(Message::text(end.to_string())).is_err() {
            return;
        }
    }
}

/// Two calls of AWS's JSON protocol, over a connection that is kept.
fn http(stream: TcpStream, feed: &Feed) {
    let mut out = stream.try_clone().expect("a socket");
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut target, mut line) = (0, String::new(), String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim().split_once(':') else {
                if line.trim().is_empty() { break } else { continue }
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().expect("a number"),
                "x-amz-target" => value.trim().clone_into(&mut target),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let ask: Value = serde_json::from_slice(&body).unwrap_or_default();
        let secret = json!({"current": {"kid": "k", "secret": "x".repeat(32)}, "previous": null});
        let answer = match target.rsplit('.').next() {
            Some("GetSecretValue") => json!({"SecretString": secret.to_string()}).to_string(),
            Some("FilterLogEvents") => {
                let page = ask["nextToken"].as_str().map_or(0, |t| t.parse().expect("ours"));
                feed.pages[page].clone()
            }
            other => panic!("nothing answers {other:?}"),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}
