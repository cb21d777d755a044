# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

# On an account that never used ECS, PutClusterCapacityProviders fails without this role.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
resource "aws_iam_service_linked_role" "ecs" {
  count = var.create_service_linked_role ? 1 : 0

  aws_service_name = "ecs.amazonaws.com"
}

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_65:a switch: the metrics of a task cost more than its logs
  name = var.names.cluster

  setting {
    name  = "containerInsights"
    value = var.monitoring.container_insights ? "enabled" : "disabled"
  }

  depends_on = [aws_iam_service_linked_role.ecs]
}

# The default strategy does not fall back to FARGATE when Spot has no capacity, so each run names
# its capacity provider.
resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 1
  }
}

resource "aws_cloudwatch_log_group" "workstreams" {
  # checkov:skip=CKV_AWS_338:the retention is an input, and a year is not the default
  # checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key, unless the input kms_key_arn names another
  name              = var.names.log_group
  retention_in_days = var.log_retention_in_days
  kms_key_id        = var.kms_key_arn
}

# The entry point is always the worker's program: an image without it fails when the task starts,
# instead of running something else whose exit 0 would mean that the work is complete. No init
# process: the agent could read the secrets from its environment, so the worker is process 1 itself.
# Mode blocking: the log driver waits when its buffer is full, and drops no line.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
resource "aws_ecs_task_definition" "worker" {
  family                   = var.names.task_family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.task.cpu)
  memory                   = tostring(var.task.memory)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions = jsonencode([
    {
      name                   = "worker"
      image                  = local.task_image
      repositoryCredentials  = var.image.credentials_arn == null ? null : { credentialsParameter = var.image.credentials_arn }
      entryPoint             = ["/usr/local/bin/ralph-loop-cloud"]
      essential              = true
      user                   = "10001:10001"
      readonlyRootFilesystem = true
      stopTimeout            = 120
      linuxParameters = {
        capabilities = {
          drop = ["ALL"]
        }
      }
      environment = [
        for name, value in var.environment : {
          name  = name
          value = value
        }
      ]
      secrets = concat(
        [
          {
            name      = "RALPH_ANTHROPIC_KEYS"
            valueFrom = var.secrets.anthropic_keys_arn
          },
          {
            name      = "RALPH_GIT_TOKEN"
            valueFrom = var.secrets.git_token_arn
          },
        ],
        [
          for name, arn in var.secrets.agent_arns : {
            name      = "RALPH_AGENT_SECRET_${name}"
            valueFrom = arn
          }
        ],
      )
      mountPoints = [
        {
          sourceVolume  = "workspace"
          containerPath = "/workspace"
          readOnly      = false
        },
        {
          sourceVolume  = "tmp"
          containerPath = "/tmp"
          readOnly      = false
        },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.workstreams.name
          awslogs-region        = var.region
          awslogs-stream-prefix = "worker"
          mode                  = "blocking"
        }
      }
    },
  ])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.task.architecture
  }

  ephemeral_storage {
    size_in_gib = var.task.storage_gib
  }

  volume {
    name = "workspace"
  }

  volume {
    name = "tmp"
  }

  lifecycle {
    precondition {
      condition     = contains(lookup(local.fargate_memory, tostring(var.task.cpu), []), var.task.memory)
      error_message = "Fargate has no task of ${var.task.cpu} CPU units with ${var.task.memory} MiB of memory. task.memory must be one of ${join(", ", lookup(local.fargate_memory, tostring(var.task.cpu), []))}."
    }
  }
}
