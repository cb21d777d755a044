# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

resource "aws_cloudwatch_log_group" "access" {
  # checkov:skip=CKV_AWS_338:the retention is an input, and a year is not the default
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another
  count = var.monitoring.access_logs ? 1 : 0

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.lambda.log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "api_logs" {
  count = var.monitoring.account_log_role ? 1 : 0

  name                 = "${var.name}-api-logs"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AssumeRole"
        Effect = "Allow"
        Principal = {
          Service = "apigateway.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "api_logs" {
  # checkov:skip=CKV_AWS_290:the role is the account's: API Gateway refuses one that may not write every group
  # checkov:skip=CKV_AWS_355:the role is the account's: API Gateway refuses one that names groups
  count = var.monitoring.account_log_role ? 1 : 0

  # WriteLogs is on `*`: the role is the account's, and API Gateway refuses one that may do less.
  name = "logs"
  role = aws_iam_role.api_logs[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "WriteLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogGroup",
          "logs:CreateLogStream",
          "logs:DescribeLogGroups",
          "logs:DescribeLogStreams",
          "logs:FilterLogEvents",
          "logs:GetLogEvents",
          "logs:PutLogEvents",
        ]
        Resource = "*"
      },
    ]
  })
}

# The account has one such role in each Region, and a destroy removes it: so it has a switch of its
# own.
resource "aws_api_gateway_account" "this" {
  count = var.monitoring.account_log_role ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.api_logs[0].arn

  depends_on = [aws_iam_role_policy.api_logs]
}
