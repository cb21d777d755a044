# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

variable "allow_file_repositories" {
  description = "Whether orders may name file:// repositories, which only the local cloud can read."
  type        = bool
  default     = false
  nullable    = false
}

variable "confirm_production" {
  description = "Must be \"yes, deploy production\": prod is not deployed yet, and nobody should deploy it by accident."
  type        = string
  nullable    = false

  validation {
    condition     = var.confirm_production == "yes, deploy production"
    error_message = "confirm_production must be \"yes, deploy production\": this is prod, which is not deployed yet. To go on, give -var 'confirm_production=yes, deploy production'."
  }
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
