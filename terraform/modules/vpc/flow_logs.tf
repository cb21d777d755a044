# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

resource "aws_cloudwatch_log_group" "flow" {
  # checkov:skip=CKV_AWS_338:the retention is an input, and a year is not the default
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another
  count = local.flow_logs ? 1 : 0

  name              = "/ralph/flow/${var.name}"
  retention_in_days = var.flow_logs.retention_in_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "flow" {
  count = local.flow_logs ? 1 : 0

  name                 = "${var.name}-flow-logs"
  path                 = var.roles.path
  permissions_boundary = var.roles.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AssumeRole"
        Effect = "Allow"
        Principal = {
          Service = "vpc-flow-logs.amazonaws.com"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = split(":", aws_vpc.this[0].arn)[4]
          }
        }
      },
    ]
  })
}

# https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
resource "aws_iam_role_policy" "flow" {
  count = local.flow_logs ? 1 : 0

  # FindLogGroup is on `*`: the action has no resource-level permissions.
  name = "flow-logs"
  role = aws_iam_role.flow[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.flow[0].arn}:*"
      },
      {
        Sid      = "FindLogGroup"
        Effect   = "Allow"
        Action   = "logs:DescribeLogGroups"
        Resource = "*"
      },
    ]
  })
}

resource "aws_flow_log" "this" {
  count = local.flow_logs ? 1 : 0

  vpc_id               = aws_vpc.this[0].id
  traffic_type         = "ALL"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow[0].arn
  iam_role_arn         = aws_iam_role.flow[0].arn
  tags = {
    Name = var.name
  }

  depends_on = [aws_iam_role_policy.flow]
}
