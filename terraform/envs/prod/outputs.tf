# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

output "agent_secrets" {
  description = "ARN of each secret of the agent, by its variable."
  value       = {}
}

output "cluster" {
  description = "Cluster that tasks run on."
  value       = module.fargate.cluster_name
}

output "connections_table" {
  description = "Table of connections and runs."
  value       = module.websocket.table_name
}

output "ecr_repository_url" {
  description = "Repository of the worker's image."
  value       = module.fargate.repository_url
}

output "log_group" {
  description = "Log group of the workers."
  value       = module.fargate.log_group_name
}

output "model_endpoint" {
  description = "Whether the model's service has an endpoint of its own here."
  value       = false
}

output "secret_arns" {
  description = "ARN of each secret: anthropic-keys, git-token, websocket-signing-keys."
  value       = module.secrets.arns
}

output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = module.fargate.state_machine_arn
}

output "subnet_ids" {
  description = "Subnets for tasks."
  value       = module.vpc.subnet_ids
}

output "task_definition" {
  description = "ARN of the task definition, with revision."
  value       = module.fargate.task_definition_arn
}

output "websocket_api_id" {
  description = "Id of the WebSocket API."
  value       = module.websocket.api_id
}

output "websocket_stage" {
  description = "Stage of the WebSocket API."
  value       = module.websocket.stage_name
}

output "websocket_url" {
  description = "URL that clients connect to."
  value       = module.websocket.url
}

output "worker_image" {
  description = "Image that tasks run."
  value       = module.fargate.worker_image
}

output "worker_security_group_id" {
  description = "Security group for tasks."
  value       = module.vpc.worker_security_group_id
}
