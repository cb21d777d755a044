//! The payload of a subscription filter: JSON around base64 around gzip around JSON.

use std::{borrow::Cow, io::Read, ops::Range, str};

use base64::Engine;
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::scan::{Place, Scanned, scan};

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

/// What CloudWatch Logs delivers. Unknown fields pass.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// A check by CloudWatch Logs that the destination can be reached.
    Control,
    /// Lines.
    Data(Batch<'a>),
}

/// Lines of one log stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The group's name.
    pub log_group: Cow<'a, str>,
    /// The stream's name.
    pub log_stream: Cow<'a, str>,
    /// The lines, as they came.
    pub entries: Vec<Entry<'a>>,
    /// Entries that could not be read at all (no timestamp, no text).
    pub unreadable: usize,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Ms since the epoch.
    pub timestamp: u64,
    /// The line.
    pub message: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBatch<'a, E> {
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    #[serde(borrow, default)]
    log_group: Cow<'a, str>,
    #[serde(borrow, default)]
    log_stream: Cow<'a, str>,
    #[serde(default = "Vec::new")]
    log_events: Vec<E>,
}

#[derive(Deserialize)]
struct WireEntry<'a> {
    timestamp: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl<'a> From<WireEntry<'a>> for Entry<'a> {
    fn from(wire: WireEntry<'a>) -> Self {
        Self { timestamp: u64::try_from(wire.timestamp).unwrap_or(0), message: wire.message }
    }
}

impl<'a> Delivery<'a> {
    /// Reads an inflated payload, in place. One entry that cannot be read costs no other. `again`
    /// gives the text anew, for the rare form that cannot be read in place.
    ///
    /// # Errors
    /// [`PayloadError::Batch`], and those of `again`.
    pub fn parse(
        text: &'a mut Vec<u8>,
        again: impl FnOnce() -> Result<Vec<u8>, PayloadError>,
    ) -> Result<Self, PayloadError> {
        if let Some(Scanned { message_type: Some(kind), log_group, log_stream, entries }) =
            scan(text)
        {
            return Self::from_places(text, &kind, log_group, log_stream, entries);
        }
        // Freed before the second comes: both at once could be twice the cap.
        drop(std::mem::take(text));
        *text = again()?;
        Self::parse_any(text)
    }

    fn from_places(
        text: &'a [u8],
        kind: &Range<usize>,
        log_group: Range<usize>,
        log_stream: Range<usize>,
        places: Vec<Place>,
    ) -> Result<Self, PayloadError> {
        let text_of = |place: Range<usize>| {
            str::from_utf8(&text[place])
                .map_err(|_| PayloadError::Batch("a name in it is not UTF-8".to_owned()))
        };
        if text_of(kind.clone())? != "DATA_MESSAGE" {
            return Ok(Self::Control);
        }
        let entries = places.into_iter().map(|Place { timestamp, message }| {
            // A byte that is none of UTF-8's shows as U+FFFD and costs neither its line nor another.
            let message = match str::from_utf8(&text[message.clone()]) {
                Ok(message) => Cow::Borrowed(message),
                Err(_) => String::from_utf8_lossy(&text[message]),
            };
            Entry { timestamp, message }
        });
        Ok(Self::Data(Batch {
            entries: entries.collect(),
            log_group: text_of(log_group)?.into(),
            log_stream: text_of(log_stream)?.into(),
            unreadable: 0,
        }))
    }

    /// Reads whatever is JSON of the right shape.
    fn parse_any(text: &'a [u8]) -> Result<Self, PayloadError> {
        // In one pass. Anything odd, such as a lone surrogate in one line, sends the payload through
        // the second, which takes every entry by itself.
        if let Ok(wire) = serde_json::from_slice::<WireBatch<'a, WireEntry<'a>>>(text) {
            return Ok(Self::from_wire(wire, |entry| Some(entry.into())));
        }
        let wire = serde_json::from_slice::<WireBatch<'a, &'a RawValue>>(text).map_err(batch)?;
        Ok(Self::from_wire(wire, |raw| read_entry(raw.get())))
    }

    fn from_wire<E>(wire: WireBatch<'a, E>, read: impl Fn(E) -> Option<Entry<'a>>) -> Self {
        if wire.message_type != "DATA_MESSAGE" {
            return Self::Control;
        }
        let all = wire.log_events.len();
        let entries: Vec<_> = wire.log_events.into_iter().filter_map(read).collect();
        let unreadable = all - entries.len();
        let WireBatch { log_group, log_stream, .. } = wire;
        Self::Data(Batch { log_group, log_stream, entries, unreadable })
    }
}

fn batch(error: serde_json::Error) -> PayloadError {
    // serde's message can quote a value; its place cannot.
    PayloadError::Batch(format!("{:?} error in column {}", error.classify(), error.column()))
}

fn read_entry(raw: &str) -> Option<Entry<'_>> {
    #[derive(Deserialize)]
    struct Odd<'a> {
        timestamp: i64,
        #[serde(borrow)]
        message: &'a RawValue,
    }
    if let Ok(entry) = serde_json::from_str::<WireEntry<'_>>(raw) {
        return Some(entry.into());
    }
    let odd: Odd<'_> = serde_json::from_str(raw).ok()?;
    let message = lossy_json_string(odd.message.get())?;
    Some(WireEntry { timestamp: odd.timestamp, message: Cow::Owned(message) }.into())
}

/// A JSON string whose escapes hold lone surrogates, with U+FFFD in their place.
fn lossy_json_string(json: &str) -> Option<String> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find("\\u") {
        // `\\u` after an odd number of backslashes is an escaped backslash and a plain u.
        let backslashes = rest[..at].bytes().rev().take_while(|b| *b == b'\\').count();
        if backslashes % 2 == 1 {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let one = rest.get(at..at + 6)?;
        let two = rest.get(at..at + 12);
        let reads = |text: &str| serde_json::from_str::<String>(&format!("\"{text}\"")).is_ok();
        let kept = if reads(one) {
            one
        } else if let Some(pair) = two.filter(|pair| reads(pair)) {
            pair
        } else {
            out.push('\u{fffd}');
            rest = &rest[at + 6..];
            continue;
        };
        out.push_str(kept);
        rest = &rest[at + kept.len()..];
    }
    out.push_str(rest);
    serde_json::from_str(&format!("\"{out}\"")).ok()
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

    #[test]
    fn the_usual_form_is_scanned_and_the_rest_is_not() {
        let text =
            payload("{\"a\":\"\\u001b[1m\u{1f600}\"}\n", &json!({"timestamp": 8, "message": ""}));
        assert!(scan(&mut text.into_bytes()).is_some());
        for odd in [
            json!({"timestamp": 1.5, "message": ""}),
            json!({"timestamp": -1, "message": ""}),
            json!({"timestamp": 1}),
            json!({"timestamp": 1, "message": null}),
            json!({"timestamp": 1, "message": "", "extractedFields": {"a": "b"}}),
        ] {
            assert_eq!(scan(&mut payload("x", &odd).into_bytes()), None, "{odd}");
        }
        for odd in [
            r#""timestamp":1,"timestamp":1,"message":"""#,
            r#""timestamp":1,"message":"","message":"""#,
            r#""timestamp":1234567890123456789,"message":"""#,
            r#""timestamp":18446744073709551615,"message":"""#,
            "\"timestamp\":1,\"message\":\"\u{1f}\"",
            r#""timestamp":1,"message":"\ud83d""#,
            r#""timestamp":1,"message":"\ud83d\uffff""#,
            r#""timestamp":1,"message":"\ud83d\ud83d""#,
            "\"timestamp\":1,\u{b}\"message\":\"\"",
        ] {
            let text = format!("{{\"messageType\":\"m\",\"logEvents\":[{{{odd}}}]}}");
            assert_eq!(scan(&mut text.into_bytes()), None, "{odd}");
        }
        let twice = r#"{"messageType":"m","logGroup":"a","logGroup":"b"}"#;
        assert_eq!(scan(&mut twice.as_bytes().to_vec()), None);
        for bad in ["", "{", "[]", "{\"logEvents\":[}", "{} x", "{\"a\":01}", "{\"a\":1,}"] {
            assert_eq!(scan(&mut bad.as_bytes().to_vec()), None, "{bad}");
        }
    }

    /// Reads in place, and never otherwise.
    fn in_place(text: &mut Vec<u8>) -> Delivery<'_> {
        Delivery::parse(text, || panic!("not the usual form")).unwrap()
    }

    #[test]
    fn escapes_are_undone_in_place_whatever_gap_they_leave() {
        // Escapes that shorten the text by 1 or 5, then plain text of every length, then a stop at
        // once: what was read must not have been written over.
        for (singles, numbers, length) in
            (0..12).flat_map(|a| (0..4).flat_map(move |b| (0..20).map(move |c| (a, b, c))))
        {
            for tail in ["", "\n", "\"", "\u{1f600}", "\u{e9}\\"] {
                let line = "\n".repeat(singles)
                    + &"\u{1}".repeat(numbers)
                    + &"plain text, 20 bytes"[..length]
                    + tail;
                let json = serde_json::to_string(&line).unwrap();
                let pairs = json.replace('\u{1f600}', r"\ud83d\ude00");
                for json in [json, pairs] {
                    let text = format!(
                        "{{ \"messageType\" : \"DATA_MESSAGE\",\n\t\"logEvents\":[ {{\"timestamp\":1 , \"message\":{json}}}\r]}}"
                    );
                    let mut text = text.into_bytes();
                    let Delivery::Data(batch) = in_place(&mut text) else { panic!("no lines") };
                    assert_eq!(batch.entries[0].message, line, "{json}");
                }
            }
        }
    }

    #[test]
    fn a_byte_that_is_no_utf_8_costs_neither_its_line_nor_another() {
        let text = payload("BAD", &json!({"timestamp": 8, "message": "good"}));
        let at = text.find("BAD").unwrap();
        let mut text = text.into_bytes();
        text[at + 1] = 0xff;
        let Delivery::Data(batch) = in_place(&mut text) else { panic!("no lines") };
        let lines: Vec<_> = batch.entries.iter().map(|entry| &*entry.message).collect();
        assert_eq!(lines, ["B\u{fffd}D", "good"]);
        let mut name = b"{\"messageType\":\"DATA_MESSAG\xd8\",\"logEvents\":[]}".to_vec();
        assert!(Delivery::parse(&mut name, || panic!("not the usual form")).is_err());
    }

    proptest! {
        /// Where the scanner reads a payload, the general reader reads the same.
        #[test]
        fn both_readers_agree(
            message in "(\\PC|[\u{0}-\u{1f}\"\\\\]|\u{1f600}){0,60}",
            escaped in r#"(\\u[0-9a-fD]{4}|\\[nt"\\/bfx]|[a-z"]){0,8}"#,
            at in any::<prop::sample::Index>(),
            byte in prop::option::of(32u8..127),
        ) {
            let mut text = payload(&message, &json!({"timestamp": 8, "message": "ESCAPED"}));
            text = text.replace("ESCAPED", &escaped);
            if let Some(byte) = byte {
                let at = at.index(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                    text.replace_range(at..=at, std::str::from_utf8(&[byte]).unwrap());
                }
            }
            let general = Delivery::parse_any(text.as_bytes());
            let mut in_place = text.clone().into_bytes();
            let read = Delivery::parse(&mut in_place, || Ok(text.clone().into_bytes()));
            prop_assert_eq!(read, general, "{}", text);
        }
    }
}
