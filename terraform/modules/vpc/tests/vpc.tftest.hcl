# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

mock_provider "aws" {
  mock_data "aws_subnets" {
    defaults = {
      ids = ["subnet-0123456789abcdef0"]
    }
  }

  mock_data "aws_vpc" {
    defaults = {
      id                  = "vpc-0123456789abcdef0"
      main_route_table_id = "rtb-0123456789abcdef0"
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
      id                  = "vpc-0123456789abcdef0"
      arn                 = "arn:aws:mock:us-east-1:123456789012:mock/mock"
      main_route_table_id = "rtb-0123456789abcdef0"
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
    mode                = "existing"
    existing_vpc_id     = "vpc-11111111"
    existing_subnet_ids = ["subnet-11111111", "subnet-22222222"]
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111", "subnet-22222222"]
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

# Mode existing refuses subnets of a single zone.
run "existing_subnets_in_one_zone" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode                = "existing"
    existing_vpc_id     = "vpc-11111111"
    existing_subnet_ids = ["subnet-11111111", "subnet-22222222"]
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111", "subnet-22222222"]
    }
  }

  override_data {
    target = data.aws_subnet.taken
    values = {
      availability_zone = "us-east-1a"
    }
  }
}

# Mode existing refuses a subnet that the VPC does not have.
run "a_subnet_of_another_vpc" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode                = "existing"
    existing_vpc_id     = "vpc-11111111"
    existing_subnet_ids = ["subnet-11111111", "subnet-22222222"]
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111"]
    }
  }
}

# Mode existing refuses a single subnet.
run "one_existing_subnet_is_too_few" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode                = "existing"
    existing_vpc_id     = "vpc-11111111"
    existing_subnet_ids = ["subnet-11111111"]
  }

  override_data {
    target = data.aws_subnets.existing
    values = {
      ids = ["subnet-11111111"]
    }
  }
}

# Mode existing requires a VPC.
run "existing_without_a_vpc" {
  command         = plan
  expect_failures = [aws_security_group.worker]

  variables {
    mode                = "existing"
    existing_subnet_ids = ["subnet-11111111", "subnet-22222222"]
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
    flow_logs           = true
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

# The Region is given by its code, such as us-east-1.
run "refuses_region" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "Virginia"
  }
}

# At least two availability zones: Spot capacity runs out in one at a time.
run "refuses_availability_zones" {
  command         = plan
  expect_failures = [var.availability_zones]

  variables {
    availability_zones = ["us-east-1a"]
  }
}

# At most six availability zones, each named once.
run "refuses_availability_zones_2" {
  command         = plan
  expect_failures = [var.availability_zones]

  variables {
    availability_zones = ["us-east-1a", "us-east-1a"]
  }
}

# The range is IPv4 and from /16 to /24: AWS makes no VPC wider, and a narrower one has no room for
# the subnets.
run "refuses_cidr" {
  command         = plan
  expect_failures = [var.cidr]

  variables {
    cidr = "10.20.0.0/28"
  }
}

# A subnet is named by its id, such as subnet-0123456789abcdef0.
run "refuses_existing_subnet_ids" {
  command         = plan
  expect_failures = [var.existing_subnet_ids]

  variables {
    existing_subnet_ids = ["vpc-0123456789abcdef0"]
  }
}

# A VPC is named by its id, such as vpc-0123456789abcdef0.
run "refuses_existing_vpc_id" {
  command         = plan
  expect_failures = [var.existing_vpc_id]

  variables {
    existing_vpc_id = "main"
  }
}

# CloudWatch Logs keeps lines for one of these numbers of days: 1, 3, 5, 7, 14, 30, 60, 90, 120,
# 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653.
run "refuses_flow_log_retention_in_days" {
  command         = plan
  expect_failures = [var.flow_log_retention_in_days]

  variables {
    flow_log_retention_in_days = 10
  }
}

# Tasks use the services ecr.api, ecr.dkr, logs and secretsmanager; S3 has a free endpoint.
run "refuses_interface_endpoints" {
  command         = plan
  expect_failures = [var.interface_endpoints]

  variables {
    interface_endpoints = ["s3"]
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

# The mode is create, default or existing.
run "refuses_mode" {
  command         = plan
  expect_failures = [var.mode]

  variables {
    mode = "shared"
  }
}

# The way out is none, single or per-az.
run "refuses_nat" {
  command         = plan
  expect_failures = [var.nat]

  variables {
    nat = "two"
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

# A role's path begins and ends with a slash, such as / or /ralph/.
run "refuses_role_path" {
  command         = plan
  expect_failures = [var.role_path]

  variables {
    role_path = "ralph"
  }
}
