# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

output "anthropic_keys_arn" {
  description = "ARN of the secret with the keys of the model's service."
  value       = aws_secretsmanager_secret.this["anthropic-keys"].arn
}

output "arns" {
  description = "ARN of each secret, by its name without the prefix."
  value       = { for key, item in aws_secretsmanager_secret.this : key => item.arn }
}

output "git_token_arn" {
  description = "ARN of the secret with the git credential."
  value       = aws_secretsmanager_secret.this["git-token"].arn
}

output "signing_keys_arn" {
  description = "ARN of the secret with the keys that sign connection tokens."
  value       = aws_secretsmanager_secret.this["websocket-signing-keys"].arn
}
