//! Work that goes well: in the foreground, in the background, and by a helper.

use ralph_protocol::{event::Tokens, names::worker_env as env};
use ralph_worker::{
    config::{CONVENTION, DEFAULT_AGENT_COMMAND},
    gateway::price::{self, Used},
};
use serde_json::{Value, json};

use crate::{
    harness::{Done, Fixture, run_id},
    offers::aliases,
    scripted::{Model, assert_only_the_key, bash, complete, fixture, metered, say, tool, using},
};

fn cost(done: &Done, iteration: usize) -> f64 {
    done.of("iter.end")[iteration]["costUsd"].as_f64().unwrap()
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= expected * 0.01, "{found} instead of {expected}");
}

/// The worker's command for a script that gets what it fills in as these arguments.
fn in_a_script(session: &str, budget: &str) -> String {
    DEFAULT_AGENT_COMMAND
        .replace("{session_id}", session)
        .replace("{budget_usd}", budget)
        .replace(" --append-system-prompt={convention} --model={model}", "")
}

/// What the worker left, and what the model was asked.
fn run(fixture: &Fixture, model: Model) -> (Done, Vec<Value>) {
    let done = fixture.spawn_contained().wait();
    let requests = model.requests();
    assert_only_the_key(&requests);
    (done, requests)
}

#[test]
fn it_edits_commits_and_completes() {
    let file = |fixture: &Fixture, name: &str| {
        let path = fixture.path("work").join(run_id(1)).join("checkout").join(name);
        path.to_str().unwrap().to_owned()
    };
    // The agent's tools want whole paths, and the fixture wants the model's address.
    let mut fixture = fixture("http://127.0.0.1:9");
    let edit = json!({"file_path": file(&fixture, "README.md"), "old_string": "A project.", "new_string": "Our project."});
    let model = Model::answers(json!([
        using(
            tool("Read", json!({"file_path": file(&fixture, "README.md")})),
            json!({"input_tokens": 10_000, "cache_creation_input_tokens": 20_000, "cache_creation": {"ephemeral_1h_input_tokens": 20_000}}),
        ),
        using(
            tool("Edit", edit),
            json!({"input_tokens": 5, "cache_read_input_tokens": 30_000, "output_tokens": 2_000}),
        ),
        tool("Write", json!({"file_path": file(&fixture, "src/new.txt"), "content": "new\n"})),
        bash("git add -A && git commit -q -m 'the agent: first' && env"),
        complete(),
        say("All done."),
    ]));
    fixture.set(env::MODEL_ENDPOINT, &model.url);
    let (done, requests) = run(&fixture, model);
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(done.outcomes(), ["ok"]);
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("Our project.\n"));
    assert_eq!(fixture.file("ralph/docs", "src/new.txt").as_deref(), Some("new\n"));
    let tools: Vec<&Value> = done.of("agent.tool").iter().map(|event| &event["name"]).collect();
    assert_eq!(tools, ["Read", "Edit", "Write", "Bash", "Bash"]);
    assert!(done.of("agent.tool_result").iter().all(|event| event["isError"] == false));
    assert!(done.text().contains("All done."), "{}", done.text());

    // Its own key is good for nothing but the gateway, and the worker's secrets are not there.
    assert!(done.text().contains("ANTHROPIC_API_KEY=ralph-gateway-"), "{}", done.text());
    assert!(done.text().contains("IS_SANDBOX=1") && !done.text().contains("RALPH_"));
    assert!(requests.iter().all(|request| request["model"] == "claude-opus-5-5"), "{requests:#?}");
    assert_eq!(requests.len(), 6, "no request comes between the turns");

    // $0.04 + $0.16 + $0.00002 + $0.006 + $0.04.
    assert_close(cost(&done, 0), 0.24602);
    assert_close(metered(&requests).dollars(), 0.24602);
    let log = fixture.remote_git(&[
        "log",
        "--format=%s|%(trailers:key=Ralph-Cost-Usd,valueonly)",
        "ralph/docs",
    ]);
    assert!(log.contains("the agent: first") && log.contains("0.246020"), "{log}");
    assert_eq!(done.of("checkpoint").last().unwrap()["pushed"], true);
    fixture.assert_nothing_runs("after the run");
    fixture.assert_no_secret_in_the_remote("after the run");
}

#[test]
fn what_the_gateway_meters_is_what_the_agent_says() {
    let million = 1_000_000;
    let usage = json!({
        "input_tokens": million, "output_tokens": million, "cache_read_input_tokens": million,
        "cache_creation_input_tokens": 2 * million,
        "cache_creation": {"ephemeral_5m_input_tokens": million, "ephemeral_1h_input_tokens": million},
        "server_tool_use": {"web_search_requests": 7},
    });
    let model = Model::answers(json!([complete(), using(say("Dear."), usage)]));
    let mut fixture = fixture(&model.url);
    // What it says about its cost is kept elsewhere and reaches the worker as nothing.
    let kept = fixture.path("said");
    let claude = in_a_script("$1", "$2");
    let sed = r#"s/"total_cost_usd":[0-9.e-]*/"total_cost_usd":0/"#;
    let script = format!("{claude} | tee {} | sed '{sed}'\n", kept.display());
    std::fs::write(fixture.path("agent.sh"), script).unwrap();
    let command =
        format!("sh {} {{session_id}} {{budget_usd}}", fixture.path("agent.sh").display());
    fixture.set(env::AGENT_COMMAND, command).set(env::MAX_COST_USD, "100");
    let (done, _) = run(&fixture, model);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let said = std::fs::read_to_string(kept).unwrap();
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let said = said["total_cost_usd"].as_f64().unwrap();
    assert_close(said, 4.0 + 20.0 + 0.2 + 5.0 + 8.0 + 0.07);
    assert_close(cost(&done, 0), said);
}

/// Runs in the background.
fn behind(command: &str) -> Value {
    let mut call = bash(command);
    call["tools"][0]["input"]["run_in_background"] = true.into();
    call
}

#[test]
fn a_command_in_the_background_is_waited_for() {
    let million = |answer: Value| using(answer, json!({"output_tokens": 1_000_000}));
    let write = "for n in $(seq 21); do echo $n >> late.txt; sleep 1; done";
    let model = Model::answers(json!([
        million(behind(write)),
        million(say("I wait.")),
        million(complete()),
        million(say("Now."))
    ]));
    let mut fixture = fixture(&model.url);
    fixture.set(env::MAX_COST_USD, "1000");
    let (done, requests) = run(&fixture, model);
    // The agent gives two results; the second is the one that counts.
    assert_eq!((done.exit(), requests.len()), (0, 4), "{done:#?}");
    assert_eq!(done.outcomes(), ["ok"]);
    let written = fixture.file("ralph/docs", "late.txt").unwrap();
    assert_eq!(written.lines().count(), 21, "{written}");
    // The first one's steps, cost and tokens count as well, once.
    let end = done.of("iter.end")[0];
    assert_eq!((&end["turns"], &end["tokens"]["output"]), (&json!(4), &json!(4_000_000)));
    assert_close(cost(&done, 0), 80.0);
}

#[test]
fn a_command_in_the_background_that_does_not_end_is_not_a_good_end() {
    let model =
        Model::answers(json!([bash("echo 1 > early.txt"), behind("sleep 987010"), say("I wait.")]));
    let mut fixture = fixture(&model.url);
    fixture.set(env::SILENCE_SECS, "12");
    let mut running = fixture.spawn_contained();
    let end = running.until(|event| event["type"] == "iter.end");
    assert_eq!(end["outcome"], "timeout", "{end}");
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert!(done.text().contains("said nothing for too long"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "early.txt").as_deref(), Some("1\n"));
    assert_eq!(crate::harness::processes_with("987010"), 0);
}

#[test]
fn a_command_that_takes_too_long_goes_on_in_the_background() {
    // The agent ends a plain `sleep` at its timeout instead.
    let mut long = bash("sh -c 'sleep 3; echo done > late.txt'");
    long["tools"][0]["input"]["timeout"] = 1_000.into();
    let model = Model::answers(json!([long, say("I wait."), complete(), say("Now.")]));
    let fixture = fixture(&model.url);
    let (done, _) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    assert!(done.text().contains("was moved to the background"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "late.txt").as_deref(), Some("done\n"));
}

#[test]
fn a_helper_in_the_background_works_and_costs() {
    let task = json!({"description": "help", "prompt": "HELPER-PROMPT", "subagent_type": "general-purpose", "run_in_background": true});
    let million = |kind: &str| json!({kind: 1_000_000});
    let model = Model::play(json!({"conversations": [
        {"holds": "HELPER-PROMPT", "answers": [
            using(bash("echo done > helped.txt"), json!({"cache_read_input_tokens": 100_000})),
            using(say("I helped."), million("output_tokens")),
        ]},
        {"answers": [tool("Task", task), say("I wait."), complete(), say("Now.")]},
    ]}));
    let mut fixture = fixture(&model.url);
    fixture.set(env::MAX_COST_USD, "100");
    let (done, requests) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "helped.txt").as_deref(), Some("done\n"));
    assert_eq!(requests.iter().filter(|request| request["conversation"] == 0).count(), 2);
    assert_close(cost(&done, 0), 20.02);
    let tokens = &done.of("iter.end")[0]["tokens"];
    assert_eq!((&tokens["output"], &tokens["cacheRead"]), (&json!(1_000_000), &json!(100_000)));
    // What it said and did names the call that started it; the agent's own lines do not.
    let call = done.of("agent.tool").into_iter().find(|event| event["name"] == "Task").unwrap();
    assert_eq!(call["parent"], Value::Null);
    let parent = |kind: &str, text: &str| {
        let holds = |event: &&&Value| event["text"].as_str().unwrap().contains(text);
        let all = done.of(kind);
        all.iter().find(holds).unwrap_or_else(|| panic!("{text} {done:#?}"))["parent"].clone()
    };
    assert_eq!(parent("agent.text", "I helped."), call["id"]);
    assert_eq!(parent("agent.tool", "helped.txt"), call["id"]);
    assert_eq!(parent("agent.text", "Now."), Value::Null);
}

#[test]
fn a_wakeup_is_not_waited_for_and_does_not_end_well() {
    let wakeup = json!({"delaySeconds": 3_600, "reason": "as the test says", "prompt": "Go on."});
    let model = Model::answers(json!([
        bash("echo 1 > early.txt"),
        tool("ScheduleWakeup", wakeup),
        say("I wait.")
    ]));
    let mut fixture = fixture(&model.url);
    fixture.set(env::MAX_ITERATIONS, "1");
    let (done, _) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (10, vec!["partial"]), "{done:#?}");
    assert!(done.text().contains("did not end, and was stopped"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "early.txt").as_deref(), Some("1\n"));
}

#[test]
fn a_compaction_is_shown() {
    let model = Model::answers(json!([
        using(bash("true"), json!({"input_tokens": 985_000})),
        say("<summary>What was done.</summary>"),
        complete(),
        say("Done.")
    ]));
    let fixture = fixture(&model.url);
    let (done, _) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    let said = "replaced its context by a summary: 985";
    assert!(done.text().contains(said), "{}", done.text());
}

#[test]
fn requests_between_the_turns_are_answered_and_cost() {
    // A search is a conversation of its own; a hook that asks the model has no tools at all.
    let hook = json!({"hooks": {"Stop": [{"hooks": [{"type": "prompt", "prompt": "Done?"}]}]}});
    let searches = json!({"server_tool_use": {"web_search_requests": 5}});
    let model = Model::play(json!({
        "aside": using(say("{\"ok\": true}"), json!({"output_tokens": 1_000})),
        "conversations": [
            {"holds": "web search for the query", "answers": [using(say("Found."), searches)]},
            {"answers": [tool("WebSearch", json!({"query": "ralph"})), complete(), say("Done.")]},
        ],
    }));
    let fixture = fixture(&model.url);
    fixture.seed("main", &[(".claude/settings.json", &hook.to_string())]);
    let (done, requests) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
    let conversations: Vec<&Value> =
        requests.iter().map(|request| &request["conversation"]).collect();
    assert_eq!(conversations, [&json!(1), &json!(0), &json!(1), &json!(1), &Value::Null]);
    // Five searches, and a thousand tokens of Opus's output.
    assert_close(cost(&done, 0), 0.05 + 0.02);
}

#[test]
fn each_alias_works_and_costs_what_its_model_costs() {
    let names: Vec<(String, String)> = aliases().into_iter().collect();
    // A million tokens of output in each iteration, each with another alias.
    let usage = json!({"output_tokens": 1_000_000});
    let answers: Vec<Value> = names
        .iter()
        .flat_map(|(alias, _)| {
            [bash(&format!("echo '{alias}' >> done.txt")), using(say("Next."), usage.clone())]
        })
        .collect();
    let model = Model::answers(answers.into());
    let mut fixture = fixture(&model.url);
    let list: Vec<&str> = names.iter().map(|(alias, _)| alias.as_str()).collect();
    let claude = in_a_script("$2", "$3");
    let script = format!(
        "alias=$(echo '{}' | cut -d' ' -f\"$1\")\nexec {claude} --model \"$alias\"\n",
        list.join(" ")
    );
    std::fs::write(fixture.path("agent.sh"), script).unwrap();
    let script = fixture.path("agent.sh");
    let command = format!("sh {} {{iteration}} {{session_id}} {{budget_usd}}", script.display());
    let count = names.len();
    fixture.set(env::AGENT_COMMAND, command).set(env::MAX_COST_USD, "1000");
    fixture.set(env::MAX_ITERATIONS, count.to_string());
    let (done, requests) = run(&fixture, model);
    assert_eq!((done.exit(), done.outcomes()), (10, vec!["ok"; count]), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "done.txt").unwrap(), list.join("\n") + "\n");
    for (number, (alias, model)) in names.iter().enumerate() {
        let asked: Vec<&Value> = requests[2 * number..][..2].iter().map(|r| &r["model"]).collect();
        assert_eq!(asked, [model.as_str(); 2], "{alias}");
        let tokens = Tokens { output: 1_000_000, ..Tokens::default() };
        let expected = price::estimate(model, Used { tokens, ..Used::default() });
        assert_close(cost(&done, number), expected.dollars());
    }
}

#[test]
fn the_service_is_asked_for_the_model_that_was_set() {
    let aliases = aliases();
    for set in ["opus", "haiku", "claude-sonnet-5"] {
        let model = Model::answers(json!([complete(), say("Done.")]));
        let mut fixture = fixture(&model.url);
        fixture.set(env::MODEL, set);
        let (done, requests) = run(&fixture, model);
        assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
        let expected = aliases.get(set).map_or(set, String::as_str);
        for request in &requests {
            assert_eq!(request["model"], expected, "{set}");
        }
    }
}

#[test]
fn the_model_reads_how_the_loop_works_unless_that_is_off() {
    for (switch, told) in [("", true), ("0", false)] {
        let model = Model::answers(json!([complete(), say("Done.")]));
        let mut fixture = fixture(&model.url);
        fixture.set(env::CONVENTION, switch);
        let (done, requests) = run(&fixture, model);
        assert_eq!((done.exit(), done.outcomes()), (0, vec!["ok"]), "{done:#?}");
        for request in &requests {
            let system = request["system"].as_str().unwrap();
            assert_eq!(system.contains(CONVENTION.trim_end()), told, "{switch:?} {system}");
        }
    }
}
