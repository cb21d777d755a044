//! ECS's task state changes, of this cluster only, go to task-events.

use super::{Websocket, WebsocketInputs, functions::Made};
use crate::aws::events::{RetryPolicy, Rule, Target};
use crate::aws::lambda::Permission;
use crate::hcl::prelude::*;

/// Seconds for which EventBridge tries to hand an event over. Later its news is old.
const OLDEST_EVENT: u32 = 3600;

pub(super) fn rule(m: &mut Module<Websocket>, inputs: &WebsocketInputs<Websocket>, made: &Made) {
    m.file("task_events.tf");
    let pattern = object([
        ("source", tuple(["aws.ecs".into()])),
        ("detail-type", tuple(["ECS Task State Change".into()])),
        ("detail", object([("clusterArn", tuple([inputs.cluster_arn.any()]))])),
    ]);
    let rule = m.add(
        Rule::new("task_events")
            .why("Of this cluster only. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html")
            .name(text![&inputs.name, "-task-events"])
            .description("Task state changes of the workers' cluster.")
            .event_pattern(func::json_encode(pattern)),
    );
    let permission = m.add(
        Permission::new("task_events")
            .statement_id("EventBridge")
            .action("lambda:InvokeFunction")
            .function_name(made.function.function_name())
            .principal("events.amazonaws.com")
            .source_arn(rule.arn()),
    );
    m.add(
        Target::new("task_events")
            .rule(rule.name())
            .target_id("task-events")
            .arn(made.function.arn())
            .retry_policy(RetryPolicy::default().maximum_event_age_in_seconds(OLDEST_EVENT))
            .after(&permission),
    );
}
