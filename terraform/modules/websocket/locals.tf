# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

locals {
  # Where frames are posted. Built from the API, not from the stage, which comes after the functions.
  management_endpoint = var.management_base == null ? "${replace(aws_apigatewayv2_api.this.api_endpoint, "wss://", "https://")}/${var.stage_name}" : "${var.management_base}/${aws_apigatewayv2_api.this.id}/${var.stage_name}"

  # Plan and validate work before the functions are built.
  lambda_zip_hash = fileexists(var.lambda_zip) ? filebase64sha256(var.lambda_zip) : null

  # An alarm without a topic is seen in the console only.
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
}
