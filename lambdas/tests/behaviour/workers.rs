//! Lines as workers write them, and payloads as CloudWatch Logs delivers them.

use std::io::Write;

use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use ralph_protocol::event::timestamp_text;
use serde_json::{Value, json};

use crate::memory::START;

pub const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
pub const NEXT_RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002";
pub const STREAM: &str = "worker/worker/0123456789abcdef";

/// An event of run `run` in workstream `w`; its time is `seq` ms after [`START`].
pub fn event_of(workstream: &str, run: &str, seq: u64, more: Value) -> String {
    let mut event = json!({
        "v": 1, "ts": timestamp_text(START + seq), "workstream": workstream, "run": run,
        "seq": seq, "iter": 0, "level": "info", "type": "log", "text": format!("line {seq}"),
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event.to_string()
}

pub fn event(seq: u64) -> String {
    event_of("w", RUN, seq, json!({}))
}

/// A payload of `lines`, each with its timestamp.
pub fn payload(stream: &str, lines: &[(u64, String)]) -> String {
    let events: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(i, (timestamp, message))| {
            json!({"id": format!("{i:056}"), "timestamp": timestamp, "message": message})
        })
        .collect();
    wrap(&json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/ralph/workstreams",
        "logStream": stream, "subscriptionFilters": ["ralph-dev"], "logEvents": events,
        "policyLevel": "ACCOUNT_LEVEL_POLICY",
    }))
}

pub fn wrap(inner: &Value) -> String {
    wrap_bytes(inner.to_string().as_bytes())
}

pub fn wrap_bytes(inner: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(inner).unwrap();
    let data = base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap());
    json!({"awslogs": {"data": data}}).to_string()
}

/// A payload of events `seqs` of [`RUN`] in `w`.
pub fn events(seqs: impl IntoIterator<Item = u64>) -> String {
    let lines: Vec<_> = seqs.into_iter().map(|seq| (START + seq, event(seq))).collect();
    payload(STREAM, &lines)
}
