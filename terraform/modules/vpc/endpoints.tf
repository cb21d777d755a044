# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

# Gateway endpoints are free, and image layers (S3) then cost no transfer.
resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(local.create ? ["dynamodb", "s3"] : [])

  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.public[0].id], values(aws_route_table.private)[*].id)
  tags = {
    Name = "${var.name}-${each.key}"
  }
}

resource "aws_security_group" "endpoints" {
  # checkov:skip=CKV2_AWS_5:a task or an endpoint takes the group when it is started, which the scan cannot see
  count = length(local.interface_endpoints) > 0 ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "Interface endpoints: TLS from tasks"
  vpc_id      = aws_vpc.this[0].id
  tags = {
    Name = "${var.name}-endpoints"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_tls" {
  count = length(local.interface_endpoints) > 0 ? 1 : 0

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "TLS from tasks"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.worker.id
}

# Each costs about 7 dollars a month in each zone, used or not.
resource "aws_vpc_endpoint" "interface" {
  for_each = toset(local.interface_endpoints)

  vpc_id              = aws_vpc.this[0].id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.created_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  tags = {
    Name = "${var.name}-${each.key}"
  }
}
