//! Frames: `logs` messages of at most [`MAX_FRAME`] bytes, packed as full as the order of their
//! events allows. API Gateway bills a post by 32 KB, so a frame costs the same empty or full.

use ralph_protocol::{
    ids::Workstream,
    message::{MAX_FRAME, ServerMessage, Source},
};

/// Most bytes of an event in a frame: what is left of [`MAX_FRAME`] around one event in the longest
/// frame of its kind.
pub const MAX_EVENT: usize = MAX_FRAME - 640;
/// Most bytes of a request's `id`. Escaped, a byte takes six at the most.
pub const MAX_ID: usize = 64;

const TAIL: &[u8] = b"]}";

/// Packs events into frames.
#[derive(Debug)]
pub struct Packer {
    head: Vec<u8>,
    open: Vec<u8>,
    full: Vec<Vec<u8>>,
}

impl Packer {
    /// Frames for a workstream; `id` is the request's, in a replay.
    #[must_use]
    pub fn new(workstream: &Workstream, source: Source, id: Option<&str>) -> Self {
        let id = id.map_or(String::new(), |id| format!(r#""id":{},"#, serde_json::json!(id)));
        let source = match source {
            Source::Live => "live",
            Source::Replay => "replay",
        };
        // A workstream's id needs no escaping.
        let head = format!(
            r#"{{"type":"logs",{id}"workstream":"{workstream}","source":"{source}","events":["#
        );
        Self { head: head.into_bytes(), open: Vec::new(), full: Vec::new() }
    }

    /// Adds an event: JSON of at most [`MAX_EVENT`] bytes.
    pub fn push(&mut self, event: &str) {
        debug_assert!(event.len() <= MAX_EVENT, "an event of {} bytes", event.len());
        if self.open.len() + 1 + event.len() + TAIL.len() > MAX_FRAME {
            self.close();
        }
        if self.open.is_empty() {
            self.open.reserve_exact(MAX_FRAME);
            self.open.extend_from_slice(&self.head);
        } else {
            self.open.push(b',');
        }
        self.open.extend_from_slice(event.as_bytes());
    }

    /// Frames that are full already.
    pub fn take_full(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.full)
    }

    /// All frames that are left; none when nothing was added.
    pub fn take_all(&mut self) -> Vec<Vec<u8>> {
        self.close();
        self.take_full()
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let mut frame = std::mem::take(&mut self.open);
            frame.extend_from_slice(TAIL);
            self.full.push(frame);
        }
    }
}

/// Any message but `logs` as a frame.
#[must_use]
pub fn message(message: &ServerMessage) -> Vec<u8> {
    // These are plain structures with text keys: writing them cannot fail.
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workstream() -> Workstream {
        "w".repeat(48).parse().unwrap()
    }

    fn events(frame: &[u8]) -> Vec<String> {
        let message = ServerMessage::read(std::str::from_utf8(frame).unwrap());
        let Some(ServerMessage::Logs(logs)) = message else { panic!("not logs") };
        logs.events.iter().map(|event| event.get().to_owned()).collect()
    }

    #[test]
    fn a_frame_parses_back() {
        let mut packer = Packer::new(&workstream(), Source::Replay, Some("a\"b"));
        packer.push(r#"{"v":1}"#);
        let frames = packer.take_all();
        let message = ServerMessage::read(std::str::from_utf8(&frames[0]).unwrap());
        let Some(ServerMessage::Logs(logs)) = message else { panic!("not logs") };
        assert_eq!(logs.id.as_deref(), Some("a\"b"));
        assert_eq!((logs.workstream, logs.source), (workstream(), Source::Replay));
        assert!(packer.take_all().is_empty());
    }

    #[test]
    fn the_largest_event_fits_into_the_largest_frame() {
        let id = "\u{1}".repeat(MAX_ID);
        let mut packer = Packer::new(&workstream(), Source::Replay, Some(&id));
        let event = format!("\"{}\"", "x".repeat(MAX_EVENT - 2));
        packer.push(&event);
        packer.push(&event);
        let frames = packer.take_all();
        assert_eq!(frames.len(), 2);
        for frame in frames {
            assert!(frame.len() <= MAX_FRAME, "{}", frame.len());
        }
    }

    proptest! {
        #[test]
        fn frames_hold_all_events_in_order_and_are_full(
            lengths in prop::collection::vec(prop_oneof![2usize..40, 2usize..MAX_EVENT], 0..120),
        ) {
            let all: Vec<_> = lengths.iter().enumerate().map(|(i, n)| {
                let digits = i.to_string();
                format!("\"{digits}{}\"", "x".repeat(n.saturating_sub(2 + digits.len())))
            }).collect();
            let mut packer = Packer::new(&workstream(), Source::Live, None);
            let mut frames = Vec::new();
            for event in &all {
                packer.push(event);
                frames.extend(packer.take_full());
            }
            frames.extend(packer.take_all());
            let held: Vec<Vec<String>> = frames.iter().map(|frame| events(frame)).collect();
            prop_assert_eq!(held.concat(), all);
            for frame in &frames {
                prop_assert!(frame.len() <= MAX_FRAME);
            }
            // Full: no frame had room for the next one's first event.
            for (frame, next) in frames.iter().zip(held.iter().skip(1)) {
                prop_assert!(frame.len() + 1 + next[0].len() > MAX_FRAME);
            }
        }
    }
}
