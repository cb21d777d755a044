//! One page of graphs: from a line written to a line shown.

use ralph_protocol::names::{Handler, METRIC_DIMENSION, METRIC_NAMESPACE, metric};

use super::functions::Functions;
use super::{FILTER, Websocket, WebsocketInputs};
use crate::aws::cloudwatch::Dashboard;
use crate::aws::sqs::QueueRef;
use crate::hcl::prelude::*;

/// A curve: namespace, metric, dimensions, statistic.
type Curve = Expr<Websocket, Any>;

/// Graphs stand three in a row of 24 columns.
const WIDTH: i32 = 8;
const HEIGHT: i32 = 6;

pub(super) fn page(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    functions: &Functions,
    failures: &QueueRef<Websocket>,
) {
    m.file("dashboard.tf");
    let name = |handler: Handler| functions.get(handler).function.function_name().any();
    let with = |statistic: &str| object([("stat", statistic.into())]);
    let curve = |namespace: &str, metric: &str, dimensions: Vec<Curve>, statistic: &str| {
        let mut parts: Vec<Curve> = vec![namespace.into(), metric.into()];
        parts.extend(dimensions);
        parts.push(with(statistic));
        tuple(parts)
    };
    let ours = |metric: &str, handler: Handler, statistic: &str| {
        curve(METRIC_NAMESPACE, metric, vec![METRIC_DIMENSION.into(), name(handler)], statistic)
    };
    let lambda = |metric: &str, handler: Handler, statistic: &str| {
        curve("AWS/Lambda", metric, vec!["FunctionName".into(), name(handler)], statistic)
    };
    let logs = |metric: &str| {
        let filter = vec![
            "LogGroupName".into(),
            inputs.workers_log_group_name.any(),
            "DestinationType".into(),
            "Lambda".into(),
            "FilterName".into(),
            FILTER.into(),
        ];
        curve("AWS/Logs", metric, filter, "Sum")
    };
    let (push, send) = (Handler::PushLogs, Handler::SendLogs);
    let graphs: Vec<(&str, Vec<Curve>)> = vec![
        (
            "Lines taken in and read back",
            vec![ours(metric::EVENTS, push, "Sum"), ours(metric::EVENTS, send, "Sum")],
        ),
        (
            "Age of a line at its first post, ms",
            vec![ours(metric::DELIVERY_AGE, push, "p50"), ours(metric::DELIVERY_AGE, push, "p99")],
        ),
        (
            "Frames and posts",
            vec![
                ours(metric::FRAMES, push, "Sum"),
                ours(metric::POSTS, push, "Sum"),
                ours(metric::RETRIED, push, "Sum"),
                ours(metric::BYTES, push, "Sum"),
            ],
        ),
        (
            "Lines that went nowhere",
            vec![
                ours(metric::DROPPED, push, "Sum"),
                ours(metric::FOREIGN, push, "Sum"),
                ours(metric::FAILED, push, "Sum"),
                ours(metric::GONE, push, "Sum"),
                ours(metric::THROTTLED, push, "Sum"),
            ],
        ),
        (
            "Connections let in and refused",
            vec![
                ours(metric::ALLOWED, Handler::Authorize, "Sum"),
                ours(metric::DENIED, Handler::Authorize, "Sum"),
            ],
        ),
        (
            "Requests refused and put off",
            vec![ours(metric::REFUSED, send, "Sum"), ours(metric::THROTTLED, send, "Sum")],
        ),
        (
            "Errors and throttles",
            vec![
                lambda("Errors", push, "Sum"),
                lambda("Throttles", push, "Sum"),
                lambda("Errors", send, "Sum"),
                lambda("Throttles", send, "Sum"),
            ],
        ),
        (
            "Duration and cold starts",
            vec![
                lambda("Duration", push, "p99"),
                lambda("Duration", send, "p99"),
                ours(metric::COLD_STARTS, push, "Sum"),
                ours(metric::COLD_STARTS, send, "Sum"),
            ],
        ),
        (
            "Handing over to push-logs, and what failed for good",
            vec![
                logs("ForwardedLogEvents"),
                logs("DeliveryErrors"),
                logs("DeliveryThrottling"),
                curve(
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    vec!["QueueName".into(), failures.name().any()],
                    "Maximum",
                ),
            ],
        ),
    ];
    let widgets = (0..).zip(graphs).map(|(i, (title, curves))| {
        object([
            ("type", "metric".into()),
            ("x", (i % 3 * WIDTH).into()),
            ("y", (i / 3 * HEIGHT).into()),
            ("width", WIDTH.into()),
            ("height", HEIGHT.into()),
            (
                "properties",
                object([
                    ("title", title.into()),
                    ("region", inputs.region.any()),
                    ("view", "timeSeries".into()),
                    ("period", 60.into()),
                    ("metrics", tuple(curves)),
                ]),
            ),
        ])
    });
    let body = object([("widgets", tuple(widgets))]);
    m.add_if(
        &inputs.options.dashboard,
        Dashboard::new("this").dashboard_name(&inputs.name).dashboard_body(func::json_encode(body)),
    );
}
