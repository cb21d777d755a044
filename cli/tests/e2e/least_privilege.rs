//! Takes each action that a function's role grants away, one at a time, and expects that something
//! fails. It breaks the cloud it runs in, so it runs alone: `just test-least-privilege`.

use std::{
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use ralph_protocol::{
    event::timestamp_text,
    execution::{Next, Step},
    names::{Handler, log_stream},
};
use serde_json::{Value, json};

use crate::{
    cloud::{cloud, stdout},
    requests::{aws, create_stream, now_ms, put},
    socket::{Socket, handshake},
};

/// How long a step of the whole path may take. A refused one is never answered.
const PATIENCE: Duration = Duration::from_secs(4);

/// Grants that the local cloud does not ask for, each with the reason.
const UNASKED: [(&str, &str); 4] = [
    ("logs:CreateLogStream", "the local cloud writes a function's own log itself"),
    ("logs:PutLogEvents", "the local cloud writes a function's own log itself"),
    ("sqs:SendMessage", "the local cloud puts failed deliveries into the queue itself"),
    ("xray:", "tracing is off in dev"),
];

const NO_GRANT: &str = "holds no grant";

/// Roles that no function has: their grants are not asked for in the local cloud, with the reason.
const OTHERS: [(&str, &str); 3] = [
    ("ralph-dev-worker-execution", "the stand-in for Fargate acts as the operator"),
    ("ralph-dev-worker-task", NO_GRANT),
    ("ralph-dev-workstream", "the local cloud's Step Functions calls each service as root"),
];

/// A call of IAM's query API, as text.
fn iam(parameters: &[(&str, &str)]) -> String {
    let mut command = Command::new("curl");
    command.args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:iam", "--user", &cloud().user()]);
    command.args(["--data-urlencode", "Version=2010-05-08"]);
    for (name, value) in parameters {
        command.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    stdout(&command.arg(cloud().endpoint()).output().expect("curl runs"))
}

/// The text of each element of a name.
pub fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
}

/// What an answer of IAM has of a policy.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            let digits = std::str::from_utf8(&digits).expect("ASCII");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

struct Policy {
    role: String,
    name: String,
    document: Value,
}

impl Policy {
    fn put(&self, document: &Value) {
        let answer = iam(&[
            ("Action", "PutRolePolicy"),
            ("RoleName", &self.role),
            ("PolicyName", &self.name),
            ("PolicyDocument", &document.to_string()),
        ]);
        assert!(answer.contains("PutRolePolicyResponse"), "{answer}");
    }
}

/// The environment's roles.
fn roles() -> Vec<String> {
    let answer = iam(&[("Action", "ListRoles")]);
    let names = elements(&answer, "RoleName").into_iter().map(str::to_owned);
    names.filter(|name| name.starts_with("ralph-dev-")).collect()
}

/// The inline policies of the functions' roles, as they were applied. There are no others.
fn policies() -> Vec<Policy> {
    let mut all = Vec::new();
    for role in roles() {
        let attached = iam(&[("Action", "ListAttachedRolePolicies"), ("RoleName", &role)]);
        assert!(elements(&attached, "PolicyArn").is_empty(), "{role}: {attached}");
        let handler =
            Handler::ALL.into_iter().any(|one| role == format!("ralph-dev-{}", one.as_str()));
        if !handler {
            let (_, reason) =
                OTHERS.into_iter().find(|(name, _)| *name == role).unwrap_or_else(|| {
                    panic!("{role}: a role without a function and without a reason")
                });
            println!("{role}: not asked: {reason}");
            let names = iam(&[("Action", "ListRolePolicies"), ("RoleName", &role)]);
            let bare = elements(&names, "member").is_empty();
            assert_eq!(bare, reason == NO_GRANT, "{role}: {names}");
            continue;
        }
        let names = iam(&[("Action", "ListRolePolicies"), ("RoleName", &role)]);
        let members = elements(&names, "member");
        assert!(!members.is_empty(), "{names}");
        for name in members {
            let policy =
                iam(&[("Action", "GetRolePolicy"), ("RoleName", &role), ("PolicyName", name)]);
            let document = elements(&policy, "PolicyDocument").first().map_or_else(
                || panic!("{policy}"),
                |text| percent_decoded(&text.replace("&quot;", "\"")),
            );
            let document = serde_json::from_str(&document).expect("JSON");
            all.push(Policy { role: role.clone(), name: name.to_owned(), document });
        }
    }
    all
}

fn actions(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(action) => vec![action.clone()],
        Value::Array(actions) => {
            actions.iter().filter_map(|action| action.as_str().map(str::to_owned)).collect()
        }
        other => panic!("no actions: {other}"),
    }
}

/// The document without one action of one statement.
fn without(document: &Value, statement: usize, action: &str) -> Value {
    let mut document = document.clone();
    let statements = document["Statement"].as_array_mut().expect("statements");
    let left: Vec<String> =
        actions(&statements[statement]).into_iter().filter(|one| one != action).collect();
    if left.is_empty() {
        statements.remove(statement);
    } else {
        statements[statement]["Action"] = json!(left);
    }
    // A policy may not be empty.
    if statements.is_empty() {
        statements.push(json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"}));
    }
    document
}

fn dynamodb(action: &str, body: &Value) -> Value {
    let target = format!("x-amz-target: DynamoDB_20120810.{action}");
    aws("dynamodb", "/", &[&target, "content-type: application/x-amz-json-1.0"], body)
}

fn rows(pk: &str) -> Vec<Value> {
    let answer = dynamodb(
        "Query",
        &json!({
            "TableName": cloud().output("connections_table"), "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}},
        }),
    );
    answer["Items"].as_array().cloned().unwrap_or_default()
}

fn put_row(pk: &str, sk: &str, expires_at: u64) {
    let expires_at = expires_at.to_string();
    let item = json!({"pk": {"S": pk}, "sk": {"S": sk}, "expiresAt": {"N": expires_at}});
    let table = cloud().output("connections_table");
    dynamodb("PutItem", &json!({"TableName": table, "Item": item}));
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(what.to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Frames until one is as wanted.
fn until(
    socket: &mut Socket,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let Some(text) = socket.next_within(Duration::from_millis(200)) else { continue };
        let frame: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if frame["type"] == "error" {
            return Err(format!("{what}: {frame}"));
        }
        if wanted(&frame) {
            return Ok(frame);
        }
    }
    Err(what.to_owned())
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| frame["type"] == kind
}

fn event(workstream: &str, run: &str, seq: u64, kind: &str) -> (u64, String) {
    let now = now_ms();
    let event = json!({
        "v": 1, "ts": timestamp_text(now), "workstream": workstream, "run": run, "seq": seq,
        "iter": 0, "level": "info", "type": kind, "text": format!("line {seq}"),
    });
    (now, event.to_string())
}

/// The task's state as ECS reports it, given to the function as EventBridge would.
fn task_is(status: &str, workstream: &str, run: &str, task: &str) {
    let environment = json!([
        {"name": "RALPH_WORKSTREAM", "value": workstream}, {"name": "RALPH_RUN", "value": run},
    ]);
    let arn = format!("arn:aws:ecs:us-east-1:000000000000:task/ralph-dev/{task}");
    let event = json!({
        "version": "0", "id": "1", "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": "000000000000", "time": timestamp_text(now_ms()), "region": "us-east-1",
        "resources": [arn],
        "detail": {
            "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/ralph-dev", "taskArn": arn,
            "lastStatus": status, "containers": [{"name": "worker", "lastStatus": status}],
            "overrides": {"containerOverrides": [{"name": "worker", "environment": environment}]},
        },
    });
    aws(
        "lambda",
        "/2015-03-31/functions/ralph-dev-task-events/invocations",
        &["x-amz-invocation-type: Event", "content-type: application/json"],
        &event,
    );
}

/// Calls `admit` or `decide` as the state machine does.
fn call(function: &str, event: &Value) -> Result<Step, String> {
    let path = format!("/2015-03-31/functions/ralph-dev-{function}/invocations");
    let answer = aws("lambda", &path, &["content-type: application/json"], event);
    Step::read(&answer.to_string()).map_err(|_| format!("{function}: {answer}"))
}

/// An execution's beginning and end, as `admit` and `decide` see them.
fn execution(workstream: &str) -> Result<(), String> {
    let order = |limits: Value| {
        let repo = "https://github.com/you/project";
        json!({"workstream": workstream, "repo": repo, "limits": limits})
    };
    let admission = |age: u64, order: Value| {
        let begun = SystemTime::now() - Duration::from_secs(age);
        let ulid = ulid::Ulid::from_datetime(begun);
        let executions =
            cloud().output("state_machine_arn").replace(":stateMachine:", ":execution:");
        let execution = format!("{executions}:{workstream}-{ulid}");
        json!({"execution": execution, "startedAt": timestamp_text(now_ms()), "order": order})
    };
    let lease =
        || rows(&format!("WS#{workstream}")).into_iter().find(|row| row["sk"]["S"] == "LEASE");
    call("admit", &admission(0, order(json!({}))))?;
    // The first one is not known to Step Functions, so the second takes over its lease.
    let second = admission(0, order(json!({})));
    let step = call("admit", &second)?;
    if lease().is_none_or(|lease| lease["execution"]["S"] != second["execution"]) {
        return Err("the lease is not taken over".into());
    }
    let run_of = |step: &Step| match &step.next {
        Next::Run { progress, .. } => progress.run().ok().flatten().ok_or("no run".to_owned()),
        _ => Err(format!("no run: {step:?}")),
    };
    // A run whose stream says its end is settled by it.
    let run = run_of(&step)?;
    let stream = log_stream(run.as_str());
    create_stream(&stream);
    put(&stream, &[event(workstream, run.as_str(), 1, "run.end")]);
    let task = json!({
        "TaskArn": format!("arn:aws:ecs:us-east-1:000000000000:task/ralph-dev/{run}"),
        "StopCode": "SpotInterruption", "Containers": [{"Name": "worker", "ExitCode": 75}],
    });
    let mut ended = serde_json::to_value(&step).expect("JSON");
    ended["ended"] = json!({"Error": "States.TaskFailed", "Cause": task.to_string()});
    let step = call("decide", &ended)?;
    let run = run_of(&step)?;
    let mut ended = serde_json::to_value(&step).expect("JSON");
    ended["ended"] = json!({"Error": "ECS.InvalidParameterException", "Cause": "no such subnet"});
    call("decide", &ended)?;
    let row = rows(&format!("WS#{workstream}"))
        .into_iter()
        .find(|row| row["sk"]["S"] == format!("RUN#{run}").as_str());
    if row.is_none_or(|row| row["state"]["S"] != "failed") {
        return Err("the run's failure is not recorded".into());
    }
    if lease().is_some() {
        return Err("decide did not give the lease back".into());
    }
    call("admit", &admission(60, order(json!({"maxDurationSecs": 1}))))?;
    match lease() {
        Some(_) => Err("admit did not give the lease back".into()),
        None => Ok(()),
    }
}

/// The whole path once, on a workstream of its own; what failed first.
fn whole_path(number: usize) -> Result<(), String> {
    let workstream = format!("least-{number}");
    execution(&format!("{workstream}-order"))?;
    let run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
    let (task, other) = (format!("{number:032x}"), format!("f{number:031x}"));
    let token = cloud().token(&[&workstream]);
    let (status, socket) = handshake(cloud(), &format!("?token={token}"));
    let mut socket = socket.ok_or_else(|| format!("connect: {status}"))?;
    let (again, _) = handshake(cloud(), &format!("?token={token}"));
    if again != 403 {
        return Err(format!("a token was good twice: {again}"));
    }
    let ask = |id: &str, more: Value| {
        let mut message = json!({"action": "sendLogs", "id": id, "workstream": workstream});
        message.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
        message.to_string()
    };
    socket.send(&ask("1", json!({})));
    until(&mut socket, "subscribe", is("caughtUp"))?;

    // ECS says first which run a stream is, and one of its followers is gone without a word.
    let later = now_ms() / 1000 + 3600;
    let dead = format!("CONN#dead-{number}=");
    put_row(&dead, "META", later);
    put_row(&dead, &format!("WS#{workstream}"), later);
    put_row(&format!("WS#{workstream}"), &dead, later);
    // The second time it reads which run the stream is: the first has claimed it.
    for status in ["PENDING", "RUNNING"] {
        task_is(status, &workstream, run, &task);
        until(&mut socket, "task", |frame| frame["type"] == "task" && frame["status"] == status)?;
    }
    eventually("task-events removes who is gone", || rows(&dead).is_empty())?;
    put_row(&dead, "META", later);
    put_row(&dead, &format!("WS#{workstream}"), later);
    put_row(&format!("WS#{workstream}"), &dead, later);
    let stream = format!("worker/worker/{task}");
    create_stream(&stream);
    put(&stream, &[event(&workstream, run, 1, "log"), event(&workstream, run, 2, "log")]);
    until(&mut socket, "live", |frame| frame["source"] == "live")?;
    eventually("push-logs removes who is gone", || rows(&dead).is_empty())?;

    // A stream that ECS says nothing of is claimed by its first line.
    let (second, claimed) = (format!("worker/worker/{other}"), run.replace("-0001", "-0002"));
    create_stream(&second);
    put(&second, &[event(&workstream, &claimed, 1, "log")]);
    until(&mut socket, "a stream without a record", |frame| {
        frame["source"] == "live" && frame["events"][0]["run"] == claimed.as_str()
    })?;
    eventually("the row of the run", || {
        rows(&format!("WS#{workstream}")).iter().any(|row| {
            row["sk"]["S"] == format!("RUN#{claimed}").as_str() && row["lastSeq"]["N"] == "1"
        })
    })?;

    // Back through CloudWatch Logs, by number.
    let ranges = json!([{"run": run, "from": 1, "to": 2, "ts": now_ms() - 60_000}]);
    socket.send(&ask("2", json!({"ranges": ranges})));
    until(&mut socket, "replay", |frame| frame["source"] == "replay")?;
    until(&mut socket, "replay's end", |frame| frame["complete"] == true)?;
    socket.send(r#"{"action":"ping"}"#);
    let frame = until(&mut socket, "runs", is("runs"))?;
    if frame["runs"].as_array().is_none_or(|runs| runs.len() != 2) {
        return Err(format!("runs: {frame}"));
    }
    until(&mut socket, "pong", is("pong"))?;
    let subscribed = || {
        let inverse = rows(&format!("WS#{workstream}"));
        inverse.iter().any(|row| row["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with("CONN#")))
    };
    if !subscribed() {
        return Err("the subscription is not recorded".into());
    }
    socket.send(&ask("3", json!({"follow": false})));
    until(&mut socket, "unsubscribe", is("caughtUp"))?;
    eventually("unsubscribed", || !subscribed())?;

    // What a connection leaves, when it says so.
    socket.send(&ask("4", json!({})));
    until(&mut socket, "subscribe again", is("caughtUp"))?;
    drop(socket);
    eventually("disconnect removes the subscription", || !subscribed())
}

#[test]
#[ignore = "breaks the cloud it runs in: `just test-least-privilege`"]
fn without_any_granted_action_something_fails() {
    let mut number = 0;
    let mut path = || {
        number += 1;
        whole_path(number)
    };
    assert_eq!(path(), Ok(()), "with all grants");
    let (mut idle, mut taken) = (Vec::new(), 0);
    for policy in policies() {
        let statements = policy.document["Statement"].as_array().expect("statements").clone();
        for (index, statement) in statements.iter().enumerate() {
            for action in actions(statement) {
                let reason = UNASKED.iter().find(|(known, _)| action.starts_with(known));
                if let Some((_, reason)) = reason {
                    println!("{}: {action}: not asked: {reason}", policy.role);
                    continue;
                }
                policy.put(&without(&policy.document, index, &action));
                fresh_instances(&policy.role);
                match path() {
                    Err(what) => println!("{}: {action}: without it fails: {what}", policy.role),
                    Ok(()) => idle.push(format!("{}: {action}", policy.role)),
                }
                taken += 1;
                policy.put(&policy.document);
                // The failure was the action's, not the machine's: with it, all is well again.
                fresh_instances(&policy.role);
                assert_eq!(path(), Ok(()), "{}: with {action} again", policy.role);
            }
        }
    }
    assert!(taken >= 28, "only {taken} actions were taken away");
    assert!(idle.is_empty(), "nothing failed without:\n{}", idle.join("\n"));
}

/// Makes a function start from scratch, because an instance remembers what it has read. The local
/// cloud ends the instances when a setting is written that a start depends on, even with the same
/// value.
fn fresh_instances(function: &str) {
    let target = format!("/2015-03-31/functions/{function}/configuration");
    let call = |more: &[&str]| -> Value {
        let mut command = Command::new("curl");
        command.args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:lambda", "--user", &cloud().user()]);
        command.args(["-H", "content-type: application/json"]).args(more);
        let answer = command.arg(format!("{}{target}", cloud().endpoint())).output().expect("curl");
        serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{}", stdout(&answer)))
    };
    let timeout = call(&[])["Timeout"].clone();
    let answer = call(&["-X", "PUT", "-d", &json!({"Timeout": timeout}).to_string()]);
    // The update may have ended before the answer was written.
    let accepted = ["InProgress", "Successful"].map(Value::from);
    assert!(accepted.contains(&answer["LastUpdateStatus"]), "{answer}");
}
