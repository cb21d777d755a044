# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

check "lambda_zip" {
  assert {
    condition     = fileexists(var.lambda.zip)
    error_message = "The functions are not built yet: ${var.lambda.zip} is missing. Run: just build-lambdas"
  }
}

data "aws_partition" "current" {}

locals {
  post_to_connections = {
    Sid      = "PostToConnections"
    Effect   = "Allow"
    Action   = "execute-api:ManageConnections"
    Resource = "${aws_apigatewayv2_api.this.execution_arn}/${var.environment}/POST/@connections/*"
  }
  send_failures = {
    Sid      = "SendFailures"
    Effect   = "Allow"
    Action   = "sqs:SendMessage"
    Resource = aws_sqs_queue.failures.arn
  }
  read_logs = {
    Sid      = "ReadLogs"
    Effect   = "Allow"
    Action   = "logs:GetLogEvents"
    Resource = [var.workers.log_group_arn, "${var.workers.log_group_arn}:*"]
  }

  # What differs from function to function. The resources below have the rest. table_keys are patterns
  # of the partition keys that a function may use; * is every one.
  functions = {
    admit = {
      description = "Checks an order, takes its workstream's lease and begins the first run"
      environment = {
        RALPH_ALLOW_FILE_REPO   = var.executions.allow_file_repositories ? "1" : "0"
        RALPH_MAX_DURATION_SECS = tostring(var.executions.max_duration_secs)
        RALPH_RETENTION_DAYS    = tostring(var.workers.log_retention_in_days)
      }
      key_actions = {}
      memory_size = 256
      statements = [
        {
          Sid      = "DescribeExecutions"
          Effect   = "Allow"
          Action   = "states:DescribeExecution"
          Resource = "arn:${data.aws_partition.current.partition}:states:${var.region}:${local.account_id}:execution:${var.executions.state_machine_name}:*"
        },
      ]
      table_actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
      table_keys    = ["INDEX", "WS#*"]
      timeout       = 10
    }
    authorize = {
      description = "Checks the token of a connection"
      environment = {
        RALPH_SIGNING_KEYS_ARN = var.signing_keys_arn
      }
      key_actions = {
        secretsmanager = ["kms:Decrypt"]
      }
      memory_size = 256
      statements = [
        {
          Sid      = "ReadSigningKeys"
          Effect   = "Allow"
          Action   = "secretsmanager:GetSecretValue"
          Resource = var.signing_keys_arn
        },
      ]
      table_actions = ["dynamodb:PutItem"]
      table_keys    = ["*"]
      timeout       = 10
    }
    connect = {
      description   = "Records a connection"
      environment   = {}
      key_actions   = {}
      memory_size   = 256
      statements    = []
      table_actions = ["dynamodb:PutItem"]
      table_keys    = ["*"]
      timeout       = 10
    }
    decide = {
      description = "Settles what a run has used, and says what follows a run or a wait of an execution"
      environment = merge(
        {
          RALPH_LOG_GROUP      = var.workers.log_group_name
          RALPH_LOG_URL        = var.workers.log_url
          RALPH_RETENTION_DAYS = tostring(var.workers.log_retention_in_days)
        },
        { for arn in local.notify_topic_arns : "RALPH_NOTIFY_TOPIC_ARN" => arn },
      )
      key_actions = {
        for arn in local.notify_topic_arns : "sns" => ["kms:Decrypt", "kms:GenerateDataKey"]
      }
      memory_size = 256
      statements = concat(
        [local.read_logs],
        [
          for arn in local.notify_topic_arns : {
            Sid      = "Notify"
            Effect   = "Allow"
            Action   = "sns:Publish"
            Resource = arn
          }
        ],
      )
      table_actions = [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
      ]
      table_keys = ["INDEX", "WS#*"]
      timeout    = 30
    }
    disconnect = {
      description   = "Removes a connection"
      environment   = {}
      key_actions   = {}
      memory_size   = 256
      statements    = []
      table_actions = ["dynamodb:DeleteItem", "dynamodb:Query"]
      table_keys    = ["*"]
      timeout       = 10
    }
    push-logs = {
      description = "Sends new lines to the connections that follow them"
      environment = {
        RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
        RALPH_RETENTION_DAYS      = tostring(var.workers.log_retention_in_days)
      }
      key_actions = {
        sqs = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
      memory_size = 512
      statements  = [local.post_to_connections, local.send_failures]
      table_actions = [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ]
      table_keys = ["*"]
      timeout    = 60
    }
    send-logs = {
      description = "Answers a client: subscribes, replays, lists the runs and the workstreams"
      environment = {
        RALPH_LOG_GROUP           = var.workers.log_group_name
        RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
      }
      key_actions   = {}
      memory_size   = 512
      statements    = [local.read_logs, local.post_to_connections]
      table_actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
      table_keys    = ["*"]
      timeout       = 29
    }
    task-events = {
      description = "Records the state of a run's task, and sends it to the connections that follow the run"
      environment = {
        RALPH_MANAGEMENT_ENDPOINT = local.management_endpoint
        RALPH_RETENTION_DAYS      = tostring(var.workers.log_retention_in_days)
      }
      key_actions = {
        sqs = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
      memory_size = 512
      statements  = [local.post_to_connections, local.send_failures]
      table_actions = [
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ]
      table_keys = ["*"]
      timeout    = 30
    }
  }
}

# Lambda would make the group without a retention, and leave it when the function is deleted. A
# function may not make it.
resource "aws_cloudwatch_log_group" "function" {
  # checkov:skip=CKV_AWS_338:the retention is an input, and a year is not the default
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.lambda.log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = "${var.name}-${each.key}"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AssumeRole"
        Effect = "Allow"
        Principal = {
          Service = "lambda.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  # WriteTraces is on `*`: these actions of X-Ray have no resource-level permissions.
  name = each.key
  role = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.function[each.key].arn}:*"
        },
        {
          Sid      = "UseTable"
          Effect   = "Allow"
          Action   = each.value.table_actions
          Resource = aws_dynamodb_table.connections.arn
          Condition = {
            "ForAllValues:StringLike" = {
              "dynamodb:LeadingKeys" = each.value.table_keys
            }
          }
        },
      ],
      each.value.statements,
      [
        for service, actions in merge({ dynamodb = ["kms:Decrypt"] }, each.value.key_actions) : {
          Sid      = "UseKey${title(service)}"
          Effect   = "Allow"
          Action   = actions
          Resource = var.kms_key_arn
          Condition = {
            StringEquals = {
              "kms:ViaService" = "${service}.${var.region}.amazonaws.com"
            }
          }
        } if var.kms_key_arn != null
      ],
      [
        for name in var.monitoring.traced_functions : {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
          Resource = "*"
        } if name == each.key
      ],
    )
  })
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_117:nothing private to reach, and a VPC would need NAT
  # checkov:skip=CKV_AWS_115:a reservation fails on accounts with a low quota
  # checkov:skip=CKV_AWS_116:called synchronously, or with a destination for failures in place of a dead-letter queue
  # checkov:skip=CKV_AWS_272:the zip is built where it is applied
  # checkov:skip=CKV_AWS_173:the variables hold names, no secret
  # checkov:skip=CKV_AWS_50:tracing is an input, off by default: each function has metrics of its own
  for_each = local.functions

  function_name = "${var.name}-${each.key}"
  description   = each.value.description
  role          = aws_iam_role.function[each.key].arn
  runtime       = "provided.al2023"
  architectures = [var.lambda.architecture]
  handler       = each.key
  filename      = var.lambda.zip
  # Null, so that a plan works before the functions are built.
  source_code_hash               = fileexists(var.lambda.zip) ? filebase64sha256(var.lambda.zip) : null
  memory_size                    = each.value.memory_size
  timeout                        = each.value.timeout
  reserved_concurrent_executions = lookup(var.lambda.reserved_concurrency, each.key, -1)
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = merge(
      {
        RALPH_ENVIRONMENT = var.environment
        RALPH_TABLE       = aws_dynamodb_table.connections.name
      },
      each.value.environment,
    )
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  tracing_config {
    mode = contains(var.monitoring.traced_functions, each.key) ? "Active" : "PassThrough"
  }

  depends_on = [aws_iam_role_policy.function]
}
