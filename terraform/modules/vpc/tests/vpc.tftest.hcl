# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

mock_provider "aws" {
  mock_data "aws_subnets" {
    defaults = {
      ids = ["subnet-0123456789abcdef0"]
    }
  }

  mock_data "aws_vpc" {
    defaults = {
      id = "vpc-0123456789abcdef0"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_default_security_group" {
    defaults = {
      id = "sg-0123456789abcdef0"
    }
  }

  mock_resource "aws_eip" {
    defaults = {
      id            = "eipalloc-0123456789abcdef0"
      allocation_id = "eipalloc-0123456789abcdef0"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_internet_gateway" {
    defaults = {
      id = "igw-0123456789abcdef0"
    }
  }

  mock_resource "aws_nat_gateway" {
    defaults = {
      id = "nat-0123456789abcdef0"
    }
  }

  mock_resource "aws_route_table" {
    defaults = {
      id = "rtb-0123456789abcdef0"
    }
  }

  mock_resource "aws_security_group" {
    defaults = {
      id  = "sg-0123456789abcdef0"
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_subnet" {
    defaults = {
      id  = "subnet-0123456789abcdef0"
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }

  mock_resource "aws_vpc" {
    defaults = {
      id  = "vpc-0123456789abcdef0"
      arn = "arn:aws:mock:us-east-1:123456789012:mock/mock"
    }
  }
}

variables {
  availability_zones = ["us-east-1a", "us-east-1b"]
  name               = "ralph-example"
  region             = "us-east-1"
}

# The example of the README, with the default of every other input.
run "example" {}

# Mode create makes one VPC, a subnet in each zone and nothing that costs.
run "creates" {
  assert {
    condition     = length(aws_vpc.this) == 1
    error_message = "one VPC"
  }

  assert {
    condition     = length(local.subnet_ids) == 2
    error_message = "two subnets"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0
    error_message = "no NAT gateway"
  }
}

# Mode existing makes no VPC and uses the one that is named.
run "takes_what_exists" {
  variables {
    mode = "existing"
    existing = {
      vpc_id     = "vpc-11111111"
      subnet_ids = ["subnet-11111111", "subnet-22222222"]
    }
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111"]
    }
  }

  assert {
    condition     = length(aws_vpc.this) == 0
    error_message = "no VPC"
  }

  assert {
    condition     = local.subnet_ids[0] == "subnet-11111111"
    error_message = "the subnet"
  }
}

# Mode existing refuses subnets of another VPC or outside of the zones.
run "subnets_elsewhere" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode = "existing"
    existing = {
      vpc_id     = "vpc-11111111"
      subnet_ids = ["subnet-11111111", "subnet-22222222"]
    }
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = []
    }
  }
}

# Mode existing refuses a single subnet.
run "one_existing_subnet_is_too_few" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode = "existing"
    existing = {
      vpc_id     = "vpc-11111111"
      subnet_ids = ["subnet-11111111"]
    }
  }
}

# Mode existing requires a VPC.
run "existing_without_a_vpc" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode = "existing"
    existing = {
      subnet_ids = ["subnet-11111111", "subnet-22222222"]
    }
  }
}

# Mode default makes no VPC and uses the account's own.
run "default_vpc" {
  variables {
    mode = "default"
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111"]
    }
  }

  assert {
    condition     = length(aws_vpc.this) == 0
    error_message = "no VPC"
  }

  assert {
    condition     = length(local.subnet_ids) == 2
    error_message = "a subnet in each zone"
  }
}

# Mode default refuses zones where the VPC has no subnet.
run "default_vpc_elsewhere" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode = "default"
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = []
    }
  }
}

# A single NAT gateway serves the private subnets of all zones.
run "one_nat_gateway" {
  variables {
    nat = "single"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1
    error_message = "one NAT gateway"
  }

  assert {
    condition     = length(local.subnet_ids) == 2
    error_message = "two private subnets"
  }
}

# Each zone has a NAT gateway of its own.
run "a_nat_gateway_each" {
  variables {
    nat = "per-az"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2
    error_message = "two NAT gateways"
  }
}

# Interface endpoints and flow logs are made when asked for.
run "endpoints_and_flow_logs" {
  variables {
    interface_endpoints = ["ecr.api", "logs"]
    flow_logs = {
      enabled = true
    }
  }
}

# availability_zones must name two to six different zones: Spot capacity runs out in one zone at a
# time.
run "refuses_availability_zones" {
  command         = plan
  expect_failures = [var.availability_zones]

  variables {
    availability_zones = ["us-east-1a", "us-east-1a"]
  }
}

# cidr must be an IPv4 range from /16 to /24, such as 10.20.0.0/16: AWS makes no larger VPC, and a
# smaller one has no room for the subnets.
run "refuses_cidr" {
  command         = plan
  expect_failures = [var.cidr]

  variables {
    cidr = "10.20.0.0/28"
  }
}

# subnet_ids must be ids of subnets, such as subnet-0123456789abcdef0.
run "refuses_existing_subnet_ids" {
  command         = plan
  expect_failures = [var.existing]

  variables {
    existing = {
      subnet_ids = ["vpc-0123456789abcdef0"]
    }
  }
}

# vpc_id must be the id of a VPC, such as vpc-0123456789abcdef0, or null.
run "refuses_existing_vpc_id" {
  command         = plan
  expect_failures = [var.existing]

  variables {
    existing = {
      vpc_id = "main"
    }
  }
}

# retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
# 1096, 1827, 2192, 2557, 2922, 3288 or 3653, the days that CloudWatch Logs offers.
run "refuses_flow_logs_retention_in_days" {
  command         = plan
  expect_failures = [var.flow_logs]

  variables {
    flow_logs = {
      retention_in_days = 10
    }
  }
}

# interface_endpoints must be any of ecr.api, ecr.dkr, logs and secretsmanager; S3 has a gateway
# endpoint anyway, which is free.
run "refuses_interface_endpoints" {
  command         = plan
  expect_failures = [var.interface_endpoints]

  variables {
    interface_endpoints = ["s3"]
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

# mode must be create, default or existing.
run "refuses_mode" {
  command         = plan
  expect_failures = [var.mode]

  variables {
    mode = "shared"
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

# nat must be none, single or per-az.
run "refuses_nat" {
  command         = plan
  expect_failures = [var.nat]

  variables {
    nat = "two"
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
