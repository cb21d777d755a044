# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:the values are the user's own and are replaced with `ralph keys set`
  for_each = local.secrets

  name                    = "${var.name_prefix}/${each.key}"
  description             = each.value
  recovery_window_in_days = var.recovery_window_in_days
  kms_key_id              = var.kms_key_arn
}
