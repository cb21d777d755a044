//! A line of any content and length becomes frames: each fits, each is JSON, together they hold the
//! line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ralph_lambdas::{
    frame::{MAX_EVENT, Packer},
    line::{encode_event, encode_raw},
    split::parts,
};
use ralph_protocol::{
    event::Envelope,
    ids::{Run, Workstream},
    message::{MAX_FRAME, RawLine, ServerMessage, Source},
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

fuzz_target!(|input: (u16, u16, String)| {
    let (room, times, text) = input;
    let pieces = parts(&text, usize::from(room));
    assert_eq!(pieces.concat(), text);
    for piece in &pieces {
        let json = serde_json::to_string(piece).expect("a string");
        assert!(json.len() - 2 <= usize::from(room).max(6));
    }

    let run: Run = RUN.parse().expect("a run");
    let workstream: Workstream = "w".parse().expect("an id");
    let line = text.repeat(usize::from(times % 2_000));
    let mut packer = Packer::new(&workstream, Source::Live, None);
    for part in encode_raw(&line, "stream", &run, 7) {
        assert!(part.len() <= MAX_EVENT);
        packer.push(&part);
    }
    if let Some(envelope) = Envelope::parse(&text) {
        let event = encode_event(&text, &envelope);
        assert!(event.len() <= MAX_EVENT);
        packer.push(&event);
    }
    let mut shown = String::new();
    for frame in packer.take_all() {
        assert!(frame.len() <= MAX_FRAME);
        let text = std::str::from_utf8(&frame).expect("UTF-8");
        let Some(ServerMessage::Logs(logs)) = ServerMessage::read(text) else {
            panic!("not logs: {text}")
        };
        for event in &logs.events {
            if let Ok(raw) = serde_json::from_str::<RawLine>(event.get()) {
                shown.push_str(&raw.text);
            }
        }
    }
    assert_eq!(shown, line.strip_suffix('\n').unwrap_or(&line));
});
