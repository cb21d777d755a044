# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

locals {
  # An alarm without a topic is seen in the console only.
  alarm_actions = var.monitoring.alarm_topic_arn == null ? [] : [var.monitoring.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "executions_failed" {
  count = var.monitoring.alarms ? 1 : 0

  alarm_name        = "${var.names.state_machine}-failed"
  alarm_description = "An execution was refused, could not start or gave up, or one of its functions failed. An end that the worker reported itself counts as a success."
  namespace         = "AWS/States"
  metric_name       = "ExecutionsFailed"
  dimensions = {
    StateMachineArn = aws_sfn_state_machine.workstream.arn
  }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
