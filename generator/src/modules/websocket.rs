//! From a log line to a browser: API, functions, table, subscription filter.

mod api;
mod failures;
mod functions;

use ralph_protocol::{names::Handler, table};

use crate::aws::dynamodb::{Attribute, PointInTimeRecovery, Table, TableRef, Ttl};
use crate::aws::lambda::Permission;
use crate::aws::logs::SubscriptionFilter;
use crate::hcl::prelude::*;
use crate::skips;

/// The module `websocket`.
pub struct Websocket;

inputs! {
    /// What the module `websocket` is told.
    pub struct WebsocketInputs {
        /// Processor architecture of the functions: x86_64 or arm64.
        architecture: Text,
        /// Whether the table refuses to be deleted.
        deletion_protection: Bool,
        /// Name of the environment; tokens name it.
        environment: Text,
        /// Days that the functions' own log groups keep a line.
        function_log_retention_in_days: Number,
        /// Path of the zip that holds all functions.
        lambda_zip: Text,
        /// Base of the endpoint that frames are posted to; null for AWS's own. The API's id and the stage are appended.
        management_base: Opt<Text>,
        /// What names begin with.
        name: Text,
        /// Policy that bounds what the roles can ever do; null for none.
        permissions_boundary_arn: Opt<Arn>,
        /// Whether the table can be restored to any second of the last 35 days.
        point_in_time_recovery: Bool,
        /// Region of the API.
        region: Text,
        /// ARN of the secret with the keys that sign connection tokens.
        signing_keys_arn: Arn,
        /// Name of the stage.
        stage_name: Text,
        /// Name of the connections table.
        table_name: Text,
        /// Most messages at once, over all connections.
        throttling_burst_limit: Number,
        /// Messages a second, over all connections.
        throttling_rate_limit: Number,
        /// ARN of the workers' log group.
        workers_log_group_arn: Arn,
        /// Name of the workers' log group.
        workers_log_group_name: Text,
        /// Days that the workers' log group keeps a line; what is known of a run lives as long.
        workers_log_retention_in_days: Number,
    }
}

outputs! {
    /// What the module `websocket` tells.
    pub struct WebsocketOutputs {
        /// Id of the API.
        api_id: ApiId,
        /// Name of the stage.
        stage_name: Text,
        /// ARN of the connections table.
        table_arn: Arn,
        /// Name of the connections table.
        table_name: Text,
        /// URL that clients connect to.
        url: Url,
    }
}

impl Published for Websocket {
    fn example() -> WebsocketInputs<Constant> {
        WebsocketInputs {
            architecture: "x86_64".into(),
            deletion_protection: false.into(),
            environment: "example".into(),
            function_log_retention_in_days: 7.into(),
            lambda_zip: "ralph-lambda.zip".into(),
            management_base: Expr::null(),
            name: "ralph-example".into(),
            permissions_boundary_arn: Expr::null(),
            point_in_time_recovery: false.into(),
            region: "us-east-1".into(),
            signing_keys_arn: arn![
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/websocket-signing-keys-a1b2c3"
            ],
            stage_name: "example".into(),
            table_name: "ralph-example-connections".into(),
            throttling_burst_limit: 500.into(),
            throttling_rate_limit: 1000.into(),
            workers_log_group_arn: arn![
                "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams"
            ],
            workers_log_group_name: "/ralph/example/workstreams".into(),
            workers_log_retention_in_days: 7.into(),
        }
    }
}

impl Definition for Websocket {
    const NAME: &'static str = "websocket";
    const ABOUT: &'static str = "From a log line to a browser.";
    type Inputs<M> = WebsocketInputs<M>;
    type Outputs<M> = WebsocketOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: WebsocketInputs<Self>) -> WebsocketOutputs<Self> {
        let architectures: Expr<Self, List<Text>> = ["x86_64", "arm64"].into();
        m.validate(
            &inputs.architecture,
            &func::contains(architectures, &inputs.architecture),
            "The architecture is x86_64 or arm64.",
            "i386",
        );
        let table = connections(m, &inputs);
        m.file("api.tf");
        let api = api::api(m, &inputs);
        let failures = failures::queue(m, &inputs);
        let functions = functions::all(m, &inputs, (&table, &api, &failures));
        failures::kept(m, "push_logs", functions.get(Handler::PushLogs), &failures);
        let stage = api::routes(m, &inputs, &api, &functions);
        subscription(m, &inputs, &functions);
        WebsocketOutputs {
            api_id: api.id(),
            stage_name: stage.name(),
            table_arn: table.arn(),
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
    m.add(
        Table::new("connections")
            .why("One table, no index: every read is a Query or a GetItem on these keys.")
            .skip(&skips::TABLE_KEY)
            .name(&inputs.table_name)
            .billing_mode("PAY_PER_REQUEST")
            .hash_key(table::PK)
            .range_key(table::SK)
            .deletion_protection_enabled(&inputs.deletion_protection)
            .attribute(Attribute::default().name(table::PK).r#type("S"))
            .attribute(Attribute::default().name(table::SK).r#type("S"))
            .ttl(Ttl::default().attribute_name(table::EXPIRES_AT).enabled(true))
            .point_in_time_recovery(
                PointInTimeRecovery::default().enabled(&inputs.point_in_time_recovery),
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
            .name("push-logs")
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
