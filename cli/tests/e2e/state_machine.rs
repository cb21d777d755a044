//! What the state machine does, as facts: the applied definition in Step Functions, with the real
//! functions, and with what ECS answers mocked. It only carries, so a few executions show each of its
//! ways; what is decided is tested with the functions.

use std::time::{Duration, SystemTime};

use ralph_protocol::{
    execution::{self, Outcome, Output},
    names::log_stream,
};
use serde_json::{Value, json};

use crate::cloud::root;
use crate::steps::{Ended, applied, steps, variable};

const SPOT: &str = "FARGATE_SPOT";
const FULL: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// As AWS returns the end of a task whose containers all exited with 0.
fn returned() -> Value {
    json!({"Return": {
        "TaskArn": "arn:aws:ecs:us-east-1:111122223333:task/ralph-dev/1",
        "StopCode": "EssentialContainerExited", "Containers": [{"Name": "worker", "ExitCode": 0}],
    }})
}

/// As AWS raises any other end.
fn aws(code: &str, reason: &str, exit: Option<i64>) -> Value {
    let mut worker = json!({"Name": "worker", "LastStatus": "STOPPED"});
    if let Some(exit) = exit {
        worker["ExitCode"] = exit.into();
    }
    let task = json!({
        "TaskArn": "arn:aws:ecs:us-east-1:111122223333:task/ralph-dev/1", "StopCode": code,
        "StoppedReason": reason, "Containers": [worker],
    });
    raised("States.TaskFailed", &task.to_string())
}

fn raised(error: &str, cause: &str) -> Value {
    json!({"Throw": {"Error": error, "Cause": cause}})
}

fn exits(exit: i64) -> Value {
    aws("EssentialContainerExited", "Essential container in task exited", Some(exit))
}

fn stopped() -> Value {
    aws("UserInitiated", "Task stopped by user", Some(75))
}

fn interrupted() -> Value {
    aws("SpotInterruption", "Your Spot Task was interrupted.", Some(75))
}

/// One execution: what RunTask answers in turn, how it must end, and the states on the way.
struct Case {
    name: &'static str,
    answers: Vec<Value>,
    outcome: Outcome,
    exit: Option<i64>,
    capacity: Vec<&'static str>,
    waits: usize,
}

fn cases() -> Vec<Case> {
    let full = json!({"Return": {"Tasks": [], "Failures": [{"Arn": "arn", "Reason": FULL}]}});
    let unknown = raised("AmazonECS.Unknown", &format!("[{{Reason: {FULL}}}]"));
    let mut on_demand = vec![full; 4];
    on_demand.extend([unknown, returned()]);
    // These workers say nothing: each is waited for three times, until it has been silent for 30 s.
    let ran = |answers: &[Value]| {
        answers.iter().filter(|answer| answer.to_string().contains("ExitCode")).count()
    };
    let case = |name, answers: Vec<Value>, (outcome, exit), waits| Case {
        capacity: vec![SPOT; answers.len()],
        waits: waits + 3 * ran(&answers),
        name,
        answers,
        outcome,
        exit,
    };
    vec![
        case("complete", vec![returned()], (Outcome::Complete, Some(0)), 0),
        case("stopped", vec![stopped()], (Outcome::Stopped, Some(75)), 0),
        case("limit", vec![exits(12)], (Outcome::Limit, Some(12)), 0),
        case("interrupted", vec![interrupted(), returned()], (Outcome::Complete, Some(0)), 0),
        case("crashed", vec![exits(137), returned()], (Outcome::Complete, Some(0)), 1),
        case("waits", vec![exits(76), returned()], (Outcome::Complete, Some(0)), 1),
        case("out-of-time", vec![raised("States.Timeout", "")], (Outcome::Limit, Some(11)), 0),
        case(
            "image",
            vec![aws("TaskFailedToStart", "CannotPullContainerError: x: not found", None)],
            (Outcome::CannotStart, None),
            0,
        ),
        case(
            "broken",
            vec![raised("States.TaskFailed", "{oops}"), raised("ECS.X", ""), json!({"Return": {}})]
                .into_iter()
                .chain([returned()])
                .collect(),
            (Outcome::Complete, Some(0)),
            3,
        ),
        case("gives-up", vec![exits(137); 4], (Outcome::GaveUp, Some(137)), 3),
        Case {
            capacity: vec![SPOT, SPOT, SPOT, SPOT, SPOT, "FARGATE"],
            ..case("on-demand", on_demand, (Outcome::Complete, Some(0)), 5)
        },
    ]
}

fn ulid_at(time: SystemTime) -> ulid::Ulid {
    ulid::Ulid::from_datetime(time)
}

fn name_of(workstream: &str) -> String {
    execution::name(&workstream.parse().expect("an id"), ulid_at(SystemTime::now()))
}

fn order(workstream: &str) -> Value {
    json!({"workstream": workstream, "repo": "https://github.com/you/project"})
}

/// Answers as the mock configuration numbers them.
fn numbered(answers: &[Value]) -> Value {
    answers.iter().enumerate().map(|(i, answer)| (i.to_string(), answer.clone())).collect()
}

fn output(ended: &Ended) -> Output {
    Output::parse(&ended.output.to_string()).unwrap_or_else(|| panic!("{}", ended.output))
}

fn run_as(case: &str, name: &str, order: &Value) -> Ended {
    steps().end(&steps().begin(case, name, order))
}

fn run(workstream: &str) -> Ended {
    run_as(workstream, &name_of(workstream), &order(workstream))
}

/// All of it in one test: the mock configuration is one for all executions.
#[test]
fn every_way_through_the_state_machine() {
    let cases = cases();
    let done = json!({"RunTask": numbered(&[returned()])});
    let down = json!({"0": raised("Lambda.ServiceException", "down")});
    let mocked = [
        ("lease-runs", done.clone()),
        ("lease-gone", done.clone()),
        ("lease-ended", done.clone()),
        ("another-name", done.clone()),
        ("refused", done.clone()),
        ("too-late", done.clone()),
        ("stop-requested", json!({"RunTask": numbered(&[exits(75), returned()])})),
        ("told", json!({"RunTask": numbered(&[interrupted(), returned()])})),
        ("admit-down", json!({"Admit": down})),
        ("decide-down", json!({"RunTask": numbered(&[returned()]), "Decide": down})),
        ("after-decide-down", done),
    ];
    let all = cases.iter().map(|case| (case.name, json!({"RunTask": numbered(&case.answers)})));
    steps().mock(all.chain(mocked));

    // They run side by side.
    let begun: Vec<String> = cases
        .iter()
        .map(|case| steps().begin(case.name, &name_of(case.name), &order(case.name)))
        .collect();
    for (case, arn) in cases.iter().zip(&begun) {
        follow(case, arn);
    }
    leases(&begun[0]);
    functions_that_fail();
    an_execution_of_another_name();
    what_the_workers_say();
    a_request_to_stop();
    refusals();
}

fn follow(case: &Case, arn: &str) {
    let name = case.name;
    let ended = steps().end(arn);
    let output = output(&ended);
    assert_eq!(
        (output.outcome, output.exit),
        (case.outcome, case.exit),
        "{name}: {}",
        output.reason
    );
    let status = if case.outcome.succeeds() { "SUCCEEDED" } else { "FAILED" };
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        (status, case.outcome.error()),
        "{name}"
    );
    let expected: Vec<_> =
        (1..).zip(&case.capacity).map(|(n, c)| ((*c).to_owned(), n.to_string())).collect();
    assert_eq!((ended.tasks(), ended.times("Wait")), (expected, case.waits), "{name}");
    let run = output.run.expect("a run");
    assert_eq!(run.attempt(), output.attempts, "{name}");
    assert!(arn.ends_with(run.ulid()), "{name}: the runs have the execution's ULID");
    assert!(
        steps().row(&format!("WS#{name}"), "LEASE").is_none(),
        "{name}: the lease is given back"
    );
    let row = steps().row(&format!("WS#{name}"), &format!("RUN#{run}")).expect("a row");
    assert_eq!(row["execution"], arn, "{name}");
}

fn lease(workstream: &str, holder: &str) {
    let later = SystemTime::now() + Duration::from_secs(3600);
    let later = later.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let item = json!({
        "pk": {"S": format!("WS#{workstream}")}, "sk": {"S": "LEASE"},
        "execution": {"S": holder}, "expiresAt": {"N": later.to_string()},
    });
    steps().table("PutItem", &json!({"TableName": crate::steps::TABLE, "Item": item}));
}

/// One execution a workstream; a lease is taken over when its holder no longer runs.
fn leases(ended: &str) {
    let holder = steps().runs_forever();
    let gone = "arn:aws:states:us-east-1:000000000000:execution:ralph-dev-workstream:gone";
    for (workstream, held, outcome) in [
        ("lease-runs", holder.as_str(), Outcome::Busy),
        ("lease-gone", gone, Outcome::Complete),
        ("lease-ended", ended, Outcome::Complete),
    ] {
        lease(workstream, held);
        let ended = run(workstream);
        let output = output(&ended);
        assert_eq!(output.outcome, outcome, "{workstream}: {}", output.reason);
        let left = steps().row(&format!("WS#{workstream}"), "LEASE");
        if outcome == Outcome::Busy {
            assert!(output.reason.contains(held), "{}", output.reason);
            assert_eq!(
                (ended.tasks().len(), &left.expect("a lease")["execution"]),
                (0, &json!(held))
            );
        } else {
            assert_eq!((ended.tasks().len(), left), (1, None), "{workstream}");
        }
    }
}

/// After all retries the execution fails, and the next one takes over its lease.
fn functions_that_fail() {
    let ended = run("admit-down");
    assert_eq!(ended.error.as_deref(), Some("Lambda.ServiceException"));
    let ended = run("decide-down");
    assert_eq!((ended.status.as_str(), ended.tasks().len()), ("FAILED", 1));
    assert!(steps().row("WS#decide-down", "LEASE").is_some(), "nobody gave it back");
    let next = run_as("after-decide-down", &name_of("decide-down"), &order("decide-down"));
    assert_eq!(output(&next).outcome, Outcome::Complete);
    assert!(steps().row("WS#decide-down", "LEASE").is_none());
}

fn an_execution_of_another_name() {
    let ended = run_as("another-name", "started-by-hand", &order("another-name"));
    let run = output(&ended).run.expect("a run");
    let (_, input) = ended.path.iter().find(|(name, _)| name == "RunTask").expect("a run");
    assert_eq!(variable(input, "RALPH_RUN"), Some(run.as_str()));
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(run.started_ms());
    assert!(started.elapsed().is_ok_and(|age| age < Duration::from_secs(600)), "{run}");
}

/// Workers that say their end are settled at once, and each is told what those before it have used.
fn what_the_workers_say() {
    let name = name_of("told");
    let (_, ulid) = execution::parse_name(&name).expect("its own name");
    let lines = [(1, 1.25, 3), (2, 0.5, 1)].map(|(attempt, usd, iterations)| {
        json!({
            "v": 1, "ts": "2026-11-28T10:00:00.000Z", "workstream": "told",
            "run": format!("{ulid}-{attempt:04}"), "seq": 1, "type": "run.end",
            "spend": {"spentUsd": usd, "iterations": iterations},
        })
        .to_string()
    });
    // Every mocked task has this id.
    steps().say(&log_stream("1"), &lines);
    let ended = run_as("told", &name, &order("told"));
    let told: Vec<_> = ended
        .path
        .iter()
        .filter(|(state, _)| state == "RunTask")
        .map(|(_, input)| {
            ["RALPH_SPENT_USD", "RALPH_ITERATIONS_DONE"].map(|name| variable(input, name))
        })
        .collect();
    assert_eq!(told, [[Some("0"), Some("0")], [Some("1.25"), Some("3")]]);
    assert_eq!(ended.times("Wait"), 0);
    let output = output(&ended);
    assert_eq!((output.spent_usd, output.iterations), (Some(1.75), Some(4)));
    let row = |attempt| steps().row("WS#told", &format!("RUN#{ulid}-{attempt:04}"));
    let spent = [1, 2].map(|attempt| row(attempt).expect("a row")["spentUsd"].clone());
    assert_eq!(spent, ["1.25", "1.75"]);
}

/// The row of `ralph stop`, for a task that ends as interrupted.
fn a_request_to_stop() {
    let name = name_of("stop-requested");
    let arn = steps().arn_of(&name);
    let item = json!({
        "pk": {"S": "WS#stop-requested"}, "sk": {"S": "STOP"}, "execution": {"S": arn},
    });
    steps().table("PutItem", &json!({"TableName": crate::steps::TABLE, "Item": item}));
    let ended = run_as("stop-requested", &name, &order("stop-requested"));
    assert_eq!((output(&ended).outcome, ended.tasks().len()), (Outcome::Stopped, 1));
}

/// Refused before anything is started or written, with the field and what is allowed.
fn refusals() {
    let with = |field: &str, value: Value| {
        let mut order = order("refused");
        order[field] = value;
        order
    };
    for (order, hint) in [
        (with("repo", json!("https://git.internal/a")), "inside a private network"),
        (with("maxCostUsd", json!(1)), "unknown field `maxCostUsd`, expected one of"),
        (with("limits", json!({"maxStalls": 0})), "a whole number from 1 to 1000"),
        (json!([]), "`ralph run` writes one"),
    ] {
        let ended = run_as("refused", &name_of("refused"), &order);
        let output = output(&ended);
        assert_eq!(output.outcome, Outcome::Refused, "{order}: {}", output.reason);
        assert!(output.reason.contains(hint), "{order}: {}", output.reason);
        let path: Vec<_> = ended.path.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(path, ["Admit", "Next", "Failed"]);
    }
    let rows = steps().table(
        "Query",
        &json!({
            "TableName": crate::steps::TABLE, "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "WS#refused"}},
        }),
    );
    assert_eq!(rows["Count"], 0, "{rows}");
    let early = ulid_at(SystemTime::now() - Duration::from_secs(61));
    let name = execution::name(&"too-late".parse().expect("an id"), early);
    let mut late = order("too-late");
    late["limits"] = json!({"maxDurationSecs": 60});
    let ended = run_as("too-late", &name, &late);
    assert_eq!((output(&ended).outcome, ended.tasks().len()), (Outcome::Limit, 0));
    assert!(steps().row("WS#too-late", "LEASE").is_none(), "and its lease is given back");
}

/// What is the same for every task: where it runs, with an address of its own, and its tags.
#[test]
fn each_task_has_the_environments_network_and_tags() {
    let definition = applied();
    let state = &definition["States"]["RunTask"];
    assert_eq!(state["Resource"], "arn:aws:states:::ecs:runTask.sync");
    let task = &state["Parameters"];
    let network = &task["NetworkConfiguration"]["AwsvpcConfiguration"];
    assert_eq!(network["AssignPublicIp"], "ENABLED", "without NAT it would reach nothing: {task}");
    assert_eq!(network["Subnets"].as_array().map(Vec::len), Some(2), "one in each zone: {task}");
    assert_eq!(network["SecurityGroups"].as_array().map(Vec::len), Some(1), "{task}");
    assert_eq!(task["PropagateTags"], "TASK_DEFINITION");
    let family = task["TaskDefinition"].as_str().expect("a task definition");
    assert!(family.contains(":task-definition/ralph-dev-worker"), "{family}");
    assert!(task.get("LaunchType").is_none(), "it would exclude a strategy");
}

/// The definition that docs/operations.md shows is the one that runs.
#[test]
fn the_documentation_shows_the_definition() {
    let text = std::fs::read_to_string(root().join("docs/operations.md")).expect("a page");
    let block =
        text.split("```json state machine\n").nth(1).and_then(|rest| rest.split("```").next());
    let documented: Value = serde_json::from_str(block.expect("a definition")).expect("JSON");
    let mut applied = applied();
    let is = |value: &Value| value["States"].as_object().map(|states| states.len());
    assert!(is(&applied).is_some_and(|states| states <= 10));
    // What Terraform fills in: the page shows the name that each ARN ends with.
    for path in [
        "/States/Admit/Parameters/FunctionName",
        "/States/Decide/Parameters/FunctionName",
        "/States/RunTask/Parameters/Cluster",
        "/States/RunTask/Parameters/TaskDefinition",
    ] {
        let value = applied.pointer_mut(path).expect("a value");
        let arn = value.as_str().expect("an ARN").trim_end_matches(":1");
        *value = arn.rsplit(['/', ':']).next().into();
    }
    let network = "/States/RunTask/Parameters/NetworkConfiguration/AwsvpcConfiguration";
    for name in ["Subnets", "SecurityGroups"] {
        let shown = documented.pointer(network).expect("documented")[name].clone();
        applied.pointer_mut(network).expect("a network")[name] = shown;
    }
    assert_eq!(applied, documented);
}
