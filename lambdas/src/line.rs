//! A line of a log stream: an event of ours, or a raw line; and how it goes into a frame.

use std::borrow::Cow;

use ralph_protocol::{
    event::{Envelope, VERSION, kind},
    ids::Run,
    message::RawLine,
};
use serde_json::json;
use ulid::Ulid;

use crate::{frame::MAX_EVENT, ports::StreamOwner, split::parts};

/// A line, seen from the stream it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// An event of the stream's run.
    Event(Envelope<'a>),
    /// An event that names another workstream or run. It goes nowhere.
    Foreign,
    /// Not an event of ours.
    Raw,
}

impl<'a> Line<'a> {
    /// Reads a line of a stream that belongs to `owner`.
    #[must_use]
    pub fn parse(text: &'a str, owner: &StreamOwner) -> Self {
        match Envelope::parse(text) {
            Some(event) if event.workstream == owner.workstream && event.run == owner.run => {
                Self::Event(event)
            }
            Some(_) => Self::Foreign,
            None => Self::Raw,
        }
    }
}

/// An event as it goes into a frame: verbatim. One that no frame could hold (the worker never
/// writes such a line) is replaced by a notice with its place, so that no hole stays open.
#[must_use]
pub fn encode_event<'a>(text: &'a str, event: &Envelope<'_>) -> Cow<'a, str> {
    let text = text.trim();
    if text.len() <= MAX_EVENT {
        return Cow::Borrowed(text);
    }
    let notice = format!("an event of {} bytes is too long to be shown", text.len());
    let whole = notice_in_place_of(event, &event.ts, &notice);
    // A made-up `ts` could itself be a megabyte.
    if whole.len() <= MAX_EVENT {
        return Cow::Owned(whole);
    }
    Cow::Owned(notice_in_place_of(event, "1970-01-01T00:00:00.000Z", &notice))
}

fn notice_in_place_of(event: &Envelope<'_>, ts: &str, notice: &str) -> String {
    json!({
        "v": VERSION, "ts": ts, "workstream": event.workstream, "run": event.run,
        "seq": event.seq, "iter": 0, "level": "warn", "type": kind::LOG, "text": notice,
    })
    .to_string()
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

/// How many parts [`encode_raw`] makes of a raw line whose run is not known yet. Ids of runs are all as
/// long, so each run's lines are cut alike.
#[must_use]
pub fn count_parts(text: &str, stream: &str, timestamp: u64) -> usize {
    Run::new(Ulid::nil(), 1).map_or(1, |run| encode_raw(text, stream, &run, timestamp).len())
}
