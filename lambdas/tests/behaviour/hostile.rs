//! Whatever comes in: no panic, no frame too large, no other's line.

use proptest::prelude::*;
use ralph_lambdas::{
    cursor::Cursor,
    frame::MAX_EVENT,
    line::{encode_event, encode_raw},
    payload::{Delivery, inflate},
    request::{AuthorizerRequest, Request},
};
use ralph_protocol::{
    event::{Envelope, MAX_SEQ},
    ids::{Run, Workstream},
    message::MAX_FRAME,
};
use serde_json::{Value, json};

use crate::{
    memory::START,
    push_logs::Push,
    send_logs::Server,
    workers::{RUN, STREAM, event, event_of, events, payload, wrap_bytes},
};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// JSON of any shape, some of it nearly right.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!("w")),
        Just(json!(RUN)),
        Just(json!("sendLogs")),
        Just(json!("listWorkstreams")),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let key = prop::sample::select(vec![
            "action",
            "workstream",
            "ranges",
            "run",
            "from",
            "to",
            "ts",
            "id",
            "limit",
            "before",
            "since",
            "follow",
            "v",
            "seq",
            "type",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..10).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

/// A line, from garbage to one of ours with something wrong.
fn any_line() -> impl Strategy<Value = String> {
    let odd = (
        any_json(),
        prop::sample::select(vec![
            "v",
            "ts",
            "workstream",
            "run",
            "seq",
            "type",
            "exit",
            "reason",
            "until",
            "x",
        ]),
    )
        .prop_map(|(value, field)| event_of("w", RUN, 1, json!({field: value})));
    let cut = (0usize..400).prop_map(|n| event(1).chars().take(n).collect());
    prop_oneof![
        "(?s).{0,80}",
        "[\u{0}-\u{1f}\"\\\\{}]{0,40}",
        odd,
        cut,
        any_json().prop_map(|v| v.to_string())
    ]
}

proptest! {
    /// What an event is, said a second time in another way.
    #[test]
    fn an_event_is_an_object_with_the_fields_of_one(line in any_line()) {
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        let optional = |name: &str, holds: fn(&Value) -> bool| {
            value[name].is_null() || holds(&value[name])
        };
        let is_event = value["v"] == 1
            && value["ts"].is_string()
            && value["workstream"].as_str().is_some_and(|id| id.parse::<Workstream>().is_ok())
            && value["run"].as_str().is_some_and(|id| id.parse::<Run>().is_ok())
            && value["seq"].as_u64().is_some_and(|seq| (1..=MAX_SEQ).contains(&seq))
            && value["type"].is_string()
            && optional("exit", |exit| exit.as_u64().is_some_and(|exit| exit < 256))
            && optional("reason", Value::is_string)
            && optional("until", Value::is_u64);
        let envelope = Envelope::parse(&line);
        prop_assert_eq!(envelope.is_some(), is_event);
        if let Some(envelope) = envelope {
            prop_assert_eq!(json!(envelope.workstream), value["workstream"].clone());
            prop_assert_eq!(json!(envelope.run), value["run"].clone());
            prop_assert_eq!(json!([envelope.seq, envelope.kind, envelope.ts]),
                json!([value["seq"], value["type"], value["ts"]]));
            prop_assert_eq!(json!([envelope.exit, envelope.reason, envelope.until]),
                json!([value["exit"], value["reason"], value["until"]]));
        }
    }

    #[test]
    fn what_goes_into_a_frame_is_json_that_fits(line in any_line(), times in 1usize..4_000) {
        let long = line.repeat(times);
        for part in encode_raw(&long, STREAM, &RUN.parse().unwrap(), START) {
            prop_assert!(part.len() <= MAX_EVENT);
            prop_assert!(serde_json::from_str::<Value>(&part).is_ok());
        }
        let event = event_of("w", RUN, 7, json!({"text": long}));
        let shown = encode_event(&event, &Envelope::parse(&event).unwrap());
        prop_assert!(shown.len() <= MAX_EVENT);
        prop_assert_eq!(Envelope::parse(&shown).unwrap().seq, 7);
    }

    #[test]
    fn a_payload_of_anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = inflate(&String::from_utf8_lossy(&bytes), 1 << 20);
        let _ = Delivery::parse(bytes.clone());
        let text = inflate(&wrap_bytes(&bytes), 1 << 20).unwrap();
        prop_assert_eq!(text, bytes);
    }

    #[test]
    fn a_payload_with_a_wrong_byte_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut inner = inflate(&events(1..=5), 1 << 20).unwrap();
        let i = at.index(inner.len());
        inner[i] = byte;
        let push = Push::followed_by(&["a="]);
        let _ = block_on(push.deliver(&wrap_bytes(&inner)));
        prop_assert!(push.post.seqs("a=").len() <= 5);
        let mut outer = events(1..=5).into_bytes();
        let i = at.index(outer.len());
        outer[i] = byte & 0x7f;
        let _ = block_on(push.deliver(&String::from_utf8(outer).unwrap()));
    }

    /// One message of any kind gets one end: an error, a pong, caughtUp, or a list that fits into a frame.
    #[test]
    fn any_message_gets_exactly_one_answer(message in any_json(), text in "(?s).{0,100}", plain in any::<bool>()) {
        let server = Server::with_run("w", RUN, STREAM, 3);
        let body = if plain { text } else { message.to_string() };
        block_on(server.ask_as("w", &body));
        let kinds = server.post.kinds("c=");
        let ends = kinds.iter().filter(|kind| ["error", "pong", "caughtUp", "workstreams"].contains(&kind.as_str()));
        prop_assert_eq!(ends.count(), 1, "{:?}", &kinds);
    }

    #[test]
    fn requests_of_any_shape_never_panic(value in any_json(), text in "\\PC{0,60}") {
        let _ = serde_json::from_value::<Request>(value.clone());
        let _ = serde_json::from_value::<AuthorizerRequest>(value);
        let _ = Cursor::decode(&text);
    }

    /// Lines of any kind in a stream: everything deliverable arrives, foreign ones never.
    #[test]
    fn a_delivery_of_anything_fits_and_leaks_nothing(lines in prop::collection::vec(any_line(), 0..20)) {
        let push = Push::followed_by(&["a="]);
        push.table.follow("other=", "x");
        push.table.own(STREAM, "w", RUN);
        let lines: Vec<_> = lines.into_iter().map(|line| (START, line)).collect();
        let counts = block_on(push.deliver(&payload(STREAM, &lines))).unwrap();
        prop_assert_eq!(counts.events + counts.raw + counts.foreign, lines.len());
        prop_assert!(push.post.messages("other=").is_empty());
        for (_, frame) in push.post.delivered.borrow().iter() {
            prop_assert!(frame.len() <= MAX_FRAME);
        }
        for line in push.post.events("a=") {
            let value: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&value["run"], RUN);
        }
    }
}

/// Lines that a client in a browser could stumble over: what they are, and how they are shown.
fn odd_lines() -> [(String, &'static str); 5] {
    let with = |seq: &str, more: &str| {
        event(7).replace(r#""seq":7"#, &format!(r#""seq":{seq},"odd":{more}"#))
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    [
        (with("7", r#""\ud800""#), "an event"),
        (with("7", &deep), "an event"),
        (with("9007199254740991", "1"), "an event"),
        (with("9007199254740992", "1"), "a raw line"),
        (with("18446744073709551616", "1"), "a raw line"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_cursor_and_ranges_with_the_highest_numbers_are_answered() {
    let server = Server::with_run("w", RUN, STREAM, 3);
    let run: Run = RUN.parse().unwrap();
    let most = u64::MAX;
    let cursor = Cursor { run, ts: most, seq: Some(most), raw: usize::MAX, only: false }.encode();
    for ask in [
        json!({"before": cursor}),
        json!({"before": cursor, "since": most}),
        json!({"ranges": [{"run": RUN, "from": 1, "to": MAX_SEQ, "ts": most}]}),
        json!({"ranges": [{"run": RUN, "from": MAX_SEQ, "to": null, "ts": 0, "after": most}]}),
    ] {
        let mut request = json!({"action": "sendLogs", "workstream": "w"});
        request.as_object_mut().unwrap().extend(ask.as_object().unwrap().clone());
        server.ask(request).await;
        assert_eq!(server.post.kinds("c=").last().unwrap(), "caughtUp", "{ask}");
    }
}

#[tokio::test(start_paused = true)]
async fn odd_lines_pass_as_frames_that_a_client_reads() {
    for (line, expected) in odd_lines() {
        let push = Push::followed_by(&["c="]);
        push.table.own(STREAM, "w", RUN);
        push.deliver(&payload(STREAM, &[(START, line.clone())])).await.unwrap();
        let server = Server::with_run("w", RUN, STREAM, 1);
        server.logs.put(STREAM, START + 2, line.clone());
        server.ask(json!({"action": "sendLogs", "workstream": "w"})).await;
        for post in [&push.post, &server.post] {
            // Each of its messages is read by `ServerMessage::read`.
            let shown = post.events("c=").pop().unwrap();
            let kind = if shown == line { "an event" } else { "a raw line" };
            assert_eq!(kind, expected, "{}", &shown[..shown.len().min(200)]);
            if kind == "a raw line" {
                let shown: Value = serde_json::from_str(&shown).unwrap();
                assert_eq!((&shown["type"], &shown["text"]), (&json!("raw"), &json!(line)));
            }
        }
    }
}

/// A lone surrogate in the text that CloudWatch Logs itself delivers.
#[tokio::test(start_paused = true)]
async fn a_lone_surrogate_in_a_payload_is_replaced_and_its_event_arrives() {
    let push = Push::followed_by(&["c="]);
    let text = event(7).replace("line 7", "LONE");
    let inner = json!({"messageType": "DATA_MESSAGE", "logStream": STREAM,
        "logEvents": [{"id": "1", "timestamp": START, "message": text}]});
    let inner = inner.to_string().replace("LONE", r"\ud800");
    push.deliver(&wrap_bytes(inner.as_bytes())).await.unwrap();
    assert_eq!(push.post.seqs("c="), [7]);
    assert!(push.post.events("c=")[0].contains('\u{fffd}'));
}
