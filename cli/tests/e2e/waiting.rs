//! `ralph wait` and `ralph ps` against a server that answers as AWS does: what they ask, and what they
//! make of it.

use std::{
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    cloud::{stderr, stdout},
    fake_aws::{ACCOUNT, FakeAws, REGION, outputs},
    requests::now_ms,
};

const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const LIST: &str = "AWSStepFunctions.ListExecutions";
const DESCRIBE: &str = "AWSStepFunctions.DescribeExecution";
const QUERY: &str = "DynamoDB_20120810.Query";
const GET: &str = "DynamoDB_20120810.GetItem";

/// An account with dev in it, and a user.
struct Account {
    fake: FakeAws,
    home: tempfile::TempDir,
}

impl Account {
    fn new() -> Self {
        let fake = FakeAws::with(&outputs(ACCOUNT, REGION));
        fake.answer(GET, "{}");
        Self { fake, home: tempfile::tempdir().expect("a folder") }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.fake.ralph(self.home.path(), self.home.path(), words);
        command
            .args(["--env", "dev", "--region", REGION])
            .env("RALPH_JUST", "just")
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ralph runs")
    }

    /// How often each call was made since the last time.
    fn calls(&self, what: &str) -> usize {
        self.fake.asked().iter().filter(|asked| asked.what == what).count()
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:ralph-dev-workstream:{name}")
}

/// An item of ListExecutions.
fn item(name: &str, status: &str) -> Value {
    json!({
        "executionArn": arn(name), "name": name, "status": status, "startDate": 1.47e9,
        "stateMachineArn": format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ralph-dev-workstream"),
    })
}

/// An answer of DescribeExecution, with more in it.
fn described(workstream: &str, status: &str, more: &Value) -> String {
    let name = format!("{workstream}-{ULID}");
    let mut answer = item(&name, status);
    answer["input"] = json!(json!({"workstream": workstream}).to_string());
    for (key, value) in more.as_object().expect("an object") {
        answer[key] = value.clone();
    }
    answer.to_string()
}

/// What an execution says at its end.
fn output(outcome: &str, exit: &Value) -> Value {
    let said = json!({
        "workstream": "docs", "outcome": outcome, "exit": exit, "reason": "why", "attempts": 1,
        "run": format!("{ULID}-0001"), "spentUsd": 1.5, "iterations": 3,
        "pullRequest": "https://github.com/you/project/pull/7",
    });
    json!(said.to_string())
}

/// A row of the list of workstreams, as DynamoDB gives it.
fn row(workstream: &str, info: &Value) -> Value {
    let mut all = json!({
        "workstream": workstream, "run": format!("{ULID}-0001"), "state": "running",
        "startedAt": now_ms() - 3_725_000, "changedAt": now_ms() - 60_000, "lastTs": now_ms() - 5_000,
        "spentUsd": 1.25,
    });
    for (key, value) in info.as_object().expect("an object") {
        all[key] = value.clone();
    }
    json!({
        "pk": {"S": "INDEX"}, "sk": {"S": format!("WS#{workstream}")},
        "info": {"S": all.to_string()}, "expiresAt": {"N": "4000000000"},
    })
}

#[test]
fn an_execution_that_is_over_gives_its_workers_code_at_once() {
    let seven = "; pull request https://github.com/you/project/pull/7\n";
    let over = format!("the execution is over (limit, $1.5000 in 3 iterations): why{seven}");
    let failed =
        format!("error: the execution has failed (gaveUp, $1.5000 in 3 iterations): why{seven}");
    let said = |outcome, exit: Value| json!({"output": output(outcome, &exit)});
    let cause = |outcome, exit: Value| json!({"cause": output(outcome, &exit)});
    let cases: [(&str, Value, i32, &str); 7] = [
        ("SUCCEEDED", said("limit", json!(12)), 12, &over),
        ("SUCCEEDED", said("complete", json!(0)), 0, "the execution is over (complete, $1.5000"),
        ("FAILED", cause("gaveUp", json!(137)), 137, &failed),
        // No worker left a code.
        (
            "FAILED",
            cause("cannotStart", json!(null)),
            1,
            "error: the execution has failed (cannotStart",
        ),
        (
            "FAILED",
            json!({"cause": "a function"}),
            1,
            "error: the execution has failed: the state machine's last",
        ),
        ("ABORTED", json!({}), 1, "the execution was stopped before it could say how it ended"),
        ("TIMED_OUT", json!({}), 1, "the execution was stopped before it could say how it ended"),
    ];
    for (status, end, code, said) in cases {
        let account = Account::new();
        account.fake.answer(DESCRIBE, &described("docs", status, &end));
        let begun = Instant::now();
        let output = account.run(&["wait", "docs", "--execution", &format!("docs-{ULID}")]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{status} {end}: {text}");
        assert!(text.starts_with(said), "{status}: {text}");
        assert!(stdout(&output).is_empty() && begun.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn the_newest_execution_is_found_by_its_row_in_the_list() {
    let account = Account::new();
    account.fake.answer(GET, &json!({"Item": row("docs", &json!({}))}).to_string());
    let over = json!({"output": output("complete", &json!(0))});
    account.fake.answer(DESCRIBE, &described("docs", "SUCCEEDED", &over));
    let output = account.run(&["wait", "docs"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn what_never_ran_and_what_belongs_to_another_is_said() {
    let account = Account::new();
    account.fake.refuse(DESCRIBE, 400, "ExecutionDoesNotExist", "none");
    for (words, said) in [
        (&["wait", "docs"][..], "error: docs has no execution\nhint: `just ralph ps -a "),
        (
            &["wait", "docs", "--execution", "nightly"],
            "error: docs has no execution named nightly\nhint: `just ralph ps -a ",
        ),
    ] {
        let output = account.run(words);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with(said), "{words:?}: {text}");
    }
    account.fake.answer(DESCRIBE, &described("api", "RUNNING", &json!({})));
    let output = account.run(&["wait", "docs", "--execution", "nightly"]);
    let said = "the execution nightly belongs to the workstream api";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}

#[test]
fn a_service_that_is_busy_or_away_for_a_while_is_asked_again() {
    let account = Account::new();
    let fails = |code: &str| json!({"__type": code, "message": "later"}).to_string();
    let runs = described("docs", "RUNNING", &json!({}));
    let over = described("docs", "SUCCEEDED", &json!({"output": output("blocked", &json!(20))}));
    // The SDK itself tries three times.
    let busy = (StatusCode::BAD_REQUEST, fails("ThrottlingException"));
    let away = (StatusCode::INTERNAL_SERVER_ERROR, fails("InternalServerError"));
    let answers = [vec![(StatusCode::OK, runs)], vec![busy; 3], vec![away; 3]].concat();
    account.fake.in_order(DESCRIBE, answers.into_iter().chain([(StatusCode::OK, over)]));
    let output = account.run(&["wait", "docs", "--execution", &format!("docs-{ULID}")]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(20), "{text}");
    let note = "note: the execution cannot be read: later (ThrottlingException)";
    assert!(text.contains(note), "{text}");
    assert_eq!(text.matches("asking again").count(), 1, "once for both: {text}");
    // What does not pass ends it.
    account.fake.refuse(DESCRIBE, 400, "AccessDeniedException", "not authorized");
    let output = account.run(&["wait", "docs", "--execution", &format!("docs-{ULID}")]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn ctrl_c_ends_the_waiting_and_not_the_execution() {
    let account = Account::new();
    account.fake.answer(DESCRIBE, &described("docs", "RUNNING", &json!({})));
    let child = account.command(&["wait", "docs", "--execution", &format!("docs-{ULID}")]).spawn();
    let child = child.expect("ralph starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    // It has found the execution, and looked at it once.
    let mut looks = 0;
    while looks < 2 {
        looks += account.calls(DESCRIBE);
        assert!(Instant::now() < deadline, "{looks} looks");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("sent");
    let output = child.wait_with_output().expect("ralph ends");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    let said = format!("docs goes on (execution docs-{ULID}); `");
    assert!(text.contains(&said) && text.contains("stop docs"), "{text}");
    assert_eq!(account.calls("AWSStepFunctions.StopExecution"), 0);
}

#[test]
fn a_hundred_workstreams_take_a_call_for_the_list_and_one_for_what_runs() {
    let account = Account::new();
    let names: Vec<_> = (0..100).map(|n| format!("w{n:03}")).collect();
    let link = "https://github.com/you/project/pull/7";
    let rows: Vec<_> = names.iter().map(|name| row(name, &json!({"pullRequest": link}))).collect();
    account.fake.answer(QUERY, &json!({"Items": rows}).to_string());
    let items: Vec<_> =
        names.iter().map(|name| item(&format!("{name}-{ULID}"), "RUNNING")).collect();
    account.fake.answer(LIST, &json!({"executions": items}).to_string());
    let output = account.run(&["ps", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown.len(), 100);
    assert_eq!((&shown[0]["state"], &shown[0]["costUsd"]), (&json!("running"), &json!(1.25)));
    assert_eq!(shown[0]["pullRequest"], link);
    let asked = account.fake.asked();
    let of = |service: &str| asked.iter().filter(|asked| asked.what.starts_with(service)).count();
    assert_eq!((of("DynamoDB"), of("AWSStepFunctions")), (1, 1), "{asked:?}");
}

#[test]
fn a_row_whose_execution_no_longer_runs_is_looked_up_and_what_has_no_row_is_shown() {
    let account = Account::new();
    let rows = [row("aborted", &json!({})), row("over", &json!({"state": "complete", "exit": 0}))];
    let list = json!({"Items": rows}).to_string();
    // The list; then the runs of the execution that has no row, and of the one that was aborted.
    account.fake.in_order(
        QUERY,
        [(StatusCode::OK, list.clone()), (StatusCode::OK, r#"{"Items":[]}"#.to_owned())],
    );
    let old = json!({"executions": [item(&format!("old-{ULID}"), "RUNNING")]}).to_string();
    account.fake.answer(LIST, &old);
    let shown = |words: &[&str]| -> Vec<(String, String)> {
        let output = account.run(words);
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = stdout(&output);
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        rows.map(|row| (text(&row, "workstream"), text(&row, "state"))).collect()
    };
    let pair = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    assert_eq!(shown(&["ps", "--json"]), [pair("old", "starting")]);
    account
        .fake
        .in_order(QUERY, [(StatusCode::OK, list), (StatusCode::OK, r#"{"Items":[]}"#.to_owned())]);
    account.fake.answer(DESCRIBE, &described("aborted", "ABORTED", &json!({})));
    assert_eq!(
        shown(&["ps", "-a", "--json"]),
        [pair("aborted", "stopped"), pair("old", "starting"), pair("over", "complete")]
    );
}

#[test]
fn a_pull_request_stands_below_its_workstream() {
    let account = Account::new();
    let link = "https://github.com/you/project/pull/7";
    let rows = [
        row("api-gateway", &json!({"pullRequest": link})),
        row(
            "docs",
            &json!({"state": "limit", "exit": 12, "reason": "the cost limit is reached", "pullRequest": link}),
        ),
        row(
            "parser",
            &json!({"state": "waiting", "waitUntil": 1_700_000_000_000_u64, "exit": 76, "reason": "usage limit"}),
        ),
    ];
    account.fake.answer(QUERY, &json!({"Items": rows}).to_string());
    let runs = ["api-gateway", "parser"].map(|name| item(&format!("{name}-{ULID}"), "RUNNING"));
    account.fake.answer(LIST, &json!({"executions": runs}).to_string());
    let text = stdout(&account.run(&["ps", "-a"]));
    // Ages differ by a second.
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[0].starts_with("workstream   state              attempt  started"), "{text}");
    assert!(lines[1].starts_with("api-gateway  running            1        1h02m ago"), "{text}");
    assert_eq!((lines[2], lines[4]), (&*format!("  {link}"), &*format!("  {link}")), "{text}");
    assert!(lines[3].ends_with("$1.25  exit 12: the cost limit is reached"), "{text}");
    assert!(lines[5].starts_with("parser       waits until 22:13  1 "), "{text}");
}

/// An account in which an execution of docs waits, until it is stopped.
fn waits() -> Account {
    let account = Account::new();
    let running = json!({"executions": [item(&format!("docs-{ULID}"), "RUNNING")]}).to_string();
    account.fake.answer(LIST, &running);
    let ok = |body: &str| (StatusCode::OK, body.to_owned());
    // Five looks without a task, and then it is stopped.
    let runs = described("docs", "RUNNING", &json!({}));
    let over = described("docs", "ABORTED", &json!({}));
    account.fake.in_order(DESCRIBE, vec![ok(&runs); 5].into_iter().chain([ok(&over)]));
    account.fake.answer("AmazonEC2ContainerServiceV20141113.ListTasks", r#"{"taskArns":[]}"#);
    account.fake.answer("AWSStepFunctions.StopExecution", r#"{"stopDate":1.47e9}"#);
    account.fake.answer(GET, &json!({"Item": row("docs", &json!({}))}).to_string());
    account
}

/// `ralph stop` tells the list, and somebody else writes the row in between.
#[test]
fn a_row_that_changes_meanwhile_is_merged_again() {
    let account = waits();
    let ok = |body: &str| (StatusCode::OK, body.to_owned());
    let conflict =
        json!({"__type": "ConditionalCheckFailedException", "message": "no"}).to_string();
    // The request to stop; the list, twice.
    let put = "DynamoDB_20120810.PutItem";
    account.fake.in_order(put, [ok("{}"), (StatusCode::BAD_REQUEST, conflict), ok("{}")]);
    let output = account.run(&["stop", "docs"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let asked = account.fake.asked();
    let of = |what: &str| asked.iter().filter(|asked| asked.what == what).count();
    assert_eq!((of(put), of(GET)), (3, 2), "{asked:?}");
}

/// The list is for display. Who may not write it, by a policy from before there was one, can still stop.
#[test]
fn an_execution_is_stopped_although_the_list_cannot_be_told() {
    let account = waits();
    account.fake.refuse(GET, 400, "AccessDeniedException", "not authorized");
    let put = "DynamoDB_20120810.PutItem";
    account.fake.answer(put, "{}");
    let output = account.run(&["stop", "docs"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("note: the list of workstreams cannot be read: not authorized"),
        "{text}"
    );
    assert!(text.ends_with("docs is stopped\n"), "{text}");
}
