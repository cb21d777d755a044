# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

variable "architecture" {
  description = "Processor architecture of the functions: x86_64 or arm64."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted."
  type        = bool
  nullable    = false
}

variable "environment" {
  description = "Name of the environment; tokens name it."
  type        = string
  nullable    = false
}

variable "function_log_retention_in_days" {
  description = "Days that the functions' own log groups keep a line."
  type        = number
  nullable    = false
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
}

variable "name" {
  description = "What names begin with."
  type        = string
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles can ever do; null for none."
  type        = string
  default     = null
}

variable "point_in_time_recovery" {
  description = "Whether the table can be restored to any second of the last 35 days."
  type        = bool
  nullable    = false
}

variable "region" {
  description = "Region of the API."
  type        = string
  nullable    = false
}

variable "signing_keys_arn" {
  description = "ARN of the secret with the keys that sign connection tokens."
  type        = string
  nullable    = false
}

variable "stage_name" {
  description = "Name of the stage."
  type        = string
  nullable    = false
}

variable "table_name" {
  description = "Name of the connections table."
  type        = string
  nullable    = false
}

variable "throttling_burst_limit" {
  description = "Most messages at once, over all connections."
  type        = number
  nullable    = false
}

variable "throttling_rate_limit" {
  description = "Messages a second, over all connections."
  type        = number
  nullable    = false
}

variable "workers_log_group_arn" {
  description = "ARN of the workers' log group."
  type        = string
  nullable    = false
}

variable "workers_log_group_name" {
  description = "Name of the workers' log group."
  type        = string
  nullable    = false
}

variable "workers_log_retention_in_days" {
  description = "Days that the workers' log group keeps a line; what is known of a run lives as long."
  type        = number
  nullable    = false
}
