//! How a task ends in the local cloud: cli/tools/local_cloud/tasks.py, without a stand-in for Fargate.

use serde_json::{Value, json};

use crate::steps::steps;

/// A call to ECS.
fn ecs(action: &str, body: &Value) -> Value {
    steps().call(("ecs", &format!("AmazonEC2ContainerServiceV20141113.{action}")), body)
}

/// A task that nobody has taken up yet; its ARN.
fn task() -> String {
    let definition = json!({
        "family": "ends", "containerDefinitions": [{"name": "worker", "image": "none"}],
    });
    ecs("RegisterTaskDefinition", &definition);
    let made = ecs("RunTask", &json!({"taskDefinition": "ends"}));
    made["tasks"][0]["taskArn"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn change(task: &str, status: &str, exit: Option<i64>) -> Value {
    let mut body = json!({"task": task, "status": status, "reason": "no image"});
    if let Some(exit) = exit {
        body["containers"] = json!([{"containerName": "worker", "exitCode": exit}]);
    }
    ecs("SubmitTaskStateChange", &body)
}

/// Desired and last status, stop code, reason and exit code.
fn found(task: &str) -> Value {
    let described = ecs("DescribeTasks", &json!({"tasks": [task]}));
    let task = &described["tasks"][0];
    json!([
        task["desiredStatus"],
        task["lastStatus"],
        task["stopCode"],
        task["stoppedReason"],
        task["containers"][0]["exitCode"],
    ])
}

fn stop(task: &str) {
    ecs("StopTask", &json!({"task": task, "reason": "enough"}));
}

#[test]
fn a_task_that_nobody_has_taken_up_ends_when_it_is_stopped() {
    let task = task();
    stop(&task);
    assert_eq!(found(&task), json!(["STOPPED", "STOPPED", "UserInitiated", "enough", null]));
    // Who comes too late does not start it.
    assert_eq!(change(&task, "RUNNING", None)["__type"], "InvalidParameterException");
}

#[test]
fn a_task_that_runs_goes_on_until_its_end_is_reported() {
    let task = task();
    change(&task, "RUNNING", None);
    stop(&task);
    assert_eq!(found(&task)[1], "RUNNING");
    change(&task, "STOPPED", Some(75));
    assert_eq!(found(&task), json!(["STOPPED", "STOPPED", "UserInitiated", "enough", 75]));
    // A second report changes nothing.
    change(&task, "STOPPED", Some(0));
    assert_eq!(found(&task)[4], 75);
}

#[test]
fn the_stop_code_follows_from_what_happened() {
    for (exit, code, reason) in [
        (Some(0), "EssentialContainerExited", "Essential container in task exited"),
        (Some(137), "EssentialContainerExited", "Essential container in task exited"),
        (None, "TaskFailedToStart", "no image"),
    ] {
        let task = task();
        change(&task, "RUNNING", None);
        change(&task, "STOPPED", exit);
        assert_eq!(found(&task), json!(["STOPPED", "STOPPED", code, reason, exit]));
    }
}

#[test]
fn a_task_keeps_the_size_it_was_started_with() {
    task();
    let size = json!({"cpu": "1024", "memory": "4096"});
    let made = ecs("RunTask", &json!({"taskDefinition": "ends", "overrides": size}));
    let described = ecs("DescribeTasks", &json!({"tasks": [made["tasks"][0]["taskArn"]]}));
    assert_eq!(described["tasks"][0]["overrides"], size);
    stop(made["tasks"][0]["taskArn"].as_str().expect("an ARN"));
}

#[test]
fn step_functions_waits_no_longer_than_the_input_says() {
    let definition = json!({"StartAt": "A", "States": {"A": {
        "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {"TaskDefinition": "ends"}, "TimeoutSecondsPath": "$.seconds",
    }}});
    task();
    let machine = json!({
        "name": "impatient", "definition": definition.to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/steps",
    });
    let made = steps().states("CreateStateMachine", &machine);
    let started = steps().states(
        "StartExecution",
        &json!({"stateMachineArn": made["stateMachineArn"], "input": r#"{"seconds":1}"#}),
    );
    let arn = started["executionArn"].as_str().unwrap_or_else(|| panic!("{started}"));
    let ended = steps().end(arn);
    assert_eq!((ended.status.as_str(), ended.error.as_deref()), ("FAILED", Some("States.Timeout")));
    // Nobody had taken the task up, so it has ended.
    let tasks = ecs("ListTasks", &json!({"family": "ends", "desiredStatus": "STOPPED"}));
    let reasons: Vec<Value> = tasks["taskArns"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| found(task.as_str().expect("an ARN"))[3].clone())
        .collect();
    assert!(reasons.contains(&json!("Task timed out")), "{reasons:?}");
}
