# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

locals {
  worker_image = "${aws_ecr_repository.worker.repository_url}:${var.image_tag}"

  # A digest names bytes, a tag only a promise.
  task_image = var.image_digest == null ? local.worker_image : "${aws_ecr_repository.worker.repository_url}@${var.image_digest}"
}
