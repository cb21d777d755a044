# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

# Deliveries and events that failed after every retry, each with the error. Empty unless something
# is wrong.
resource "aws_sqs_queue" "failures" {
  name                      = "${var.name}-failures"
  message_retention_seconds = 1209600
  # Null with a KMS key, because SQS takes only one of the two.
  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn
}

resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = toset(["push-logs", "task-events"])

  function_name                = aws_lambda_function.this[each.key].function_name
  maximum_event_age_in_seconds = 300
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
}
