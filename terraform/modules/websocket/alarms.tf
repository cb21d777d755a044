# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

locals {
  alarms = {
    delivery-errors = {
      description = "CloudWatch Logs could not call push-logs: its permission or the function is missing."
      dimensions = {
        DestinationType = "Lambda"
        FilterName      = "push-logs"
        LogGroupName    = var.workers.log_group_name
      }
      metric_name = "DeliveryErrors"
      namespace   = "AWS/Logs"
      statistic   = "Sum"
      threshold   = 1
    }
    denials = {
      description = "Many connections were refused: somebody is guessing tokens, or a clock or signing key is wrong."
      dimensions = {
        Function = aws_lambda_function.this["authorize"].function_name
      }
      metric_name = "Denied"
      namespace   = "Ralph"
      statistic   = "Sum"
      threshold   = 20
    }
    failures = {
      description = "The failure queue holds deliveries or events that failed after every retry, with the error."
      dimensions = {
        QueueName = aws_sqs_queue.failures.name
      }
      metric_name = "ApproximateNumberOfMessagesVisible"
      namespace   = "AWS/SQS"
      statistic   = "Maximum"
      threshold   = 1
    }
    push-logs-errors = {
      description = "push-logs failed: lines reach viewers late, or only when they ask again."
      dimensions = {
        FunctionName = aws_lambda_function.this["push-logs"].function_name
      }
      metric_name = "Errors"
      namespace   = "AWS/Lambda"
      statistic   = "Sum"
      threshold   = 1
    }
    push-logs-throttles = {
      description = "push-logs was throttled: the account's concurrency, or its reserved concurrency, is used up."
      dimensions = {
        FunctionName = aws_lambda_function.this["push-logs"].function_name
      }
      metric_name = "Throttles"
      namespace   = "AWS/Lambda"
      statistic   = "Sum"
      threshold   = 1
    }
    send-logs-throttles = {
      description = "send-logs was throttled, and viewers' requests were refused: the account's concurrency, or its reserved concurrency, is used up."
      dimensions = {
        FunctionName = aws_lambda_function.this["send-logs"].function_name
      }
      metric_name = "Throttles"
      namespace   = "AWS/Lambda"
      statistic   = "Sum"
      threshold   = 1
    }
  }

  # An alarm without a topic is seen in the console only.
  alarm_actions = var.monitoring.alarm_topic_arn == null ? [] : [var.monitoring.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.monitoring.alarms }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
}
