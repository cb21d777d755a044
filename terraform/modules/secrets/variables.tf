# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Secrets without their values: `ralph keys set` puts those. Defined in generator/src/modules/secrets.rs.

variable "name_prefix" {
  description = "What the secrets' names begin with, such as ralph/dev."
  type        = string
  nullable    = false
}

variable "recovery_window_in_days" {
  description = "Days during which a deleted secret can be restored and its name stays taken: 0, or 7 to 30."
  type        = number
  nullable    = false

  validation {
    condition     = (var.recovery_window_in_days == 0) || ((var.recovery_window_in_days >= 7) && (var.recovery_window_in_days <= 30))
    error_message = "The recovery window is 0, or 7 to 30 days."
  }
}
