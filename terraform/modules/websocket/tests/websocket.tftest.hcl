# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      arn           = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      api_endpoint  = "https://mock.example.com"
      execution_arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = {
      authorizer_uri = "arn:aws:mock:us-east-1:123456789012:mock/invoke"
    }
  }

  mock_resource "aws_apigatewayv2_integration" {
    defaults = {
      integration_uri = "arn:aws:mock:us-east-1:123456789012:mock/invoke"
    }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = {
      arn           = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      execution_arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      invoke_url    = "https://mock.example.com"
    }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      invoke_arn = "arn:aws:mock:us-east-1:123456789012:mock/invoke"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      url = "https://mock.example.com"
    }
  }
}

variables {
  environment = "example"
  executions = {
    state_machine_name = "ralph-example-workstream"
  }
  lambda = {
    zip = "versions.tf"
  }
  name             = "ralph-example"
  region           = "us-east-1"
  signing_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/websocket-signing-keys-a1b2c3"
  workers = {
    cluster_arn    = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
    log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
    log_group_name = "/ralph/example/workstreams"
    log_url        = "https://logs.example.com/{workstream}/{run}"
  }
}

# The example of the README, with the default of every other input.
run "example" {}

# Without an address and a topic nobody is told.
run "nobody_is_told" {
  assert {
    condition     = length(aws_sns_topic.executions) == 0
    error_message = "no topic"
  }

  assert {
    condition     = length(local.notify_topic_arns) == 0
    error_message = "nobody"
  }
}

# An address gets a topic of its own.
run "an_address_is_told" {
  variables {
    notifications = {
      email = "team@example.com"
    }
  }

  assert {
    condition     = length(aws_sns_topic.executions) == 1
    error_message = "a topic"
  }

  assert {
    condition     = local.notify_topic_arns[0] == aws_sns_topic.executions[0].arn
    error_message = "that topic"
  }
}

# A topic that exists is used, and none is made.
run "a_topic_is_told" {
  variables {
    notifications = {
      topic_arn = "arn:aws:sns:us-east-1:123456789012:executions"
    }
  }

  assert {
    condition     = length(aws_sns_topic.executions) == 0
    error_message = "no topic"
  }

  assert {
    condition     = local.notify_topic_arns[0] == "arn:aws:sns:us-east-1:123456789012:executions"
    error_message = "theirs"
  }
}

# An address and a topic together are refused.
run "an_address_and_a_topic" {
  command         = plan
  expect_failures = [aws_sns_topic.executions]

  variables {
    notifications = {
      email     = "team@example.com"
      topic_arn = "arn:aws:sns:us-east-1:123456789012:executions"
    }
  }
}

# A plan warns when the functions are not built yet.
run "not_built" {
  expect_failures = [check.lambda_zip]

  variables {
    lambda = {
      zip = "not-built.zip"
    }
  }
}

# Every switch can be on at once.
run "everything_on" {
  variables {
    monitoring = {
      access_logs      = true
      account_log_role = true
      alarms           = true
      alarm_topic_arn  = "arn:aws:sns:us-east-1:123456789012:alarms"
      dashboard        = true
      detailed_metrics = true
      traced_functions = ["push-logs", "send-logs"]
    }
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    lambda = {
      zip = "versions.tf"
      reserved_concurrency = {
        push-logs = 5
      }
    }
    notifications = {
      email = "team@example.com"
    }
    roles = {
      path = "/ralph/"
    }
    table = {
      deletion_protection    = true
      point_in_time_recovery = true
    }
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.name == var.environment
    error_message = "the stage"
  }

  assert {
    condition     = aws_dynamodb_table.connections.name == "${var.name}-connections"
    error_message = "the table"
  }
}

# environment must begin with a lower-case letter, have lower-case letters, digits and hyphens, and
# not end with a hyphen.
run "refuses_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = "Dev"
  }
}

# max_duration_secs must be a whole number from 1 to 25920000.
run "refuses_executions_max_duration_secs" {
  command         = plan
  expect_failures = [var.executions]

  variables {
    executions = {
      state_machine_name = "ralph-example-workstream"
      max_duration_secs  = 0
    }
  }
}

# state_machine_name must have 1 to 80 letters, digits, hyphens and underscores.
run "refuses_executions_state_machine_name" {
  command         = plan
  expect_failures = [var.executions]

  variables {
    executions = {
      state_machine_name = "ralph workstream"
    }
  }
}

# kms_key_arn must be the ARN of a KMS key, not of an alias, or null.
run "refuses_kms_key_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/ralph"
  }
}

# architecture must be x86_64 or arm64.
run "refuses_lambda_architecture" {
  command         = plan
  expect_failures = [var.lambda]

  variables {
    lambda = {
      zip          = "versions.tf"
      architecture = "i386"
    }
  }
}

# log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545,
# 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers.
run "refuses_lambda_log_retention_in_days" {
  command         = plan
  expect_failures = [var.lambda]

  variables {
    lambda = {
      zip                   = "versions.tf"
      log_retention_in_days = 10
    }
  }
}

# reserved_concurrency must give functions (authorize, connect, disconnect, send-logs, push-logs,
# task-events, admit, decide) a number of instances each, or -1 for none.
run "refuses_lambda_reserved_concurrency" {
  command         = plan
  expect_failures = [var.lambda]

  variables {
    lambda = {
      zip = "versions.tf"
      reserved_concurrency = {
        push = 5
      }
    }
  }
}

# management_base must be a URL without a slash at its end, or null for AWS's own.
run "refuses_management_base" {
  command         = plan
  expect_failures = [var.management_base]

  variables {
    management_base = "http://127.0.0.1:4566/"
  }
}

# alarm_topic_arn must be the ARN of an SNS topic, or null.
run "refuses_monitoring_alarm_topic_arn" {
  command         = plan
  expect_failures = [var.monitoring]

  variables {
    monitoring = {
      alarm_topic_arn = "arn:aws:sqs:us-east-1:123456789012:alarms"
    }
  }
}

# traced_functions must name functions: authorize, connect, disconnect, send-logs, push-logs,
# task-events, admit, decide.
run "refuses_monitoring_traced_functions" {
  command         = plan
  expect_failures = [var.monitoring]

  variables {
    monitoring = {
      traced_functions = ["push"]
    }
  }
}

# name must begin with a lower-case letter and have at most 48 lower-case letters, digits and
# hyphens: a role's name is made of it.
run "refuses_name" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Ralph Dev"
  }
}

# email must be an e-mail address, or null.
run "refuses_notifications_email" {
  command         = plan
  expect_failures = [var.notifications]

  variables {
    notifications = {
      email = "team"
    }
  }
}

# topic_arn must be the ARN of a standard SNS topic, not of a FIFO topic, or null.
run "refuses_notifications_topic_arn" {
  command         = plan
  expect_failures = [var.notifications]

  variables {
    notifications = {
      topic_arn = "arn:aws:sns:us-east-1:123456789012:executions.fifo"
    }
  }
}

# region must be the code of a Region, such as us-east-1.
run "refuses_region" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "Virginia"
  }
}

# path must begin and end with a slash, such as / or /ralph/.
run "refuses_roles_path" {
  command         = plan
  expect_failures = [var.roles]

  variables {
    roles = {
      path = "ralph"
    }
  }
}

# permissions_boundary_arn must be the ARN of an IAM policy, or null.
run "refuses_roles_permissions_boundary_arn" {
  command         = plan
  expect_failures = [var.roles]

  variables {
    roles = {
      permissions_boundary_arn = "arn:aws:iam::123456789012:role/not-a-policy"
    }
  }
}

# signing_keys_arn must be the ARN of a secret in Secrets Manager.
run "refuses_signing_keys_arn" {
  command         = plan
  expect_failures = [var.signing_keys_arn]

  variables {
    signing_keys_arn = "ralph/dev/git-token"
  }
}

# burst_limit must be a whole number from 1 to 5000.
run "refuses_throttling_burst_limit" {
  command         = plan
  expect_failures = [var.throttling]

  variables {
    throttling = {
      burst_limit = 0
    }
  }
}

# rate_limit must be a whole number from 1 to 10000.
run "refuses_throttling_rate_limit" {
  command         = plan
  expect_failures = [var.throttling]

  variables {
    throttling = {
      rate_limit = 0
    }
  }
}

# cluster_arn must be the ARN of an ECS cluster.
run "refuses_workers_cluster_arn" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn    = "ralph-example"
      log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
      log_group_name = "/ralph/example/workstreams"
      log_url        = "https://logs.example.com/{workstream}/{run}"
    }
  }
}

# log_group_arn must be the ARN of a log group and end with its name, without :*.
run "refuses_workers_log_group_arn" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn    = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
      log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams:*"
      log_group_name = "/ralph/example/workstreams"
      log_url        = "https://logs.example.com/{workstream}/{run}"
    }
  }
}

# log_group_name must have 1 to 512 letters, digits and the characters _ - / . #.
run "refuses_workers_log_group_name" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn    = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
      log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
      log_group_name = "work streams"
      log_url        = "https://logs.example.com/{workstream}/{run}"
    }
  }
}

# log_group_name must be the group that tasks write to, not a function's own: each line that
# push-logs wrote would call it again.
run "refuses_workers_log_group_name_2" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn    = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
      log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
      log_group_name = "/aws/lambda/ralph-example-push-logs"
      log_url        = "https://logs.example.com/{workstream}/{run}"
    }
  }
}

# log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545,
# 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers.
run "refuses_workers_log_retention_in_days" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn           = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
      log_group_arn         = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
      log_group_name        = "/ralph/example/workstreams"
      log_url               = "https://logs.example.com/{workstream}/{run}"
      log_retention_in_days = 10
    }
  }
}

# log_url must be an https URL without quotes and brackets, and with {workstream} and {run} alone in
# braces.
run "refuses_workers_log_url" {
  command         = plan
  expect_failures = [var.workers]

  variables {
    workers = {
      cluster_arn    = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
      log_group_arn  = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
      log_group_name = "/ralph/example/workstreams"
      log_url        = "https://logs.example.com/{task}"
    }
  }
}
