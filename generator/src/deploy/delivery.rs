//! What the module websocket takes, and what watches.

use ralph_protocol::names::Handler;
use serde_json::json;

use super::{Grant, api_arn, arn, global_arn};
use crate::config::Environment;

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let names = &env.names;
    let prefix = names.prefix();
    let functions = Handler::ALL
        .map(|handler| arn(env, "lambda", &format!("function:{}", names.function(handler))));
    let api = |rest: &str| api_arn(env, rest);
    let mut grants = vec![
        Grant {
            sid: "Api",
            why: "An API's id is made by AWS: these are all of the Region's.",
            actions: vec![
                "apigateway:DELETE",
                "apigateway:GET",
                "apigateway:PATCH",
                "apigateway:POST",
                "apigateway:PUT",
            ],
            resources: ["/apis", "/apis/*", "/tags/*"].map(api).into(),
            condition: None,
        },
        Grant {
            sid: "Functions",
            why: "This environment's functions. None is called.",
            actions: vec![
                "lambda:AddPermission",
                "lambda:CreateFunction",
                "lambda:DeleteFunction",
                "lambda:DeleteFunctionConcurrency",
                "lambda:DeleteFunctionEventInvokeConfig",
                "lambda:GetFunction",
                "lambda:GetFunctionCodeSigningConfig",
                "lambda:GetFunctionConfiguration",
                "lambda:GetFunctionEventInvokeConfig",
                "lambda:GetPolicy",
                "lambda:ListTags",
                "lambda:ListVersionsByFunction",
                "lambda:PutFunctionConcurrency",
                "lambda:PutFunctionEventInvokeConfig",
                "lambda:RemovePermission",
                "lambda:TagResource",
                "lambda:UntagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
                "lambda:UpdateFunctionEventInvokeConfig",
            ],
            resources: functions.into(),
            condition: None,
        },
        Grant {
            sid: "Table",
            why: "The table, not its rows.",
            actions: vec![
                "dynamodb:CreateTable",
                "dynamodb:DeleteTable",
                "dynamodb:DescribeContinuousBackups",
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:ListTagsOfResource",
                "dynamodb:TagResource",
                "dynamodb:UntagResource",
                "dynamodb:UpdateContinuousBackups",
                "dynamodb:UpdateTable",
                "dynamodb:UpdateTimeToLive",
            ],
            resources: vec![arn(env, "dynamodb", &format!("table/{}", names.table()))],
            condition: None,
        },
        Grant {
            sid: "FailureQueue",
            why: "The queue, not its messages.",
            actions: vec![
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:ListQueueTags",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
                "sqs:UntagQueue",
            ],
            resources: vec![arn(env, "sqs", &format!("{prefix}-failures"))],
            condition: None,
        },
        Grant {
            sid: "TaskEvents",
            why: "The rule that hands task state changes to task-events.",
            actions: vec![
                "events:DeleteRule",
                "events:DescribeRule",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:RemoveTargets",
                "events:TagResource",
                "events:UntagResource",
            ],
            resources: vec![arn(env, "events", &format!("rule/{prefix}-*"))],
            condition: None,
        },
    ];
    grants.push(Grant {
        sid: "TablesOwnKey",
        why: "The provider looks up which key DynamoDB itself uses when it reads a table.",
        actions: vec!["kms:DescribeKey"],
        resources: vec![arn(env, "kms", "key/*")],
        condition: Some(json!({ "StringEquals": { "kms:RequestAlias": "alias/aws/dynamodb" } })),
    });
    grants.extend(monitoring(env));
    if let Some(key) = &env.kms_key_arn {
        grants.push(Grant {
            sid: "Key",
            why: "Services use the customer's key in the name of whoever makes what it encrypts.",
            actions: vec![
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
            ],
            resources: vec![key.clone()],
            condition: None,
        });
    }
    grants
}

/// What only an environment with alarms, a dashboard or access logs needs.
fn monitoring(env: &Environment) -> Vec<Grant> {
    let prefix = env.names.prefix();
    let mut grants = Vec::new();
    if env.monitoring.alarms {
        grants.push(Grant {
            sid: "Alarms",
            why: "This environment's alarms.",
            actions: vec![
                "cloudwatch:DeleteAlarms",
                "cloudwatch:DescribeAlarms",
                "cloudwatch:ListTagsForResource",
                "cloudwatch:PutMetricAlarm",
                "cloudwatch:TagResource",
                "cloudwatch:UntagResource",
            ],
            resources: vec![arn(env, "cloudwatch", &format!("alarm:{prefix}-*"))],
            condition: None,
        });
    }
    if env.monitoring.dashboard {
        grants.push(Grant {
            sid: "Dashboard",
            why: "This environment's page.",
            actions: vec![
                "cloudwatch:DeleteDashboards",
                "cloudwatch:GetDashboard",
                "cloudwatch:PutDashboard",
            ],
            resources: vec![global_arn(env, "cloudwatch", &format!("dashboard/{prefix}"))],
            condition: None,
        });
    }
    if env.monitoring.access_logs {
        grants.push(Grant {
            sid: "DeliverAccessLogs",
            why: "CloudWatch knows no resource for log deliveries.",
            actions: vec![
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:UpdateLogDelivery",
            ],
            resources: vec!["*".to_owned()],
            condition: None,
        });
    }
    if env.monitoring.account_log_role {
        grants.push(Grant {
            sid: "AccountLogRole",
            why: "The role is the account's own setting.",
            actions: vec!["apigateway:GET", "apigateway:PATCH"],
            resources: vec![api_arn(env, "/account")],
            condition: None,
        });
    }
    grants
}
