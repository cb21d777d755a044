# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

provider "aws" {
  region = local.region

  default_tags {
    tags = {
      Environment = "prod"
    }
  }
}
