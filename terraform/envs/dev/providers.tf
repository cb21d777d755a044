# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment dev.

provider "aws" {
  region = local.region

  default_tags {
    tags = {
      Environment = "dev"
    }
  }
}
