//! What belongs to one invocation: its id, the time it has, and its log lines.

use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};

/// Takes finished log lines, one JSON object each.
pub trait Sink {
    /// Writes a line.
    fn line(&self, line: &str);
}

/// Lambda's log: stdout.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdout;

impl Sink for Stdout {
    fn line(&self, line: &str) {
        // One write a line, so that lines of a panic hook and ours never mix.
        use std::io::Write;
        let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    }
}

/// One invocation.
///
/// Log lines hold ids, counts and reasons. They never hold a line's content, a token, an event or a
/// query string: nothing here takes one.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// Lambda's request id.
    pub request_id: &'a str,
    /// When the function is stopped.
    pub deadline: Instant,
    /// Where log lines go.
    pub sink: &'a dyn Sink,
}

impl Invocation<'_> {
    /// Time left until the function is stopped.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Logs at level `info`.
    pub fn info(&self, message: &str, fields: &[(&str, Value)]) {
        self.write("info", message, fields);
    }

    /// Logs at level `warn`.
    pub fn warn(&self, message: &str, fields: &[(&str, Value)]) {
        self.write("warn", message, fields);
    }

    /// Logs at level `error`.
    pub fn error(&self, message: &str, fields: &[(&str, Value)]) {
        self.write("error", message, fields);
    }

    fn write(&self, level: &str, message: &str, fields: &[(&str, Value)]) {
        let mut line = Map::new();
        line.insert("level".into(), json!(level));
        line.insert("message".into(), json!(message));
        line.insert("requestId".into(), json!(self.request_id));
        for (name, value) in fields {
            line.insert((*name).into(), value.clone());
        }
        self.sink.line(&Value::Object(line).to_string());
    }
}
