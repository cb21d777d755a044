//! A line of a log stream: an event of ours, or a raw line; and what of it goes into a frame.

use std::borrow::Cow;

use ralph_protocol::{
    event::{VERSION, timestamp_ms},
    ids::Run,
    message::RawLine,
};
use serde::Deserialize;
use serde_json::json;

use crate::{frame::MAX_EVENT, head, ports::StreamOwner, split::parts};

/// What every reader needs of an event: [`ralph_protocol::event::Envelope`], borrowed, because a
/// delivery can hold 18,000 of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head<'a> {
    pub(crate) v: u8,
    #[serde(borrow)]
    pub(crate) ts: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) workstream: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) run: Cow<'a, str>,
    /// From 1.
    pub seq: u64,
    /// The type's name.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Exit code, in `run.end`.
    #[serde(default)]
    pub exit: Option<u8>,
    /// Why, in `run.end` and `wait`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when, ms since the epoch, in `wait`.
    #[serde(default)]
    pub until: Option<u64>,
}

impl<'a> Head<'a> {
    /// Reads a line; `None` when it is not one of our events.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        // Cheap first look: most raw lines are not objects.
        if !line.trim_start().starts_with('{') {
            return None;
        }
        let head = head::scan(line).or_else(|| serde_json::from_str(line).ok())?;
        (head.v == VERSION && head.seq > 0).then_some(head)
    }

    /// The owner that the event names; `None` when its ids are none.
    #[must_use]
    pub fn owner(&self) -> Option<StreamOwner> {
        Some(StreamOwner { workstream: self.workstream.parse().ok()?, run: self.run.parse().ok()? })
    }

    /// The event's time, ms since the epoch; `None` when `ts` is not RFC 3339.
    #[must_use]
    pub fn ts_ms(&self) -> Option<u64> {
        timestamp_ms(&self.ts)
    }

    fn is_of(&self, owner: &StreamOwner) -> bool {
        self.workstream == owner.workstream.as_str() && self.run == owner.run.as_str()
    }
}

/// A line, seen from the stream it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// An event of the stream's run.
    Event(Head<'a>),
    /// An event that names another workstream or run. It goes nowhere.
    Foreign,
    /// Not an event of ours.
    Raw,
}

impl<'a> Line<'a> {
    /// Reads a line of a stream that belongs to `owner`.
    #[must_use]
    pub fn parse(text: &'a str, owner: &StreamOwner) -> Self {
        match Head::parse(text) {
            Some(head) if head.is_of(owner) => Self::Event(head),
            // Ids of a wrong form make it a raw line, as they do for every other reader.
            Some(head) if head.owner().is_some() => Self::Foreign,
            _ => Self::Raw,
        }
    }
}

/// An event as it goes into a frame: verbatim. One that no frame could hold (the worker never
/// writes such a line) is replaced by a notice with its place, so that no hole stays open.
#[must_use]
pub fn encode_event<'a>(text: &'a str, head: &Head<'_>) -> Cow<'a, str> {
    let text = text.trim();
    if text.len() <= MAX_EVENT {
        return Cow::Borrowed(text);
    }
    let notice = format!("an event of {} bytes is too long to be shown", text.len());
    let event = json!({
        "v": VERSION, "ts": head.ts, "workstream": head.workstream, "run": head.run,
        "seq": head.seq, "iter": 0, "level": "warn", "type": "log", "text": notice,
    });
    let text = event.to_string();
    // A made-up `ts` could itself be a megabyte.
    if text.len() <= MAX_EVENT { Cow::Owned(text) } else { encode_event_without_ts(head) }
}

fn encode_event_without_ts(head: &Head<'_>) -> Cow<'static, str> {
    let event = json!({
        "v": VERSION, "ts": "1970-01-01T00:00:00.000Z", "workstream": head.workstream,
        "run": head.run, "seq": head.seq, "iter": 0, "level": "warn", "type": "log",
        "text": "an event is too long to be shown",
    });
    Cow::Owned(event.to_string())
}

/// A raw line as it goes into frames: one event, or numbered parts of a long one.
#[must_use]
pub fn encode_raw(text: &str, stream: &str, run: &Run, timestamp: u64) -> Vec<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let encode = |text: &str, part| {
        let line = RawLine {
            run: run.clone(),
            stream: stream.to_owned(),
            ts: timestamp,
            text: text.to_owned(),
            part,
        };
        serde_json::to_string(&line).unwrap_or_default()
    };
    // What stands around the text, with the largest part numbers there are.
    let around = encode("", Some([u32::MAX, u32::MAX])).len();
    let pieces = parts(text, MAX_EVENT.saturating_sub(around));
    let of = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    if let [whole] = pieces.as_slice() {
        return vec![encode(whole, None)];
    }
    (1..).zip(pieces).map(|(n, piece)| encode(piece, Some([n, of]))).collect()
}
