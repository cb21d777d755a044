# Code generated from generator/src/modules/vpc.rs by `just gen`; DO NOT EDIT.
# Makes or takes the network of the tasks, and makes their security group.

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
      condition     = var.mode != "existing" || var.existing.vpc_id != null && length(var.existing.subnet_ids) >= 2
      error_message = "Mode existing requires existing.vpc_id and at least two existing.subnet_ids, in different availability zones: Spot capacity runs out in one zone at a time."
    }

    precondition {
      condition     = var.mode != "existing" || length(flatten(values(data.aws_subnets.existing)[*].ids)) == length(var.existing.subnet_ids)
      error_message = "Each of existing.subnet_ids must be in the VPC existing.vpc_id and in one of availability_zones: no task would start in another."
    }

    precondition {
      condition     = local.create || length([for ids in values(data.aws_subnets.existing)[*].ids : ids if length(ids) > 0]) >= 2
      error_message = "The VPC must have subnets in at least two of availability_zones: Spot capacity runs out in one zone at a time. Name zones that it has subnets in, or make a VPC with mode create."
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
