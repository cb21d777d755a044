//! A root: which modules an environment has, and how they are wired.

use std::collections::BTreeMap;

use ralph_protocol::link::console_log_url;
use ralph_protocol::names::{
    Handler, Resources, SecretName, output, variable, variable::CONFIRMATION, worker_env,
};

use crate::aws::ssm::Parameter;
use crate::config::{Architecture, Environment, NetworkMode, State};
use crate::hcl::prelude::*;
use crate::modules::fargate::{self, FargateInputs};
use crate::modules::vpc::{Existing, FlowLogs, VpcInputs};
use crate::modules::websocket::{self, WebsocketInputs};
use crate::modules::{Fargate, Roles, Secrets, SecretsInputs, Vpc, Websocket};
use crate::skips;

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
    let log_url = env
        .notify
        .log_url
        .clone()
        .unwrap_or_else(|| console_log_url(&env.region, &names.log_group()));
    let accounts: Vec<String> = env.account_id.iter().cloned().collect();
    m.aws_provider(&region, &env.tags, &accounts);
    let (management_base, lambda_zip) = variables(m);
    let allow_file_repositories: Expr<Root, Bool> = m.variable_or(
        variable::ALLOW_FILE_REPOSITORIES,
        "Whether orders may name file:// repositories, which only the local cloud can read.",
        false.into(),
    );
    if env.production {
        confirmation(m, names.environment());
    }

    let vpc = m.call::<Vpc>();
    let secrets = m.call::<Secrets>();
    let fargate = m.call::<Fargate>();
    let websocket = m.call::<Websocket>();
    let (network, arns) = (vpc.outputs(), secrets.outputs());
    let (tasks, api) = (fargate.outputs(), websocket.outputs());

    vpc.with(m, network_inputs(env, &region));
    secrets.with(
        m,
        SecretsInputs {
            kms_key_arn: arn(&env.kms_key_arn),
            name_prefix: text![format!("ralph/{}", names.environment())],
            recovery_window_in_days: env.secret_recovery_days.into(),
        },
    );
    let worker = &env.worker;
    let agent_secrets: Expr<Root, Map<Arn>> =
        map(env.agent.secrets.iter().map(|(name, value)| (name.as_str(), arn![value.as_str()])));
    fargate.with(
        m,
        FargateInputs {
            create_service_linked_role: env.create_service_linked_role.into(),
            environment: map(worker_environment(env, &log_url)),
            functions: fargate::Functions {
                admit_arn: api.admit_function_arn,
                decide_arn: api.decide_function_arn,
            },
            image: fargate::Image {
                credentials_arn: arn(&worker.image_credentials_arn),
                digest: worker
                    .image_digest
                    .as_deref()
                    .map_or_else(Expr::null, |digest| text![digest].into()),
                force_delete: (!worker.keep_images).into(),
                kept: worker.images_kept.into(),
                repository: names.ecr_repository().into(),
                tag: worker.image_tag.as_str().into(),
                untagged_days: worker.untagged_image_days.into(),
                uri: worker.image.as_deref().map_or_else(Expr::null, |image| text![image].into()),
            },
            kms_key_arn: arn(&env.kms_key_arn),
            log_retention_in_days: env.log_retention_days.into(),
            monitoring: fargate::Monitoring {
                alarm_topic_arn: arn(&env.monitoring.alarm_topic_arn),
                alarms: env.monitoring.alarms.into(),
                container_insights: env.monitoring.container_insights.into(),
            },
            names: fargate::Names {
                cluster: names.cluster().into(),
                log_group: names.log_group().into(),
                state_machine: names.state_machine().into(),
                task_family: names.task_family().into(),
            },
            network: fargate::Network {
                assign_public_ip: network.assign_public_ip,
                security_group_id: network.worker_security_group_id.clone(),
                subnet_ids: network.subnet_ids.clone(),
            },
            region: region.clone(),
            roles: roles(env),
            secrets: fargate::SecretArns {
                agent_arns: agent_secrets.clone(),
                anthropic_keys_arn: arns.anthropic_keys_arn,
                git_token_arn: arns.git_token_arn,
            },
            task: fargate::Task {
                architecture: architecture.ecs().into(),
                cpu: worker.cpu.into(),
                memory: worker.memory.into(),
                storage_gib: worker.storage_gib.into(),
            },
        },
    );
    websocket.with(
        m,
        WebsocketInputs {
            environment: names.environment().into(),
            executions: websocket::Executions {
                allow_file_repositories,
                max_duration_secs: worker.limits.max_duration_secs.into(),
                state_machine_name: names.state_machine().into(),
            },
            kms_key_arn: arn(&env.kms_key_arn),
            lambda: websocket::Lambda {
                architecture: architecture.lambda().into(),
                log_retention_in_days: env.log_retention_days.into(),
                reserved_concurrency: map(env
                    .websocket
                    .push_logs_concurrency
                    .map(|number| (Handler::PushLogs.as_str(), Expr::from(number)))),
                zip: lambda_zip,
            },
            management_base,
            monitoring: websocket::Monitoring {
                access_logs: env.monitoring.access_logs.into(),
                account_log_role: env.monitoring.account_log_role.into(),
                alarm_topic_arn: arn(&env.monitoring.alarm_topic_arn),
                alarms: env.monitoring.alarms.into(),
                dashboard: env.monitoring.dashboard.into(),
                detailed_metrics: env.monitoring.detailed_metrics.into(),
                traced_functions: texts(&env.monitoring.traced_functions),
            },
            name: names.prefix().into(),
            notifications: websocket::Notifications {
                email: env
                    .notify
                    .email
                    .as_deref()
                    .map_or_else(Expr::null, |email| text![email].into()),
                topic_arn: arn(&env.notify.topic_arn),
            },
            region,
            roles: roles(env),
            signing_keys_arn: arns.signing_keys_arn,
            table: websocket::TableProtection {
                deletion_protection: env.websocket.table_deletion_protection.into(),
                point_in_time_recovery: env.websocket.table_backups.into(),
            },
            throttling: websocket::Throttling {
                burst_limit: env.websocket.burst.into(),
                rate_limit: env.websocket.rate.into(),
            },
            workers: websocket::Workers {
                cluster_arn: tasks.cluster_arn,
                log_group_arn: tasks.log_group_arn,
                log_group_name: tasks.log_group_name.clone(),
                log_retention_in_days: env.log_retention_days.into(),
                log_url: log_url.into(),
            },
        },
    );

    let short_names = SecretName::ALL.map(SecretName::as_str).join(", ");
    let arns_of_secrets = format!("ARN of each secret: {short_names}.");
    let outputs = [
        (
            output::AGENT_SECRETS,
            "ARN of each secret of the agent, by its variable.",
            agent_secrets.any(),
        ),
        (output::CLUSTER, "Cluster that tasks run on.", tasks.cluster_name.any()),
        (output::CONNECTIONS_TABLE, "Table of connections and runs.", api.table_name.any()),
        (
            output::ECR_REPOSITORY_URL,
            "Repository of the worker's image.",
            tasks.repository_url.any(),
        ),
        (output::LOG_GROUP, "Log group of the workers.", tasks.log_group_name.any()),
        (
            output::MODEL_ENDPOINT,
            "Whether the model's service has an endpoint of its own here.",
            env.agent.model_endpoint.is_some().into(),
        ),
        (output::SECRET_ARNS, arns_of_secrets.as_str(), arns.arns.any()),
        (output::STATE_MACHINE_ARN, "ARN of the state machine.", tasks.state_machine_arn.any()),
        (output::SUBNET_IDS, "Subnets for tasks.", network.subnet_ids.any()),
        (
            output::TASK_DEFINITION,
            "ARN of the task definition, with revision.",
            tasks.task_definition_arn.any(),
        ),
        (output::WEBSOCKET_API_ID, "Id of the WebSocket API.", api.api_id.any()),
        (output::WEBSOCKET_STAGE, "Stage of the WebSocket API.", api.stage_name.any()),
        (output::WEBSOCKET_URL, "URL that clients connect to.", api.url.any()),
        (output::WORKER_IMAGE, "Image that tasks run.", tasks.worker_image.any()),
        (
            output::WORKER_SECURITY_GROUP_ID,
            "Security group for tasks.",
            network.worker_security_group_id.any(),
        ),
    ];
    for (name, description, value) in &outputs {
        m.output(name, description, value.clone());
    }
    publish(m, names, outputs.map(|(name, _, value)| (name, value)));
}

/// A standard parameter takes this many characters, and costs nothing.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>
const PARAMETER_SIZE: u32 = 4096;

/// Writes the outputs where `ralph` finds them without the state.
fn publish(
    m: &mut Module<Root>,
    names: &Resources,
    outputs: impl IntoIterator<Item = (&'static str, Expr<Root, Any>)>,
) {
    let outputs = m.local_here(
        "outputs",
        "What `ralph` must know of this environment, also where the state is not: names, no secret.",
        func::json_encode(object(outputs)),
    );
    m.add(
        Parameter::new("outputs")
            .skip(&[&skips::PARAMETER_IN_CLEAR, &skips::PARAMETER_KEY])
            .name(names.outputs_parameter())
            .description("Outputs of Terraform, for ralph.")
            .r#type("String")
            .insecure_value(&outputs)
            .precondition(
                &func::text_length(outputs).at_most(PARAMETER_SIZE),
                format!("The outputs are longer than the {PARAMETER_SIZE} characters that an SSM parameter takes."),
            ),
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
        "Base URL that the functions post to, in front of the API's id and the stage; null for API Gateway's own.",
    );
    let lambda_zip: Expr<Root, Opt<Text>> = m.variable(
        variable::LAMBDA_ZIP,
        "Path of the zip that holds the functions; null for what `just build-lambdas` makes.",
    );
    let built = text![m.path_root(), "/../../../dist/ralph-lambda.zip"];
    let lambda_zip = m.local("lambda_zip", func::first_set([lambda_zip, built.into()]));
    (management_base, lambda_zip)
}

/// A plan of production needs a sentence that nobody types by accident.
fn confirmation(m: &mut Module<Root>, environment: &str) {
    let confirm: Expr<Root, Text> = m.variable(
        variable::CONFIRM_PRODUCTION,
        &format!("Must be \"{CONFIRMATION}\": {environment} is not deployed yet, and nobody should deploy it by accident."),
    );
    m.validate(
        &confirm,
        &confirm.equals(CONFIRMATION),
        &format!("be \"{CONFIRMATION}\": this is {environment}, which is not deployed yet. To go on, give -var 'confirm_production={CONFIRMATION}'"),
        "yes",
    );
}

fn network_inputs(env: &Environment, region: &Expr<Root, Text>) -> VpcInputs<Root> {
    let inputs = VpcInputs {
        availability_zones: texts(&env.network.zones),
        kms_key_arn: arn(&env.kms_key_arn),
        name: env.names.prefix().into(),
        region: region.clone(),
        roles: roles(env),
        ..VpcInputs::default()
    };
    match &env.network.mode {
        NetworkMode::Create { cidr, nat, interface_endpoints, flow_logs } => VpcInputs {
            cidr: cidr.as_str().into(),
            flow_logs: match flow_logs {
                true => FlowLogs {
                    enabled: true.into(),
                    retention_in_days: env.log_retention_days.into(),
                },
                false => FlowLogs::default(),
            },
            interface_endpoints: texts(interface_endpoints),
            nat: nat.as_str().into(),
            ..inputs
        },
        NetworkMode::Default => VpcInputs { mode: "default".into(), ..inputs },
        NetworkMode::Existing { vpc_id, subnet_ids, private } => VpcInputs {
            existing: Existing {
                private: (*private).into(),
                subnet_ids: subnet_ids.iter().map(|id| Expr::from_configuration(id)).collect(),
                vpc_id: Expr::<Root, VpcId>::from_configuration(vpc_id).into(),
            },
            mode: "existing".into(),
            ..inputs
        },
    }
}

fn roles(env: &Environment) -> Roles<Root> {
    Roles {
        path: env.role_path.as_str().into(),
        permissions_boundary_arn: arn(&env.permissions_boundary_arn),
    }
}

fn arn(arn: &Option<String>) -> Expr<Root, Opt<Arn>> {
    arn.as_deref().map_or_else(Expr::null, |arn| arn![arn].into())
}

fn texts(items: &[String]) -> Expr<Root, List<Text>> {
    items.iter().map(|item| Expr::from(item.as_str())).collect()
}

/// What a run may override. Never a secret, and nothing that only tests and the local cloud set.
fn worker_environment(env: &Environment, log_url: &str) -> Vec<(String, Expr<Root, Text>)> {
    let (limits, agent) = (&env.worker.limits, &env.agent);
    let mut all = vec![
        (worker_env::MAX_ITERATIONS, limits.max_iterations.to_string()),
        (worker_env::MAX_DURATION_SECS, limits.max_duration_secs.to_string()),
        (worker_env::MAX_COST_USD, limits.max_cost_usd.to_string()),
        (worker_env::ITERATION_TIMEOUT_SECS, limits.iteration_timeout_secs.to_string()),
        (worker_env::SILENCE_SECS, limits.silence_secs.to_string()),
        (worker_env::SETUP_TIMEOUT_SECS, limits.setup_timeout_secs.to_string()),
        (worker_env::MAX_STALLS, limits.max_stalls.to_string()),
        (worker_env::MAX_LOG_MB, limits.max_log_mb.to_string()),
        (worker_env::MAX_COMMIT_MB, limits.max_commit_mb.to_string()),
        (worker_env::MAX_COMMIT_FILES, limits.max_commit_files.to_string()),
    ];
    all.extend(env.worker.agent_command.clone().map(|c| (worker_env::AGENT_COMMAND, c)));
    // The worker tells it by itself.
    all.extend((!env.worker.convention).then(|| (worker_env::CONVENTION, "0".to_owned())));
    all.extend(env.worker.setup_command.clone().map(|c| (worker_env::SETUP_COMMAND, c)));
    all.extend(env.worker.verify_command.clone().map(|c| (worker_env::VERIFY_COMMAND, c)));
    // A constant, as all of these: `ralph cost` reads them in a plan.
    all.push((worker_env::LOG_URL, log_url.to_owned()));
    all.extend(env.worker.pull_request.clone().map(|kind| (worker_env::PULL_REQUEST, kind)));
    all.extend(agent.model.clone().map(|model| (worker_env::MODEL, model)));
    all.extend(agent.model_endpoint.clone().map(|url| (worker_env::MODEL_ENDPOINT, url)));
    all.extend(
        agent.repositories.as_ref().map(|all| (worker_env::AGENT_REPOSITORIES, all.join(" "))),
    );
    let own = all.into_iter().map(|(name, value)| (name.to_owned(), value));
    let agents = agent.environment.iter();
    let agents = agents
        .map(|(name, value)| (format!("{}{name}", worker_env::AGENT_VARIABLE), value.clone()));
    let all: BTreeMap<String, String> = own.chain(agents).collect();
    all.into_iter().map(|(name, value)| (name, value.into())).collect()
}
