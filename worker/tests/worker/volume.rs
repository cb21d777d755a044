//! How much a run logs.

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{Fixture, progress, write};

/// An agent that floods every channel it has, in a run that may log 1 MB.
#[test]
fn beyond_the_limit_the_run_goes_on_without_the_agents_lines() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_LOG_MB, "1").set(env::SILENCE_SECS, "3");
    let flood = |step: Value| (0..400).map(move |_| step.clone());
    let long = "x".repeat(900);
    let mut first = vec![json!({"lines": {"count": 3_000, "template": format!("{long}{{n}}")}})];
    first.extend(flood(json!({"stderr": long})));
    first.extend(flood(json!({"line": format!("{{broken {long}")})));
    first.extend(flood(json!({"tool": {"name": "Bash", "result": long}})));
    first.extend(flood(json!({"json": {
        "type": "system", "subtype": "api_retry", "attempt": 1, "retry_delay_ms": 1,
    }})));
    first.extend(flood(json!({"json": {"type": "system", "subtype": "init", "model": long}})));
    first.extend(flood(json!({"json": {
        "type": "rate_limit_event", "rate_limit_info": {"status": long, "resetsAt": 1},
    }})));
    // Nobody sees it, but it is heard: for longer than the agent may be silent.
    first.push(json!({"lines": {"count": 10, "template": "tick {n}", "delayMs": 500}}));
    first.push(write("a", "1"));
    fixture.calls(json!([first, [{"text": "done"}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(done.outcomes(), ["ok", "ok"]);
    let says = |event: &Value| event["text"].as_str().is_some_and(|t| t.contains("may log"));
    let (before, after) =
        done.events.split_at(done.events.iter().position(says).expect("an event says so"));
    assert!(before.iter().any(|event| event["type"] == "agent.text"));
    assert_eq!(done.events.iter().filter(|event| says(event)).count(), 1);
    assert_eq!((&after[0]["type"], &after[0]["level"]), (&json!("log"), &json!("warn")));
    let text = after[0]["text"].as_str().unwrap();
    assert!(text.contains("of the 1 MB") && text.contains("`max_log_mb`"), "{text}");
    let agents = |event: &&Value| event["type"].as_str().unwrap().starts_with("agent.");
    assert_eq!(after.iter().find(agents), None);
    for kind in ["limit", "checkpoint", "iter.end", "iter.start", "spend", "run.end"] {
        assert!(after.iter().any(|event| event["type"] == kind), "no {kind}: {done:#?}");
    }
    assert!(done.text().contains("of the agent's output were broken"), "{done:#?}");
    // 1 MB, half an MB of what the agent can cause, and what two iterations say themselves.
    let bytes = fixture.path("journal").metadata().unwrap().len();
    assert!((900_000..1_520_000).contains(&bytes), "{bytes} bytes");
}
