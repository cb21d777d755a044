//! What crosses the WebSocket. Reference: `docs/protocol.md`.
//!
//! The server side reads [`ClientMessage`] and writes [`ServerMessage`]. Events travel verbatim, as
//! raw JSON, so that a reader sees exactly the worker's bytes.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Error, IntoDeserializer},
};
use serde_json::value::RawValue;

use crate::{
    event::MAX_SEQ,
    ids::{Run, Workstream},
    index::WorkstreamInfo,
    table::RunState,
};

/// Most bytes of UTF-8 in one frame from the server: API Gateway's frame limit, and its unit of
/// billing. <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
pub const MAX_FRAME: usize = 32_768;

/// Lines a replay holds when the client names no limit, and the most it may ask for.
pub const DEFAULT_LIMIT: u32 = 1_000;
/// The most lines a client may ask for in one replay.
pub const MAX_LIMIT: u32 = 10_000;
/// Most ranges in one request.
pub const MAX_RANGES: usize = 50;
/// Most bytes of a message from a client.
pub const MAX_CLIENT_MESSAGE: usize = 16_384;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ClientMessage {
    /// Subscribe to a workstream and replay lines of it.
    SendLogs(SendLogs),
    /// List the workstreams that the token allows.
    ListWorkstreams(ListWorkstreams),
    /// Keep the connection alive and hear where the runs stand.
    Ping {},
}

/// The request `sendLogs`. Without `ranges`, `before`, `since` or `run`: the newest lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SendLogs {
    /// Repeated in the answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The workstream.
    pub workstream: Workstream,
    /// `true`: deliver new lines as they come; `false`: replay once and unsubscribe. Absent: `true`
    /// without `ranges` or `before`, and with them the subscription stays as it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub follow: Option<bool>,
    /// Most lines, 1 to [`MAX_LIMIT`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<u32>,
    /// Exactly these, oldest first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ranges: Option<Vec<Range>>,
    /// The page before this cursor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// Lines from this time on, ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub since: Option<u64>,
    /// Only this run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<Run>,
}

impl SendLogs {
    /// Asks for the newest lines of a workstream, and for new ones as they come.
    #[must_use]
    pub fn new(workstream: Workstream) -> Self {
        SendLogs {
            id: None,
            workstream,
            follow: None,
            limit: None,
            ranges: None,
            before: None,
            since: None,
            run: None,
        }
    }
}

/// The request `listWorkstreams`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ListWorkstreams {
    /// Repeated in the answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
}

/// Events `from..=to` of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Range {
    /// The run.
    pub run: Run,
    /// First `seq`, from 1.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub from: u64,
    /// Last `seq`; null: whatever there is.
    #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
    pub to: Option<u64>,
    /// A time at or before the first of them, ms since the epoch: where reading begins (minus a
    /// minute, since clocks differ). 0: at the beginning of the run's stream.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub ts: u64,
    /// Goes on where an answer stopped, at its [`ReadTo::ts`]: reading begins exactly there, whatever
    /// `ts` says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(type = "number", optional))]
    pub after: Option<u64>,
}

/// How far an answer to `ranges` has read before it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ReadTo {
    /// In this run. Runs before it were read to their ends, and later ones were not begun.
    pub run: Run,
    /// Everything that the stream holds from before this time was sent, ms since the epoch by
    /// CloudWatch's clock. For [`Range::after`].
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    #[serde(deserialize_with = "readable")]
    pub ts: u64,
}

/// A number that JavaScript reads exactly, as events' numbers are: the TypeScript client takes no other.
fn readable<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if number > MAX_SEQ {
        return Err(D::Error::custom(format_args!("{number} is above {MAX_SEQ}")));
    }
    Ok(number)
}

/// The same where there may be none.
fn maybe_readable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Readable(#[serde(deserialize_with = "readable")] u64);
    Ok(Option::<Readable>::deserialize(from)?.map(|Readable(number)| number))
}

/// What a server sends. Read one with [`ServerMessage::parse`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub enum ServerMessage {
    /// Lines.
    Logs(Logs),
    /// Where the runs stand.
    Runs {
        /// The workstream.
        workstream: Workstream,
        /// In order of their ids.
        runs: Vec<RunInfo>,
    },
    /// A task changed its state.
    Task {
        /// The workstream.
        workstream: Workstream,
        /// The run.
        run: Run,
        /// ECS's `lastStatus`.
        status: String,
        /// ECS's `stopCode`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stop_code: Option<String>,
        /// ECS's `stoppedReason`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Workstreams that the token allows, those with the newest executions first, at most
    /// [`MAX_LISTED`](crate::index::MAX_LISTED) in all.
    Workstreams {
        /// The request's id.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// Some of them, or the rest.
        workstreams: Vec<WorkstreamInfo>,
        /// `false`: another frame follows.
        complete: bool,
    },
    /// A replay has ended.
    CaughtUp {
        /// The request's id.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// The workstream.
        workstream: Workstream,
        /// `false`: the time or the bytes of one answer ran out, or reading was throttled. Go on with
        /// `cursor` or `readTo`; count nothing as lost.
        complete: bool,
        /// For `before`; null: nothing older.
        #[cfg_attr(feature = "typescript", ts(type = "string | null", optional = false))]
        cursor: Option<String>,
        /// How far an incomplete answer to `ranges` has read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        read_to: Option<ReadTo>,
        /// What a complete answer to `ranges` lacks will not come any more: behind each number that it
        /// lacks stands a line that CloudWatch Logs took five minutes ago or earlier.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        settled: bool,
    },
    /// Answer to `ping`.
    Pong {},
    /// A request was refused or failed.
    Error {
        /// The request's id.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
        /// The workstream.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        workstream: Option<Workstream>,
        /// For programs. What a newer server calls otherwise is taken for `internal`.
        #[serde(deserialize_with = "known_code")]
        code: ErrorCode,
        /// For people.
        message: String,
        /// When to try again.
        #[serde(
            skip_serializing_if = "Option::is_none",
            default,
            deserialize_with = "maybe_readable"
        )]
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        retry_after_ms: Option<u64>,
    },
}

/// Lines of a workstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Logs {
    /// The request's id, in a replay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The workstream.
    pub workstream: Workstream,
    /// Whether these are new or replayed.
    pub source: Source,
    /// Events verbatim, or [`RawLine`]s.
    #[cfg_attr(feature = "typescript", ts(type = "Array<LogEvent>"))]
    pub events: Vec<Box<RawValue>>,
}

/// What a frame from the server's side is.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A message.
    Message(ServerMessage),
    /// A frame without `type`: API Gateway's own, which failed to hand a request on. Which one, it does
    /// not say.
    Gateway,
    /// A message of a newer server, not for this build.
    Unknown,
    /// Not readable, though it may have held lines.
    Unreadable,
}

impl ServerMessage {
    /// Names in `type`.
    const TYPES: [&str; 7] = ["logs", "runs", "task", "workstreams", "caughtUp", "pong", "error"];

    /// Reads a frame, whatever it is.
    #[must_use]
    pub fn parse(text: &str) -> Frame {
        #[derive(Deserialize)]
        struct Tag<'a> {
            #[serde(rename = "type", borrow, default)]
            kind: Option<Cow<'a, str>>,
        }
        // An array would pass for a structure.
        if !text.trim_start().starts_with('{') {
            return Frame::Unreadable;
        }
        let Ok(tag) = serde_json::from_str::<Tag<'_>>(text) else { return Frame::Unreadable };
        // serde buffers the fields of a tagged enum, and raw JSON cannot pass through that buffer:
        // the one message that holds any is read by itself.
        let read = match tag.kind.as_deref() {
            None => return Frame::Gateway,
            Some("logs") => serde_json::from_str(text).map(Self::Logs),
            Some(kind) if Self::TYPES.contains(&kind) => serde_json::from_str(text),
            Some(_) => return Frame::Unknown,
        };
        read.map_or(Frame::Unreadable, Frame::Message)
    }

    /// The message in a frame that is one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match Self::parse(text) {
            Frame::Message(message) => Some(message),
            Frame::Gateway | Frame::Unknown | Frame::Unreadable => None,
        }
    }
}

/// Where lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Source {
    /// As they were written.
    Live,
    /// Read back from CloudWatch Logs.
    Replay,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum ErrorCode {
    /// The message is not one of ours.
    BadRequest,
    /// The token's scope does not hold the workstream.
    Forbidden,
    /// Too much at once; try again later.
    Throttled,
    /// A fault of the server.
    Internal,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct RunInfo {
    /// The run.
    pub run: Run,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Ms since the epoch.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    #[serde(deserialize_with = "readable")]
    pub started_at: u64,
    /// Highest `seq` seen; 0 before the first event.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    #[serde(deserialize_with = "readable")]
    pub last_seq: u64,
    /// Latest event time seen, ms since the epoch; 0 before the first event.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    #[serde(deserialize_with = "readable")]
    pub last_ts: u64,
    /// Where it stands. What a newer server calls otherwise runs.
    #[serde(deserialize_with = "known_state")]
    pub state: RunState,
    /// Why it ended, waits or failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The worker's exit code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub exit: Option<i64>,
    /// What the execution has cost up to here, US dollars: this run and those before it. Once the
    /// run is over and settled it is the ledger's number; until then what the worker last said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent_usd: Option<f64>,
    /// The pull request with its work, a link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pull_request: Option<String>,
    /// Raw lines, or parts of long ones, that were delivered; one that CloudWatch delivers twice counts twice. Absent: none,
    /// so that none needs to be asked for.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "maybe_readable")]
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub raw: Option<u64>,
}

/// A word that this build knows, or else `other`.
fn known<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D, other: T) -> Result<T, D::Error> {
    let word = Cow::<str>::deserialize(from)?.into_owned();
    let word: de::value::StringDeserializer<de::value::Error> = word.into_deserializer();
    Ok(T::deserialize(word).unwrap_or(other))
}

fn known_state<'de, D: Deserializer<'de>>(from: D) -> Result<RunState, D::Error> {
    known(from, RunState::Running)
}

fn known_code<'de, D: Deserializer<'de>>(from: D) -> Result<ErrorCode, D::Error> {
    known(from, ErrorCode::Internal)
}

/// A line that is not an event of ours: what precedes or outlives the worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename = "raw")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct RawLine {
    /// The run its stream belongs to.
    pub run: Run,
    /// The log stream.
    pub stream: String,
    /// CloudWatch's timestamp, ms since the epoch.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub ts: u64,
    /// The line.
    pub text: String,
    /// `[n, of]`, both from 1, when the line did not fit into one frame.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part: Option<[u32; 2]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_messages_as_the_reference_writes_them() {
        for (text, ok) in [
            (r#"{"action":"ping"}"#, true),
            (r#"{"action":"sendLogs","workstream":"w"}"#, true),
            (r#"{"action":"sendLogs","id":"1","workstream":"w","follow":true,"limit":1000}"#, true),
            (
                r#"{"action":"sendLogs","workstream":"w","ranges":[{"run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","from":1,"to":null,"ts":0}]}"#,
                true,
            ),
            (r#"{"action":"listWorkstreams"}"#, true),
            (r#"{"action":"listWorkstreams","id":"1"}"#, true),
            (r#"{"action":"listWorkstreams","workstream":"w"}"#, false),
            (r#"{"action":"sendLogs"}"#, false),
            (r#"{"action":"sendLogs","workstream":"../w"}"#, false),
            (r#"{"action":"sendLogs","workstream":"w","limt":1}"#, false),
            (r#"{"action":"sendLogs","workstream":"w","limit":-1}"#, false),
            (r#"{"action":"dropTable"}"#, false),
            (r#"[]"#, false),
        ] {
            assert_eq!(serde_json::from_str::<ClientMessage>(text).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn server_messages_as_the_reference_writes_them() {
        let json = |message: &ServerMessage| serde_json::to_string(message).unwrap();
        assert_eq!(json(&ServerMessage::Pong {}), r#"{"type":"pong"}"#);
        assert_eq!(
            json(&ServerMessage::CaughtUp {
                id: Some("1".into()),
                workstream: "w".parse().unwrap(),
                complete: true,
                cursor: None,
                read_to: None,
                settled: false,
            }),
            r#"{"type":"caughtUp","id":"1","workstream":"w","complete":true,"cursor":null}"#
        );
        assert_eq!(
            json(&ServerMessage::Error {
                id: None,
                workstream: None,
                code: ErrorCode::Throttled,
                message: "slow down".into(),
                retry_after_ms: Some(1000),
            }),
            r#"{"type":"error","code":"throttled","message":"slow down","retryAfterMs":1000}"#
        );
    }

    #[test]
    fn events_travel_verbatim() {
        let text =
            r#"{"type":"logs","workstream":"w","source":"live","events":[{"v":1, "odd" : 1.50}]}"#;
        let Some(ServerMessage::Logs(logs)) = ServerMessage::read(text) else { panic!("not logs") };
        assert_eq!(logs.events[0].get(), r#"{"v":1, "odd" : 1.50}"#);
        let again = serde_json::to_string(&ServerMessage::Logs(logs)).unwrap();
        assert_eq!(again, text);
    }

    #[test]
    fn what_a_frame_is() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for (text, is) in [
            (
                r#"{"message":"Internal server error","connectionId":"x=","requestId":"y"}"#,
                "gateway",
            ),
            ("{}", "gateway"),
            (r#"{"type":"news","at":1}"#, "unknown"),
            (r#"{"type":"pong"}"#, "message"),
            (r#"{"type":"logs","workstream":"w","source":"live","events":[null,5]}"#, "message"),
            (
                &format!(r#"{{"type":"logs","workstream":"w","source":"live","events":[{deep}]}}"#),
                "message",
            ),
            (r#"{"type":"logs","workstream":"w","source":"live","events":["\ud800"]}"#, "message"),
            (r#"{"type":"logs","workstream":"w"}"#, "unreadable"),
            (r#"{"type":"runs","workstream":"w","runs":[null]}"#, "unreadable"),
            (r#"{"type":5}"#, "unreadable"),
            ("oops", "unreadable"),
            ("null", "unreadable"),
            ("[]", "unreadable"),
            ("", "unreadable"),
        ] {
            let found = match ServerMessage::parse(text) {
                Frame::Message(_) => "message",
                Frame::Gateway => "gateway",
                Frame::Unknown => "unknown",
                Frame::Unreadable => "unreadable",
            };
            assert_eq!(found, is, "{}", &text[..text.len().min(80)]);
        }
    }
}
