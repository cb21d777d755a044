//! Reads the agent's stdout: claude's stream-json, or plain text from agents that do not speak it.
//!
//! A line is JSON first and typed second: unknown types and fields pass, a broken line is counted
//! and shown, never fatal. See <https://docs.claude.com/en/docs/claude-code/headless>.

use ralph_protocol::event::{Kind, Level, Tokens};
use serde_json::Value;

use crate::machine::Usd;

/// What the result lines of an attempt say. There is one for each turn of the agent: a command in
/// the background that ends begins another turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultLine {
    /// `success`, `error_max_turns`, …
    pub subtype: String,
    /// An API failure says `success` here and `true` there.
    pub is_error: bool,
    /// HTTP status of the API failure.
    pub api_error_status: Option<u16>,
    /// Steps taken, in all turns.
    pub turns: u32,
    /// What the attempt cost, when the agent says so: each line has the sum so far.
    pub cost: Option<Usd>,
    /// Tokens used, in all turns.
    pub tokens: Tokens,
    /// The final text, or the failure's.
    pub text: String,
}

impl ResultLine {
    /// The last turn ended well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.is_error && self.subtype == "success"
    }
}

/// A usage limit as the service reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitInfo {
    /// `allowed`, `allowed_warning`, `rejected`.
    pub status: String,
    /// When it resets, ms since the epoch.
    pub resets_at: Option<u64>,
}

/// The part of the stream so far that the attempt's outcome depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    /// At least one line was stream-json.
    pub speaks_json: bool,
    /// Tools were called or text was written.
    pub acted: bool,
    /// The last result line, with what those before it counted.
    pub result: Option<ResultLine>,
    /// Turns that have begun (`system/init`) and gave no result yet.
    pub open_turns: u32,
    /// Commands and helpers in the background, by the latest `background_tasks_changed`.
    pub tasks: usize,
    /// `assistant.error`, the latest.
    pub assistant_error: Option<String>,
    /// `rate_limit_event`, the latest.
    pub limit: Option<LimitInfo>,
    /// HTTP status of the latest `api_retry`.
    pub retry_status: Option<u16>,
    /// Model the agent runs.
    pub model: Option<String>,
    /// Lines that looked like JSON and were none.
    pub broken_lines: u64,
}

impl Transcript {
    /// The agent is in a turn, or something that it started goes on in the background: then it may be
    /// silent, and a result is not its end.
    #[must_use]
    pub const fn under_way(&self) -> bool {
        self.open_turns > 0 || self.tasks > 0
    }

    /// Takes a line of stdout and returns the events it stands for.
    pub fn take(&mut self, line: &[u8]) -> Vec<(Level, Kind)> {
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if blank {
            return Vec::new();
        }
        let is_object = line.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        if is_object {
            if let Ok(value) = serde_json::from_slice::<Value>(line) {
                if value.get("type").is_some_and(Value::is_string) {
                    self.speaks_json = true;
                    return self.take_value(value);
                }
            } else {
                self.broken_lines += 1;
            }
        }
        self.acted = true;
        let text = String::from_utf8_lossy(line).into_owned();
        let level = if self.speaks_json { Level::Warn } else { Level::Info };
        vec![(level, Kind::AgentText { text, parent: None })]
    }

    fn take_value(&mut self, mut value: Value) -> Vec<(Level, Kind)> {
        let kind = text_of(&value, "type");
        let parent = value.get("parent_tool_use_id").and_then(Value::as_str).map(str::to_owned);
        match kind.as_str() {
            "system" => self.take_system(&value),
            "assistant" => {
                if let Some(error) = value.get("error").and_then(Value::as_str) {
                    self.assistant_error = Some(error.to_owned());
                }
                self.acted = true;
                let blocks = content(&mut value).into_iter();
                blocks.filter_map(|block| assistant_block(block, parent.clone())).collect()
            }
            "user" => {
                let blocks = content(&mut value).into_iter();
                blocks.filter_map(|block| user_block(block, parent.clone())).collect()
            }
            "rate_limit_event" => self.take_limit(&value),
            "result" => {
                self.open_turns = self.open_turns.saturating_sub(1);
                self.result = Some(result_line(&value, self.result.take()));
                Vec::new()
            }
            // `stream_event` repeats what `assistant` says; whatever else comes is not ours to judge.
            _ => Vec::new(),
        }
    }

    fn take_system(&mut self, value: &Value) -> Vec<(Level, Kind)> {
        match text_of(value, "subtype").as_str() {
            "init" => {
                self.open_turns = self.open_turns.saturating_add(1);
                let model = text_of(value, "model");
                let version = text_of(value, "claude_code_version");
                let text = format!("agent started: model {model}, version {version}");
                self.model = Some(model);
                vec![(Level::Debug, Kind::Log { text })]
            }
            "api_retry" => {
                let status = status_of(value, "error_status");
                self.retry_status = status.or(self.retry_status);
                let attempt = number(value, "attempt").and_then(|n| u32::try_from(n).ok());
                vec![(
                    Level::Warn,
                    Kind::AgentRetry {
                        attempt: attempt.unwrap_or(0),
                        delay_ms: number(value, "retry_delay_ms").unwrap_or(0),
                        status,
                    },
                )]
            }
            "compact_boundary" => {
                let tokens = |name: &str| {
                    let number = value.get("compact_metadata").and_then(|all| number(all, name));
                    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
                };
                let (before, after) = (tokens("pre_tokens"), tokens("post_tokens"));
                let text = format!(
                    "the agent replaced its context by a summary: {before} tokens before, {after} after"
                );
                vec![(Level::Info, Kind::Log { text })]
            }
            "background_tasks_changed" => {
                let tasks = value.get("tasks").and_then(Value::as_array).into_iter().flatten();
                // An ambient one only watches: the agent does not wait for it.
                let works =
                    |task: &&Value| task.get("ambient").and_then(Value::as_bool) != Some(true);
                self.tasks = tasks.filter(works).count();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn take_limit(&mut self, value: &Value) -> Vec<(Level, Kind)> {
        let Some(info) = value.get("rate_limit_info") else { return Vec::new() };
        let status = text_of(info, "status");
        let resets_at = number(info, "resetsAt").map(|secs| secs.saturating_mul(1000));
        self.limit = Some(LimitInfo { status: status.clone(), resets_at });
        if status == "allowed" {
            return Vec::new();
        }
        vec![(Level::Warn, Kind::Limit { status, resets_at })]
    }
}

/// The blocks of `message.content`, which may also be one string.
fn content(value: &mut Value) -> Vec<Value> {
    match value.pointer_mut("/message/content").map(Value::take) {
        Some(Value::Array(blocks)) => blocks,
        Some(Value::String(text)) => vec![serde_json::json!({"type": "text", "text": text})],
        _ => Vec::new(),
    }
}

fn assistant_block(mut block: Value, parent: Option<String>) -> Option<(Level, Kind)> {
    match text_of(&block, "type").as_str() {
        "text" => {
            let text = take_text(&mut block, "text");
            Some((Level::Info, Kind::AgentText { text, parent }))
        }
        "thinking" => {
            let text = take_text(&mut block, "thinking");
            (!text.is_empty()).then_some((Level::Debug, Kind::AgentText { text, parent }))
        }
        "tool_use" | "server_tool_use" => Some((
            Level::Info,
            Kind::AgentTool {
                id: text_of(&block, "id"),
                name: text_of(&block, "name"),
                text: block.get("input").map(Value::to_string).unwrap_or_default(),
                parent,
            },
        )),
        _ => None,
    }
}

fn user_block(mut block: Value, parent: Option<String>) -> Option<(Level, Kind)> {
    if text_of(&block, "type") != "tool_result" {
        return None;
    }
    let text = match block.get_mut("content").map(Value::take) {
        Some(Value::String(text)) => text,
        Some(Value::Array(mut parts)) => {
            let texts: Vec<String> = parts
                .iter_mut()
                .map(|part| match part.get("text") {
                    Some(_) => take_text(part, "text"),
                    None => format!("[{}]", text_of(part, "type")),
                })
                .collect();
            texts.join("\n")
        }
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    Some((
        Level::Info,
        Kind::AgentToolResult {
            id: text_of(&block, "tool_use_id"),
            text,
            is_error: block.get("is_error").and_then(Value::as_bool).unwrap_or(false),
            parent,
        },
    ))
}

fn result_line(value: &Value, before: Option<ResultLine>) -> ResultLine {
    let before = before.unwrap_or_default();
    let mut used = before.tokens;
    used.add(value.get("usage").map(tokens).unwrap_or_default());
    let errors = value.get("errors").and_then(Value::as_array).into_iter().flatten();
    let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
    let text = text_of(value, "result");
    let turns = number(value, "num_turns");
    let cost = value.get("total_cost_usd").and_then(Value::as_f64);
    ResultLine {
        subtype: text_of(value, "subtype"),
        is_error: value.get("is_error").and_then(Value::as_bool).unwrap_or(false),
        api_error_status: status_of(value, "api_error_status"),
        turns: before.turns.saturating_add(turns.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)),
        cost: cost.map(Usd::from_dollars).or(before.cost),
        tokens: used,
        text: if text.is_empty() { errors.join("; ") } else { text },
    }
}

/// Tokens of a `usage` object, as the service's API names them.
#[must_use]
pub fn tokens(usage: &Value) -> Tokens {
    Tokens {
        input: number(usage, "input_tokens").unwrap_or(0),
        output: number(usage, "output_tokens").unwrap_or(0),
        cache_read: number(usage, "cache_read_input_tokens").unwrap_or(0),
        cache_write: number(usage, "cache_creation_input_tokens").unwrap_or(0),
    }
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn take_text(value: &mut Value, name: &str) -> String {
    match value.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn number(value: &Value, name: &str) -> Option<u64> {
    let value = value.get(name)?;
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}

fn status_of(value: &Value, name: &str) -> Option<u16> {
    number(value, name).and_then(|status| u16::try_from(status).ok()).filter(|s| *s > 0)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
