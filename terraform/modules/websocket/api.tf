# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

resource "aws_apigatewayv2_api" "this" {
  name                       = var.name
  description                = "Live logs of workstreams"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

# A WebSocket API authorizes $connect only. The authorizer's context comes with every later request
# of the connection.
resource "aws_apigatewayv2_authorizer" "token" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "token"
  authorizer_type  = "REQUEST"
  authorizer_uri   = aws_lambda_function.this["authorize"].invoke_arn
  identity_sources = ["route.request.querystring.token"]
}

# The source is the authorizer. With a route's ARN, API Gateway answers every $connect with 500.
resource "aws_lambda_permission" "authorizer" {
  statement_id  = "ApiGatewayAuthorizer"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["authorize"].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.token.id}"
}

locals {
  routes = {
    connect = {
      function = "connect"
      key      = "$connect"
    }
    default = {
      function = "send-logs"
      key      = "$default"
    }
    disconnect = {
      function = "disconnect"
      key      = "$disconnect"
    }
    send-logs = {
      function = "send-logs"
      key      = "sendLogs"
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.routes

  api_id                    = aws_apigatewayv2_api.this.id
  integration_type          = "AWS_PROXY"
  integration_method        = "POST"
  content_handling_strategy = "CONVERT_TO_TEXT"
  integration_uri           = aws_lambda_function.this[each.value.function].invoke_arn
}

resource "aws_apigatewayv2_route" "this" {
  # checkov:skip=CKV_AWS_309:a WebSocket API authorizes $connect; the other routes exist only on a connection
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.value.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = each.key == "connect" ? "CUSTOM" : "NONE"
  authorizer_id      = each.key == "connect" ? aws_apigatewayv2_authorizer.token.id : null
}

resource "aws_lambda_permission" "route" {
  for_each = local.routes

  statement_id  = "Route-${trimprefix(each.value.key, "$")}"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value.function].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/${each.value.key}"
}

# A deployment is a snapshot of the routes. The hash makes a new one whenever a route, its function
# or the authorizer changes.
resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id
  triggers = {
    routes = sha1(
      jsonencode([
        local.routes,
        values(aws_apigatewayv2_integration.this)[*].id,
        values(aws_apigatewayv2_integration.this)[*].integration_uri,
        aws_apigatewayv2_authorizer.token.id,
        aws_apigatewayv2_authorizer.token.authorizer_uri,
        aws_apigatewayv2_authorizer.token.identity_sources,
      ]),
    )
  }

  depends_on = [aws_apigatewayv2_route.this]

  lifecycle {
    create_before_destroy = true
  }
}

# Both throttling limits are set: without them API Gateway answers every $connect with 429. Data
# tracing and execution logs are off, because the query string holds a token.
resource "aws_apigatewayv2_stage" "this" {
  # checkov:skip=CKV_AWS_76:a switch: on an account without a log role for API Gateway they fail
  # checkov:skip=CKV2_AWS_51:browsers bring a token, not a certificate
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.environment
  deployment_id = aws_apigatewayv2_deployment.this.id

  dynamic "access_log_settings" {
    for_each = var.monitoring.access_logs ? [1] : []

    content {
      destination_arn = aws_cloudwatch_log_group.access[0].arn
      format = jsonencode({
        connectionId       = "$context.connectionId"
        error              = "$context.error.message"
        eventType          = "$context.eventType"
        integrationError   = "$context.integrationErrorMessage"
        integrationLatency = "$context.integrationLatency"
        integrationStatus  = "$context.integrationStatus"
        ip                 = "$context.identity.sourceIp"
        requestId          = "$context.requestId"
        requestTime        = "$context.requestTime"
        routeKey           = "$context.routeKey"
        status             = "$context.status"
      })
    }
  }

  default_route_settings {
    data_trace_enabled       = false
    detailed_metrics_enabled = var.monitoring.detailed_metrics
    logging_level            = "OFF"
    throttling_burst_limit   = var.throttling.burst_limit
    throttling_rate_limit    = var.throttling.rate_limit
  }

  depends_on = [aws_api_gateway_account.this]
}
