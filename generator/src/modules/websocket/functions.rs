//! The functions: one zip, one role and one log group each, all of one shape.

use ralph_protocol::{
    names::{Handler, lambda_env},
    table::{INDEX, WORKSTREAM_PREFIX},
};

use super::{Inputs, This, Value, Websocket};
use crate::aws::apigateway::ApiRef;
use crate::aws::dynamodb::TableRef;
use crate::aws::iam::{Partition, Role, RolePolicy};
use crate::aws::lambda::{Environment, Function, FunctionRef, LoggingConfig, TracingConfig};
use crate::aws::logs::{LogGroup, LogGroupRef};
use crate::aws::sqs::QueueRef;
use crate::hcl::prelude::*;
use crate::hcl::{Each, FieldType, policy};
use crate::skips;

/// What no function follows.
static SKIPS: &[&Skip] = &[
    &skips::NO_VPC,
    &skips::NO_RESERVATION,
    &skips::NO_DEAD_LETTERS,
    &skips::CODE_UNSIGNED,
    &skips::VARIABLES_KEY,
    &skips::NO_TRACING,
];

fields! {
    /// What one function has of its own.
    pub(super) struct Spec {
        /// What it does.
        description: Text,
        /// Its variables beside those that all have.
        environment: Map<Text>,
        /// With a customer's key: what it does with the key beside reading the table, by the service that asks for it.
        key_actions: Map<List<Text>>,
        /// MB.
        memory_size: Number,
        /// What it may do beside its log and the table.
        statements: List<PolicyStatement>,
        /// What it may do with rows of the table.
        table_actions: List<Text>,
        /// The partitions of those rows.
        table_keys: List<Text>,
        /// Seconds. API Gateway waits 29 s for a route.
        timeout: Number,
    }
}

/// The functions and what goes with them.
pub(super) struct Functions {
    functions: Each<Websocket, FunctionRef<Websocket>>,
    log_groups: Each<Websocket, LogGroupRef<Websocket>>,
}

impl Functions {
    /// A handler's function.
    pub(super) fn of<T>(
        &self,
        handler: Handler,
        f: impl FnOnce(&FunctionRef<Websocket>) -> Value<T>,
    ) -> Value<T> {
        self.at(handler.as_str(), f)
    }

    /// The function of a name that is worked out.
    pub(super) fn at<T>(
        &self,
        name: impl Into<Value<Text>>,
        f: impl FnOnce(&FunctionRef<Websocket>) -> Value<T>,
    ) -> Value<T> {
        self.functions.at(name, f)
    }

    /// A function's own log group.
    pub(super) fn log_group(&self, handler: Handler) -> Value<Text> {
        self.log_groups.at(handler.as_str(), |group| group.name())
    }
}

/// What functions share.
type Shared<'a> =
    (&'a TableRef<Websocket>, &'a ApiRef<Websocket>, &'a QueueRef<Websocket>, &'a Value<List<Arn>>);

pub(super) fn all(m: &mut This, inputs: &Inputs, shared: Shared<'_>) -> Functions {
    let (table, api, ..) = shared;
    let endpoint = endpoint(m, inputs, api);
    m.file("functions.tf");
    let zip = &inputs.lambda.zip;
    m.in_tests(zip, "versions.tf");
    let built = m.check(
        "lambda_zip",
        &func::file_exists(zip),
        text!["The functions are not built yet: ", zip, " is missing. Run: just build-lambdas"],
    );
    m.case("not_built", "A plan warns when the functions are not built yet.")
        .with(zip, "not-built.zip")
        .warned_by(&built);
    let specs = specs(m, inputs, shared, &endpoint);
    let functions = m.local_here(
        "functions",
        "What differs from function to function. The resources below have the rest. table_keys are patterns of the partition keys that a function may use; * is every one.",
        map(specs.map(|(handler, spec)| (handler.as_str(), Spec::write(spec)))),
    );
    let name = |key: &Value<Text>| text![&inputs.name, "-", key];
    let log_groups = m.add_each(&functions, |each| {
        LogGroup::new("function")
            .why("Lambda would make the group without a retention, and leave it when the function is deleted. A function may not make it.")
            .skip(skips::LOG_GROUP)
            .name(text!["/aws/lambda/", name(&each.key)])
            .retention_in_days(&inputs.lambda.log_retention_in_days)
            .kms_key_id(&inputs.kms_key_arn)
    });
    let roles = m.add_each(&functions, |each| {
        Role::new("function")
            .name(name(&each.key))
            .path(&inputs.roles.path)
            .permissions_boundary(&inputs.roles.permissions_boundary_arn)
            .assume_role_policy(Document::new([Statement::trust("lambda.amazonaws.com")]))
    });
    let policy = m.add_each(&functions, |each| {
        let spec = Spec::read(each.value);
        let log = log_groups.at(&each.key, |group| group.arn());
        let document = document(inputs, table, &each.key, &spec, &log);
        RolePolicy::new("function")
            .note(&document.reasons())
            .name(&each.key)
            .role(roles.at(&each.key, |role| role.id()))
            .policy(document)
    });
    let hash =
        func::file_exists(zip).choose::<Opt<Text>>(func::file_base64_sha256(zip), Expr::null());
    let functions = m.add_each(&functions, |each| {
        let spec = Spec::read(each.value);
        let common = map([
            (lambda_env::ENVIRONMENT, Expr::from(&inputs.environment)),
            (lambda_env::TABLE, table.name()),
        ]);
        let traced = func::contains(&inputs.monitoring.traced_functions, &each.key);
        Function::new("this")
            .skip(SKIPS)
            .function_name(name(&each.key))
            .description(spec.description)
            .role(roles.at(&each.key, |role| role.arn()))
            .runtime("provided.al2023")
            .architectures([inputs.lambda.architecture.clone()])
            .handler(&each.key)
            .filename(zip)
            .note("Null, so that a plan works before the functions are built.")
            .source_code_hash(hash)
            .memory_size(spec.memory_size)
            .timeout(spec.timeout)
            .reserved_concurrent_executions(func::lookup(
                &inputs.lambda.reserved_concurrency,
                &each.key,
                Expr::from(-1),
            ))
            .kms_key_arn(&inputs.kms_key_arn)
            .environment(Environment::default().variables(func::merge(common, spec.environment)))
            .logging_config(
                LoggingConfig::default()
                    .log_format("JSON")
                    .log_group(log_groups.at(&each.key, |group| group.name())),
            )
            .tracing_config(
                TracingConfig::default().mode(traced.choose::<Text>("Active", "PassThrough")),
            )
            .after(&policy)
    });
    Functions { functions, log_groups }
}

/// A function's policy: its log, the table, what it has of its own, and what a switch adds.
fn document(
    inputs: &Inputs,
    table: &TableRef<Websocket>,
    key: &Value<Text>,
    spec: &Spec<Websocket>,
    log_group: &Value<Arn>,
) -> Document<Websocket> {
    let table_key = map([("dynamodb", ["kms:Decrypt"].into())]);
    let on_key = func::merge(table_key, &spec.key_actions).map_where(
        ("service", "actions"),
        |service, actions| {
            let via = text![&service, ".", &inputs.region, ".amazonaws.com"];
            Statement::allow_each(text!["UseKey", func::title(&service)], &actions)
                .on(inputs.kms_key_arn.set())
                .when("StringEquals", "kms:ViaService", via.any())
                .object()
        },
        &inputs.kms_key_arn.is_set(),
    );
    let trace = Statement::allow("WriteTraces", "xray: PutTelemetryRecords PutTraceSegments")
        .on_everything("these actions of X-Ray have no resource-level permissions");
    let traced = ("name", &inputs.monitoring.traced_functions);
    Document::new([
        Statement::allow("WriteLogs", "logs: CreateLogStream PutLogEvents")
            .on(arn![log_group, ":*"]),
        Statement::allow_each("UseTable", &spec.table_actions).on(table.arn()).when(
            "ForAllValues:StringLike",
            "dynamodb:LeadingKeys",
            spec.table_keys.any(),
        ),
    ])
    .and(spec.statements.clone())
    .and(on_key)
    .and_where(traced, |name| name.equals(key), trace)
}

/// Where frames are posted. Not the stage's own attribute: the stage depends on the functions.
fn endpoint(m: &mut This, inputs: &Inputs, api: &ApiRef<Websocket>) -> Value<Text> {
    let base = &inputs.management_base;
    let stage = &inputs.environment;
    let own = text![func::replace(api.api_endpoint(), "wss://", "https://"), "/", stage];
    let other = text![base.set(), "/", api.id(), "/", stage];
    m.local_because(
        "management_endpoint",
        "URL that the functions post to. The stage has it too, but depends on the functions.",
        base.is_null().choose::<Text>(own, other),
    )
}

/// What each function has of its own, by name.
fn specs(
    m: &mut This,
    inputs: &Inputs,
    (table, api, failures, topics): Shared<'_>,
    endpoint: &Value<Text>,
) -> [(Handler, Spec<Websocket>); 8] {
    let (workers, executions) = (&inputs.workers, &inputs.executions);
    let partition: Value<Text> = m.add(Partition::new("current")).partition().into();
    let account = m.local("account_id", table.arn().account());
    let post = Statement::allow("PostToConnections", "execute-api: ManageConnections").on(arn![
        api.execution_arn(),
        "/",
        &inputs.environment,
        "/POST/@connections/*"
    ]);
    let post = m.local_here("post_to_connections", "", post.object());
    let keep = Statement::allow("SendFailures", "sqs: SendMessage").on(failures.arn());
    let keep = m.local_here("send_failures", "", keep.object());
    let read_keys = Statement::allow("ReadSigningKeys", "secretsmanager: GetSecretValue")
        .on(&inputs.signing_keys_arn);
    // AWS checks the stream's ARN; the local cloud checks the group's. Neither grants more than this
    // one group.
    let read_logs = Statement::allow("ReadLogs", "logs: GetLogEvents")
        .on(&workers.log_group_arn)
        .on(arn![&workers.log_group_arn, ":*"]);
    let read_logs = m.local_here("read_logs", "", read_logs.object());
    let log_group = || (lambda_env::LOG_GROUP, Expr::from(&workers.log_group_name));
    // By name, because the machine comes after its functions.
    let machine = [
        text!["arn:", partition, ":states:", &inputs.region, ":", account, ":execution:"],
        text![&executions.state_machine_name, ":*"],
    ];
    let describe = Statement::allow("DescribeExecutions", "states: DescribeExecution")
        .on(arn![&machine[0], &machine[1]]);
    let files = executions.allow_file_repositories.choose::<Text>("1", "0");
    let longest = func::to_string(&executions.max_duration_secs);
    let retention =
        || (lambda_env::RETENTION_DAYS, func::to_string(&workers.log_retention_in_days));
    let posting = || (lambda_env::MANAGEMENT_ENDPOINT, endpoint.clone());
    let encrypt = || -> Value<List<Text>> { ["kms:Decrypt", "kms:GenerateDataKey"].into() };
    let queue_key = || map([("sqs", encrypt())]);
    let spec = |description: &str, memory: i32, timeout: i32, table_actions: &str| Spec {
        description: description.into(),
        environment: empty(),
        key_actions: empty(),
        memory_size: memory.into(),
        statements: empty(),
        table_actions: policy::names(table_actions).into_iter().map(Expr::from).collect(),
        table_keys: ["*"].into(),
        timeout: timeout.into(),
    };
    let deliver = |description: &str, timeout: i32| Spec {
        environment: map([posting(), retention()]),
        key_actions: queue_key(),
        statements: [post.clone(), keep.clone()].into(),
        ..spec(description, 512, timeout, "dynamodb: DeleteItem GetItem PutItem Query UpdateItem")
    };
    let workstreams = || [text![INDEX], text![format!("{WORKSTREAM_PREFIX}*")]].into();
    let admit = Spec {
        environment: map([
            (lambda_env::ALLOW_FILE_REPO, files),
            (lambda_env::MAX_DURATION_SECS, longest),
            retention(),
        ]),
        statements: [describe.object()].into(),
        table_keys: workstreams(),
        ..spec(
            "Checks an order, takes its workstream's lease and begins the first run",
            256,
            10,
            "dynamodb: DeleteItem GetItem PutItem",
        )
    };
    let authorize = Spec {
        environment: map([(lambda_env::SIGNING_KEYS_ARN, Expr::from(&inputs.signing_keys_arn))]),
        key_actions: map([("secretsmanager", ["kms:Decrypt"].into())]),
        statements: [read_keys.object()].into(),
        ..spec("Checks the token of a connection", 256, 10, "dynamodb: PutItem")
    };
    let publish = |topic: Value<Arn>| Statement::allow("Notify", "sns: Publish").on(topic).object();
    let decide = Spec {
        environment: func::merge(
            map([log_group(), (lambda_env::LOG_URL, Expr::from(&workers.log_url)), retention()]),
            topics.to_map("arn", |arn| (lambda_env::NOTIFY_TOPIC_ARN, text![arn])),
        ),
        key_actions: topics.to_map("arn", |_| ("sns", encrypt())),
        statements: func::concat([read_logs.clone()], topics.map("arn", publish)),
        table_keys: workstreams(),
        ..spec(
            "Settles what a run has used, and says what follows a run or a wait of an execution",
            256,
            30,
            "dynamodb: DeleteItem GetItem PutItem UpdateItem",
        )
    };
    let send_logs = Spec {
        environment: map([log_group(), posting()]),
        statements: [read_logs.clone(), post.clone()].into(),
        ..spec(
            "Answers a client: subscribes, replays, lists the runs and the workstreams",
            512,
            29,
            "dynamodb: DeleteItem GetItem PutItem Query",
        )
    };
    [
        (Handler::Admit, admit),
        (Handler::Authorize, authorize),
        (Handler::Connect, spec("Records a connection", 256, 10, "dynamodb: PutItem")),
        (Handler::Decide, decide),
        (Handler::Disconnect, spec("Removes a connection", 256, 10, "dynamodb: DeleteItem Query")),
        (Handler::PushLogs, deliver("Sends new lines to the connections that follow them", 60)),
        (Handler::SendLogs, send_logs),
        (
            Handler::TaskEvents,
            deliver(
                "Records the state of a run's task, and sends it to the connections that follow the run",
                30,
            ),
        ),
    ]
}
