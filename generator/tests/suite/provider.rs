//! The tree and the catalogue of resources, judged by the AWS provider itself.

use std::path::Path;

use ralph_generator::hcl::Schema;
use ralph_generator::{aws, config, generate};
use serde_json::{Value, json};

use crate::inventory;
use crate::support::{OFFLINE, good, init, terraform, tree, write};

/// Validates without a warning.
pub fn validate(folder: &Path) {
    init(folder);
    let output = terraform(folder).args(["validate", "-json"]).output().unwrap();
    let result: Value = serde_json::from_str(&good(&output)).unwrap();
    assert_eq!(result["valid"], true, "{result}");
    assert_eq!(result["diagnostics"], Value::Array(Vec::new()), "{result}");
}

/// Plans without an account; the plan and what was printed.
pub fn plan(folder: &Path, more: &[&str]) -> (Value, String) {
    std::fs::write(folder.join("offline_override.tf"), OFFLINE).unwrap();
    let arguments = ["plan", "-refresh=false", "-input=false", "-no-color", "-out=plan"];
    let said = good(&terraform(folder).args(arguments).args(more).output().unwrap());
    let shown = good(&terraform(folder).args(["show", "-json", "plan"]).output().unwrap());
    (serde_json::from_str(&shown).unwrap(), said)
}

fn planned(plan: &Value) -> Vec<&Value> {
    let changes = plan["resource_changes"].as_array().unwrap();
    changes.iter().filter(|change| change["mode"] == "managed").collect()
}

/// Every resource that can have tags has the environment's.
pub fn check_tags(plan: &Value, environment: &str) {
    let mut tagged = 0;
    for change in planned(plan) {
        let after = &change["change"]["after"];
        let unknown = &change["change"]["after_unknown"]["tags_all"];
        if after.get("tags_all").is_some() || unknown.is_object() {
            assert_eq!(after["tags_all"]["Environment"], environment, "{}", change["address"]);
            tagged += 1;
        }
    }
    assert!(tagged > 25, "{tagged}");
}

#[test]
fn dev_validates_without_a_warning_and_plans_its_inventory() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &tree());
    let dev = folder.path().join("envs/dev");
    validate(&dev);
    let (plan, said) = plan(&dev, &[]);
    assert!(said.contains("Run: just build-lambdas"), "{said}");
    check_tags(&plan, "dev");

    inventory::check(&dev, &plan, "dev");

    let holds = |kind: &str, facts: Value| {
        let fits = |change: &&Value| {
            let after = &change["change"]["after"];
            let mut facts = facts.as_object().unwrap().iter();
            change["type"] == kind && facts.all(|(key, fact)| after[key] == *fact)
        };
        assert!(planned(&plan).iter().any(fits), "there is no {kind} with {facts}");
    };
    holds("aws_ecs_cluster", json!({ "name": "ralph-dev" }));
    let logs = json!({ "name": "/ralph/workstreams", "retention_in_days": 7 });
    holds("aws_cloudwatch_log_group", logs);
    holds("aws_ecs_task_definition", json!({ "cpu": "1024", "memory": "2048" }));
    holds("aws_secretsmanager_secret", json!({ "name": "ralph/dev/git-token" }));
    let function = json!({ "function_name": "ralph-dev-send-logs", "handler": "send-logs" });
    holds("aws_lambda_function", function);
}

#[test]
fn prod_validates_plans_its_inventory_and_refuses_a_plan_without_the_confirmation() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &tree());
    let prod = folder.path().join("envs/prod");
    validate(&prod);
    std::fs::write(prod.join("offline_override.tf"), OFFLINE).unwrap();
    let arguments = ["plan", "-refresh=false", "-input=false", "-no-color"];
    let wrong = ["-var", "confirm_production=yes"];
    for more in [&[][..], &wrong] {
        let output = terraform(&prod).args(arguments).args(more).output().unwrap();
        assert!(!output.status.success());
    }
    let said = ["-var", "confirm_production=yes, deploy production"];
    let (plan, _) = plan(&prod, &said);
    check_tags(&plan, "prod");
    inventory::check(&prod, &plan, "prod");
}

#[test]
fn another_environment_needs_no_code_and_stands_beside_dev() {
    let text = r#"
        [env.dev]
        [env.staging]
        region = "eu-central-1"
        tags = { Team = "docs" }
        [env.staging.network]
        zones = ["a", "b", "c"]
        [env.staging.worker]
        agent_command = "claude --model \"${x}\" {session_id}"
        image_digest = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
    "#;
    let settings = config::parse("ralph.toml", text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &generate::files(&settings).unwrap());
    let staging = folder.path().join("envs/staging");
    validate(&staging);
    let (plan, _) = plan(&staging, &[]);
    check_tags(&plan, "staging");
    let all = planned(&plan);
    let subnets = all.iter().filter(|change| change["type"] == "aws_subnet").count();
    assert_eq!(subnets, 3, "one in each zone");
    let names: Vec<&str> =
        all.iter().filter_map(|change| change["change"]["after"]["name"].as_str()).collect();
    for name in ["/ralph/staging/workstreams", "ralph-staging-worker", "ralph/staging/git-token"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let team = all.iter().all(|change| {
        let tags = &change["change"]["after"]["tags_all"];
        tags.is_null() || tags["Team"] == "docs"
    });
    assert!(team);
}

/// Its plan reads the subnets from AWS; what it then refuses stands in the module's own tests.
#[test]
fn an_environment_in_a_network_that_exists_validates() {
    let text = r#"
        [env.staging.network]
        mode = "existing"
        vpc_id = "vpc-0123456789abcdef0"
        subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    "#;
    let settings = config::parse("ralph.toml", text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = generate::files(&settings).unwrap();
    write(folder.path(), &files);
    validate(&folder.path().join("envs/staging"));
    let main = &files.iter().find(|(path, _)| path == "envs/staging/main.tf").unwrap().1;
    for given in ["vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "subnet-0123456789abcdef1"] {
        assert!(main.contains(&format!("\"{given}\"")), "{given} in {main}");
    }
}

#[test]
fn an_environments_names_range_and_tags_follow_from_its_name() {
    let text = |toml: &str| {
        let settings = config::parse("ralph.toml", toml).unwrap();
        let files = generate::files(&settings).unwrap();
        let of = |path: &str| files.iter().find(|(own, _)| own == path).unwrap().1.clone();
        of("envs/staging/main.tf") + &of("envs/staging/providers.tf")
    };
    let alone = text("[env.staging]\n[env.staging.tags]\nTeam = \"docs\"\n");
    for (name, value) in [
        ("cluster", "ralph-staging"),
        ("environment", "staging"),
        ("log_group", "/ralph/staging/workstreams"),
        ("name", "ralph-staging"),
        ("name_prefix", "ralph/staging"),
        ("repository", "ralph-staging-worker"),
        ("state_machine", "ralph-staging-workstream"),
        ("task_family", "ralph-staging-worker"),
        ("Environment", "staging"),
        ("Team", "docs"),
    ] {
        let line = |line: &str| {
            let found = line.trim().split_once('=').map(|(a, b)| (a.trim(), b.trim().to_owned()));
            found == Some((name, format!("\"{value}\"")))
        };
        assert!(alone.lines().any(line), "{name} = {value} in {alone}");
    }
    // Beside others nothing of it moves.
    let range = |text: &str| text.lines().find(|line| line.contains(" cidr ")).unwrap().to_owned();
    assert!(range(&alone).contains("\"10."), "{}", range(&alone));
    assert_eq!(range(&alone), range(&text("[env.dev]\n[env.staging]\n[env.prod]\n")));
}

#[test]
fn the_catalogue_is_what_the_provider_has() {
    let folder = tempfile::tempdir().unwrap();
    let files = tree();
    let versions: Vec<_> =
        files.into_iter().filter(|(path, _)| path == "modules/vpc/versions.tf").collect();
    write(folder.path(), &versions);
    let folder = folder.path().join("modules/vpc");
    init(&folder);
    let output = terraform(&folder).args(["providers", "schema", "-json"]).output().unwrap();
    let all: Value = serde_json::from_str(&good(&output)).unwrap();
    let provider = all["provider_schemas"].as_object().unwrap().values().next().unwrap();
    let mut problems = Vec::new();
    for schema in aws::catalogue() {
        let kind = if schema.kind == "data" { "data_source_schemas" } else { "resource_schemas" };
        let block = &provider[kind][schema.name]["block"];
        assert!(block.is_object(), "the provider has no {} {}", schema.kind, schema.name);
        compare(schema, block, schema.name, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(aws::catalogue().len() > 25);
}

fn compare(schema: &Schema, block: &Value, name: &str, problems: &mut Vec<String>) {
    let attributes = &block["attributes"];
    let plain = |name: &'static str| name.trim_start_matches("r#");
    for (attribute, constraint) in schema.required.iter().chain(schema.optional) {
        let there = &attributes[plain(attribute)];
        if there.is_null() {
            problems.push(format!("{name} has no {attribute}"));
        } else if !fits(&there["type"], &constraint()) {
            problems.push(format!("{name}.{attribute} is {}, not {}", there["type"], constraint()));
        } else if there["deprecated"] == true {
            problems.push(format!("{name}.{attribute} is deprecated"));
        }
    }
    for (attribute, constraint, _) in schema.exports {
        let there = &attributes[plain(attribute)];
        if there.is_null() || !fits(&there["type"], &constraint()) {
            problems.push(format!("{name} exports {attribute} as {}", there["type"]));
        }
    }
    let required =
        attributes.as_object().into_iter().flatten().filter(|(_, a)| a["required"] == true);
    for (attribute, _) in required {
        if !schema.required.iter().any(|(own, _)| plain(own) == attribute) {
            problems.push(format!("{name}.{attribute} is required"));
        }
    }
    for (inner, schema) in schema.blocks {
        let there = &block["block_types"][plain(inner)]["block"];
        if there.is_null() {
            problems.push(format!("{name} has no block {inner}"));
        } else {
            compare(schema, there, &format!("{name}.{inner}"), problems);
        }
    }
}

/// Whether our constraint fits the provider's type: a list stands for a set, too.
fn fits(theirs: &Value, ours: &str) -> bool {
    match theirs {
        Value::String(keyword) => keyword == ours,
        Value::Array(parts) => {
            let (kind, inner) = (parts[0].as_str().unwrap_or_default(), &parts[1]);
            let kinds: &[&str] = if kind == "set" { &["set", "list"] } else { &[kind] };
            kinds.iter().any(|kind| {
                let open = format!("{kind}(");
                ours.strip_prefix(&open)
                    .and_then(|rest| rest.strip_suffix(')'))
                    .is_some_and(|rest| fits(inner, rest))
            })
        }
        _ => false,
    }
}
