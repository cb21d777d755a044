//! Alarms: what a person must know of. docs/operations.md says what each means and what to do.

use ralph_protocol::names::{Handler, METRIC_DIMENSION, METRIC_NAMESPACE, metric};

use super::functions::Functions;
use super::{FILTER, Inputs, This, Websocket, rules};
use crate::aws::cloudwatch::MetricAlarm;
use crate::aws::sqs::QueueRef;
use crate::hcl::FieldType;
use crate::hcl::prelude::*;

/// Connections refused in five minutes from which on somebody is trying, or a clock is wrong.
const MANY_DENIALS: i32 = 20;

fields! {
    /// An alarm: what is measured over five minutes, and from how much on it is too much.
    pub(super) struct Alarm {
        /// What has happened.
        description: Text,
        /// Of what.
        dimensions: Map<Text>,
        /// The metric.
        metric_name: Text,
        /// Whose metric.
        namespace: Text,
        /// Sum, Maximum, …
        statistic: Text,
        /// How much.
        threshold: Number,
    }
}

pub(super) fn all(
    m: &mut This,
    inputs: &Inputs,
    functions: &Functions,
    failures: &QueueRef<Websocket>,
) {
    m.file("alarms.tf");
    let name = |handler| Expr::<_, Text>::from(functions.of(handler, |f| f.function_name()));
    let alarm = |description: &str, namespace: &str, metric: &str, dimensions| Alarm {
        description: description.into(),
        dimensions: map(dimensions),
        metric_name: metric.into(),
        namespace: namespace.into(),
        statistic: "Sum".into(),
        threshold: 1.into(),
    };
    let lambda = |handler, metric: &str, description: &str| {
        alarm(description, "AWS/Lambda", metric, vec![("FunctionName", name(handler))])
    };
    let filter = vec![
        ("DestinationType", "Lambda".into()),
        ("FilterName", FILTER.into()),
        ("LogGroupName", Expr::from(&inputs.workers.log_group_name)),
    ];
    let lost =
        "CloudWatch Logs could not call push-logs: its permission or the function is missing.";
    let denied = "Many connections were refused: somebody is guessing tokens, or a clock or signing key is wrong.";
    let failed = "The failure queue holds deliveries or events that failed after every retry, with the error.";
    let waiting = "ApproximateNumberOfMessagesVisible";
    let denials = vec![(METRIC_DIMENSION, name(Handler::Authorize))];
    let alarms = [
        ("delivery-errors", alarm(lost, "AWS/Logs", "DeliveryErrors", filter)),
        (
            "denials",
            Alarm {
                threshold: MANY_DENIALS.into(),
                ..alarm(denied, METRIC_NAMESPACE, metric::DENIED, denials)
            },
        ),
        (
            "failures",
            Alarm {
                statistic: "Maximum".into(),
                ..alarm(failed, "AWS/SQS", waiting, vec![("QueueName", failures.name())])
            },
        ),
        (
            "push-logs-errors",
            lambda(
                Handler::PushLogs,
                "Errors",
                "push-logs failed: lines reach viewers late, or only when they ask again.",
            ),
        ),
        (
            "push-logs-throttles",
            lambda(
                Handler::PushLogs,
                "Throttles",
                "push-logs was throttled: the account's concurrency, or its reserved concurrency, is used up.",
            ),
        ),
        (
            "send-logs-throttles",
            lambda(
                Handler::SendLogs,
                "Throttles",
                "send-logs was throttled, and viewers' requests were refused: the account's concurrency, or its reserved concurrency, is used up.",
            ),
        ),
    ];
    let alarms =
        m.local_here("alarms", "", map(alarms.map(|(name, alarm)| (name, Alarm::write(alarm)))));
    let actions = rules::alarm_actions(m, &inputs.monitoring.alarm_topic_arn);
    let wanted = alarms.filter(("name", "alarm"), &inputs.monitoring.alarms);
    m.add_each(&wanted, |each| {
        let alarm = Alarm::read(each.value);
        MetricAlarm::new("this")
            .alarm_name(text![&inputs.name, "-", &each.key])
            .alarm_description(alarm.description)
            .namespace(alarm.namespace)
            .metric_name(alarm.metric_name)
            .dimensions(alarm.dimensions)
            .statistic(alarm.statistic)
            .period(300)
            .evaluation_periods(1)
            .comparison_operator("GreaterThanOrEqualToThreshold")
            .threshold(alarm.threshold)
            .treat_missing_data("notBreaching")
            .alarm_actions(&actions)
            .ok_actions(&actions)
    });
}
