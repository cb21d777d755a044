# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# From a log line to a browser. Defined in generator/src/modules/websocket.rs.

mock_provider "aws" {
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

  mock_resource "aws_cloudwatch_log_group" {
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
  architecture                   = "x86_64"
  deletion_protection            = false
  environment                    = "example"
  function_log_retention_in_days = 7
  name                           = "ralph-example"
  point_in_time_recovery         = false
  region                         = "us-east-1"
  signing_keys_arn               = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/websocket-signing-keys-a1b2c3"
  stage_name                     = "example"
  table_name                     = "ralph-example-connections"
  throttling_burst_limit         = 500
  throttling_rate_limit          = 1000
  workers_log_group_arn          = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
  workers_log_group_name         = "/ralph/example/workstreams"
  workers_log_retention_in_days  = 7
  lambda_zip                     = "versions.tf"
}

# The example of the README, with the default of every other input.
run "example" {}

# The architecture is x86_64 or arm64.
run "refuses_architecture" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "i386"
  }
}
