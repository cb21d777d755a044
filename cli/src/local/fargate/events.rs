//! Reports tasks' state changes, as ECS does.
//!
//! ECS gives its events to EventBridge, where a rule hands them to task-events. Only AWS may put an
//! event of the source `aws.ecs` there, also in the local cloud: the stand-in calls the function
//! itself, with the event as the rule would hand it over.

use ralph_protocol::names::{CONTAINER, Handler, Resources, worker_env};
use serde_json::{Value, json};

use crate::{aws::Functions, tools::steps::say};

/// Where events go.
pub struct Events {
    functions: Functions,
    function: String,
}

/// How a task came to its end.
pub struct End {
    /// ECS's `stopCode`.
    pub code: &'static str,
    /// ECS's `stoppedReason`.
    pub reason: String,
    /// The worker's exit code, if it ran.
    pub exit: Option<i32>,
}

impl End {
    pub fn new((code, reason): (&'static str, &str), exit: Option<i32>) -> Self {
        Self { code, reason: reason.to_owned(), exit }
    }
}

/// Whose task it is.
pub struct Whose<'a> {
    pub arn: &'a str,
    pub cluster: &'a str,
    /// The name of the worker's image; empty where nobody knows it.
    pub image: &'a str,
    /// The overrides that name the run; without them the task belongs to none.
    pub workstream: Option<&'a str>,
    pub run: Option<&'a str>,
}

impl Events {
    pub fn new(functions: Functions, names: &Resources) -> Self {
        let function = names.function(Handler::TaskEvents);
        Self { functions, function }
    }

    /// The task runs, or has come to its end.
    pub async fn tell(&self, whose: &Whose<'_>, end: Option<&End>) {
        if let Err(error) = self.functions.notify(&self.function, &event(whose, end)).await {
            say(&format!("fargate stand-in: {error:#}"));
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>
fn event(whose: &Whose<'_>, end: Option<&End>) -> Value {
    let variable =
        |name: &str, value: Option<&str>| value.map(|value| json!({"name": name, "value": value}));
    let environment: Vec<Value> =
        [variable(worker_env::WORKSTREAM, whose.workstream), variable(worker_env::RUN, whose.run)]
            .into_iter()
            .flatten()
            .collect();
    let status = if end.is_some() { "STOPPED" } else { "RUNNING" };
    let mut container = json!({"name": CONTAINER, "image": whose.image, "lastStatus": status});
    let mut detail = json!({
        "clusterArn": whose.cluster,
        "taskArn": whose.arn,
        "lastStatus": status,
        "desiredStatus": status,
        "launchType": "FARGATE",
        "overrides": {"containerOverrides": [{"name": CONTAINER, "environment": environment}]},
    });
    if let Some(end) = end {
        detail["stopCode"] = end.code.into();
        detail["stoppedReason"] = end.reason.as_str().into();
        if let Some(exit) = end.exit {
            container["exitCode"] = exit.into();
        }
    }
    detail["containers"] = json!([container]);
    json!({
        "version": "0",
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "resources": [whose.arn],
        "detail": detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_names_its_code_its_reason_and_the_exit() {
        let (workstream, run) = (Some("w"), Some("r"));
        let whose = Whose { arn: "a/1", cluster: "c", image: "own:1", workstream, run };
        let end = End { code: "EssentialContainerExited", reason: "over".into(), exit: Some(76) };
        let event = event(&whose, Some(&end));
        let detail = &event["detail"];
        assert_eq!(detail["lastStatus"], "STOPPED");
        assert_eq!(detail["stopCode"], "EssentialContainerExited");
        assert_eq!(detail["containers"][0]["exitCode"], 76);
        assert_eq!(detail["containers"][0]["image"], "own:1");
        let named = &detail["overrides"]["containerOverrides"][0]["environment"];
        assert_eq!(named[1], json!({"name": "RALPH_RUN", "value": "r"}));
    }
}
