# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

output "assign_public_ip" {
  description = "Whether each task must get a public IP address."
  value       = local.create ? var.nat == "none" : !var.existing.private
}

output "subnet_ids" {
  description = "Ids of the subnets for tasks."
  value       = local.subnet_ids
}

output "vpc_id" {
  description = "Id of the VPC."
  value       = local.vpc_id
}

output "worker_security_group_id" {
  description = "Id of the security group for tasks: nothing in, TLS out."
  value       = aws_security_group.worker.id
}
