//! `ralph run`, `ps` and `stop`, through the state machine.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    cloud::{cloud, ralph, root, stderr, stdout},
    requests::{self, aws},
    socket::{Socket, handshake},
    view::curl,
};

/// A repository with a prompt and a list of tasks, and its URL.
fn repository(name: &str) -> String {
    let folder = cloud().scratch().join("repositories").join(format!("{name}-own"));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("PROMPT.md"), "Do the next task.\n").expect("written");
    let progress = "# Progress\n\n## Status: IN PROGRESS\n\n- [ ] say hello\n";
    std::fs::write(folder.join("PROGRESS.md"), progress).expect("written");
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "."],
        &["-c", "user.name=A", "-c", "user.email=a@example.invalid", "commit", "-qm", "Begin"],
    ] {
        let output = Command::new("git").args(arguments).current_dir(&folder).output();
        let output = output.expect("git runs");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    format!("file://{}", folder.display())
}

fn command(words: &[&str]) -> Command {
    let mut command = ralph(words);
    command.args(["--scratch", cloud().operator().scratch()]);
    command
}

fn run(words: &[&str]) -> Output {
    command(words).output().expect("ralph runs")
}

/// What `ralph ps` prints about a workstream.
fn ps(workstream: &str, more: &[&str]) -> Option<Value> {
    let output = run(&[&["ps", "--json"], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.into_iter().find(|row| row["workstream"] == workstream)
}

/// Asks until `ready` says so.
fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The log streams' lines of a workstream so far.
fn wrote(workstream: &str, needle: &str) -> Option<()> {
    let journals = std::fs::read_dir(cloud().scratch().join("tasks")).ok()?.flatten();
    journals
        .filter_map(|task| std::fs::read_to_string(task.path().join("journal.jsonl")).ok())
        .any(|text| {
            text.contains(&format!(r#""workstream":"{workstream}""#)) && text.contains(needle)
        })
        .then_some(())
}

fn ecs(action: &str, body: &Value) -> Value {
    let target = format!("x-amz-target: AmazonEC2ContainerServiceV20141113.{action}");
    aws("ecs", "/", &[&target, "content-type: application/x-amz-json-1.1"], body)
}

/// The overrides of the task of a workstream, as ECS describes them.
fn overrides(workstream: &str) -> Option<Value> {
    let cluster = cloud().output("cluster");
    let mut all = ["RUNNING", "STOPPED"].into_iter().flat_map(|status| {
        let listed = ecs("ListTasks", &json!({"cluster": cluster, "desiredStatus": status}));
        let tasks = listed["taskArns"].as_array().cloned().unwrap_or_default();
        tasks
            .chunks(100)
            .flat_map(|some| {
                let described = ecs("DescribeTasks", &json!({"cluster": cluster, "tasks": some}));
                described["tasks"].as_array().cloned().unwrap_or_default()
            })
            .map(|task| task["overrides"].clone())
            .collect::<Vec<_>>()
    });
    all.find(|overrides| variable(overrides, "RALPH_WORKSTREAM").as_deref() == Some(workstream))
}

/// A variable among a task's overrides.
fn variable(overrides: &Value, name: &str) -> Option<String> {
    let all = overrides["containerOverrides"][0]["environment"].as_array()?;
    let found = all.iter().find(|variable| variable["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

/// Lets a command be the agent of a workstream, as `ralph run --scripted` does.
fn set_agent(workstream: &str, agent: &str) {
    let file: PathBuf = cloud().scratch().join("tasks/agents").join(workstream);
    std::fs::create_dir_all(file.parent().map_or(Path::new("/"), |p| p)).expect("made");
    std::fs::write(file, agent).expect("written");
}

fn followed(workstream: &str, repo: &str) -> Child {
    command(&["run", workstream, repo, "--scripted", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts")
}

#[test]
fn a_workstream_is_run_seen_and_followed_to_its_end() {
    let repo = repository("run");
    let child = followed("run", &repo);
    let running = until("the workstream", || ps("run", &[]));
    assert!(running["execution"].as_str().expect("a name").starts_with("run-01"), "{running}");
    // One execution at a time.
    let second = run(&["run", "run", &repo]);
    assert_eq!(second.status.code(), Some(1));
    let scratch = cloud().operator().scratch();
    let hint = format!(
        "hint: `just ralph logs run -f --scratch {scratch}` shows it, `just ralph stop run --scratch {scratch}` ends it"
    );
    let said = stderr(&second);
    assert!(said.contains("run runs already") && said.contains(&hint), "{said}");
    // A page that was opened with another workstream can show it from now on.
    let (page, secret) = cloud().viewer();
    let config: Value =
        serde_json::from_str(&curl(&[&format!("{page}/config.json")])).expect("JSON");
    let shown = config["workstreams"].as_array().expect("a list");
    assert!(shown[0] == "demo" && shown.contains(&json!("run")), "{config}");
    let (bearer, token) = (format!("Authorization: Bearer {secret}"), format!("{page}/token"));
    let asks = |body: &str| {
        let json = ["-H", "content-type: application/json", "-H", &bearer];
        curl(&[&json[..], &["-d", body, &token]].concat())
    };
    assert!(asks(r#"{"workstreams":["run"]}"#).starts_with(r#"{"token":"#));
    assert!(asks(r#"{"workstreams":["never-run"]}"#).contains("is not a workstream of this page"));

    let output = child.wait_with_output().expect("ralph ends");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    assert!(text.contains("run.start") && text.contains("complete (exit 0)"), "{text}");
    let over = until("the end", || ps("run", &[]).is_none().then(|| ps("run", &["-a"]))?);
    assert_eq!(over["state"], "complete", "{over}");
    assert_eq!((over["attempt"].as_u64(), over["exit"].as_i64()), (Some(1), Some(0)), "{over}");
    let usd = over["costUsd"].as_f64().filter(|&usd| usd > 0.0);
    let usd = usd.unwrap_or_else(|| panic!("it has cost nothing: {over}"));
    let said = format!("the execution is over (complete, ${usd:.4} in ");
    assert!(stderr(&output).contains(&said), "{said}: {}", stderr(&output));
    assert!(over["lastLineAt"].as_u64() > over["startedAt"].as_u64(), "{over}");
}

#[test]
fn a_workstream_is_stopped_and_keeps_its_work() {
    let repo = repository("stop");
    set_agent("stop", "bash -c 'echo half > half.txt; exec sleep 600'");
    let output = run(&["run", "stop", &repo]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("just ralph logs stop -f --scratch "), "{}", stderr(&output));
    until("the first iteration", || wrote("stop", "iter.start"));
    let output = run(&["stop", "stop"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).ends_with("stop is stopped\n"), "{}", stderr(&output));
    wrote("stop", r#""signal":"SIGTERM""#).expect("the worker was asked to end");
    assert!(ps("stop", &[]).is_none());
    let over = ps("stop", &["-a"]).expect("it ran");
    assert_eq!(over["state"], "stopped", "{over}");
    // What it had is on its branch.
    let folder = repo.strip_prefix("file://").expect("a folder");
    let shown = Command::new("git")
        .args(["-C", folder, "show", "ralph/stop:half.txt"])
        .output()
        .expect("git runs");
    assert_eq!(stdout(&shown), "half\n", "{}", stderr(&shown));
    // Twice is once too often.
    let again = run(&["stop", "stop"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("stop does not run\nhint: "), "{}", stderr(&again));
}

#[test]
fn the_link_that_a_run_prints_leads_to_its_workstream() {
    let repo = repository("linked");
    for name in ["linked", "unlinked"] {
        set_agent(name, "bash -c 'echo \"## Status: COMPLETE\" > PROGRESS.md'");
    }
    let text = std::fs::read_to_string(cloud().scratch().join("cloud.json")).expect("cloud.json");
    let mut description: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(description["viewer"], Value::Null, "it serves no page");
    let link = "http://127.0.0.1:8080/#secret=abc";
    for (name, viewer, page) in [
        ("linked", json!(link), format!("page    {link}/w/linked\n")),
        ("unlinked", Value::Null, "page    just ralph view unlinked --scratch ".to_owned()),
    ] {
        let scratch = tempfile::tempdir().expect("a folder");
        description["viewer"] = viewer;
        std::fs::write(scratch.path().join("cloud.json"), description.to_string())
            .expect("written");
        let output = ralph(&["run", name, &repo, "--max-iterations", "1", "--scratch"])
            .arg(scratch.path())
            .output()
            .expect("ralph runs");
        assert!(stderr(&output).contains(&page), "{}", stderr(&output));
    }
    for name in ["linked", "unlinked"] {
        until("the end", || ps(name, &[]).is_none().then(|| ps(name, &["-a"]))?);
    }
}

/// An agent that works and says that this has cost a dollar.
fn costly(workstream: &str) -> String {
    let scenario = cloud().scratch().join(format!("{workstream}.json"));
    let calls = json!({"calls": [[
        {"write": {"path": "work.txt", "text": "more\n", "append": true}},
        {"result": {"total_cost_usd": 1.0}},
    ]]});
    std::fs::write(&scenario, calls.to_string()).expect("written");
    let agent = Path::new(env!("CARGO_BIN_EXE_ralph")).with_file_name("ralph-scripted-agent");
    format!("{} --scenario {}", agent.display(), scenario.display())
}

#[test]
fn who_waits_ends_with_the_workers_exit_code() {
    let never = run(&["wait", "wait-never"]);
    assert_eq!(never.status.code(), Some(1));
    let said = stderr(&never);
    assert!(said.contains("wait-never has no execution\nhint: `just ralph ps -a "), "{said}");

    let repo = repository("wait");
    set_agent("wait-limit", &costly("wait-limit"));
    let cases = [
        ("wait-done", repo.clone(), &["--scripted"][..], 0, "complete, $"),
        (
            "wait-limit",
            repo.clone(),
            &["--max-cost-usd", "0.5"],
            12,
            "limit, $1.0000 in 1 iteration",
        ),
        (
            "wait-git",
            format!("{repo}-that-does-not-exist"),
            &["--scripted"],
            20,
            "blocked, $0.0000",
        ),
    ];
    for (workstream, repo, options, ..) in &cases {
        let started = run(&[&["run", workstream, repo][..], options].concat());
        assert!(started.status.success(), "{}", stderr(&started));
    }
    for (workstream, _, _, code, facts) in &cases {
        let over = run(&["wait", workstream]);
        let said = stderr(&over);
        assert_eq!(over.status.code(), Some(*code), "{workstream}: {said}");
        assert!(said.contains(&format!("the execution is over ({facts}")), "{said}");
        assert_eq!(stdout(&over), "", "what is said is for people");
        // The list says the same, and so does who asks again, by the execution's name.
        let row = ps(workstream, &["-a"]).expect("a row");
        assert_eq!(row["exit"], *code, "{row}");
        let name = row["execution"].as_str().expect("a name");
        let again = run(&["wait", workstream, "--execution", name]);
        assert_eq!((again.status.code(), stderr(&again)), (Some(*code), said), "{workstream}");
    }
    // Who starts work that was complete hears so, unless it asks for another branch.
    for (options, notes) in [(&["--wait"][..], true), (&["--wait", "--new-branch"], false)] {
        let again = run(&[&["run", "wait-done", &repo, "--scripted"][..], options].concat());
        let said = stderr(&again);
        assert_eq!(again.status.code(), Some(0), "{said}");
        assert_eq!(
            said.contains("note: wait-done was complete (execution wait-done-"),
            notes,
            "{said}"
        );
        assert!(said.contains("the execution is over (complete, $"), "{said}");
    }
}

/// The rows of a `listWorkstreams` on the real socket.
fn listed(socket: &mut Socket) -> Vec<Value> {
    loop {
        let id = requests::now_ms().to_string();
        socket.send(&format!(r#"{{"action":"listWorkstreams","id":"{id}"}}"#));
        let mut rows = Vec::new();
        // A reply that a busy machine does not take in time is not repeated: whoever lacks it asks again.
        while let Some(frame) = socket.next_within(Duration::from_secs(10)) {
            let frame: Value = serde_json::from_str(&frame).expect("JSON");
            if frame["id"] != id {
                continue;
            }
            assert_eq!(frame["type"], "workstreams", "{frame}");
            rows.extend(frame["workstreams"].as_array().expect("rows").clone());
            if frame["complete"] == true {
                return rows;
            }
        }
    }
}

#[test]
fn a_client_lists_the_workstreams_of_its_token_and_sees_them_go_on() {
    let repo = repository("listed");
    for name in ["listed", "listed-too"] {
        set_agent(name, "bash -c 'echo half > half.txt; exec sleep 600'");
        let output = run(&["run", name, &repo]);
        assert!(output.status.success(), "{}", stderr(&output));
        until("the first iteration", || wrote(name, "iter.start"));
    }
    let mut socket = Socket::connect(cloud(), &["listed", "never-seen"]);
    let row = |rows: Vec<Value>| {
        let names: Vec<_> = rows.iter().map(|row| row["workstream"].clone()).collect();
        assert_eq!(names, ["listed"], "its own and no other");
        rows[0].clone()
    };
    let running = until("the list", || {
        let row = row(listed(&mut socket));
        (row["state"] == "running").then_some(row)
    });
    assert_eq!(running["spentUsd"], 0.0, "{running}");
    let shown = until("the same", || ps("listed", &[]).filter(|row| row["state"] == "running"));
    assert_eq!((&shown["run"], &shown["execution"]), (&running["run"], &running["execution"]));
    for name in ["listed", "listed-too"] {
        let output = run(&["stop", name]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let over = row(listed(&mut socket));
    assert_eq!((&over["state"], &over["exit"]), (&json!("stopped"), &json!(75)), "{over}");
    // A token for everything.
    let token = ralph(&["token", "--all", "--scratch", cloud().scratch_text()]).output();
    let token = stdout(&token.expect("ralph runs"));
    let (status, all) = handshake(cloud(), &format!("?token={}", token.trim()));
    let all = listed(&mut all.unwrap_or_else(|| panic!("refused with {status}")));
    for name in ["listed", "listed-too"] {
        let row = all.iter().find(|row| row["workstream"] == name);
        assert_eq!(row.expect("a row")["state"], "stopped", "{all:?}");
    }
    let started: Vec<_> = all.iter().map(|row| row["startedAt"].as_u64()).collect();
    assert!(started.is_sorted_by(|a, b| a >= b), "the newest first: {started:?}");
}

/// Between two runs no function runs that could tell the list.
#[test]
fn an_execution_that_is_stopped_while_it_waits_is_listed_as_stopped() {
    let repo = repository("stop-waiting");
    let limit = json!({"calls": [[
        {"json": {"type": "rate_limit_event", "rate_limit_info": {
            "status": "rejected", "resetsAt": requests::now_ms() / 1000 + 3_600}}},
        {"result": {"is_error": true, "api_error_status": 429, "result": "the limit is reached"}},
        {"exit": 1},
    ]]});
    let agent = Path::new(env!("CARGO_BIN_EXE_ralph")).with_file_name("ralph-scripted-agent");
    let scenario = cloud().scratch().join("stop-waiting.json");
    std::fs::write(&scenario, limit.to_string()).expect("written");
    set_agent("stop-waiting", &format!("{} --scenario {}", agent.display(), scenario.display()));
    let waits = command(&["run", "stop-waiting", &repo, "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let waiting = until("the wait", || {
        ps("stop-waiting", &[]).filter(|row| {
            row["state"].as_str().is_some_and(|said| said.starts_with("waits until "))
        })
    });
    assert_eq!(waiting["exit"], 76, "{waiting}");
    let output = run(&["stop", "stop-waiting"]);
    let said = stderr(&output);
    assert!(said.contains("there is no task; the execution is stopped"), "{said}");
    let row = aws(
        "dynamodb",
        "/",
        &["x-amz-target: DynamoDB_20120810.GetItem", JSON],
        &json!({
            "TableName": cloud().output("connections_table"),
            "Key": {"pk": {"S": "INDEX"}, "sk": {"S": "WS#stop-waiting"}},
        }),
    );
    let info = row["Item"]["info"]["S"].as_str().unwrap_or_else(|| panic!("{row}"));
    let info: Value = serde_json::from_str(info).expect("JSON");
    assert_eq!((&info["state"], &info["run"]), (&json!("stopped"), &waiting["run"]), "{info}");
    assert_eq!(info["reason"], "stopped with `ralph stop`", "{info}");
    let over = ps("stop-waiting", &["-a"]).expect("a row");
    assert_eq!(over["state"], "stopped", "{over}");
    // Who waited has the last worker's exit code: the execution left none.
    let output = waits.wait_with_output().expect("ralph ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(76), "{said}");
    assert!(said.contains("the execution was stopped before it could say how it ended"), "{said}");
}

/// Starts an execution as the console or a schedule does; its ARN.
fn start(name: &str, order: &Value) -> String {
    let started = aws(
        "states",
        "/",
        &["x-amz-target: AWSStepFunctions.StartExecution", JSON],
        &json!({
            "stateMachineArn": cloud().output("state_machine_arn"), "name": name,
            "input": order.to_string(),
        }),
    );
    started["executionArn"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned()
}

const JSON: &str = "content-type: application/x-amz-json-1.0";

#[test]
fn an_execution_of_another_name_is_seen_followed_and_stopped() {
    let repo = repository("by-hand");
    set_agent("by-hand", "bash -c 'echo half > half.txt; exec sleep 600'");
    let arn = start("started-by-hand", &json!({"workstream": "by-hand", "repo": repo}));
    let running = until("the workstream", || ps("by-hand", &[]));
    assert_eq!(running["execution"], "started-by-hand", "{running}");
    let second = run(&["run", "by-hand", &repo]);
    assert!(stderr(&second).contains("(execution started-by-hand)"), "{}", stderr(&second));
    until("the first iteration", || wrote("by-hand", "iter.start"));

    let followed = command(&["logs", "by-hand", "-f", "--exit-code"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let output = run(&["stop", "by-hand"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The request is there for `decide`, whatever ended the task.
    let key = json!({"pk": {"S": "WS#by-hand"}, "sk": {"S": "STOP"}});
    let row = aws(
        "dynamodb",
        "/",
        &["x-amz-target: DynamoDB_20120810.GetItem", JSON],
        &json!({"TableName": cloud().output("connections_table"), "Key": key}),
    );
    assert_eq!(row["Item"]["execution"]["S"], arn.as_str(), "{row}");
    let output = followed.wait_with_output().expect("ralph ends");
    assert!(stdout(&output).contains("run.start"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let over = until("the end", || ps("by-hand", &["-a"]));
    assert_eq!(
        (&over["state"], &over["execution"]),
        (&json!("stopped"), &json!("started-by-hand"))
    );
}

#[test]
fn an_order_that_admit_refuses_shows_why() {
    let name = format!("inside-{}", ulid::Ulid::generate());
    start(&name, &json!({"workstream": "inside", "repo": "https://git.internal/a"}));
    let over =
        until("the refusal", || ps("inside", &["-a"]).filter(|row| row["state"] == "refused"));
    let reason = over["reason"].as_str().expect("a reason");
    assert!(reason.contains("inside a private network\nhint: "), "{reason}");
}

#[test]
fn the_verification_does_in_the_local_cloud_what_it_does_on_aws() {
    let verify = ["verify-aws", "--scratch", cloud().scratch_text()];
    let output = ralph(&verify).output().expect("ralph runs");
    let text = stdout(&output);
    eprintln!("{text}");
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    for row in [
        "functions at the same time",
        "ECS's service-linked role",
        "a viewer",
        "what was written, against what was shown",
        "a worker that waits for a limit",
        "an execution that is stopped",
    ] {
        assert!(text.contains(&format!("| {row}")), "{text}");
    }
    assert!(text.contains("lost=0 duplicated=0"), "{text}");
    // The script of `just verify-aws` is this one.
    let recipes = std::fs::read_to_string(root().join("justfile")).expect("the justfile");
    assert!(recipes.contains("{{ ralph }} verify-aws"), "{recipes}");
}

/// The agent of a workstream whose worker is killed once, and which completes after that. It says who
/// its worker is, in the file that is returned; it cannot kill it by itself.
fn killed_once(workstream: &str) -> (String, PathBuf) {
    let worker = cloud().scratch().join(format!("{workstream}-worker"));
    let path = worker.display();
    let complete = r###"echo "## Status: COMPLETE" > PROGRESS.md"###;
    let agent = format!(
        "bash -c 'if [ ! -e {path} ]; then echo $PPID > {path}.new; mv {path}.new {path}; sleep 600; fi; {complete}'"
    );
    (agent, worker)
}

#[test]
fn a_run_is_set_up_before_the_agent_begins_or_ends_without_it() {
    for (workstream, setup, code, said) in [
        ("sets-up", "echo \"all is set up\"", 0, "all is set up"),
        ("sets-up-badly", "echo \"half of it\"; exit 3", 30, "exit status: 3"),
    ] {
        let repo = repository(workstream);
        let options = ["--scripted", "--follow", "--setup", setup];
        // The scripted agent takes no model.
        let more = ["--model", "opus", "--prompt", "Do the next task."];
        let output = run(&[&["run", workstream, &repo][..], &options, &more].concat());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(code), "{text}{}", stderr(&output));
        let lines: Vec<&str> = text.lines().collect();
        let first = |needle: &str| lines.iter().position(|line| line.contains(needle));
        let setup = first(" setup ").expect("a line of setup");
        assert!(lines.iter().any(|line| line.contains(said)), "{text}");
        match (code, first(" iter.start ")) {
            (0, Some(begins)) => assert!(setup < begins, "{text}"),
            (30, None) => {}
            other => panic!("{other:?}: {text}"),
        }
    }
}

#[test]
fn what_options_bring_arrives_at_the_task() {
    let prompt = cloud().scratch().join("the-prompt.md");
    std::fs::write(&prompt, "Say \"hello\".\nThen stop.\n").expect("written");
    let file = prompt.to_str().expect("UTF-8");
    type Case<'a> =
        (&'a str, &'a [&'a str], &'a [(&'a str, Option<&'a str>)], [Option<&'a str>; 2]);
    let cases: [Case<'_>; 4] = [
        (
            "brings-file",
            &["--prompt-file", file, "--setup", "echo 'set up'", "--setup-timeout", "10m"],
            &[
                ("RALPH_PROMPT", Some("Say \"hello\".\nThen stop.\n")),
                ("RALPH_PROMPT_FILE", None),
                ("RALPH_SETUP_COMMAND", Some("echo 'set up'")),
                ("RALPH_SETUP_TIMEOUT_SECS", Some("600")),
            ],
            [None, None],
        ),
        (
            "brings-input",
            &["--prompt-file", "-"],
            &[("RALPH_PROMPT", Some("From a pipe.")), ("RALPH_SETUP_COMMAND", None)],
            [None, None],
        ),
        (
            "brings-text",
            &["--prompt", "Do it.", "--cpu", "4096", "--memory", "16384"],
            &[("RALPH_PROMPT", Some("Do it.")), ("RALPH_MODEL", None)],
            [Some("4096"), Some("16384")],
        ),
        (
            "brings-path",
            &["--prompt-path", "PROMPT.md", "--model", "opus"],
            &[
                ("RALPH_PROMPT", None),
                ("RALPH_PROMPT_FILE", Some("PROMPT.md")),
                ("RALPH_MODEL", Some("opus")),
            ],
            [None, None],
        ),
    ];
    for (workstream, options, variables, [cpu, memory]) in cases {
        let repo = repository(workstream);
        let words = [&["run", workstream, &repo, "--scripted"], options].concat();
        let mut child = command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ralph starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        // Only one of them reads it.
        let _ = pipe.write_all(b"From a pipe.");
        drop(pipe);
        let output = child.wait_with_output().expect("ralph ends");
        assert!(output.status.success(), "{workstream}: {}", stderr(&output));
        let overrides = until("the task", || overrides(workstream));
        for (name, value) in variables {
            assert_eq!(variable(&overrides, name).as_deref(), *value, "{name} in {overrides}");
        }
        let size = [&overrides["cpu"], &overrides["memory"]];
        assert_eq!(size.map(Value::as_str), [cpu, memory], "{overrides}");
    }
    for (workstream, ..) in cases {
        until("the end", || ps(workstream, &["-a"]).filter(|row| !row["exit"].is_null()));
    }
}

#[test]
fn each_end_of_a_task_has_the_outcome_that_it_has_on_aws() {
    let works = "bash -c 'echo more >> work.txt'";
    let (killed, worker) = killed_once("end-killed");
    type Case<'a> = (&'a str, Option<&'a str>, &'a [&'a str], (&'a str, u64, u64));
    // Workstream, agent, options; the outcome, the worker's exit code and the attempts.
    let cases: [Case<'_>; 5] = [
        ("end-complete", None, &["--scripted"], ("complete", 0, 1)),
        ("end-limit", Some(works), &["--max-iterations", "1"], ("limit", 10, 1)),
        ("end-blocked", Some(works), &["--prompt-path", "none.md"], ("blocked", 30, 1)),
        ("end-git", None, &["--scripted"], ("blocked", 20, 1)),
        ("end-killed", Some(&killed), &[], ("complete", 0, 2)),
    ];
    for (workstream, agent, options, _) in cases {
        let mut repo = repository(workstream);
        if workstream == "end-git" {
            repo += "-that-does-not-exist";
        }
        if let Some(agent) = agent {
            set_agent(workstream, agent);
        }
        let output = run(&[&["run", workstream, &repo], options].concat());
        assert!(output.status.success(), "{workstream}: {}", stderr(&output));
    }
    until("the worker that is killed", || worker.exists().then_some(()));
    let pid = std::fs::read_to_string(worker).expect("a file");
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().expect("kill").success());
    for (workstream, _, _, (outcome, exit, attempts)) in cases {
        let is_over = || {
            let Some(runs) = ps(workstream, &[]) else { return ps(workstream, &["-a"]) };
            let restarts = runs["state"] == "restarting";
            assert!(!restarts || attempts > 1, "nothing follows the end of {workstream}: {runs}");
            None
        };
        let over = until(&format!("the end of {workstream}"), is_over);
        let found = (over["state"].as_str(), over["exit"].as_u64(), over["attempt"].as_u64());
        assert_eq!(found, (Some(outcome), Some(exit), Some(attempts)), "{workstream}: {over}");
    }
}
