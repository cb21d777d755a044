# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

locals {
  region     = "us-east-1"
  lambda_zip = coalesce(var.lambda_zip, "${path.root}/../../../dist/ralph-lambda.zip")
}
