# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# From a log line to a browser.

terraform {
  required_version = ">= 1.6.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88.0, < 7.0.0"
    }
  }
}
