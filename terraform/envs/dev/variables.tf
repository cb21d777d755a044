# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment dev.

variable "allow_file_repositories" {
  description = "Whether orders may name file:// repositories, which only the local cloud can read."
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
  description = "Base URL that the functions post to, in front of the API's id and the stage; null for API Gateway's own."
  type        = string
  default     = null
}
