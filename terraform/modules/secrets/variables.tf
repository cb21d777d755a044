# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the secrets; null for AWS's own."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key, not of an alias, or null."
  }
}

variable "name_prefix" {
  description = "Prefix of the secrets' names, such as ralph/dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$", var.name_prefix))
    error_message = "name_prefix must have letters, digits and the characters / _ + = . @ and -, and no slash at either end."
  }
}

variable "recovery_window_in_days" {
  description = "Days in which a deleted secret can be restored and nobody can use its name: 0, or 7 to 30."
  type        = number
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days == 0 || var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30 && floor(var.recovery_window_in_days) == var.recovery_window_in_days
    error_message = "recovery_window_in_days must be 0, or a whole number from 7 to 30."
  }
}
