# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

# CloudWatch Logs calls with the log group's ARN followed by `:*`.
resource "aws_lambda_permission" "push_logs" {
  statement_id  = "CloudWatchLogs"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["push-logs"].function_name
  principal     = "logs.${var.region}.amazonaws.com"
  source_arn    = "${var.workers.log_group_arn}:*"
}

# The empty pattern matches every line. CloudWatch Logs refuses a filter whose function it may not
# call, so the permission comes first.
resource "aws_cloudwatch_log_subscription_filter" "push_logs" {
  name            = "push-logs"
  log_group_name  = var.workers.log_group_name
  filter_pattern  = ""
  destination_arn = aws_lambda_function.this["push-logs"].arn

  depends_on = [aws_lambda_permission.push_logs]

  lifecycle {
    precondition {
      condition     = var.workers.log_group_name != aws_cloudwatch_log_group.function["push-logs"].name
      error_message = "push-logs must not read its own log group: each of its lines would call it again."
    }
  }
}
