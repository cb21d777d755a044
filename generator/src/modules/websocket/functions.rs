//! The functions: one zip, one role and one log group each.

use ralph_protocol::names::{Handler, lambda_env};

use super::{Websocket, WebsocketInputs};
use crate::aws::apigateway::ApiRef;
use crate::aws::dynamodb::TableRef;
use crate::aws::iam::{Role, RolePolicy};
use crate::aws::lambda::{Environment, Function, FunctionRef, LoggingConfig};
use crate::aws::logs::{LogGroup, LogGroupRef};
use crate::aws::sqs::QueueRef;
use crate::hcl::prelude::*;
use crate::skips;

/// The functions of this module, in the order they are written.
const HANDLERS: [Handler; 5] = [
    Handler::Authorize,
    Handler::Connect,
    Handler::Disconnect,
    Handler::SendLogs,
    Handler::PushLogs,
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

/// What a function needs beside the table's name and the environment's.
struct Needs {
    about: &'static str,
    /// Seconds. API Gateway waits 29 s for a route.
    timeout: u32,
    memory_mb: u32,
    table: &'static [&'static str],
    keys: bool,
    posts: bool,
    reads_logs: bool,
    knows_runs: bool,
    /// Called asynchronously: what fails for good goes into the failure queue.
    keeps_failures: bool,
}

/// What functions share.
type Shared<'a> = (&'a TableRef<Websocket>, &'a ApiRef<Websocket>, &'a QueueRef<Websocket>);

fn needs(handler: Handler) -> Needs {
    let none = Needs {
        about: "",
        timeout: 10,
        memory_mb: 256,
        table: &[],
        keys: false,
        posts: false,
        reads_logs: false,
        knows_runs: false,
        keeps_failures: false,
    };
    match handler {
        Handler::Authorize => Needs {
            about: "Checks the token of a connection",
            table: &["dynamodb:PutItem"],
            keys: true,
            ..none
        },
        Handler::Connect => {
            Needs { about: "Notes a connection", table: &["dynamodb:PutItem"], ..none }
        }
        Handler::Disconnect => Needs {
            about: "Forgets a connection",
            table: &["dynamodb:DeleteItem", "dynamodb:Query"],
            ..none
        },
        Handler::SendLogs => Needs {
            about: "Answers a client: subscribes, replays, tells the runs",
            timeout: 29,
            memory_mb: 512,
            table: &[
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
            ],
            posts: true,
            reads_logs: true,
            knows_runs: true,
            ..none
        },
        Handler::PushLogs | Handler::TaskEvents => Needs {
            about: "Sends new lines to the connections that follow them",
            timeout: 60,
            memory_mb: 512,
            table: &[
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            posts: true,
            knows_runs: true,
            keeps_failures: true,
            ..none
        },
    }
}

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
    let other = text![inputs.management_base.set(), "/", api.id(), "/", &inputs.stage_name];
    m.local_because(
        "management_endpoint",
        "Where frames are posted. Built from the API, not from the stage, which comes after the functions.",
        inputs.management_base.is_null().choose::<Text>(own, other),
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
            .retention_in_days(&inputs.function_log_retention_in_days),
    );
    let role = m.add(
        Role::new(&local)
            .name(&name)
            .permissions_boundary(&inputs.permissions_boundary_arn)
            .assume_role_policy(Document::trust("lambda.amazonaws.com")),
    );
    let mut statements = vec![
        Statement::allow("WriteOwnLog", &["logs:CreateLogStream", "logs:PutLogEvents"])
            .on(arn![log_group.arn(), ":*"]),
        Statement::allow("Table", needs.table).on(table.arn()),
    ];
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
    if needs.knows_runs {
        let days = &inputs.workers_log_retention_in_days;
        variables.push((lambda_env::LOG_GROUP, Expr::from(&inputs.workers_log_group_name)));
        variables.push((lambda_env::RETENTION_DAYS, func::to_string(days)));
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
    let function = SKIPS.iter().fold(Function::new(&local), |function, skip| function.skip(skip));
    let function = m.add(
        function
            .function_name(&name)
            .description(needs.about)
            .role(role.arn())
            .runtime("provided.al2023")
            .architectures([Expr::from(&inputs.architecture)])
            .handler(handler.as_str())
            .filename(&inputs.lambda_zip)
            .source_code_hash(hash)
            .memory_size(needs.memory_mb)
            .timeout(needs.timeout)
            .environment(Environment::default().variables(map(variables)))
            .logging_config(LoggingConfig::default().log_format("JSON").log_group(log_group.name()))
            .after(&policy),
    );
    Made { function, log_group }
}
