//! What is written is shown, through a gateway that does its worst; and a delivery that fails for
//! good lands in the queue.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use ralph_protocol::{
    event::timestamp_text,
    reassembly::{Client, Input, Options, Output},
};
use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, cloud},
    gateway::{DOWN, FAULTY},
    requests::{aws, create_stream, now_ms, put},
    socket::Socket,
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
/// How long everything may take to come right after trouble.
const PATIENCE: Duration = Duration::from_secs(150);

fn event(workstream: &str, seq: u64) -> (u64, String) {
    let now = now_ms();
    let text =
        format!("{}needle-{seq}", "x".repeat(usize::try_from(seq * 97 % 700).expect("small")));
    let mut event = json!({
        "v": 1, "ts": timestamp_text(now), "workstream": workstream, "run": RUN, "seq": seq,
        "iter": 0, "level": "info", "type": "log", "text": text,
    });
    if seq == LINES {
        event["type"] = "run.end".into();
        event["reason"] = "complete".into();
        event["exit"] = 0.into();
    }
    (now, event.to_string())
}

const LINES: u64 = 400;
const BATCH: u64 = 10;

/// A viewer by the rules, which connects again when its connection is said to be gone.
struct Viewer<'a> {
    cloud: &'a Cloud,
    workstream: &'a str,
    client: Client,
    shown: BTreeMap<u64, usize>,
    lost: u64,
    reconnects: usize,
}

impl Viewer<'_> {
    fn handle(&mut self, socket: &mut Socket, input: Input) {
        for output in self.client.handle(now_ms(), input) {
            match output {
                Output::Send(message) => {
                    socket.send(&serde_json::to_string(&message).expect("JSON"));
                }
                Output::Show(line) => *self.shown.entry(line.seq).or_default() += 1,
                Output::Lost { from, to, .. } => self.lost += to - from + 1,
                Output::ShowRaw(_) | Output::CaughtUp | Output::Refused { .. } => {}
            }
        }
    }

    /// What is missing, for a failure's message.
    fn stands(&self) -> String {
        let missing: Vec<u64> = (1..=LINES).filter(|seq| !self.shown.contains_key(seq)).collect();
        format!(
            "{} of {LINES} shown, caught up: {}, reconnects: {}, faults: {:?}, missing: {missing:?}",
            self.shown.len(),
            self.client.is_caught_up(),
            self.reconnects,
            self.cloud.gateway().met()
        )
    }

    /// Watches until all is shown; says when it has caught up for the first time.
    fn watch(&mut self, ready: &mpsc::Sender<()>) {
        let begun = Instant::now();
        let mut gone = self.cloud.gateway().gone();
        let mut socket = Socket::connect(self.cloud, &[self.workstream]);
        self.handle(&mut socket, Input::Connected);
        while !(self.shown.len() as u64 == LINES && self.client.is_caught_up()) {
            assert!(begun.elapsed() < PATIENCE, "{}", self.stands());
            match socket.next_within(Duration::from_millis(50)) {
                Some(frame) => self.handle(&mut socket, Input::frame(&frame)),
                None => self.handle(&mut socket, Input::Tick),
            }
            if self.shown.is_empty() && self.client.is_caught_up() {
                // Once is enough: the writer may have read it and be gone.
                ready.send(()).ok();
            }
            // The server reports a connection as gone only if it is: it ends here, without a word.
            if self.cloud.gateway().gone() > gone {
                self.client.handle(now_ms(), Input::Disconnected);
                gone = self.cloud.gateway().gone();
                socket = Socket::connect(self.cloud, &[self.workstream]);
                self.reconnects += 1;
                self.handle(&mut socket, Input::Connected);
            }
        }
    }
}

#[test]
fn through_a_faulty_gateway_nothing_is_lost_or_duplicated() {
    let workstream = format!("{FAULTY}{}", now_ms());
    let stream = format!("worker/worker/{workstream}");
    create_stream(&stream);
    let mut viewer = Viewer {
        cloud: cloud(),
        workstream: &workstream,
        client: Client::new(Options::new(workstream.parse().expect("an id"))),
        shown: BTreeMap::new(),
        lost: 0,
        reconnects: 0,
    };
    std::thread::scope(|scope| {
        let (ready, caught_up) = mpsc::channel();
        let (stream, workstream) = (&stream, &workstream);
        scope.spawn(move || {
            caught_up.recv().expect("the viewer lives");
            cloud().gateway().arm();
            for first in (1..=LINES).step_by(usize::try_from(BATCH).expect("small")) {
                let lines: Vec<_> =
                    (first..first + BATCH).map(|seq| event(workstream, seq)).collect();
                put(stream, &lines);
            }
        });
        viewer.watch(&ready);
    });
    let met = cloud().gateway().met();
    let duplicated = viewer.shown.values().filter(|times| **times > 1).count();
    println!(
        "emitted={LINES} received={} lost={} duplicated={duplicated} redelivered={} reconnects={} \
         faults={met:?}",
        viewer.shown.len(),
        viewer.lost,
        viewer.client.redelivered(),
        viewer.reconnects
    );
    assert_eq!((viewer.lost, duplicated), (0, 0));
    assert!(met.values().sum::<usize>() >= 10, "the gateway did its worst: {met:?}");
    let log = std::fs::read_to_string(cloud().scratch().join("cloud.log")).expect("a log");
    assert!(!log.contains("needle-"), "no function logs what lines hold");
}

fn payload(stream: &str, lines: &[(u64, String)]) -> Value {
    use base64::Engine;
    let events: Vec<_> = lines
        .iter()
        .map(|(timestamp, message)| json!({"id": "1", "timestamp": timestamp, "message": message}))
        .collect();
    let inner = json!({
        "messageType": "DATA_MESSAGE", "owner": "000000000000",
        "logGroup": cloud().output("log_group"), "logStream": stream,
        "subscriptionFilters": ["ralph-dev"], "logEvents": events,
    });
    // Deflate's stored blocks are enough: gzip without a compressor.
    let data = base64::engine::general_purpose::STANDARD.encode(gzip(inner.to_string().as_bytes()));
    json!({"awslogs": {"data": data}})
}

/// `gzip` from standard input to standard output.
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip starts");
    child.stdin.take().expect("a pipe").write_all(text).expect("written");
    child.wait_with_output().expect("gzip ends").stdout
}

#[test]
fn a_delivery_that_fails_for_good_lands_in_the_queue_with_its_stream_and_times() {
    let workstream = format!("{DOWN}{}", now_ms());
    let stream = format!("worker/worker/{workstream}");
    // A viewer, so that there is somebody to post to; no frame ever reaches it.
    let mut socket = Socket::connect(cloud(), &[&workstream]);
    socket.send(&json!({"action": "sendLogs", "workstream": workstream}).to_string());
    let lines = [event(&workstream, 1), event(&workstream, 2)];
    let begun = Instant::now();
    let message = loop {
        // The subscription is written before the first (failing) post, at some moment soon.
        aws(
            "lambda",
            "/2015-03-31/functions/ralph-dev-push-logs/invocations",
            &["x-amz-invocation-type: Event", "content-type: application/json"],
            &payload(&stream, &lines),
        );
        if let Some(message) = failure(&stream, Duration::from_secs(15)) {
            break message;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing in the queue");
    };
    let error = message["responsePayload"]["errorMessage"].as_str().unwrap_or_default();
    let expected = format!(
        "stream {stream}, lines of {} to {}: none of 1 connections could be posted to",
        timestamp_text(lines[0].0),
        timestamp_text(lines[1].0)
    );
    assert_eq!(error, expected, "{message}");
    assert_eq!(message["requestContext"]["approximateInvokeCount"], 3, "two retries");
    assert!(message["requestPayload"]["awslogs"]["data"].is_string(), "the lines themselves");
}

/// The message in the failure queue that names a stream.
fn failure(stream: &str, patience: Duration) -> Option<Value> {
    let sqs = |action: &str, body: &Value| {
        let target = format!("x-amz-target: AmazonSQS.{action}");
        aws("sqs", "/", &[&target, "content-type: application/x-amz-json-1.0"], body)
    };
    let url = sqs("GetQueueUrl", &json!({"QueueName": "ralph-dev-failures"}));
    let url = url["QueueUrl"].as_str().expect("a queue").to_owned();
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let wait = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2});
        let answer = sqs("ReceiveMessage", &wait);
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let bodies = messages
            .iter()
            .filter_map(|message| serde_json::from_str::<Value>(message["Body"].as_str()?).ok());
        let mut of = bodies.filter(|body| body.to_string().contains(stream));
        if let Some(body) = of.next() {
            return Some(body);
        }
    }
    None
}
