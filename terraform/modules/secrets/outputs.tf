# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes. Defined in generator/src/modules/secrets.rs.

output "anthropic_keys_arn" {
  description = "ARN of the keys of the model's service."
  value       = aws_secretsmanager_secret.anthropic_keys.arn
}

output "arns" {
  description = "ARN of each secret by its short name."
  value = {
    anthropic-keys         = aws_secretsmanager_secret.anthropic_keys.arn
    git-token              = aws_secretsmanager_secret.git_token.arn
    websocket-signing-keys = aws_secretsmanager_secret.websocket_signing_keys.arn
  }
}

output "git_token_arn" {
  description = "ARN of the git credential."
  value       = aws_secretsmanager_secret.git_token.arn
}

output "signing_keys_arn" {
  description = "ARN of the keys that sign connection tokens."
  value       = aws_secretsmanager_secret.websocket_signing_keys.arn
}
