//! What API Gateway, Lambda and DynamoDB would refuse only while it is applied.

use ralph_protocol::execution::MAX_DURATION_SECS;

use super::{Websocket, WebsocketInputs, functions::HANDLERS};
use crate::hcl::prelude::*;
use crate::modules::rules;

pub(super) fn all(m: &mut Module<Websocket>, inputs: &WebsocketInputs<Websocket>) {
    let options = &inputs.options;
    rules::topic(m, &options.alarm_topic_arn);
    rules::one_of(
        m,
        &options.architecture,
        ["x86_64", "arm64"],
        "The architecture is x86_64 or arm64.",
        "i386",
    );
    rules::form(
        m,
        &inputs.cluster_arn,
        "^arn:[^:]+:ecs:[^:]+:[0-9]+:cluster/[A-Za-z0-9_-]+$",
        "The cluster is named by its ARN.",
        arn!["ralph-example"],
    );
    rules::form(
        m,
        &inputs.environment,
        "^[a-z]([a-z0-9-]*[a-z0-9])?$",
        "An environment's name has lower-case letters, digits and hyphens and begins with a letter.",
        "Dev",
    );
    rules::retention(m, &options.function_log_retention_in_days);
    rules::key(m, &options.kms_key_arn);
    let base = &options.management_base;
    m.validate(
        base,
        &base.is_null().or(rules::matches(base.set(), "^https?://[^?#]*[^/?#]$")),
        "The base is a URL without a slash at its end, or null for AWS's own.",
        Expr::<Constant, Text>::from("http://127.0.0.1:4566/"),
    );
    rules::between(
        m,
        &inputs.max_duration_secs,
        (1, MAX_DURATION_SECS as i64),
        &format!("An execution takes 1 to {MAX_DURATION_SECS} seconds: 300 days."),
        0,
    );
    rules::name(m, &inputs.name);
    rules::boundary(m, &options.permissions_boundary_arn);
    rules::region(m, &inputs.region);
    let handlers: Expr<Websocket, List<Text>> = HANDLERS.map(|handler| handler.as_str()).into();
    let names = HANDLERS.map(|handler| handler.as_str()).join(", ");
    let reserved = &options.reserved_concurrency;
    let known = func::keys(reserved).map("name", |name| func::contains(handlers, name));
    let sensible = func::values(reserved).map("number", |number| number.at_least(-1));
    m.validate(
        reserved,
        &func::all_true(known).and(func::all_true(sensible)),
        &format!("Reserved concurrency is given by function ({names}), each -1 for none or a number of instances."),
        map([("push", 5.into())]),
    );
    rules::role_path(m, &options.role_path);
    rules::secret(m, &inputs.signing_keys_arn);
    rules::form(
        m,
        &inputs.stage_name,
        "^[A-Za-z0-9_-]{1,128}$",
        "A stage's name has 1 to 128 letters, digits, hyphens and underscores.",
        "$default",
    );
    rules::form(
        m,
        &inputs.state_machine_name,
        "^[A-Za-z0-9_-]{1,80}$",
        "A state machine's name has 1 to 80 letters, digits, hyphens and underscores.",
        "ralph dev",
    );
    rules::form(
        m,
        &inputs.table_name,
        "^[A-Za-z0-9_.-]{3,255}$",
        "A table's name has 3 to 255 letters, digits and the characters _ . and -.",
        "t",
    );
    rules::between(
        m,
        &options.throttling_burst_limit,
        (1, 5000),
        "API Gateway allows bursts of 1 to 5000 messages; 0 would answer 429 to everything.",
        0,
    );
    rules::between(
        m,
        &options.throttling_rate_limit,
        (1, 10_000),
        "API Gateway allows 1 to 10000 messages a second; 0 would answer 429 to everything.",
        0,
    );
    rules::some_of(
        m,
        &options.traced_functions,
        HANDLERS.map(|handler| handler.as_str()),
        &format!("A function that can be traced is one of {names}."),
        "push",
    );
    rules::form(
        m,
        &inputs.workers_log_group_arn,
        "^arn:[^:]+:logs:[^:]+:[0-9]+:log-group:[^:*]+$",
        "The log group's ARN ends with its name, without `:*`.",
        arn!["arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams:*"],
    );
    rules::log_group(m, &inputs.workers_log_group_name);
    m.validate(
        &inputs.workers_log_group_name,
        &rules::matches(&inputs.workers_log_group_name, "^/aws/lambda/").negate(),
        "The workers' log group is not a function's own: each line that push-logs wrote would call it again. Name the group that the tasks write to.",
        "/aws/lambda/ralph-example-push-logs",
    );
    rules::retention(m, &options.workers_log_retention_in_days);
}
