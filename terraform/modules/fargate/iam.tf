# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

resource "aws_iam_role" "execution" {
  name                 = "${local.role_prefix}-execution"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = split(":", aws_ecs_cluster.this.arn)[4]
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "execution" {
  # LogIn is on `*`: the token is the account's, it has no resource.
  name = "execution"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = aws_ecr_repository.worker.arn
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.workstreams.arn}:*"
      },
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = [var.anthropic_keys_arn, var.git_token_arn]
      },
    ]
  })
}

resource "aws_iam_role_policy" "execution_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Key"
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

# The agent is untrusted code: its role exists and may do nothing.
resource "aws_iam_role" "task" {
  name                 = "${local.role_prefix}-task"
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = split(":", aws_ecs_cluster.this.arn)[4]
          }
        }
      },
    ]
  })
}

data "aws_partition" "current" {}

resource "aws_iam_role" "state_machine" {
  name                 = local.state_machine_role
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          Service = "states.amazonaws.com"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = split(":", aws_ecs_cluster.this.arn)[4]
          }
          ArnEquals = {
            "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:states:${var.region}:${split(":", aws_ecs_cluster.this.arn)[4]}:stateMachine:${var.state_machine_name}"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "state_machine" {
  # DeliverLogs is on `*`: CloudWatch knows no resource for log deliveries.
  # Trace is on `*`: X-Ray knows no resource for traces.
  name = "state-machine"
  role = aws_iam_role.state_machine.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RunTask"
        Effect   = "Allow"
        Action   = "ecs:RunTask"
        Resource = "${aws_ecs_task_definition.worker.arn_without_revision}:*"
        Condition = {
          ArnEquals = {
            "ecs:cluster" = aws_ecs_cluster.this.arn
          }
        }
      },
      {
        Sid      = "TagTask"
        Effect   = "Allow"
        Action   = "ecs:TagResource"
        Resource = "${replace(aws_ecs_cluster.this.arn, ":cluster/", ":task/")}/*"
        Condition = {
          StringEquals = {
            "ecs:CreateAction" = "RunTask"
          }
        }
      },
      {
        Sid      = "FollowTask"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource = "${replace(aws_ecs_cluster.this.arn, ":cluster/", ":task/")}/*"
        Condition = {
          ArnEquals = {
            "ecs:cluster" = aws_ecs_cluster.this.arn
          }
        }
      },
      {
        Sid      = "HearOfTask"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = "arn:${data.aws_partition.current.partition}:events:${var.region}:${split(":", aws_ecs_cluster.this.arn)[4]}:rule/StepFunctionsGetEventsForECSTaskRule"
      },
      {
        Sid      = "GiveRoles"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
        Condition = {
          StringEquals = {
            "iam:PassedToService" = "ecs-tasks.amazonaws.com"
          }
        }
      },
      {
        Sid      = "Ask"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [var.admit_function_arn, var.decide_function_arn]
      },
      {
        Sid    = "DeliverLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery",
          "logs:DeleteLogDelivery",
          "logs:DescribeLogGroups",
          "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery",
          "logs:ListLogDeliveries",
          "logs:PutResourcePolicy",
          "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      },
      {
        Sid    = "Trace"
        Effect = "Allow"
        Action = [
          "xray:GetSamplingRules",
          "xray:GetSamplingTargets",
          "xray:PutTelemetryRecords",
          "xray:PutTraceSegments",
        ]
        Resource = "*"
      },
    ]
  })
}
