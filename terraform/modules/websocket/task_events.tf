# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

# State changes of this cluster's tasks only.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
resource "aws_cloudwatch_event_rule" "task_events" {
  name        = "${var.name}-task-events"
  description = "Task state changes of the workers' cluster."
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [var.workers.cluster_arn]
    }
  })
}

resource "aws_lambda_permission" "task_events" {
  statement_id  = "EventBridge"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["task-events"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.task_events.arn
}

# EventBridge sends an event that it cannot deliver to the failure queue.
resource "aws_sqs_queue_policy" "failures" {
  queue_url = aws_sqs_queue.failures.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "SendDeadLetters"
        Effect = "Allow"
        Principal = {
          Service = "events.amazonaws.com"
        }
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.failures.arn
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = aws_cloudwatch_event_rule.task_events.arn
          }
        }
      },
    ]
  })
}

resource "aws_cloudwatch_event_target" "task_events" {
  rule      = aws_cloudwatch_event_rule.task_events.name
  target_id = "task-events"
  arn       = aws_lambda_function.this["task-events"].arn

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.failures.arn
  }

  depends_on = [aws_lambda_permission.task_events, aws_sqs_queue_policy.failures]
}
