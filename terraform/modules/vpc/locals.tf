# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

locals {
  create = var.mode == "create"

  # A sixteenth of the VPC's range for each subnet.
  public_ranges = {
    for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index) if local.create
  }
  private = local.create && var.nat != "none"
  private_ranges = {
    for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index + 8) if local.private
  }

  # The zones that have a NAT gateway: none, the first one, or all.
  nat_zones           = !local.private ? [] : var.nat == "single" ? [var.availability_zones[0]] : var.availability_zones
  created_subnet_ids  = local.private ? values(aws_subnet.private)[*].id : values(aws_subnet.public)[*].id
  existing_vpc_id     = var.mode == "default" ? data.aws_vpc.default[0].id : var.existing.vpc_id
  existing_subnet_ids = var.mode == "default" ? flatten(values(data.aws_subnets.existing)[*].ids) : var.existing.subnet_ids
  vpc_id              = local.create ? aws_vpc.this[0].id : local.existing_vpc_id
  subnet_ids          = local.create ? local.created_subnet_ids : local.existing_subnet_ids
  interface_endpoints = local.create ? var.interface_endpoints : []
  flow_logs           = local.create && var.flow_logs.enabled
}
