//! Messages of clients and servers, and events: read or refused, and what is read is what is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ralph_lambdas::{cursor::Cursor, request::Request};
use ralph_protocol::{
    event::{Details, Envelope},
    message::{ClientMessage, ServerMessage},
};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(message) = serde_json::from_str::<ClientMessage>(text) {
        let again = serde_json::to_string(&message).expect("a message");
        let read: ClientMessage = serde_json::from_str(&again).expect("what we wrote");
        assert_eq!(read, message);
    }
    let _ = ServerMessage::parse(text);
    let _ = serde_json::from_str::<Request>(text);
    if let Some(cursor) = Cursor::decode(text) {
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
    let envelope = Envelope::parse(text);
    // What reads every JSON says the same. It cannot read a lone surrogate in a field of no interest.
    if let (Some(envelope), Ok(value)) = (&envelope, serde_json::from_str::<Value>(text)) {
        assert_eq!(json!(envelope.v), value["v"]);
        assert_eq!(json!(envelope.ts), value["ts"]);
        assert_eq!(json!(envelope.workstream), value["workstream"]);
        assert_eq!(json!(envelope.run), value["run"]);
        assert_eq!(json!(envelope.seq), value["seq"]);
        assert_eq!(json!(envelope.kind), value["type"]);
        assert_eq!(json!(envelope.exit), value["exit"]);
        assert_eq!(json!(envelope.reason), value["reason"]);
        assert_eq!(json!(envelope.until), value["until"]);
    }
    if let Some(details) = Details::parse(text) {
        assert!(envelope.is_none_or(|envelope| envelope.kind == details.kind));
    }
});
