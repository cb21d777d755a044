//! What agents do: well-behaved, broken, and not speaking our language.

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{Fixture, processes_with, progress, write};

#[test]
fn the_demo_scenario_shows_everything_and_completes() {
    let mut fixture = Fixture::new();
    let text = include_str!("../../scenarios/demo.json");
    let mut scenario: Value = serde_json::from_str(text).unwrap();
    // The same steps, without the pauses for a reader.
    for call in scenario["calls"].as_array_mut().unwrap() {
        for step in call.as_array_mut().unwrap() {
            if let Some(lines) = step.get_mut("lines") {
                lines["delayMs"] = json!(0);
            }
        }
    }
    fixture.scenario(scenario);
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    assert!(done.events.len() > 350, "{}", done.events.len());
    assert!(done.events.iter().any(|event| event["part"][0] == 2), "a text in parts");
    assert_eq!(fixture.file("ralph/docs", "src/greeting.de.txt").as_deref(), Some("hallo, welt\n"));
}

#[test]
fn an_agent_that_does_not_speak_json_is_read_as_text() {
    let mut fixture = Fixture::new();
    fixture.scenario(json!({"plain": true, "calls": [[
        {"text": "just text"}, {"line": "{not json"}, progress(true)
    ]]}));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("just text") && done.text().contains("{not json"));
}

#[test]
fn a_broken_line_and_a_long_line_lose_nothing() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([[
        {"line": "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"te"},
        {"json": {"type": "from_the_future", "x": 1}},
        {"long": {"bytes": 5_000_000, "pattern": "0123456789"}},
        {"text": "after"},
        progress(true)
    ]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    let digits: usize = done
        .of("agent.text")
        .iter()
        .filter(|event| event["part"].is_array())
        .map(|event| event["text"].as_str().unwrap().len())
        .sum();
    assert_eq!(digits, 5_000_000);
    assert!(
        done.text().contains("after")
            && done.text().contains("1 lines of the agent's output were broken")
    );
}

#[test]
fn what_the_agent_leaves_running_is_ended() {
    // By itself, and as PID 1 of a namespace whose session was begun outside of it.
    for start in [Fixture::spawn, Fixture::spawn_contained] {
        let mut fixture = Fixture::new();
        // A marker in its arguments, to find it again.
        fixture.calls(json!([[
            {"grandchild": {"ms": 987_001, "detached": true}},
            {"grandchild": {"ms": 987_002}},
            progress(true)
        ]]));
        let done = start(&fixture).wait();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert!(done.text().contains("left running were ended: "), "{}", done.text());
        assert_eq!(processes_with("98700"), 0);
    }
}

#[test]
fn an_agent_that_gave_its_result_and_stays_is_stopped_and_not_believed() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.calls(json!([["ignoreTerm", progress(true), {"result": {}}, "hang"]]));
    let done = fixture.run();
    // An iteration, whose COMPLETE does not count.
    assert_eq!((done.exit(), done.outcomes()), (10, vec!["partial"]), "{done:#?}");
    let warned = |event: &&&Value| event["text"].as_str().unwrap().contains("did not end");
    assert_eq!(done.of("log").iter().find(warned).unwrap()["level"], "warn", "{done:#?}");
    assert!(fixture.file("ralph/docs", "PROGRESS.md").unwrap().contains("COMPLETE"));
}

/// What the real agent says about its background: a task, or none.
fn tasks(tasks: Value) -> Value {
    json!({"json": {"type": "system", "subtype": "background_tasks_changed", "tasks": tasks}})
}

fn init() -> Value {
    json!({"json": {"type": "system", "subtype": "init"}})
}

#[test]
fn an_agent_may_be_silent_while_something_is_under_way() {
    let mut fixture = Fixture::new();
    let first = json!({"result": {"num_turns": 2, "total_cost_usd": 0.5}});
    let second = json!({"result": {"num_turns": 3, "total_cost_usd": 0.75}});
    // Longer than an agent may stay that has said that it is done: 10 s.
    fixture.calls(json!([[
        tasks(json!([{"task_id": "b1"}])), first, {"sleepMs": 11_000},
        write("late.txt", "done\n"), tasks(json!([])),
        init(), progress(true), second
    ]]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "late.txt").as_deref(), Some("done\n"));
    let end = done.of("iter.end")[0];
    assert_eq!((&end["turns"], &end["costUsd"]), (&json!(5), &json!(0.75)), "{end}");
}

#[test]
fn an_agent_that_goes_on_talking_after_its_result_is_stopped_with_the_iterations_time() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.set(env::ITERATION_TIMEOUT_SECS, "13").set(env::SILENCE_SECS, "12");
    let flood = json!({"lines": {"count": 1_000_000, "template": "{n}", "delayMs": 100}});
    fixture.calls(json!([[write("a", "1"), {"result": {}}, flood]]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (10, vec!["partial"]), "{done:#?}");
    // Longer than it may stay when it says nothing.
    let took = done.of("iter.end")[0]["durationMs"].as_u64().unwrap();
    assert!(took >= 13_000, "{took}");
}

#[test]
fn an_agent_that_is_silent_for_too_long_with_something_under_way_has_not_ended_well() {
    let mut fixture = Fixture::new();
    fixture.set(env::SILENCE_SECS, "2").set(env::MAX_STALLS, "1");
    // A task that does not end, and a turn that does not.
    let task = [tasks(json!([{"task_id": "b1"}])), json!({"result": {}}), json!("hang")];
    let turn = [json!({"result": {}}), init(), json!("hang")];
    fixture.counted_calls(json!([task, turn]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (13, vec!["timeout"; 2]), "{done:#?}");
    assert!(done.text().contains("said nothing for too long"), "{done:#?}");
}

#[test]
fn an_agent_that_keeps_crashing_ends_the_run() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_STALLS, "1");
    fixture.counted_calls(json!([[{"stderr": "boom"}, {"exit": 7}]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (13, 2), "{done:#?}");
    assert!(done.text().contains("code 7") && done.text().contains("boom"));
}

#[test]
fn an_agent_that_refuses_to_start_ends_the_run_at_once() {
    let mut fixture = Fixture::new();
    let script = "echo \"error: unknown option '--new'\" >&2; exit 1";
    let command = format!("sh -c {} sh --output-format stream-json", quoted(script));
    fixture.set(env::AGENT_COMMAND, command);
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (30, vec!["configuration"]), "{done:#?}");
    let text = done.of("run.end")[0]["text"].as_str().unwrap();
    assert!(text.contains("refuses to start (code 1)"), "{text}");
    assert!(text.contains("unknown option '--new'"), "{text}");
}

#[test]
fn an_agent_that_has_worked_before_does_not_refuse_to_start() {
    let mut fixture = Fixture::new();
    let count = fixture.path("count").display().to_string();
    let script = format!(
        r#"n=$(cat {count} || echo 0); echo $((n + 1)) > {count}; test $n != 1 || exit 1
        echo '{{"type":"system","subtype":"init"}}'; echo $n > $n
        test $n = 0 || echo '## Status: COMPLETE' > PROGRESS.md
        echo '{{"type":"result","subtype":"success","is_error":false}}'"#
    );
    let command = format!("sh -c {} sh --output-format stream-json", quoted(&script));
    fixture.set(env::AGENT_COMMAND, command);
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok", "crash", "ok"]), "{done:#?}");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn the_agent_sees_neither_secrets_nor_the_workers_environment() {
    let mut fixture = Fixture::new();
    fixture.set("AWS_SESSION_TOKEN", "hunter2").set("LD_AUDIT", "");
    fixture.calls(json!([[{"run": ["env"]}, write("env.txt", "x"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    let results = done.of("agent.tool_result");
    let shown = results[0]["text"].as_str().unwrap();
    assert!(shown.contains("ANTHROPIC_BASE_URL=http://127.0.0.1:"), "{shown}");
    for name in ["RALPH_", "AWS_", "LD_", "hunter2"] {
        assert!(!shown.contains(name), "{name} in {shown}");
    }
}

#[test]
fn a_secret_the_agent_shows_is_redacted_everywhere() {
    let mut fixture = Fixture::new();
    let key = crate::harness::KEY;
    let coloured: String = key.chars().map(|c| format!("\u{1b}[31m{c}")).collect();
    fixture.calls(json!([[
        {"text": format!("the key is {key}")},
        {"text": coloured},
        {"stderr": key},
        {"tool": {"name": "Bash", "input": {"command": format!("echo {key}")}, "result": key}},
        {"line": format!("raw {key}")},
        progress(true)
    ]]));
    // The harness looks for the key in every line.
    let done = fixture.run();
    assert_eq!(done.exit(), 0);
    assert!(done.text().matches("[redacted]").count() >= 6, "{}", done.text());
}

#[test]
fn an_agent_that_does_not_read_stdin_gets_the_prompt_as_a_file() {
    let mut fixture = Fixture::new();
    // The second iteration finds a link where the file was.
    let script = r#"cat "$1"; echo x >> did; ln -sf /etc/passwd "$1""#;
    fixture.set(env::AGENT_COMMAND, format!("sh -c '{script}' sh {{prompt_file}}"));
    fixture.set(env::MAX_ITERATIONS, "2");
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(done.text().matches("Do the next task.").count(), 2, "{}", done.text());
    assert!(!done.text().contains("root:"));
    assert_eq!(fixture.file("ralph/docs", "did").as_deref(), Some("x\nx\n"));
}
