# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

variable "access_logs" {
  description = "Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a log role, see account_log_role."
  type        = bool
  default     = false
  nullable    = false
}

variable "account_log_role" {
  description = "Whether to make the role with which API Gateway writes logs: one for the account and Region, removed again on destroy."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms go to; null shows them in the console only."
  type        = string
  default     = null

  validation {
    condition     = (var.alarm_topic_arn == null) || can(regex("^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$", var.alarm_topic_arn))
    error_message = "The topic is the ARN of an SNS topic, or null."
  }
}

variable "alarms" {
  description = "Whether there are alarms; each costs 10 cents a month beyond the first ten."
  type        = bool
  default     = false
  nullable    = false
}

variable "allow_file_repositories" {
  description = "Whether orders may name `file://` repositories, which only a stand-in for Fargate can read."
  type        = bool
  nullable    = false
}

variable "architecture" {
  description = "Processor architecture of the functions: x86_64 or arm64."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "cluster_arn" {
  description = "ARN of the cluster whose tasks write the lines."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]+:cluster/[A-Za-z0-9_-]+$", var.cluster_arn))
    error_message = "The cluster is named by its ARN."
  }
}

variable "dashboard" {
  description = "Whether there is a dashboard; the account's first three are free."
  type        = bool
  default     = false
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether the table is protected against deletion."
  type        = bool
  default     = false
  nullable    = false
}

variable "detailed_metrics" {
  description = "Whether API Gateway measures each route; the metrics are billed."
  type        = bool
  default     = false
  nullable    = false
}

variable "environment" {
  description = "Name of the environment; tokens name it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]*[a-z0-9])?$", var.environment))
    error_message = "An environment's name has lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "function_log_retention_in_days" {
  description = "Days that the functions' and the API's own log groups keep a line."
  type        = number
  default     = 7
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
      var.function_log_retention_in_days,
    )
    error_message = "CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts table, logs, failure queue and the functions' variables; null for AWS's own. The key's policy must let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = (var.kms_key_arn == null) || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "The key is named by its ARN, not by an alias: some services accept nothing else."
  }
}

variable "lambda_zip" {
  description = "Path of the zip that holds all functions."
  type        = string
  nullable    = false
}

variable "management_base" {
  description = "Base of the endpoint that frames are posted to; null for AWS's own. The API's id and the stage are appended."
  type        = string
  default     = null

  validation {
    condition     = (var.management_base == null) || can(regex("^https?://[^?#]*[^/?#]$", var.management_base))
    error_message = "The base is a URL without a slash at its end, or null for AWS's own."
  }
}

variable "max_duration_secs" {
  description = "Seconds that an execution may take whose order names no limit."
  type        = number
  nullable    = false

  validation {
    condition     = ((var.max_duration_secs >= 1) && (var.max_duration_secs <= 25920000)) && ((var.max_duration_secs % 1) == 0)
    error_message = "An execution takes 1 to 25920000 seconds: 300 days."
  }
}

variable "name" {
  description = "What names begin with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}$", var.name))
    error_message = "The name has at most 48 lower-case letters, digits and hyphens and begins with a letter: what is appended to it must fit into the 64 characters of a role's name."
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

variable "point_in_time_recovery" {
  description = "Whether the table can be restored to any second of the last 35 days."
  type        = bool
  default     = false
  nullable    = false
}

variable "region" {
  description = "Region of the API."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The Region is given by its code, such as us-east-1."
  }
}

variable "reserved_concurrency" {
  description = "Instances reserved for a function, by its short name such as push-logs; a function that is not named shares the account's."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.reserved_concurrency) : contains(["authorize", "connect", "disconnect", "send-logs", "push-logs", "task-events", "admit", "decide"], name)]) && alltrue([for number in values(var.reserved_concurrency) : number >= (-1)])
    error_message = "Reserved concurrency is given by function (authorize, connect, disconnect, send-logs, push-logs, task-events, admit, decide), each -1 for none or a number of instances."
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

variable "signing_keys_arn" {
  description = "ARN of the secret with the keys that sign connection tokens."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:.+$", var.signing_keys_arn))
    error_message = "A secret is named by its ARN."
  }
}

variable "stage_name" {
  description = "Name of the stage."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage_name))
    error_message = "A stage's name has 1 to 128 letters, digits, hyphens and underscores."
  }
}

variable "state_machine_name" {
  description = "Name of the state machine. Not its ARN: the machine calls the functions, so it comes after them."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,80}$", var.state_machine_name))
    error_message = "A state machine's name has 1 to 80 letters, digits, hyphens and underscores."
  }
}

variable "table_name" {
  description = "Name of the connections table."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "A table's name has 3 to 255 letters, digits and the characters _ . and -."
  }
}

variable "throttling_burst_limit" {
  description = "Most messages at once, over all connections."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = ((var.throttling_burst_limit >= 1) && (var.throttling_burst_limit <= 5000)) && ((var.throttling_burst_limit % 1) == 0)
    error_message = "API Gateway allows bursts of 1 to 5000 messages; 0 would answer 429 to everything."
  }
}

variable "throttling_rate_limit" {
  description = "Messages a second, over all connections."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = ((var.throttling_rate_limit >= 1) && (var.throttling_rate_limit <= 10000)) && ((var.throttling_rate_limit % 1) == 0)
    error_message = "API Gateway allows 1 to 10000 messages a second; 0 would answer 429 to everything."
  }
}

variable "traced_functions" {
  description = "Functions that X-Ray traces, by their short names such as push-logs."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue(
      [
        for item in var.traced_functions : contains(
          ["authorize", "connect", "disconnect", "send-logs", "push-logs", "task-events", "admit", "decide"],
          item,
        )
      ],
    )
    error_message = "A function that can be traced is one of authorize, connect, disconnect, send-logs, push-logs, task-events, admit, decide."
  }
}

variable "workers_log_group_arn" {
  description = "ARN of the workers' log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:logs:[^:]+:[0-9]+:log-group:[^:*]+$", var.workers_log_group_arn))
    error_message = "The log group's ARN ends with its name, without `:*`."
  }
}

variable "workers_log_group_name" {
  description = "Name of the workers' log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.workers_log_group_name))
    error_message = "A log group's name has 1 to 512 letters, digits and the characters _ - / . #."
  }

  validation {
    condition     = !can(regex("^/aws/lambda/", var.workers_log_group_name))
    error_message = "The workers' log group is not a function's own: each line that push-logs wrote would call it again. Name the group that the tasks write to."
  }
}

variable "workers_log_retention_in_days" {
  description = "Days that the workers' log group keeps a line; the rows of a run are kept as long."
  type        = number
  default     = 7
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
      var.workers_log_retention_in_days,
    )
    error_message = "CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}
