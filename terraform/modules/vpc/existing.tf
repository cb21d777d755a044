# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

data "aws_vpc" "default" {
  count = var.mode == "default" ? 1 : 0

  default = true
}

# One for each zone, because the ids alone do not say which zones have a subnet.
data "aws_subnets" "existing" {
  for_each = toset(local.create ? [] : var.availability_zones)

  # Without an id there is no subnet, and the precondition of the security group says so.
  filter {
    name   = "vpc-id"
    values = [coalesce(local.existing_vpc_id, "none")]
  }

  filter {
    name   = "availability-zone"
    values = [each.key]
  }

  dynamic "filter" {
    for_each = var.mode != "default" ? [1] : []

    content {
      name   = "subnet-id"
      values = var.existing.subnet_ids
    }
  }
}
