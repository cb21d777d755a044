# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

# Hears how each execution ended.
resource "aws_sns_topic" "executions" {
  count = var.notifications.email != null ? 1 : 0

  name              = "${var.name}-executions"
  kms_master_key_id = var.kms_key_arn == null ? "alias/aws/sns" : var.kms_key_arn

  lifecycle {
    precondition {
      condition     = var.notifications.topic_arn == null
      error_message = "notifications takes email or topic_arn, not both: subscribe the address to your topic."
    }
  }
}

# AWS asks the address to confirm. A destroy cannot delete a subscription that is not confirmed.
resource "aws_sns_topic_subscription" "email" {
  count = var.notifications.email != null ? 1 : 0

  topic_arn = aws_sns_topic.executions[0].arn
  protocol  = "email"
  endpoint  = var.notifications.email
}

locals {
  # The topic that decide publishes to; empty when nobody is told.
  notify_topic_arns = var.notifications.topic_arn == null ? aws_sns_topic.executions[*].arn : [var.notifications.topic_arn]
}
