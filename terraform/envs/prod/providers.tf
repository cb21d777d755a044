# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod. Defined in generator/src/environment.rs.

provider "aws" {
  region = local.region

  default_tags {
    tags = {
      Environment = "prod"
    }
  }
}
