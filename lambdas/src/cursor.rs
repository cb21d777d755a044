//! The cursor of `caughtUp` and `before`: where a page began. Opaque to clients, and never
//! CloudWatch's own token, so it survives a reconnect and names no stream.

use base64::Engine;
use ralph_protocol::ids::Run;
use serde::{Deserialize, Serialize};

/// Most bytes of a cursor's text.
const MAX_LEN: usize = 512;

/// The oldest line of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The run it is of.
    #[serde(rename = "r")]
    pub run: Run,
    /// CloudWatch's time of it, ms since the epoch.
    #[serde(rename = "t")]
    pub ts: u64,
    /// The lowest `seq` of that run given so far; null before the first event.
    #[serde(rename = "s")]
    pub seq: Option<u64>,
    /// How many raw lines at exactly `ts` were given.
    #[serde(rename = "n")]
    pub raw: usize,
    /// Whether paging stays within the run.
    #[serde(rename = "o")]
    pub only: bool,
}

impl Cursor {
    /// The cursor as clients see it.
    #[must_use]
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
    }

    /// Reads [`Cursor::encode`] back; `None` when the text is not a cursor.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_anything_else_is_refused() {
        let run: Run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap();
        for seq in [None, Some(1), Some(u64::MAX)] {
            let cursor = Cursor { run: run.clone(), ts: 7, seq, raw: 2, only: true };
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
        for bad in ["", "x", "e30", "\u{0}", "f/33".repeat(200).as_str()] {
            assert_eq!(Cursor::decode(bad), None, "{bad}");
        }
    }
}
