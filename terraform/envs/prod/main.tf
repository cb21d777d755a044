# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod.

# Makes or takes the network of the tasks, and makes their security group.
module "vpc" {
  source = "../../modules/vpc"

  availability_zones = ["us-east-1a", "us-east-1b"]
  cidr               = "10.30.0.0/16"
  name               = "ralph-prod"
  region             = local.region
}

# Makes the secrets without their values: `ralph keys set` sets those.
module "secrets" {
  source = "../../modules/secrets"

  name_prefix             = "ralph/prod"
  recovery_window_in_days = 30
}

# Runs workstreams on ECS: cluster, task definition, image repository and state machine.
module "fargate" {
  source = "../../modules/fargate"

  environment = {
    RALPH_ITERATION_TIMEOUT_SECS = "3600"
    RALPH_LOG_URL                = "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fralph$252Fworkstreams/log-events$3FfilterPattern$3D$2522{run}$2522"
    RALPH_MAX_COMMIT_FILES       = "20000"
    RALPH_MAX_COMMIT_MB          = "200"
    RALPH_MAX_COST_USD           = "25"
    RALPH_MAX_DURATION_SECS      = "28800"
    RALPH_MAX_ITERATIONS         = "50"
    RALPH_MAX_LOG_MB             = "200"
    RALPH_MAX_STALLS             = "3"
    RALPH_SETUP_TIMEOUT_SECS     = "1800"
    RALPH_SILENCE_SECS           = "900"
  }
  functions = {
    admit_arn  = module.websocket.admit_function_arn
    decide_arn = module.websocket.decide_function_arn
  }
  image = {
    repository = "ralph-worker"
    tag        = "0.1.0"
  }
  log_retention_in_days = 30
  monitoring = {
    alarms             = true
    container_insights = true
  }
  names = {
    cluster       = "ralph-prod"
    log_group     = "/ralph/workstreams"
    state_machine = "ralph-prod-workstream"
    task_family   = "ralph-prod-worker"
  }
  network = {
    assign_public_ip  = module.vpc.assign_public_ip
    security_group_id = module.vpc.worker_security_group_id
    subnet_ids        = module.vpc.subnet_ids
  }
  region = local.region
  secrets = {
    anthropic_keys_arn = module.secrets.anthropic_keys_arn
    git_token_arn      = module.secrets.git_token_arn
  }
}

# Sends lines to browsers and controls executions: WebSocket API, functions and table.
module "websocket" {
  source = "../../modules/websocket"

  environment = "prod"
  executions = {
    allow_file_repositories = var.allow_file_repositories
    max_duration_secs       = 28800
    state_machine_name      = "ralph-prod-workstream"
  }
  lambda = {
    log_retention_in_days = 30
    zip                   = local.lambda_zip
  }
  management_base = var.management_base
  monitoring = {
    alarms    = true
    dashboard = true
  }
  name             = "ralph-prod"
  region           = local.region
  signing_keys_arn = module.secrets.signing_keys_arn
  table = {
    deletion_protection    = true
    point_in_time_recovery = true
  }
  workers = {
    cluster_arn           = module.fargate.cluster_arn
    log_group_arn         = module.fargate.log_group_arn
    log_group_name        = module.fargate.log_group_name
    log_retention_in_days = 30
    log_url               = "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fralph$252Fworkstreams/log-events$3FfilterPattern$3D$2522{run}$2522"
  }
}

locals {
  # What `ralph` must know of this environment, also where the state is not: names, no secret.
  outputs = jsonencode({
    agent_secrets            = {}
    cluster                  = module.fargate.cluster_name
    connections_table        = module.websocket.table_name
    ecr_repository_url       = module.fargate.repository_url
    log_group                = module.fargate.log_group_name
    model_endpoint           = false
    secret_arns              = module.secrets.arns
    state_machine_arn        = module.fargate.state_machine_arn
    subnet_ids               = module.vpc.subnet_ids
    task_definition          = module.fargate.task_definition_arn
    websocket_api_id         = module.websocket.api_id
    websocket_stage          = module.websocket.stage_name
    websocket_url            = module.websocket.url
    worker_image             = module.fargate.worker_image
    worker_security_group_id = module.vpc.worker_security_group_id
  })
}

resource "aws_ssm_parameter" "outputs" {
  # checkov:skip=CKV2_AWS_34:it holds names and ARNs, no secret
  # checkov:skip=CKV_AWS_337:it holds names and ARNs, no secret
  name           = "/ralph/prod/outputs"
  description    = "Outputs of Terraform, for ralph."
  type           = "String"
  insecure_value = local.outputs

  lifecycle {
    precondition {
      condition     = length(local.outputs) <= 4096
      error_message = "The outputs are longer than the 4096 characters that an SSM parameter takes."
    }
  }
}
