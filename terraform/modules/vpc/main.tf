# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:flow logs cost more than the tasks; turn them on for the account where they are required
  count = local.create ? 1 : 0

  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags = {
    Name = var.name
  }
}

# Adopting the default security group without rules empties it: what is started without a group of
# its own reaches nothing.
resource "aws_default_security_group" "this" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags = {
    Name = "${var.name}-default-unused"
  }
}

resource "aws_internet_gateway" "this" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags = {
    Name = var.name
  }
}

resource "aws_route_table" "public" {
  count = local.create ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags = {
    Name = "${var.name}-public"
  }
}

resource "aws_route" "internet" {
  count = local.create ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

# A task asks for its public IP address itself. Whatever else is started here gets none.
resource "aws_subnet" "public" {
  for_each = local.public_ranges

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags = {
    Name = "${var.name}-public-${each.key}"
  }
}

resource "aws_route_table_association" "public" {
  for_each = local.public_ranges

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}
