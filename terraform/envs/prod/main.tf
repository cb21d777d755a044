# Code generated from ralph.toml by `just gen`; DO NOT EDIT.
# Environment prod. Defined in generator/src/environment.rs.

# The network of the tasks.
module "vpc" {
  source = "../../modules/vpc"

  availability_zones         = ["us-east-1a", "us-east-1b"]
  name                       = "ralph-prod"
  region                     = local.region
  cidr                       = "10.30.0.0/16"
  flow_log_retention_in_days = 30
  flow_logs                  = false
  interface_endpoints        = []
  kms_key_arn                = null
  nat                        = "none"
  permissions_boundary_arn   = null
  role_path                  = "/"
}

# Secrets without their values, which `ralph keys set` writes.
module "secrets" {
  source = "../../modules/secrets"

  name_prefix             = "ralph/prod"
  recovery_window_in_days = 30
  kms_key_arn             = null
}

# What a workstream runs on.
module "fargate" {
  source = "../../modules/fargate"

  admit_function_arn  = module.websocket.admit_function_arn
  anthropic_keys_arn  = module.secrets.anthropic_keys_arn
  assign_public_ip    = module.vpc.assign_public_ip
  cluster_name        = "ralph-prod"
  cpu_architecture    = "X86_64"
  decide_function_arn = module.websocket.decide_function_arn
  environment = {
    RALPH_ITERATION_TIMEOUT_SECS = "3600"
    RALPH_MAX_COST_USD           = "25"
    RALPH_MAX_DURATION_SECS      = "28800"
    RALPH_MAX_ITERATIONS         = "50"
    RALPH_MAX_STALLS             = "3"
    RALPH_SILENCE_SECS           = "900"
  }
  ephemeral_storage_gib    = 21
  force_delete_images      = false
  git_token_arn            = module.secrets.git_token_arn
  image_digest             = null
  image_tag                = "0.1.0"
  log_group_name           = "/ralph/workstreams"
  log_retention_in_days    = 30
  permissions_boundary_arn = null
  region                   = local.region
  repository_name          = "ralph-worker"
  state_machine_name       = "ralph-prod-workstream"
  subnet_ids               = module.vpc.subnet_ids
  task_cpu                 = 1024
  task_family              = "ralph-prod-worker"
  task_memory              = 2048
  worker_security_group_id = module.vpc.worker_security_group_id
  alarm_topic_arn          = null
  alarms                   = true
  container_insights       = true
  images_kept              = 30
  kms_key_arn              = null
  role_path                = "/"
  untagged_image_days      = 1
}

# From a log line to a browser.
module "websocket" {
  source = "../../modules/websocket"

  allow_file_repositories        = var.allow_file_repositories == null ? false : var.allow_file_repositories
  cluster_arn                    = module.fargate.cluster_arn
  environment                    = "prod"
  lambda_zip                     = local.lambda_zip
  max_duration_secs              = 28800
  name                           = "ralph-prod"
  region                         = local.region
  signing_keys_arn               = module.secrets.signing_keys_arn
  stage_name                     = "prod"
  state_machine_name             = "ralph-prod-workstream"
  table_name                     = "ralph-prod-connections"
  workers_log_group_arn          = module.fargate.log_group_arn
  workers_log_group_name         = module.fargate.log_group_name
  access_logs                    = false
  account_log_role               = false
  alarm_topic_arn                = null
  alarms                         = true
  architecture                   = "x86_64"
  dashboard                      = true
  deletion_protection            = true
  detailed_metrics               = false
  function_log_retention_in_days = 30
  kms_key_arn                    = null
  management_base                = var.management_base
  permissions_boundary_arn       = null
  point_in_time_recovery         = true
  reserved_concurrency           = {}
  role_path                      = "/"
  throttling_burst_limit         = 500
  throttling_rate_limit          = 1000
  traced_functions               = []
  workers_log_retention_in_days  = 30
}
