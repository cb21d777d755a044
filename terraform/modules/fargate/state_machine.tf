# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

# The name begins with /aws/vendedlogs/: each log group with another name lengthens the resource
# policy of CloudWatch Logs, which has at most 5,120 characters.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
resource "aws_cloudwatch_log_group" "state_machine" {
  # checkov:skip=CKV_AWS_338:the retention is an input, and a year is not the default
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another
  name              = "/aws/vendedlogs/states/${var.names.state_machine}"
  retention_in_days = var.log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

# The log names errors without their data, because an order or a reason can quote the repository.
# The execution's history holds the data for 90 days.
resource "aws_sfn_state_machine" "workstream" {
  # checkov:skip=CKV_AWS_285:a command or a reason can quote what a repository says; the execution's history holds it
  name     = var.names.state_machine
  type     = "STANDARD"
  role_arn = aws_iam_role.state_machine.arn
  definition = jsonencode({
    Comment = "Carries an execution of a workstream. The functions admit and decide say what comes next."
    StartAt = "Admit"
    States = {
      Admit = {
        Type     = "Task"
        Resource = "arn:${data.aws_partition.current.partition}:states:::lambda:invoke"
        Parameters = {
          FunctionName = var.functions.admit_arn
          Payload = {
            "execution.$" = "$$.Execution.Id"
            "startedAt.$" = "$$.Execution.StartTime"
            "order.$"     = "$"
          }
        }
        OutputPath = "$.Payload"
        Retry = [
          {
            ErrorEquals     = ["States.ALL"]
            IntervalSeconds = 2
            BackoffRate     = 2
            MaxDelaySeconds = 300
            MaxAttempts     = 18
            JitterStrategy  = "FULL"
          },
        ]
        Next = "Next"
      }
      Next = {
        Type = "Choice"
        Choices = [
          {
            Variable     = "$.next"
            StringEquals = "run"
            Next         = "RunTask"
          },
          {
            Variable     = "$.next"
            StringEquals = "wait"
            Next         = "Wait"
          },
          {
            Variable     = "$.next"
            StringEquals = "done"
            Next         = "Done"
          },
        ]
        Default = "Failed"
      }
      RunTask = {
        Type     = "Task"
        Resource = "arn:${data.aws_partition.current.partition}:states:::ecs:runTask.sync"
        Parameters = {
          Cluster        = aws_ecs_cluster.this.arn
          TaskDefinition = aws_ecs_task_definition.worker.arn
          CapacityProviderStrategy = [
            {
              "CapacityProvider.$" = "$.run.capacityProvider"
              Weight               = 1
            },
          ]
          NetworkConfiguration = {
            AwsvpcConfiguration = {
              Subnets        = var.network.subnet_ids
              SecurityGroups = [var.network.security_group_id]
              AssignPublicIp = var.network.assign_public_ip ? "ENABLED" : "DISABLED"
            }
          }
          "Overrides.$" = "$.run.overrides"
          PropagateTags = "TASK_DEFINITION"
        }
        TimeoutSecondsPath = "$.run.timeoutSeconds"
        ResultSelector = {
          "description.$" = "States.JsonToString($)"
        }
        ResultPath = "$.ended"
        Catch = [
          {
            ErrorEquals = ["States.ALL"]
            ResultPath  = "$.ended"
            Next        = "Decide"
          },
        ]
        Next = "Decide"
      }
      Wait = {
        Type        = "Wait"
        SecondsPath = "$.seconds"
        Next        = "Decide"
      }
      Decide = {
        Type     = "Task"
        Resource = "arn:${data.aws_partition.current.partition}:states:::lambda:invoke"
        Parameters = {
          FunctionName = var.functions.decide_arn
          "Payload.$"  = "$"
        }
        OutputPath = "$.Payload"
        Retry = [
          {
            ErrorEquals     = ["States.ALL"]
            IntervalSeconds = 2
            BackoffRate     = 2
            MaxDelaySeconds = 300
            MaxAttempts     = 18
            JitterStrategy  = "FULL"
          },
        ]
        Next = "Next"
      }
      Done = {
        Type       = "Succeed"
        OutputPath = "$.output"
      }
      Failed = {
        Type      = "Fail"
        ErrorPath = "$.Error"
        CausePath = "$.Cause"
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

  depends_on = [aws_iam_role_policy.state_machine]
}
