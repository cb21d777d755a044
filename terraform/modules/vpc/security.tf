# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

resource "aws_security_group" "worker" {
  # checkov:skip=CKV2_AWS_5:a task or an endpoint takes the group when it is started, which the scan cannot see
  name        = "${var.name}-worker"
  description = "Tasks: nothing in, TLS out"
  vpc_id      = local.vpc_id
  tags = {
    Name = "${var.name}-worker"
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = (var.mode != "existing") || ((var.existing_vpc_id != null) && (length(var.existing_subnet_ids) >= 2))
      error_message = "Mode existing needs existing_vpc_id and at least two existing_subnet_ids, in different availability zones: Spot capacity runs out in one at a time."
    }

    precondition {
      condition     = (!local.use_existing) || (length(flatten(data.aws_subnets.existing[*].ids)) == length(var.existing_subnet_ids))
      error_message = "A subnet of existing_subnet_ids is not in the VPC existing_vpc_id: no task would start in it."
    }

    precondition {
      condition     = local.create || (length(distinct(values(data.aws_subnet.taken)[*].availability_zone)) >= 2)
      error_message = "The VPC has subnets in fewer than two of the availability zones, or they were not named: Spot capacity runs out in one at a time. Name zones that it has subnets in (mode default), subnets in different zones (mode existing), or make a VPC with mode create."
    }
  }
}

# Git hosts, the model's service and AWS itself have no fixed addresses.
resource "aws_vpc_security_group_egress_rule" "worker_tls" {
  security_group_id = aws_security_group.worker.id
  description       = "TLS to anywhere"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
