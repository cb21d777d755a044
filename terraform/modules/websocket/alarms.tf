# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

resource "aws_cloudwatch_metric_alarm" "push_logs_errors" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-push-logs-errors"
  alarm_description = "Deliveries failed: lines reach viewers late, or only when they ask again."
  namespace         = "AWS/Lambda"
  metric_name       = "Errors"
  dimensions = {
    FunctionName = aws_lambda_function.push_logs.function_name
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

resource "aws_cloudwatch_metric_alarm" "push_logs_throttles" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-push-logs-throttles"
  alarm_description = "Deliveries waited for a free instance: the account's concurrency, or the function's own, is used up."
  namespace         = "AWS/Lambda"
  metric_name       = "Throttles"
  dimensions = {
    FunctionName = aws_lambda_function.push_logs.function_name
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

resource "aws_cloudwatch_metric_alarm" "send_logs_throttles" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-send-logs-throttles"
  alarm_description = "Viewers' requests were refused because no instance was free."
  namespace         = "AWS/Lambda"
  metric_name       = "Throttles"
  dimensions = {
    FunctionName = aws_lambda_function.send_logs.function_name
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

resource "aws_cloudwatch_metric_alarm" "failures" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-failures"
  alarm_description = "The failure queue holds deliveries that failed for good. They hold their lines and the error."
  namespace         = "AWS/SQS"
  metric_name       = "ApproximateNumberOfMessagesVisible"
  dimensions = {
    QueueName = aws_sqs_queue.failures.name
  }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "delivery_errors" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-delivery-errors"
  alarm_description = "CloudWatch Logs could not hand lines to push-logs: its permission or the function is gone."
  namespace         = "AWS/Logs"
  metric_name       = "DeliveryErrors"
  dimensions = {
    DestinationType = "Lambda"
    FilterName      = "push-logs"
    LogGroupName    = var.workers_log_group_name
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

resource "aws_cloudwatch_metric_alarm" "denials" {
  count = var.alarms ? 1 : 0

  alarm_name        = "${var.name}-denials"
  alarm_description = "Many connections were refused: somebody is guessing tokens, or a clock or signing key is wrong."
  namespace         = "Ralph"
  metric_name       = "Denied"
  dimensions = {
    Function = aws_lambda_function.authorize.function_name
  }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 20
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
