# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

variable "anthropic_keys_arn" {
  description = "ARN of the secret with the keys of the model's service."
  type        = string
  nullable    = false
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
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

variable "environment" {
  description = "Environment of the worker: the defaults that a run may override."
  type        = map(string)
  nullable    = false
}

variable "ephemeral_storage_gib" {
  description = "Scratch space of a task in GiB: 21 to 200; the first 20 are free."
  type        = number
  nullable    = false
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
}

variable "image_digest" {
  description = "Digest of the image (sha256:…) to pin what the tag names; null trusts the tag, which cannot be moved."
  type        = string
  default     = null
}

variable "image_tag" {
  description = "Tag of the image."
  type        = string
  nullable    = false
}

variable "log_group_name" {
  description = "Name of the log group that gets the workers' lines."
  type        = string
  nullable    = false
}

variable "log_retention_in_days" {
  description = "Days that the log group keeps a line."
  type        = number
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles can ever do; null for none."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of the cluster."
  type        = string
  nullable    = false
}

variable "repository_name" {
  description = "Name of the image repository."
  type        = string
  nullable    = false
}

variable "task_cpu" {
  description = "CPU units of a task."
  type        = number
  nullable    = false
}

variable "task_family" {
  description = "Family of the task definition."
  type        = string
  nullable    = false
}

variable "task_memory" {
  description = "MiB of memory of a task."
  type        = number
  nullable    = false
}
