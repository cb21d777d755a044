//! An endpoint that is a gateway to the model's service: its path, its keys, and no redirect.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::{
    harness::{Fixture, progress},
    model::{ask, endpoint_by_head, http, stream},
};

/// A key of a gateway's own, and one of the service's.
const KEYS: [&str; 2] = ["hunter2-key-of-a-gateway", "sk-ant-api03-hunter2-hunter2-hunter2"];

fn fixture(endpoint: &str, key: &str) -> Fixture {
    let mut fixture = Fixture::new();
    let keys = json!({"keys": [{"id": "first", "value": key}]});
    fixture.set(env::MODEL_ENDPOINT, endpoint).set(env::ANTHROPIC_KEYS, keys.to_string());
    fixture
}

/// What `validate` says, and whether it found the key good.
fn validate(fixture: &Fixture) -> String {
    let output = fixture.command().arg("validate").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[test]
fn requests_go_below_the_endpoints_path_with_the_key_as_the_endpoint_reads_it() {
    for (key, bearer) in [(KEYS[0], true), (KEYS[1], false)] {
        for end in ["/anthropic", "/team/anthropic/"] {
            let (url, seen) = endpoint_by_head(|_, _| stream(10, 20));
            let mut fixture = fixture(&format!("{url}{end}"), key);
            fixture.calls(json!([[ask(), progress(true)]]));
            let done = fixture.run();
            assert_eq!(done.exit(), 0, "{done:#?}");
            // At list prices: 10 tokens of Sonnet's input and 20 of its output.
            let spent = done.spend().unwrap()["spentUsd"].as_f64().unwrap();
            assert!((0.00033..0.00034).contains(&spent), "{spent}");
            let (shown, head) = seen.lock().unwrap()[0].clone();
            let line = format!("POST {}/v1/messages ", end.trim_end_matches('/'));
            assert!(head.starts_with(&line) && shown == key, "{head}");
            let field = format!("authorization: Bearer {key}\r\n");
            assert_eq!(head.contains(&field), bearer, "{head}");
            assert!(!head.contains("ralph-gateway-"), "the dummy key left the machine");
        }
    }
}

#[test]
fn validate_asks_a_gateway_that_lists_no_models_for_a_message_that_says_nothing() {
    for (status, expected) in [
        ("400 Bad Request", "ok: the service accepts key `first`"),
        ("401 Unauthorized", "error: key `first`: refused by ENDPOINT (401 Unauthorized)"),
        ("404 Not Found", "error: key `first`: there is no Messages API at ENDPOINT/v1/messages"),
        ("502 Bad Gateway", "error: key `first`: ENDPOINT answered 502 Bad Gateway"),
    ] {
        let (url, seen) = endpoint_by_head(move |head, _| {
            let is_list = head.starts_with("GET /llm/v1/models ");
            http(if is_list { "404 Not Found" } else { status }, "", "{}")
        });
        let endpoint = format!("{url}/llm");
        let text = validate(&fixture(&endpoint, KEYS[0]));
        assert!(text.contains(&expected.replace("ENDPOINT", &endpoint)), "{text}");
        let seen = seen.lock().unwrap();
        assert!(seen.len() == 1 && seen[0].1.starts_with("POST /llm/v1/messages "), "{seen:?}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    // Nothing listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}/llm");
    let mut fixture = fixture(&endpoint, KEYS[0]);
    let text = validate(&fixture);
    assert!(text.contains(&format!("{endpoint} cannot be reached: ")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    fixture.calls(json!([[ask(), progress(true)]]));
    let done = fixture.run();
    assert!(done.text().contains(&format!("{endpoint} cannot be reached")), "{}", done.text());
}

#[test]
fn no_redirect_is_followed_with_a_key() {
    let (elsewhere, other) = endpoint_by_head(|_, _| stream(1, 1));
    let to = format!("location: {elsewhere}/v1/messages\r\n");
    let (url, seen) = endpoint_by_head(move |_, _| http("307 Temporary Redirect", &to, ""));
    let mut fixture = fixture(&url, KEYS[0]);
    let text = validate(&fixture);
    assert!(text.contains("answered 307 Temporary Redirect"), "{text}");
    fixture.calls(json!([[ask(), progress(true)]]));
    let done = fixture.run();
    assert!(done.text().contains("307"), "{}", done.text());
    assert!(!seen.lock().unwrap().is_empty());
    assert!(other.lock().unwrap().is_empty(), "{:?}", other.lock().unwrap());
}
