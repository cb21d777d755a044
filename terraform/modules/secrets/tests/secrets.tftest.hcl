# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes. Defined in generator/src/modules/secrets.rs.

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

# The prefix has letters, digits and the characters / _ + = . @ -, and no slash at either end.
run "refuses_name_prefix" {
  command         = plan
  expect_failures = [var.name_prefix]

  variables {
    name_prefix = "/ralph/dev/"
  }
}

# The key is named by its ARN, not by an alias: some services accept nothing else.
run "refuses_kms_key_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/ralph"
  }
}

# The recovery window is 0, or 7 to 30 days.
run "refuses_recovery_window_in_days" {
  command         = plan
  expect_failures = [var.recovery_window_in_days]

  variables {
    recovery_window_in_days = 5
  }
}
