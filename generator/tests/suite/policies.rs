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
    // A role that is not here is a function's.
    const OTHERS: &[(&str, &str)] = &[
        ("execution", "ecs-tasks.amazonaws.com"),
        ("flow", "vpc-flow-logs.amazonaws.com"),
        ("state_machine", "states.amazonaws.com"),
        ("task", "ecs-tasks.amazonaws.com"),
    ];
    for (role, _) in blocks("aws_iam_role") {
        let trust = statements(&attribute(&role, "assume_role_policy"));
        assert_eq!(trust.len(), 1);
        assert_eq!(trust[0].actions, ["sts:AssumeRole"]);
        let other = OTHERS.iter().find(|(name, _)| *name == label(&role));
        let service = other.map_or("lambda.amazonaws.com", |(_, service)| service);
        assert_eq!(trust[0].principal.as_deref(), Some(service));
        // The others name the account for which they act; Lambda does not.
        assert_eq!(trust[0].condition, other.is_some(), "{}", label(&role));
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
    const TRACE: &[&str] = &[
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    let expected: [(&str, Vec<&[&str]>); 8] = [
        (
            "state_machine",
            vec![
                &["ecs:RunTask"],
                &["ecs:TagResource"],
                &["ecs:DescribeTasks", "ecs:StopTask"],
                &["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                &["iam:PassRole"],
                &[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ],
                &["states:DescribeExecution"],
                DELIVER,
                TRACE,
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
        ("flow", vec![&["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]]),
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
    ];
    let mut found: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for (policy, text) in blocks("aws_iam_role_policy") {
        let decoded = statements(&attribute(&policy, "policy"));
        for statement in &decoded {
            assert!(statement.principal.is_none() && !statement.resources.is_empty());
            assert!(statement.actions.iter().all(|action| !action.contains('*')), "{statement:?}");
            if statement.resources == ["*"] {
                let reason = format!("{} is on `*`: ", statement.sid);
                assert!(text.contains(&reason), "{statement:?} has no written reason");
                let known = [&["ecr:GetAuthorizationToken"][..], DELIVER, TRACE];
                assert!(known.iter().any(|actions| statement.actions == *actions), "{statement:?}");
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
        let actions: Vec<&Vec<String>> = found[role].iter().map(|s| &s.actions).collect();
        assert_eq!(actions, permissions, "{role}");
    }
}

#[test]
fn every_permission_to_call_a_function_names_its_source() {
    let permissions = blocks("aws_lambda_permission");
    assert_eq!(permissions.len(), 6);
    for (permission, _) in permissions {
        let source = texts(&attribute(&permission, "source_arn")).remove(0);
        let end = match label(&permission).as_str() {
            "authorizer" => "/authorizers/${aws_apigatewayv2_authorizer.token.id}\"",
            "connect" => "/*/$connect\"",
            "disconnect" => "/*/$disconnect\"",
            "send_logs" => "/*/sendLogs\"",
            "default" => "/*/$default\"",
            "push_logs" => ":*\"",
            other => panic!("a permission that no test knows: {other}"),
        };
        assert!(source.ends_with(end), "{source}");
    }
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
    let needs: [(&str, &[&str]); 6] = [
        ("aws-sdk:sfn:describeExecution", &["states:DescribeExecution"]),
        ("dynamodb:deleteItem", &["dynamodb:DeleteItem"]),
        ("dynamodb:getItem", &["dynamodb:GetItem"]),
        ("dynamodb:putItem", &["dynamodb:PutItem"]),
        ("dynamodb:updateItem", &["dynamodb:UpdateItem"]),
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
    assert_eq!(allowed, needed, "nothing is missing, nothing is there in vain");
}
