//! What the worker writes: one event a line, JSON, at most [`MAX_LINE`] bytes.
//!
//! An event is identified by `(run, seq)`. `seq` counts up from 1 without holes, also over parts,
//! so a reader can order events, drop what it has and see what it lacks.
//!
//! Writers use [`Event`]. Readers use [`Envelope`], and [`Details`] where a type's own fields matter:
//! both borrow from the line and tolerate unknown types and fields.

use serde::{Deserialize, Serialize};

pub mod kind;
mod reader;

pub use reader::{Details, Envelope};

use crate::{
    exit::RunExit,
    ids::{Run, Workstream},
};

/// Most bytes a line has, newline excluded. The awslogs driver splits lines at 16 KiB in
/// non-blocking mode; 12 KiB leaves room for what it adds.
pub const MAX_LINE: usize = 12_288;

/// The highest `seq`: JavaScript's `Number.MAX_SAFE_INTEGER`. A reader takes no event with a higher one.
pub const MAX_SEQ: u64 = (1 << 53) - 1;

/// The version this build writes.
pub const VERSION: u8 = 1;

/// Most bytes of output that a worker writes without saying again what it has spent: the newest
/// `spend` is near the end of a stream, wherever that was cut off.
pub const SPEND_EVERY: usize = 256 << 10;

/// How much a line matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Level {
    /// Detail.
    Debug,
    /// The ordinary.
    #[default]
    Info,
    /// Something a person may want to know.
    Warn,
    /// Something went wrong.
    Error,
}

/// One event, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "WorkerEvent"))]
pub struct Event {
    /// [`VERSION`].
    pub v: u8,
    /// When, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// The workstream.
    pub workstream: Workstream,
    /// The run.
    pub run: Run,
    /// From 1, without holes.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub seq: u64,
    /// The iteration, 0 before the first.
    pub iter: u32,
    /// How much it matters.
    pub level: Level,
    /// `[n, of]`, both from 1, when a longer text was cut into parts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub part: Option<[u32; 2]>,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub enum Kind {
    /// The run begins. Limits are shown so that a reader can put cost and time against them.
    #[serde(rename = "run.start")]
    RunStart {
        /// Attempt, from 1.
        attempt: u32,
        /// Repository, without credentials.
        repo: String,
        /// Branch the work goes to.
        branch: String,
        /// What bounds the run.
        limits: Limits,
    },
    /// The checkout is ready.
    #[serde(rename = "clone")]
    Clone {
        /// Commit the work starts from.
        commit: String,
        /// How long it took.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        duration_ms: u64,
        /// Branch the work goes to: it may differ from the one that `run.start` names.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        branch: Option<String>,
    },
    /// The setup command says something.
    #[serde(rename = "setup")]
    Setup {
        /// A line of its output.
        text: String,
    },
    /// An iteration begins.
    #[serde(rename = "iter.start")]
    IterStart {},
    /// The agent says something.
    #[serde(rename = "agent.text")]
    AgentText {
        /// What.
        text: String,
        /// Id of the tool call that started the subagent whose line this is; absent: the agent's own.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        parent: Option<String>,
    },
    /// The agent uses a tool.
    #[serde(rename = "agent.tool")]
    AgentTool {
        /// Ties the result to the call.
        id: String,
        /// Tool's name.
        name: String,
        /// Its input, as JSON text.
        text: String,
        /// As in `agent.text`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        parent: Option<String>,
    },
    /// A tool answered.
    #[serde(rename = "agent.tool_result")]
    AgentToolResult {
        /// The call's id.
        id: String,
        /// What it answered.
        text: String,
        /// Whether it failed.
        is_error: bool,
        /// As in `agent.text`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        parent: Option<String>,
    },
    /// A line of the agent's stderr.
    #[serde(rename = "agent.stderr")]
    AgentStderr {
        /// The line.
        text: String,
    },
    /// The agent tries a request again.
    #[serde(rename = "agent.retry")]
    AgentRetry {
        /// Which try.
        attempt: u32,
        /// When the next one is made.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        delay_ms: u64,
        /// HTTP status, when there was one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<u16>,
    },
    /// The service reports a usage limit.
    #[serde(rename = "limit")]
    Limit {
        /// `allowed_warning` or `rejected`.
        status: String,
        /// When it resets, ms since the epoch.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        resets_at: Option<u64>,
    },
    /// Another key is used from here on.
    #[serde(rename = "key.rotate")]
    KeyRotate {
        /// Id of the key that failed.
        from: String,
        /// Id of the next one, if there is one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<String>,
        /// Why.
        reason: String,
    },
    /// Work was committed and pushed.
    #[serde(rename = "checkpoint")]
    Checkpoint {
        /// The commit.
        commit: String,
        /// Branch it was pushed to.
        branch: String,
        /// Whether the push succeeded.
        pushed: bool,
    },
    /// The branch has a pull request: it was opened, found, or changed.
    #[serde(rename = "pull_request")]
    PullRequest {
        /// Its page.
        url: String,
        /// Its number.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        number: u64,
        /// Whether it is a draft.
        draft: bool,
    },
    /// An iteration ended.
    #[serde(rename = "iter.end")]
    IterEnd {
        /// `ok`, `partial`, `timeout`, `limit`, `crash`, …
        outcome: String,
        /// Cost of this iteration, US dollars.
        cost_usd: f64,
        /// Tokens of this iteration.
        tokens: Tokens,
        /// Turns the agent took.
        turns: u32,
        /// How long it took.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        duration_ms: u64,
        /// HEAD afterwards.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        commit: Option<String>,
    },
    /// What the run has spent and reserved. No request is sent to the model's service before one that
    /// covers it was written, so that the newest one bounds what the run has cost.
    #[serde(rename = "spend")]
    Spend(Spend),
    /// The worker ends here and wants to be started again later.
    #[serde(rename = "wait")]
    Wait {
        /// Until when, ms since the epoch.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        until: u64,
        /// Why.
        reason: String,
    },
    /// A signal asked the worker to stop.
    #[serde(rename = "interrupt")]
    Interrupt {
        /// `SIGTERM`, …
        signal: String,
    },
    /// The run is over; always its last event.
    #[serde(rename = "run.end")]
    RunEnd {
        /// How.
        reason: RunExit,
        /// The exit code.
        exit: u8,
        /// One sentence for a person.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<String>,
        /// What the run has spent in the end; nothing is reserved any more. A run that was refused
        /// before it began has none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        spend: Option<Spend>,
    },
    /// Anything else worth saying.
    #[serde(rename = "log")]
    Log {
        /// What.
        text: String,
    },
}

/// What a run has used. It grows from event to event, except for what is reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Spend {
    /// What this run has cost, US dollars.
    pub spent_usd: f64,
    /// What this run may cost beyond that before the next such event, US dollars: requests that are
    /// under way or may follow.
    pub reserved_usd: f64,
    /// What the execution has cost, US dollars: its earlier runs, as the worker was told, and this
    /// one. It stands against [`Limits::max_cost_usd`].
    pub execution_usd: f64,
    /// Tokens of this run.
    pub tokens: Tokens,
    /// Iterations of this run that have ended.
    pub iterations: u32,
}

/// What ends a run. Limits that bound what it logs and commits are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Limits {
    /// Most iterations.
    pub max_iterations: u32,
    /// Longest duration, seconds.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub max_duration_secs: u64,
    /// Highest cost, US dollars.
    pub max_cost_usd: f64,
    /// Longest iteration, seconds.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub iteration_timeout_secs: u64,
    /// Longest silence, seconds.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub silence_secs: u64,
    /// Most iterations in a row without progress.
    pub max_stalls: u32,
}

/// Tokens as the service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Tokens {
    /// Read by the model.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub input: u64,
    /// Written by the model.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub output: u64,
    /// Read from the cache.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub cache_read: u64,
    /// Written to the cache.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub cache_write: u64,
}

impl Tokens {
    /// Adds others.
    pub const fn add(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
    }

    /// Takes others away; none is less than zero.
    pub const fn subtract(&mut self, other: Self) {
        self.input = self.input.saturating_sub(other.input);
        self.output = self.output.saturating_sub(other.output);
        self.cache_read = self.cache_read.saturating_sub(other.cache_read);
        self.cache_write = self.cache_write.saturating_sub(other.cache_write);
    }
}

impl Kind {
    /// The text that may be cut into parts, if this kind has one.
    pub fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::AgentText { text, .. }
            | Self::AgentTool { text, .. }
            | Self::AgentToolResult { text, .. }
            | Self::AgentStderr { text }
            | Self::Setup { text }
            | Self::Log { text } => Some(text),
            _ => None,
        }
    }
}

/// RFC 3339 to ms since the epoch.
#[must_use]
pub fn timestamp_ms(ts: &str) -> Option<u64> {
    let ms = ts.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    u64::try_from(ms).ok()
}

/// Ms since the epoch to RFC 3339 in UTC with milliseconds; an impossible time is the epoch.
#[must_use]
pub fn timestamp_text(ms: u64) -> String {
    let ts = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    format!("{ts:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind) -> Event {
        Event {
            v: VERSION,
            ts: timestamp_text(1_700_000_000_123),
            workstream: "docs".parse().unwrap(),
            run: "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap(),
            seq: 1,
            iter: 0,
            level: Level::Info,
            part: None,
            kind,
        }
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let line = serde_json::to_string(&event(Kind::Log { text: "a\nb".into() })).unwrap();
        assert_eq!(
            line,
            r#"{"v":1,"ts":"2023-11-14T22:13:20.123Z","workstream":"docs","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","seq":1,"iter":0,"level":"info","type":"log","text":"a\nb"}"#
        );
        let back: Event = serde_json::from_str(&line).unwrap();
        assert_eq!(back, event(Kind::Log { text: "a\nb".into() }));
    }

    #[test]
    fn run_end_carries_its_exit_in_the_envelope() {
        let line = serde_json::to_string(&event(Kind::RunEnd {
            reason: RunExit::Complete,
            exit: 0,
            text: None,
            spend: None,
        }))
        .unwrap();
        let envelope = Envelope::parse(&line).unwrap();
        assert_eq!(envelope.exit, Some(0));
        assert_eq!(envelope.reason.as_deref(), Some("complete"));
    }

    #[test]
    fn each_type_is_written_with_the_name_that_readers_know() {
        fn name(kind: &Kind) -> &'static str {
            match kind {
                Kind::RunStart { .. } => kind::RUN_START,
                Kind::Clone { .. } => kind::CLONE,
                Kind::Setup { .. } => kind::SETUP,
                Kind::IterStart {} => kind::ITER_START,
                Kind::AgentText { .. } => kind::AGENT_TEXT,
                Kind::AgentTool { .. } => kind::AGENT_TOOL,
                Kind::AgentToolResult { .. } => kind::AGENT_TOOL_RESULT,
                Kind::AgentStderr { .. } => kind::AGENT_STDERR,
                Kind::AgentRetry { .. } => kind::AGENT_RETRY,
                Kind::Limit { .. } => kind::LIMIT,
                Kind::KeyRotate { .. } => kind::KEY_ROTATE,
                Kind::Checkpoint { .. } => kind::CHECKPOINT,
                Kind::PullRequest { .. } => kind::PULL_REQUEST,
                Kind::IterEnd { .. } => kind::ITER_END,
                Kind::Spend(_) => kind::SPEND,
                Kind::Wait { .. } => kind::WAIT,
                Kind::Interrupt { .. } => kind::INTERRUPT,
                Kind::RunEnd { .. } => kind::RUN_END,
                Kind::Log { .. } => kind::LOG,
            }
        }
        let text = String::new;
        let limits = Limits {
            max_iterations: 1,
            max_duration_secs: 1,
            max_cost_usd: 1.0,
            iteration_timeout_secs: 1,
            silence_secs: 1,
            max_stalls: 1,
        };
        for kind in [
            Kind::RunStart { attempt: 1, repo: text(), branch: text(), limits },
            Kind::Clone { commit: text(), duration_ms: 1, branch: None },
            Kind::Setup { text: text() },
            Kind::IterStart {},
            Kind::AgentText { text: text(), parent: None },
            Kind::AgentTool { id: text(), name: text(), text: text(), parent: None },
            Kind::AgentToolResult { id: text(), text: text(), is_error: false, parent: None },
            Kind::AgentStderr { text: text() },
            Kind::AgentRetry { attempt: 1, delay_ms: 1, status: None },
            Kind::Limit { status: text(), resets_at: None },
            Kind::KeyRotate { from: text(), to: None, reason: text() },
            Kind::Checkpoint { commit: text(), branch: text(), pushed: true },
            Kind::PullRequest { url: text(), number: 1, draft: true },
            Kind::IterEnd {
                outcome: text(),
                cost_usd: 0.0,
                tokens: Tokens::default(),
                turns: 1,
                duration_ms: 1,
                commit: None,
            },
            Kind::Spend(Spend::default()),
            Kind::Wait { until: 1, reason: text() },
            Kind::Interrupt { signal: text() },
            Kind::RunEnd { reason: RunExit::Complete, exit: 0, text: None, spend: None },
            Kind::Log { text: text() },
        ] {
            let name = name(&kind);
            let line = serde_json::to_string(&event(kind)).unwrap();
            assert_eq!(Envelope::parse(&line).unwrap().kind, name);
        }
    }
}
