# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# What a workstream runs on. Defined in generator/src/modules/fargate.rs.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
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

  mock_resource "aws_sfn_state_machine" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }
}

variables {
  admit_function_arn  = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-admit"
  anthropic_keys_arn  = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
  assign_public_ip    = true
  cluster_name        = "ralph-example"
  cpu_architecture    = "X86_64"
  decide_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-decide"
  environment = {
    RALPH_MAX_ITERATIONS = "50"
  }
  ephemeral_storage_gib    = 21
  force_delete_images      = true
  git_token_arn            = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
  image_tag                = "0.1.0"
  log_group_name           = "/ralph/example/workstreams"
  log_retention_in_days    = 7
  region                   = "us-east-1"
  repository_name          = "ralph-example-worker"
  state_machine_name       = "ralph-example-workstream"
  subnet_ids               = ["subnet-0123456789abcdef0"]
  task_cpu                 = 1024
  task_family              = "ralph-example-worker"
  task_memory              = 2048
  worker_security_group_id = "sg-0123456789abcdef0"
}

# The example of the README, with the default of every other input.
run "example" {}

# Every switch can be on at once.
run "everything_on" {
  variables {
    alarms             = true
    alarm_topic_arn    = "arn:aws:sns:us-east-1:123456789012:alarms"
    container_insights = true
    kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    role_path          = "/ralph/"
  }

  assert {
    condition     = aws_ecs_cluster.this.name == var.cluster_name
    error_message = "the cluster"
  }
}

# A name that is too long for a role is cut, and ends in its hash.
run "long_names" {
  variables {
    task_family        = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    state_machine_name = "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
  }

  assert {
    condition     = can(regex("^f{45}-[0-9a-f]{8}-execution$", aws_iam_role.execution.name))
    error_message = "the execution role"
  }
}

# A size that Fargate does not offer is refused.
run "no_such_size" {
  command         = plan
  expect_failures = [aws_ecs_task_definition.worker]

  variables {
    task_cpu    = 256
    task_memory = 8192
  }
}

# A size between two that Fargate offers is refused.
run "not_every_step_is_a_size" {
  command         = plan
  expect_failures = [aws_ecs_task_definition.worker]

  variables {
    task_cpu    = 256
    task_memory = 1536
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

# The key is named by its ARN, not by an alias: some services accept nothing else.
run "refuses_kms_key_arn" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/ralph"
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

# The repository keeps 1 to 10000 images.
run "refuses_images_kept" {
  command         = plan
  expect_failures = [var.images_kept]

  variables {
    images_kept = 0
  }
}

# Images without a tag are kept for 1 to 3650 days.
run "refuses_untagged_image_days" {
  command         = plan
  expect_failures = [var.untagged_image_days]

  variables {
    untagged_image_days = 0
  }
}

# The function is named by its ARN.
run "refuses_admit_function_arn" {
  command         = plan
  expect_failures = [var.admit_function_arn]

  variables {
    admit_function_arn = "ralph-example-admit"
  }
}

# The function is named by its ARN.
run "refuses_decide_function_arn" {
  command         = plan
  expect_failures = [var.decide_function_arn]

  variables {
    decide_function_arn = "ralph-example-admit"
  }
}

# A secret is named by its ARN.
run "refuses_anthropic_keys_arn" {
  command         = plan
  expect_failures = [var.anthropic_keys_arn]

  variables {
    anthropic_keys_arn = "ralph/dev/git-token"
  }
}

# A cluster's name has 1 to 255 letters, digits, hyphens and underscores.
run "refuses_cluster_name" {
  command         = plan
  expect_failures = [var.cluster_name]

  variables {
    cluster_name = "ralph dev"
  }
}

# The architecture is X86_64 or ARM64.
run "refuses_cpu_architecture" {
  command         = plan
  expect_failures = [var.cpu_architecture]

  variables {
    cpu_architecture = "x86_64"
  }
}

# The environment holds variables RALPH_… of the worker and no secret: those come from Secrets
# Manager.
run "refuses_environment" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = {
      RALPH_GIT_TOKEN = "ghp_x"
    }
  }
}

# Fargate gives a task 21 to 200 GiB of scratch space.
run "refuses_ephemeral_storage_gib" {
  command         = plan
  expect_failures = [var.ephemeral_storage_gib]

  variables {
    ephemeral_storage_gib = 20
  }
}

# A secret is named by its ARN.
run "refuses_git_token_arn" {
  command         = plan
  expect_failures = [var.git_token_arn]

  variables {
    git_token_arn = "ralph/dev/git-token"
  }
}

# A digest is sha256: and 64 hexadecimal digits, or null.
run "refuses_image_digest" {
  command         = plan
  expect_failures = [var.image_digest]

  variables {
    image_digest = "sha256:latest"
  }
}

# A tag has 1 to 128 letters, digits and the characters _ . and -.
run "refuses_image_tag" {
  command         = plan
  expect_failures = [var.image_tag]

  variables {
    image_tag = "0.1.0+build"
  }
}

# Tags cannot be moved here, so latest could be pushed once only: name a version.
run "refuses_image_tag_2" {
  command         = plan
  expect_failures = [var.image_tag]

  variables {
    image_tag = "latest"
  }
}

# A log group's name has 1 to 512 letters, digits and the characters _ - / . #.
run "refuses_log_group_name" {
  command         = plan
  expect_failures = [var.log_group_name]

  variables {
    log_group_name = "work streams"
  }
}

# CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120,
# 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653.
run "refuses_log_retention_in_days" {
  command         = plan
  expect_failures = [var.log_retention_in_days]

  variables {
    log_retention_in_days = 10
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

# A repository's name has lower-case letters and digits, with single characters . _ - / between
# them.
run "refuses_repository_name" {
  command         = plan
  expect_failures = [var.repository_name]

  variables {
    repository_name = "Ralph"
  }
}

# A state machine's name has 1 to 80 letters, digits, hyphens and underscores.
run "refuses_state_machine_name" {
  command         = plan
  expect_failures = [var.state_machine_name]

  variables {
    state_machine_name = "ralph workstream"
  }
}

# Tasks need subnets, each named by its id, such as subnet-0123456789abcdef0.
run "refuses_subnet_ids" {
  command         = plan
  expect_failures = [var.subnet_ids]

  variables {
    subnet_ids = ["vpc-0123456789abcdef0"]
  }
}

# A security group is named by its id, such as sg-0123456789abcdef0.
run "refuses_worker_security_group_id" {
  command         = plan
  expect_failures = [var.worker_security_group_id]

  variables {
    worker_security_group_id = "worker"
  }
}

# Fargate has tasks of 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units.
run "refuses_task_cpu" {
  command         = plan
  expect_failures = [var.task_cpu]

  variables {
    task_cpu = 1000
  }
}

# A family has 1 to 255 letters, digits, hyphens and underscores.
run "refuses_task_family" {
  command         = plan
  expect_failures = [var.task_family]

  variables {
    task_family = "ralph worker"
  }
}
