//! What API Gateway, Lambda and DynamoDB would refuse only while it is applied.

use ralph_protocol::{execution::MAX_DURATION_SECS, names::Handler};

use super::{Inputs, This, rules};
use crate::hcl::prelude::*;

pub(super) fn all(m: &mut This, inputs: &Inputs) {
    rules::form(
        m,
        &inputs.environment,
        "^[a-z]([a-z0-9-]*[a-z0-9])?$",
        "begin with a lower-case letter, have lower-case letters, digits and hyphens, and not end with a hyphen",
        "Dev",
    );
    rules::between(m, &inputs.executions.max_duration_secs, (1, MAX_DURATION_SECS as i64));
    rules::state_machine(m, &inputs.executions.state_machine_name);
    rules::key(m, &inputs.kms_key_arn);
    let lambda = &inputs.lambda;
    rules::one_of(m, &lambda.architecture, ["x86_64", "arm64"], "i386");
    rules::retention(m, &lambda.log_retention_in_days);
    let handlers = Handler::ALL.map(Handler::as_str);
    let names = handlers.join(", ");
    let reserved = &lambda.reserved_concurrency;
    let sensible =
        func::values(reserved).map("number", |number| func::or_false(number.at_least(-1)));
    m.validate(
        reserved,
        &rules::are_of(func::keys(reserved), handlers).and(func::all_true(sensible)),
        &format!("give functions ({names}) a number of instances each, or -1 for none"),
        map([("push", 5.into())]),
    );
    rules::optional_form(
        m,
        &inputs.management_base,
        "^https?://[^?#]*[^/?#]$",
        "be a URL without a slash at its end, or null for AWS's own",
        Expr::<Constant, Text>::from("http://127.0.0.1:4566/"),
    );
    rules::topic(m, &inputs.monitoring.alarm_topic_arn);
    let traced = &inputs.monitoring.traced_functions;
    m.validate(
        traced,
        &rules::are_of(traced, handlers),
        &format!("name functions: {names}"),
        ["push"],
    );
    rules::name(m, &inputs.name);
    let notifications = &inputs.notifications;
    rules::optional_form(
        m,
        &notifications.email,
        "^[^@\\s]+@[^@\\s]+$",
        "be an e-mail address, or null",
        Expr::<Constant, Text>::from("team"),
    );
    rules::optional_form(
        m,
        &notifications.topic_arn,
        "^arn:[^:]+:sns:[^:]+:[0-9]+:[A-Za-z0-9_-]+$",
        "be the ARN of a standard SNS topic, not of a FIFO topic, or null",
        arn!["arn:aws:sns:us-east-1:123456789012:executions.fifo"],
    );
    rules::region(m, &inputs.region);
    rules::roles(m, &inputs.roles);
    rules::secret(m, &inputs.signing_keys_arn);
    rules::between(m, &inputs.throttling.burst_limit, (1, 5000));
    rules::between(m, &inputs.throttling.rate_limit, (1, 10_000));
    let workers = &inputs.workers;
    rules::form(
        m,
        &workers.cluster_arn,
        "^arn:[^:]+:ecs:[^:]+:[0-9]+:cluster/[A-Za-z0-9_-]+$",
        "be the ARN of an ECS cluster",
        arn!["ralph-example"],
    );
    rules::form(
        m,
        &workers.log_group_arn,
        "^arn:[^:]+:logs:[^:]+:[0-9]+:log-group:[^:*]+$",
        "be the ARN of a log group and end with its name, without :*",
        arn!["arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams:*"],
    );
    rules::log_group(m, &workers.log_group_name);
    m.validate(
        &workers.log_group_name,
        &rules::matches(&workers.log_group_name, "^/aws/lambda/").negate(),
        "be the group that tasks write to, not a function's own: each line that push-logs wrote would call it again",
        "/aws/lambda/ralph-example-push-logs",
    );
    rules::retention(m, &workers.log_retention_in_days);
    rules::form(
        m,
        &workers.log_url,
        // As `ralph_protocol::link` takes it.
        r"^https://([!#-&*-;=?-\[\]-_a-z|~]|\{workstream\}|\{run\})+$",
        "be an https URL without quotes and brackets, and with {workstream} and {run} alone in braces",
        "https://logs.example.com/{task}",
    );
}
