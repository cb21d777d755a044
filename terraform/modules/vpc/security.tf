# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# The network of the tasks. Defined in generator/src/modules/vpc.rs.

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Tasks: nothing in, TLS out"
  vpc_id      = local.vpc_id
  tags = {
    Name = "${var.name}-worker"
  }

  lifecycle {
    create_before_destroy = true
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
