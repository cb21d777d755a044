//! Events as AWS's own documentation shows them.

use ralph_lambdas::{
    connect::connect,
    disconnect::disconnect,
    payload::{Delivery, inflate},
    request::{AuthorizerRequest, Request, Response},
};

use crate::{
    memory::{Lines, MemoryTable},
    push_logs::Push,
};

const LOGS: &str = include_str!("../fixtures/cloudwatch-logs.json");
const CONTROL: &str = include_str!("../fixtures/control-message.json");
const AUTHORIZER: &str = include_str!("../fixtures/websocket-authorizer.json");
const CONNECT: &str = include_str!("../fixtures/websocket-connect.json");
const MESSAGE: &str = include_str!("../fixtures/websocket-message.json");
const DISCONNECT: &str = include_str!("../fixtures/websocket-disconnect.json");

fn request(text: &str) -> Request {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_documented_payload_is_read() {
    let text = inflate(LOGS, 1 << 20).unwrap();
    let Delivery::Data(batch) = Delivery::parse(text).unwrap() else { panic!("not data") };
    assert_eq!(batch.log_stream, "testLogStream");
    let entries: Vec<_> = batch.entries.iter().map(|e| (e.timestamp, &*e.message)).collect();
    assert_eq!(
        entries,
        [
            (1_440_442_987_000, "[ERROR] First test message"),
            (1_440_442_987_001, "[ERROR] Second test message")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_documented_control_message_is_acknowledged() {
    let push = Push::followed_by(&["a="]);
    let counts = push.deliver(CONTROL).await.unwrap();
    assert_eq!((counts.entries, counts.posts, push.table.calls.get()), (0, 0, 0));
}

#[test]
fn the_documented_authorizer_event_is_read() {
    let request: AuthorizerRequest = serde_json::from_str(AUTHORIZER).unwrap();
    assert!(request.method_arn.ends_with(":abcdef123/test/$connect"));
    assert_eq!(request.token, None);
}

#[tokio::test(start_paused = true)]
async fn the_documented_websocket_events_are_read() {
    let (table, lines) = (MemoryTable::default(), Lines::default());
    let connected = request(CONNECT);
    assert_eq!(connected.connection_id, "asdfasdf=");
    assert_eq!(connected.connected_at, 1_645_556_857_902);
    // It comes from an API without an authorizer, so nobody gets in.
    let answer = connect(&connected, &table, lines.invocation()).await;
    assert_eq!(answer, Ok(Response::FORBIDDEN));
    assert_eq!(request(MESSAGE).scope, None);
    let gone = request(DISCONNECT);
    assert_eq!(gone.connection_id, "AAAA1234=");
    assert_eq!(disconnect(&gone, &table, lines.invocation()).await, Ok(Response::OK));
}
