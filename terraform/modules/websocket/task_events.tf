# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

# Of this cluster only.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
resource "aws_cloudwatch_event_rule" "task_events" {
  name        = "${var.name}-task-events"
  description = "Task state changes of the workers' cluster."
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [var.cluster_arn]
    }
  })
}

resource "aws_lambda_permission" "task_events" {
  statement_id  = "EventBridge"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.task_events.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.task_events.arn
}

resource "aws_cloudwatch_event_target" "task_events" {
  rule      = aws_cloudwatch_event_rule.task_events.name
  target_id = "task-events"
  arn       = aws_lambda_function.task_events.arn

  retry_policy {
    maximum_event_age_in_seconds = 3600
  }

  depends_on = [aws_lambda_permission.task_events]
}
