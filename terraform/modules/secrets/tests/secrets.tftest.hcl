# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }
}

variables {
  name_prefix             = "ralph/example"
  recovery_window_in_days = 0
}

# The example of the README, with the default of every other input.
run "example" {}

# kms_key_arn must be the ARN of a KMS key, not of an alias, or null.
run "refuses_kms_key_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/ralph"
  }
}

# name_prefix must have letters, digits and the characters / _ + = . @ and -, and no slash at either
# end.
run "refuses_name_prefix" {
  command         = plan
  expect_failures = [var.name_prefix]

  variables {
    name_prefix = "/ralph/dev/"
  }
}

# recovery_window_in_days must be 0, or a whole number from 7 to 30.
run "refuses_recovery_window_in_days" {
  command         = plan
  expect_failures = [var.recovery_window_in_days]

  variables {
    recovery_window_in_days = 5
  }
}
