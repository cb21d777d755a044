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

  mock_resource "aws_default_security_group" {
    defaults = {
      id = "sg-0123456789abcdef0"
    }
  }

  mock_resource "aws_internet_gateway" {
    defaults = {
      id = "igw-0123456789abcdef0"
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
  availability_zones  = ["us-east-1a", "us-east-1b"]
  cidr                = "10.20.0.0/16"
  existing_subnet_ids = []
  mode                = "create"
  name                = "ralph-example"
  region              = "us-east-1"
}

# The example of the README, with the default of every other input.
run "example" {}

# Mode create makes one VPC, and a subnet in each zone.
run "creates" {
  assert {
    condition     = length(aws_vpc.this) == 1
    error_message = "one VPC"
  }

  assert {
    condition     = length(local.subnet_ids) == 2
    error_message = "two subnets"
  }
}

# Mode existing makes no VPC and uses what it is given.
run "takes_what_exists" {
  variables {
    mode                = "existing"
    existing_vpc_id     = "vpc-11111111"
    existing_subnet_ids = ["subnet-11111111"]
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

# The mode is create, default or existing.
run "refuses_mode" {
  command         = plan
  expect_failures = [var.mode]

  variables {
    mode = "shared"
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
