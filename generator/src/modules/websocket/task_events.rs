//! ECS's task state changes, of this cluster only, go to task-events.

use ralph_protocol::names::Handler;

use super::functions::Functions;
use super::{Inputs, This, Websocket};
use crate::aws::events::{DeadLetter, RetryPolicy, Rule, Target};
use crate::aws::lambda::Permission;
use crate::aws::sqs::{QueuePolicy, QueueRef};
use crate::hcl::prelude::*;

/// Seconds for which EventBridge tries to deliver an event. A later update would be of no use.
const OLDEST_EVENT: u32 = 3600;
/// The most that EventBridge allows. Left out, the provider would send 0.
const ATTEMPTS: u32 = 185;

pub(super) fn rule(
    m: &mut This,
    inputs: &Inputs,
    functions: &Functions,
    failures: &QueueRef<Websocket>,
) {
    m.file("task_events.tf");
    let pattern = object! {
        source: ["aws.ecs".into()],
        "detail-type": ["ECS Task State Change".into()],
        detail: object! { clusterArn: [inputs.workers.cluster_arn.any()] },
    };
    let rule = m.add(
        Rule::new("task_events")
            .why("State changes of this cluster's tasks only. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html")
            .name(text![&inputs.name, "-task-events"])
            .description("Task state changes of the workers' cluster.")
            .event_pattern(func::json_encode(pattern)),
    );
    let permission = m.add(
        Permission::new("task_events")
            .statement_id("EventBridge")
            .action("lambda:InvokeFunction")
            .function_name(functions.of(Handler::TaskEvents, |function| function.function_name()))
            .principal("events.amazonaws.com")
            .source_arn(rule.arn()),
    );
    let send = Statement::allow("SendDeadLetters", "sqs: SendMessage")
        .by("events.amazonaws.com")
        .on(failures.arn())
        .when("ArnEquals", "aws:SourceArn", rule.arn().any());
    let letters = m.add(
        QueuePolicy::new("failures")
            .why("EventBridge sends an event that it cannot deliver to the failure queue.")
            .queue_url(failures.url())
            .policy(Document::new([send])),
    );
    m.add(
        Target::new("task_events")
            .rule(rule.name())
            .target_id("task-events")
            .arn(functions.of(Handler::TaskEvents, |function| function.arn()))
            .retry_policy(
                RetryPolicy::default()
                    .maximum_event_age_in_seconds(OLDEST_EVENT)
                    .maximum_retry_attempts(ATTEMPTS),
            )
            .dead_letter_config(DeadLetter::default().arn(failures.arn()))
            .after(&permission)
            .after(&letters),
    );
}
