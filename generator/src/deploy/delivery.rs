//! What the module websocket takes, and what watches.

use ralph_protocol::names::Handler;
use serde_json::json;

use super::{EVERYTHING, Grant, arn, partition};
use crate::config::Environment;

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let names = &env.names;
    let (name, prefix) = (names.environment(), names.prefix());
    // AWS makes an API's id, so only tags tell one from another. Of a WebSocket API, the API and its
    // stages can have tags; nothing that belongs to them inherits these.
    // <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html>
    let parts =
        ["authorizers*", "deployments*", "integrations*", "routes*", "stages/*/accesslogsettings"];
    let parts = parts.map(|part| arn(env, "apigateway", &format!("/apis/*/{part}")));
    let tags = format!("/tags/arn%3A{}%3Aapigateway%3A{}%3A%3A%2F", partition(env), env.region);
    let tags = ["apis", "v2%2Fapis"].map(|of| arn(env, "apigateway", &format!("{tags}{of}%2F*")));
    let functions = Handler::ALL.map(|handler| format!("function:{}", names.function(handler)));
    let watched = &env.monitoring;
    vec![
        Grant::new(
            "LookAtApis",
            "Terraform must also see that an API is gone, and then there is no tag to ask for.",
            "apigateway: GET",
            [arn(env, "apigateway", "/apis/*")],
        ),
        Grant::new(
            "MakeApi",
            "What is made gets this environment's tag. A stage could be made in any WebSocket API.",
            "apigateway: POST",
            ["/apis", "/apis/*/stages"].map(|rest| arn(env, "apigateway", rest)),
        )
        .when(json!({ "StringEquals": { "aws:RequestTag/Environment": name } })),
        Grant::new(
            "ChangeApi",
            "An API and its stages, if they carry this environment's tag.",
            "apigateway: DELETE PATCH",
            [arn(env, "apigateway", "/apis/*")],
        )
        .when(json!({ "StringEquals": { "aws:ResourceTag/Environment": name } })),
        Grant::new(
            "PartsOfApis",
            "A part has no tags and does not inherit the API's: this reaches those of every WebSocket \
             and HTTP API of the Region. Once the API is made, its id can replace the first `*`.",
            "apigateway: DELETE PATCH POST",
            parts,
        ),
        Grant::new(
            "TagApis",
            "The tags of every WebSocket and HTTP API of the Region: API Gateway has no condition for \
             which API it is. It asks for this when an API is made, too.",
            "apigateway: DELETE POST",
            tags,
        ),
        Grant::new(
            "AccountLogRole",
            "The role is the account's own setting.",
            "apigateway: GET PATCH",
            watched.account_log_role.then(|| arn(env, "apigateway", "/account")),
        ),
        Grant::new(
            "Functions",
            "This environment's functions. None is called.",
            "lambda: AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency \
             DeleteFunctionEventInvokeConfig GetFunction GetFunctionCodeSigningConfig \
             GetFunctionConfiguration GetFunctionEventInvokeConfig GetPolicy ListTags \
             ListVersionsByFunction PutFunctionConcurrency PutFunctionEventInvokeConfig \
             RemovePermission TagResource UntagResource UpdateFunctionCode \
             UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig",
            functions.map(|function| arn(env, "lambda", &function)),
        ),
        Grant::new(
            "Table",
            "The table, not its rows.",
            "dynamodb: CreateTable DeleteTable DescribeContinuousBackups DescribeTable \
             DescribeTimeToLive ListTagsOfResource TagResource UntagResource \
             UpdateContinuousBackups UpdateTable UpdateTimeToLive",
            [arn(env, "dynamodb", &format!("table/{}", names.table()))],
        ),
        Grant::new(
            "TablesOwnKey",
            "The provider looks up which key DynamoDB itself uses when it reads a table.",
            "kms: DescribeKey",
            [arn(env, "kms", "key/*")],
        )
        .when(json!({ "StringEquals": { "kms:RequestAlias": "alias/aws/dynamodb" } })),
        Grant::new(
            "FailureQueue",
            "The queue, not its messages.",
            "sqs: CreateQueue DeleteQueue GetQueueAttributes ListQueueTags SetQueueAttributes \
             TagQueue UntagQueue",
            [arn(env, "sqs", &format!("{prefix}-failures"))],
        ),
        Grant::new(
            "TaskEvents",
            "The rule that hands task state changes to task-events.",
            "events: DeleteRule DescribeRule ListTagsForResource ListTargetsByRule PutRule \
             PutTargets RemoveTargets TagResource UntagResource",
            [arn(env, "events", &format!("rule/{prefix}-*"))],
        ),
        Grant::new(
            "Alarms",
            "This environment's alarms.",
            "cloudwatch: DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm TagResource \
             UntagResource",
            watched.alarms.then(|| arn(env, "cloudwatch", &format!("alarm:{prefix}-*"))),
        ),
        Grant::new(
            "Dashboard",
            "This environment's page.",
            "cloudwatch: DeleteDashboards GetDashboard PutDashboard",
            watched.dashboard.then(|| arn(env, "cloudwatch", &format!("dashboard/{prefix}"))),
        ),
        Grant::new(
            "DeliverAccessLogs",
            "CloudWatch knows no resource for log deliveries.",
            "logs: CreateLogDelivery DeleteLogDelivery GetLogDelivery ListLogDeliveries \
             UpdateLogDelivery",
            watched.access_logs.then_some(EVERYTHING),
        ),
        Grant::new(
            "Key",
            "Services use the customer's key in the name of whoever makes what it encrypts.",
            "kms: CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey",
            env.kms_key_arn.clone(),
        ),
    ]
}
