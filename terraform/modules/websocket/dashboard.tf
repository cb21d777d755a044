# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      {
        type   = "metric"
        x      = 0
        y      = 0
        width  = 8
        height = 6
        properties = {
          title  = "Lines taken in and read back"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "Events",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Events",
              "Function",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 8
        y      = 0
        width  = 8
        height = 6
        properties = {
          title  = "Age of a line at its first post, ms"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "DeliveryAge",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "p50"
              },
            ],
            [
              "Ralph",
              "DeliveryAge",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "p99"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 16
        y      = 0
        width  = 8
        height = 6
        properties = {
          title  = "Frames and posts"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "Frames",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Posts",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Retried",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Bytes",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 0
        y      = 6
        width  = 8
        height = 6
        properties = {
          title  = "Lines that went nowhere"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "Dropped",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Foreign",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Failed",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Gone",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Throttled",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 8
        y      = 6
        width  = 8
        height = 6
        properties = {
          title  = "Connections let in and refused"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "Allowed",
              "Function",
              aws_lambda_function.authorize.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Denied",
              "Function",
              aws_lambda_function.authorize.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 16
        y      = 6
        width  = 8
        height = 6
        properties = {
          title  = "Requests refused and put off"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "Ralph",
              "Refused",
              "Function",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "Throttled",
              "Function",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 0
        y      = 12
        width  = 8
        height = 6
        properties = {
          title  = "Errors and throttles"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "AWS/Lambda",
              "Errors",
              "FunctionName",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/Lambda",
              "Throttles",
              "FunctionName",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/Lambda",
              "Errors",
              "FunctionName",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/Lambda",
              "Throttles",
              "FunctionName",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 8
        y      = 12
        width  = 8
        height = 6
        properties = {
          title  = "Duration and cold starts"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "AWS/Lambda",
              "Duration",
              "FunctionName",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "p99"
              },
            ],
            [
              "AWS/Lambda",
              "Duration",
              "FunctionName",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "p99"
              },
            ],
            [
              "Ralph",
              "ColdStarts",
              "Function",
              aws_lambda_function.push_logs.function_name,
              {
                stat = "Sum"
              },
            ],
            [
              "Ralph",
              "ColdStarts",
              "Function",
              aws_lambda_function.send_logs.function_name,
              {
                stat = "Sum"
              },
            ],
          ]
        }
      },
      {
        type   = "metric"
        x      = 16
        y      = 12
        width  = 8
        height = 6
        properties = {
          title  = "Handing over to push-logs, and what failed for good"
          region = var.region
          view   = "timeSeries"
          period = 60
          metrics = [
            [
              "AWS/Logs",
              "ForwardedLogEvents",
              "LogGroupName",
              var.workers_log_group_name,
              "DestinationType",
              "Lambda",
              "FilterName",
              "push-logs",
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/Logs",
              "DeliveryErrors",
              "LogGroupName",
              var.workers_log_group_name,
              "DestinationType",
              "Lambda",
              "FilterName",
              "push-logs",
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/Logs",
              "DeliveryThrottling",
              "LogGroupName",
              var.workers_log_group_name,
              "DestinationType",
              "Lambda",
              "FilterName",
              "push-logs",
              {
                stat = "Sum"
              },
            ],
            [
              "AWS/SQS",
              "ApproximateNumberOfMessagesVisible",
              "QueueName",
              aws_sqs_queue.failures.name,
              {
                stat = "Maximum"
              },
            ],
          ]
        }
      },
    ]
  })
}
