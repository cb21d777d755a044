//! Reads the tokens out of a response while it streams through, server-sent events or plain JSON.

use ralph_protocol::event::Tokens;
use serde_json::Value;

use super::price::Used;
use crate::agent::stream::tokens;

/// Longest line of a response that is looked at. The events that carry usage are short; what is
/// longer carries text.
const MAX_LINE: usize = 64 << 10;

/// Longest plain JSON answer that is looked at.
const MAX_BODY: usize = 8 << 20;

/// Adds up one response.
#[derive(Debug, Default)]
pub struct Meter {
    events: bool,
    line: Vec<u8>,
    /// The rest of this line is too long to matter, or the answer too long to be read.
    skipping: bool,
    model: String,
    used: Tokens,
    short_writes: u64,
    /// Tokens of output that were seen passing, roughly.
    streamed: u64,
}

/// What an event that carries text has around it.
const FRAME: usize = 85;

impl Meter {
    /// For a response of this content type.
    #[must_use]
    pub fn new(content_type: &str) -> Self {
        Self { events: content_type.starts_with("text/event-stream"), ..Self::default() }
    }

    /// Takes bytes as they pass.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.events {
            self.skipping |= self.line.len() + bytes.len() > MAX_BODY;
            if !self.skipping {
                self.line.extend_from_slice(bytes);
            }
            return;
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > MAX_LINE {
                self.skipping = true;
                self.line.clear();
            }
            if !self.skipping {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                if !self.skipping {
                    self.event();
                }
                self.line.clear();
                self.skipping = false;
            }
        }
    }

    fn event(&mut self) {
        let Some(data) = self.line.strip_prefix(b"data:") else { return };
        if data.windows(20).take(16).any(|window| window == b"\"content_block_delta") {
            // At least a token an event, and one for four characters.
            self.streamed += (data.len().saturating_sub(FRAME) as u64 / 4).max(1);
            return;
        }
        // Most events carry text; only two kinds carry usage.
        if !data.windows(7).any(|window| window == b"\"usage\"") {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
        self.take(&value);
    }

    /// Usage is cumulative: what comes later replaces, field by field, what came before. It sits
    /// in `message` of `message_start` and beside `delta` of `message_delta`.
    fn take(&mut self, value: &Value) {
        let message = value.get("message").unwrap_or(value);
        if let Some(model) = message.get("model").and_then(Value::as_str) {
            model.clone_into(&mut self.model);
        }
        let Some(usage) = message.get("usage").or_else(|| value.get("usage")) else { return };
        let now = tokens(usage);
        let short = usage.pointer("/cache_creation/ephemeral_5m_input_tokens");
        self.short_writes = self.short_writes.max(short.and_then(Value::as_u64).unwrap_or(0));
        if value.get("message").is_none() {
            // The service's own count has come.
            self.streamed = 0;
        }
        self.used = Tokens {
            input: self.used.input.max(now.input),
            output: self.used.output.max(now.output),
            cache_read: self.used.cache_read.max(now.cache_read),
            cache_write: self.used.cache_write.max(now.cache_write),
        };
    }

    /// Whether it is known what was read; what is written can be estimated.
    #[must_use]
    pub fn has_usage(&self) -> bool {
        self.used != Tokens::default()
    }

    /// Model and tokens, at the end or wherever the response was cut: then what was streamed is
    /// estimated, because the service counts it too.
    #[must_use]
    pub fn finish(mut self) -> (String, Used) {
        if !self.events
            && !self.skipping
            && let Ok(value) = serde_json::from_slice::<Value>(&self.line)
        {
            self.take(&value);
        }
        self.used.output = self.used.output.max(self.streamed);
        (self.model, Used { tokens: self.used, short_writes: self.short_writes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENTS: &str = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":7,\"cache_creation_input_tokens\":3,\"output_tokens\":1}}}\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"the word \\\"usage\\\" in a text\"}}\n\n",
        "data: {broken \"usage\"\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":15}}\n\n",
    );

    #[test]
    fn a_plain_answer_is_metered_at_its_end() {
        let mut meter = Meter::new("application/json");
        meter.feed(br#"{"model":"m","usage":{"input_"#);
        meter.feed(br#"tokens":4,"output_tokens":5}}"#);
        let tokens = Tokens { input: 4, output: 5, ..Tokens::default() };
        assert_eq!(meter.finish(), ("m".to_owned(), Used { tokens, short_writes: 0 }));
    }

    #[test]
    fn a_cut_stream_counts_what_was_said_until_then() {
        let mut meter = Meter::new("text/event-stream");
        meter.feed(&EVENTS.as_bytes()[..EVENTS.len() / 2]);
        assert_eq!(meter.finish().1.tokens.input, 25);
    }

    #[test]
    fn what_was_streamed_before_a_cut_is_estimated() {
        let start = "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1,\"cache_creation_input_tokens\":8,\"cache_creation\":{\"ephemeral_5m_input_tokens\":6}}}}\n";
        let text = |text: &str| {
            format!(
                "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n"
            )
        };
        let mut meter = Meter::new("text/event-stream");
        meter.feed(start.as_bytes());
        for _ in 0..10 {
            meter.feed(text("ab").as_bytes());
        }
        meter.feed(text(&"x".repeat(400)).as_bytes());
        let used = meter.finish().1;
        assert!((108..=112).contains(&used.tokens.output), "{used:?}");
        assert_eq!((used.tokens.cache_write, used.short_writes), (8, 6));
    }

    #[test]
    fn a_long_line_is_passed_over() {
        let mut meter = Meter::new("text/event-stream");
        let long = format!("data: {{\"usage\":\"{}\"}}\n", "x".repeat(MAX_LINE));
        meter.feed(long.as_bytes());
        meter.feed(EVENTS.as_bytes());
        assert_eq!(meter.finish().1.tokens.output, 15);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(sizes in prop::collection::vec(1usize..50, 1..60)) {
            let mut meter = Meter::new("text/event-stream; charset=utf-8");
            let mut rest = EVENTS.as_bytes();
            let mut sizes = sizes.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                meter.feed(now);
                rest = later;
            }
            let tokens = Tokens { input: 25, output: 15, cache_read: 7, cache_write: 3 };
            let used = Used { tokens, short_writes: 0 };
            prop_assert_eq!(meter.finish(), ("claude-sonnet-4-5".to_owned(), used));
        }
    }
}
