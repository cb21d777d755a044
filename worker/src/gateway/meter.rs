//! Reads the tokens out of a response while it streams through, server-sent events or plain JSON.

use ralph_protocol::event::Tokens;
use serde_json::Value;

use super::price::{Used, estimate};
use crate::{agent::stream::tokens, machine::Usd};

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
    /// There was a usage record.
    heard: bool,
    /// There may have been one in a line that was too long.
    lost: bool,
    /// The service failed. An answer that fails before it begins is not billed.
    failed: bool,
    used: Used,
    /// Tokens written to the cache for an hour. What the service does not say is kept for 5 minutes:
    /// that is its default (<https://docs.claude.com/en/docs/build-with-claude/prompt-caching>).
    long_writes: u64,
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
                // Only text may be as long as it likes; a record in such a line is lost.
                let start = if self.line.is_empty() { piece } else { &self.line };
                let is_text = start.windows(13).take(32).any(|part| part == b"content_block");
                self.lost |= !self.skipping && !is_text;
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
        // Most events carry text; only two kinds carry usage, and one says that the service failed.
        let is_error = data.windows(7).take(32).any(|window| window == b"\"error\"");
        if !is_error && !data.windows(7).any(|window| window == b"\"usage\"") {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
        self.failed |= text(&value, "type") == Some("error");
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
        self.heard = true;
        if value.get("message").is_none() {
            // The service's own count has come.
            self.streamed = 0;
        }
        let (now, before) = (tokens(usage), self.used.tokens);
        self.used.tokens = Tokens {
            input: before.input.max(now.input),
            output: before.output.max(now.output),
            cache_read: before.cache_read.max(now.cache_read),
            cache_write: before.cache_write.max(now.cache_write),
        };
        self.long_writes = self.long_writes.max(long_writes(usage));
        let searches = usage.pointer("/server_tool_use/web_search_requests");
        let searches = searches.and_then(Value::as_u64).unwrap_or(0);
        self.used.web_searches = self.used.web_searches.max(searches);
        self.used.fast |= is_dearer(usage);
        self.used.us_only |= text(usage, "inference_geo") == Some("us");
        self.take_turns(usage);
    }

    /// The turns that the service took for one answer, each with a usage record of its own. Those of
    /// the model itself are in the sum already.
    fn take_turns(&mut self, usage: &Value) {
        let turns = usage.get("iterations").and_then(Value::as_array);
        let mut others = Usd::default();
        for turn in turns.into_iter().flatten() {
            let tokens = tokens(turn);
            let elsewhere = text(turn, "model").is_some_and(|model| model != self.model);
            if elsewhere || matches!(text(turn, "type"), Some("advisor_message" | "compaction")) {
                let model = text(turn, "model").unwrap_or(&self.model);
                let used = Used {
                    tokens,
                    short_writes: tokens.cache_write.saturating_sub(long_writes(turn)),
                    us_only: self.used.us_only,
                    ..Used::default()
                };
                others = others.plus(estimate(model, used));
            } else {
                let read = tokens.input.saturating_add(tokens.cache_read);
                let prompt = read.saturating_add(tokens.cache_write);
                self.used.longest_prompt = self.used.longest_prompt.max(prompt);
            }
        }
        self.used.others = self.used.others.max(others);
    }

    /// Model and tokens, at the end or wherever the response was cut: then what was streamed is
    /// estimated, because the service counts it too. `None` when nobody knows what was used.
    #[must_use]
    pub fn finish(mut self) -> Option<(String, Used)> {
        if !self.events
            && !self.skipping
            && let Ok(value) = serde_json::from_slice::<Value>(&self.line)
        {
            self.take(&value);
        }
        let tokens = &mut self.used.tokens;
        tokens.output = tokens.output.max(self.streamed);
        self.used.short_writes = tokens.cache_write.saturating_sub(self.long_writes);
        ((self.heard || self.failed) && !self.lost).then_some((self.model, self.used))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Tokens written to the cache for an hour.
fn long_writes(usage: &Value) -> u64 {
    let long = usage.pointer("/cache_creation/ephemeral_1h_input_tokens");
    long.and_then(Value::as_u64).unwrap_or(0)
}

/// Whether the service may have asked more than the list price: what we do not know is dear.
fn is_dearer(usage: &Value) -> bool {
    !matches!(text(usage, "speed"), None | Some("standard"))
        || !matches!(text(usage, "service_tier"), None | Some("standard" | "priority" | "batch"))
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
        assert_eq!(meter.finish(), Some(("m".to_owned(), Used { tokens, ..Used::default() })));
    }

    /// What is metered of an answer with this usage.
    fn metered(usage: &str) -> Used {
        let mut meter = Meter::new("application/json");
        meter.feed(format!(r#"{{"model":"claude-opus-5-5","usage":{usage}}}"#).as_bytes());
        meter.finish().unwrap().1
    }

    #[test]
    fn what_else_a_usage_record_carries() {
        let none = Used::default();
        let cases = [
            (r#"{"server_tool_use":{"web_search_requests":3}}"#, Used { web_searches: 3, ..none }),
            (r#"{"server_tool_use":null,"service_tier":"standard","speed":"standard"}"#, none),
            (r#"{"service_tier":"priority"}"#, none),
            (r#"{"service_tier":"batch","inference_geo":"global"}"#, none),
            (r#"{"service_tier":"from-the-future"}"#, Used { fast: true, ..none }),
            (r#"{"speed":"fast"}"#, Used { fast: true, ..none }),
            (r#"{"speed":"faster"}"#, Used { fast: true, ..none }),
            (r#"{"inference_geo":"us"}"#, Used { us_only: true, ..none }),
            (
                r#"{"iterations":[{"type":"message","input_tokens":5},{"type":"message","input_tokens":2,"cache_read_input_tokens":7}]}"#,
                Used { longest_prompt: 9, ..none },
            ),
            // Haiku's million tokens of advice cost $5, Opus's own of compaction $4.
            (
                r#"{"iterations":[{"type":"advisor_message","model":"claude-haiku-4-5","output_tokens":1000000},{"type":"compaction","input_tokens":1000000}]}"#,
                Used { others: Usd::from_dollars(9.0), ..none },
            ),
        ];
        for (usage, expected) in cases {
            assert_eq!(metered(usage), expected, "{usage}");
        }
    }

    #[test]
    fn a_cache_write_is_short_unless_the_service_says_an_hour() {
        let said = |said: &str| {
            let used = metered(&format!(r#"{{"cache_creation_input_tokens":9{said}}}"#));
            (used.tokens.cache_write, used.short_writes)
        };
        assert_eq!(said(""), (9, 9));
        assert_eq!(said(r#","cache_creation":{"ephemeral_1h_input_tokens":4}"#), (9, 5));
        assert_eq!(said(r#","cache_creation":{"ephemeral_5m_input_tokens":4}"#), (9, 9));
        assert_eq!(said(r#","cache_creation":{"ephemeral_1h_input_tokens":99}"#), (9, 0));
    }

    #[test]
    fn a_cut_stream_counts_what_was_said_until_then() {
        let mut meter = Meter::new("text/event-stream");
        meter.feed(&EVENTS.as_bytes()[..EVENTS.len() / 2]);
        assert_eq!(meter.finish().unwrap().1.tokens.input, 25);
    }

    #[test]
    fn what_was_streamed_before_a_cut_is_estimated() {
        let start = "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1,\"cache_creation_input_tokens\":8,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2}}}}\n";
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
        let used = meter.finish().unwrap().1;
        assert!((108..=112).contains(&used.tokens.output), "{used:?}");
        assert_eq!((used.tokens.cache_write, used.short_writes), (8, 6));
    }

    #[test]
    fn a_long_line_is_passed_over() {
        let mut meter = Meter::new("text/event-stream");
        let long = |kind: &str| {
            format!("data: {{\"type\":\"{kind}\",\"usage\":\"{}\"}}\n", "x".repeat(MAX_LINE))
        };
        meter.feed(long("content_block_start").as_bytes());
        meter.feed(EVENTS.as_bytes());
        assert_eq!(meter.finish().unwrap().1.tokens.output, 15);
    }

    #[test]
    fn a_record_in_a_line_that_is_too_long_is_not_taken_for_none() {
        let mut meter = Meter::new("text/event-stream");
        meter.feed(EVENTS.as_bytes());
        let stop = "x".repeat(MAX_LINE);
        let delta = format!(
            "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_sequence\":\"{stop}\"}},\"usage\":{{\"output_tokens\":9}}}}\n"
        );
        meter.feed(delta.as_bytes());
        assert_eq!(meter.finish(), None);
    }

    #[test]
    fn a_stream_that_fails_before_it_begins_has_used_nothing() {
        let failed = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        let mut meter = Meter::new("text/event-stream");
        meter.feed(failed.as_bytes());
        assert_eq!(meter.finish(), Some((String::new(), Used::default())));
        // Later it has used what it has.
        let mut meter = Meter::new("text/event-stream");
        meter.feed(EVENTS.as_bytes());
        meter.feed(failed.as_bytes());
        assert_eq!(meter.finish().unwrap().1.tokens.output, 15);
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
            let used = Used { tokens, short_writes: 3, ..Used::default() };
            prop_assert_eq!(meter.finish(), Some(("claude-sonnet-4-5".to_owned(), used)));
        }
    }
}
