//! The forms in which a known value may appear.

use base64::{Engine, engine::general_purpose};

/// Shortest value looked for.
const MIN_VALUE: usize = 4;

/// Shortest derived form looked for: shorter ones match by accident.
const MIN_DERIVED: usize = 8;

/// The value itself, without its line breaks, JSON-escaped (once and twice), URL-encoded, in hex, and
/// in base64 at each of its three alignments, in both alphabets.
pub(super) fn of(value: &str) -> Vec<Vec<u8>> {
    if value.len() < MIN_VALUE {
        return Vec::new();
    }
    // As a text of several lines is searched.
    let mut derived = vec![value.replace(['\r', '\n'], "")];
    let once = json(value);
    derived.push(json(&once));
    derived.push(once.replace('/', "\\/"));
    derived.push(once);
    derived.push(percent(value, |byte| format!("%{byte:02X}")));
    derived.push(percent(value, |byte| format!("%{byte:02x}")));
    derived.push(value.bytes().map(|byte| format!("{byte:02x}")).collect());
    derived.push(value.bytes().map(|byte| format!("{byte:02X}")).collect());
    for alignment in 0..3 {
        derived.push(base64_inside(&general_purpose::STANDARD_NO_PAD, value, alignment));
        derived.push(base64_inside(&general_purpose::URL_SAFE_NO_PAD, value, alignment));
    }
    let mut forms = vec![value.to_owned()];
    forms.extend(derived.into_iter().filter(|form| form.len() >= MIN_DERIVED));
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str, encode: impl Fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => encode(other),
        })
        .collect()
}

/// The part of the value's base64 that does not depend on the bytes before and after it, when
/// `alignment` bytes of the first group of three come before it.
fn base64_inside(engine: &impl Engine, value: &str, alignment: usize) -> String {
    let mut bytes = vec![0; alignment];
    bytes.extend_from_slice(value.as_bytes());
    let text = engine.encode(&bytes);
    // A first character that mixes in a byte of the prefix says nothing about the value alone.
    let head = [0, 2, 3][alignment];
    let tail = usize::from(!bytes.len().is_multiple_of(3));
    text[head..text.len() - tail].to_owned()
}
