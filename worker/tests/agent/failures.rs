//! What the service does wrong, and what becomes of the run.

use std::time::UNIX_EPOCH;

use ralph_protocol::names::worker_env as env;
use ralph_worker::config::DEFAULT_AGENT_COMMAND;
use serde_json::{Value, json};

use crate::{
    harness::Done,
    scripted::{
        Model, assert_only_the_key, bash, complete, fail, fixture, fixture_with, say, using,
    },
};

/// By itself the agent tries a failed request ten times more, which takes three minutes.
const ONE_RETRY: &str = "CLAUDE_CODE_MAX_RETRIES=1";

/// What a run leaves whose model gives these answers.
fn run(answers: Value) -> (Done, Vec<Value>) {
    let model = Model::answers(answers);
    let fixture = fixture_with(&model.url, ONE_RETRY);
    let done = fixture.spawn_contained().wait();
    let requests = model.requests();
    assert_only_the_key(&requests);
    fixture.assert_nothing_runs("after the run");
    (done, requests)
}

fn retries(done: &Done) -> Vec<Value> {
    done.of("agent.retry").iter().map(|event| event["status"].clone()).collect()
}

fn messages(requests: &[Value]) -> usize {
    requests.iter().filter(|request| request["path"] == "/v1/messages").count()
}

#[test]
fn a_key_that_is_refused_ends_the_run() {
    let model = Model::answers(json!([fail(401, "authentication_error", "invalid x-api-key")]));
    let fixture = fixture(&model.url);
    let done = fixture.spawn_contained().wait();
    let requests = model.requests();
    assert_eq!((done.exit(), done.outcomes()), (31, vec!["noKey"]), "{done:#?}");
    assert_eq!(done.of("key.rotate")[0]["reason"], "authentication");
    // Left to itself, the agent tries ten times more and ends after three minutes.
    assert!(done.of("iter.end")[0]["durationMs"].as_u64().unwrap() < 30_000, "{done:#?}");
    assert_eq!(messages(&requests), 1);
    assert_only_the_key(&requests);
}

#[test]
fn a_model_that_does_not_exist_ends_the_run() {
    let (done, requests) = run(json!([fail(404, "not_found_error", "model: claude-none")]));
    assert_eq!((done.exit(), done.outcomes()), (30, vec!["configuration"]), "{done:#?}");
    assert!(done.of("run.end")[0]["text"].as_str().unwrap().contains("the model"), "{done:#?}");
    assert!(done.of("key.rotate").is_empty());
    assert!(messages(&requests) <= 2, "{requests:#?}");
}

#[test]
fn a_short_limit_is_the_agents_to_wait_for() {
    let mut limited = fail(429, "rate_limit_error", "This request would exceed your rate limit");
    limited["headers"] = json!({"retry-after": "2"});
    let (done, requests) = run(json!([limited, complete(), say("Done.")]));
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    assert_eq!(retries(&done), [429]);
    assert_eq!(done.of("key.rotate")[0]["reason"], "rate limit");
    assert_eq!(messages(&requests), 3);
}

#[test]
fn a_long_limit_ends_the_task() {
    let mut limited = fail(429, "rate_limit_error", "This request would exceed your rate limit");
    limited["headers"] = json!({"retry-after": "3600"});
    let begun = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let (done, requests) = run(json!([limited]));
    assert_eq!((done.exit(), done.outcomes()), (76, vec!["limit"]), "{done:#?}");
    let until = done.of("wait")[0]["until"].as_u64().unwrap();
    assert!((3_590_000..3_660_000).contains(&(until - begun)), "{} ms", until - begun);
    assert_eq!(messages(&requests), 1);
}

#[test]
fn an_overloaded_service_is_tried_again_by_the_agent_and_then_by_the_worker() {
    let busy = fail(529, "overloaded_error", "Overloaded");
    let (done, requests) = run(json!([busy, busy, busy, complete(), say("Done.")]));
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["transient", "ok"]), "{done:#?}");
    assert_eq!((retries(&done), messages(&requests)), (vec![json!(529), json!(529)], 5));
}

#[test]
fn an_empty_account_ends_the_run() {
    let text = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
    let (done, requests) = run(json!([fail(400, "invalid_request_error", text)]));
    assert_eq!((done.exit(), done.outcomes()), (31, vec!["noKey"]), "{done:#?}");
    assert_eq!(done.of("key.rotate")[0]["reason"], "billing");
    assert_eq!(messages(&requests), 1);
}

#[test]
fn past_the_cost_limit_the_agent_ends_at_once() {
    // Without its own limit, the agent learns it from the gateway.
    let dear = using(bash("echo 1 > early.txt"), json!({"output_tokens": 1_000_000}));
    let model = Model::answers(json!([dear, say("Never asked.")]));
    let mut fixture = fixture(&model.url);
    let command = DEFAULT_AGENT_COMMAND.replace(" --max-budget-usd {budget_usd}", "");
    fixture.set(env::AGENT_COMMAND, command);
    let done = fixture.spawn_contained().wait();
    assert_eq!((done.exit(), done.outcomes()), (12, vec!["budget"]), "{done:#?}");
    assert_eq!((messages(&model.requests()), retries(&done)), (1, vec![]));
    assert_eq!(fixture.file("ralph/docs", "early.txt").as_deref(), Some("1\n"));
}

#[test]
fn a_stream_that_is_cut_is_tried_again_and_still_counts() {
    let cut = json!({"cut": true, "text": "half of it", "usage": {"input_tokens": 1_000_000}});
    let (done, requests) = run(json!([
        using(bash("true"), json!({"input_tokens": 10})),
        cut,
        complete(),
        say("Done.")
    ]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(messages(&requests) >= 4, "{requests:#?}");
    // A million tokens of Opus's input, which the agent's own sum lacks.
    let costs: Vec<f64> =
        done.of("iter.end").iter().map(|event| event["costUsd"].as_f64().unwrap()).collect();
    assert!(costs.iter().sum::<f64>() >= 4.0, "{costs:?} {done:#?}");
}

#[test]
fn when_nothing_listens_the_worker_waits_and_tries_again() {
    let mut fixture = fixture_with("http://127.0.0.1:9", ONE_RETRY);
    fixture.set(env::MAX_ITERATIONS, "1");
    let mut running = fixture.spawn_contained();
    let wait = running.until(|event| event["type"] == "wait");
    assert!(wait["reason"].as_str().unwrap().contains("the service failed"), "{wait}");
    running.term();
    let done = running.wait();
    assert_eq!((done.exit(), done.outcomes()), (75, vec!["transient"]), "{done:#?}");
    assert_eq!(retries(&done), [502]);
}

#[test]
fn outside_of_a_container_the_agent_refuses_to_run_as_root() {
    // A worker that is not PID 1 does not tell the agent that this is a sandbox.
    let model = Model::answers(json!([complete(), say("Done.")]));
    let done = fixture(&model.url).run();
    if rustix::process::getuid().is_root() {
        assert_refused(&done, "cannot be used with root/sudo privileges");
        assert!(model.requests().is_empty());
    } else {
        assert_eq!(done.exit(), 0, "{done:#?}");
    }
}

#[test]
fn a_flag_that_the_agent_does_not_know_ends_the_run_at_once() {
    let model = Model::answers(json!([complete(), say("Done.")]));
    let mut fixture = fixture(&model.url);
    fixture.set(env::AGENT_COMMAND, format!("{DEFAULT_AGENT_COMMAND} --from-the-future"));
    let done = fixture.spawn_contained().wait();
    assert_refused(&done, "unknown option '--from-the-future'");
    assert!(model.requests().is_empty());
}

/// One attempt, and its end says why.
#[track_caller]
fn assert_refused(done: &Done, why: &str) {
    assert_eq!((done.exit(), done.outcomes()), (30, vec!["configuration"]), "{done:#?}");
    assert!(done.of("run.end")[0]["text"].as_str().unwrap().contains(why), "{done:#?}");
}
