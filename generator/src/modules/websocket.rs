//! From a log line to a browser: API, functions, table, subscription filter.

mod access_logs;
mod alarms;
mod api;
mod dashboard;
mod failures;
mod functions;
mod notifications;
mod task_events;
mod validations;

use ralph_protocol::{names::Handler, table};

use super::{Roles, rules};
use crate::aws::apigateway::StageRef;
use crate::aws::dynamodb::{
    Attribute, PointInTimeRecovery, ServerSideEncryption, Table, TableRef, Ttl,
};
use crate::aws::lambda::Permission;
use crate::aws::logs::SubscriptionFilter;
use crate::hcl::prelude::*;
use crate::skips;

/// The module `websocket`.
pub struct Websocket;

type This = Module<Websocket>;
type Inputs = WebsocketInputs<Websocket>;
type Value<T> = Expr<Websocket, T>;

/// Name of the subscription filter.
const FILTER: &str = "push-logs";

fields! {
    /// The inputs of the module `websocket`.
    pub struct WebsocketInputs {
        /// Name of the environment. The API's stage has it too, and the audience of a connection token ends in it.
        environment: Text,
        /// The executions that the functions admit and decide control.
        executions: Executions<()>,
        /// ARN of the KMS key that encrypts the table, the logs, the failure queue, the topic of notifications.email and the functions' environment variables; null for AWS's own. Its policy must let CloudWatch Logs and EventBridge use it. If a customer key encrypts the signing keys, it must be this one: authorize may use no other.
        kms_key_arn: Opt<Arn>,
        /// What all Lambda functions have in common.
        lambda: Lambda<()>,
        /// Base URL that the functions post to, in front of the API's id and the stage; null for API Gateway's own.
        management_base: Opt<Text>,
        /// Logs, alarms and metrics.
        monitoring: Monitoring<()>,
        /// Prefix of the resources' names.
        name: Text,
        /// Who is told when an execution ends: an e-mail address or a topic, or nobody.
        notifications: Notifications<()>,
        /// Region of the API.
        region: Text,
        /// Path and permissions boundary of the IAM roles.
        roles: Roles<()>,
        /// ARN of the secret with the keys that sign connection tokens.
        signing_keys_arn: Arn,
        /// Protection of the table of connections and runs.
        table: TableProtection<()>,
        /// Throttling of messages, over all connections together.
        throttling: Throttling<()>,
        /// The tasks whose lines viewers see.
        workers: Workers<()>,
    }
    /// Executions.
    pub struct Executions {
        /// Whether orders may name file:// repositories, which only the local cloud can read.
        allow_file_repositories: Bool = false,
        /// Seconds that an execution may take when its order sets no limit. RALPH_MAX_DURATION_SECS of the tasks should be the same.
        max_duration_secs: Number = 14400,
        /// Name of the state machine. Its ARN would be a cycle, because the state machine depends on the functions.
        state_machine_name: Text,
    }
    /// The functions.
    pub struct Lambda {
        /// Processor architecture: x86_64 or arm64.
        architecture: Text = "x86_64",
        /// Days that the functions' and the API's own log groups keep a line.
        log_retention_in_days: Number = 7,
        /// Reserved concurrency of a function, by its short name such as push-logs; the others share the account's.
        reserved_concurrency: Map<Number> = empty(),
        /// Path of the zip with the code of all functions.
        zip: Text,
    }
    /// Logs, alarms and metrics.
    pub struct Monitoring {
        /// Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a role for it, see account_log_role.
        access_logs: Bool = false,
        /// Whether to make the role with which API Gateway writes logs. The account has one in each Region, and a destroy removes it.
        account_log_role: Bool = false,
        /// ARN of the SNS topic that alarms go to; null shows them in the console only.
        alarm_topic_arn: Opt<Arn>,
        /// Whether there are alarms; each costs 10 cents a month beyond the first ten.
        alarms: Bool = false,
        /// Whether there is a dashboard; the account's first three are free.
        dashboard: Bool = false,
        /// Whether API Gateway measures each route; the metrics are billed.
        detailed_metrics: Bool = false,
        /// Functions that X-Ray traces, by their short names such as push-logs.
        traced_functions: List<Text> = empty(),
    }
    /// Who is told.
    pub struct Notifications {
        /// Address that gets an e-mail, from a topic that is made for it; null for none. AWS first asks it to confirm.
        email: Opt<Text>,
        /// ARN of a standard SNS topic that gets the text, in the same Region; null for none. Not together with email.
        topic_arn: Opt<Arn>,
    }
    /// How the table is protected.
    pub struct TableProtection {
        /// Whether DynamoDB refuses to delete the table.
        deletion_protection: Bool = false,
        /// Whether the table can be restored to any second of the last 35 days.
        point_in_time_recovery: Bool = false,
    }
    /// Limits of the API.
    pub struct Throttling {
        /// Most messages at once.
        burst_limit: Number = 500,
        /// Most messages a second.
        rate_limit: Number = 1000,
    }
    /// The tasks.
    pub struct Workers {
        /// ARN of the tasks' cluster.
        cluster_arn: Arn,
        /// ARN of the tasks' log group.
        log_group_arn: Arn,
        /// Name of the tasks' log group.
        log_group_name: Text,
        /// Days that the tasks' log group keeps a line; the table keeps the rows of a run as long.
        log_retention_in_days: Number = 7,
        /// Where people read the lines of a run: an https URL in which {workstream} and {run} are replaced.
        log_url: Text,
    }
}

fields! {
    /// The outputs of the module `websocket`.
    pub struct WebsocketOutputs {
        /// ARN of the function admit, which checks an order.
        admit_function_arn: Arn,
        /// Id of the API.
        api_id: ApiId,
        /// ARN of the function decide, which says what follows each run.
        decide_function_arn: Arn,
        /// Name of the stage.
        stage_name: Text,
        /// Name of the table of connections and runs.
        table_name: Text,
        /// URL that clients connect to.
        url: Url,
    }
}

impl Published for Websocket {
    fn example() -> WebsocketInputs<Constant> {
        let arn = |service: &str, rest: &str| {
            arn![format!("arn:aws:{service}:us-east-1:123456789012:{rest}")]
        };
        WebsocketInputs {
            environment: "example".into(),
            executions: Executions {
                state_machine_name: "ralph-example-workstream".into(),
                ..Executions::default()
            },
            lambda: Lambda { zip: "ralph-lambda.zip".into(), ..Lambda::default() },
            name: "ralph-example".into(),
            region: "us-east-1".into(),
            signing_keys_arn: arn(
                "secretsmanager",
                "secret:ralph/example/websocket-signing-keys-a1b2c3",
            ),
            workers: Workers {
                cluster_arn: arn("ecs", "cluster/ralph-example"),
                log_group_arn: arn("logs", "log-group:/ralph/example/workstreams"),
                log_group_name: "/ralph/example/workstreams".into(),
                log_url: "https://logs.example.com/{workstream}/{run}".into(),
                ..Workers::default()
            },
            ..WebsocketInputs::default()
        }
    }
}

impl Definition for Websocket {
    const NAME: &'static str = "websocket";
    const ABOUT: &'static str =
        "Sends lines to browsers and controls executions: WebSocket API, functions and table.";
    type Inputs<M> = WebsocketInputs<M>;
    type Outputs<M> = WebsocketOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: WebsocketInputs<Self>) -> WebsocketOutputs<Self> {
        validations::all(m, &inputs);
        let table = connections(m, &inputs);
        m.file("api.tf");
        let api = api::api(m, &inputs);
        let failures = failures::queue(m, &inputs);
        let topics = notifications::topics(m, &inputs);
        let functions = functions::all(m, &inputs, (&table, &api, &failures, &topics));
        m.file("failures.tf");
        failures::kept(m, &functions, &failures);
        task_events::rule(m, &inputs, &functions, &failures);
        let stage = api::routes(m, &inputs, &api, &functions);
        subscription(m, &inputs, &functions);
        alarms::all(m, &inputs, &functions, &failures);
        dashboard::page(m, &inputs, &functions, &failures);
        cases(m, &inputs, &table, &stage);
        WebsocketOutputs {
            admit_function_arn: functions.of(Handler::Admit, |function| function.arn()),
            api_id: api.id(),
            decide_function_arn: functions.of(Handler::Decide, |function| function.arn()),
            stage_name: stage.name(),
            table_name: table.name(),
            url: stage.invoke_url(),
        }
    }
}

fn connections(m: &mut This, inputs: &Inputs) -> TableRef<Websocket> {
    m.file("table.tf");
    let protection = &inputs.table;
    m.add(
        Table::new("connections")
            .why("One table, no index: every read is a Query or a GetItem on these keys.")
            .skip(&[&skips::TABLE_BACKUPS, &skips::TABLE_KEY])
            .name(text![&inputs.name, "-connections"])
            .billing_mode("PAY_PER_REQUEST")
            .hash_key(table::PK)
            .range_key(table::SK)
            .deletion_protection_enabled(&protection.deletion_protection)
            .attribute(Attribute::default().name(table::PK).r#type("S"))
            .attribute(Attribute::default().name(table::SK).r#type("S"))
            .ttl(Ttl::default().attribute_name(table::EXPIRES_AT).enabled(true))
            .point_in_time_recovery(
                PointInTimeRecovery::default().enabled(&protection.point_in_time_recovery),
            )
            .server_side_encryption(
                ServerSideEncryption::default()
                    .enabled(inputs.kms_key_arn.is_set())
                    .kms_key_arn(&inputs.kms_key_arn),
            ),
    )
}

/// The workers' lines go to push-logs.
fn subscription(m: &mut This, inputs: &Inputs, functions: &functions::Functions) {
    m.file("subscription.tf");
    let workers = &inputs.workers;
    let permission = m.add(
        Permission::new("push_logs")
            .why("CloudWatch Logs calls with the log group's ARN followed by `:*`.")
            .statement_id("CloudWatchLogs")
            .action("lambda:InvokeFunction")
            .function_name(functions.of(Handler::PushLogs, |function| function.function_name()))
            .principal(text!["logs.", &inputs.region, ".amazonaws.com"])
            .source_arn(arn![&workers.log_group_arn, ":*"]),
    );
    m.add(
        SubscriptionFilter::new("push_logs")
            .why("The empty pattern matches every line. CloudWatch Logs refuses a filter whose function it may not call, so the permission comes first.")
            .name(FILTER)
            .log_group_name(&workers.log_group_name)
            .filter_pattern("")
            .destination_arn(functions.of(Handler::PushLogs, |function| function.arn()))
            .after(&permission)
            .precondition(
                &workers.log_group_name.differs(functions.log_group(Handler::PushLogs)),
                "push-logs must not read its own log group: each of its lines would call it again.",
            ),
    );
}

fn cases(m: &mut This, inputs: &Inputs, table: &TableRef<Websocket>, stage: &StageRef<Websocket>) {
    let monitoring = &inputs.monitoring;
    m.case("everything_on", "Every switch can be on at once.")
        .with(&monitoring.access_logs, true)
        .with(&monitoring.account_log_role, true)
        .with(&monitoring.alarms, true)
        .with(&monitoring.alarm_topic_arn, arn!["arn:aws:sns:us-east-1:123456789012:alarms"])
        .with(&monitoring.dashboard, true)
        .with(&monitoring.detailed_metrics, true)
        .with(&monitoring.traced_functions, ["push-logs", "send-logs"])
        .with(
            &inputs.kms_key_arn,
            arn!["arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"],
        )
        .with(&inputs.lambda.reserved_concurrency, map([("push-logs", 5.into())]))
        .with(&inputs.notifications.email, Expr::<Constant, Text>::from("team@example.com"))
        .with(&inputs.roles.path, "/ralph/")
        .with(&inputs.table.deletion_protection, true)
        .with(&inputs.table.point_in_time_recovery, true)
        .expect(&stage.name().equals(&inputs.environment), "the stage")
        .expect(&table.name().equals(text![&inputs.name, "-connections"]), "the table");
}
