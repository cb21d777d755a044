//! The payload of a subscription filter: JSON around base64 around gzip around JSON.

use std::{borrow::Cow, io::Read};

use aws_lambda_events::cloudwatch_logs::{LogData, LogEntry};
use base64::Engine;
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most bytes a payload inflates to. CloudWatch sends at most 1 MB of gzip; log text of that size
/// inflates to some 5 to 15 MB, and what inflates to more is refused before it fills the memory.
pub const MAX_INFLATED: usize = 48 << 20;

/// Why a payload is refused. Trying again would not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not `{"awslogs":{"data":"…"}}`.
    #[error("the event is not a subscription payload")]
    Envelope,
    /// Not base64.
    #[error("the payload is not base64")]
    Base64,
    /// Not gzip.
    #[error("the payload is not gzip")]
    Gzip,
    /// More than the cap.
    #[error("the payload inflates to more than {0} bytes")]
    TooLarge(usize),
    /// Not the JSON that CloudWatch Logs sends.
    #[error("the payload is not a batch of log events: {0}")]
    Batch(String),
}

/// Inflates the payload of an invocation, `{"awslogs":{"data":"…"}}`, up to `cap` bytes.
/// (`aws_lambda_events::cloudwatch_logs::LogsEvent` knows no cap, and one bad line fails it as a whole.)
///
/// # Errors
/// [`PayloadError`].
pub fn inflate(event: &str, cap: usize) -> Result<Vec<u8>, PayloadError> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        awslogs: Inner<'a>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        data: Cow<'a, str>,
    }
    let outer: Outer<'_> = serde_json::from_str(event).map_err(|_| PayloadError::Envelope)?;
    let gzip = base64::engine::general_purpose::STANDARD
        .decode(outer.awslogs.data.as_bytes())
        .map_err(|_| PayloadError::Base64)?;
    // gzip ends with the size of what it holds (modulo 2^32): a good first guess, never a bound.
    let guess = gzip.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let most = gzip.len().saturating_mul(12).min(cap);
    let mut text = Vec::with_capacity(guess.min(most) + 1);
    let mut limited = GzDecoder::new(gzip.as_slice()).take(cap as u64 + 1);
    limited.read_to_end(&mut text).map_err(|_| PayloadError::Gzip)?;
    if text.len() > cap {
        return Err(PayloadError::TooLarge(cap));
    }
    Ok(text)
}

/// What CloudWatch Logs delivers.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A check by CloudWatch Logs that the destination can be reached.
    Control,
    /// Lines.
    Data(Batch),
}

/// Lines of one log stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// The stream's name.
    pub log_stream: String,
    /// The lines, as they came.
    pub entries: Vec<LogEntry>,
    /// Entries that could not be read at all (no timestamp, no text).
    pub unreadable: usize,
}

impl Delivery {
    /// Reads an inflated payload. Unknown fields pass, and an entry that cannot be read costs no other.
    ///
    /// # Errors
    /// [`PayloadError::Batch`].
    pub fn parse(text: Vec<u8>) -> Result<Self, PayloadError> {
        // CloudWatch sends UTF-8; a byte that is something else shows as U+FFFD and costs nothing more.
        let text = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // All at once. Anything odd, such as a lone surrogate in one line, sends the payload through
        // the second reader.
        let (data, unreadable) = match serde_json::from_str(&text) {
            Ok(data) => (data, 0),
            Err(_) => one_by_one(&text)?,
        };
        Ok(Self::new(data, unreadable))
    }

    fn new(data: LogData, unreadable: usize) -> Self {
        if data.message_type != "DATA_MESSAGE" {
            return Self::Control;
        }
        Self::Data(Batch { log_stream: data.log_stream, entries: data.log_events, unreadable })
    }
}

/// Reads a batch and each of its entries by itself; also says how many could not be read.
fn one_by_one(text: &str) -> Result<(LogData, usize), PayloadError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Raw<'a> {
        message_type: String,
        #[serde(default)]
        log_stream: String,
        #[serde(borrow, default)]
        log_events: Vec<&'a RawValue>,
    }
    let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| {
        // serde's message can quote a value; its place cannot.
        PayloadError::Batch(format!("{:?} error in column {}", error.classify(), error.column()))
    })?;
    let all = raw.log_events.len();
    let mut data = LogData::default();
    data.message_type = raw.message_type;
    data.log_stream = raw.log_stream;
    data.log_events = raw.log_events.into_iter().filter_map(|raw| entry(raw.get())).collect();
    let unreadable = all - data.log_events.len();
    Ok((data, unreadable))
}

/// Reads an entry of which only what matters must be there.
fn entry(raw: &str) -> Option<LogEntry> {
    #[derive(Deserialize)]
    struct Odd<'a> {
        timestamp: i64,
        // As bytes, a text may hold lone surrogates.
        #[serde(borrow)]
        message: Cow<'a, [u8]>,
    }
    let odd: Odd<'_> = serde_json::from_str(raw).ok()?;
    let mut entry = LogEntry::default();
    entry.timestamp = odd.timestamp;
    entry.message = String::from_utf8_lossy(&odd.message).into_owned();
    Some(entry)
}

/// An entry's time, ms since the epoch.
pub(crate) fn time(entry: &LogEntry) -> u64 {
    u64::try_from(entry.timestamp).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn payload(message: &str, more: &serde_json::Value) -> String {
        json!({
            "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": ["f"],
            "logEvents": [{"id": "1", "timestamp": 7, "message": message}, more],
        })
        .to_string()
    }

    fn batch(text: impl Into<Vec<u8>>) -> Batch {
        match Delivery::parse(text.into()) {
            Ok(Delivery::Data(batch)) => batch,
            other => panic!("no lines: {other:?}"),
        }
    }

    fn lines(batch: &Batch) -> Vec<(u64, &str)> {
        batch.entries.iter().map(|entry| (time(entry), &*entry.message)).collect()
    }

    #[test]
    fn an_odd_entry_costs_no_other() {
        for (odd, read) in [
            (r#"{"timestamp":8,"message":"no id"}"#, Some((8, "no id"))),
            (
                r#"{"id":5,"timestamp":8,"message":"an id of another form"}"#,
                Some((8, "an id of another form")),
            ),
            (r#"{"timestamp":8,"message":"","extractedFields":{"a":"b"}}"#, Some((8, ""))),
            (r#"{"timestamp":-8,"message":"before 1970"}"#, Some((0, "before 1970"))),
            (
                r#"{"timestamp":8,"message":"a \ud800 b"}"#,
                Some((8, "a \u{fffd}\u{fffd}\u{fffd} b")),
            ),
            (
                r#"{"timestamp":8,"message":"\ud83d\ud83d\ude00"}"#,
                Some((8, "\u{fffd}\u{fffd}\u{fffd}\u{1f600}")),
            ),
            (
                r#"{"timestamp":8,"message":"\\ud800 \udead"}"#,
                Some((8, "\\ud800 \u{fffd}\u{fffd}\u{fffd}")),
            ),
            (r#"{"timestamp":1.5,"message":""}"#, None),
            (r#"{"timestamp":18446744073709551615,"message":""}"#, None),
            (r#"{"timestamp":1,"timestamp":1,"message":""}"#, None),
            (r#"{"timestamp":1,"message":null}"#, None),
            (r#"{"timestamp":1,"message":"\x"}"#, None),
            (r#"{"timestamp":1}"#, None),
            (r#"{"message":"when"}"#, None),
            (r#""what""#, None),
            ("null", None),
        ] {
            let text = payload("good", &json!("ODD")).replace("\"ODD\"", odd);
            // Text that is not JSON is not a list of entries either.
            if odd.contains(r"\x") {
                assert!(Delivery::parse(text.into_bytes()).is_err());
                continue;
            }
            let batch = batch(text);
            let expected: Vec<_> = [Some((7, "good")), read].into_iter().flatten().collect();
            assert_eq!(lines(&batch), expected, "{odd}");
            assert_eq!((batch.unreadable, &*batch.log_stream), (usize::from(read.is_none()), "s"));
        }
    }

    #[test]
    fn what_is_not_a_batch_is_refused_without_its_content() {
        for bad in ["", "{", "[]", "{}", r#"{"logEvents":[}"#, r#"{"messageType":["secret"]}"#] {
            let error = Delivery::parse(bad.into()).unwrap_err().to_string();
            assert!(error.contains("not a batch") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn invalid_utf_8_costs_neither_its_line_nor_another() {
        let text = payload("BAD", &json!({"id": "2", "timestamp": 8, "message": "good"}));
        let at = text.find("BAD").unwrap();
        let mut text = text.into_bytes();
        text[at + 1] = 0xff;
        assert_eq!(lines(&batch(text)), [(7, "B\u{fffd}D"), (8, "good")]);
    }

    proptest! {
        /// Where all entries can be read at once, each by itself gives the same.
        #[test]
        fn both_readers_agree(
            message in "(\\PC|[\u{0}-\u{1f}\"\\\\]|\u{1f600}){0,60}",
            escaped in r#"(\\u[0-9a-fD]{4}|\\[nt"\\/bfx]|[a-z"]){0,8}"#,
            at in any::<prop::sample::Index>(),
            byte in prop::option::of(32u8..127),
        ) {
            let mut text = payload(&message, &json!({"id": "2", "timestamp": 8, "message": "ESCAPED"}));
            text = text.replace("ESCAPED", &escaped);
            if let Some(byte) = byte {
                let at = at.index(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                    text.replace_range(at..=at, std::str::from_utf8(&[byte]).unwrap());
                }
            }
            if let Ok(data) = serde_json::from_str(&text) {
                let (at_once, (data, unreadable)) = (Delivery::new(data, 0), one_by_one(&text).unwrap());
                match (at_once, Delivery::new(data, unreadable)) {
                    (Delivery::Data(at_once), Delivery::Data(each)) => {
                        prop_assert_eq!(lines(&at_once), lines(&each));
                        prop_assert_eq!((at_once.log_stream, 0), (each.log_stream, each.unreadable));
                    }
                    (at_once, each) => prop_assert_eq!(at_once, each),
                }
            }
            // Whatever was written over, what is read holds the entries that can be read.
            if let Ok(Delivery::Data(batch)) = Delivery::parse(text.into_bytes()) {
                prop_assert!(batch.entries.len() + batch.unreadable <= 2);
            }
        }
    }
}
