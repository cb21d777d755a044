//! The published deploy policy.

use serde_json::Value;

use crate::support::project;

/// Every policy of the page: environment and name, document.
fn published() -> Vec<(String, Value)> {
    let page = std::fs::read_to_string(project().join("docs/deploy-policy.md")).unwrap();
    let fences = page.split("```json ").skip(1).map(|rest| {
        let (name, rest) = rest.split_once('\n').unwrap();
        let text = rest.split("```").next().unwrap();
        (name.to_owned(), serde_json::from_str(text).unwrap())
    });
    fences.collect()
}

fn texts(node: &Value) -> Vec<&str> {
    match node {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

#[test]
fn a_deploy_policy_fits_into_a_managed_policy_and_names_every_action_in_full() {
    let all = published();
    assert!(all.len() >= 6, "three for each environment");
    for (name, policy) in all {
        let length = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
        assert!(length <= ralph_generator::deploy::LONGEST, "{name}: {length}");
        for statement in policy["Statement"].as_array().unwrap() {
            for action in texts(&statement["Action"]) {
                assert!(!action.contains('*'), "{name}: {action}");
            }
        }
    }
}

#[test]
fn a_deploy_policys_arns_are_of_the_regions_partition() {
    for (region, partition) in
        [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
    {
        let text = format!("[env.dev]\nregion = \"{region}\"\n");
        let settings = ralph_generator::config::parse("ralph.toml", &text).unwrap();
        let page = ralph_generator::deploy::page(&settings);
        let arns: Vec<_> = page.match_indices("\"arn:").map(|(at, _)| &page[at + 1..]).collect();
        assert!(arns.len() > 30, "{}", arns.len());
        for arn in arns {
            assert!(arn.starts_with(&format!("arn:{partition}:")), "{region}: {}", &arn[..60]);
        }
    }
}

#[test]
fn a_deploy_policy_reads_and_writes_no_value_and_starts_nothing() {
    const NEVER: [&str; 12] = [
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "ecs:RunTask",
        "iam:AttachRolePolicy",
        "lambda:InvokeFunction",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "sqs:ReceiveMessage",
        "states:StartExecution",
    ];
    for (name, policy) in published() {
        for statement in policy["Statement"].as_array().unwrap() {
            for action in texts(&statement["Action"]) {
                assert!(!NEVER.contains(&action), "{name}: {action}");
            }
        }
    }
}

#[test]
fn a_deploy_policy_changes_on_every_resource_only_what_has_none() {
    // What is asked without a resource, and looks or makes what has no name yet.
    const WITHOUT: [&str; 5] = [
        "ecs:CreateCluster",
        "ecs:DeregisterTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "states:ValidateStateMachineDefinition",
        "logs:DescribeLogGroups",
    ];
    for (name, policy) in published() {
        for statement in policy["Statement"].as_array().unwrap() {
            if statement["Resource"] != "*" {
                continue;
            }
            for action in texts(&statement["Action"]) {
                let looks = action.contains(":Describe");
                let delivers = action.ends_with("LogDelivery") || action.ends_with("LogDeliveries");
                assert!(looks || delivers || WITHOUT.contains(&action), "{name}: {action}");
            }
        }
    }
}
