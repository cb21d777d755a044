//! One page of graphs: from a line written to a line shown.

use ralph_protocol::names::{Handler, METRIC_DIMENSION, METRIC_NAMESPACE, metric};

use super::functions::Functions;
use super::{FILTER, Inputs, This, Value, Websocket};
use crate::aws::cloudwatch::Dashboard;
use crate::aws::sqs::QueueRef;
use crate::hcl::FieldType;
use crate::hcl::prelude::*;

/// A curve: namespace, metric, dimensions, statistic.
type Curve = Value<Any>;

fields! {
    /// A graph.
    pub(super) struct Graph {
        /// What it shows.
        title: Text,
        /// Its curves.
        metrics: List<Any>,
    }
}

pub(super) fn page(
    m: &mut This,
    inputs: &Inputs,
    functions: &Functions,
    failures: &QueueRef<Websocket>,
) {
    m.file("dashboard.tf");
    let mut local = |name: &str, handler| {
        m.local_here(name, "", Expr::<_, Text>::from(functions.of(handler, |f| f.function_name())))
    };
    let authorize = local("authorize_name", Handler::Authorize);
    let push = local("push_logs_name", Handler::PushLogs);
    let send = local("send_logs_name", Handler::SendLogs);
    let curve = |parts: &[&str], of: Curve, statistic: &str| -> Curve {
        let statistic = object! { stat: statistic };
        tuple(parts.iter().map(|part| (*part).into()).chain([of, statistic]))
    };
    let ours = |metric: &str, function: &Value<Text>, statistic: &str| {
        curve(&[METRIC_NAMESPACE, metric, METRIC_DIMENSION], function.any(), statistic)
    };
    let lambda = |metric: &str, function: &Value<Text>, statistic: &str| {
        curve(&["AWS/Lambda", metric, "FunctionName"], function.any(), statistic)
    };
    let logs = |metric: &str| {
        let filter = ["DestinationType", "Lambda", "FilterName", FILTER, "LogGroupName"];
        let parts = [&["AWS/Logs", metric], &filter[..]].concat();
        curve(&parts, inputs.workers.log_group_name.any(), "Sum")
    };
    let waiting = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"];
    let graphs: [(&str, Vec<Curve>); 9] = [
        (
            "Lines received and replayed",
            vec![ours(metric::EVENTS, &push, "Sum"), ours(metric::EVENTS, &send, "Sum")],
        ),
        (
            "Age of a line at its first post, ms",
            vec![
                ours(metric::DELIVERY_AGE, &push, "p50"),
                ours(metric::DELIVERY_AGE, &push, "p99"),
            ],
        ),
        (
            "Frames and posts",
            [metric::FRAMES, metric::POSTS, metric::RETRIED, metric::BYTES]
                .map(|metric| ours(metric, &push, "Sum"))
                .into(),
        ),
        (
            "Lines dropped and posts failed",
            [metric::DROPPED, metric::FOREIGN, metric::FAILED, metric::GONE, metric::THROTTLED]
                .map(|metric| ours(metric, &push, "Sum"))
                .into(),
        ),
        (
            "Connections allowed and denied",
            [metric::ALLOWED, metric::DENIED].map(|metric| ours(metric, &authorize, "Sum")).into(),
        ),
        (
            "Requests refused and throttled",
            [metric::REFUSED, metric::THROTTLED].map(|metric| ours(metric, &send, "Sum")).into(),
        ),
        (
            "Errors and throttles",
            vec![
                lambda("Errors", &push, "Sum"),
                lambda("Throttles", &push, "Sum"),
                lambda("Errors", &send, "Sum"),
                lambda("Throttles", &send, "Sum"),
            ],
        ),
        (
            "Duration and cold starts",
            vec![
                lambda("Duration", &push, "p99"),
                lambda("Duration", &send, "p99"),
                ours(metric::COLD_STARTS, &push, "Sum"),
                ours(metric::COLD_STARTS, &send, "Sum"),
            ],
        ),
        (
            "Deliveries to push-logs, and the failure queue",
            vec![
                logs("ForwardedLogEvents"),
                logs("DeliveryErrors"),
                logs("DeliveryThrottling"),
                curve(&waiting, failures.name().any(), "Maximum"),
            ],
        ),
    ];
    let graphs = graphs.map(|(title, metrics)| {
        Graph::write(Graph { title: title.into(), metrics: metrics.into() })
    });
    let graphs: Value<List<Any>> = m.local_here("graphs", "", graphs.into());
    let widgets = graphs.map_with(("i", "graph"), |i, graph| {
        let graph = Graph::read(graph);
        object! {
            type: "metric",
            x: i.modulo(3).times(8),
            y: func::floor(i.divided_by(3)).times(6),
            width: 8,
            height: 6,
            properties: object! {
                title: graph.title,
                region: &inputs.region,
                view: "timeSeries",
                period: 60,
                metrics: graph.metrics,
            },
        }
    });
    let body = func::json_encode(object! { widgets: widgets });
    m.add_if(
        &inputs.monitoring.dashboard,
        Dashboard::new("this")
            .why("Three graphs in a row of 24 columns.")
            .dashboard_name(&inputs.name)
            .dashboard_body(body),
    );
}
