//! The scenario file's form. Unknown fields are refused: a typo in a test must not pass.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// A scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The agent's own, and those of its helpers. A request belongs to the first that fits.
    pub conversations: Vec<Conversation>,
    /// The answer to a request without tools.
    #[serde(default)]
    pub aside: Answer,
}

/// Answers, one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Text that its first message holds; any message fits without it.
    #[serde(default)]
    pub holds: Option<String>,
    /// Each is given once, the last one again and again.
    pub answers: Vec<Answer>,
}

/// What the service says once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// What the model says.
    pub text: String,
    /// The tools that it calls.
    pub tools: Vec<Tool>,
    /// The usage record; what is not there is zero.
    pub usage: Map<String, Value>,
    /// The model that answers, if not the one that was asked.
    pub model: Option<String>,
    /// HTTP status. Any other than 200 is a failure with `error` and `message`.
    #[serde(deserialize_with = "status")]
    pub status: StatusCode,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
    /// Type of the failure.
    pub error: String,
    /// Text of the failure.
    pub message: String,
    /// The connection breaks in the middle of the stream.
    pub cut: bool,
}

/// A call of a tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Input.
    pub input: Value,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            text: String::new(),
            tools: Vec::new(),
            usage: Map::new(),
            model: None,
            status: StatusCode::OK,
            headers: BTreeMap::new(),
            error: "api_error".to_owned(),
            message: "scripted".to_owned(),
            cut: false,
        }
    }
}

impl Answer {
    /// The body of a failure.
    pub fn failure(&self) -> Value {
        json!({"type": "error", "error": {"type": self.error, "message": self.message}})
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
