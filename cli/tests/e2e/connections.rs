//! What gets in, what is refused, and what a connection may ask.

use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use ralph_protocol::{
    secret::{SigningKey, SigningKeys, Value as Secret},
    token::{Claims, ISSUER, Scope, mint},
};
use serde_json::{Value, json};

use crate::{
    cloud::{cloud, ralph, stdout},
    secrets,
    socket::{Socket, handshake},
};

/// When a token with an unknown key was last sent. The authorizer reads the keys for such a token at
/// most once a minute: within it, it knows no key that was just rotated in.
pub static STRANGER: OnceLock<Instant> = OnceLock::new();

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn claims(jti: &str) -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: "ralph/dev".into(),
        sub: "tester".into(),
        ws: Scope::Only(vec!["tokens".parse().expect("an id")]),
        jti: jti.into(),
        exp: now() + 30,
        nbf: None,
    }
}

fn base64url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn tokens_that_are_refused() {
    let keys: SigningKeys = secrets::signing_keys(cloud());
    let stranger =
        SigningKey { kid: keys.current.kid.clone(), secret: Secret::new("x".repeat(64)) };
    let unknown = SigningKey { kid: "nobody".into(), secret: Secret::new("x".repeat(64)) };
    let sign = |claims: &Claims| mint(claims, &keys.current).expect("signs");
    let payload = base64url(&serde_json::to_string(&claims("none")).expect("JSON"));
    let none = base64url(&format!(r#"{{"alg":"none","typ":"JWT","kid":"{}"}}"#, keys.current.kid));
    let cases = [
        ("expired", sign(&Claims { exp: now() - 3600, ..claims("expired") })),
        ("lives too long", sign(&Claims { exp: now() + 3600, ..claims("long") })),
        ("not yet valid", sign(&Claims { nbf: Some(now() + 600), ..claims("early") })),
        ("another environment's", sign(&Claims { aud: "ralph/prod".into(), ..claims("aud") })),
        ("another issuer's", sign(&Claims { iss: "mallory".into(), ..claims("iss") })),
        ("signed by another key", mint(&claims("stranger"), &stranger).expect("signs")),
        ("signed by an unknown key", mint(&claims("unknown"), &unknown).expect("signs")),
        ("alg none", format!("{none}.{payload}.")),
        ("not a token", "hello".to_owned()),
    ];
    for (name, token) in cases {
        let (status, _) = handshake(cloud(), &format!("?token={token}"));
        assert_eq!(status, 403, "{name}");
    }
    STRANGER.set(Instant::now()).expect("set once");
    assert_eq!(handshake(cloud(), "").0, 401, "without a token");
}

#[test]
fn a_token_opens_one_connection_and_no_second() {
    let token = cloud().token(&["tokens"]);
    assert_eq!(handshake(cloud(), &format!("?token={token}")).0, 101);
    assert_eq!(handshake(cloud(), &format!("?token={token}")).0, 403);
}

#[test]
fn a_workstream_nobody_has_seen_is_not_an_error() {
    let mut socket = Socket::connect(cloud(), &["unseen"]);
    socket.send(r#"{"action":"sendLogs","id":"7","workstream":"unseen"}"#);
    let frames = socket.until("caughtUp");
    assert!(
        frames.iter().any(|frame| frame["type"] == "runs" && frame["runs"] == json!([])),
        "{frames:?}"
    );
    let last = frames.last().expect("a frame");
    assert_eq!(
        (&last["id"], &last["complete"], &last["cursor"]),
        (&json!("7"), &json!(true), &Value::Null)
    );
}

#[test]
fn messages_that_are_refused_and_leave_the_connection_working() {
    let mut socket = Socket::connect(cloud(), &["mine"]);
    for (message, code) in [
        ("not JSON", "badRequest"),
        ("[]", "badRequest"),
        (r#"{"action":"dropTable"}"#, "badRequest"),
        (r#"{"action":"sendLogs"}"#, "badRequest"),
        (r#"{"action":"sendLogs","workstream":"../mine"}"#, "badRequest"),
        (r#"{"action":"sendLogs","workstream":"mine","limit":0}"#, "badRequest"),
        (r#"{"action":"sendLogs","workstream":"mine","limit":1000000}"#, "badRequest"),
        (r#"{"action":"sendLogs","workstream":"mine","before":"garbage"}"#, "badRequest"),
        (r#"{"action":"sendLogs","workstream":"not-mine"}"#, "forbidden"),
        (r#"{"action":"sendLogs","workstream":"mine2"}"#, "forbidden"),
    ] {
        socket.send(message);
        let frame = socket.next();
        assert_eq!(
            (&frame["type"], &frame["code"]),
            (&json!("error"), &json!(code)),
            "{message}: {frame}"
        );
        assert!(frame["message"].as_str().is_some_and(|text| !text.is_empty()), "{frame}");
    }
    socket.send(r#"{"action":"ping"}"#);
    socket.until("pong");
}

#[test]
fn the_page_server_hands_tokens_to_its_own_pages_only() {
    let (page, secret) = cloud().viewer();
    let token = |origin: &str| {
        let url = format!("{page}/token");
        let body = r#"{"workstreams":["demo"]}"#;
        let output = std::process::Command::new("curl")
            .args([
                "-sS",
                "-o",
                "-",
                "-w",
                "\n%{http_code}",
                "-H",
                "content-type: application/json",
            ])
            .args(["-H", &format!("Authorization: Bearer {secret}")])
            .args(["-H", &format!("Origin: {origin}"), "-d", body, &url])
            .output()
            .expect("curl runs");
        stdout(&output)
    };
    let own = token(page);
    let value: Value = serde_json::from_str(own.lines().next().unwrap_or_default()).expect("JSON");
    let text = value["token"].as_str().expect("a token");
    assert_eq!(handshake(cloud(), &format!("?token={text}")).0, 101);
    assert!(token("https://evil.example").ends_with("\n403"));
}

#[test]
fn ralph_token_prints_an_address_that_opens() {
    let output = ralph(&["token", "--scratch", cloud().operator().scratch(), "--url", "direct"])
        .output()
        .expect("runs");
    let url = stdout(&output);
    let query = url.trim().split_once('?').map(|(_, query)| format!("?{query}")).expect("a query");
    assert_eq!(handshake(cloud(), &query).0, 101);
}
