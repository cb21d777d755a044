# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

locals {
  create = var.mode == "create"

  # A sixteenth of the VPC's range for each zone.
  subnet_ranges = {
    for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index) if local.create
  }
  private = local.create && (var.nat != "none")
  private_subnet_ranges = {
    for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index + 8) if local.private
  }

  # The zones that have a NAT gateway: the first one, or all.
  nat_zones = {
    for index, zone in var.availability_zones : zone => zone if local.private && ((!(var.nat == "single")) || (index == 0))
  }
  use_default  = var.mode == "default"
  use_existing = (var.mode == "existing") && (var.existing_vpc_id != null)
  taken_subnets = {
    for index, id in concat(flatten(data.aws_subnets.default[*].ids), var.existing_subnet_ids) : tostring(index) => id if !local.create
  }
  vpc_id = local.create ? aws_vpc.this[0].id : (local.use_default ? data.aws_vpc.default[0].id : var.existing_vpc_id)
  subnet_ids = concat(
    local.private ? values(aws_subnet.private)[*].id : values(aws_subnet.public)[*].id,
    concat(flatten(data.aws_subnets.default[*].ids), var.existing_subnet_ids),
  )
  interface_endpoints = {
    for index, service in var.interface_endpoints : service => service if local.create
  }
  has_interface_endpoints = length(keys(local.interface_endpoints)) > 0
  flow_logs               = local.create && var.flow_logs
}
