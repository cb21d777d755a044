//! The functions: one zip, one role and one log group each.

use ralph_protocol::names::{Handler, lambda_env};

use super::needs::needs;
use super::{Websocket, WebsocketInputs, grants};
use crate::aws::apigateway::ApiRef;
use crate::aws::dynamodb::TableRef;
use crate::aws::iam::{Partition, Role, RolePolicy};
use crate::aws::lambda::{Environment, Function, FunctionRef, LoggingConfig, TracingConfig};
use crate::aws::logs::{LogGroup, LogGroupRef};
use crate::aws::sqs::QueueRef;
use crate::hcl::prelude::*;
use crate::skips;

/// The functions of this module, in the order they are written.
pub(super) const HANDLERS: [Handler; 8] = [
    Handler::Authorize,
    Handler::Connect,
    Handler::Disconnect,
    Handler::SendLogs,
    Handler::PushLogs,
    Handler::TaskEvents,
    Handler::Admit,
    Handler::Decide,
];

/// What no function follows.
static SKIPS: [&Skip; 6] = [
    &skips::NO_VPC,
    &skips::NO_RESERVATION,
    &skips::NO_DEAD_LETTERS,
    &skips::CODE_UNSIGNED,
    &skips::VARIABLES_KEY,
    &skips::NO_TRACING,
];

/// What functions share.
type Shared<'a> = (&'a TableRef<Websocket>, &'a ApiRef<Websocket>, &'a QueueRef<Websocket>);

pub(super) struct Made {
    pub(super) function: FunctionRef<Websocket>,
    pub(super) log_group: LogGroupRef<Websocket>,
}

pub(super) struct Functions(Vec<(Handler, Made)>);

impl Functions {
    /// The function of a handler that this module makes.
    ///
    /// # Panics
    /// For a handler of another module.
    pub(super) fn get(&self, handler: Handler) -> &Made {
        let found = self.0.iter().find(|(own, _)| *own == handler);
        &found.expect("the handler is one of this module's").1
    }
}

pub(super) fn all(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    shared: Shared<'_>,
) -> Functions {
    let (_, api, _) = shared;
    let endpoint = endpoint(m, inputs, api);
    m.file("functions.tf");
    m.in_tests(&inputs.lambda_zip, "versions.tf");
    m.check(
        "lambda_zip",
        &func::file_exists(&inputs.lambda_zip),
        text![
            "The functions are not built yet: ",
            &inputs.lambda_zip,
            " is missing. Run: just build-lambdas"
        ],
    );
    let hash = m.local_because(
        "lambda_zip_hash",
        "Plan and validate work before the functions are built.",
        func::file_exists(&inputs.lambda_zip)
            .choose::<Opt<Text>>(func::file_base64_sha256(&inputs.lambda_zip), Expr::null()),
    );
    Functions(
        HANDLERS
            .map(|handler| (handler, function(m, inputs, shared, &endpoint, &hash, handler)))
            .into(),
    )
}

/// Where frames are posted. Not the stage's own attribute: the stage depends on the functions.
fn endpoint(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    api: &ApiRef<Websocket>,
) -> Expr<Websocket, Text> {
    let path = |base: Expr<Websocket, Text>, id: &str| text![base, id, &inputs.stage_name];
    let own = path(func::replace(api.api_endpoint(), "wss://", "https://"), "/");
    let other = text![inputs.options.management_base.set(), "/", api.id(), "/", &inputs.stage_name];
    m.local_because(
        "management_endpoint",
        "Where frames are posted. Built from the API, not from the stage, which comes after the functions.",
        inputs.options.management_base.is_null().choose::<Text>(own, other),
    )
}

fn function(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    (table, api, failures): Shared<'_>,
    endpoint: &Expr<Websocket, Text>,
    hash: &Expr<Websocket, Opt<Text>>,
    handler: Handler,
) -> Made {
    let needs = needs(handler);
    let local = handler.as_str().replace('-', "_");
    let name = text![&inputs.name, "-", handler.as_str()];

    let log_group = m.add(
        LogGroup::new(&local)
            .why("Made before the function, which may not make it: so it has a retention, and goes when the function goes.")
            .skip(&skips::SHORT_RETENTION)
            .skip(&skips::LOG_KEY)
            .name(text!["/aws/lambda/", &name])
            .retention_in_days(&inputs.options.function_log_retention_in_days)
            .kms_key_id(&inputs.options.kms_key_arn),
    );
    let role = m.add(
        Role::new(&local)
            .name(&name)
            .path(&inputs.options.role_path)
            .permissions_boundary(&inputs.options.permissions_boundary_arn)
            .assume_role_policy(Document::trust("lambda.amazonaws.com")),
    );
    let mut statements = vec![
        Statement::allow("WriteOwnLog", &["logs:CreateLogStream", "logs:PutLogEvents"])
            .on(arn![log_group.arn(), ":*"]),
    ];
    let rows = Statement::allow("Table", needs.table).on(table.arn());
    statements.push(match needs.rows {
        None => rows,
        Some(keys) => rows.when("ForAllValues:StringLike", "dynamodb:LeadingKeys", keys),
    });
    let mut variables = vec![
        (lambda_env::ENVIRONMENT, Expr::from(&inputs.environment)),
        (lambda_env::TABLE, table.name()),
    ];
    if needs.keys {
        statements.push(
            Statement::allow("ReadSigningKeys", &["secretsmanager:GetSecretValue"])
                .on(&inputs.signing_keys_arn),
        );
        variables.push((lambda_env::SIGNING_KEYS_ARN, Expr::from(&inputs.signing_keys_arn)));
    }
    if needs.reads_logs {
        statements.push(
            // AWS checks the stream's ARN; the local cloud checks the group's. Neither grants more
            // than this one group.
            Statement::allow("Replay", &["logs:GetLogEvents"])
                .on(&inputs.workers_log_group_arn)
                .on(arn![&inputs.workers_log_group_arn, ":*"]),
        );
    }
    if needs.posts {
        statements.push(Statement::allow("Post", &["execute-api:ManageConnections"]).on(arn![
            api.execution_arn(),
            "/",
            &inputs.stage_name,
            "/POST/@connections/*"
        ]));
        variables.push((lambda_env::MANAGEMENT_ENDPOINT, endpoint.clone()));
    }
    if needs.reads_logs {
        variables.push((lambda_env::LOG_GROUP, Expr::from(&inputs.workers_log_group_name)));
    }
    if needs.knows_runs {
        let days = &inputs.options.workers_log_retention_in_days;
        variables.push((lambda_env::RETENTION_DAYS, func::to_string(days)));
    }
    if needs.reads_executions {
        // By name, because the machine comes after its functions.
        let partition: Expr<Websocket, Text> = m.add(Partition::new("current")).partition().into();
        let executions = arn![
            "arn:",
            partition,
            ":states:",
            &inputs.region,
            ":",
            table.arn().account(),
            ":execution:",
            &inputs.state_machine_name,
            ":*"
        ];
        statements
            .push(Statement::allow("LookAtHolder", &["states:DescribeExecution"]).on(executions));
        let files = &inputs.allow_file_repositories;
        variables.push((lambda_env::ALLOW_FILE_REPO, files.choose::<Text>("1", "0")));
        let most = &inputs.max_duration_secs;
        variables.push((lambda_env::MAX_DURATION_SECS, func::to_string(most)));
    }
    if needs.keeps_failures {
        let send = Statement::allow("KeepFailures", &["sqs:SendMessage"]);
        statements.push(send.on(failures.arn()));
    }
    variables.sort_by_key(|(key, _)| *key);
    let policy = m.add(
        RolePolicy::new(&local)
            .name(handler.as_str())
            .role(role.id())
            .policy(Document::new(statements)),
    );
    let with_key = grants::key(m, inputs, &needs, &local, &role);
    let traced = grants::tracing(m, inputs, handler, &local, &role);
    let reserved =
        func::lookup(&inputs.options.reserved_concurrency, handler.as_str(), Expr::from(-1));
    let function = SKIPS.iter().fold(Function::new(&local), |function, skip| function.skip(skip));
    let function = m.add(
        function
            .function_name(&name)
            .description(needs.about)
            .role(role.arn())
            .runtime("provided.al2023")
            .architectures([Expr::from(&inputs.options.architecture)])
            .handler(handler.as_str())
            .filename(&inputs.lambda_zip)
            .source_code_hash(hash)
            .memory_size(needs.memory_mb)
            .timeout(needs.timeout)
            .reserved_concurrent_executions(reserved)
            .kms_key_arn(&inputs.options.kms_key_arn)
            .environment(Environment::default().variables(map(variables)))
            .logging_config(LoggingConfig::default().log_format("JSON").log_group(log_group.name()))
            .tracing_config(
                TracingConfig::default().mode(traced.on.choose::<Text>("Active", "PassThrough")),
            )
            .after(&policy)
            .after(&with_key)
            .after(&traced.policy),
    );
    Made { function, log_group }
}
