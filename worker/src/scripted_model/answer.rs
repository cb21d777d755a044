//! An answer as the service sends it.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use serde_json::{Value, json};

use crate::scenario::Answer;

/// Numbers that ids are made of.
static NEXT: AtomicU32 = AtomicU32::new(1);

fn id(kind: &str) -> String {
    format!("{kind}_scripted{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn usage(answer: &Answer) -> Value {
    let mut usage = json!({
        "input_tokens": 0, "output_tokens": 0,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    });
    for (name, value) in &answer.usage {
        usage[name] = value.clone();
    }
    usage
}

fn blocks(answer: &Answer) -> Vec<Value> {
    // An empty text is not a block.
    let text = (!answer.text.is_empty()).then(|| json!({"type": "text", "text": answer.text}));
    let call = |tool: &crate::scenario::Tool| {
        let (name, input) = (&tool.name, &tool.input);
        json!({"type": "tool_use", "id": id("toolu"), "name": name, "input": input})
    };
    text.into_iter().chain(answer.tools.iter().map(call)).collect()
}

fn stop_reason(answer: &Answer) -> &'static str {
    if answer.tools.is_empty() { "end_turn" } else { "tool_use" }
}

/// The whole message, for a request that wants no stream.
pub fn message(answer: &Answer, model: &str) -> Value {
    json!({
        "id": id("msg"), "type": "message", "role": "assistant", "model": model,
        "content": blocks(answer), "stop_reason": stop_reason(answer), "stop_sequence": null,
        "usage": usage(answer),
    })
}

/// The events of a stream.
pub fn events(answer: &Answer, model: &str) -> Vec<String> {
    let mut begin = message(answer, model);
    begin["content"] = json!([]);
    begin["stop_reason"] = Value::Null;
    let output = begin["usage"]["output_tokens"].as_u64().unwrap_or(0);
    begin["usage"]["output_tokens"] = output.min(1).into();
    let mut events = vec![json!({"type": "message_start", "message": begin})];
    for (index, mut block) in blocks(answer).into_iter().enumerate() {
        let delta = if block["type"] == "text" {
            json!({"type": "text_delta", "text": std::mem::replace(&mut block["text"], "".into())})
        } else {
            let input = std::mem::replace(&mut block["input"], json!({}));
            json!({"type": "input_json_delta", "partial_json": input.to_string()})
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": usage(answer)}));
    events.push(json!({"type": "message_stop"}));
    let line = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    events.iter().map(line).collect()
}

/// A body: its frames, one after the other.
pub struct Frames {
    left: VecDeque<Bytes>,
    /// It does not end but breaks.
    cut: bool,
    /// What came before has been sent.
    flushed: bool,
}

impl Frames {
    /// All at once.
    pub fn whole(text: String) -> Self {
        Self { left: VecDeque::from([text.into()]), cut: false, flushed: false }
    }

    /// Event by event; a stream that is cut lacks its last three.
    pub fn stream(mut events: Vec<String>, cut: bool) -> Self {
        if cut {
            events.truncate(events.len().saturating_sub(3));
        }
        Self { left: events.into_iter().map(Bytes::from).collect(), cut, flushed: false }
    }

    /// What it will say.
    pub fn text(&self) -> String {
        self.left.iter().map(|frame| String::from_utf8_lossy(frame)).collect()
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.cut && self.left.is_empty() && !self.flushed {
            // The server sends what it has before it asks again.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.left.pop_front() {
            Some(frame) => Some(Ok(Frame::data(frame))),
            None if self.cut => Some(Err(io::Error::other("cut off"))),
            None => None,
        })
    }
}
