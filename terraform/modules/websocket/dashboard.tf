# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

locals {
  authorize_name = aws_lambda_function.this["authorize"].function_name
  push_logs_name = aws_lambda_function.this["push-logs"].function_name
  send_logs_name = aws_lambda_function.this["send-logs"].function_name
  graphs = [
    {
      title = "Lines received and replayed"
      metrics = [
        ["Ralph", "Events", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Events", "Function", local.send_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Age of a line at its first post, ms"
      metrics = [
        ["Ralph", "DeliveryAge", "Function", local.push_logs_name, { stat = "p50" }],
        ["Ralph", "DeliveryAge", "Function", local.push_logs_name, { stat = "p99" }],
      ]
    },
    {
      title = "Frames and posts"
      metrics = [
        ["Ralph", "Frames", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Posts", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Retried", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Bytes", "Function", local.push_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Lines dropped and posts failed"
      metrics = [
        ["Ralph", "Dropped", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Foreign", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Failed", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Gone", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "Throttled", "Function", local.push_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Connections allowed and denied"
      metrics = [
        ["Ralph", "Allowed", "Function", local.authorize_name, { stat = "Sum" }],
        ["Ralph", "Denied", "Function", local.authorize_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Requests refused and throttled"
      metrics = [
        ["Ralph", "Refused", "Function", local.send_logs_name, { stat = "Sum" }],
        ["Ralph", "Throttled", "Function", local.send_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Errors and throttles"
      metrics = [
        ["AWS/Lambda", "Errors", "FunctionName", local.push_logs_name, { stat = "Sum" }],
        ["AWS/Lambda", "Throttles", "FunctionName", local.push_logs_name, { stat = "Sum" }],
        ["AWS/Lambda", "Errors", "FunctionName", local.send_logs_name, { stat = "Sum" }],
        ["AWS/Lambda", "Throttles", "FunctionName", local.send_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Duration and cold starts"
      metrics = [
        ["AWS/Lambda", "Duration", "FunctionName", local.push_logs_name, { stat = "p99" }],
        ["AWS/Lambda", "Duration", "FunctionName", local.send_logs_name, { stat = "p99" }],
        ["Ralph", "ColdStarts", "Function", local.push_logs_name, { stat = "Sum" }],
        ["Ralph", "ColdStarts", "Function", local.send_logs_name, { stat = "Sum" }],
      ]
    },
    {
      title = "Deliveries to push-logs, and the failure queue"
      metrics = [
        [
          "AWS/Logs",
          "ForwardedLogEvents",
          "DestinationType",
          "Lambda",
          "FilterName",
          "push-logs",
          "LogGroupName",
          var.workers.log_group_name,
          { stat = "Sum" },
        ],
        [
          "AWS/Logs",
          "DeliveryErrors",
          "DestinationType",
          "Lambda",
          "FilterName",
          "push-logs",
          "LogGroupName",
          var.workers.log_group_name,
          { stat = "Sum" },
        ],
        [
          "AWS/Logs",
          "DeliveryThrottling",
          "DestinationType",
          "Lambda",
          "FilterName",
          "push-logs",
          "LogGroupName",
          var.workers.log_group_name,
          { stat = "Sum" },
        ],
        [
          "AWS/SQS",
          "ApproximateNumberOfMessagesVisible",
          "QueueName",
          aws_sqs_queue.failures.name,
          { stat = "Maximum" },
        ],
      ]
    },
  ]
}

# Three graphs in a row of 24 columns.
resource "aws_cloudwatch_dashboard" "this" {
  count = var.monitoring.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for i, graph in local.graphs : {
        type   = "metric"
        x      = i % 3 * 8
        y      = floor(i / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = graph.title
          region  = var.region
          view    = "timeSeries"
          period  = 60
          metrics = graph.metrics
        }
      }
    ]
  })
}
