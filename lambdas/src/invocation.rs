//! What belongs to one invocation: its id, the time it has, and its log lines.

use ralph_protocol::names::{METRIC_DIMENSION, METRIC_NAMESPACE};
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
    /// The function's full name, the metrics' dimension.
    pub function: &'a str,
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

    /// Writes metrics in CloudWatch's embedded format: a log line that it reads as metrics. `now_ms`
    /// is in ms since the epoch. Zeros are not written: they say what silence says.
    pub fn metrics(&self, now_ms: u64, metrics: &[Metric]) {
        let metrics = metrics.iter().filter(|metric| metric.value > 0);
        let mut line = Map::new();
        let mut list = Vec::new();
        for metric in metrics {
            list.push(json!({"Name": metric.name, "Unit": metric.unit.as_str()}));
            line.insert(metric.name.into(), json!(metric.value));
        }
        if list.is_empty() {
            return;
        }
        line.insert(METRIC_DIMENSION.into(), json!(self.function));
        line.insert("requestId".into(), json!(self.request_id));
        let directive = json!({
            "Namespace": METRIC_NAMESPACE, "Dimensions": [[METRIC_DIMENSION]], "Metrics": list,
        });
        line.insert("_aws".into(), json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]}));
        self.sink.line(&Value::Object(line).to_string());
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

/// A metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Count,
    Milliseconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

impl Metric {
    /// A number of things.
    #[must_use]
    pub fn count(name: &'static str, value: usize) -> Self {
        Self { name, unit: Unit::Count, value: value as u64 }
    }

    /// A number of bytes.
    #[must_use]
    pub fn bytes(name: &'static str, value: usize) -> Self {
        Self { name, unit: Unit::Bytes, value: value as u64 }
    }

    /// A time.
    #[must_use]
    pub const fn ms(name: &'static str, value: u64) -> Self {
        Self { name, unit: Unit::Milliseconds, value }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    struct Lines(RefCell<Vec<String>>);

    impl Sink for Lines {
        fn line(&self, line: &str) {
            self.0.borrow_mut().push(line.to_owned());
        }
    }

    #[test]
    fn metrics_are_one_line_in_the_embedded_format() {
        let lines = Lines::default();
        let invocation = Invocation {
            function: "ralph-dev-push-logs",
            request_id: "r",
            deadline: Instant::now(),
            sink: &lines,
        };
        let metrics =
            [Metric::count("Posts", 3), Metric::count("Gone", 0), Metric::ms("DeliveryAge", 42)];
        invocation.metrics(7, &metrics);
        invocation.metrics(7, &[Metric::count("Gone", 0)]);
        let all = lines.0.borrow();
        let [line] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(
            serde_json::from_str::<Value>(line).unwrap(),
            json!({
                "Function": "ralph-dev-push-logs", "requestId": "r", "Posts": 3, "DeliveryAge": 42,
                "_aws": {"Timestamp": 7, "CloudWatchMetrics": [{
                    "Namespace": "Ralph", "Dimensions": [["Function"]],
                    "Metrics": [
                        {"Name": "Posts", "Unit": "Count"},
                        {"Name": "DeliveryAge", "Unit": "Milliseconds"},
                    ],
                }]},
            })
        );
    }
}
