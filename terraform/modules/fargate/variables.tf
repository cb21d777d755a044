# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

variable "admit_function_arn" {
  description = "ARN of the function that lets an execution begin."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$", var.admit_function_arn),
    )
    error_message = "The function is named by its ARN."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarm goes to; null shows it in the console only."
  type        = string
  default     = null

  validation {
    condition     = (var.alarm_topic_arn == null) || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$", var.alarm_topic_arn))
    error_message = "The topic is the ARN of an SNS topic, or null."
  }
}

variable "alarms" {
  description = "Whether there is an alarm for failed executions."
  type        = bool
  default     = false
  nullable    = false
}

variable "anthropic_keys_arn" {
  description = "ARN of the secret with the keys of the model's service."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:.+$", var.anthropic_keys_arn))
    error_message = "A secret is named by its ARN."
  }
}

variable "assign_public_ip" {
  description = "Whether a task gets a public address, which it needs in a subnet without NAT."
  type        = bool
  nullable    = false
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.cluster_name))
    error_message = "A cluster's name has 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "container_insights" {
  description = "Whether ECS measures each task; the metrics are billed."
  type        = bool
  default     = false
  nullable    = false
}

variable "cpu_architecture" {
  description = "Processor architecture of the image: X86_64 or ARM64."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "The architecture is X86_64 or ARM64."
  }
}

variable "decide_function_arn" {
  description = "ARN of the function that says what follows each run."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$", var.decide_function_arn),
    )
    error_message = "The function is named by its ARN."
  }
}

variable "environment" {
  description = "Environment of the worker: the defaults that a run may override."
  type        = map(string)
  nullable    = false

  validation {
    condition = alltrue(
      [
        for name in keys(var.environment) : can(regex("^RALPH_[A-Z_]+$", name)) && (!contains(["RALPH_ANTHROPIC_KEYS", "RALPH_GIT_TOKEN"], name))
      ],
    )
    error_message = "The environment holds variables RALPH_… of the worker and no secret: those come from Secrets Manager."
  }
}

variable "ephemeral_storage_gib" {
  description = "Scratch space of a task in GiB: 21 to 200; the first 20 are free."
  type        = number
  nullable    = false

  validation {
    condition     = ((var.ephemeral_storage_gib >= 21) && (var.ephemeral_storage_gib <= 200)) && ((var.ephemeral_storage_gib % 1) == 0)
    error_message = "Fargate gives a task 21 to 200 GiB of scratch space."
  }
}

variable "force_delete_images" {
  description = "Whether destroying the repository deletes its images."
  type        = bool
  nullable    = false
}

variable "git_token_arn" {
  description = "ARN of the secret with the git credential."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:.+$", var.git_token_arn))
    error_message = "A secret is named by its ARN."
  }
}

variable "image_digest" {
  description = "Digest of the image (sha256:…) to pin what the tag names; null trusts the tag, which cannot be moved."
  type        = string
  default     = null

  validation {
    condition     = (var.image_digest == null) || can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "A digest is sha256: and 64 hexadecimal digits, or null."
  }
}

variable "image_tag" {
  description = "Tag of the image."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))
    error_message = "A tag has 1 to 128 letters, digits and the characters _ . and -."
  }

  validation {
    condition     = var.image_tag != "latest"
    error_message = "Tags cannot be moved here, so latest could be pushed once only: name a version."
  }
}

variable "images_kept" {
  description = "Images that the repository keeps."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = ((var.images_kept >= 1) && (var.images_kept <= 10000)) && ((var.images_kept % 1) == 0)
    error_message = "The repository keeps 1 to 10000 images."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts logs and images; null for AWS's own. The key's policy must let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = (var.kms_key_arn == null) || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "The key is named by its ARN, not by an alias: some services accept nothing else."
  }
}

variable "log_group_name" {
  description = "Name of the log group that gets the workers' lines."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.log_group_name))
    error_message = "A log group's name has 1 to 512 letters, digits and the characters _ - / . #."
  }
}

variable "log_retention_in_days" {
  description = "Days that the log group keeps a line."
  type        = number
  nullable    = false

  validation {
    condition = contains(
      [
        1,
        3,
        5,
        7,
        14,
        30,
        60,
        90,
        120,
        150,
        180,
        365,
        400,
        545,
        731,
        1096,
        1827,
        2192,
        2557,
        2922,
        3288,
        3653,
      ],
      var.log_retention_in_days,
    )
    error_message = "CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles can ever do; null for none."
  type        = string
  default     = null

  validation {
    condition     = (var.permissions_boundary_arn == null) || can(regex("^arn:[^:]+:iam::[0-9a-z]+:policy/.+$", var.permissions_boundary_arn))
    error_message = "The boundary is the ARN of an IAM policy, or null."
  }
}

variable "region" {
  description = "Region of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The Region is given by its code, such as us-east-1."
  }
}

variable "repository_name" {
  description = "Name of the image repository."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.repository_name))
    error_message = "A repository's name has lower-case letters and digits, with single characters . _ - / between them."
  }
}

variable "role_path" {
  description = "Path of the roles."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role_path))
    error_message = "A role's path begins and ends with a slash, such as / or /ralph/."
  }
}

variable "state_machine_name" {
  description = "Name of the state machine."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.state_machine_name))
    error_message = "A state machine's name has 1 to 80 letters, digits, hyphens and underscores."
  }
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))]) && (length(var.subnet_ids) >= 1)
    error_message = "Tasks need subnets, each named by its id, such as subnet-0123456789abcdef0."
  }
}

variable "task_cpu" {
  description = "CPU units of a task."
  type        = number
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.task_cpu)
    error_message = "Fargate has tasks of 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units."
  }
}

variable "task_family" {
  description = "Family of the task definition."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,255}$", var.task_family))
    error_message = "A family has 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "task_memory" {
  description = "MiB of memory of a task."
  type        = number
  nullable    = false
}

variable "untagged_image_days" {
  description = "Days after which an image without a tag is deleted."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = ((var.untagged_image_days >= 1) && (var.untagged_image_days <= 3650)) && ((var.untagged_image_days % 1) == 0)
    error_message = "Images without a tag are kept for 1 to 3650 days."
  }
}

variable "worker_security_group_id" {
  description = "Security group of the tasks."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.worker_security_group_id))
    error_message = "A security group is named by its id, such as sg-0123456789abcdef0."
  }
}
