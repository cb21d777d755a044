//! Every policy of the modules as Terraform works it out, with every switch on: who may do what on what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;

use hcl::Body;
use ralph_protocol::names::WORKER_PROGRAM;
use serde_json::{Value, json};

use crate::support::{good, module_folder, terraform, tree};

/// Every document with statements that the modules make, in short: its resource and attribute, and
/// under each Sid the actions, by whom, on what and under which conditions.
const PERMISSIONS: &str = include_str!("../fixtures/permissions.txt");

/// What mocks give for an ARN, and for the ARN with which API Gateway calls a function.
const MOCKS: [&str; 2] = [
    "arn:aws:mock:us-east-1:123456789012:mock/mock",
    "arn:aws:mock:us-east-1:123456789012:mock/invoke",
];

/// What AWS would answer for each type that policies name, and the attribute that the ARN ends with.
const ARNS: [(&str, &str, &str); 12] = [
    ("aws_apigatewayv2_api", "arn:aws:execute-api:us-east-1:123456789012:", "name"),
    ("aws_cloudwatch_event_rule", "arn:aws:events:us-east-1:123456789012:rule/", "name"),
    ("aws_cloudwatch_log_group", "arn:aws:logs:us-east-1:123456789012:log-group:", "name"),
    ("aws_dynamodb_table", "arn:aws:dynamodb:us-east-1:123456789012:table/", "name"),
    ("aws_ecr_repository", "arn:aws:ecr:us-east-1:123456789012:repository/", "name"),
    ("aws_ecs_cluster", "arn:aws:ecs:us-east-1:123456789012:cluster/", "name"),
    ("aws_ecs_task_definition", "arn:aws:ecs:us-east-1:123456789012:task-definition/", "family"),
    ("aws_iam_role", "arn:aws:iam::123456789012:role/", "name"),
    ("aws_lambda_function", "arn:aws:lambda:us-east-1:123456789012:function:", "function_name"),
    ("aws_sfn_state_machine", "arn:aws:states:us-east-1:123456789012:stateMachine:", "name"),
    ("aws_sns_topic", "arn:aws:sns:us-east-1:123456789012:", "name"),
    ("aws_sqs_queue", "arn:aws:sqs:us-east-1:123456789012:", "name"),
];

/// The ARN that a resource would have. Each address has one of its own.
fn arn(address: &str, values: &Value) -> String {
    let kind = address.split('.').next().unwrap_or_default();
    match ARNS.iter().find(|(own, _, _)| *own == kind) {
        Some((_, begin, name)) => format!("{begin}{}", values[name].as_str().expect("a name")),
        None => MOCKS[0].replace("mock/mock", &address.replace('"', "")),
    }
}

/// An `override_resource` for each resource whose mock has an ARN, so that no two share one.
fn overrides(mocks: &str, resources: &BTreeMap<String, Value>) -> String {
    let body: Body = hcl::parse(mocks).expect("HCL");
    let provider = body.blocks().find(|block| block.identifier() == "mock_provider");
    let mut text = String::new();
    for mock in provider.expect("mocks").body().blocks() {
        let begin = format!("{}.", mock.labels()[0].as_str());
        let defaults = mock.body().attributes().next().expect("defaults").expr().to_string();
        if mock.identifier() != "mock_resource" || !defaults.contains(MOCKS[0]) {
            continue;
        }
        for (address, values) in resources.iter().filter(|(own, _)| own.starts_with(&begin)) {
            let arn = arn(address, values);
            let values =
                defaults.replace(MOCKS[0], &arn).replace(MOCKS[1], &format!("{arn}/invocations"));
            let _ = write!(
                text,
                "\noverride_resource {{\n  target = {address}\n  values = {values}\n}}\n"
            );
        }
    }
    text
}

/// A module's resources by address, after one of its cases.
fn resources(module: &str, case: &str) -> BTreeMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let run = format!("\nrun \"{case}\" {{");
    let wanted = |part: &&str| !part.contains("\nrun ") || part.contains(&run);
    let mut text = String::new();
    let folder = module_folder(folder.path(), module, |tests| {
        text = tests.split("\n\n# ").filter(wanted).collect::<Vec<_>>().join("\n\n# ");
        tests.clone_from(&text);
    });
    let path = folder.join(format!("tests/{module}.tftest.hcl"));
    // Once to see which resources there are, and once with an ARN for each.
    let first = state(&folder);
    std::fs::write(path, format!("{text}{}", overrides(&text, &first))).unwrap();
    state(&folder)
}

/// What `terraform test` leaves.
fn state(folder: &Path) -> BTreeMap<String, Value> {
    let said = good(&terraform(folder).args(["test", "-json", "-verbose"]).output().unwrap());
    let mut states = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let state = states.rfind(|message| message["type"] == "test_state").expect("a state");
    let found = state["test_state"]["root_module"]["resources"].as_array().expect("resources");
    let managed = found.iter().filter(|resource| resource["mode"] == "managed");
    let by_address = |resource: &Value| {
        (resource["address"].as_str().expect("an address").to_owned(), resource["values"].clone())
    };
    managed.map(by_address).collect()
}

/// The resources of all modules, with every switch on.
fn all() -> &'static BTreeMap<String, Value> {
    static ALL: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    ALL.get_or_init(|| {
        let modules = [
            ("fargate", "everything_on"),
            ("secrets", "example"),
            ("vpc", "endpoints_and_flow_logs"),
            ("websocket", "everything_on"),
        ];
        let mut all = BTreeMap::new();
        for (address, values) in modules.into_iter().flat_map(|(name, case)| resources(name, case))
        {
            let before = all.insert(address.clone(), values);
            assert!(before.is_none(), "two modules have a {address}");
        }
        all
    })
}

fn of_type(kind: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let begin = format!("{kind}.");
    let all = all().iter().filter(move |(address, _)| address.starts_with(&begin));
    all.map(|(address, values)| (&**address, values))
}

fn text<'a>(values: &'a Value, attribute: &str) -> &'a str {
    values[attribute].as_str().unwrap_or_else(|| panic!("{attribute} is not a text: {values}"))
}

/// One or many texts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text],
        Value::Null => Vec::new(),
        other => panic!("neither a text nor a list: {other}"),
    }
}

/// Calls `each` with every text in a value and the names that lead to it.
fn walk(at: &str, value: &Value, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(at, item, each)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| walk(&format!("{at} {name}"), field, each));
        }
        Value::String(text) => each(at, text),
        _ => {}
    }
}

/// The statements of every document that any resource holds, by resource and attribute.
fn documents() -> &'static BTreeMap<String, Vec<Value>> {
    static DOCUMENTS: OnceLock<BTreeMap<String, Vec<Value>>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        let mut documents = BTreeMap::new();
        for (address, values) in all() {
            walk(address, values, &mut |at, text| {
                let document: Value = serde_json::from_str(text).unwrap_or_default();
                if document.get("Statement").is_some() {
                    assert_eq!(document["Version"], "2012-10-17", "{at}");
                    let statements = document["Statement"].as_array().expect("statements");
                    documents.insert(at.to_owned(), statements.clone());
                }
            });
        }
        documents
    })
}

/// The statements of a role's policy.
fn policy(name: &str) -> &'static [Value] {
    &documents()[&format!("aws_iam_role_policy.{name} policy")]
}

/// A statement as [`PERMISSIONS`] has it.
fn short(statement: &Value) -> String {
    assert_eq!(statement["Effect"], "Allow");
    let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    let keys = statement.as_object().expect("an object").keys();
    assert!(keys.into_iter().all(|key| known.contains(&key.as_str())), "{statement}");
    let sid = text(statement, "Sid");
    assert!(sid.chars().all(char::is_alphanumeric), "{sid}");
    let actions = texts(&statement["Action"]);
    assert!(!actions.is_empty() && !actions.iter().any(|action| action.contains('*')), "{sid}");
    let mut short = format!("  {sid}: {}\n", actions.join(" "));
    if let Some(principal) = statement.get("Principal") {
        let service = text(principal, "Service");
        assert_eq!(principal, &json!({ "Service": service }), "{sid}");
        let _ = writeln!(short, "    by {service}");
    }
    for resource in texts(&statement["Resource"]) {
        let _ = writeln!(short, "    on {resource}");
    }
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().expect("keys") {
            let _ = writeln!(short, "    if {operator} {key}: {}", texts(values).join(" "));
        }
    }
    short
}

/// No document is left out: those of a type that is new here are in the way, too.
#[test]
fn permissions_are_these_and_no_others() {
    let mut found = String::new();
    for (at, statements) in documents() {
        let sids: BTreeSet<&str> = statements.iter().map(|one| text(one, "Sid")).collect();
        assert_eq!(sids.len(), statements.len(), "{at}");
        found.extend(["\n", at, "\n"]);
        found.extend(statements.iter().map(short));
    }
    let expected: Vec<&str> =
        PERMISSIONS.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let expected = expected.join("\n") + "\n";
    let difference = similar::TextDiff::from_lines(expected.trim_start(), found.trim_start());
    let difference = difference.unified_diff().context_radius(6).to_string();
    assert!(
        difference.is_empty(),
        "fixtures/permissions.txt and the modules differ:\n{difference}"
    );
}

#[test]
fn a_role_has_the_policy_of_its_own_name_and_nothing_else_gives_it_one() {
    let mut kinds = BTreeSet::new();
    for (address, _) in all().iter().filter(|(address, _)| address.starts_with("aws_iam_")) {
        kinds.extend(address.split('.').next());
    }
    let known = ["aws_iam_role", "aws_iam_role_policy", "aws_iam_service_linked_role"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), known);
    for (address, policy) in of_type("aws_iam_role_policy") {
        let role = &all()[&address.replace("aws_iam_role_policy.", "aws_iam_role.")];
        assert_eq!(policy["role"], role["id"], "{address}");
    }
    for (address, role) in of_type("aws_iam_role") {
        assert!(texts(&role["managed_policy_arns"]).is_empty(), "{address}: {role}");
    }
    for (address, function) in of_type("aws_lambda_function") {
        let role = address.replace("aws_lambda_function.this", "aws_iam_role.function");
        assert_eq!(function["role"], all()[&role]["arn"], "{address}");
    }
}

/// The top-level blocks of the tree's HCL: a path, a first line and the rest, comments included.
fn blocks() -> Vec<(String, String, String)> {
    let mut blocks = Vec::new();
    for (path, text) in tree().into_iter().filter(|(path, _)| path.ends_with(".tf")) {
        for part in text.split("\n}\n") {
            let begins = |line: &&str| !line.starts_with([' ', '#']) && line.ends_with('{');
            let first = part.lines().find(begins).unwrap_or_default();
            let rest = part.split_once(first).map_or(part, |(_, rest)| rest);
            blocks.push((path.clone(), first.to_owned(), rest.to_owned()));
        }
    }
    blocks
}

/// The address of `resource "type" "name" {`.
fn address(first: &str) -> Option<String> {
    let mut parts = first.strip_prefix("resource \"")?.split('"');
    Some(format!("{}.{}", parts.next()?, parts.nth(1)?))
}

/// An address without the key of one instance.
fn without_key(address: &str) -> &str {
    address.split('[').next().unwrap_or_default()
}

/// A document behind a switch that no case turns on would go unseen.
#[test]
fn every_document_in_the_hcl_belongs_to_a_resource_that_is_looked_at() {
    let held: BTreeSet<&str> = documents()
        .keys()
        .map(|at| without_key(at.split(' ').next().unwrap_or_default()))
        .collect();
    let blocks = blocks();
    let mut written = 0;
    for (path, first, rest) in &blocks {
        let mut parts = rest.split("Version = \"2012-10-17\"").collect::<Vec<_>>();
        parts.pop();
        for (i, _) in parts.iter().enumerate() {
            written += 1;
            let before = parts[..=i].concat();
            // A local's document is that of the resources which name it.
            let local =
                before.lines().rfind(|line| line.starts_with("  ") && !line.starts_with("   "));
            let local = local.and_then(|line| line.trim().split(' ').next()).unwrap_or_default();
            let folder = Path::new(path).parent();
            let owners: Vec<String> = match address(first) {
                Some(address) => vec![address],
                None => blocks
                    .iter()
                    .filter(|(path, _, _)| Path::new(path).parent() == folder)
                    .filter(|(_, _, rest)| {
                        rest.lines().any(|line| line.ends_with(&format!(" local.{local}")))
                    })
                    .filter_map(|(_, first, _)| address(first))
                    .collect(),
            };
            assert!(!owners.is_empty(), "{path}: nobody has the document in `{first}` {local}");
            for owner in owners {
                assert!(held.contains(&*owner), "{path}: no case makes {owner}");
            }
        }
    }
    let everywhere: usize = tree()
        .iter()
        .filter(|(path, _)| path.ends_with(".tf"))
        .map(|(_, text)| text.matches("2012-10-17").count())
        .sum();
    assert_eq!(written, everywhere);
    assert!(written >= 10, "{written}");
}

#[test]
fn what_is_on_everything_has_a_written_reason_beside_it() {
    let blocks = blocks();
    let mut checked = 0;
    for (at, statements) in documents() {
        let own = without_key(at.split(' ').next().unwrap_or_default());
        let block = blocks.iter().find(|(_, first, _)| address(first).as_deref() == Some(own));
        let (path, _, block) = block.expect("a block");
        for statement in statements.iter().filter(|one| texts(&one["Resource"]).contains(&"*")) {
            let sid = text(statement, "Sid");
            let begin = format!("# {sid} is on `*`: ");
            let reason = block.lines().find_map(|line| line.trim().strip_prefix(&begin));
            assert!(reason.is_some_and(|reason| !reason.is_empty()), "{path}: {own}: {sid}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked}");
}

/// Who calls a function: the function's ARN, the service and the caller's ARN.
type Call = (String, String, String);

/// What each type of resource that calls functions makes of it.
fn callers() -> BTreeSet<Call> {
    let mut callers = BTreeSet::new();
    let api = text(&all()["aws_apigatewayv2_api.this"], "execution_arn");
    let gateway = |uri: &str, what: String| {
        let function = uri.strip_suffix("/invocations").expect("a function").to_owned();
        (function, "apigateway.amazonaws.com".to_owned(), format!("{api}/{what}"))
    };
    for (address, route) in of_type("aws_apigatewayv2_route") {
        let target = text(route, "target").strip_prefix("integrations/").expect("an integration");
        let mut integrations = of_type("aws_apigatewayv2_integration").map(|(_, values)| values);
        let integration = integrations.find(|values| values["id"] == target).expect(address);
        let key = format!("*/{}", text(route, "route_key"));
        callers.insert(gateway(text(integration, "integration_uri"), key));
    }
    for (_, authorizer) in of_type("aws_apigatewayv2_authorizer") {
        let what = format!("authorizers/{}", text(authorizer, "id"));
        callers.insert(gateway(text(authorizer, "authorizer_uri"), what));
    }
    for (_, filter) in of_type("aws_cloudwatch_log_subscription_filter") {
        let function = text(filter, "destination_arn").to_owned();
        let group = text(filter, "log_group_name");
        let group = format!("arn:aws:logs:us-east-1:123456789012:log-group:{group}:*");
        callers.insert((function, "logs.us-east-1.amazonaws.com".to_owned(), group));
    }
    for (address, target) in of_type("aws_cloudwatch_event_target") {
        let mut rules = of_type("aws_cloudwatch_event_rule").map(|(_, values)| values);
        let rule = rules.find(|rule| rule["name"] == target["rule"]).expect(address);
        let (function, rule) = (text(target, "arn").to_owned(), text(rule, "arn").to_owned());
        callers.insert((function, "events.amazonaws.com".to_owned(), rule));
    }
    callers
}

#[test]
fn whatever_calls_a_function_has_a_permission_with_its_own_arn_and_there_is_no_other() {
    let mut functions = BTreeMap::new();
    for (_, function) in of_type("aws_lambda_function") {
        functions.insert(text(function, "function_name"), text(function, "arn"));
    }
    let mut permitted = BTreeSet::new();
    for (address, permission) in of_type("aws_lambda_permission") {
        assert_eq!(permission["action"], "lambda:InvokeFunction");
        let function = functions[text(permission, "function_name")].to_owned();
        let service = text(permission, "principal").to_owned();
        let new = permitted.insert((function, service, text(permission, "source_arn").to_owned()));
        assert!(new, "{address} permits what another does");
    }
    assert_eq!(callers(), permitted);

    // A caller of another type does not go unseen.
    let mut attributes = BTreeSet::new();
    for (address, values) in all() {
        let kind = address.split('.').next().unwrap_or_default();
        walk(kind, values, &mut |at, text| {
            let text = text.strip_suffix("/invocations").unwrap_or(text);
            if functions.values().any(|function| text == *function) {
                attributes.insert(at.to_owned());
            }
        });
    }
    let known = [
        "aws_apigatewayv2_authorizer authorizer_uri",
        "aws_apigatewayv2_integration integration_uri",
        "aws_cloudwatch_event_target arn",
        "aws_cloudwatch_log_subscription_filter destination_arn",
        "aws_lambda_function arn",
        "aws_lambda_function invoke_arn",
    ];
    assert_eq!(attributes.iter().map(String::as_str).collect::<Vec<_>>(), known);
}

/// The definition of the state machine.
fn definition() -> Value {
    let machine = &all()["aws_sfn_state_machine.workstream"];
    serde_json::from_str(text(machine, "definition")).expect("JSON")
}

/// The local cloud calls services as root, so this is the only proof that the role fits the
/// definition.
#[test]
fn the_state_machines_role_allows_what_its_definition_calls() {
    let definition = definition();
    let tasks: Vec<&Value> = definition["States"].as_object().expect("states").values().collect();
    let mut needed = BTreeSet::new();
    let (mut functions, mut definitions) = (BTreeSet::new(), BTreeSet::new());
    for task in tasks.into_iter().filter(|state| state["Type"] == "Task") {
        let (_, call) = text(task, "Resource").split_once(":states:::").expect("a call");
        let actions: &[&str] = match call {
            // https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html#ecs-iam
            "ecs:runTask.sync" => {
                definitions.insert(text(&task["Parameters"], "TaskDefinition"));
                &[
                    "ecs:DescribeTasks",
                    "ecs:RunTask",
                    "ecs:StopTask",
                    // The tasks are tagged, see PropagateTags.
                    "ecs:TagResource",
                    "events:DescribeRule",
                    "events:PutRule",
                    "events:PutTargets",
                    "iam:PassRole",
                ]
            }
            "lambda:invoke" => {
                functions.insert(text(&task["Parameters"], "FunctionName"));
                &["lambda:InvokeFunction"]
            }
            other => panic!("nobody says what {other} needs"),
        };
        needed.extend(actions);
    }
    let machine = &all()["aws_sfn_state_machine.workstream"];
    let role = &all()["aws_iam_role.state_machine"];
    assert_eq!(machine["role_arn"], role["arn"]);
    let mut allowed = BTreeMap::new();
    for statement in policy("state_machine") {
        // What the logs and the traces need is in no call.
        if !["DeliverLogs", "WriteTraces"].contains(&text(statement, "Sid")) {
            let on: BTreeSet<&str> = texts(&statement["Resource"]).into_iter().collect();
            for action in texts(&statement["Action"]) {
                assert!(allowed.insert(action, on.clone()).is_none(), "{action} is there twice");
            }
        }
    }
    assert_eq!(allowed.keys().copied().collect::<BTreeSet<_>>(), needed);
    assert_eq!(allowed["lambda:InvokeFunction"], functions);
    let worker = &all()["aws_ecs_task_definition.worker"];
    assert_eq!(definitions, [text(worker, "arn")].into());
    let every_revision = format!("{}:*", text(worker, "arn_without_revision"));
    assert_eq!(allowed["ecs:RunTask"], [&*every_revision].into());
    let roles = [text(worker, "execution_role_arn"), text(worker, "task_role_arn")];
    assert_eq!(allowed["iam:PassRole"], roles.into());
}

/// The container of the worker's task.
fn container(resources: &BTreeMap<String, Value>) -> Value {
    let task = &resources["aws_ecs_task_definition.worker"];
    let all: Value = serde_json::from_str(text(task, "container_definitions")).expect("JSON");
    all[0].clone()
}

#[test]
fn a_container_starts_the_workers_program_in_the_image_and_with_the_secrets_that_the_inputs_name() {
    let container = container(all());
    assert_eq!(container["entryPoint"], json!([WORKER_PROGRAM]));
    assert_eq!(container["command"], Value::Null);
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:1";
    assert_eq!(container["image"], image);
    let begin = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";
    let registry = format!("{begin}registry-a1b2c3");
    assert_eq!(container["repositoryCredentials"], json!({ "credentialsParameter": registry }));
    let expected = [
        ("RALPH_ANTHROPIC_KEYS", "ralph/example/anthropic-keys-a1b2c3"),
        ("RALPH_GIT_TOKEN", "ralph/example/git-token-a1b2c3"),
        ("RALPH_AGENT_SECRET_DATABASE_URL", "database-a1b2c3"),
        ("RALPH_AGENT_SECRET_USER_NAME", "team/user-a1b2c3:name::"),
        ("RALPH_AGENT_SECRET_USER_PASSWORD", "team/user-a1b2c3:password:AWSPREVIOUS:"),
    ];
    let secret = |(name, arn)| json!({ "name": name, "valueFrom": format!("{begin}{arn}") });
    assert_eq!(container["secrets"], json!(expected.map(secret)));
}

#[test]
fn without_an_image_of_its_own_a_container_runs_the_repositorys() {
    let container = self::container(&resources("fargate", "example"));
    assert!(text(&container, "image").ends_with(":0.1.0"), "{container}");
    assert_eq!(container["entryPoint"], json!([WORKER_PROGRAM]));
    assert_eq!(container["repositoryCredentials"], Value::Null);
    assert_eq!(container["secrets"].as_array().map(Vec::len), Some(2));
}

/// The states that a state names as the next, wherever in it.
fn following(state: &Value) -> BTreeSet<String> {
    let mut following = BTreeSet::new();
    walk("", state, &mut |at, name| {
        if at.ends_with(" Next") || at == " Default" {
            following.insert(name.to_owned());
        }
    });
    following
}

#[test]
fn each_state_of_the_state_machine_is_reached_and_leads_to_one_that_exists() {
    let definition = definition();
    let states = definition["States"].as_object().expect("states");
    let mut reached = BTreeSet::new();
    let mut open = vec![text(&definition, "StartAt").to_owned()];
    while let Some(name) = open.pop() {
        let state = states.get(&name).unwrap_or_else(|| panic!("there is no state {name}"));
        let next = following(state);
        let ends = state["Type"] == "Succeed" || state["Type"] == "Fail";
        assert_eq!(ends, next.is_empty(), "{name}: it goes on or it ends");
        if reached.insert(name) {
            open.extend(next);
        }
    }
    assert_eq!(reached.iter().collect::<Vec<_>>(), states.keys().collect::<Vec<_>>());
}

#[test]
fn events_that_fail_for_good_are_kept() {
    let target = &all()["aws_cloudwatch_event_target.task_events"];
    let retry = &target["retry_policy"][0];
    assert_eq!(
        (&retry["maximum_event_age_in_seconds"], &retry["maximum_retry_attempts"]),
        (&3600.into(), &185.into())
    );
    let queue = &all()["aws_sqs_queue.failures"]["arn"];
    assert_eq!(&target["dead_letter_config"][0]["arn"], queue);
    let [statement] = &documents()["aws_sqs_queue_policy.failures policy"][..] else {
        panic!("the queue's policy has one statement")
    };
    assert_eq!(statement["Principal"]["Service"], "events.amazonaws.com");
    assert_eq!(texts(&statement["Action"]), ["sqs:SendMessage"]);
    assert_eq!(&statement["Resource"], queue);
    let rule = &all()["aws_cloudwatch_event_rule.task_events"]["arn"];
    assert_eq!(statement["Condition"], json!({ "ArnEquals": { "aws:SourceArn": rule } }));
}

#[test]
fn with_every_switch_off_no_policy_names_a_key_and_no_function_writes_traces() {
    for module in ["fargate", "websocket"] {
        let policies: Vec<(String, Value)> = resources(module, "example")
            .into_iter()
            .filter(|(address, _)| address.starts_with("aws_iam_role_policy."))
            .collect();
        assert!(!policies.is_empty(), "{module}");
        for (address, values) in policies {
            let document: Value = serde_json::from_str(text(&values, "policy")).expect("JSON");
            for statement in document["Statement"].as_array().expect("statements") {
                let sid = text(statement, "Sid");
                assert!(!texts(&statement["Resource"]).is_empty(), "{address} {sid}");
                let actions = texts(&statement["Action"]);
                assert!(!actions.iter().any(|action| action.starts_with("kms:")), "{address}");
                assert!(module == "fargate" || sid != "WriteTraces", "{address}");
            }
        }
    }
}
