//! Every policy of the modules as Terraform works it out, with every switch on: who may do what on what.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{good, init, terraform, tree, write};

/// What AWS would answer for each type that policies name, in place of a mocked ARN.
const ARNS: [(&str, &str); 12] = [
    ("aws_apigatewayv2_api", "arn:aws:execute-api:us-east-1:123456789012:api"),
    ("aws_cloudwatch_event_rule", "arn:aws:events:us-east-1:123456789012:rule/events"),
    ("aws_cloudwatch_log_group", "arn:aws:logs:us-east-1:123456789012:log-group:group"),
    ("aws_dynamodb_table", "arn:aws:dynamodb:us-east-1:123456789012:table/table"),
    ("aws_ecr_repository", "arn:aws:ecr:us-east-1:123456789012:repository/worker"),
    ("aws_ecs_cluster", "arn:aws:ecs:us-east-1:123456789012:cluster/cluster"),
    ("aws_ecs_task_definition", "arn:aws:ecs:us-east-1:123456789012:task-definition/worker"),
    ("aws_iam_role", "arn:aws:iam::123456789012:role/role"),
    ("aws_lambda_function", "arn:aws:lambda:us-east-1:123456789012:function:f"),
    ("aws_sfn_state_machine", "arn:aws:states:us-east-1:123456789012:stateMachine:machine"),
    ("aws_sqs_queue", "arn:aws:sqs:us-east-1:123456789012:failures"),
    ("aws_vpc", "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"),
];

/// A module's resources by address, after the last of its cases.
fn resources(module: &str, last: &str) -> BTreeMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let own = format!("modules/{module}/");
    let mut files = tree();
    files.retain(|(path, _)| path.starts_with(&own));
    for (path, text) in &mut files {
        if !path.ends_with(".tftest.hcl") {
            continue;
        }
        // One case, and the ARNs as AWS has them.
        let run = format!("\nrun \"{last}\" {{");
        let wanted = |part: &&str| !part.contains("\nrun ") || part.contains(&run);
        *text = text.split("\n\n# ").filter(wanted).collect::<Vec<_>>().join("\n\n# ");
        for (kind, arn) in ARNS {
            let mock = format!("mock_resource \"{kind}\" {{");
            if let Some((before, rest)) = text.split_once(&mock)
                && let Some((block, after)) = rest.split_once("\n  }\n")
            {
                let block = block.replace("arn:aws:mock:us-east-1:123456789012:mock/mock", arn);
                *text = format!("{before}{mock}{block}\n  }}\n{after}");
            }
        }
    }
    write(folder.path(), &files);
    let folder = folder.path().join(&own);
    init(&folder);
    let said = good(&terraform(&folder).args(["test", "-json", "-verbose"]).output().unwrap());
    let mut states = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let state = states.rfind(|message| message["type"] == "test_state").expect("a state");
    let found = state["test_state"]["root_module"]["resources"].as_array().expect("resources");
    let by_address = |resource: &Value| {
        (resource["address"].as_str().expect("an address").to_owned(), resource["values"].clone())
    };
    found.iter().map(by_address).collect()
}

/// All modules that have policies.
fn all() -> &'static BTreeMap<String, Value> {
    static ALL: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    ALL.get_or_init(|| {
        let vpc = resources("vpc", "endpoints_and_flow_logs");
        let fargate = resources("fargate", "everything_on");
        let websocket = resources("websocket", "everything_on");
        [vpc, fargate, websocket].into_iter().flatten().collect()
    })
}

/// One or many texts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text],
        _ => Vec::new(),
    }
}

/// The statements of a policy that an attribute holds.
fn statements(resource: &Value, attribute: &str) -> Vec<Value> {
    let text = resource[attribute].as_str().expect("a policy");
    let document: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(document["Version"], "2012-10-17");
    let all = document["Statement"].as_array().expect("statements").clone();
    for statement in &all {
        assert_eq!(statement["Effect"], "Allow");
        let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
        let keys = statement.as_object().expect("an object").keys();
        assert!(keys.into_iter().all(|key| known.contains(&key.as_str())), "{statement}");
        assert!(
            statement["Sid"].as_str().is_some_and(|sid| sid.chars().all(char::is_alphanumeric))
        );
        assert!(texts(&statement["Action"]).iter().all(|action| !action.contains('*')));
    }
    all
}

fn of_type(kind: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let begin = format!("{kind}.");
    let all = all().iter().filter(move |(address, _)| address.starts_with(&begin));
    all.map(|(address, values)| (address.split_once('.').expect("a name").1, values))
}

#[test]
fn every_role_trusts_one_service() {
    // Lambda and API Gateway do not name the account for which they act; the others do, and must.
    let others: BTreeMap<&str, (&str, bool)> = [
        ("api_logs[0]", ("apigateway.amazonaws.com", false)),
        ("execution", ("ecs-tasks.amazonaws.com", true)),
        ("flow[0]", ("vpc-flow-logs.amazonaws.com", true)),
        ("state_machine", ("states.amazonaws.com", true)),
        ("task", ("ecs-tasks.amazonaws.com", true)),
    ]
    .into();
    let mut roles = 0;
    for (name, role) in of_type("aws_iam_role") {
        let trust = statements(role, "assume_role_policy");
        let (service, named) = others.get(name).unwrap_or(&("lambda.amazonaws.com", false));
        assert_eq!((trust.len(), &trust[0]["Action"]), (1, &"sts:AssumeRole".into()));
        assert_eq!(trust[0]["Principal"], serde_json::json!({ "Service": service }), "{name}");
        let account = &trust[0]["Condition"]["StringEquals"]["aws:SourceAccount"];
        assert_eq!(account.as_str(), named.then_some("123456789012"), "{name}");
        roles += 1;
    }
    assert_eq!(roles, 13);
}

/// A permission: its Sid, its actions, and what each resource begins or, behind `…`, ends with.
type Permission = (&'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[&str] = &["arn:aws:dynamodb:us-east-1:123456789012:table/table"];
const QUEUE: &[&str] = &["arn:aws:sqs:us-east-1:123456789012:failures"];
const EVERYTHING: &[&str] = &["*"];
const SIGNING_KEYS: &[&str] = &["…secret:ralph/example/websocket-signing-keys-a1b2c3"];
const KEY: &[&str] = &["arn:aws:kms:us-east-1:123456789012:key/"];
const TASKS: &[&str] = &["arn:aws:ecs:us-east-1:123456789012:task/cluster/*"];
const WRITE_LOGS: Permission =
    ("WriteLogs", &["logs:CreateLogStream", "logs:PutLogEvents"], &["…log-group:group:*"]);
const POST: Permission =
    ("PostToConnections", &["execute-api:ManageConnections"], &["…/example/POST/@connections/*"]);
const KEEP: Permission = ("SendFailures", &["sqs:SendMessage"], QUEUE);
const TABLE_KEY: Permission = ("UseKeyDynamodb", &["kms:Decrypt"], KEY);
const QUEUE_KEY: Permission = ("UseKeySqs", &["kms:Decrypt", "kms:GenerateDataKey"], KEY);
const TRACES: &[&str] = &["xray:PutTelemetryRecords", "xray:PutTraceSegments"];

fn table(actions: &'static [&'static str]) -> Permission {
    ("UseTable", actions, TABLE)
}

/// Every policy of a role. The task's own role has none.
fn expected() -> BTreeMap<&'static str, Vec<Permission>> {
    const ALL_ROWS: &[&str] = &[
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    ];
    let delivery = [WRITE_LOGS, table(ALL_ROWS), POST, KEEP, TABLE_KEY, QUEUE_KEY];
    [
        (
            // What API Gateway demands of the account's log role.
            "api_logs[0]",
            vec![(
                "WriteLogs",
                &[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogGroups",
                    "logs:DescribeLogStreams",
                    "logs:FilterLogEvents",
                    "logs:GetLogEvents",
                    "logs:PutLogEvents",
                ] as &[&str],
                EVERYTHING,
            )],
        ),
        (
            "execution",
            vec![
                ("GetAuthorizationToken", &["ecr:GetAuthorizationToken"], EVERYTHING),
                (
                    "PullImage",
                    &[
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:BatchGetImage",
                        "ecr:GetDownloadUrlForLayer",
                    ],
                    &["arn:aws:ecr:us-east-1:123456789012:repository/worker"],
                ),
                WRITE_LOGS,
                (
                    "ReadSecrets",
                    &["secretsmanager:GetSecretValue"],
                    &["…anthropic-keys-a1b2c3", "…git-token-a1b2c3"],
                ),
            ],
        ),
        ("execution_key[0]", vec![("DecryptSecrets", &["kms:Decrypt"], KEY)]),
        (
            "flow[0]",
            vec![(
                "WriteLogs",
                &["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                &["…log-group:group:*"],
            )],
        ),
        (
            // https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html#ecs-iam
            "state_machine",
            vec![
                ("RunTask", &["ecs:RunTask"], &["…task-definition/worker:*"]),
                ("TagTasks", &["ecs:TagResource"], TASKS),
                ("ManageTasks", &["ecs:DescribeTasks", "ecs:StopTask"], TASKS),
                (
                    "ManageTaskEvents",
                    &["events:DescribeRule", "events:PutRule", "events:PutTargets"],
                    &["…:rule/StepFunctionsGetEventsForECSTaskRule"],
                ),
                ("PassRoles", &["iam:PassRole"], &["…:role/role", "…:role/role"]),
                (
                    "InvokeFunctions",
                    &["lambda:InvokeFunction"],
                    &["…:function:ralph-example-admit", "…:function:ralph-example-decide"],
                ),
                (
                    "DeliverLogs",
                    &[
                        "logs:CreateLogDelivery",
                        "logs:DeleteLogDelivery",
                        "logs:DescribeLogGroups",
                        "logs:DescribeResourcePolicies",
                        "logs:GetLogDelivery",
                        "logs:ListLogDeliveries",
                        "logs:PutResourcePolicy",
                        "logs:UpdateLogDelivery",
                    ],
                    EVERYTHING,
                ),
                (
                    "WriteTraces",
                    &[
                        "xray:GetSamplingRules",
                        "xray:GetSamplingTargets",
                        "xray:PutTelemetryRecords",
                        "xray:PutTraceSegments",
                    ],
                    EVERYTHING,
                ),
            ],
        ),
        (
            "function[\"admit\"]",
            vec![
                WRITE_LOGS,
                table(&["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]),
                (
                    "DescribeExecutions",
                    &["states:DescribeExecution"],
                    &["arn:aws:states:us-east-1:123456789012:execution:ralph-example-workstream:*"],
                ),
                TABLE_KEY,
            ],
        ),
        (
            "function[\"authorize\"]",
            vec![
                WRITE_LOGS,
                table(&["dynamodb:PutItem"]),
                ("ReadSigningKeys", &["secretsmanager:GetSecretValue"], SIGNING_KEYS),
                TABLE_KEY,
                ("UseKeySecretsmanager", &["kms:Decrypt"], KEY),
            ],
        ),
        ("function[\"connect\"]", vec![WRITE_LOGS, table(&["dynamodb:PutItem"]), TABLE_KEY]),
        (
            "function[\"decide\"]",
            vec![
                WRITE_LOGS,
                table(&[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ]),
                TABLE_KEY,
            ],
        ),
        (
            "function[\"disconnect\"]",
            vec![WRITE_LOGS, table(&["dynamodb:DeleteItem", "dynamodb:Query"]), TABLE_KEY],
        ),
        (
            "function[\"push-logs\"]",
            [&delivery[..], &[("WriteTraces", TRACES, EVERYTHING)]].concat(),
        ),
        (
            "function[\"send-logs\"]",
            vec![
                WRITE_LOGS,
                table(&[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ]),
                (
                    "ReadLogs",
                    &["logs:GetLogEvents"],
                    &["…:/ralph/example/workstreams", "…:/ralph/example/workstreams:*"],
                ),
                POST,
                TABLE_KEY,
                ("WriteTraces", TRACES, EVERYTHING),
            ],
        ),
        ("function[\"task-events\"]", delivery.into()),
    ]
    .into()
}

#[test]
fn permissions_are_these_and_no_others() {
    let expected = expected();
    let found: BTreeMap<&str, &Value> = of_type("aws_iam_role_policy").collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, permissions) in expected {
        let statements = statements(found[name], "policy");
        assert_eq!(statements.len(), permissions.len(), "{name}: {statements:#?}");
        for (statement, (sid, actions, on)) in statements.iter().zip(permissions) {
            assert_eq!(statement["Sid"], sid, "{name}");
            assert_eq!(texts(&statement["Action"]), actions, "{name}: {sid}");
            let resources = texts(&statement["Resource"]);
            assert_eq!(resources.len(), on.len(), "{name}: {sid}");
            for (resource, on) in resources.iter().zip(on) {
                let fits = match on.strip_prefix('…') {
                    Some(end) => resource.ends_with(end),
                    None if *on == "*" => *resource == "*",
                    None => resource.starts_with(on),
                };
                assert!(fits, "{name}: {sid} is on {resource}, not {on}");
            }
        }
    }
}

#[test]
fn executions_functions_touch_rows_of_workstreams_only() {
    for (name, policy) in of_type("aws_iam_role_policy") {
        for statement in statements(policy, "policy") {
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            let own = ["function[\"admit\"]", "function[\"decide\"]"].contains(&name);
            if statement["Sid"] == "UseTable" {
                assert_eq!(texts(keys), [if own { "WS#*" } else { "*" }], "{name}");
            }
        }
    }
}

/// A statement on everything says why in a comment beside it.
#[test]
fn what_is_on_everything_has_a_written_reason() {
    let text: String = tree().into_iter().map(|(_, text)| text).collect();
    let mut checked = 0;
    for (name, policy) in of_type("aws_iam_role_policy") {
        for statement in statements(policy, "policy") {
            if statement["Resource"] == "*" {
                let sid = statement["Sid"].as_str().expect("a Sid");
                assert!(text.contains(&format!("# {sid} is on `*`: ")), "{name}: {sid}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 5);
}

#[test]
fn whatever_calls_a_function_has_a_permission_with_its_own_arn_and_there_is_no_other() {
    let mut found: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (name, permission) in of_type("aws_lambda_permission") {
        assert_eq!(permission["action"], "lambda:InvokeFunction");
        let text = |attribute: &str| permission[attribute].as_str().expect("a text");
        let function = text("function_name").strip_prefix("ralph-example-").expect("our prefix");
        found.insert(name, (function, text("source_arn")));
    }
    let api = all()["aws_apigatewayv2_api.this"]["execution_arn"].as_str().expect("an ARN");
    let authorizer = all()["aws_apigatewayv2_authorizer.token"]["id"].as_str().expect("an id");
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:/ralph/example/workstreams:*";
    let route = |key: &str| format!("{api}/*/{key}");
    let expected = [
        ("authorizer", ("authorize", format!("{api}/authorizers/{authorizer}"))),
        ("push_logs", ("push-logs", group.to_owned())),
        ("route[\"connect\"]", ("connect", route("$connect"))),
        ("route[\"default\"]", ("send-logs", route("$default"))),
        ("route[\"disconnect\"]", ("disconnect", route("$disconnect"))),
        ("route[\"send_logs\"]", ("send-logs", route("sendLogs"))),
        ("task_events", ("task-events", ARNS[1].1.to_owned())),
    ];
    let expected: BTreeMap<&str, (&str, &str)> =
        expected.iter().map(|(name, (function, arn))| (*name, (*function, &**arn))).collect();
    assert_eq!(found, expected);
}

/// What each call of the state machine needs. The local cloud calls services as root, so this is
/// the only proof that the role fits the definition.
#[test]
fn the_state_machine_calls_what_its_role_allows() {
    let machine = &all()["aws_sfn_state_machine.workstream"];
    let definition = machine["definition"].as_str().expect("a definition");
    let calls = definition.split(":states:::").skip(1);
    let mut calls: Vec<&str> = calls.filter_map(|rest| rest.split('"').next()).collect();
    calls.sort_unstable();
    calls.dedup();
    // The permissions of the state machine in the table above are those of these two.
    assert_eq!(calls, ["ecs:runTask.sync", "lambda:invoke"]);
}

#[test]
fn events_that_fail_for_good_are_kept() {
    let target = &all()["aws_cloudwatch_event_target.task_events"];
    let retry = &target["retry_policy"][0];
    assert_eq!(
        (&retry["maximum_event_age_in_seconds"], &retry["maximum_retry_attempts"]),
        (&3600.into(), &185.into())
    );
    assert_eq!(target["dead_letter_config"][0]["arn"], QUEUE[0]);
    let queue = statements(&all()["aws_sqs_queue_policy.failures"], "policy").remove(0);
    assert_eq!(queue["Principal"]["Service"], "events.amazonaws.com");
    assert_eq!(texts(&queue["Resource"]), QUEUE);
    assert_eq!(queue["Condition"]["ArnEquals"]["aws:SourceArn"], ARNS[1].1);
}
