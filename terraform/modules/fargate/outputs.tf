# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "log_group_arn" {
  description = "ARN of the workers' log group."
  value       = aws_cloudwatch_log_group.workstreams.arn
}

output "log_group_name" {
  description = "Name of the workers' log group."
  value       = aws_cloudwatch_log_group.workstreams.name
}

output "repository_url" {
  description = "URL of the image repository."
  value       = aws_ecr_repository.worker.repository_url
}

output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.workstream.arn
}

output "task_definition_arn" {
  description = "ARN of the task definition with its revision."
  value       = aws_ecs_task_definition.worker.arn
}

output "worker_image" {
  description = "Name of the image that tasks run: image.uri, or the name to push the worker's image as, which is repository URL and tag."
  value       = local.worker_image
}
