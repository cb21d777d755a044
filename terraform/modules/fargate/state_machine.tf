# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

data "aws_partition" "current" {}

# Under /aws/vendedlogs/, because every other group that a service delivers to takes a place in the
# account's one resource policy, which fills up.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
resource "aws_cloudwatch_log_group" "state_machine" {
  # checkov:skip=CKV_AWS_338:a year of logs is the reader's choice, not the default's
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key
  name              = "/aws/vendedlogs/states/${var.state_machine_name}"
  retention_in_days = var.log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

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
            "aws:SourceArn" = "${local.states_arn}:stateMachine:${var.state_machine_name}"
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
        Sid      = "Rows"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = var.connections_table_arn
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
        Resource = "${local.states_arn}:execution:${var.state_machine_name}:*"
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

resource "aws_iam_role_policy" "state_machine_key" {
  count = var.kms_key_arn != null ? 1 : 0

  name = "key"
  role = aws_iam_role.state_machine.id
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
            "kms:ViaService" = "dynamodb.${var.region}.amazonaws.com"
          }
        }
      },
    ]
  })
}

# Failures are logged, their data is not: a command or a reason can quote what a repository says.
# Who may read an execution's history finds it there for 90 days.
resource "aws_sfn_state_machine" "workstream" {
  # checkov:skip=CKV_AWS_285:a command or a reason can quote what a repository says; the execution's history holds it
  name     = var.state_machine_name
  type     = "STANDARD"
  role_arn = aws_iam_role.state_machine.arn
  definition = jsonencode({
    Comment = "Carries a workstream's execution through in as many runs of the worker as it takes."
    StartAt = "ReadInput"
    States = {
      ReadInput = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Comment       = "What is not known yet is empty, so that every end can tell what there is."
        Assign = {
          workstream          = "{% $type($states.input.workstream) = 'string' ? $states.input.workstream : '' %}"
          files               = var.allow_file_repositories
          defaultDurationSecs = var.max_duration_secs
          rowLifeSecs         = var.log_retention_in_days * 86400
          attempt             = 0
          run                 = "{% null %}"
          exit                = "{% null %}"
          outcome             = "internal"
          reason              = ""
        }
        Next = "CheckInput"
      }
      CheckInput = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Comment       = "Nothing is started, and nothing is written, for an input that is refused."
        Choices = [
          {
            Condition = "{% $type($states.input) != 'object' %}"
            Output = {
              reason = "the input is no JSON object; `ralph run` makes one"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $count($keys($states.input)[$not($ in ['workstream', 'repo', 'base', 'branch', 'promptFile', 'verifyCommand', 'limits'])]) > 0 %}"
            Output = {
              reason = "the input has a field that is not known; known are workstream, repo, base, branch, promptFile, verifyCommand and limits"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($contains($workstream, /^[a-z0-9][a-z0-9-]{0,47}$/)) %}"
            Output = {
              reason = "the workstream is no id; 1 to 48 characters of a-z, 0-9 and -, not starting with -"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $substring($states.context.Execution.Name, 0, $length($workstream) + 1) != $workstream & '-' or $not($contains($substring($states.context.Execution.Name, $length($workstream) + 1), /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)) %}"
            Output = {
              reason = "the execution's name is not the workstream, a hyphen and a ULID; `ralph run` makes such names"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $reduce($split($substring($states.context.Execution.Name, $length($workstream) + 1, 10), ''), function($sum, $char) { $sum * 32 + $length($substringBefore('0123456789ABCDEFGHJKMNPQRSTVWXYZ', $char)) }, 0) > $millis() + 3600000 %}"
            Output = {
              reason = "the time in the execution's name is more than an hour ahead; check the clock of the machine that made it"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.repo) = 'string' ? $length($states.input.repo) <= 1000 and ($contains($states.input.repo, /^https:\\/\\/([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?(:[0-9]{1,5})?\\/[A-Za-z0-9._~%+\\/-]+$/) or ($files and $contains($states.input.repo, /^file:\\/\\/\\/[A-Za-z0-9._~%+\\/-]+$/))) : false) %}"
            Output = {
              reason = "the repository is not an https URL of at most 1000 characters with a host name and a path, and nothing else; such as https://github.com/you/project, without user name, IP address, query or fragment; the git-token secret is for credentials"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $contains($states.input.repo, /^https:\\/\\/[^:\\/]*\\.(arpa|corp|home|internal|intranet|lan|local|localdomain|localhost|private)[:\\/]/i) %}"
            Output = {
              reason = "the repository's host is a name inside a private network; use a host that the public internet knows"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.base) = 'string' ? $length($states.input.base) >= 1 and $length($states.input.base) <= 200 : $not($exists($states.input.base))) %}"
            Output = {
              reason = "base is no text of 1 to 200 characters; leave it out for the environment's own"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.branch) = 'string' ? $length($states.input.branch) >= 1 and $length($states.input.branch) <= 200 : $not($exists($states.input.branch))) %}"
            Output = {
              reason = "branch is no text of 1 to 200 characters; leave it out for the environment's own"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.promptFile) = 'string' ? $length($states.input.promptFile) >= 1 and $length($states.input.promptFile) <= 500 : $not($exists($states.input.promptFile))) %}"
            Output = {
              reason = "promptFile is no text of 1 to 500 characters; leave it out for the environment's own"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.verifyCommand) = 'string' ? $length($states.input.verifyCommand) >= 1 and $length($states.input.verifyCommand) <= 2000 : $not($exists($states.input.verifyCommand))) %}"
            Output = {
              reason = "verifyCommand is no text of 1 to 2000 characters; leave it out for the environment's own"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $type($states.input.limits) = 'object' ? $count($keys($states.input.limits)[$not($ in ['maxIterations', 'maxDurationSecs', 'maxCostUsd', 'iterationTimeoutSecs', 'silenceSecs', 'maxStalls'])]) > 0 : $exists($states.input.limits) %}"
            Output = {
              reason = "limits is no object, or has a field that is not known; known are maxIterations, maxDurationSecs, maxCostUsd, iterationTimeoutSecs, silenceSecs and maxStalls"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.maxIterations) = 'number' ? $states.input.limits.maxIterations >= 1 and $states.input.limits.maxIterations <= 100000 and $floor($states.input.limits.maxIterations) = $states.input.limits.maxIterations : $not($exists($states.input.limits.maxIterations))) %}"
            Output = {
              reason = "limits.maxIterations is out of range; a whole number from 1 to 100000"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.maxDurationSecs) = 'number' ? $states.input.limits.maxDurationSecs >= 1 and $states.input.limits.maxDurationSecs <= 25920000 and $floor($states.input.limits.maxDurationSecs) = $states.input.limits.maxDurationSecs : $not($exists($states.input.limits.maxDurationSecs))) %}"
            Output = {
              reason = "limits.maxDurationSecs is out of range; a whole number of seconds from 1 to 25920000"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.maxCostUsd) = 'number' ? $states.input.limits.maxCostUsd > 0 and $states.input.limits.maxCostUsd <= 1000000 : $not($exists($states.input.limits.maxCostUsd))) %}"
            Output = {
              reason = "limits.maxCostUsd is out of range; US dollars, more than 0 and at most 1000000"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.iterationTimeoutSecs) = 'number' ? $states.input.limits.iterationTimeoutSecs >= 1 and $states.input.limits.iterationTimeoutSecs <= 25920000 and $floor($states.input.limits.iterationTimeoutSecs) = $states.input.limits.iterationTimeoutSecs : $not($exists($states.input.limits.iterationTimeoutSecs))) %}"
            Output = {
              reason = "limits.iterationTimeoutSecs is out of range; a whole number of seconds from 1 to 25920000"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.silenceSecs) = 'number' ? $states.input.limits.silenceSecs >= 1 and $states.input.limits.silenceSecs <= 25920000 and $floor($states.input.limits.silenceSecs) = $states.input.limits.silenceSecs : $not($exists($states.input.limits.silenceSecs))) %}"
            Output = {
              reason = "limits.silenceSecs is out of range; a whole number of seconds from 1 to 25920000"
            }
            Next = "Refuse"
          },
          {
            Condition = "{% $not($type($states.input.limits.maxStalls) = 'number' ? $states.input.limits.maxStalls >= 1 and $states.input.limits.maxStalls <= 1000 and $floor($states.input.limits.maxStalls) = $states.input.limits.maxStalls : $not($exists($states.input.limits.maxStalls))) %}"
            Output = {
              reason = "limits.maxStalls is out of range; a whole number from 1 to 1000"
            }
            Next = "Refuse"
          },
        ]
        Default = "Prepare"
      }
      Prepare = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Comment       = "The deadline counts from the time in the execution's ULID, as the worker's own does."
        Assign = {
          order      = "{% $states.input %}"
          ulid       = "{% $substring($states.context.Execution.Name, $length($workstream) + 1) %}"
          deadline   = "{% $reduce($split($substring($substring($states.context.Execution.Name, $length($workstream) + 1), 0, 10), ''), function($sum, $char) { $sum * 32 + $length($substringBefore('0123456789ABCDEFGHJKMNPQRSTVWXYZ', $char)) }, 0) + 1000 * ($exists($states.input.limits.maxDurationSecs) ? $states.input.limits.maxDurationSecs : $defaultDurationSecs) %}"
          me         = "{% $states.context.Execution.Id %}"
          holder     = ""
          leaseTries = 0
          spot       = 0
          waits      = 0
          inRow      = 0
          other      = 0
          capacity   = 0
          waitUntil  = 0
        }
        Output = "{% {} %}"
        Next   = "TakeLease"
      }
      TakeLease = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Comment       = "One execution a workstream. Its own lease counts as free: a call that AWS repeats."
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:putItem"
        Arguments = {
          TableName = var.connections_table_name
          Item = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "LEASE"
            }
            execution = {
              S = "{% $me %}"
            }
            expiresAt = {
              N = "{% $string($floor($deadline / 1000) + 3600) %}"
            }
          }
          ConditionExpression = "attribute_not_exists(#pk) OR #expires < :now OR #execution = :me"
          ExpressionAttributeNames = {
            "#pk"        = "pk"
            "#expires"   = "expiresAt"
            "#execution" = "execution"
          }
          ExpressionAttributeValues = {
            ":me" = {
              S = "{% $me %}"
            }
            ":now" = {
              N = "{% $string($floor($millis() / 1000)) %}"
            }
          }
        }
        Retry = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            Output      = "{% {} %}"
            Next        = "ReadLease"
          },
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {'reason': $states.errorOutput.Error & ($exists($states.errorOutput.Cause) ? ': ' & $states.errorOutput.Cause : '')} %}"
            Next        = "Break"
          },
        ]
        Output = "{% {} %}"
        Next   = "TimeLeft"
      }
      ReadLease = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:getItem"
        Arguments = {
          TableName = var.connections_table_name
          Key = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "LEASE"
            }
          }
          ConsistentRead = true
        }
        Retry = [
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {'reason': $states.errorOutput.Error & ($exists($states.errorOutput.Cause) ? ': ' & $states.errorOutput.Cause : '')} %}"
            Next        = "Break"
          },
        ]
        Assign = {
          holder     = "{% $exists($states.result.Item.execution.S) ? $states.result.Item.execution.S : '' %}"
          leaseTries = "{% $leaseTries + 1 %}"
        }
        Output = "{% {} %}"
        Next   = "Holder"
      }
      Holder = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Comment       = "The holder may have let go in between: then the lease is asked for again."
        Choices = [
          {
            Condition = "{% $holder = '' and $leaseTries < 3 %}"
            Next      = "TakeLease"
          },
          {
            Condition = "{% $holder = '' %}"
            Next      = "Busy"
          },
        ]
        Default = "DescribeHolder"
      }
      DescribeHolder = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Resource      = "arn:${data.aws_partition.current.partition}:states:::aws-sdk:sfn:describeExecution"
        Arguments = {
          ExecutionArn = "{% $holder %}"
        }
        Retry = [
          {
            ErrorEquals = ["Sfn.ExecutionDoesNotExistException", "Sfn.ExecutionDoesNotExist"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["Sfn.ExecutionDoesNotExistException", "Sfn.ExecutionDoesNotExist"]
            Output      = "{% {} %}"
            Next        = "TakeOver"
          },
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {'reason': $states.errorOutput.Error & ($exists($states.errorOutput.Cause) ? ': ' & $states.errorOutput.Cause : '')} %}"
            Next        = "Break"
          },
        ]
        Output = {
          status = "{% $states.result.Status %}"
        }
        Next = "HolderRuns"
      }
      HolderRuns = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Comment       = "An execution that was stopped leaves its lease behind."
        Choices = [
          {
            Condition = "{% $states.input.status = 'RUNNING' %}"
            Next      = "Busy"
          },
        ]
        Default = "TakeOver"
      }
      TakeOver = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Comment       = "Only from the holder that was looked at: of two that look, one is faster."
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:putItem"
        Arguments = {
          TableName = var.connections_table_name
          Item = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "LEASE"
            }
            execution = {
              S = "{% $me %}"
            }
            expiresAt = {
              N = "{% $string($floor($deadline / 1000) + 3600) %}"
            }
          }
          ConditionExpression = "#execution = :holder"
          ExpressionAttributeNames = {
            "#execution" = "execution"
          }
          ExpressionAttributeValues = {
            ":holder" = {
              S = "{% $holder %}"
            }
          }
        }
        Retry = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            Output      = "{% {} %}"
            Next        = "Busy"
          },
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {'reason': $states.errorOutput.Error & ($exists($states.errorOutput.Cause) ? ': ' & $states.errorOutput.Cause : '')} %}"
            Next        = "Break"
          },
        ]
        Output = "{% {} %}"
        Next   = "TimeLeft"
      }
      Refuse = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "refused"
          reason  = "{% $states.input.reason %}"
        }
        Next = "Report"
      }
      Busy = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "busy"
          reason  = "{% 'another execution works on this workstream: ' & ($holder = '' ? 'its lease changes hands' : $holder) & '; wait for its end, or stop it with `ralph stop`' %}"
        }
        Next = "Report"
      }
      Break = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "internal"
          reason  = "{% $states.input.reason %}"
        }
        Next = "Report"
      }
      TimeLeft = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Choices = [
          {
            Condition = "{% $millis() >= $deadline %}"
            Next      = "OutOfTime"
          },
        ]
        Default = "CountRun"
      }
      OutOfTime = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "limit"
          exit    = 11
          reason  = "the limit of duration was reached"
        }
        Next = "ReleaseLease"
      }
      CountRun = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          attempt = "{% $attempt + 1 %}"
        }
        Next = "BeginRun"
      }
      BeginRun = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Comment       = "What of RunTask differs from run to run is made here, so that the history shows it."
        Assign = {
          run = "{% $ulid & '-' & $pad($string($attempt), -4, '0') %}"
        }
        Output = "{% ($id := $ulid & '-' & $pad($string($attempt), -4, '0'); {'capacityProvider': $capacity >= 5 ? 'FARGATE' : 'FARGATE_SPOT', 'environment': [{'Name': 'RALPH_WORKSTREAM', 'Value': $workstream}, {'Name': 'RALPH_RUN', 'Value': $id}, {'Name': 'RALPH_ATTEMPT', 'Value': $string($attempt)}, {'Name': 'RALPH_REPO', 'Value': $order.repo}, {'Name': 'RALPH_BASE', 'Value': $order.base}, {'Name': 'RALPH_BRANCH', 'Value': $order.branch}, {'Name': 'RALPH_PROMPT_FILE', 'Value': $order.promptFile}, {'Name': 'RALPH_VERIFY_COMMAND', 'Value': $order.verifyCommand}, {'Name': 'RALPH_MAX_ITERATIONS', 'Value': $string($order.limits.maxIterations)}, {'Name': 'RALPH_MAX_DURATION_SECS', 'Value': $string($order.limits.maxDurationSecs)}, {'Name': 'RALPH_MAX_COST_USD', 'Value': $string($order.limits.maxCostUsd)}, {'Name': 'RALPH_ITERATION_TIMEOUT_SECS', 'Value': $string($order.limits.iterationTimeoutSecs)}, {'Name': 'RALPH_SILENCE_SECS', 'Value': $string($order.limits.silenceSecs)}, {'Name': 'RALPH_MAX_STALLS', 'Value': $string($order.limits.maxStalls)}][$exists(Value)], 'timeoutSeconds': $ceil(($deadline - $millis()) / 1000) + 600}) %}"
        Next   = "NoteRun"
      }
      NoteRun = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Comment       = "So that `runs` shows a run that has not begun to speak. Not worth a failure: the first event makes the row, too."
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:putItem"
        Arguments = {
          TableName = var.connections_table_name
          Item = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "{% 'RUN#' & $run %}"
            }
            attempt = {
              N = "{% $string($attempt) %}"
            }
            startedAt = {
              N = "{% $string($millis()) %}"
            }
            lastSeq = {
              N = "0"
            }
            lastTs = {
              N = "0"
            }
            state = {
              S = "starting"
            }
            stateRank = {
              N = "0"
            }
            expiresAt = {
              N = "{% $string($floor($millis() / 1000) + $rowLifeSecs) %}"
            }
          }
          ConditionExpression = "attribute_not_exists(#pk)"
          ExpressionAttributeNames = {
            "#pk" = "pk"
          }
        }
        Retry = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 2
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% $states.input %}"
            Next        = "RunTask"
          },
        ]
        Output = "{% $states.input %}"
        Next   = "RunTask"
      }
      RunTask = {
        Type     = "Task"
        Comment  = "The time limit is what is left until the deadline, and some time to push."
        Resource = "arn:${data.aws_partition.current.partition}:states:::ecs:runTask.sync"
        Parameters = {
          Cluster        = aws_ecs_cluster.this.arn
          TaskDefinition = aws_ecs_task_definition.worker.arn
          CapacityProviderStrategy = [
            {
              "CapacityProvider.$" = "$.capacityProvider"
              Weight               = 1
            },
          ]
          NetworkConfiguration = {
            AwsvpcConfiguration = {
              Subnets        = var.subnet_ids
              SecurityGroups = [var.worker_security_group_id]
              AssignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED"
            }
          }
          Overrides = {
            ContainerOverrides = [
              {
                Name            = "worker"
                "Environment.$" = "$.environment"
              },
            ]
          }
          PropagateTags = "TASK_DEFINITION"
        }
        TimeoutSecondsPath = "$.timeoutSeconds"
        ResultPath         = "$.task"
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            ResultPath  = "$.error"
            Next        = "Normalise"
          },
        ]
        Next = "Normalise"
      }
      Normalise = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Comment       = "Success and failure become one shape, on AWS and in the local cloud."
        Output        = "{% ($error := $states.input.error; $cause := $exists($error.Cause) ? $error.Cause : ''; $answer := $exists($error) ? ($contains($cause, /^\\{[\\s\\S]*\\}$/) ? $parse($cause) : {}) : $states.input.task; $task := $exists($answer.Tasks[0]) ? $answer.Tasks[0] : $exists($answer.tasks[0]) ? $answer.tasks[0] : $answer; $text := function($value) { $type($value) = 'string' ? $value : '' }; $either := function($one, $two) { $text($one) != '' ? $text($one) : $text($two) }; $workers := $append($task.Containers, $task.containers)[Name = 'worker' or name = 'worker']; $worker := $exists($workers[0]) ? $workers[0] : {}; $exit := $type($worker.ExitCode) = 'number' ? $worker.ExitCode : $type($worker.exitCode) = 'number' ? $worker.exitCode : null; $failure := $exists($answer.Failures[0]) ? $answer.Failures[0] : $exists($answer.failures[0]) ? $answer.failures[0] : {}; $made := $either($task.TaskArn, $task.taskArn) != ''; $stopped := $either($task.StoppedReason, $task.stoppedReason); $why := $either($worker.Reason, $worker.reason); $joined := function($parts) { $exists($parts[0]) ? $join($parts, ': ') : '' }; $said := $joined([$stopped, $why][$ != '']); $refused := $joined([$either($failure.Reason, $failure.reason), $either($failure.Detail, $failure.detail)][$ != '']); $raised := $exists($error) ? $error.Error & ($cause != '' ? ': ' & $substring($cause, 0, 1000) : '') : ''; {'made': $made, 'timedOut': $exists($error) ? $error.Error = 'States.Timeout' : false, 'stopCode': $either($task.StopCode, $task.stopCode), 'exit': $exit, 'reason': $made ? $said : $refused != '' ? $refused : $raised}) %}"
        Next          = "TaskWasMade"
      }
      TaskWasMade = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Comment       = "Where there is no task no event tells of its end; the row is written here."
        Choices = [
          {
            Condition = "{% $states.input.made or $states.input.timedOut %}"
            Next      = "Classify"
          },
        ]
        Default = "NoteFailure"
      }
      NoteFailure = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:updateItem"
        Arguments = {
          TableName = var.connections_table_name
          Key = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "{% 'RUN#' & $run %}"
            }
          }
          UpdateExpression    = "SET #state = :state, #rank = :rank, #reason = :reason, #attempt = if_not_exists(#attempt, :attempt), #started = if_not_exists(#started, :now), #seq = if_not_exists(#seq, :zero), #ts = if_not_exists(#ts, :zero), #expires = :expires"
          ConditionExpression = "attribute_not_exists(#rank) OR #rank < :rank"
          ExpressionAttributeNames = {
            "#state"   = "state"
            "#rank"    = "stateRank"
            "#reason"  = "reason"
            "#attempt" = "attempt"
            "#started" = "startedAt"
            "#seq"     = "lastSeq"
            "#ts"      = "lastTs"
            "#expires" = "expiresAt"
          }
          ExpressionAttributeValues = {
            ":state" = {
              S = "failed"
            }
            ":rank" = {
              N = "2"
            }
            ":reason" = {
              S = "{% $substring($states.input.reason, 0, 500) %}"
            }
            ":attempt" = {
              N = "{% $string($attempt) %}"
            }
            ":now" = {
              N = "{% $string($millis()) %}"
            }
            ":zero" = {
              N = "0"
            }
            ":expires" = {
              N = "{% $string($floor($millis() / 1000) + $rowLifeSecs) %}"
            }
          }
        }
        Retry = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% $states.input %}"
            Next        = "Classify"
          },
        ]
        Output = "{% $states.input %}"
        Next   = "Classify"
      }
      Classify = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Choices = [
          {
            Condition = "{% $states.input.stopCode in ['UserInitiated'] %}"
            Output = {
              outcome = "stopped"
              exit    = "{% $states.input.exit %}"
              reason  = "{% $states.input.reason %}"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 0 %}"
            Output = {
              outcome = "complete"
              exit    = "{% $states.input.exit %}"
              reason  = "the work is complete"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 10 %}"
            Output = {
              outcome = "limit"
              exit    = "{% $states.input.exit %}"
              reason  = "the limit of iterations was reached"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 11 %}"
            Output = {
              outcome = "limit"
              exit    = "{% $states.input.exit %}"
              reason  = "the limit of duration was reached"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 12 %}"
            Output = {
              outcome = "limit"
              exit    = "{% $states.input.exit %}"
              reason  = "the limit of cost was reached"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 13 %}"
            Output = {
              outcome = "limit"
              exit    = "{% $states.input.exit %}"
              reason  = "too many iterations in a row made no progress"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 20 %}"
            Output = {
              outcome = "blocked"
              exit    = "{% $states.input.exit %}"
              reason  = "the repository cannot be cloned, or git refused the credentials"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 21 %}"
            Output = {
              outcome = "blocked"
              exit    = "{% $states.input.exit %}"
              reason  = "the branch cannot be pushed to; the work is on a rescue branch"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 30 %}"
            Output = {
              outcome = "blocked"
              exit    = "{% $states.input.exit %}"
              reason  = "the worker's configuration is wrong"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 31 %}"
            Output = {
              outcome = "blocked"
              exit    = "{% $states.input.exit %}"
              reason  = "no key of the model's service works"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.stopCode in ['SpotInterruption', 'TerminationNotice'] and $spot < 50 %}"
            Next      = "CountSpot"
          },
          {
            Condition = "{% $states.input.stopCode in ['SpotInterruption', 'TerminationNotice'] %}"
            Output = {
              outcome = "gaveUp"
              exit    = "{% $states.input.exit %}"
              reason  = "{% 'Spot capacity was taken back 51 times' & ($states.input.exit != null ? '; last exit ' & $string($states.input.exit) : '') & ($states.input.reason != '' ? '; last reason: ' & $states.input.reason : '') %}"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = 76 and $waits < 100 %}"
            Next      = "CountWait"
          },
          {
            Condition = "{% $states.input.exit = 76 %}"
            Output = {
              outcome = "gaveUp"
              exit    = "{% $states.input.exit %}"
              reason  = "{% 'the worker waited 101 times' & ($states.input.exit != null ? '; last exit ' & $string($states.input.exit) : '') & ($states.input.reason != '' ? '; last reason: ' & $states.input.reason : '') %}"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.timedOut %}"
            Next      = "OutOfTime"
          },
          {
            Condition = "{% $states.input.exit = null and $contains($states.input.reason, /capacity is unavailable|capacity unavailable|no capacity|insufficient capacity|RESOURCE:|limit on the number of (tasks|vcpus)|rate exceeded|throttl/i) and $capacity < 20 %}"
            Next      = "CountCapacity"
          },
          {
            Condition = "{% $states.input.exit = null and $contains($states.input.reason, /capacity is unavailable|capacity unavailable|no capacity|insufficient capacity|RESOURCE:|limit on the number of (tasks|vcpus)|rate exceeded|throttl/i) %}"
            Output = {
              outcome = "gaveUp"
              exit    = "{% $states.input.exit %}"
              reason  = "{% 'no capacity in 21 starts' & ($states.input.exit != null ? '; last exit ' & $string($states.input.exit) : '') & ($states.input.reason != '' ? '; last reason: ' & $states.input.reason : '') %}"
            }
            Next = "End"
          },
          {
            Condition = "{% $states.input.exit = null and $contains($states.input.reason, /CannotPull|CannotCreateContainer|CannotStartContainer|ResourceInitializationError|registry auth|secretsmanager|network interface|subnet|security group|AccessDenied|not authorized|InvalidParameter|ClusterNotFound|TaskDefinition/i) and $not($contains($states.input.reason, /timeout waiting for/i)) %}"
            Output = {
              outcome = "cannotStart"
              exit    = "{% $states.input.exit %}"
              reason  = "{% $states.input.reason %}"
            }
            Next = "End"
          },
          {
            Condition = "{% $inRow < 3 and $other < 20 %}"
            Next      = "CountOther"
          },
        ]
        Default = "GiveUp"
      }
      End = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "{% $states.input.outcome %}"
          exit    = "{% $states.input.exit %}"
          reason  = "{% $states.input.reason %}"
        }
        Next = "ReleaseLease"
      }
      GiveUp = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          outcome = "gaveUp"
          exit    = "{% $states.input.exit %}"
          reason  = "{% 'restarted as often as allowed' & ($states.input.exit != null ? '; last exit ' & $string($states.input.exit) : '') & ($states.input.reason != '' ? '; last reason: ' & $states.input.reason : '') %}"
        }
        Next = "ReleaseLease"
      }
      CountSpot = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          spot     = "{% $spot + 1 %}"
          inRow    = 0
          capacity = 0
        }
        Next = "TimeLeft"
      }
      CountWait = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          waits    = "{% $waits + 1 %}"
          inRow    = 0
          capacity = 0
        }
        Next = "Settle"
      }
      CountCapacity = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          capacity = "{% $capacity + 1 %}"
        }
        Next = "WaitForCapacity"
      }
      CountOther = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          inRow    = "{% $inRow + 1 %}"
          other    = "{% $other + 1 %}"
          capacity = 0
        }
        Next = "Pause"
      }
      Settle = {
        Type          = "Wait"
        QueryLanguage = "JSONata"
        Comment       = "The worker's last lines say until when it waits; they take a while to arrive."
        Seconds       = "{% 180 %}"
        Output        = "{% {} %}"
        Next          = "ReadWait"
      }
      ReadWait = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:getItem"
        Arguments = {
          TableName = var.connections_table_name
          Key = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "{% 'RUN#' & $run %}"
            }
          }
          ConsistentRead = true
        }
        Retry = [
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {} %}"
            Next        = "WaitUnknown"
          },
        ]
        Assign = {
          waitUntil = "{% $exists($states.result.Item.waitUntil.N) ? $number($states.result.Item.waitUntil.N) : $millis() + 900000 %}"
        }
        Output = "{% {} %}"
        Next   = "HowLong"
      }
      HowLong = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Choices = [
          {
            Condition = "{% $waitUntil <= $millis() %}"
            Next      = "TimeLeft"
          },
          {
            Condition = "{% $waitUntil >= $deadline %}"
            Next      = "OutOfTime"
          },
        ]
        Default = "WaitUntil"
      }
      WaitUnknown = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Assign = {
          waitUntil = "{% $millis() + 900000 %}"
        }
        Next = "HowLong"
      }
      WaitUntil = {
        Type          = "Wait"
        QueryLanguage = "JSONata"
        Timestamp     = "{% $fromMillis($waitUntil) %}"
        Next          = "TimeLeft"
      }
      WaitForCapacity = {
        Type          = "Wait"
        QueryLanguage = "JSONata"
        Seconds       = "{% $min([600, 30 * $power(2, $capacity - 1)]) %}"
        Output        = "{% {} %}"
        Next          = "TimeLeft"
      }
      Pause = {
        Type          = "Wait"
        QueryLanguage = "JSONata"
        Seconds       = "{% 15 * $inRow %}"
        Output        = "{% {} %}"
        Next          = "TimeLeft"
      }
      ReleaseLease = {
        Type          = "Task"
        QueryLanguage = "JSONata"
        Comment       = "By its owner only. A lease that stays is taken over: its execution has ended."
        Resource      = "arn:${data.aws_partition.current.partition}:states:::dynamodb:deleteItem"
        Arguments = {
          TableName = var.connections_table_name
          Key = {
            pk = {
              S = "{% 'WS#' & $workstream %}"
            }
            sk = {
              S = "LEASE"
            }
          }
          ConditionExpression = "#execution = :me"
          ExpressionAttributeNames = {
            "#execution" = "execution"
          }
          ExpressionAttributeValues = {
            ":me" = {
              S = "{% $me %}"
            }
          }
        }
        Retry = [
          {
            ErrorEquals = ["DynamoDB.ConditionalCheckFailedException"]
            MaxAttempts = 0
          },
          {
            ErrorEquals     = ["States.ALL"]
            MaxAttempts     = 4
            IntervalSeconds = 2
            BackoffRate     = 2
            JitterStrategy  = "FULL"
          },
        ]
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            Output      = "{% {} %}"
            Next        = "Report"
          },
        ]
        Output = "{% {} %}"
        Next   = "Report"
      }
      Report = {
        Type          = "Pass"
        QueryLanguage = "JSONata"
        Output = {
          workstream = "{% $workstream %}"
          outcome    = "{% $outcome %}"
          exit       = "{% $exit %}"
          reason     = "{% $reason %}"
          attempts   = "{% $attempt %}"
          run        = "{% $run %}"
        }
        Next = "HowItEnded"
      }
      HowItEnded = {
        Type          = "Choice"
        QueryLanguage = "JSONata"
        Choices = [
          {
            Condition = "{% $outcome in ['complete', 'limit', 'blocked', 'stopped'] %}"
            Next      = "Done"
          },
        ]
        Default = "Failed"
      }
      Done = {
        Type          = "Succeed"
        QueryLanguage = "JSONata"
      }
      Failed = {
        Type          = "Fail"
        QueryLanguage = "JSONata"
        Error         = "{% $lookup({'refused': 'Ralph.Refused', 'busy': 'Ralph.Busy', 'cannotStart': 'Ralph.CannotStart', 'gaveUp': 'Ralph.GaveUp', 'internal': 'Ralph.Internal'}, $outcome) %}"
        Cause         = "{% $string($states.input) %}"
      }
    }
  })

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }
}
