# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment dev.

variable "allow_file_repositories" {
  description = "Whether executions may name file:// repositories, which only a stand-in for Fargate can read."
  type        = bool
  default     = false
  nullable    = false
}

variable "lambda_zip" {
  description = "Path of the zip that holds the functions; null for what `just build-lambdas` makes."
  type        = string
  default     = null
}

variable "management_base" {
  description = "Base of the endpoint that frames are posted to; null for AWS's own. The API's id and the stage are appended."
  type        = string
  default     = null
}
