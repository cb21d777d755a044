# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes.

output "anthropic_keys_arn" {
  description = "ARN of the keys of the model's service."
  value       = aws_secretsmanager_secret.this["anthropic-keys"].arn
}

output "arns" {
  description = "ARN of each secret by its short name."
  value       = { for key, item in aws_secretsmanager_secret.this : key => item.arn }
}

output "git_token_arn" {
  description = "ARN of the git credential."
  value       = aws_secretsmanager_secret.this["git-token"].arn
}

output "signing_keys_arn" {
  description = "ARN of the keys that sign connection tokens."
  value       = aws_secretsmanager_secret.this["websocket-signing-keys"].arn
}
