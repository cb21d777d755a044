# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

locals {
  create = var.mode == "create"

  # A sixteenth of the VPC's range for each zone.
  subnet_ranges = {
    for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index) if local.create
  }
  use_default = var.mode == "default"
  vpc_id      = coalesce(one(aws_vpc.this[*].id), one(data.aws_vpc.default[*].id), var.existing_vpc_id)
  subnet_ids = concat(
    values(aws_subnet.public)[*].id,
    concat(flatten(data.aws_subnets.default[*].ids), var.existing_subnet_ids),
  )
}
