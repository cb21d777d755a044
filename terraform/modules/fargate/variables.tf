# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

variable "create_service_linked_role" {
  description = "Whether to make the service-linked role of ECS. An account has one at most, and has it already if somebody used ECS there."
  type        = bool
  default     = false
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the worker, which a run may override; one that begins with RALPH_AGENT_ENV_ is for the agent, without this prefix. The worker requires RALPH_ITERATION_TIMEOUT_SECS, RALPH_MAX_COST_USD, RALPH_MAX_DURATION_SECS, RALPH_MAX_ITERATIONS, RALPH_MAX_STALLS and RALPH_SILENCE_SECS."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue(
      [
        for name in keys(var.environment) : can(regex("^RALPH_[A-Z_]+$", name)) && !contains(["RALPH_ANTHROPIC_KEYS", "RALPH_GIT_TOKEN"], name) && !can(regex("^RALPH_AGENT_SECRET_", name)) || can(regex("^RALPH_AGENT_ENV_[A-Za-z_][A-Za-z0-9_]*$", name))
      ],
    )
    error_message = "environment must have names that begin with RALPH_ and continue with capital letters and underscores, or that are RALPH_AGENT_ENV_ and the name of a variable; but not RALPH_ANTHROPIC_KEYS, RALPH_GIT_TOKEN or RALPH_AGENT_SECRET_…: secrets come from Secrets Manager."
  }
}

variable "functions" {
  description = <<-EOT
    The Lambda functions that the state machine calls.
    - admit_arn: ARN of the function admit, which checks an order.
    - decide_arn: ARN of the function decide, which says what follows each run.
  EOT
  type = object({
    admit_arn  = string
    decide_arn = string
  })
  nullable = false

  validation {
    condition = can(
      regex("^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$", var.functions.admit_arn),
    )
    error_message = "admit_arn must be the ARN of a Lambda function."
  }

  validation {
    condition = can(
      regex("^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$", var.functions.decide_arn),
    )
    error_message = "decide_arn must be the ARN of a Lambda function."
  }
}

variable "image" {
  description = <<-EOT
    The worker's image and its repository.
    - credentials_arn: ARN of the secret with the user name and password for the registry of uri, if it asks for one and is not ECR. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
    - digest: Digest of the image that tasks run, sha256:…; null runs the tag, which cannot be moved.
    - force_delete: Whether destroying the repository deletes its images.
    - kept: Number of images that the repository keeps.
    - repository: Name of the repository.
    - tag: Tag of the image.
    - untagged_days: Days after which an image without a tag is deleted.
    - uri: Name of the image that tasks run, in any registry, with a tag or a digest; null runs the repository's. It must have the worker's program.
  EOT
  type = object({
    credentials_arn = optional(string)
    digest          = optional(string)
    force_delete    = optional(bool, false)
    kept            = optional(number, 30)
    repository      = string
    tag             = string
    untagged_days   = optional(number, 1)
    uri             = optional(string)
  })
  nullable = false

  validation {
    condition     = var.image.digest == null || can(regex("^sha256:[0-9a-f]{64}$", var.image.digest))
    error_message = "digest must be sha256: and 64 hexadecimal digits, or null."
  }

  validation {
    condition     = var.image.kept >= 1 && var.image.kept <= 10000 && floor(var.image.kept) == var.image.kept
    error_message = "kept must be a whole number from 1 to 10000."
  }

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.image.repository))
    error_message = "repository must have lower-case letters and digits, with single characters . _ - or / between them."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image.tag)) && var.image.tag != "latest"
    error_message = "tag must have 1 to 128 letters, digits and the characters _ . and -, and must not be latest: a tag can be pushed only once."
  }

  validation {
    condition     = var.image.untagged_days >= 1 && var.image.untagged_days <= 3650 && floor(var.image.untagged_days) == var.image.untagged_days
    error_message = "untagged_days must be a whole number from 1 to 3650."
  }

  validation {
    condition     = var.image.credentials_arn == null || can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+$", var.image.credentials_arn))
    error_message = "credentials_arn must be the ARN of a secret in Secrets Manager, or null."
  }

  validation {
    condition     = var.image.uri == null || can(regex("^[a-zA-Z0-9._:/-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image.uri)) && !can(regex("(:latest|:[0-9]+/[^:@]+)$", var.image.uri))
    error_message = "uri must be the name of an image with a tag other than latest or with a digest, or null: a run must know what it runs."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts logs and images; null for AWS's own. Its policy must let CloudWatch Logs and its log delivery use it (logs.<region>.amazonaws.com and delivery.logs.amazonaws.com). If a customer key encrypts the secrets, it must be this one: the execution role may use no other."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key, not of an alias, or null."
  }
}

variable "log_retention_in_days" {
  description = "Days that the log groups keep a line."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition = contains(
      [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
        2557, 2922, 3288, 3653,
      ],
      var.log_retention_in_days,
    )
    error_message = "log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers."
  }
}

variable "monitoring" {
  description = <<-EOT
    Alarms and metrics.
    - alarm_topic_arn: ARN of the SNS topic that the alarm goes to; null shows it in the console only.
    - alarms: Whether there is an alarm for failed executions.
    - container_insights: Whether ECS measures each task; the metrics are billed.
  EOT
  type = object({
    alarm_topic_arn    = optional(string)
    alarms             = optional(bool, false)
    container_insights = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.monitoring.alarm_topic_arn == null || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$", var.monitoring.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic, or null."
  }
}

variable "names" {
  description = <<-EOT
    Names of the resources.
    - cluster: Name of the cluster.
    - log_group: Name of the log group that gets the workers' lines.
    - state_machine: Name of the state machine.
    - task_family: Family of the task definition.
  EOT
  type = object({
    cluster       = string
    log_group     = string
    state_machine = string
    task_family   = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.names.cluster))
    error_message = "cluster must have 1 to 255 letters, digits, hyphens and underscores."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.names.task_family))
    error_message = "task_family must have 1 to 255 letters, digits, hyphens and underscores."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.names.log_group))
    error_message = "log_group must have 1 to 512 letters, digits and the characters _ - / . #."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.names.state_machine))
    error_message = "state_machine must have 1 to 80 letters, digits, hyphens and underscores."
  }
}

variable "network" {
  description = <<-EOT
    Network of the tasks.
    - assign_public_ip: Whether each task gets a public IP address, which it needs in a subnet without a NAT gateway.
    - security_group_id: Id of the tasks' security group.
    - subnet_ids: Ids of the tasks' subnets.
  EOT
  type = object({
    assign_public_ip  = optional(bool, true)
    security_group_id = string
    subnet_ids        = list(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.network.security_group_id))
    error_message = "security_group_id must be the id of a security group, such as sg-0123456789abcdef0."
  }

  validation {
    condition = try(
      alltrue([for id in var.network.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && length(var.network.subnet_ids) >= 1,
      false,
    )
    error_message = "subnet_ids must be one or more ids of subnets, such as subnet-0123456789abcdef0."
  }
}

variable "region" {
  description = "Region of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the code of a Region, such as us-east-1."
  }
}

variable "roles" {
  description = <<-EOT
    Path and permissions boundary of the IAM roles.
    - path: Path of the IAM roles.
    - permissions_boundary_arn: ARN of the policy that is the roles' permissions boundary; null for none.
  EOT
  type = object({
    path                     = optional(string, "/")
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.roles.path))
    error_message = "path must begin and end with a slash, such as / or /ralph/."
  }

  validation {
    condition     = var.roles.permissions_boundary_arn == null || can(regex("^arn:[^:]+:iam::[0-9a-z]+:policy/.+$", var.roles.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy, or null."
  }
}

variable "secrets" {
  description = <<-EOT
    ARNs of the secrets that a task gets.
    - agent_arns: ARN of a secret for each secret variable of the agent, by the variable's name; also with :json-key:version-stage:version-id behind it.
    - anthropic_keys_arn: ARN of the secret with the keys of the model's service.
    - git_token_arn: ARN of the secret with the git credential.
  EOT
  type = object({
    agent_arns         = optional(map(string), {})
    anthropic_keys_arn = string
    git_token_arn      = string
  })
  nullable = false

  validation {
    condition = can(
      regex(
        "^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+$",
        var.secrets.anthropic_keys_arn,
      ),
    )
    error_message = "anthropic_keys_arn must be the ARN of a secret in Secrets Manager."
  }

  validation {
    condition = can(
      regex(
        "^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+$",
        var.secrets.git_token_arn,
      ),
    )
    error_message = "git_token_arn must be the ARN of a secret in Secrets Manager."
  }

  validation {
    condition = alltrue(
      concat(
        [for name in keys(var.secrets.agent_arns) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))],
        [
          for arn in values(var.secrets.agent_arns) : can(
            regex(
              "^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+(:[^:]*:[^:]*:[^:]*)?$",
              arn,
            ),
          )
        ],
      ),
    )
    error_message = "agent_arns must have names of variables, and the ARN of a secret in Secrets Manager for each, perhaps with :json-key:version-stage:version-id behind it."
  }
}

variable "task" {
  description = <<-EOT
    Size of a task.
    - architecture: Processor architecture of the image: X86_64 or ARM64.
    - cpu: CPU units: 1024 are one vCPU.
    - memory: Memory in MiB, of the sizes that Fargate offers with cpu.
    - storage_gib: Ephemeral storage in GiB, 21 to 200; the first 20 are free.
  EOT
  type = object({
    architecture = optional(string, "X86_64")
    cpu          = optional(number, 1024)
    memory       = optional(number, 2048)
    storage_gib  = optional(number, 21)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.task.architecture)
    error_message = "architecture must be X86_64 or ARM64."
  }

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.task.cpu)
    error_message = "cpu must be one of 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }

  validation {
    condition     = var.task.storage_gib >= 21 && var.task.storage_gib <= 200 && floor(var.task.storage_gib) == var.task.storage_gib
    error_message = "storage_gib must be a whole number from 21 to 200."
  }
}
