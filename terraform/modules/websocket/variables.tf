# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

variable "environment" {
  description = "Name of the environment. The API's stage has it too, and the audience of a connection token ends in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]*[a-z0-9])?$", var.environment))
    error_message = "environment must begin with a lower-case letter, have lower-case letters, digits and hyphens, and not end with a hyphen."
  }
}

variable "executions" {
  description = <<-EOT
    The executions that the functions admit and decide control.
    - allow_file_repositories: Whether orders may name file:// repositories, which only the local cloud can read.
    - max_duration_secs: Seconds that an execution may take when its order sets no limit. RALPH_MAX_DURATION_SECS of the tasks should be the same.
    - state_machine_name: Name of the state machine. Its ARN would be a cycle, because the state machine depends on the functions.
  EOT
  type = object({
    allow_file_repositories = optional(bool, false)
    max_duration_secs       = optional(number, 14400)
    state_machine_name      = string
  })
  nullable = false

  validation {
    condition     = var.executions.max_duration_secs >= 1 && var.executions.max_duration_secs <= 25920000 && floor(var.executions.max_duration_secs) == var.executions.max_duration_secs
    error_message = "max_duration_secs must be a whole number from 1 to 25920000."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.executions.state_machine_name))
    error_message = "state_machine_name must have 1 to 80 letters, digits, hyphens and underscores."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the table, the logs, the failure queue, the topic of notifications.email and the functions' environment variables; null for AWS's own. Its policy must let CloudWatch Logs and EventBridge use it. If a customer key encrypts the signing keys, it must be this one: authorize may use no other."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key, not of an alias, or null."
  }
}

variable "lambda" {
  description = <<-EOT
    What all Lambda functions have in common.
    - architecture: Processor architecture: x86_64 or arm64.
    - log_retention_in_days: Days that the functions' and the API's own log groups keep a line.
    - reserved_concurrency: Reserved concurrency of a function, by its short name such as push-logs; the others share the account's.
    - zip: Path of the zip with the code of all functions.
  EOT
  type = object({
    architecture          = optional(string, "x86_64")
    log_retention_in_days = optional(number, 7)
    reserved_concurrency  = optional(map(number), {})
    zip                   = string
  })
  nullable = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.lambda.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }

  validation {
    condition = contains(
      [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
        2557, 2922, 3288, 3653,
      ],
      var.lambda.log_retention_in_days,
    )
    error_message = "log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers."
  }

  validation {
    condition     = length(setsubtract(keys(var.lambda.reserved_concurrency), ["authorize", "connect", "disconnect", "send-logs", "push-logs", "task-events", "admit", "decide"])) == 0 && alltrue([for number in values(var.lambda.reserved_concurrency) : try(number >= -1, false)])
    error_message = "reserved_concurrency must give functions (authorize, connect, disconnect, send-logs, push-logs, task-events, admit, decide) a number of instances each, or -1 for none."
  }
}

variable "management_base" {
  description = "Base URL that the functions post to, in front of the API's id and the stage; null for API Gateway's own."
  type        = string
  default     = null

  validation {
    condition     = var.management_base == null || can(regex("^https?://[^?#]*[^/?#]$", var.management_base))
    error_message = "management_base must be a URL without a slash at its end, or null for AWS's own."
  }
}

variable "monitoring" {
  description = <<-EOT
    Logs, alarms and metrics.
    - access_logs: Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a role for it, see account_log_role.
    - account_log_role: Whether to make the role with which API Gateway writes logs. The account has one in each Region, and a destroy removes it.
    - alarm_topic_arn: ARN of the SNS topic that alarms go to; null shows them in the console only.
    - alarms: Whether there are alarms; each costs 10 cents a month beyond the first ten.
    - dashboard: Whether there is a dashboard; the account's first three are free.
    - detailed_metrics: Whether API Gateway measures each route; the metrics are billed.
    - traced_functions: Functions that X-Ray traces, by their short names such as push-logs.
  EOT
  type = object({
    access_logs      = optional(bool, false)
    account_log_role = optional(bool, false)
    alarm_topic_arn  = optional(string)
    alarms           = optional(bool, false)
    dashboard        = optional(bool, false)
    detailed_metrics = optional(bool, false)
    traced_functions = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.monitoring.alarm_topic_arn == null || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$", var.monitoring.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic, or null."
  }

  validation {
    condition     = length(setsubtract(var.monitoring.traced_functions, ["authorize", "connect", "disconnect", "send-logs", "push-logs", "task-events", "admit", "decide"])) == 0
    error_message = "traced_functions must name functions: authorize, connect, disconnect, send-logs, push-logs, task-events, admit, decide."
  }
}

variable "name" {
  description = "Prefix of the resources' names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}$", var.name))
    error_message = "name must begin with a lower-case letter and have at most 48 lower-case letters, digits and hyphens: a role's name is made of it."
  }
}

variable "notifications" {
  description = <<-EOT
    Who is told when an execution ends: an e-mail address or a topic, or nobody.
    - email: Address that gets an e-mail, from a topic that is made for it; null for none. AWS first asks it to confirm.
    - topic_arn: ARN of a standard SNS topic that gets the text, in the same Region; null for none. Not together with email.
  EOT
  type = object({
    email     = optional(string)
    topic_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.notifications.email == null || can(regex("^[^@\\s]+@[^@\\s]+$", var.notifications.email))
    error_message = "email must be an e-mail address, or null."
  }

  validation {
    condition     = var.notifications.topic_arn == null || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:[A-Za-z0-9_-]+$", var.notifications.topic_arn))
    error_message = "topic_arn must be the ARN of a standard SNS topic, not of a FIFO topic, or null."
  }
}

variable "region" {
  description = "Region of the API."
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

variable "signing_keys_arn" {
  description = "ARN of the secret with the keys that sign connection tokens."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+$", var.signing_keys_arn),
    )
    error_message = "signing_keys_arn must be the ARN of a secret in Secrets Manager."
  }
}

variable "table" {
  description = <<-EOT
    Protection of the table of connections and runs.
    - deletion_protection: Whether DynamoDB refuses to delete the table.
    - point_in_time_recovery: Whether the table can be restored to any second of the last 35 days.
  EOT
  type = object({
    deletion_protection    = optional(bool, false)
    point_in_time_recovery = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "throttling" {
  description = <<-EOT
    Throttling of messages, over all connections together.
    - burst_limit: Most messages at once.
    - rate_limit: Most messages a second.
  EOT
  type = object({
    burst_limit = optional(number, 500)
    rate_limit  = optional(number, 1000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.throttling.burst_limit >= 1 && var.throttling.burst_limit <= 5000 && floor(var.throttling.burst_limit) == var.throttling.burst_limit
    error_message = "burst_limit must be a whole number from 1 to 5000."
  }

  validation {
    condition     = var.throttling.rate_limit >= 1 && var.throttling.rate_limit <= 10000 && floor(var.throttling.rate_limit) == var.throttling.rate_limit
    error_message = "rate_limit must be a whole number from 1 to 10000."
  }
}

variable "workers" {
  description = <<-EOT
    The tasks whose lines viewers see.
    - cluster_arn: ARN of the tasks' cluster.
    - log_group_arn: ARN of the tasks' log group.
    - log_group_name: Name of the tasks' log group.
    - log_retention_in_days: Days that the tasks' log group keeps a line; the table keeps the rows of a run as long.
    - log_url: Where people read the lines of a run: an https URL in which {workstream} and {run} are replaced.
  EOT
  type = object({
    cluster_arn           = string
    log_group_arn         = string
    log_group_name        = string
    log_retention_in_days = optional(number, 7)
    log_url               = string
  })
  nullable = false

  validation {
    condition = can(
      regex("^arn:[^:]+:ecs:[^:]+:[0-9]+:cluster/[A-Za-z0-9_-]+$", var.workers.cluster_arn),
    )
    error_message = "cluster_arn must be the ARN of an ECS cluster."
  }

  validation {
    condition     = can(regex("^arn:[^:]+:logs:[^:]+:[0-9]+:log-group:[^:*]+$", var.workers.log_group_arn))
    error_message = "log_group_arn must be the ARN of a log group and end with its name, without :*."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.workers.log_group_name))
    error_message = "log_group_name must have 1 to 512 letters, digits and the characters _ - / . #."
  }

  validation {
    condition     = !can(regex("^/aws/lambda/", var.workers.log_group_name))
    error_message = "log_group_name must be the group that tasks write to, not a function's own: each line that push-logs wrote would call it again."
  }

  validation {
    condition = contains(
      [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
        2557, 2922, 3288, 3653,
      ],
      var.workers.log_retention_in_days,
    )
    error_message = "log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers."
  }

  validation {
    condition = can(
      regex("^https://([!#-&*-;=?-\\[\\]-_a-z|~]|\\{workstream\\}|\\{run\\})+$", var.workers.log_url),
    )
    error_message = "log_url must be an https URL without quotes and brackets, and with {workstream} and {run} alone in braces."
  }
}
