# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# From a log line to a browser.

locals {
  # Where frames are posted. Built from the API, not from the stage, which comes after the functions.
  management_endpoint = var.management_base == null ? "${replace(aws_apigatewayv2_api.this.api_endpoint, "wss://", "https://")}/${var.environment}" : "${var.management_base}/${aws_apigatewayv2_api.this.id}/${var.environment}"
  account_id          = split(":", aws_dynamodb_table.connections.arn)[4]
}
