# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

resource "aws_apigatewayv2_api" "this" {
  name                       = var.name
  description                = "Live logs of workstreams"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

# Authorization exists on $connect only; what it finds is repeated on every later event.
resource "aws_apigatewayv2_authorizer" "token" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "token"
  authorizer_type  = "REQUEST"
  authorizer_uri   = aws_lambda_function.authorize.invoke_arn
  identity_sources = ["route.request.querystring.token"]
}

# An authorizer's ARN, not a route's: that one would answer 500 to every connect.
resource "aws_lambda_permission" "authorizer" {
  statement_id  = "ApiGatewayAuthorizer"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.authorize.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.token.id}"
}

resource "aws_apigatewayv2_integration" "connect" {
  api_id                    = aws_apigatewayv2_api.this.id
  integration_type          = "AWS_PROXY"
  integration_method        = "POST"
  content_handling_strategy = "CONVERT_TO_TEXT"
  integration_uri           = aws_lambda_function.connect.invoke_arn
}

resource "aws_apigatewayv2_route" "connect" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$connect"
  target             = "integrations/${aws_apigatewayv2_integration.connect.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.token.id
}

resource "aws_lambda_permission" "connect" {
  statement_id  = "Route-connect"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.connect.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/$connect"
}

resource "aws_apigatewayv2_integration" "disconnect" {
  api_id                    = aws_apigatewayv2_api.this.id
  integration_type          = "AWS_PROXY"
  integration_method        = "POST"
  content_handling_strategy = "CONVERT_TO_TEXT"
  integration_uri           = aws_lambda_function.disconnect.invoke_arn
}

resource "aws_apigatewayv2_route" "disconnect" {
  # checkov:skip=CKV_AWS_309:a WebSocket API authorizes $connect; the other routes exist only on a connection
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$disconnect"
  target             = "integrations/${aws_apigatewayv2_integration.disconnect.id}"
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "disconnect" {
  statement_id  = "Route-disconnect"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.disconnect.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/$disconnect"
}

resource "aws_apigatewayv2_integration" "send_logs" {
  api_id                    = aws_apigatewayv2_api.this.id
  integration_type          = "AWS_PROXY"
  integration_method        = "POST"
  content_handling_strategy = "CONVERT_TO_TEXT"
  integration_uri           = aws_lambda_function.send_logs.invoke_arn
}

resource "aws_apigatewayv2_route" "send_logs" {
  # checkov:skip=CKV_AWS_309:a WebSocket API authorizes $connect; the other routes exist only on a connection
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "sendLogs"
  target             = "integrations/${aws_apigatewayv2_integration.send_logs.id}"
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "send_logs" {
  statement_id  = "Route-sendLogs"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.send_logs.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/sendLogs"
}

resource "aws_apigatewayv2_route" "default" {
  # checkov:skip=CKV_AWS_309:a WebSocket API authorizes $connect; the other routes exist only on a connection
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.send_logs.id}"
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "default" {
  statement_id  = "Route-default"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.send_logs.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/$default"
}

# A stage serves a snapshot: the hash makes a new one whenever a route's key, target or authorizer
# changes.
resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id
  triggers = {
    routes = sha1(
      jsonencode([
        aws_lambda_function.connect.invoke_arn,
        {
          route       = "$connect"
          integration = aws_apigatewayv2_integration.connect.id
          authorizer  = aws_apigatewayv2_authorizer.token.id
        },
        aws_lambda_function.disconnect.invoke_arn,
        {
          route       = "$disconnect"
          integration = aws_apigatewayv2_integration.disconnect.id
          authorizer  = ""
        },
        aws_lambda_function.send_logs.invoke_arn,
        {
          route       = "sendLogs"
          integration = aws_apigatewayv2_integration.send_logs.id
          authorizer  = ""
        },
        {
          route       = "$default"
          integration = aws_apigatewayv2_integration.send_logs.id
          authorizer  = ""
        },
      ]),
    )
  }

  depends_on = [
    aws_apigatewayv2_route.connect,
    aws_apigatewayv2_route.disconnect,
    aws_apigatewayv2_route.send_logs,
    aws_apigatewayv2_route.default,
  ]

  lifecycle {
    create_before_destroy = true
  }
}

# Both throttling numbers are always set: without them every connect answers 429. Messages are never
# traced: a query string holds a token.
resource "aws_apigatewayv2_stage" "this" {
  # checkov:skip=CKV_AWS_76:a switch: on an account without a log role for API Gateway they fail
  # checkov:skip=CKV2_AWS_51:browsers bring a token, not a certificate
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.stage_name
  deployment_id = aws_apigatewayv2_deployment.this.id

  dynamic "access_log_settings" {
    for_each = var.access_logs ? [1] : []

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
    detailed_metrics_enabled = var.detailed_metrics
    logging_level            = "OFF"
    throttling_burst_limit   = var.throttling_burst_limit
    throttling_rate_limit    = var.throttling_rate_limit
  }

  depends_on = [aws_api_gateway_account.this]
}
