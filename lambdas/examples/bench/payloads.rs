//! Decoding a payload, grouping its lines and packing them into frames.

use std::{fs, hint::black_box, io::Write, time::Instant};

use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use ralph_lambdas::{
    frame::Packer,
    line::{Line, encode_event, encode_raw},
    payload::{Delivery, MAX_INFLATED, inflate},
    ports::StreamOwner,
};
use ralph_protocol::message::Source;
use serde_json::json;

use super::lines::{BEGIN, RUN, STREAM, event};

/// Writes a payload of `events` lines.
pub fn make(file: &str, events: usize) {
    let events: Vec<_> = (1..=events as u64)
        .map(|seq| {
            json!({"id": format!("{seq:056}"), "timestamp": BEGIN + seq, "message": event(seq, 0)})
        })
        .collect();
    let inner = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/ralph/workstreams",
        "logStream": STREAM, "subscriptionFilters": ["ralph-dev"], "logEvents": events,
    });
    fs::write(file, wrap(&inner)).expect("written");
}

/// The event around a batch.
pub fn wrap(inner: &serde_json::Value) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(inner.to_string().as_bytes()).expect("memory");
    let data = base64::engine::general_purpose::STANDARD.encode(gzip.finish().expect("memory"));
    json!({"awslogs": {"data": data}}).to_string()
}

/// What push-logs does between the event and the first post.
pub fn frames(payload: &str) -> Vec<Vec<u8>> {
    let text = inflate(payload, MAX_INFLATED).expect("a payload");
    let Ok(Delivery::Data(batch)) = Delivery::parse(text) else { panic!("no lines") };
    let owner = StreamOwner {
        workstream: "docs".parse().expect("an id"),
        run: RUN.parse().expect("a run"),
    };
    let mut packer = Packer::new(&owner.workstream, Source::Live, None);
    for entry in &batch.entries {
        match Line::parse(&entry.message, &owner) {
            Line::Event(event) => packer.push(&encode_event(&entry.message, &event)),
            Line::Raw => {
                for part in encode_raw(&entry.message, STREAM, &owner.run, BEGIN) {
                    packer.push(&part);
                }
            }
            Line::Foreign => {}
        }
    }
    packer.take_all()
}

pub fn decode(file: &str, repeats: usize) {
    let payload = fs::read_to_string(file).expect("a payload");
    repeat(repeats, || {
        black_box(frames(black_box(&payload)));
    });
}

pub fn events_crate(file: &str, repeats: usize) {
    let payload = fs::read_to_string(file).expect("a payload");
    repeat(repeats, || {
        let event: aws_lambda_events::cloudwatch_logs::LogsEvent =
            serde_json::from_str(black_box(&payload)).expect("a payload");
        black_box(event.aws_logs.data.log_events.len());
    });
}

fn repeat(times: usize, mut work: impl FnMut()) {
    for _ in 0..times {
        let begun = Instant::now();
        work();
        println!("{:.6}", begun.elapsed().as_secs_f64() * 1e3);
    }
}
