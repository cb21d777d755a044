# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

terraform {
  required_version = ">= 1.6.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88.0, < 7.0.0"
    }
  }
}
