# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

data "aws_vpc" "default" {
  count = local.use_default ? 1 : 0

  default = true
}

data "aws_subnets" "default" {
  count = local.use_default ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default[0].id]
  }

  filter {
    name   = "availability-zone"
    values = var.availability_zones
  }
}

data "aws_subnets" "existing" {
  count = local.use_existing ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [var.existing_vpc_id]
  }

  filter {
    name   = "subnet-id"
    values = var.existing_subnet_ids
  }
}

data "aws_subnet" "taken" {
  for_each = local.taken_subnets

  id = each.value
}
