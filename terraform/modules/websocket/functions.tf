# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

check "lambda_zip" {
  assert {
    condition     = fileexists(var.lambda_zip)
    error_message = "The functions are not built yet: ${var.lambda_zip} is missing. Run: just build-lambdas"
  }
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "authorize" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-authorize"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "authorize" {
  name                 = "${var.name}-authorize"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "authorize" {
  name = "authorize"
  role = aws_iam_role.authorize.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.authorize.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = "dynamodb:PutItem"
        Resource = aws_dynamodb_table.connections.arn
      },
      {
        Sid      = "ReadSigningKeys"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = var.signing_keys_arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "authorize_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.authorize.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
      {
        Sid      = "SecretKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "authorize_tracing" {
  count = contains(var.traced_functions, "authorize") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.authorize.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "authorize" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-authorize"
  description                    = "Checks the token of a connection"
  role                           = aws_iam_role.authorize.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "authorize"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "authorize", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT      = var.environment
      RALPH_SIGNING_KEYS_ARN = var.signing_keys_arn
      RALPH_TABLE            = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.authorize.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "authorize") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.authorize,
    aws_iam_role_policy.authorize_key,
    aws_iam_role_policy.authorize_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "connect" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-connect"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "connect" {
  name                 = "${var.name}-connect"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "connect" {
  name = "connect"
  role = aws_iam_role.connect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.connect.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = "dynamodb:PutItem"
        Resource = aws_dynamodb_table.connections.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "connect_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.connect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "connect_tracing" {
  count = contains(var.traced_functions, "connect") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.connect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "connect" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-connect"
  description                    = "Records a connection"
  role                           = aws_iam_role.connect.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "connect"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "connect", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT = var.environment
      RALPH_TABLE       = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.connect.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "connect") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.connect,
    aws_iam_role_policy.connect_key,
    aws_iam_role_policy.connect_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "disconnect" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-disconnect"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "disconnect" {
  name                 = "${var.name}-disconnect"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "disconnect" {
  name = "disconnect"
  role = aws_iam_role.disconnect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.disconnect.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:Query"]
        Resource = aws_dynamodb_table.connections.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "disconnect_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.disconnect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "disconnect_tracing" {
  count = contains(var.traced_functions, "disconnect") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.disconnect.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "disconnect" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-disconnect"
  description                    = "Removes a connection"
  role                           = aws_iam_role.disconnect.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "disconnect"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "disconnect", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT = var.environment
      RALPH_TABLE       = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.disconnect.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "disconnect") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.disconnect,
    aws_iam_role_policy.disconnect_key,
    aws_iam_role_policy.disconnect_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "send_logs" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-send-logs"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "send_logs" {
  name                 = "${var.name}-send-logs"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "send_logs" {
  name = "send-logs"
  role = aws_iam_role.send_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.send_logs.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        Resource = aws_dynamodb_table.connections.arn
      },
      {
        Sid      = "Replay"
        Effect   = "Allow"
        Action   = "logs:GetLogEvents"
        Resource = [var.workers_log_group_arn, "${var.workers_log_group_arn}:*"]
      },
      {
        Sid      = "Post"
        Effect   = "Allow"
        Action   = "execute-api:ManageConnections"
        Resource = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage_name}/POST/@connections/*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "send_logs_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.send_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "send_logs_tracing" {
  count = contains(var.traced_functions, "send-logs") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.send_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "send_logs" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-send-logs"
  description                    = "Answers a client: subscribes, replays, lists the runs"
  role                           = aws_iam_role.send_logs.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "send-logs"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 512
  timeout                        = 29
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "send-logs", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT         = var.environment
      RALPH_LOG_GROUP           = var.workers_log_group_name
      RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
      RALPH_TABLE               = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.send_logs.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "send-logs") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.send_logs,
    aws_iam_role_policy.send_logs_key,
    aws_iam_role_policy.send_logs_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "push_logs" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-push-logs"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "push_logs" {
  name                 = "${var.name}-push-logs"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "push_logs" {
  name = "push-logs"
  role = aws_iam_role.push_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.push_logs.arn}:*"
      },
      {
        Sid    = "Table"
        Effect = "Allow"
        Action = [
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ]
        Resource = aws_dynamodb_table.connections.arn
      },
      {
        Sid      = "Post"
        Effect   = "Allow"
        Action   = "execute-api:ManageConnections"
        Resource = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage_name}/POST/@connections/*"
      },
      {
        Sid      = "KeepFailures"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.failures.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "push_logs_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.push_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
      {
        Sid      = "QueueKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "sqs.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "push_logs_tracing" {
  count = contains(var.traced_functions, "push-logs") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.push_logs.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "push_logs" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-push-logs"
  description                    = "Sends new lines to the connections that follow them"
  role                           = aws_iam_role.push_logs.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "push-logs"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 512
  timeout                        = 60
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "push-logs", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT         = var.environment
      RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
      RALPH_RETENTION_DAYS      = tostring(var.workers_log_retention_in_days)
      RALPH_TABLE               = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.push_logs.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "push-logs") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.push_logs,
    aws_iam_role_policy.push_logs_key,
    aws_iam_role_policy.push_logs_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "task_events" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-task-events"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "task_events" {
  name                 = "${var.name}-task-events"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "task_events" {
  name = "task-events"
  role = aws_iam_role.task_events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.task_events.arn}:*"
      },
      {
        Sid    = "Table"
        Effect = "Allow"
        Action = [
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ]
        Resource = aws_dynamodb_table.connections.arn
      },
      {
        Sid      = "Post"
        Effect   = "Allow"
        Action   = "execute-api:ManageConnections"
        Resource = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage_name}/POST/@connections/*"
      },
      {
        Sid      = "KeepFailures"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.failures.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "task_events_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.task_events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
      {
        Sid      = "QueueKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "sqs.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "task_events_tracing" {
  count = contains(var.traced_functions, "task-events") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.task_events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "task_events" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-task-events"
  description                    = "Records the state of a run's task, and sends it to the connections that follow the run"
  role                           = aws_iam_role.task_events.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "task-events"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 512
  timeout                        = 30
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "task-events", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT         = var.environment
      RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
      RALPH_RETENTION_DAYS      = tostring(var.workers_log_retention_in_days)
      RALPH_TABLE               = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.task_events.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "task-events") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.task_events,
    aws_iam_role_policy.task_events_key,
    aws_iam_role_policy.task_events_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "admit" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-admit"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "admit" {
  name                 = "${var.name}-admit"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

data "aws_partition" "current" {}

resource "aws_iam_role_policy" "admit" {
  name = "admit"
  role = aws_iam_role.admit.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.admit.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
        Resource = aws_dynamodb_table.connections.arn
        Condition = {
          "ForAllValues:StringLike" = {
            "dynamodb:LeadingKeys" = "WS#*"
          }
        }
      },
      {
        Sid      = "LookAtHolder"
        Effect   = "Allow"
        Action   = "states:DescribeExecution"
        Resource = "arn:${data.aws_partition.current.partition}:states:${var.region}:${split(":", aws_dynamodb_table.connections.arn)[4]}:execution:${var.state_machine_name}:*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "admit_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.admit.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "admit_tracing" {
  count = contains(var.traced_functions, "admit") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.admit.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "admit" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-admit"
  description                    = "Checks an order, takes its workstream's lease and begins the first run"
  role                           = aws_iam_role.admit.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "admit"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "admit", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ALLOW_FILE_REPO   = var.allow_file_repositories ? "1" : "0"
      RALPH_ENVIRONMENT       = var.environment
      RALPH_MAX_DURATION_SECS = tostring(var.max_duration_secs)
      RALPH_RETENTION_DAYS    = tostring(var.workers_log_retention_in_days)
      RALPH_TABLE             = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.admit.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "admit") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.admit,
    aws_iam_role_policy.admit_key,
    aws_iam_role_policy.admit_tracing,
  ]
}

# Made before the function, which may not make it: so it has a retention, and goes when the function
# goes.
resource "aws_cloudwatch_log_group" "decide" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/lambda/${var.name}-decide"
  retention_in_days = var.function_log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "decide" {
  name                 = "${var.name}-decide"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "decide" {
  name = "decide"
  role = aws_iam_role.decide.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.decide.arn}:*"
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = aws_dynamodb_table.connections.arn
        Condition = {
          "ForAllValues:StringLike" = {
            "dynamodb:LeadingKeys" = "WS#*"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "decide_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.decide.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TableKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "decide_tracing" {
  count = contains(var.traced_functions, "decide") ? 1 : 0

  # Trace is on `*`: traces are the account's, they have no resource.
  name = "tracing"
  role = aws_iam_role.decide.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_lambda_function" "decide" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:one hop, measured by its own metrics
  function_name                  = "${var.name}-decide"
  description                    = "Says what follows a run or a wait of an execution"
  role                           = aws_iam_role.decide.arn
  runtime                        = "provided.al2023"
  architectures                  = [var.architecture]
  handler                        = "decide"
  filename                       = var.lambda_zip
  source_code_hash               = local.lambda_zip_hash
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = lookup(var.reserved_concurrency, "decide", -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = {
      RALPH_ENVIRONMENT    = var.environment
      RALPH_RETENTION_DAYS = tostring(var.workers_log_retention_in_days)
      RALPH_TABLE          = aws_dynamodb_table.connections.name
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.decide.name
  }

  tracing_config {
    mode = contains(var.traced_functions, "decide") ? "Active" : "PassThrough"
  }

  depends_on = [
    aws_iam_role_policy.decide,
    aws_iam_role_policy.decide_key,
    aws_iam_role_policy.decide_tracing,
  ]
}
