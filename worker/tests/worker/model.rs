//! The gateway between a scripted agent and a scripted model endpoint.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{Fixture, KEY, progress, write};

const SECOND: &str = "hunter2-second-key-9876543210";

/// What the endpoint saw of each request for a message: the key, and the head as text.
pub type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Answers requests, one connection each. The answer is raw bytes; a pause stands for `|`.
pub fn endpoint(answer: impl Fn(&str, usize) -> String + Send + 'static) -> (String, Seen) {
    endpoint_by_head(move |head, number| answer(key_of(head), number))
}

fn key_of(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("x-api-key: ")).unwrap_or_default()
}

/// The same, for answers that depend on the request's head.
pub fn endpoint_by_head(answer: impl Fn(&str, usize) -> String + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen: Seen = Arc::default();
    let log = Arc::clone(&seen);
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read_request(&mut stream);
            let number = {
                let mut log = log.lock().unwrap();
                if head.starts_with("POST ") {
                    log.push((key_of(&head).to_owned(), head.clone()));
                }
                log.len()
            };
            for piece in answer(&head, number).split('|') {
                // The reader may be gone: a cut stream.
                let _ = stream.write_all(piece.as_bytes());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    });
    (url, seen)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head
}

pub fn http(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn stream(input: u64, output: u64) -> String {
    let start = json!({"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": input, "output_tokens": 1}}});
    let end = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": output}});
    format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\ndata: {start}\n\n|data: {end}\n\n"
    )
}

fn fixture(url: &str) -> Fixture {
    let mut fixture = Fixture::new();
    let keys = json!({"keys": [{"id": "first", "value": KEY}, {"id": "second", "value": SECOND}]});
    fixture.set(env::MODEL_ENDPOINT, url).set(env::ANTHROPIC_KEYS, keys.to_string());
    fixture
}

pub fn ask() -> Value {
    json!({"ask": {"body": {"model": "claude-sonnet-4-5", "max_tokens": 32_000}, "headers": {"anthropic-version": "2023-06-01"}}})
}

#[test]
fn the_agent_reaches_the_model_without_ever_holding_a_key() {
    let (url, seen) = endpoint(|_, _| stream(10, 20));
    let mut fixture = fixture(&url);
    fixture.calls(json!([[ask(), {"run": ["env"]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, KEY);
    assert!(
        seen[0].1.contains("anthropic-version: 2023-06-01")
            && seen[0].1.starts_with("POST /v1/messages ")
    );
    assert!(!seen[0].1.contains("ralph-gateway-"), "the dummy key left the machine");
    assert!(done.text().contains("message_delta"), "the stream came through");
}

#[test]
fn the_next_key_takes_over_before_anything_was_streamed() {
    for (status, reason) in
        [("429 Too Many Requests", "rate limit"), ("401 Unauthorized", "authentication")]
    {
        let (url, seen) = endpoint(move |key, _| {
            if key == KEY { http(status, "retry-after: 600\r\n", "{}") } else { stream(1, 1) }
        });
        let mut fixture = fixture(&url);
        fixture.calls(json!([[ask(), ask(), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0);
        let rotations = done.of("key.rotate");
        assert_eq!(rotations.len(), 1, "{rotations:?}");
        assert_eq!(rotations[0]["from"], "first");
        assert_eq!(rotations[0]["to"], "second");
        assert_eq!(rotations[0]["reason"], reason);
        let keys: Vec<String> = seen.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys, [KEY, SECOND, SECOND]);
        assert!(!done.text().contains(status), "the agent saw the first key's answer");
    }
}

#[test]
fn when_no_key_works_the_run_ends() {
    let (url, _) = endpoint(|_, _| http("401 Unauthorized", "", "{}"));
    let mut fixture = fixture(&url);
    let failed = json!({"json": {"type": "assistant", "error": "authentication_failed", "message": {"content": []}}});
    let result = json!({"result": {"is_error": true, "api_error_status": 401, "result": "invalid x-api-key"}});
    fixture.calls(json!([[write("a", "1"), ask(), failed, result, {"exit": 1}]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 31, "{done:#?}");
    assert_eq!(done.outcomes(), ["noKey"]);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn an_agent_that_goes_on_without_a_key_is_stopped_at_once() {
    let (url, seen) = endpoint(|_, _| http("401 Unauthorized", "", "{}"));
    let mut fixture = fixture(&url);
    // Only what the gateway knows ends it.
    fixture.set(env::SILENCE_SECS, "40");
    fixture.calls(json!([[write("a", "1"), ask(), "hang"]]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (31, vec!["noKey"]), "{done:#?}");
    assert!(done.of("iter.end")[0]["durationMs"].as_u64().unwrap() < 30_000, "{done:#?}");
    // Each key was asked once.
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn a_long_limit_ends_the_task_instead_of_paying_for_idle_time() {
    let until = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 3600;
    let (url, _) = endpoint(move |_, _| {
        http(
            "429 Too Many Requests",
            &format!("anthropic-ratelimit-unified-reset: {until}\r\n"),
            "{}",
        )
    });
    let mut fixture = fixture(&url);
    let result = json!({"result": {"is_error": true, "api_error_status": 429, "result": "limit"}});
    fixture.calls(json!([[ask(), result, {"exit": 1}]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 76, "{done:#?}");
    assert_eq!(done.of("wait")[0]["until"], json!(until * 1000));
}

#[test]
fn a_short_limit_is_sat_out() {
    let mut fixture = Fixture::new();
    let until = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 3;
    fixture.counted_calls(json!([
        [
            {"json": {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": until}}},
            {"result": {"is_error": true, "api_error_status": 429, "result": "limit"}},
            {"exit": 1}
        ],
        [progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 2), "{done:#?}");
    assert_eq!(done.of("limit")[0]["resetsAt"], json!(until * 1000));
    assert!(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() >= until);
}

#[test]
fn an_overloaded_service_is_tried_again() {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([
        [
            {"json": {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "retry_delay_ms": 1, "error_status": 529}},
            {"result": {"is_error": true, "api_error_status": 529, "result": "overloaded"}},
            {"exit": 1}
        ],
        [progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 2), "{done:#?}");
    assert_eq!(done.outcomes(), ["transient", "ok"]);
    assert_eq!(done.of("agent.retry")[0]["status"], json!(529));
}

#[test]
fn past_the_cost_limit_the_gateway_refuses() {
    // 400,000 tokens of sonnet's output are 6 dollars.
    let (url, seen) = endpoint(|_, _| stream(10, 400_000));
    let mut fixture = fixture(&url);
    fixture.set(env::MAX_COST_USD, "5");
    // Cut off without a result line: only the gateway knows what it cost.
    fixture.calls(json!([[ask(), ask(), {"exit": 1}]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 12, "{done:#?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert!(done.text().contains("the cost limit of the run is reached"));
    assert!(done.of("iter.end")[0]["costUsd"].as_f64().unwrap() > 5.9);
}

#[test]
fn an_agent_that_says_too_little_is_not_believed() {
    let (url, _) = endpoint(|_, _| stream(10, 400_000));
    let mut fixture = fixture(&url);
    fixture.set(env::MAX_COST_USD, "5");
    fixture.calls(
        json!([[ask(), write("a", "1"), {"result": {"total_cost_usd": 0}}], [write("b", "2")]]),
    );
    let done = fixture.run();
    assert_eq!(done.exit(), 12, "{done:#?}");
    assert!(done.of("iter.end")[0]["costUsd"].as_f64().unwrap() > 5.9);
    assert_eq!(fixture.file("ralph/docs", "b"), None);
}

#[test]
fn an_answer_that_is_cut_off_still_counts() {
    let (url, _) = endpoint(|_, _| {
        let start = json!({"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 1_000_000, "output_tokens": 1}}});
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\ndata: {start}\n\n|"
        )
    });
    let mut fixture = fixture(&url);
    fixture.set(env::MAX_STALLS, "1").set(env::MAX_COST_USD, "4");
    fixture.calls(json!([[ask(), {"exit": 1}]]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (12, vec!["crash", "crash"]), "{done:#?}");
    assert!(done.text().contains("message_start"), "what came before the cut was passed on");
    assert!(done.of("iter.end")[0]["costUsd"].as_f64().unwrap() >= 3.0);
}

#[test]
fn when_the_service_is_overloaded_the_key_stays() {
    let (url, seen) = endpoint(|_, _| http("529 Site Overloaded", "retry-after: 600\r\n", "{}"));
    let mut fixture = fixture(&url);
    fixture.calls(json!([[ask(), ask(), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.of("key.rotate").is_empty());
    assert!(done.text().contains("529"), "the agent sees it");
    assert!(seen.lock().unwrap().iter().all(|(key, _)| key == KEY));
}

#[test]
fn every_key_has_a_state_of_its_own() {
    // The first is limited for ten minutes, the second refused: the task waits for the first.
    let (url, seen) = endpoint(|key, _| {
        if key == KEY {
            http("429 Too Many Requests", "retry-after: 600\r\n", "{}")
        } else {
            http("403 Forbidden", "", r#"{"error":{"type":"permission_error"}}"#)
        }
    });
    let mut fixture = fixture(&url);
    // What the agent was shown last is not a limit.
    let result = json!({"result": {"is_error": true, "api_error_status": 429, "result": "limit"}});
    fixture.calls(json!([[ask(), ask(), result, {"exit": 1}]]));
    let begun = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let done = fixture.run();
    assert_eq!(done.exit(), 76, "{done:#?}");
    let until = done.of("wait")[0]["until"].as_u64().unwrap();
    assert!((590_000..660_000).contains(&(until - begun)), "{} ms", until - begun);
    let reasons: Vec<_> = done.of("key.rotate").iter().map(|e| e["reason"].clone()).collect();
    assert_eq!(reasons, ["rate limit", "permission"]);
    assert_eq!(seen.lock().unwrap().len(), 2, "neither is asked again");
    assert!(done.text().contains("429"), "{}", done.text());
}

#[test]
fn a_limit_without_a_time_is_a_minute() {
    let (url, _) = endpoint(|_, _| http("429 Too Many Requests", "", "{}"));
    let mut fixture = fixture(&url);
    let result = json!({"result": {"is_error": true, "api_error_status": 429, "result": "limit"}});
    fixture.calls(json!([[ask(), result, {"exit": 1}]]));
    let begun = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let mut running = fixture.spawn();
    let wait = running.until(|event| event["type"] == "wait");
    let until = wait["until"].as_u64().unwrap();
    assert!((55_000..90_000).contains(&(until - begun)), "{} ms", until - begun);
    running.term();
    assert_eq!(running.wait().exit(), 75);
}

#[test]
fn a_limit_that_is_over_at_once_is_the_agents_to_wait_for() {
    let (url, seen) = endpoint(|_, _| http("429 Too Many Requests", "retry-after: 0\r\n", "{}"));
    let mut fixture = fixture(&url);
    fixture.calls(json!([[ask(), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("429 Too Many Requests"), "{}", done.text());
    assert!(seen.lock().unwrap().len() <= 2, "at most one request for each key");
}

#[test]
fn a_slow_stream_passes_as_it_comes() {
    use ralph_protocol::secret::AnthropicKeys;
    use ralph_worker::{
        account::Account, gateway::Gateway, journal::Journal, machine::Usd, redact::Redactor,
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: first\n\n").unwrap();
        // Not before the reader has the first piece.
        wait.recv().unwrap();
        stream.write_all(b"data: second\n\n").unwrap();
    });
    let (give, given) = std::sync::mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (workstream, run) = ("w".parse().unwrap(), crate::harness::run_id(1).parse().unwrap());
        let redactor = Redactor::new([""; 0]);
        let journal = Journal::start(workstream, run, redactor, std::io::sink(), None).unwrap();
        let keys = AnthropicKeys::parse(r#"{"keys":[{"id":"a","value":"not-a-real-key"}]}"#);
        runtime.block_on(async {
            let url = url.parse().unwrap();
            let account = Account::new(Usd::from_dollars(1.0), journal.clone());
            let gateway = Gateway::start(url, keys.unwrap(), account, journal).await.unwrap();
            let lease = gateway.open().unwrap();
            give.send(lease.endpoint().clone()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let endpoint = given.recv().unwrap();
    let (address, key) = (endpoint.url.replace("http://", ""), endpoint.dummy_key);
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":1}"#;
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut seen = String::new();
    for piece in ["first", "second"] {
        let mut buffer = [0; 1024];
        while !seen.contains(piece) {
            let read = stream.read(&mut buffer).expect("it comes");
            assert!(read > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        // The first time it lets the second piece go; later nobody listens.
        let _ = go.send(());
    }
}

#[test]
fn a_wrong_key_or_path_gets_nothing() {
    let (url, seen) = endpoint(|_, _| stream(1, 1));
    let mut fixture = fixture(&url);
    fixture.calls(json!([[
        {"ask": {"key": "sk-guessed"}},
        {"ask": {"path": "/"}},
        {"ask": {"path": "/v1/../admin"}},
        // Billed later, and no usage in the answer.
        {"ask": {"path": "/v1/messages/batches"}},
        // The dummy key of this iteration is written down for the next one.
        {"run": ["sh", "-c", "echo $ANTHROPIC_API_KEY > key.txt; echo $ANTHROPIC_BASE_URL"]},
    ], [
        {"run": ["sh", "-c", "test \"$(cat key.txt)\" != \"$ANTHROPIC_API_KEY\" && echo another key"]},
        {"run": ["sh", "-c", "curl -s -o /dev/null -w '%{http_code}' -H \"x-api-key: $(cat key.txt)\" $ANTHROPIC_BASE_URL/v1/models"]},
        progress(true)
    ]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(seen.lock().unwrap().len(), 0, "{:?}", seen.lock().unwrap());
    let text = done.text();
    assert!(
        text.contains("each attempt has its own") && text.contains("messages and models only"),
        "{text}"
    );
    assert!(text.contains("another key") && text.contains("401"), "{text}");
}

#[test]
fn an_endpoint_that_is_gone_is_a_bad_gateway() {
    let mut fixture = fixture("http://127.0.0.1:9");
    fixture.calls(json!([[ask(), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    assert!(done.text().contains("502 Bad Gateway"), "{}", done.text());
}

/// Runs the worker with arguments and returns its exit code and what it printed.
fn output(fixture: &Fixture, args: &[&str]) -> (Option<i32>, String) {
    let output = fixture.command().args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    (output.status.code(), text)
}

#[test]
fn validate_checks_everything_and_spends_nothing() {
    let (url, seen) = endpoint(|key, _| {
        if key == KEY { http("200 OK", "", "{}") } else { http("401 Unauthorized", "", "{}") }
    });
    let mut fixture = fixture(&url);
    fixture.counted_calls(json!([[write("a", "1")]]));
    let (code, text) = output(&fixture, &["validate"]);
    assert_eq!(code, Some(31), "{text}");
    for line in [
        "accepts key `first`",
        "error: key `second`: refused",
        "can be read",
        "PROMPT.md (",
        "can be pushed to",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
    let keys = json!({"keys": [{"id": "first", "value": KEY}]});
    fixture.set(env::ANTHROPIC_KEYS, keys.to_string());
    let (code, text) = output(&fixture, &["--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("would begin with iteration 1 of 5")
            && text.contains("at most 200 MB of log")
            && text.contains("--scenario"),
        "{text}"
    );
    assert_eq!(fixture.count(), 0);
    assert_eq!(fixture.remote_git(&["branch", "--list"]).trim(), "* main");

    fixture.set(env::AGENT_COMMAND, "no-such-agent");
    assert_eq!(output(&fixture, &["validate"]).0, Some(30));
    let gone = format!("file://{}", fixture.path("gone").display());
    fixture.set(env::AGENT_COMMAND, "true").set(env::REPO, gone);
    assert_eq!(output(&fixture, &["validate"]).0, Some(20));
    fixture.set(env::MAX_STALLS, "");
    let (code, text) = output(&fixture, &["validate"]);
    assert!(code == Some(30) && text.contains("RALPH_MAX_STALLS"), "{text}");
}

#[test]
fn a_request_that_is_hung_up_before_the_answer_still_costs_what_it_costs() {
    let mut fixture = fixture("");
    let (asked, gone) = (fixture.path("asked"), fixture.path("gone"));
    let (asked_file, gone_file) = (asked.clone(), gone.clone());
    let (url, _) = endpoint(move |_, _| {
        std::fs::write(&asked_file, "").unwrap();
        crate::harness::appears(&gone_file);
        // 400,000 tokens of Sonnet's output.
        stream(10, 400_000)
    });
    fixture.set(env::MODEL_ENDPOINT, url).set(env::MAX_COST_USD, "5");
    let script = format!(
        r#"curl -s -H "x-api-key: $ANTHROPIC_API_KEY" -d '{{"model":"claude-sonnet-4-5","max_tokens":9}}' "$ANTHROPIC_BASE_URL/v1/messages" & until test -e {}; do sleep 0.01; done; kill $!; wait $!; touch {}"#,
        asked.display(),
        gone.display()
    );
    fixture.calls(json!([[
        {"run": ["sh", "-c", script]},
        {"result": {"total_cost_usd": 0}},
        write("a", "1")
    ]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 12, "{done:#?}");
    let spent = done.spend().unwrap()["spentUsd"].as_f64().unwrap();
    assert!((6.0..6.1).contains(&spent), "{spent}");
}

#[test]
fn an_answer_that_cannot_be_read_costs_what_was_reserved() {
    let long = format!("{{\"usage\":{{\"output_tokens\":1}},\"x\":\"{}\"}}", "x".repeat(9 << 20));
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{";
    let silent = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    for answer in [http("200 OK", "", &long), cut.to_owned(), silent.to_owned(), String::new()] {
        let what = answer.chars().take(80).collect::<String>();
        let (url, seen) = endpoint(move |_, _| answer.clone());
        let mut fixture = fixture(&url);
        // 32,000 tokens of Sonnet's output are 0.48 dollars.
        fixture.calls(json!([[{"run": ["sh", "-c", CURL]}, progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        let spent = done.spend().unwrap()["spentUsd"].as_f64().unwrap();
        let asked = seen.lock().unwrap().len() as f64;
        assert!(
            asked >= 1.0 && spent >= 0.48 * asked && spent < 0.5 * asked,
            "{what}: {spent} {done:#?}"
        );
    }
}

/// Asks once and shows nothing of the answer.
const CURL: &str = r#"curl -s -o /dev/null -H "x-api-key: $ANTHROPIC_API_KEY" -d '{"model":"claude-sonnet-4-5","max_tokens":32000}' "$ANTHROPIC_BASE_URL/v1/messages"; true"#;

#[test]
fn what_a_request_may_cost_is_on_stdout_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let copy = path.clone();
    let covered: Arc<Mutex<Vec<f64>>> = Arc::default();
    let seen = Arc::clone(&covered);
    let (url, _) = endpoint(move |_, _| {
        let text = std::fs::read_to_string(&copy).unwrap();
        let said = text.lines().rfind(|line| line.contains(r#""type":"spend""#));
        let said: Value = serde_json::from_str(said.expect("a spend event")).unwrap();
        let usd = |name: &str| said[name].as_f64().unwrap();
        seen.lock().unwrap().push(usd("spentUsd") + usd("reservedUsd"));
        stream(0, 32_000)
    });
    let mut fixture = fixture(&url);
    fixture.set(env::JOURNAL, path.to_str().unwrap());
    fixture.calls(json!([[ask(), ask(), ask(), progress(true)]]));
    assert_eq!(fixture.run().exit(), 0);
    let covered = covered.lock().unwrap();
    assert_eq!(covered.len(), 3);
    for (before, said) in covered.iter().enumerate() {
        assert!(*said >= 0.48 * (before + 1) as f64, "{covered:?}");
    }
}

#[test]
fn a_run_that_is_killed_has_said_the_most_that_it_can_have_cost() {
    let (url, seen) = endpoint(|_, number| {
        // The second answer never comes.
        if number == 2 {
            std::thread::sleep(Duration::from_secs(3_600));
        }
        stream(0, 32_000)
    });
    let mut fixture = fixture(&url);
    fixture.calls(json!([[ask(), {"text": "counted"}, ask()]]));
    let mut running = fixture.spawn_contained();
    running.until_text("counted");
    while seen.lock().unwrap().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(rustix::process::Signal::KILL);
    let done = running.wait();
    let (usd, _) = done.settled();
    // Two requests of 0.48 dollars, and a fiftieth of the limit.
    assert!((0.96..1.2).contains(&usd), "{usd}: {done:#?}");
}

#[test]
fn one_bad_request_disables_no_key() {
    let told = |kind: &str, text: &str| {
        json!({"type": "error", "error": {"type": kind, "message": text}}).to_string()
    };
    let quoted = "Unexpected value(s) `billing_error` for the `anthropic-beta` header";
    let broke = "`Your credit balance is too low to access the Anthropic API` is not a beta";
    let answers = [
        http("400 Bad Request", "", &told("invalid_request_error", quoted)),
        http("400 Bad Request", "", &told("invalid_request_error", broke)),
        // The key is good, and may not do what was asked for.
        http("403 Forbidden", "", &told("permission_error", "this model is not for you")),
        http("401 Unauthorized", "", &told("authentication_error", "no OAuth here")),
    ];
    for bad in answers {
        let what = bad.clone();
        let bad_ones = if bad.contains(" 40") && !bad.contains("400") { 2 } else { 1 };
        let (url, seen) = endpoint_by_head(move |head, number| match head {
            head if head.starts_with("GET /v1/models ") => http("200 OK", "", "{}"),
            _ if number <= bad_ones => bad.clone(),
            _ => stream(1, 1),
        });
        let mut fixture = fixture(&url);
        fixture.calls(json!([[ask(), ask(), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        assert!(done.of("key.rotate").is_empty(), "{what}: {done:#?}");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.last().unwrap().0, KEY, "{what}: the first key is still used");
        assert!(done.text().contains("message_delta"), "{what}");
    }
}

#[test]
fn an_agent_whose_sum_is_far_from_what_was_metered_is_named() {
    for (said, reported) in [(6.0, false), (0.5, true), (60.0, true)] {
        // 400,000 tokens of Sonnet's output are 6 dollars.
        let (url, _) = endpoint(|_, _| stream(0, 400_000));
        let mut fixture = fixture(&url);
        fixture.set(env::MAX_COST_USD, "100");
        fixture.calls(json!([[ask(), progress(true), {"result": {"total_cost_usd": said}}]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(done.text().contains("the gateway metered"), reported, "{said}: {done:#?}");
        assert_eq!(done.spend().unwrap()["spentUsd"], json!(f64::max(said, 6.0)));
    }
}

#[test]
fn of_a_model_without_a_price_the_agents_sum_counts() {
    for (said, counts) in [(Some(0.5), 0.5), (Some(0.0), 0.2), (None, 30.0)] {
        // 400,000 tokens are 30 dollars at the dearest model's price.
        let (url, _) = endpoint(|_, _| stream(0, 400_000).replace("claude-sonnet-4-5", "new"));
        let mut fixture = fixture(&url);
        fixture.set(env::MAX_COST_USD, "100");
        let result = said.map_or(json!({}), |usd| json!({"total_cost_usd": usd}));
        let end = if said.is_some() { json!({"result": result}) } else { json!({"exit": 1}) };
        fixture.set(env::MAX_STALLS, "1").set(env::MAX_ITERATIONS, "1");
        fixture.counted_calls(json!([[ask(), progress(true), end]]));
        let done = fixture.run();
        let first = done.of("iter.end")[0]["costUsd"].as_f64().unwrap();
        assert!((first - counts).abs() < 1e-3, "{said:?}: {first}");
        assert!(done.text().contains("no prices are known for model `new`"), "{done:#?}");
        assert_eq!(said.is_some(), done.text().contains("the agent's own sum counts"));
    }
}

#[test]
fn a_worker_that_knows_what_earlier_runs_used_does_not_ask_the_commits() {
    let mut fixture = Fixture::new();
    let message = format!(
        "x\n\nRalph-Run: {}\nRalph-Iteration: 4\nRalph-Cost-Usd: 9.900000\n",
        crate::harness::run_id(1)
    );
    fixture.seed_message("ralph/docs", &[("a", "1")], &message);
    fixture.set(env::RUN, crate::harness::run_id(2));
    fixture.set(env::SPENT_USD, "1.25").set(env::ITERATIONS_DONE, "1");
    fixture.calls(json!([[progress(true), crate::harness::cost(0.5)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("resuming after 1 iterations and $1.2500"), "{done:#?}");
    let spend = done.spend().unwrap();
    assert_eq!(spend["spentUsd"], json!(0.5));
    assert_eq!(spend["executionUsd"], json!(1.75));
    assert_eq!(spend["iterations"], json!(1));
    fixture.set(env::SPENT_USD, "10").set(env::RUN, crate::harness::run_id(3));
    fixture.seed("ralph/docs", &[("PROGRESS.md", "## Status: IN PROGRESS\n")]);
    assert_eq!(fixture.run().exit(), 12, "earlier runs have used the limit");
}
