//! From a log line to a browser: API, functions, table, subscription filter.

mod access_logs;
mod alarms;
mod api;
mod dashboard;
mod failures;
mod functions;
mod grants;
mod needs;
mod task_events;
mod validations;

use ralph_protocol::{names::Handler, table};

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

/// Name of the subscription filter.
const FILTER: &str = "push-logs";

inputs! {
    /// What the module `websocket` is told.
    pub struct WebsocketInputs {
        /// Whether orders may name `file://` repositories, which only a stand-in for Fargate can read.
        allow_file_repositories: Bool,
        /// ARN of the cluster whose tasks write the lines.
        cluster_arn: Arn,
        /// Name of the environment; tokens name it.
        environment: Text,
        /// Path of the zip that holds all functions.
        lambda_zip: Text,
        /// Seconds that an execution may take whose order names no limit.
        max_duration_secs: Number,
        /// What names begin with.
        name: Text,
        /// Region of the API.
        region: Text,
        /// ARN of the secret with the keys that sign connection tokens.
        signing_keys_arn: Arn,
        /// Name of the stage.
        stage_name: Text,
        /// Name of the state machine. Not its ARN: the machine calls the functions, so it comes after them.
        state_machine_name: Text,
        /// Name of the connections table.
        table_name: Text,
        /// ARN of the workers' log group.
        workers_log_group_arn: Arn,
        /// Name of the workers' log group.
        workers_log_group_name: Text,
    }
    /// What the module `websocket` may be told.
    pub struct WebsocketOptions {
        /// Whether API Gateway writes a line of JSON for each request, without its query string. The account needs a log role, see account_log_role.
        access_logs: Bool = false,
        /// Whether to make the role with which API Gateway writes logs: one for the account and Region, removed again on destroy.
        account_log_role: Bool = false,
        /// ARN of the SNS topic that alarms go to; null shows them in the console only.
        alarm_topic_arn: Opt<Arn>,
        /// Whether there are alarms; each costs 10 cents a month beyond the first ten.
        alarms: Bool = false,
        /// Processor architecture of the functions: x86_64 or arm64.
        architecture: Text = "x86_64",
        /// Whether there is a dashboard; the account's first three are free.
        dashboard: Bool = false,
        /// Whether the table is protected against deletion.
        deletion_protection: Bool = false,
        /// Whether API Gateway measures each route; the metrics are billed.
        detailed_metrics: Bool = false,
        /// Days that the functions' and the API's own log groups keep a line.
        function_log_retention_in_days: Number = 7,
        /// Key that encrypts table, logs, failure queue and the functions' variables; null for AWS's own. The key's policy must let CloudWatch Logs use it.
        kms_key_arn: Opt<Arn>,
        /// Base of the endpoint that frames are posted to; null for AWS's own. The API's id and the stage are appended.
        management_base: Opt<Text>,
        /// Policy that bounds what the roles can ever do; null for none.
        permissions_boundary_arn: Opt<Arn>,
        /// Whether the table can be restored to any second of the last 35 days.
        point_in_time_recovery: Bool = false,
        /// Instances reserved for a function, by its short name such as push-logs; a function that is not named shares the account's.
        reserved_concurrency: Map<Number> = empty(),
        /// Path of the roles.
        role_path: Text = "/",
        /// Most messages at once, over all connections.
        throttling_burst_limit: Number = 500,
        /// Messages a second, over all connections.
        throttling_rate_limit: Number = 1000,
        /// Functions that X-Ray traces, by their short names such as push-logs.
        traced_functions: List<Text> = empty(),
        /// Days that the workers' log group keeps a line; the rows of a run are kept as long.
        workers_log_retention_in_days: Number = 7,
    }
}

outputs! {
    /// What the module `websocket` tells.
    pub struct WebsocketOutputs {
        /// ARN of the function that lets an execution begin.
        admit_function_arn: Arn,
        /// Id of the API.
        api_id: ApiId,
        /// ARN of the function that says what follows each run.
        decide_function_arn: Arn,
        /// Name of the stage.
        stage_name: Text,
        /// Name of the connections table.
        table_name: Text,
        /// URL that clients connect to.
        url: Url,
    }
}

impl Published for Websocket {
    fn example() -> WebsocketInputs<Constant> {
        WebsocketInputs {
            allow_file_repositories: false.into(),
            cluster_arn: arn!["arn:aws:ecs:us-east-1:123456789012:cluster/ralph-example"],
            environment: "example".into(),
            lambda_zip: "ralph-lambda.zip".into(),
            max_duration_secs: 14400.into(),
            name: "ralph-example".into(),
            region: "us-east-1".into(),
            signing_keys_arn: arn![
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/websocket-signing-keys-a1b2c3"
            ],
            stage_name: "example".into(),
            state_machine_name: "ralph-example-workstream".into(),
            table_name: "ralph-example-connections".into(),
            workers_log_group_arn: arn![
                "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
            ],
            workers_log_group_name: "/ralph/example/workstreams".into(),
            options: WebsocketOptions::default(),
        }
    }
}

impl Definition for Websocket {
    const NAME: &'static str = "websocket";
    const ABOUT: &'static str = "From a log line to a browser.";
    type Inputs<M> = WebsocketInputs<M>;
    type Outputs<M> = WebsocketOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: WebsocketInputs<Self>) -> WebsocketOutputs<Self> {
        validations::all(m, &inputs);
        let table = connections(m, &inputs);
        m.file("api.tf");
        let api = api::api(m, &inputs);
        let failures = failures::queue(m, &inputs);
        let functions = functions::all(m, &inputs, (&table, &api, &failures));
        for (local, handler) in
            [("push_logs", Handler::PushLogs), ("task_events", Handler::TaskEvents)]
        {
            failures::kept(m, local, functions.get(handler), &failures);
        }
        task_events::rule(m, &inputs, functions.get(Handler::TaskEvents));
        let stage = api::routes(m, &inputs, &api, &functions);
        subscription(m, &inputs, &functions);
        alarms::all(m, &inputs, &functions, &failures);
        dashboard::page(m, &inputs, &functions, &failures);
        cases(m, &inputs, &table, &stage);
        WebsocketOutputs {
            admit_function_arn: functions.get(Handler::Admit).function.arn(),
            api_id: api.id(),
            decide_function_arn: functions.get(Handler::Decide).function.arn(),
            stage_name: stage.name(),
            table_name: table.name(),
            url: stage.invoke_url(),
        }
    }
}

fn connections(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
) -> TableRef<Websocket> {
    m.file("table.tf");
    let options = &inputs.options;
    m.add(
        Table::new("connections")
            .why("One table, no index: every read is a Query or a GetItem on these keys.")
            .skip(&skips::TABLE_KEY)
            .name(&inputs.table_name)
            .billing_mode("PAY_PER_REQUEST")
            .hash_key(table::PK)
            .range_key(table::SK)
            .deletion_protection_enabled(&options.deletion_protection)
            .attribute(Attribute::default().name(table::PK).r#type("S"))
            .attribute(Attribute::default().name(table::SK).r#type("S"))
            .ttl(Ttl::default().attribute_name(table::EXPIRES_AT).enabled(true))
            .point_in_time_recovery(
                PointInTimeRecovery::default().enabled(&options.point_in_time_recovery),
            )
            .server_side_encryption(
                ServerSideEncryption::default()
                    .enabled(options.kms_key_arn.is_set())
                    .kms_key_arn(&options.kms_key_arn),
            ),
    )
}

/// The workers' lines go to push-logs.
fn subscription(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    functions: &functions::Functions,
) {
    m.file("subscription.tf");
    let push = &functions.get(Handler::PushLogs).function;
    let permission = m.add(
        Permission::new("push_logs")
            .why("CloudWatch Logs names the group with `:*` behind it when it calls.")
            .statement_id("CloudWatchLogs")
            .action("lambda:InvokeFunction")
            .function_name(push.function_name())
            .principal(text!["logs.", &inputs.region, ".amazonaws.com"])
            .source_arn(arn![&inputs.workers_log_group_arn, ":*"]),
    );
    let own_group = &functions.get(Handler::PushLogs).log_group;
    m.add(
        SubscriptionFilter::new("push_logs")
            .why("The empty pattern matches every line. The filter is made after the permission, or CloudWatch refuses it.")
            .name(FILTER)
            .log_group_name(&inputs.workers_log_group_name)
            .filter_pattern("")
            .destination_arn(push.arn())
            .after(&permission)
            .precondition(
                &inputs.workers_log_group_name.differs(own_group.name()),
                "push-logs must not read its own log group: each of its lines would call it again.",
            ),
    );
}

fn cases(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
    table: &TableRef<Websocket>,
    stage: &StageRef<Websocket>,
) {
    let options = &inputs.options;
    m.case("everything_on", "Every switch can be on at once.")
        .with(&options.access_logs, true)
        .with(&options.account_log_role, true)
        .with(&options.alarms, true)
        .with(&options.alarm_topic_arn, arn!["arn:aws:sns:us-east-1:123456789012:alarms"])
        .with(&options.dashboard, true)
        .with(&options.deletion_protection, true)
        .with(&options.detailed_metrics, true)
        .with(
            &options.kms_key_arn,
            arn!["arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"],
        )
        .with(&options.point_in_time_recovery, true)
        .with(&options.reserved_concurrency, map([("push-logs", 5.into())]))
        .with(&options.traced_functions, ["push-logs", "send-logs"])
        .with(&options.role_path, "/ralph/")
        .expect(&stage.name().equals(&inputs.stage_name), "the stage")
        .expect(&table.name().equals(&inputs.table_name), "the table");
}
