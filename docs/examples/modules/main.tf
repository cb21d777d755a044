# The modules in a team's own root, on subnets that the team has already: see docs/modules.md.

locals {
  region            = "us-east-1"
  name              = "acme-agents"
  state_machine     = "${local.name}-workstream"
  max_duration_secs = 14400
}

module "secrets" {
  source = "git::https://example.com/acme/ralph-cloud.git//terraform/modules/secrets?ref=v0.1.0"

  name_prefix             = local.name
  recovery_window_in_days = 7
}

module "fargate" {
  source = "git::https://example.com/acme/ralph-cloud.git//terraform/modules/fargate?ref=v0.1.0"

  # The limits of a run whose order sets none. A worker does not start without them.
  environment = {
    RALPH_ITERATION_TIMEOUT_SECS = "3600"
    RALPH_MAX_COST_USD           = "10"
    RALPH_MAX_DURATION_SECS      = tostring(local.max_duration_secs)
    RALPH_MAX_ITERATIONS         = "20"
    RALPH_MAX_STALLS             = "3"
    RALPH_SILENCE_SECS           = "900"
  }
  functions = {
    admit_arn  = module.websocket.admit_function_arn
    decide_arn = module.websocket.decide_function_arn
  }
  image = {
    repository = "${local.name}-worker"
    tag        = "0.1.0"
  }
  names = {
    cluster       = local.name
    log_group     = "/${local.name}/workstreams"
    state_machine = local.state_machine
    task_family   = "${local.name}-worker"
  }
  # Private subnets with a NAT gateway, in two zones, and a group that lets nothing in and TLS out.
  network = {
    assign_public_ip  = false
    security_group_id = "sg-0123456789abcdef0"
    subnet_ids        = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  }
  region = local.region
  secrets = {
    anthropic_keys_arn = module.secrets.anthropic_keys_arn
    git_token_arn      = module.secrets.git_token_arn
  }
}

module "websocket" {
  source = "git::https://example.com/acme/ralph-cloud.git//terraform/modules/websocket?ref=v0.1.0"

  environment = "dev"
  executions = {
    max_duration_secs  = local.max_duration_secs
    state_machine_name = local.state_machine
  }
  lambda           = { zip = "${path.root}/ralph-lambda.zip" }
  name             = local.name
  region           = local.region
  signing_keys_arn = module.secrets.signing_keys_arn
  workers = {
    cluster_arn    = module.fargate.cluster_arn
    log_group_arn  = module.fargate.log_group_arn
    log_group_name = module.fargate.log_group_name
    log_url        = "https://logs.example.com/{workstream}/{run}"
  }
}

output "secret_arns" {
  description = "ARN of each secret, by its name without the prefix."
  value       = module.secrets.arns
}

output "state_machine_arn" {
  description = "ARN of the state machine, which starts executions."
  value       = module.fargate.state_machine_arn
}

output "websocket_url" {
  description = "URL that clients connect to."
  value       = module.websocket.url
}

output "worker_image" {
  description = "Name to push the worker's image as."
  value       = module.fargate.worker_image
}
