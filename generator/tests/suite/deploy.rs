//! The policies: every network, every switch, and names of every length.

use std::{collections::BTreeSet, fs};

use ralph_generator::{config, deploy};
use ralph_protocol::table::{self, attribute};
use serde_json::Value;

use crate::support::generator;

/// The most characters that IAM takes in a managed policy, white space not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const LONGEST: usize = 6144;

const SMALLEST: &str = "[env.dev]\nregion = \"eu-west-1\"\n";

const DEFAULT: &str = r#"
[env.dev]
region = "eu-west-1"
[env.dev.network]
mode = "default"
"#;

const EXISTING: &str = r#"
[env.dev]
region = "eu-west-1"
[env.dev.network]
mode = "existing"
vpc_id = "vpc-0123456789abcdef0"
subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
"#;

/// With every switch on, and names as long as they may be.
const LARGEST: &str = r#"
[env.the-longest-name-that-a-role-still-allows]
region = "us-gov-west-1"
account_id = "123456789012"
kms_key_arn = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
permissions_boundary_arn = "arn:aws-us-gov:iam::123456789012:policy/platform/the-boundary-of-every-role"
role_path = "/platform/agents/"
[env.the-longest-name-that-a-role-still-allows.network]
nat = "per-az"
flow_logs = true
[env.the-longest-name-that-a-role-still-allows.worker]
image = "ghcr.io/team/worker:1"
image_credentials_arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:registry-a1b2c3"
[env.the-longest-name-that-a-role-still-allows.agent.secrets]
DATABASE_URL = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:database-a1b2c3"
USER_NAME = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/user-a1b2c3:name::"
USER_PASSWORD = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/user-a1b2c3:password::"
[env.the-longest-name-that-a-role-still-allows.notify]
email = "team@example.com"
[env.the-longest-name-that-a-role-still-allows.monitoring]
access_logs = true
account_log_role = true
alarms = true
dashboard = true
"#;

/// One statement of a policy.
struct Statement {
    policy: String,
    sid: String,
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

fn policies(text: &str) -> Vec<(String, Value)> {
    let files = deploy::files(&config::parse("ralph.toml", text).expect("a good configuration"));
    files.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).unwrap())).collect()
}

fn statements(text: &str) -> Vec<Statement> {
    let texts = |list: &Value| serde_json::from_value(list.clone()).unwrap();
    let read = |(policy, document): (String, Value)| {
        let list = document["Statement"].as_array().unwrap().clone();
        list.into_iter().map(move |statement| Statement {
            policy: policy.clone(),
            sid: statement["Sid"].as_str().unwrap().to_owned(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            condition: statement["Condition"].clone(),
        })
    };
    policies(text).into_iter().flat_map(read).collect()
}

fn every_statement() -> Vec<Statement> {
    [SMALLEST, DEFAULT, EXISTING, LARGEST].into_iter().flat_map(statements).collect()
}

/// The conditions under which an action is allowed, one for each statement that holds it.
fn conditions(text: &str, action: &str) -> Vec<Value> {
    let holds = |statement: &Statement| statement.actions.iter().any(|own| own == action);
    statements(text).into_iter().filter(holds).map(|statement| statement.condition).collect()
}

#[test]
fn an_environment_has_six_policies_named_after_it() {
    let both = format!("{SMALLEST}\n[env.prod]\nregion = \"eu-west-1\"\n");
    let names: Vec<String> = policies(&both).into_iter().map(|(name, _)| name).collect();
    let parts = ["network", "tasks", "delivery", "push", "operate", "keys"];
    let expected = ["dev", "prod"].map(|env| parts.map(|part| format!("{env}-{part}.json")));
    assert_eq!(names, expected.concat());
}

#[test]
fn a_deploy_policy_fits_into_a_managed_policy() {
    for text in [SMALLEST, DEFAULT, EXISTING, LARGEST] {
        for (name, policy) in policies(text) {
            let length = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
            assert!(length <= LONGEST, "{name}: {length}");
        }
    }
}

/// As many secrets of the agent as its rule lets through.
#[test]
fn an_operators_policy_has_room_for_all_secrets_of_the_agent() {
    let more = |number: usize| {
        let secret = |n| {
            format!(
                "V{n} = \"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:n{n:02}-a1b2c3\"\n"
            )
        };
        LARGEST.replace(
            "DATABASE_URL = ",
            &((0..number).map(secret).collect::<String>() + "DATABASE_URL = "),
        )
    };
    let accepted = |number: &usize| config::parse("ralph.toml", &more(*number)).is_ok();
    let most = (0..100).take_while(accepted).last().expect("none is accepted");
    assert!((10..99).contains(&most), "{most}");
    let (_, policy) = policies(&more(most))
        .into_iter()
        .find(|(name, _)| name.ends_with("-operate.json"))
        .unwrap();
    let length = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
    assert!(length <= LONGEST, "{length}");
}

#[test]
fn an_operator_looks_at_the_agents_secrets_and_at_no_other_that_is_not_ralphs() {
    let looks = |own: &Statement| {
        own.policy.ends_with("-operate.json")
            && own.actions.iter().any(|action| action == "secretsmanager:DescribeSecret")
    };
    let found: Vec<Statement> = statements(LARGEST).into_iter().filter(looks).collect();
    let resources: Vec<&String> = found.iter().flat_map(|own| &own.resources).collect();
    let begin = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:";
    let expected = [
        "ralph/the-longest-name-that-a-role-still-allows/*",
        "database-a1b2c3",
        "team/user-a1b2c3",
    ];
    assert_eq!(resources, expected.map(|name| format!("{begin}{name}")).each_ref());
}

#[test]
fn a_deploy_policy_names_every_action_in_full_and_each_statement_once() {
    for text in [SMALLEST, DEFAULT, EXISTING, LARGEST] {
        let mut sids = Vec::new();
        for Statement { policy, sid, actions, resources, .. } in statements(text) {
            assert!(!actions.is_empty() && !resources.is_empty(), "{policy} {sid}");
            for action in actions {
                let (service, name) = action.split_once(':').expect("service:Action");
                let plain =
                    |text: &str| !text.is_empty() && text.chars().all(char::is_alphanumeric);
                assert!(plain(service) && plain(name), "{policy} {sid}: {action}");
            }
            sids.push((policy, sid));
        }
        let all = sids.len();
        sids.sort();
        sids.dedup();
        assert_eq!(sids.len(), all);
    }
}

#[test]
fn a_deploy_policys_arns_are_of_the_regions_partition() {
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("us-west-2", "aws"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-west-1", "aws-iso-b"),
        ("us-isof-south-1", "aws-iso-f"),
    ] {
        let found = statements(&format!("[env.dev]\nregion = \"{region}\"\n"));
        let arns = found.iter().flat_map(|statement| &statement.resources);
        let arns: Vec<&String> = arns.filter(|resource| *resource != "*").collect();
        assert!(arns.len() > 30, "{}", arns.len());
        for arn in arns {
            assert!(arn.starts_with(&format!("arn:{partition}:")), "{region}: {arn}");
        }
    }
}

/// Every string of a value. An empty list or table counts as an empty one.
fn texts(value: &Value) -> Vec<&str> {
    let within: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => Vec::new(),
    };
    if within.is_empty() { vec![""] } else { within }
}

#[test]
fn every_placeholder_of_the_statements_is_filled() {
    // A name that deploy.rs does not know panics. Together, these have every statement.
    for (policy, document) in [SMALLEST, DEFAULT, EXISTING, LARGEST].into_iter().flat_map(policies)
    {
        for text in texts(&document) {
            assert!(!text.is_empty() && !text.contains(['{', '}']), "{policy}: {document}");
        }
    }
    let mut all: Vec<String> = every_statement().into_iter().map(|own| own.sid).collect();
    all.sort();
    all.dedup();
    let file = include_str!("../../src/deploy/statements.toml");
    let sids = file.lines().filter(|line| line.starts_with("sid = "));
    assert_eq!(all.len(), sids.collect::<BTreeSet<_>>().len());
}

#[test]
fn a_deploy_policy_reads_and_changes_no_value_and_starts_nothing() {
    const NEVER: [&str; 14] = [
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
        "secretsmanager:UpdateSecret",
        "sns:Publish",
        "sqs:ReceiveMessage",
        "states:StartExecution",
    ];
    let deploys = |own: &Statement| !USES.iter().any(|part| own.policy.ends_with(part));
    for Statement { policy, sid, actions, .. } in every_statement().into_iter().filter(deploys) {
        let bad = actions.iter().find(|action| NEVER.contains(&action.as_str()));
        assert_eq!(bad, None, "{policy} {sid}");
    }
}

/// The policies of those who use an environment.
const USES: [&str; 3] = ["-push.json", "-operate.json", "-keys.json"];

#[test]
fn who_uses_an_environment_does_one_thing_and_changes_nothing_of_the_environment() {
    let allowed: [(&str, &[&str]); 3] = [
        ("-push.json", &["ecr:", "ssm:GetParameter"]),
        (
            "-operate.json",
            &[
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "ecs:DescribeTasks",
                "ecs:ListTasks",
                "ecs:StopTask",
                "kms:Decrypt",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "ssm:GetParameter",
                "states:DescribeExecution",
                "states:ListExecutions",
                "states:StartExecution",
                "states:StopExecution",
            ],
        ),
        (
            "-keys.json",
            &["kms:Decrypt", "kms:GenerateDataKey", "secretsmanager:", "ssm:GetParameter"],
        ),
    ];
    for Statement { policy, sid, actions, .. } in every_statement() {
        let Some((_, allowed)) = allowed.iter().find(|(part, _)| policy.ends_with(part)) else {
            continue;
        };
        for action in actions {
            let known = allowed.iter().any(|known| action.starts_with(known));
            let never = action.contains(":Delete") || action.contains(":Create");
            assert!(known && !never, "{policy} {sid}: {action}");
        }
    }
}

#[test]
fn an_operator_reads_the_signing_keys_and_no_other_secret() {
    let reads = |own: &Statement| {
        own.policy == "dev-operate.json"
            && own.actions.iter().any(|action| action == "secretsmanager:GetSecretValue")
    };
    let found: Vec<Statement> = statements(SMALLEST).into_iter().filter(reads).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].actions.len(), 1, "{:?}", found[0].actions);
    let arn = "arn:aws:secretsmanager:eu-west-1:*:secret:ralph/dev/websocket-signing-keys-*";
    assert_eq!(found[0].resources, [arn]);
}

#[test]
fn an_operator_writes_only_the_request_to_stop_and_the_list() {
    // The rows and their attributes, as `ralph stop` writes them.
    let row =
        [table::PK, table::SK, attribute::EXECUTION, attribute::REQUESTED_AT, table::EXPIRES_AT];
    let expected = serde_json::json!({
        "ForAllValues:StringEquals": { "dynamodb:Attributes": row },
        "ForAllValues:StringLike": {
            "dynamodb:LeadingKeys": [format!("{}*", table::WORKSTREAM_PREFIX)],
        },
    });
    let listed = [table::PK, table::SK, attribute::INFO, table::EXPIRES_AT];
    let list = serde_json::json!({
        "ForAllValues:StringEquals": {
            "dynamodb:Attributes": listed,
            "dynamodb:LeadingKeys": [table::INDEX],
        },
    });
    assert_eq!(conditions(SMALLEST, "dynamodb:PutItem"), [expected, list]);
}

#[test]
fn a_deploy_policy_changes_on_every_resource_only_what_aws_checks_without_one() {
    const WITHOUT: [&str; 7] = [
        "ecr:GetAuthorizationToken",
        "ecs:DeregisterTaskDefinition",
        "ecs:ListTasks",
        "ecs:RegisterTaskDefinition",
        "lambda:GetAccountSettings",
        "logs:DescribeLogGroups",
        "states:ValidateStateMachineDefinition",
    ];
    for Statement { policy, sid, actions, resources, .. } in every_statement() {
        for action in actions.iter().filter(|_| resources.contains(&"*".to_owned())) {
            let looks = action.contains(":Describe");
            let delivers = action.ends_with("LogDelivery") || action.ends_with("LogDeliveries");
            let known = looks || delivers || WITHOUT.contains(&action.as_str());
            assert!(known, "{policy} {sid}: {action}");
        }
    }
}

#[test]
fn what_changes_ec2_asks_for_the_environments_tag() {
    for Statement { policy, sid, actions, resources, condition } in every_statement() {
        let changes = |action: &String| action.starts_with("ec2:") && !action.contains(":Describe");
        if !actions.iter().any(changes) || sid == "CreateSecurityGroupInVpc" {
            continue;
        }
        let equals = &condition["StringEquals"];
        let tags = ["aws:RequestTag/Environment", "aws:ResourceTag/Environment"];
        assert!(tags.iter().any(|tag| equals[tag].is_string()), "{policy} {sid}: {condition}");
        assert_ne!(resources, ["*"], "{policy} {sid}");
    }
}

#[test]
fn a_tag_of_ec2_comes_with_a_creation_or_changes_what_is_ours() {
    for (text, ways) in [(SMALLEST, 3), (DEFAULT, 2), (EXISTING, 2)] {
        let found = conditions(text, "ec2:CreateTags");
        assert_eq!(found.len(), ways, "the default group is adopted only in a VPC of our own");
        for condition in found {
            let equals = &condition["StringEquals"];
            let created = equals["ec2:CreateAction"].is_array();
            let own = equals["aws:ResourceTag/Environment"] == "dev";
            let untagged = condition["Null"]["aws:ResourceTag/Environment"] == "true";
            assert!(created || own || untagged, "{condition}");
        }
    }
}

#[test]
fn every_creation_of_ec2_may_bring_tags() {
    for text in [SMALLEST, DEFAULT, EXISTING, LARGEST] {
        let all = statements(text);
        let find = |sid: &str| all.iter().find(|statement| statement.sid == sid).unwrap();
        let creations = &find("TagOnCreation").condition["StringEquals"]["ec2:CreateAction"];
        let names =
            find("CreateResources").actions.iter().map(|action| action.trim_start_matches("ec2:"));
        assert_eq!(creations, &serde_json::json!(names.collect::<Vec<_>>()));
    }
}

#[test]
fn a_rule_is_revoked_only_from_a_group_of_this_environment() {
    let own = serde_json::json!({ "StringEquals": { "aws:ResourceTag/Environment": "dev" } });
    for action in ["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"] {
        assert_eq!(conditions(SMALLEST, action), std::slice::from_ref(&own));
    }
}

#[test]
fn a_group_is_made_in_the_vpc_that_is_named() {
    let place = |text: &str| {
        let found = statements(text)
            .into_iter()
            .find(|statement| statement.sid == "CreateSecurityGroupInVpc");
        found.map(|statement| statement.resources.concat())
    };
    assert_eq!(place(SMALLEST), None);
    assert_eq!(place(DEFAULT).as_deref(), Some("arn:aws:ec2:eu-west-1:*:vpc/*"));
    let named = "arn:aws:ec2:eu-west-1:*:vpc/vpc-0123456789abcdef0";
    assert_eq!(place(EXISTING).as_deref(), Some(named));
}

#[test]
fn of_service_linked_roles_only_ecss_own_can_be_made_and_deleted() {
    let role = "arn:aws:iam::*:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
    let linked = |statement: &&Statement| {
        statement.actions.iter().any(|action| action.contains("ServiceLinkedRole"))
    };
    let all = statements(SMALLEST);
    for Statement { sid, resources, .. } in all.iter().filter(linked) {
        assert_eq!(*resources, [role], "{sid}");
    }
    assert_eq!(
        conditions(SMALLEST, "iam:CreateServiceLinkedRole"),
        [serde_json::json!({ "StringEquals": { "iam:AWSServiceName": "ecs.amazonaws.com" } })]
    );
}

#[test]
fn a_role_gets_a_policy_only_with_the_boundary_that_is_set() {
    let boundary = "arn:aws-us-gov:iam::123456789012:policy/platform/the-boundary-of-every-role";
    for action in ["iam:CreateRole", "iam:PutRolePolicy"] {
        let found = conditions(LARGEST, action);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["StringEquals"]["iam:PermissionsBoundary"], boundary);
    }
}

#[test]
fn only_a_switch_that_is_on_brings_its_statement() {
    let has = |text: &str, sid: &str| statements(text).iter().any(|own| own.sid == sid);
    for sid in
        ["UpdateAccount", "ManageAlarms", "ManageDashboard", "ManageLogDelivery", "UseKmsKey"]
    {
        assert!(has(LARGEST, sid) && !has(SMALLEST, sid), "{sid}");
    }
    for action in ["ec2:AllocateAddress", "ec2:CreateFlowLogs", "ec2:CreateNatGateway"] {
        assert!(conditions(SMALLEST, action).is_empty(), "{action}");
        assert!(!conditions(LARGEST, action).is_empty(), "{action}");
    }
}

#[test]
fn the_page_explains_every_statement_beside_a_link_to_its_policy() {
    let page = deploy::page(&config::parse("ralph.toml", LARGEST).expect("a good configuration"));
    for Statement { policy, sid, .. } in statements(LARGEST) {
        let section =
            page.split("\n## ").find(|part| part.contains(&format!("(policies/{policy})")));
        let section = section.unwrap_or_else(|| panic!("{policy} has no section"));
        let row = section.lines().find(|line| line.starts_with(&format!("| {sid} | ")));
        assert!(row.is_some_and(|row| row.len() > sid.len() + 20), "{policy} {sid}");
    }
}

#[test]
fn every_json_file_beside_the_policies_is_the_generators() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = generator().current_dir(folder.path()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    fs::write(folder.path().join("ralph.toml"), SMALLEST).unwrap();
    run(&[]);
    let policies = folder.path().join("docs/policies");
    let network = fs::read_to_string(policies.join("dev-network.json")).unwrap();
    fs::write(policies.join("dev-network.json"), "{}").unwrap();
    fs::remove_file(policies.join("dev-tasks.json")).unwrap();
    for name in ["gone-tasks.json", "README.md"] {
        fs::write(policies.join(name), "{}").unwrap();
    }
    let (code, out) = run(&["--check"]);
    let expected = "stale: docs/policies/dev-network.json\n\
                    missing: docs/policies/dev-tasks.json\n\
                    orphaned: docs/policies/gone-tasks.json\n";
    assert_eq!((code, out.starts_with(expected)), (Some(2), true), "{out}");
    run(&[]);
    assert_eq!(run(&["--check"]), (Some(0), String::new()));
    assert_eq!(fs::read_to_string(policies.join("dev-network.json")).unwrap(), network);
    assert!(!policies.join("gone-tasks.json").exists() && policies.join("README.md").exists());
}
