# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

variable "allow_file_repositories" {
  description = "Whether executions may name file:// repositories, which only a stand-in for Fargate can read."
  type        = bool
  default     = false
  nullable    = false
}

variable "confirm_production" {
  description = "Must be \"yes, deploy production\": prod is not deployed yet, and nothing should do so by accident."
  type        = string
  nullable    = false

  validation {
    condition     = var.confirm_production == "yes, deploy production"
    error_message = "This is prod, which is not deployed yet. To go on: -var 'confirm_production=yes, deploy production'"
  }
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
