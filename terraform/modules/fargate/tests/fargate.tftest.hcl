# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
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

  mock_resource "aws_iam_service_linked_role" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_sfn_state_machine" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }
}

variables {
  functions = {
    admit_arn  = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-admit"
    decide_arn = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-decide"
  }
  image = {
    repository = "ralph-example-worker"
    tag        = "0.1.0"
  }
  names = {
    cluster       = "ralph-example"
    log_group     = "/ralph/example/workstreams"
    state_machine = "ralph-example-workstream"
    task_family   = "ralph-example-worker"
  }
  network = {
    security_group_id = "sg-0123456789abcdef0"
    subnet_ids        = ["subnet-0123456789abcdef0"]
  }
  region = "us-east-1"
  secrets = {
    anthropic_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
    git_token_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
  }
}

# The example of the README, with the default of every other input.
run "example" {}

# Every switch can be on at once.
run "everything_on" {
  variables {
    create_service_linked_role = true
    environment = {
      RALPH_MAX_ITERATIONS = "50"
    }
    image = {
      repository      = "ralph-example-worker"
      tag             = "0.1.0"
      uri             = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:1"
      credentials_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:registry-a1b2c3"
    }
    secrets = {
      anthropic_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
      git_token_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
      agent_arns = {
        DATABASE_URL  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3"
        USER_NAME     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/user-a1b2c3:name::"
        USER_PASSWORD = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/user-a1b2c3:password:AWSPREVIOUS:"
      }
    }
    monitoring = {
      alarms             = true
      alarm_topic_arn    = "arn:aws:sns:us-east-1:123456789012:alarms"
      container_insights = true
    }
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    roles = {
      path = "/ralph/"
    }
  }

  assert {
    condition     = aws_ecs_cluster.this.name == var.names.cluster
    error_message = "the cluster"
  }
}

# A name that is too long for a role is cut, and ends in its hash.
run "long_names" {
  variables {
    names = {
      cluster       = "ralph-example"
      log_group     = "/ralph/example/workstreams"
      state_machine = "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
      task_family   = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    }
  }

  assert {
    condition     = can(regex("^f{45}-[0-9a-f]{8}-execution$", aws_iam_role.execution.name))
    error_message = "the execution role"
  }
}

# An image of your own is the one that tasks run, whatever the tag and the digest are.
run "own_image" {
  variables {
    image = {
      repository = "ralph-example-worker"
      tag        = "0.1.0"
      uri        = "ghcr.io/team/worker:1"
      digest     = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
    }
  }

  assert {
    condition     = local.task_image == "ghcr.io/team/worker:1"
    error_message = "the image"
  }
}

# A size that Fargate does not offer is refused.
run "no_such_size" {
  command         = plan
  expect_failures = [aws_ecs_task_definition.worker]

  variables {
    task = {
      cpu    = 256
      memory = 8192
    }
  }
}

# A size between two that Fargate offers is refused.
run "not_every_step_is_a_size" {
  command         = plan
  expect_failures = [aws_ecs_task_definition.worker]

  variables {
    task = {
      cpu    = 256
      memory = 1536
    }
  }
}

# environment must have names that begin with RALPH_ and continue with capital letters and
# underscores, or that are RALPH_AGENT_ENV_ and the name of a variable; but not
# RALPH_ANTHROPIC_KEYS, RALPH_GIT_TOKEN or RALPH_AGENT_SECRET_…: secrets come from Secrets Manager.
run "refuses_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = {
      RALPH_GIT_TOKEN = "ghp_x"
    }
  }
}

# admit_arn must be the ARN of a Lambda function.
run "refuses_functions_admit_arn" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = {
      admit_arn  = "ralph-example-admit"
      decide_arn = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-decide"
    }
  }
}

# decide_arn must be the ARN of a Lambda function.
run "refuses_functions_decide_arn" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = {
      admit_arn  = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-admit"
      decide_arn = "ralph-example-admit"
    }
  }
}

# digest must be sha256: and 64 hexadecimal digits, or null.
run "refuses_image_digest" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository = "ralph-example-worker"
      tag        = "0.1.0"
      digest     = "sha256:latest"
    }
  }
}

# kept must be a whole number from 1 to 10000.
run "refuses_image_kept" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository = "ralph-example-worker"
      tag        = "0.1.0"
      kept       = 0
    }
  }
}

# repository must have lower-case letters and digits, with single characters . _ - or / between
# them.
run "refuses_image_repository" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository = "Ralph"
      tag        = "0.1.0"
    }
  }
}

# tag must have 1 to 128 letters, digits and the characters _ . and -, and must not be latest: a tag
# can be pushed only once.
run "refuses_image_tag" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository = "ralph-example-worker"
      tag        = "latest"
    }
  }
}

# untagged_days must be a whole number from 1 to 3650.
run "refuses_image_untagged_days" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository    = "ralph-example-worker"
      tag           = "0.1.0"
      untagged_days = 0
    }
  }
}

# credentials_arn must be the ARN of a secret in Secrets Manager, or null.
run "refuses_image_credentials_arn" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository      = "ralph-example-worker"
      tag             = "0.1.0"
      credentials_arn = "ralph/dev/registry"
    }
  }
}

# uri must be the name of an image with a tag other than latest or with a digest, or null: a run
# must know what it runs.
run "refuses_image_uri" {
  command         = plan
  expect_failures = [var.image]

  variables {
    image = {
      repository = "ralph-example-worker"
      tag        = "0.1.0"
      uri        = "ghcr.io/team/worker:latest"
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

# log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545,
# 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers.
run "refuses_log_retention_in_days" {
  command         = plan
  expect_failures = [var.log_retention_in_days]

  variables {
    log_retention_in_days = 10
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

# cluster must have 1 to 255 letters, digits, hyphens and underscores.
run "refuses_names_cluster" {
  command         = plan
  expect_failures = [var.names]

  variables {
    names = {
      cluster       = "ralph dev"
      log_group     = "/ralph/example/workstreams"
      state_machine = "ralph-example-workstream"
      task_family   = "ralph-example-worker"
    }
  }
}

# task_family must have 1 to 255 letters, digits, hyphens and underscores.
run "refuses_names_task_family" {
  command         = plan
  expect_failures = [var.names]

  variables {
    names = {
      cluster       = "ralph-example"
      log_group     = "/ralph/example/workstreams"
      state_machine = "ralph-example-workstream"
      task_family   = "ralph dev"
    }
  }
}

# log_group must have 1 to 512 letters, digits and the characters _ - / . #.
run "refuses_names_log_group" {
  command         = plan
  expect_failures = [var.names]

  variables {
    names = {
      cluster       = "ralph-example"
      log_group     = "work streams"
      state_machine = "ralph-example-workstream"
      task_family   = "ralph-example-worker"
    }
  }
}

# state_machine must have 1 to 80 letters, digits, hyphens and underscores.
run "refuses_names_state_machine" {
  command         = plan
  expect_failures = [var.names]

  variables {
    names = {
      cluster       = "ralph-example"
      log_group     = "/ralph/example/workstreams"
      state_machine = "ralph workstream"
      task_family   = "ralph-example-worker"
    }
  }
}

# security_group_id must be the id of a security group, such as sg-0123456789abcdef0.
run "refuses_network_security_group_id" {
  command         = plan
  expect_failures = [var.network]

  variables {
    network = {
      security_group_id = "worker"
      subnet_ids        = ["subnet-0123456789abcdef0"]
    }
  }
}

# subnet_ids must be one or more ids of subnets, such as subnet-0123456789abcdef0.
run "refuses_network_subnet_ids" {
  command         = plan
  expect_failures = [var.network]

  variables {
    network = {
      security_group_id = "sg-0123456789abcdef0"
      subnet_ids        = ["vpc-0123456789abcdef0"]
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

# anthropic_keys_arn must be the ARN of a secret in Secrets Manager.
run "refuses_secrets_anthropic_keys_arn" {
  command         = plan
  expect_failures = [var.secrets]

  variables {
    secrets = {
      anthropic_keys_arn = "ralph/dev/git-token"
      git_token_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
    }
  }
}

# git_token_arn must be the ARN of a secret in Secrets Manager.
run "refuses_secrets_git_token_arn" {
  command         = plan
  expect_failures = [var.secrets]

  variables {
    secrets = {
      anthropic_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
      git_token_arn      = "ralph/dev/git-token"
    }
  }
}

# agent_arns must have names of variables, and the ARN of a secret in Secrets Manager for each,
# perhaps with :json-key:version-stage:version-id behind it.
run "refuses_secrets_agent_arns" {
  command         = plan
  expect_failures = [var.secrets]

  variables {
    secrets = {
      anthropic_keys_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
      git_token_arn      = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
      agent_arns = {
        DATABASE_URL = "arn:aws:ssm:us-east-1:123456789012:parameter/database"
      }
    }
  }
}

# architecture must be X86_64 or ARM64.
run "refuses_task_architecture" {
  command         = plan
  expect_failures = [var.task]

  variables {
    task = {
      architecture = "x86_64"
    }
  }
}

# cpu must be one of 256, 512, 1024, 2048, 4096, 8192 or 16384.
run "refuses_task_cpu" {
  command         = plan
  expect_failures = [var.task]

  variables {
    task = {
      cpu = 1000
    }
  }
}

# storage_gib must be a whole number from 21 to 200.
run "refuses_task_storage_gib" {
  command         = plan
  expect_failures = [var.task]

  variables {
    task = {
      storage_gib = 20
    }
  }
}
