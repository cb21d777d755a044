//! A root: which modules an environment has, and how they are wired.

use ralph_protocol::names::{
    Handler, SecretName, output, variable, variable::CONFIRMATION, worker_env,
};

use crate::config::{Architecture, Environment, NetworkMode, State};
use crate::hcl::prelude::*;
use crate::modules::{
    Fargate, FargateInputs, FargateOptions, Secrets, SecretsInputs, SecretsOptions, Vpc, VpcInputs,
    VpcOptions, Websocket, WebsocketInputs, WebsocketOptions,
};

/// Marks expressions of a root.
pub struct Root;

/// Fills a root's folder.
pub fn build(m: &mut Module<Root>, env: &Environment, architecture: Architecture) {
    let names = &env.names;
    m.versions();
    if let Some(state) = &env.state {
        keep_state(m, state, env.account_id.as_deref());
    }
    let region = m.local("region", Expr::from(env.region.as_str()));
    let accounts: Vec<String> = env.account_id.iter().cloned().collect();
    m.aws_provider(&region, &env.tags, &accounts);
    let (management_base, lambda_zip) = variables(m);
    let files = file_repositories(m);
    if env.production {
        confirmation(m, names.environment());
    }

    let vpc = m.call::<Vpc>();
    let secrets = m.call::<Secrets>();
    let fargate = m.call::<Fargate>();
    let websocket = m.call::<Websocket>();
    let (network, arns) = (vpc.outputs(), secrets.outputs());
    let (tasks, api) = (fargate.outputs(), websocket.outputs());

    let text = |value: &str| Expr::<Root, Text>::from(value);
    let boundary = optional_arn(env.permissions_boundary_arn.as_deref());
    vpc.with(m, network_inputs(env, &region));
    secrets.with(
        m,
        SecretsInputs {
            name_prefix: text(&format!("ralph/{}", names.environment())),
            recovery_window_in_days: env.secret_recovery_days.into(),
            options: SecretsOptions { kms_key_arn: optional_arn(env.kms_key_arn.as_deref()) },
        },
    );
    fargate.with(
        m,
        FargateInputs {
            admit_function_arn: api.admit_function_arn.clone(),
            anthropic_keys_arn: arns.anthropic_keys_arn,
            assign_public_ip: network.assign_public_ip.clone(),
            cluster_name: text(&names.cluster()),
            cpu_architecture: text(architecture.ecs()),
            decide_function_arn: api.decide_function_arn.clone(),
            environment: map(worker_environment(env)),
            ephemeral_storage_gib: env.worker.storage_gib.into(),
            force_delete_images: (!env.worker.keep_images).into(),
            git_token_arn: arns.git_token_arn,
            image_digest: env
                .worker
                .image_digest
                .as_deref()
                .map_or_else(Expr::null, |d| text(d).into()),
            image_tag: text(&env.worker.image_tag),
            log_group_name: text(&names.log_group()),
            log_retention_in_days: env.log_retention_days.into(),
            permissions_boundary_arn: boundary,
            region: region.clone(),
            repository_name: text(&names.ecr_repository()),
            state_machine_name: text(&names.state_machine()),
            subnet_ids: network.subnet_ids.clone(),
            task_cpu: env.worker.cpu.into(),
            task_family: text(&names.task_family()),
            task_memory: env.worker.memory.into(),
            worker_security_group_id: network.worker_security_group_id.clone(),
            options: FargateOptions {
                alarm_topic_arn: optional_arn(env.monitoring.alarm_topic_arn.as_deref()),
                alarms: env.monitoring.alarms.into(),
                container_insights: env.monitoring.container_insights.into(),
                images_kept: env.worker.images_kept.into(),
                kms_key_arn: optional_arn(env.kms_key_arn.as_deref()),
                role_path: env.role_path.as_str().into(),
                untagged_image_days: env.worker.untagged_image_days.into(),
            },
        },
    );
    websocket.with(
        m,
        WebsocketInputs {
            allow_file_repositories: files,
            cluster_arn: tasks.cluster_arn.clone(),
            environment: text(names.environment()),
            lambda_zip,
            max_duration_secs: env.worker.limits.max_duration_secs.into(),
            name: text(&names.prefix()),
            region,
            signing_keys_arn: arns.signing_keys_arn,
            stage_name: text(names.environment()),
            state_machine_name: text(&names.state_machine()),
            table_name: text(&names.table()),
            workers_log_group_arn: tasks.log_group_arn,
            workers_log_group_name: tasks.log_group_name.clone(),
            options: websocket_options(env, architecture, management_base),
        },
    );

    m.output(output::WEBSOCKET_URL, "URL that clients connect to.", api.url);
    m.output(output::WEBSOCKET_API_ID, "Id of the WebSocket API.", api.api_id);
    m.output(output::WEBSOCKET_STAGE, "Stage of the WebSocket API.", api.stage_name);
    m.output(output::CONNECTIONS_TABLE, "Table of connections and runs.", api.table_name);
    m.output(output::CLUSTER, "Cluster that tasks run on.", tasks.cluster_name);
    m.output(
        output::TASK_DEFINITION,
        "ARN of the task definition, with revision.",
        tasks.task_definition_arn,
    );
    m.output(output::ECR_REPOSITORY_URL, "Repository of the worker's image.", tasks.repository_url);
    m.output(output::WORKER_IMAGE, "Image that `just push-worker` pushes.", tasks.worker_image);
    m.output(output::LOG_GROUP, "Log group of the workers.", tasks.log_group_name);
    m.output(
        output::STATE_MACHINE_ARN,
        "ARN of the state machine that carries executions through.",
        tasks.state_machine_arn,
    );
    let short_names = SecretName::ALL.map(SecretName::as_str).join(", ");
    m.output(output::SECRET_ARNS, &format!("ARN of each secret: {short_names}."), arns.arns);
    m.output(output::SUBNET_IDS, "Subnets for tasks.", network.subnet_ids);
    m.output(
        output::WORKER_SECURITY_GROUP_ID,
        "Security group for tasks.",
        network.worker_security_group_id,
    );
}

/// S3 with a lock file of its own beside the state: no table for locks.
/// <https://developer.hashicorp.com/terraform/language/backend/s3#state-locking>
fn keep_state(m: &mut Module<Root>, state: &State, account_id: Option<&str>) {
    let mut settings: Vec<(&'static str, Expr<Constant, Any>)> = vec![
        ("bucket", state.bucket.as_str().into()),
        ("key", state.key.as_str().into()),
        ("region", state.region.as_str().into()),
        ("encrypt", true.into()),
        ("use_lockfile", true.into()),
    ];
    if let Some(arn) = &state.kms_key_arn {
        settings.push(("kms_key_id", arn.as_str().into()));
    }
    if let Some(id) = account_id {
        settings.push(("allowed_account_ids", tuple([id.into()])));
    }
    m.backend("s3", ">= 1.10.0", settings);
}

/// Variables for running elsewhere than on AWS.
fn variables(m: &mut Module<Root>) -> (Expr<Root, Opt<Text>>, Expr<Root, Text>) {
    let management_base = m.variable(
        variable::MANAGEMENT_BASE,
        "Base of the endpoint that frames are posted to; null for AWS's own. The API's id and the stage are appended.",
    );
    let lambda_zip: Expr<Root, Opt<Text>> = m.variable(
        variable::LAMBDA_ZIP,
        "Path of the zip that holds the functions; null for what `just build-lambdas` makes.",
    );
    let built = text![m.path_root(), "/../../../dist/ralph-lambda.zip"];
    let lambda_zip = m.local("lambda_zip", func::first_set([lambda_zip, built.into()]));
    (management_base, lambda_zip)
}

/// Only the local cloud says yes: what it runs can read this machine's files.
fn file_repositories(m: &mut Module<Root>) -> Expr<Root, Bool> {
    let files: Expr<Root, Opt<Bool>> = m.variable(
        variable::ALLOW_FILE_REPOSITORIES,
        "Whether executions may name file:// repositories, which only a stand-in for Fargate can read; null for no.",
    );
    files.or_else(false)
}

/// A plan of production needs a sentence that nobody types by accident.
fn confirmation(m: &mut Module<Root>, environment: &str) {
    let confirm: Expr<Root, Text> = m.variable(
        variable::CONFIRM_PRODUCTION,
        &format!("Must be \"{CONFIRMATION}\": {environment} is not deployed yet, and nothing should do so by accident."),
    );
    m.validate(
        &confirm,
        &confirm.equals(CONFIRMATION),
        &format!("This is {environment}, which is not deployed yet. To go on: -var 'confirm_production={CONFIRMATION}'"),
        "yes",
    );
}

fn network_inputs(env: &Environment, region: &Expr<Root, Text>) -> VpcInputs<Root> {
    let options = VpcOptions::default();
    let options = match &env.network.mode {
        NetworkMode::Create { cidr, nat, interface_endpoints, flow_logs } => VpcOptions {
            cidr: cidr.as_str().into(),
            flow_log_retention_in_days: env.log_retention_days.into(),
            flow_logs: (*flow_logs).into(),
            interface_endpoints: texts(interface_endpoints),
            nat: nat.as_str().into(),
            ..options
        },
        NetworkMode::Default => VpcOptions { mode: "default".into(), ..options },
        NetworkMode::Existing { vpc_id, subnet_ids, private } => VpcOptions {
            existing_subnets_are_private: (*private).into(),
            existing_subnet_ids: subnet_ids
                .iter()
                .map(|id| Expr::from_configuration(id))
                .collect::<Vec<_>>()
                .into(),
            existing_vpc_id: Expr::<Root, VpcId>::from_configuration(vpc_id).into(),
            mode: "existing".into(),
            ..options
        },
    };
    let options = VpcOptions {
        kms_key_arn: optional_arn(env.kms_key_arn.as_deref()),
        permissions_boundary_arn: optional_arn(env.permissions_boundary_arn.as_deref()),
        role_path: env.role_path.as_str().into(),
        ..options
    };
    VpcInputs {
        availability_zones: texts(&env.network.zones),
        name: env.names.prefix().into(),
        region: region.clone(),
        options,
    }
}

fn websocket_options(
    env: &Environment,
    architecture: Architecture,
    management_base: Expr<Root, Opt<Text>>,
) -> WebsocketOptions<Root> {
    let (monitoring, websocket) = (&env.monitoring, &env.websocket);
    let reserved = websocket
        .push_logs_concurrency
        .map(|number| (Handler::PushLogs.as_str(), Expr::from(number)));
    WebsocketOptions {
        access_logs: monitoring.access_logs.into(),
        account_log_role: monitoring.account_log_role.into(),
        alarm_topic_arn: optional_arn(monitoring.alarm_topic_arn.as_deref()),
        alarms: monitoring.alarms.into(),
        architecture: architecture.lambda().into(),
        dashboard: monitoring.dashboard.into(),
        deletion_protection: websocket.table_deletion_protection.into(),
        detailed_metrics: monitoring.detailed_metrics.into(),
        function_log_retention_in_days: env.log_retention_days.into(),
        kms_key_arn: optional_arn(env.kms_key_arn.as_deref()),
        management_base,
        permissions_boundary_arn: optional_arn(env.permissions_boundary_arn.as_deref()),
        point_in_time_recovery: websocket.table_backups.into(),
        reserved_concurrency: map(reserved),
        role_path: env.role_path.as_str().into(),
        throttling_burst_limit: websocket.burst.into(),
        throttling_rate_limit: websocket.rate.into(),
        traced_functions: texts(&monitoring.traced_functions),
        workers_log_retention_in_days: env.log_retention_days.into(),
    }
}

fn optional_arn(arn: Option<&str>) -> Expr<Root, Opt<Arn>> {
    arn.map_or_else(Expr::null, |arn| arn![arn].into())
}

fn texts(items: &[String]) -> Expr<Root, List<Text>> {
    items.iter().map(|item| Expr::from(item.as_str())).collect::<Vec<_>>().into()
}

/// What a run may override. Never a secret, and nothing that only tests and the local cloud set.
fn worker_environment(env: &Environment) -> Vec<(&'static str, Expr<Root, Text>)> {
    let limits = &env.worker.limits;
    let mut all = vec![
        (worker_env::MAX_ITERATIONS, limits.max_iterations.to_string()),
        (worker_env::MAX_DURATION_SECS, limits.max_duration_secs.to_string()),
        (worker_env::MAX_COST_USD, limits.max_cost_usd.to_string()),
        (worker_env::ITERATION_TIMEOUT_SECS, limits.iteration_timeout_secs.to_string()),
        (worker_env::SILENCE_SECS, limits.silence_secs.to_string()),
        (worker_env::MAX_STALLS, limits.max_stalls.to_string()),
    ];
    all.extend(env.worker.agent_command.clone().map(|c| (worker_env::AGENT_COMMAND, c)));
    all.extend(env.worker.verify_command.clone().map(|c| (worker_env::VERIFY_COMMAND, c)));
    all.sort();
    all.into_iter().map(|(name, value)| (name, value.into())).collect()
}
