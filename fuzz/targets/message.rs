//! Messages of clients and servers, and events: read or refused, and the two readers of events
//! agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ralph_lambdas::{cursor::Cursor, line::Head, request::Request};
use ralph_protocol::{
    event::Envelope,
    message::{ClientMessage, ServerMessage},
};

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
    let head = Head::parse(text).filter(|head| head.owner().is_some());
    match (Envelope::parse(text), head) {
        (Some(envelope), Some(head)) => {
            assert_eq!((envelope.seq, envelope.ts_ms()), (head.seq, head.ts_ms()));
        }
        (None, None) => {}
        (envelope, head) => panic!("{envelope:?} and {head:?}"),
    }
});
