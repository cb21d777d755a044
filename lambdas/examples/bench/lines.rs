//! Lines as a worker writes them.

use ralph_protocol::event::{kind, timestamp_text};
use serde_json::json;

pub const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
pub const STREAM: &str = "worker/worker/0123456789abcdef0123456789abcdef";
pub const BEGIN: u64 = 1_700_000_000_000;

const WORDS: [&str; 16] = [
    "reads",
    "the",
    "file",
    "src/main.rs",
    "and",
    "finds",
    "error[E0308]:",
    "mismatched",
    "types",
    "in",
    "function",
    "`handle`",
    "\u{1b}[32mok\u{1b}[0m",
    "→",
    "\"quoted\"",
    "12ms",
];

/// An event with some 240 bytes, or `more` bytes of text.
pub fn event(seq: u64, more: usize) -> String {
    let mut text = String::new();
    let mut n = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    while text.len() < more.max(70) {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(n >> 60) as usize]);
        text.push_str(&format!(" {:x} ", n >> 52));
    }
    json!({
        "v": 1, "ts": timestamp_text(BEGIN + seq), "workstream": "docs", "run": RUN, "seq": seq,
        "iter": 3, "level": "info", "type": kind::AGENT_TOOL_RESULT, "text": text,
    })
    .to_string()
}
