//! Alarms and dashboards.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// An alarm on one metric.
    MetricAlarm("aws_cloudwatch_metric_alarm") -> MetricAlarmRef {
        required { alarm_name: Text, comparison_operator: Text, evaluation_periods: Number }
        optional {
            alarm_description: Text, namespace: Text, metric_name: Text, dimensions: Map<Text>,
            period: Number, statistic: Text, threshold: Number, treat_missing_data: Text,
            alarm_actions: List<Arn>, ok_actions: List<Arn>, tags: Map<Text>,
        }
        exports { arn: Arn, id: Text }
    }
    /// A page of graphs.
    Dashboard("aws_cloudwatch_dashboard") -> DashboardRef {
        required { dashboard_name: Text, dashboard_body: Json }
    }
}
