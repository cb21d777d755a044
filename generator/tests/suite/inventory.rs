//! What an environment's plan holds, as a table that a person reads and a change shows in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{good, project, terraform};

/// Attributes of a resource that say how much of it there is, how long, how large.
const FACTS: [&str; 21] = [
    "billing_mode",
    "cidr_block",
    "cpu",
    "deletion_protection_enabled",
    "force_delete",
    "from_port",
    "handler",
    "image_tag_mutability",
    "kms_key_arn",
    "map_public_ip_on_launch",
    "maximum_retry_attempts",
    "memory",
    "memory_size",
    "message_retention_seconds",
    "recovery_window_in_days",
    "retention_in_days",
    "route_key",
    "source_arn",
    "sqs_managed_sse_enabled",
    "threshold",
    "timeout",
];
/// Where a resource's name stands.
const NAMES: [&str; 9] = [
    "function_name",
    "alarm_name",
    "dashboard_name",
    "family",
    "name",
    "cluster_name",
    "repository",
    "service_name",
    "availability_zone",
];

/// Types that can carry tags, by the provider's own schema.
fn taggable(folder: &Path) -> Vec<String> {
    let output = terraform(folder).args(["providers", "schema", "-json"]).output().unwrap();
    let all: Value = serde_json::from_str(&good(&output)).unwrap();
    let provider = all["provider_schemas"].as_object().unwrap().values().next().unwrap();
    let types = provider["resource_schemas"].as_object().unwrap().iter();
    types
        .filter(|(_, schema)| !schema["block"]["attributes"]["tags_all"].is_null())
        .map(|(name, _)| name.clone())
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The table of a plan, in which every resource that can be tagged is.
pub fn check(folder: &Path, plan: &Value, environment: &str) {
    let taggable = taggable(folder);
    let changes = plan["resource_changes"].as_array().unwrap();
    let mut rows = Vec::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for change in changes.iter().filter(|change| change["mode"] == "managed") {
        let (address, kind) =
            (change["address"].as_str().unwrap(), change["type"].as_str().unwrap());
        let after = &change["change"]["after"];
        *count.entry(kind).or_default() += 1;
        let tags = &after["tags_all"];
        if taggable.iter().any(|name| name == kind) {
            assert_eq!(tags["Environment"], environment, "{address} is not tagged");
        }
        let name = NAMES.iter().find_map(|name| text(&after[*name]));
        let facts = FACTS.iter().filter_map(|fact| {
            let value = text(&after[*fact]).filter(|value| value.len() < 80)?;
            Some(format!("{fact} {value}"))
        });
        let facts: Vec<String> = facts.collect();
        let tags: Vec<String> = tags
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?")))
            .collect();
        rows.push(format!(
            "| `{address}` | {} | {} | {} |\n",
            name.unwrap_or_default(),
            facts.join(", "),
            tags.join(", ")
        ));
    }
    rows.sort();
    let mut table = format!(
        "# What `{environment}` consists of\n\nFrom the plan, with the settings of `generator/tests/fixtures/ralph.toml`. `RALPH_WRITE=1 cargo test -p ralph-generator inventory` writes it again.\n\n| Type | Number |\n|---|---|\n"
    );
    for (kind, number) in &count {
        let _ = writeln!(table, "| {kind} | {number} |");
    }
    let _ = writeln!(table, "| all | {} |\n", rows.len());
    table.push_str("| Resource | Name | Facts | Tags |\n|---|---|---|---|\n");
    table.extend(rows);
    let golden = project().join(format!("generator/tests/inventory/{environment}.md"));
    if std::env::var_os("RALPH_WRITE").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    let there = std::fs::read_to_string(&golden).unwrap_or_default().replace("\r\n", "\n");
    if there != table {
        let diff = similar::TextDiff::from_lines(&there, &table);
        panic!(
            "the inventory of {environment} has changed\nhint: RALPH_WRITE=1 cargo test -p ralph-generator inventory\n{}",
            diff.unified_diff()
        );
    }
}
