# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes. Defined in generator/src/modules/secrets.rs.

resource "aws_secretsmanager_secret" "anthropic_keys" {
  # checkov:skip=CKV2_AWS_57:the values are the user's own and are replaced with `ralph keys set`
  name                    = "${var.name_prefix}/anthropic-keys"
  description             = "Keys of the model's service, used in this order."
  recovery_window_in_days = var.recovery_window_in_days
  kms_key_id              = var.kms_key_arn
}

resource "aws_secretsmanager_secret" "git_token" {
  # checkov:skip=CKV2_AWS_57:the values are the user's own and are replaced with `ralph keys set`
  name                    = "${var.name_prefix}/git-token"
  description             = "Credential for the git host; {} for public repositories."
  recovery_window_in_days = var.recovery_window_in_days
  kms_key_id              = var.kms_key_arn
}

resource "aws_secretsmanager_secret" "websocket_signing_keys" {
  # checkov:skip=CKV2_AWS_57:the values are the user's own and are replaced with `ralph keys set`
  name                    = "${var.name_prefix}/websocket-signing-keys"
  description             = "Keys that sign the tokens of WebSocket connections."
  recovery_window_in_days = var.recovery_window_in_days
  kms_key_id              = var.kms_key_arn
}
