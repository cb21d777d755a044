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

  # That of the module, and the one in ECR that image.uri names.
  repositories = concat(
    [aws_ecr_repository.worker.arn],
    [
      for parts in regexall("^([0-9]{12})[.]dkr[.-]ecr(?:-fips)?[.]([a-z0-9-]+)[.][a-z.]+/([^:@]+)[:@]", var.image.uri == null ? "" : var.image.uri) : "arn:${data.aws_partition.current.partition}:ecr:${parts[1]}:${parts[0]}:repository/${parts[2]}"
    ],
  )

  # Secrets that Fargate reads to start a task.
  task_secrets = distinct(
    concat(
      [var.secrets.anthropic_keys_arn, var.secrets.git_token_arn],
      [for arn in values(var.secrets.agent_arns) : regex("^(?:[^:]+:){6}[^:]+", arn)],
      [for arn in [var.image.credentials_arn] : arn if arn != null],
    ),
  )
  worker_image = coalesce(
    var.image.uri,
    "${aws_ecr_repository.worker.repository_url}:${var.image.tag}",
  )

  # A digest pins the image's bytes; a tag is a name.
  task_image = var.image.digest == null || var.image.uri != null ? local.worker_image : "${aws_ecr_repository.worker.repository_url}@${var.image.digest}"

  # MiB of memory that Fargate offers with each number of CPU units.
  fargate_memory = {
    "256"  = [512, 1024, 2048]
    "512"  = [1024, 2048, 3072, 4096]
    "1024" = [2048, 3072, 4096, 5120, 6144, 7168, 8192]
    "2048" = [4096, 5120, 6144, 7168, 8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384]
    "4096" = [
      8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384, 17408, 18432, 19456,
      20480, 21504, 22528, 23552, 24576, 25600, 26624, 27648, 28672, 29696, 30720,
    ]
    "8192"  = [16384, 20480, 24576, 28672, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440]
    "16384" = [32768, 40960, 49152, 57344, 65536, 73728, 81920, 90112, 98304, 106496, 114688, 122880]
  }

  # A role's name has at most 64 characters, a state machine's 80.
  state_machine_role = length(var.names.state_machine) > 64 ? "${substr(var.names.state_machine, 0, 55)}-${substr(sha1(var.names.state_machine), 0, 8)}" : var.names.state_machine
}
