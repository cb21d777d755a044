# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

output "admit_function_arn" {
  description = "ARN of the function admit, which checks an order."
  value       = aws_lambda_function.this["admit"].arn
}

output "api_id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "decide_function_arn" {
  description = "ARN of the function decide, which says what follows each run."
  value       = aws_lambda_function.this["decide"].arn
}

output "stage_name" {
  description = "Name of the stage."
  value       = aws_apigatewayv2_stage.this.name
}

output "table_name" {
  description = "Name of the table of connections and runs."
  value       = aws_dynamodb_table.connections.name
}

output "url" {
  description = "URL that clients connect to."
  value       = aws_apigatewayv2_stage.this.invoke_url
}
