# Code generated from generator/src/modules/fargate.rs by `just gen`; DO NOT EDIT.
# Runs workstreams on ECS: cluster, task definition, image repository and state machine.

terraform {
  required_version = ">= 1.6.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88.0, < 7.0.0"
    }
  }
}
