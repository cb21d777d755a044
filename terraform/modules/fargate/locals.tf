# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

locals {
  account_id = split(":", aws_ecs_cluster.this.arn)[4]

  # A role's name has at most 64 characters, a family 255.
  role_prefix = length(var.names.task_family) > 54 ? "${substr(var.names.task_family, 0, 45)}-${substr(sha1(var.names.task_family), 0, 8)}" : var.names.task_family
  tasks_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AssumeRole"
        Effect = "Allow"
        Principal = {
          Service = "ecs-tasks.amazonaws.com"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "aws:SourceAccount" = local.account_id
          }
        }
      },
    ]
  })
  worker_image = "${aws_ecr_repository.worker.repository_url}:${var.image.tag}"

  # A digest pins the image's bytes; a tag is a name.
  task_image = var.image.digest == null ? local.worker_image : "${aws_ecr_repository.worker.repository_url}@${var.image.digest}"

  # MiB of memory that Fargate offers with each number of CPU units.
  fargate_memory = {
    "256"   = range(512, 2049, 512)
    "512"   = range(1024, 4097, 1024)
    "1024"  = range(2048, 8193, 1024)
    "2048"  = range(4096, 16385, 1024)
    "4096"  = range(8192, 30721, 1024)
    "8192"  = range(16384, 61441, 4096)
    "16384" = range(32768, 122881, 8192)
  }

  # A role's name has at most 64 characters, a state machine's 80.
  state_machine_role = length(var.names.state_machine) > 64 ? "${substr(var.names.state_machine, 0, 55)}-${substr(sha1(var.names.state_machine), 0, 8)}" : var.names.state_machine

  # An alarm without a topic is seen in the console only.
  alarm_actions = var.monitoring.alarm_topic_arn == null ? [] : [var.monitoring.alarm_topic_arn]
}
