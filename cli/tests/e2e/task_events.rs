//! What a viewer sees of a run that dies before its first line, with the function's own role.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    cloud::{cloud, stdout},
    socket::Socket,
    steps::call,
};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";
const REASON: &str =
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found";

fn event(cluster: &str) -> Value {
    let environment = json!([
        {"name": "RALPH_WORKSTREAM", "value": "dies-early"}, {"name": "RALPH_RUN", "value": RUN},
    ]);
    let task = "arn:aws:ecs:us-east-1:000000000000:task/ralph-dev/0123456789abcdef";
    json!({
        "version": "0", "id": "1", "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": "000000000000", "time": "2026-11-25T00:00:00Z", "region": "us-east-1",
        "resources": [task],
        "detail": {
            "clusterArn": cluster, "taskArn": task, "lastStatus": "STOPPED",
            "stopCode": "TaskFailedToStart", "stoppedReason": REASON,
            "containers": [{"name": "worker", "lastStatus": "STOPPED"}],
            "overrides": {"containerOverrides": [{"name": "worker", "environment": environment}]},
        },
    })
}

#[test]
fn a_run_that_dies_before_its_first_line_is_seen_with_its_reason() {
    let mut socket = Socket::connect(cloud(), &["dies-early"]);
    socket.send(r#"{"action":"sendLogs","id":"1","workstream":"dies-early"}"#);
    socket.until("caughtUp");
    let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/ralph-dev";
    let path = "2015-03-31/functions/ralph-dev-task-events/invocations";
    let output = Command::new("curl")
        .args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:lambda", "--user", &cloud().user()])
        .args(["-H", "x-amz-invocation-type: Event", "-d", &event(cluster).to_string()])
        .arg(format!("{}/{path}", cloud().endpoint()))
        .output()
        .expect("curl runs");
    assert_eq!(stdout(&output), "", "accepted");
    let frames = socket.until("task");
    let task = frames.last().expect("a frame");
    assert_eq!((&task["status"], &task["run"]), (&json!("STOPPED"), &json!(RUN)));
    assert_eq!((&task["stopCode"], &task["reason"]), (&json!("TaskFailedToStart"), &json!(REASON)));
    socket.send(r#"{"action":"ping"}"#);
    let frames = socket.until("pong");
    let runs = frames.iter().find(|frame| frame["type"] == "runs").expect("runs");
    let run = &runs["runs"][0];
    assert_eq!((&run["state"], &run["reason"]), (&json!("failed"), &json!(REASON)));
}

#[test]
fn the_rule_takes_task_changes_of_this_cluster_only() {
    let rule = json!({"Name": "ralph-dev-task-events"});
    let rule =
        call((cloud().endpoint(), &cloud().user()), ("events", "AWSEvents.DescribeRule"), &rule);
    let pattern = rule["EventPattern"].as_str().unwrap_or_else(|| panic!("{rule}"));
    for (cluster, kind, taken) in [
        ("ralph-dev", "ECS Task State Change", true),
        ("another", "ECS Task State Change", false),
        ("ralph-dev", "ECS Container Instance State Change", false),
    ] {
        let mut event = event(&format!("arn:aws:ecs:us-east-1:000000000000:cluster/{cluster}"));
        event["detail-type"] = kind.into();
        let body = json!({"EventPattern": pattern, "Event": event.to_string()});
        let tested = call(
            (cloud().endpoint(), &cloud().user()),
            ("events", "AWSEvents.TestEventPattern"),
            &body,
        );
        assert_eq!(tested["Result"], taken, "{cluster}, {kind}: {tested}");
    }
}
