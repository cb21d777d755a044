# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

output "subnet_ids" {
  description = "Subnets for tasks."
  value       = local.subnet_ids
}

output "worker_security_group_id" {
  description = "Security group for tasks: nothing in, TLS out."
  value       = aws_security_group.worker.id
}
