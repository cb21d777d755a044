//! Every policy of the tree, decoded: who may do what on what.

use std::collections::BTreeMap;

use hcl::expr::{Expression, ObjectKey};
use hcl::{Block, Body};

use crate::support::tree;

#[derive(Debug, Clone)]
struct Statement {
    sid: String,
    actions: Vec<String>,
    resources: Vec<String>,
    principal: Option<String>,
    condition: bool,
}

/// Fields of an object by name.
fn fields(node: &Expression) -> BTreeMap<String, &Expression> {
    let Expression::Object(object) = node else { panic!("not an object: {node:?}") };
    let name = |key: &ObjectKey| match key {
        ObjectKey::Identifier(name) => name.as_str().to_owned(),
        ObjectKey::Expression(Expression::String(text)) => text.clone(),
        other => panic!("not a plain key: {other:?}"),
    };
    object.iter().map(|(key, value)| (name(key), value)).collect()
}

/// One or many, as text: literals as they are, references as HCL.
fn texts(node: &Expression) -> Vec<String> {
    match node {
        Expression::Array(items) => items.iter().flat_map(texts).collect(),
        Expression::String(text) => vec![text.clone()],
        other => vec![hcl::format::to_string(other).expect("an expression")],
    }
}

fn statements(node: &Expression) -> Vec<Statement> {
    let Expression::FuncCall(call) = node else { panic!("a policy is jsonencode(…): {node:?}") };
    assert_eq!(call.name.name.as_str(), "jsonencode");
    let document = fields(&call.args[0]);
    assert_eq!(document["Version"], &Expression::from("2012-10-17"));
    let Expression::Array(list) = document["Statement"] else { panic!("statements are a list") };
    let decode = |statement: &Expression| {
        let fields = fields(statement);
        assert_eq!(fields["Effect"], &Expression::from("Allow"));
        let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
        assert!(fields.keys().all(|key| known.contains(&key.as_str())), "{fields:?}");
        Statement {
            sid: texts(fields["Sid"]).remove(0),
            actions: texts(fields["Action"]),
            resources: fields.get("Resource").map(|node| texts(node)).unwrap_or_default(),
            principal: fields.get("Principal").map(|node| {
                let principal = self::fields(node);
                assert_eq!(principal.len(), 1, "{principal:?}");
                texts(principal["Service"]).remove(0)
            }),
            condition: fields.contains_key("Condition"),
        }
    };
    list.iter().map(decode).collect()
}

/// Every block of a kind in the tree's modules, with its file's text.
fn blocks(kind: &str) -> Vec<(Block, String)> {
    let mut found = Vec::new();
    for (path, text) in tree() {
        if !path.starts_with("modules/") || !path.ends_with(".tf") {
            continue;
        }
        let body: Body = hcl::parse(&text).expect("HCL");
        for block in body.into_blocks() {
            if block.labels().first().is_some_and(|label| label.as_str() == kind) {
                found.push((block, text.clone()));
            }
        }
    }
    found
}

fn attribute(block: &Block, name: &str) -> Expression {
    let found = block.body().attributes().find(|attribute| attribute.key() == name);
    found.unwrap_or_else(|| panic!("no {name}")).expr().clone()
}

fn label(block: &Block) -> String {
    block.labels()[1].as_str().to_owned()
}

#[test]
fn every_role_trusts_one_service() {
    // A role that is not here is a function's. Lambda and API Gateway do not name the account for
    // which they act; the others do, and must.
    const OTHERS: &[(&str, &str, bool)] = &[
        ("api_logs", "apigateway.amazonaws.com", false),
        ("execution", "ecs-tasks.amazonaws.com", true),
        ("flow", "vpc-flow-logs.amazonaws.com", true),
        ("state_machine", "states.amazonaws.com", true),
        ("task", "ecs-tasks.amazonaws.com", true),
    ];
    for (role, _) in blocks("aws_iam_role") {
        let trust = statements(&attribute(&role, "assume_role_policy"));
        assert_eq!(trust.len(), 1);
        assert_eq!(trust[0].actions, ["sts:AssumeRole"]);
        let other = OTHERS.iter().find(|(name, _, _)| *name == label(&role));
        let (_, service, named) = other.unwrap_or(&("", "lambda.amazonaws.com", false));
        assert_eq!(trust[0].principal.as_deref(), Some(*service));
        assert_eq!(trust[0].condition, *named, "{}", label(&role));
    }
}

#[test]
fn permissions_are_these_and_no_others() {
    const OWN_LOG: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
    const POST: &[&str] = &["execute-api:ManageConnections"];
    const SECRET: &[&str] = &["secretsmanager:GetSecretValue"];
    const DELIVER: &[&str] = &[
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ];
    const MACHINE_TRACE: &[&str] = &[
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    const DECRYPT: &[&str] = &["kms:Decrypt"];
    const TRACE: &[&str] = &["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
    // What API Gateway demands of the account's log role, one that is made only on demand.
    const API_LOGS: &[&str] = &[
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "logs:PutLogEvents",
    ];
    const FUNCTIONS: [&str; 8] = [
        "admit",
        "authorize",
        "connect",
        "decide",
        "disconnect",
        "push_logs",
        "send_logs",
        "task_events",
    ];
    let everywhere = [&["ecr:GetAuthorizationToken"], DELIVER, MACHINE_TRACE, API_LOGS].concat();
    let mut expected: BTreeMap<String, Vec<&[&str]>> = [
        ("api_logs", vec![API_LOGS]),
        (
            "state_machine",
            vec![
                &["ecs:RunTask"],
                &["ecs:TagResource"],
                &["ecs:DescribeTasks", "ecs:StopTask"],
                &["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                &["iam:PassRole"],
                &["lambda:InvokeFunction"],
                DELIVER,
                MACHINE_TRACE,
            ],
        ),
        (
            "admit",
            vec![
                OWN_LOG,
                &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"],
                &["states:DescribeExecution"],
            ],
        ),
        (
            "decide",
            vec![
                OWN_LOG,
                &[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ],
            ],
        ),
        ("authorize", vec![OWN_LOG, &["dynamodb:PutItem"], SECRET]),
        ("connect", vec![OWN_LOG, &["dynamodb:PutItem"]]),
        ("disconnect", vec![OWN_LOG, &["dynamodb:DeleteItem", "dynamodb:Query"]]),
        (
            "send_logs",
            vec![
                OWN_LOG,
                &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                &["logs:GetLogEvents"],
                POST,
            ],
        ),
        (
            "push_logs",
            vec![
                OWN_LOG,
                &[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ],
                POST,
                &["sqs:SendMessage"],
            ],
        ),
        (
            "task_events",
            vec![
                OWN_LOG,
                &[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ],
                POST,
                &["sqs:SendMessage"],
            ],
        ),
        (
            "flow",
            vec![&[
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ]],
        ),
        (
            "execution",
            vec![
                &["ecr:GetAuthorizationToken"],
                &[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                OWN_LOG,
                SECRET,
            ],
        ),
    ]
    .map(|(name, permissions)| (name.to_owned(), permissions))
    .into();
    expected.insert("execution_key".to_owned(), vec![DECRYPT]);
    for function in FUNCTIONS {
        let key = match function {
            "authorize" => vec![DECRYPT, DECRYPT],
            "push_logs" | "task_events" => vec![DECRYPT, &["kms:Decrypt", "kms:GenerateDataKey"]],
            _ => vec![DECRYPT],
        };
        expected.insert(format!("{function}_key"), key);
        expected.insert(format!("{function}_tracing"), vec![TRACE]);
    }
    let mut found: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for (policy, text) in blocks("aws_iam_role_policy") {
        let decoded = statements(&attribute(&policy, "policy"));
        for statement in &decoded {
            assert!(statement.principal.is_none() && !statement.resources.is_empty());
            assert!(statement.actions.iter().all(|action| !action.contains('*')), "{statement:?}");
            if statement.resources == ["*"] {
                let reason = format!("{} is on `*`: ", statement.sid);
                assert!(text.contains(&reason), "{statement:?} has no written reason");
                assert!(
                    statement.actions.iter().all(|a| everywhere.contains(&&**a)),
                    "{statement:?}"
                );
            }
            if statement.actions == POST {
                let only_posts = |r: &String| r.ends_with("/POST/@connections/*\"");
                assert!(statement.resources.iter().all(only_posts), "{statement:?}");
            }
        }
        let mut sids: Vec<&String> = decoded.iter().map(|statement| &statement.sid).collect();
        sids.sort();
        sids.dedup();
        assert_eq!(sids.len(), decoded.len());
        assert!(sids.iter().all(|sid| sid.chars().all(char::is_alphanumeric)));
        found.insert(label(&policy), decoded);
    }
    assert_eq!(found.len(), expected.len(), "the task role has no policy");
    for (role, permissions) in expected {
        let actions: Vec<&Vec<String>> = found[&role].iter().map(|s| &s.actions).collect();
        assert_eq!(actions, permissions, "{role}");
    }
}

/// A resource's address, such as `aws_lambda_function.push_logs`, that an attribute begins with.
fn refers(block: &Block, name: &str) -> String {
    let text = texts(&attribute(block, name)).remove(0);
    let mut parts = text.trim_start_matches("\"${").split('.');
    format!("{}.{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[test]
fn whatever_calls_a_function_has_a_permission_with_its_own_arn_and_there_is_no_other() {
    // Function, and how the ARN of the caller reads in the permission.
    let mut callers: Vec<(String, String)> = Vec::new();
    let integrations = blocks("aws_apigatewayv2_integration");
    for (route, _) in blocks("aws_apigatewayv2_route") {
        let target = texts(&attribute(&route, "target")).remove(0);
        let integration = integrations
            .iter()
            .find(|(block, _)| target.contains(&format!("_integration.{}.id", label(block))));
        let (integration, _) =
            integration.unwrap_or_else(|| panic!("{target} is not an integration"));
        let key = texts(&attribute(&route, "route_key")).remove(0);
        let api = "aws_apigatewayv2_api.this.execution_arn";
        callers.push((refers(integration, "integration_uri"), format!("\"${{{api}}}/*/{key}\"")));
    }
    for (authorizer, _) in blocks("aws_apigatewayv2_authorizer") {
        let own = format!("aws_apigatewayv2_authorizer.{}.id", label(&authorizer));
        let api = "aws_apigatewayv2_api.this.execution_arn";
        callers.push((
            refers(&authorizer, "authorizer_uri"),
            format!("\"${{{api}}}/authorizers/${{{own}}}\""),
        ));
    }
    for (filter, _) in blocks("aws_cloudwatch_log_subscription_filter") {
        assert_eq!(texts(&attribute(&filter, "log_group_name")), ["var.workers_log_group_name"]);
        let arn = "\"${var.workers_log_group_arn}:*\"".to_owned();
        callers.push((refers(&filter, "destination_arn"), arn));
    }
    for (target, _) in blocks("aws_cloudwatch_event_target") {
        callers.push((refers(&target, "arn"), format!("{}.arn", refers(&target, "rule"))));
    }
    let mut permitted: Vec<(String, String)> = blocks("aws_lambda_permission")
        .iter()
        .map(|(permission, _)| {
            assert_eq!(texts(&attribute(permission, "action")), ["lambda:InvokeFunction"]);
            let source = texts(&attribute(permission, "source_arn")).remove(0);
            (refers(permission, "function_name"), source)
        })
        .collect();
    callers.sort();
    permitted.sort();
    assert_eq!(callers, permitted);
    assert!(callers.len() >= 7);
}

/// What each call of the state machine needs. The local cloud calls services as root, so this is
/// the only proof that the role fits the definition.
#[test]
fn the_state_machines_role_allows_what_its_definition_calls() {
    let (machine, _) = blocks("aws_sfn_state_machine").remove(0);
    let definition = hcl::format::to_string(&attribute(&machine, "definition")).expect("HCL");
    let mut calls: Vec<&str> = definition
        .split(":states:::")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').expect("a quote")])
        .collect();
    calls.sort_unstable();
    calls.dedup();
    let needs: [(&str, &[&str]); 2] = [
        // https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html#ecs-iam
        (
            "ecs:runTask.sync",
            &[
                "ecs:RunTask",
                "ecs:TagResource",
                "ecs:StopTask",
                "ecs:DescribeTasks",
                "events:PutTargets",
                "events:PutRule",
                "events:DescribeRule",
                "iam:PassRole",
            ],
        ),
        ("lambda:invoke", &["lambda:InvokeFunction"]),
    ];
    assert_eq!(calls, needs.map(|(call, _)| call));
    let policy = blocks("aws_iam_role_policy")
        .into_iter()
        .find(|(policy, _)| label(policy) == "state_machine")
        .expect("a policy");
    let allowed: Vec<String> = statements(&attribute(&policy.0, "policy"))
        .into_iter()
        .filter(|statement| statement.sid != "DeliverLogs" && statement.sid != "Trace")
        .flat_map(|statement| statement.actions)
        .collect();
    let mut needed: Vec<&str> = needs.iter().flat_map(|(_, actions)| *actions).copied().collect();
    let mut allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    needed.sort_unstable();
    allowed.sort_unstable();
    assert_eq!(allowed, needed, "nothing is missing, nothing is superfluous");
}

/// Every value in a body, nested blocks included.
fn values(body: &Body, each: &mut impl FnMut(&Expression)) {
    body.attributes().for_each(|attribute| each(attribute.expr()));
    body.blocks().for_each(|block| values(block.body(), each));
}

#[test]
fn no_policy_is_left_undecoded() {
    let (mut decoded, mut written) = (0, 0);
    for (path, text) in tree().into_iter().filter(|(path, _)| path.ends_with(".tf")) {
        written += text.matches("Version = \"2012-10-17\"").count();
        let body: Body = hcl::parse(&text).expect("HCL");
        values(&body, &mut |value| {
            let Expression::FuncCall(call) = value else { return };
            let Some(Expression::Object(object)) = call.args.first() else { return };
            if !object.keys().any(|key| key.to_string() == "Statement") {
                return;
            }
            decoded += 1;
            for statement in statements(value) {
                assert!(!statement.actions.is_empty(), "{path}: {statement:?}");
                for action in &statement.actions {
                    let (service, name) = action.split_once(':').expect("service:Action");
                    assert!(!service.is_empty() && !name.is_empty(), "{path}: {action}");
                }
                // It says on what, or by whom.
                let bounded = !statement.resources.is_empty() || statement.principal.is_some();
                assert!(bounded, "{path}: {statement:?}");
            }
        });
    }
    assert_eq!(decoded, written);
    assert!(decoded > 20, "{decoded}");
}
