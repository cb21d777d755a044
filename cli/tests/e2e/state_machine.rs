//! What the state machine does, as facts: the applied definition in Step Functions, with what ECS
//! answers mocked. Each case is one execution of a workstream of its own.

use std::time::{Duration, SystemTime};

use ralph_protocol::{
    execution::{self, Outcome, Output},
    exit::RunExit,
};
use serde_json::{Value, json};

use crate::steps::{Ended, applied, steps, variable};

const SPOT: &str = "FARGATE_SPOT";
const FULL: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// What ECS answers to one RunTask.
#[derive(Clone)]
struct Answer(Value);

/// As the local cloud returns a task's end.
fn local(code: &str, exit: Option<i64>) -> Answer {
    let worker = json!({"name": "worker", "exitCode": exit});
    Answer(json!({"Return": {"failures": [], "tasks": [{
        "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/ralph-dev/1", "lastStatus": "STOPPED",
        "stopCode": code, "stoppedReason": "", "containers": [worker],
    }]}}))
}

/// As AWS raises it.
fn aws(code: &str, reason: &str, exit: Option<i64>) -> Answer {
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

fn raised(error: &str, cause: &str) -> Answer {
    Answer(json!({"Throw": {"Error": error, "Cause": cause}}))
}

fn exits(exit: i64) -> Answer {
    aws("EssentialContainerExited", "Essential container in task exited", Some(exit))
}

fn interrupted() -> Answer {
    aws("SpotInterruption", "Your Spot Task was interrupted.", Some(75))
}

fn full() -> Answer {
    let failures = json!([{"arn": "arn", "reason": FULL}]);
    Answer(json!({"Return": {"tasks": [], "failures": failures}}))
}

/// One execution: what RunTask answers in turn, and how it must end.
struct Case {
    name: &'static str,
    answers: Vec<Answer>,
    outcome: Outcome,
    exit: Option<i64>,
    /// Capacity of each run.
    runs: Vec<&'static str>,
    /// Part of the reason.
    reason: &'static str,
}

fn case(
    name: &'static str,
    answers: Vec<Answer>,
    (outcome, exit): (Outcome, Option<i64>),
    runs: Vec<&'static str>,
    reason: &'static str,
) -> Case {
    Case { name, answers, outcome, exit, runs, reason }
}

fn cases() -> Vec<Case> {
    use Outcome::{Blocked, CannotStart, Complete, GaveUp, Limit, Stopped};
    let spot = |n| vec![SPOT; n];
    let mut row_of_three = vec![exits(137); 3];
    row_of_three.push(interrupted());
    let others: Vec<Answer> = row_of_three.iter().cycle().take(27).cloned().collect();
    let start = |reason| vec![aws("TaskFailedToStart", reason, None)];
    let mut on_demand = spot(5);
    on_demand.push("FARGATE");
    let mut never = spot(5);
    never.extend(vec!["FARGATE"; 16]);
    let mut found = vec![full(), full(), full()];
    found.push(raised("AmazonECS.Unknown", &format!("[{{Reason: {FULL}}}]")));
    found.extend(start(FULL));
    found.push(exits(0));
    let mut again = vec![full(), interrupted()];
    again.push(exits(0));
    vec![
        case("complete", vec![exits(0)], (Complete, Some(0)), spot(1), "complete"),
        case(
            "complete-local",
            vec![local("EssentialContainerExited", Some(0))],
            (Complete, Some(0)),
            spot(1),
            "complete",
        ),
        case("stopped", vec![local("UserInitiated", Some(0))], (Stopped, Some(0)), spot(1), ""),
        case(
            "stopped-aws",
            vec![aws("UserInitiated", "Task stopped by user", Some(75))],
            (Stopped, Some(75)),
            spot(1),
            "by user",
        ),
        case("iterations", vec![exits(10)], (Limit, Some(10)), spot(1), "iterations"),
        case("duration", vec![exits(11)], (Limit, Some(11)), spot(1), "duration"),
        case("budget", vec![exits(12)], (Limit, Some(12)), spot(1), "cost"),
        case("stalled", vec![exits(13)], (Limit, Some(13)), spot(1), "progress"),
        case("git", vec![exits(20)], (Blocked, Some(20)), spot(1), "git"),
        case("conflict", vec![exits(21)], (Blocked, Some(21)), spot(1), "rescue"),
        case("configuration", vec![exits(30)], (Blocked, Some(30)), spot(1), "configuration"),
        case("no-key", vec![exits(31)], (Blocked, Some(31)), spot(1), "key"),
        case(
            "spot-twice",
            vec![interrupted(), aws("TerminationNotice", "", Some(75)), exits(0)],
            (Complete, Some(0)),
            spot(3),
            "",
        ),
        case(
            "spot-51",
            vec![interrupted(); 51],
            (GaveUp, Some(75)),
            spot(51),
            "Spot capacity was taken back 51 times",
        ),
        case("waits", vec![exits(76), exits(76), exits(0)], (Complete, Some(0)), spot(3), ""),
        case(
            "time-limit",
            vec![raised("States.Timeout", "")],
            (Limit, Some(11)),
            spot(1),
            "duration",
        ),
        case("on-demand", found, (Complete, Some(0)), on_demand, ""),
        case("capacity-anew", again, (Complete, Some(0)), spot(3), ""),
        case("no-capacity", vec![full(); 21], (GaveUp, None), never, FULL),
        case(
            "image",
            start("CannotPullContainerError: not found"),
            (CannotStart, None),
            spot(1),
            "CannotPull",
        ),
        case(
            "secret",
            start("ResourceInitializationError: unable to pull secrets or registry auth"),
            (CannotStart, None),
            spot(1),
            "secrets",
        ),
        case(
            "network",
            vec![raised("ECS.InvalidParameterException", "The security group sg-1 does not exist")],
            (CannotStart, None),
            spot(1),
            "security group",
        ),
        case(
            "passing-network",
            {
                let mut answers =
                    start("Timeout waiting for network interface provisioning to complete.");
                answers.push(exits(0));
                answers
            },
            (Complete, Some(0)),
            spot(2),
            "",
        ),
        case("crash-once", vec![exits(50), exits(0)], (Complete, Some(0)), spot(2), ""),
        case("resume-now", vec![exits(75), exits(0)], (Complete, Some(0)), spot(2), ""),
        case(
            "crashes",
            vec![exits(137), exits(139), exits(50), exits(137)],
            (GaveUp, Some(137)),
            spot(4),
            "last exit 137",
        ),
        case("crashes-in-all", others, (GaveUp, Some(137)), spot(27), "as often as allowed"),
        case(
            "no-exit",
            vec![raised("ECS.ServerException", "x"); 4],
            (GaveUp, None),
            spot(4),
            "ECS.ServerException",
        ),
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
fn numbered(answers: &[Answer]) -> Value {
    answers.iter().enumerate().map(|(i, answer)| (i.to_string(), answer.0.clone())).collect()
}

fn output(ended: &Ended) -> Output {
    Output::parse(&ended.told.to_string()).unwrap_or_else(|| panic!("{}", ended.told))
}

/// All of it in one test: the mock configuration is one for all executions.
#[test]
fn every_way_through_the_state_machine() {
    let cases = cases();
    let lost =
        json!({"0": {"Throw": {"Error": "DynamoDB.ConditionalCheckFailedException", "Cause": ""}}});
    let gone =
        json!({"0": {"Throw": {"Error": "Sfn.ExecutionDoesNotExistException", "Cause": ""}}});
    let down = json!({"0": {"Throw": {"Error": "DynamoDB.InternalServerError", "Cause": "down"}}});
    let runs = json!({"0": {"Return": {"Status": "RUNNING"}}});
    let done = numbered(&[exits(0)]);
    let waiting = numbered(&[exits(76), exits(0)]);
    let mocked = [
        ("lease-runs", json!({"RunTask": done, "DescribeHolder": runs})),
        ("lease-gone", json!({"RunTask": done, "DescribeHolder": gone})),
        ("lease-ended", json!({"RunTask": done})),
        ("lease-expired", json!({"RunTask": done})),
        ("lease-race", json!({"RunTask": done, "TakeOver": lost})),
        ("lease-let-go", json!({"RunTask": done, "TakeLease": lost})),
        ("table-down", json!({"RunTask": done, "TakeLease": down})),
        ("row-down", json!({"RunTask": done, "NoteRun": down})),
        ("wait-past", json!({"RunTask": waiting})),
        ("wait-too-long", json!({"RunTask": waiting})),
        ("wait-unread", json!({"RunTask": waiting, "ReadWait": down})),
        ("too-late", json!({"RunTask": done})),
        ("all-fields", json!({"RunTask": done})),
        ("refused", json!({"RunTask": done})),
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
    waits();
    what_a_task_is_told();
    refusals();
}

fn follow(case: &Case, arn: &str) {
    let name = case.name;
    let ended = steps().end(arn);
    let told = output(&ended);
    assert_eq!((told.outcome, told.exit), (case.outcome, case.exit), "{name}: {}", told.reason);
    assert!(told.reason.contains(case.reason), "{name}: {}", told.reason);
    let status = if case.outcome.succeeds() { "SUCCEEDED" } else { "FAILED" };
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        (status, case.outcome.error()),
        "{name}"
    );
    let expected: Vec<_> =
        (1..).zip(&case.runs).map(|(n, c)| ((*c).to_owned(), n.to_string())).collect();
    assert_eq!(ended.tasks(), expected, "{name}");
    let run = told.run.expect("a run");
    assert_eq!((run.attempt(), told.attempts as usize), (told.attempts, case.runs.len()), "{name}");
    assert!(arn.ends_with(run.ulid()), "{name}: the runs have the execution's ULID");
    assert_eq!(ended.times("ReleaseLease"), 1, "{name}");
    assert!(
        steps().row(&format!("WS#{name}"), "LEASE").is_none(),
        "{name}: the lease is given back"
    );
    // The last run's row: failed, with the reason, where no task was made; else ECS's events tell.
    let row = steps().row(&format!("WS#{name}"), &format!("RUN#{run}")).expect("a row");
    let made =
        ended.times("NoteFailure") == 0 || !matches!(name, "no-capacity" | "network" | "no-exit");
    let state = if made { "starting" } else { "failed" };
    assert_eq!((&row["state"], row["reason"].is_null()), (&json!(state), made), "{name}: {row}");
    assert!(row["expiresAt"].as_str().is_some_and(|n| n.parse::<u64>().is_ok()), "{row}");
}

fn lease(workstream: &str, holder: &str, expires_at: u64) {
    let item = json!({
        "pk": {"S": format!("WS#{workstream}")}, "sk": {"S": "LEASE"},
        "execution": {"S": holder}, "expiresAt": {"N": expires_at.to_string()},
    });
    let table = crate::steps::TABLE;
    steps().table("PutItem", &json!({"TableName": table, "Item": item}));
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

fn run(workstream: &str) -> Ended {
    run_as(workstream, &name_of(workstream), &order(workstream))
}

fn run_as(case: &str, name: &str, input: &Value) -> Ended {
    steps().end(&steps().begin(case, name, input))
}

/// One execution a workstream; a lease is taken over when its holder no longer runs.
fn leases(ended: &str) {
    let later = now_secs() + 3600;
    let held = |workstream: &str, holder: &str, until| {
        lease(workstream, holder, until);
        let ended = run(workstream);
        let lease = steps().row(&format!("WS#{workstream}"), "LEASE");
        (output(&ended).outcome, ended.tasks().len(), lease.map(|row| row["execution"].clone()))
    };
    let stranger = "arn:aws:states:us-east-1:000000000000:execution:ralph-dev-workstream:stranger";
    let theirs = Some(json!(stranger));
    assert_eq!(held("lease-runs", stranger, later), (Outcome::Busy, 0, theirs.clone()));
    assert_eq!(held("lease-race", ended, later), (Outcome::Busy, 0, Some(json!(ended))));
    assert_eq!(held("lease-gone", stranger, later), (Outcome::Complete, 1, None));
    assert_eq!(held("lease-ended", ended, later), (Outcome::Complete, 1, None));
    assert_eq!(held("lease-expired", stranger, now_secs() - 1), (Outcome::Complete, 1, None));
    let let_go = run("lease-let-go");
    assert_eq!((output(&let_go).outcome, let_go.times("TakeLease")), (Outcome::Complete, 2));
    let down = run("table-down");
    assert_eq!((output(&down).outcome, down.tasks().len()), (Outcome::Internal, 0));
    assert!(output(&down).reason.contains("DynamoDB.InternalServerError: down"));
    assert_eq!(output(&run("row-down")).outcome, Outcome::Complete, "a row is a courtesy");
}

/// After exit 76: three minutes, then until the time in the row, or fifteen minutes.
fn waits() {
    let ulid = ulid_at(SystemTime::now());
    let told = |workstream: &str, until: Option<u64>| {
        if let Some(until) = until {
            let item = json!({
                "pk": {"S": format!("WS#{workstream}")}, "sk": {"S": format!("RUN#{ulid}-0001")},
                "waitUntil": {"N": until.to_string()},
            });
            steps().table("PutItem", &json!({"TableName": crate::steps::TABLE, "Item": item}));
        }
        let name = execution::name(&workstream.parse().expect("an id"), ulid);
        let ended = run_as(workstream, &name, &order(workstream));
        let output = output(&ended);
        (
            output.outcome,
            output.exit,
            output.attempts,
            ended.times("Settle"),
            ended.times("WaitUntil"),
        )
    };
    let (past, too_long) = (1_000 * (now_secs() - 60), 1_000 * (now_secs() + 30 * 24 * 3600));
    assert_eq!(told("wait-past", Some(past)), (Outcome::Complete, Some(0), 2, 1, 0));
    let over = Some(RunExit::Duration.code().into());
    assert_eq!(told("wait-too-long", Some(too_long)), (Outcome::Limit, over, 1, 1, 0));
    assert_eq!(told("wait-unread", None), (Outcome::Complete, Some(0), 2, 1, 1));
    // Nothing begins after the deadline, which counts from the ULID's time.
    let name = execution::name(
        &"too-late".parse().expect("an id"),
        ulid_at(SystemTime::now() - Duration::from_secs(61)),
    );
    let mut input = order("too-late");
    input["limits"] = json!({"maxDurationSecs": 60});
    let late = run_as("too-late", &name, &input);
    assert_eq!((output(&late).exit, late.tasks().len()), (over, 0));
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
    let strategy = &task["CapacityProviderStrategy"][0];
    assert_eq!(strategy["CapacityProvider.$"], "$.capacityProvider");
    assert!(task.get("LaunchType").is_none(), "it would exclude a strategy");
}

/// What the input says becomes the worker's environment, and what is left of the time its limit.
fn what_a_task_is_told() {
    let input = json!({
        "workstream": "all-fields", "repo": "https://git.example.com:8443/~you/project.git",
        "base": "main", "branch": "work", "promptFile": "docs/PROMPT.md",
        "verifyCommand": "just test -- 'a b' | tee \"log\"", "limits": {
            "maxIterations": 7, "maxDurationSecs": 3600, "maxCostUsd": 2.5,
            "iterationTimeoutSecs": 600, "silenceSecs": 120, "maxStalls": 2,
        },
    });
    let ended = run_as("all-fields", &name_of("all-fields"), &input);
    let (_, task) = ended.path.iter().find(|(name, _)| name == "RunTask").expect("a run");
    for (name, value) in [
        ("WORKSTREAM", "all-fields"),
        ("ATTEMPT", "1"),
        ("REPO", "https://git.example.com:8443/~you/project.git"),
        ("BASE", "main"),
        ("BRANCH", "work"),
        ("PROMPT_FILE", "docs/PROMPT.md"),
        ("VERIFY_COMMAND", "just test -- 'a b' | tee \"log\""),
        ("MAX_ITERATIONS", "7"),
        ("MAX_DURATION_SECS", "3600"),
        ("MAX_COST_USD", "2.5"),
        ("ITERATION_TIMEOUT_SECS", "600"),
        ("SILENCE_SECS", "120"),
        ("MAX_STALLS", "2"),
    ] {
        assert_eq!(variable(task, &format!("RALPH_{name}")), Some(value), "{name}");
    }
    let timeout = task["timeoutSeconds"].as_u64().expect("a number");
    assert!((4_100..=4_200).contains(&timeout), "an hour and ten minutes: {timeout}");
    let names = task["environment"].as_array().expect("a list").len();
    assert_eq!(names, 14, "and nothing else: {task}");
}

/// Refused before anything is started or written, with what to do.
fn refusals() {
    let name = || name_of("refused");
    let with = |field: &str, value: Value| {
        let mut input = order("refused");
        input[field] = value;
        input
    };
    let ahead = execution::name(
        &"refused".parse().expect("an id"),
        ulid_at(SystemTime::now() + Duration::from_secs(7200)),
    );
    for (name, input, hint) in [
        (name(), with("repo", json!("http://github.com/a")), "such as https://"),
        (name(), with("repo", json!("https://10.0.0.1/a")), "without user name, IP address"),
        (name(), with("repo", json!("https://0x7f.1/a")), "without user name, IP address"),
        (name(), with("repo", json!("https://[::1]/a")), "without user name, IP address"),
        (name(), with("repo", json!("https://169.254.170.2/v2")), "without user name, IP address"),
        (name(), with("repo", json!("https://you:pw@github.com/a")), "the git-token secret"),
        (name(), with("repo", json!("https://git.internal/a")), "the public internet knows"),
        (name(), with("repo", json!("https://x.LOCALHOST/a")), "the public internet knows"),
        (name(), with("repo", json!(["https://github.com/a"])), "such as https://"),
        (name(), with("branch", json!("")), "leave it out"),
        (name(), with("base", Value::Null), "leave it out"),
        (name(), with("verifyCommand", json!("x".repeat(2_001))), "2000 characters"),
        (name(), with("limits", json!({"maxCostUsd": 0})), "more than 0"),
        (name(), with("limits", json!({"maxIterations": 1.5})), "a whole number"),
        (name(), with("limits", json!({"maxCost": 1})), "known are maxIterations"),
        (name(), with("limits", json!("none")), "known are maxIterations"),
        (name(), with("maxCostUsd", json!(1)), "known are workstream"),
        (name(), with("workstream", json!("../refused")), "a-z, 0-9"),
        (name(), json!([]), "`ralph run` makes one"),
        ("refused-by-hand".to_owned(), order("refused"), "`ralph run` makes such names"),
        (name_of("another"), order("refused"), "`ralph run` makes such names"),
        (ahead, order("refused"), "check the clock"),
    ] {
        let ended = run_as("refused", &name, &input);
        let told = output(&ended);
        assert_eq!(told.outcome, Outcome::Refused, "{input}: {}", told.reason);
        assert!(told.reason.contains(hint), "{input}: {}", told.reason);
        assert!(!told.reason.contains("pw"), "the password is not repeated");
        let known = ["ReadInput", "CheckInput", "Refuse", "Report", "HowItEnded", "Failed"];
        assert_eq!(ended.path.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), known);
    }
}
