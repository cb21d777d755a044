# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      repository_url = "https://mock.example.com"
    }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = {
      arn                  = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      arn_without_revision = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }
}

variables {
  anthropic_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
  cluster_name       = "ralph-example"
  cpu_architecture   = "X86_64"
  environment = {
    RALPH_MAX_ITERATIONS = "50"
  }
  ephemeral_storage_gib = 21
  force_delete_images   = true
  git_token_arn         = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
  image_tag             = "0.1.0"
  log_group_name        = "/ralph/example/workstreams"
  log_retention_in_days = 7
  region                = "us-east-1"
  repository_name       = "ralph-example-worker"
  task_cpu              = 1024
  task_family           = "ralph-example-worker"
  task_memory           = 2048
}

# The example of the README, with the default of every other input.
run "example" {}

# The architecture is X86_64 or ARM64.
run "refuses_cpu_architecture" {
  command         = plan
  expect_failures = [var.cpu_architecture]

  variables {
    cpu_architecture = "x86_64"
  }
}
