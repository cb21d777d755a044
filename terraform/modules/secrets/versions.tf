# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes.

terraform {
  required_version = ">= 1.6.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88.0, < 7.0.0"
    }
  }
}
