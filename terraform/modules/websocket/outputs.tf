# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# From a log line to a browser.

output "admit_function_arn" {
  description = "ARN of the function that lets an execution begin."
  value       = aws_lambda_function.this["admit"].arn
}

output "api_id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "decide_function_arn" {
  description = "ARN of the function that says what follows each run."
  value       = aws_lambda_function.this["decide"].arn
}

output "stage_name" {
  description = "Name of the stage."
  value       = aws_apigatewayv2_stage.this.name
}

output "table_name" {
  description = "Name of the connections table."
  value       = aws_dynamodb_table.connections.name
}

output "url" {
  description = "URL that clients connect to."
  value       = aws_apigatewayv2_stage.this.invoke_url
}
