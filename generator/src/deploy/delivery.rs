//! What the module websocket takes, and what watches.

use ralph_protocol::names::Handler;
use serde_json::json;

use super::{EVERYTHING, Grant, arn};
use crate::config::Environment;

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let names = &env.names;
    let prefix = names.prefix();
    let functions = Handler::ALL.map(|handler| format!("function:{}", names.function(handler)));
    let watched = &env.monitoring;
    vec![
        Grant::new(
            "Api",
            "An API's id is made by AWS: these are all of the Region's.",
            "apigateway: DELETE GET PATCH POST PUT",
            ["/apis", "/apis/*", "/tags/*"].map(|rest| arn(env, "apigateway", rest)),
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
