# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

locals {
  # URL that the functions post to. The stage has it too, but depends on the functions.
  management_endpoint = var.management_base == null ? "${replace(aws_apigatewayv2_api.this.api_endpoint, "wss://", "https://")}/${var.environment}" : "${var.management_base}/${aws_apigatewayv2_api.this.id}/${var.environment}"
  account_id          = split(":", aws_dynamodb_table.connections.arn)[4]
}
