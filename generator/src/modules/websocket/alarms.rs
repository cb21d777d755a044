//! Alarms: what a person must know of. docs/operations.md says what each means and what to do.

use std::collections::BTreeMap;

use ralph_protocol::names::{Handler, METRIC_DIMENSION, METRIC_NAMESPACE, metric};

use super::functions::Functions;
use super::{FILTER, Websocket, WebsocketInputs};
use crate::aws::cloudwatch::MetricAlarm;
use crate::aws::sqs::QueueRef;
use crate::hcl::prelude::*;

/// Connections refused in five minutes from which on somebody is trying, or a clock is wrong.
const MANY_DENIALS: i64 = 20;

/// An alarm: what is measured, over five minutes, and from how much on it is too much.
struct Watch {
    name: &'static str,
    about: &'static str,
    namespace: &'static str,
    metric: &'static str,
    statistic: &'static str,
    from: i64,
}

pub(super) fn all(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    functions: &Functions,
    failures: &QueueRef<Websocket>,
) {
    m.file("alarms.tf");
    let of = |handler| functions.get(handler).function.function_name();
    let function = |handler| BTreeMap::from([("FunctionName", Expr::from(of(handler)))]);
    let lambda = Watch {
        name: "",
        about: "",
        namespace: "AWS/Lambda",
        metric: "Errors",
        statistic: "Sum",
        from: 1,
    };
    let watched = [
        (
            Watch {
                name: "push-logs-errors",
                about: "Deliveries failed: lines reach viewers late, or only when they ask again.",
                ..lambda
            },
            function(Handler::PushLogs),
        ),
        (
            Watch {
                name: "push-logs-throttles",
                about: "Deliveries waited for a free instance: the account's concurrency, or the function's own, is used up.",
                metric: "Throttles",
                ..lambda
            },
            function(Handler::PushLogs),
        ),
        (
            Watch {
                name: "send-logs-throttles",
                about: "Viewers' requests were refused because no instance was free.",
                metric: "Throttles",
                ..lambda
            },
            function(Handler::SendLogs),
        ),
        (
            Watch {
                name: "failures",
                about: "The failure queue holds deliveries that failed for good. They hold their lines and the error.",
                namespace: "AWS/SQS",
                metric: "ApproximateNumberOfMessagesVisible",
                statistic: "Maximum",
                from: 1,
            },
            BTreeMap::from([("QueueName", failures.name())]),
        ),
        (
            Watch {
                name: "delivery-errors",
                about: "CloudWatch Logs could not hand lines to push-logs: its permission or the function is gone.",
                namespace: "AWS/Logs",
                metric: "DeliveryErrors",
                statistic: "Sum",
                from: 1,
            },
            BTreeMap::from([
                ("DestinationType", "Lambda".into()),
                ("FilterName", FILTER.into()),
                ("LogGroupName", Expr::from(&inputs.workers_log_group_name)),
            ]),
        ),
        (
            Watch {
                name: "denials",
                about: "Many connections were refused: somebody is guessing tokens, or a clock or signing key is wrong.",
                namespace: METRIC_NAMESPACE,
                metric: metric::DENIED,
                statistic: "Sum",
                from: MANY_DENIALS,
            },
            BTreeMap::from([(METRIC_DIMENSION, Expr::from(of(Handler::Authorize)))]),
        ),
    ];
    let actions = m.local_because(
        "alarm_actions",
        "An alarm without a topic is seen in the console only.",
        topics(&inputs.options.alarm_topic_arn),
    );
    for (watch, dimensions) in watched {
        m.add_if(
            &inputs.options.alarms,
            MetricAlarm::new(&watch.name.replace('-', "_"))
                .alarm_name(text![&inputs.name, "-", watch.name])
                .alarm_description(watch.about)
                .namespace(watch.namespace)
                .metric_name(watch.metric)
                .dimensions(map(dimensions))
                .statistic(watch.statistic)
                .period(300)
                .evaluation_periods(1)
                .comparison_operator("GreaterThanOrEqualToThreshold")
                .threshold(watch.from)
                .treat_missing_data("notBreaching")
                .alarm_actions(&actions)
                .ok_actions(&actions),
        );
    }
}

fn topics(topic: &Expr<Websocket, Opt<Arn>>) -> Expr<Websocket, List<Arn>> {
    topic.is_null().choose::<List<Arn>>(Vec::new(), vec![topic.set()])
}
