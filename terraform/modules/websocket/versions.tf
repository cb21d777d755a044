# Code generated from generator/src/modules/websocket.rs by `just gen`; DO NOT EDIT.
# Sends lines to browsers and controls executions: WebSocket API, functions and table.

terraform {
  required_version = ">= 1.6.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.88.0, < 7.0.0"
    }
  }
}
