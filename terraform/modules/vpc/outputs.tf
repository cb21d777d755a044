# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# The network of the tasks.

output "assign_public_ip" {
  description = "Whether a task needs a public address to get out."
  value       = local.create ? var.nat == "none" : !var.existing.private
}

output "subnet_ids" {
  description = "Subnets for tasks."
  value       = local.subnet_ids
}

output "vpc_id" {
  description = "Id of the VPC."
  value       = local.vpc_id
}

output "worker_security_group_id" {
  description = "Security group for tasks: nothing in, TLS out."
  value       = aws_security_group.worker.id
}
