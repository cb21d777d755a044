# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      arn           = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      api_endpoint  = "https://mock.example.com"
      execution_arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = {
      arn           = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      execution_arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      invoke_url    = "https://mock.example.com"
    }
  }

  mock_resource "aws_cloudwatch_dashboard" {
    defaults = {
      dashboard_arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
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

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      url = "https://mock.example.com"
    }
  }
}

variables {
  allow_file_repositories = false
  cluster_arn             = "arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"
  environment             = "example"
  max_duration_secs       = 14400
  name                    = "ralph-example"
  region                  = "us-east-1"
  signing_keys_arn        = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/websocket-signing-keys-a1b2c3"
  stage_name              = "example"
  state_machine_name      = "ralph-example-workstream"
  table_name              = "ralph-example-connections"
  workers_log_group_arn   = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
  workers_log_group_name  = "/ralph/example/workstreams"
  lambda_zip              = "versions.tf"
}

# The example of the README, with the default of every other input.
run "example" {}

# Every switch can be on at once.
run "everything_on" {
  variables {
    access_logs            = true
    account_log_role       = true
    alarms                 = true
    alarm_topic_arn        = "arn:aws:sns:us-east-1:123456789012:alarms"
    dashboard              = true
    deletion_protection    = true
    detailed_metrics       = true
    kms_key_arn            = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    point_in_time_recovery = true
    reserved_concurrency = {
      push-logs = 5
    }
    traced_functions = ["push-logs", "send-logs"]
    role_path        = "/ralph/"
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.name == var.stage_name
    error_message = "the stage"
  }

  assert {
    condition     = aws_dynamodb_table.connections.name == var.table_name
    error_message = "the table"
  }
}

# The topic is the ARN of an SNS topic, or null.
run "refuses_alarm_topic_arn" {
  command         = plan
  expect_failures = [var.alarm_topic_arn]

  variables {
    alarm_topic_arn = "arn:aws:sqs:us-east-1:123456789012:alarms"
  }
}

# The architecture is x86_64 or arm64.
run "refuses_architecture" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "i386"
  }
}

# The cluster is named by its ARN.
run "refuses_cluster_arn" {
  command         = plan
  expect_failures = [var.cluster_arn]

  variables {
    cluster_arn = "ralph-example"
  }
}

# An environment's name has lower-case letters, digits and hyphens and begins with a letter.
run "refuses_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = "Dev"
  }
}

# CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120,
# 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653.
run "refuses_function_log_retention_in_days" {
  command         = plan
  expect_failures = [var.function_log_retention_in_days]

  variables {
    function_log_retention_in_days = 10
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

# The base is a URL without a slash at its end, or null for AWS's own.
run "refuses_management_base" {
  command         = plan
  expect_failures = [var.management_base]

  variables {
    management_base = "http://127.0.0.1:4566/"
  }
}

# An execution takes 1 to 25920000 seconds: 300 days.
run "refuses_max_duration_secs" {
  command         = plan
  expect_failures = [var.max_duration_secs]

  variables {
    max_duration_secs = 0
  }
}

# The name has at most 48 lower-case letters, digits and hyphens and begins with a letter: what is
# appended to it must fit into the 64 characters of a role's name.
run "refuses_name" {
  command         = plan
  expect_failures = [var.name]

  variables {
    name = "Ralph Dev"
  }
}

# The boundary is the ARN of an IAM policy, or null.
run "refuses_permissions_boundary_arn" {
  command         = plan
  expect_failures = [var.permissions_boundary_arn]

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:role/not-a-policy"
  }
}

# The Region is given by its code, such as us-east-1.
run "refuses_region" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "Virginia"
  }
}

# Reserved concurrency is given by function (authorize, connect, disconnect, send-logs, push-logs,
# task-events, admit, decide), each -1 for none or a number of instances.
run "refuses_reserved_concurrency" {
  command         = plan
  expect_failures = [var.reserved_concurrency]

  variables {
    reserved_concurrency = {
      push = 5
    }
  }
}

# A role's path begins and ends with a slash, such as / or /ralph/.
run "refuses_role_path" {
  command         = plan
  expect_failures = [var.role_path]

  variables {
    role_path = "ralph"
  }
}

# A secret is named by its ARN.
run "refuses_signing_keys_arn" {
  command         = plan
  expect_failures = [var.signing_keys_arn]

  variables {
    signing_keys_arn = "ralph/dev/git-token"
  }
}

# A stage's name has 1 to 128 letters, digits, hyphens and underscores.
run "refuses_stage_name" {
  command         = plan
  expect_failures = [var.stage_name]

  variables {
    stage_name = "$default"
  }
}

# A state machine's name has 1 to 80 letters, digits, hyphens and underscores.
run "refuses_state_machine_name" {
  command         = plan
  expect_failures = [var.state_machine_name]

  variables {
    state_machine_name = "ralph dev"
  }
}

# A table's name has 3 to 255 letters, digits and the characters _ . and -.
run "refuses_table_name" {
  command         = plan
  expect_failures = [var.table_name]

  variables {
    table_name = "t"
  }
}

# API Gateway allows bursts of 1 to 5000 messages; 0 would answer 429 to everything.
run "refuses_throttling_burst_limit" {
  command         = plan
  expect_failures = [var.throttling_burst_limit]

  variables {
    throttling_burst_limit = 0
  }
}

# API Gateway allows 1 to 10000 messages a second; 0 would answer 429 to everything.
run "refuses_throttling_rate_limit" {
  command         = plan
  expect_failures = [var.throttling_rate_limit]

  variables {
    throttling_rate_limit = 0
  }
}

# A function that can be traced is one of authorize, connect, disconnect, send-logs, push-logs,
# task-events, admit, decide.
run "refuses_traced_functions" {
  command         = plan
  expect_failures = [var.traced_functions]

  variables {
    traced_functions = ["push"]
  }
}

# The log group's ARN ends with its name, without `:*`.
run "refuses_workers_log_group_arn" {
  command         = plan
  expect_failures = [var.workers_log_group_arn]

  variables {
    workers_log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams:*"
  }
}

# A log group's name has 1 to 512 letters, digits and the characters _ - / . #.
run "refuses_workers_log_group_name" {
  command         = plan
  expect_failures = [var.workers_log_group_name]

  variables {
    workers_log_group_name = "work streams"
  }
}

# The workers' log group is not a function's own: each line that push-logs wrote would call it
# again. Name the group that the tasks write to.
run "refuses_workers_log_group_name_2" {
  command         = plan
  expect_failures = [var.workers_log_group_name]

  variables {
    workers_log_group_name = "/aws/lambda/ralph-example-push-logs"
  }
}

# CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120,
# 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653.
run "refuses_workers_log_retention_in_days" {
  command         = plan
  expect_failures = [var.workers_log_retention_in_days]

  variables {
    workers_log_retention_in_days = 10
  }
}
