//! Rules about several keys, and about what a form cannot say.

mod agent;
mod image;
mod notify;
mod secret;

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use ralph_protocol::{execution::memory_sizes, names::Resources};
use serde_json::json;

use super::keys::KEYS;
use super::names;
use super::problem::Problem;
use super::raw::{File, Table};

/// Sets the defaults that depend on other keys, then reports what breaks a rule.
pub(super) fn check(file: &mut File, problems: &mut Vec<Problem>) {
    if file.environments.is_empty() && problems.is_empty() {
        let problem = Problem::new("no environment is described");
        problems.push(problem.at(0..0, "in this file").hint("add a table, such as [env.dev]"));
    }
    for (name, table) in &mut file.environments {
        derive(name, table);
        environment_name(name, table, problems);
        region(table, "region", problems);
        region(table, "state.region", problems);
        arns(table, problems);
        tags(table, problems);
        zones(table, problems);
        network(table, problems);
        task(table, problems);
        image::check(name, table, problems);
        agent::check(name, table, problems);
        notify::check(table, problems);
    }
    for (j, b) in file.environments.iter().enumerate() {
        for a in &file.environments[..j] {
            between(a, b, problems);
        }
    }
}

fn derive(name: &str, table: &mut Table) {
    let mut defaults = vec![("network.cidr", json!(names::range(name)))];
    if table.place("state").is_some() {
        defaults.push(("state.key", json!(format!("ralph/{name}/terraform.tfstate"))));
        defaults.push(("state.region", table.get("region").clone()));
    }
    for (path, value) in defaults {
        if table.place(path).is_none() {
            table.set(path, value);
        }
    }
}

fn environment_name(name: &str, table: &Table, problems: &mut Vec<Problem>) {
    if !KEYS.environment_name.fits(name) {
        let problem = Problem::new(format!("`{name}` cannot name an environment"));
        problems
            .push(problem.at(table.place.clone(), "this name").hint(&KEYS.environment_name.words));
        return;
    }
    let limited = names::limited(&Resources::new(name));
    if let Some((what, full, most)) = limited.iter().find(|(_, full, most)| full.len() > *most) {
        let spare = most.saturating_sub(full.len() - name.len());
        let problem = Problem::new(format!("the name of {what} would be too long: `{full}`"));
        let hint = format!("AWS allows {most} characters, which leaves {spare} for this name");
        let label = format!("{} characters", name.len());
        problems.push(problem.at(table.place.clone(), label).hint(hint));
    }
}

fn region(table: &Table, path: &str, problems: &mut Vec<Problem>) {
    if let (Some(region), Some(place)) = (table.text(path), table.place(path))
        && !KEYS.regions.iter().any(|known| known == region)
    {
        let problem = Problem::warning(format!("`{region}` is not a region that is known here"));
        let hint = "ignore this if the region is newer than November 2026, otherwise correct it";
        problems.push(problem.at(place, "not on the list of regions").hint(hint));
    }
}

/// ARNs name the environment's region and account.
fn arns(table: &Table, problems: &mut Vec<Problem>) {
    for (path, what, region, whose) in [
        ("kms_key_arn", "key", "region", "environment"),
        ("monitoring.alarm_topic_arn", "topic", "region", "environment"),
        ("notify.topic_arn", "topic", "region", "environment"),
        ("state.kms_key_arn", "key", "state.region", "bucket"),
    ] {
        if let (Some(arn), Some(ours)) = (table.text(path), table.text(region))
            && let Some(theirs) = arn.split(':').nth(3)
            && theirs != ours
        {
            problems.push(
                Problem::new(format!("the {what} is in {theirs}, the {whose} in {ours}"))
                    .at(table.place(path), format!("in {theirs}"))
                    .at(table.place(region), format!("in {ours}"))
                    .hint(format!("name a {what} in {ours}")),
            );
        }
    }
    let parts: Vec<&str> =
        table.text("permissions_boundary_arn").unwrap_or_default().split(':').collect();
    if let ([_, _, _, _, theirs, _], Some(ours)) = (&*parts, table.text("account_id"))
        && ![ours, "aws"].contains(theirs)
    {
        problems.push(
            Problem::new(format!("the boundary is in account {theirs}, the environment in {ours}"))
                .at(table.place("permissions_boundary_arn"), "this boundary")
                .at(table.place("account_id"), "this account")
                .hint("IAM takes a boundary only from the role's own account, or from AWS"),
        );
    }
    if let (Some(place), Some(false)) =
        (table.place("monitoring.alarm_topic_arn"), table.get("monitoring.alarms").as_bool())
    {
        problems.push(
            Problem::new("alarm_topic_arn has no meaning without alarms")
                .at(place, "nothing would be sent here")
                .at(table.place("monitoring.alarms"), "no alarms")
                .hint("write `alarms = true`, or leave out alarm_topic_arn"),
        );
    }
}

fn tags(table: &Table, problems: &mut Vec<Problem>) {
    // https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let Some(tags) = table.get("tags").as_object() else { return };
    for (key, value) in tags {
        let value = value.as_str().unwrap_or_default();
        let lower = key.to_ascii_lowercase();
        let wrong = if lower == "environment" {
            "every resource has this tag already"
        } else if lower.starts_with("aws:") {
            "AWS keeps this prefix to itself"
        } else if !(1..=128).contains(&key.chars().count()) {
            "a tag's name has 1 to 128 characters"
        } else if value.chars().count() > 256 {
            "a tag's value has at most 256 characters"
        } else if !key.chars().chain(value.chars()).all(allowed) {
            "a tag holds letters, digits, spaces and _ . : / = + - @ only"
        } else {
            continue;
        };
        let problem = Problem::new(format!("`{key}` cannot be a tag"));
        problems.push(problem.at(table.place(&format!("tags.{key}")), wrong));
    }
    // With the tag that every resource has.
    if tags.len() >= 50 {
        let problem = Problem::new("too many tags");
        problems.push(problem.at(table.place("tags"), "AWS allows 50 on a resource"));
    }
}

fn zones(table: &Table, problems: &mut Vec<Problem>) {
    let Some((zones, all)) = different(table, "network.zones") else { return };
    let place = || table.place("network.zones");
    if zones.len() != all || !(2..=6).contains(&all) {
        let problem = Problem::new("expected two to six different availability zones");
        problems.push(problem.at(place(), format!("{} different ones", zones.len())));
    }
    for zone in zones.iter().filter(|zone| **zone > "f") {
        let problem = Problem::warning(format!("no region is known to have a zone `{zone}`"));
        let hint = "ignore this if the zone is newer than November 2026, otherwise correct it";
        problems.push(problem.at(place(), "one of these").hint(hint));
    }
}

/// The different strings of a list, and the number of all.
fn different<'a>(table: &'a Table, path: &str) -> Option<(BTreeSet<&'a str>, usize)> {
    let items = table.get(path).as_array()?;
    Some((items.iter().filter_map(|item| item.as_str()).collect(), items.len()))
}

fn network(table: &Table, problems: &mut Vec<Problem>) {
    let Some(mode) = table.text("network.mode") else { return };
    for (key, belongs) in [
        ("cidr", "create"),
        ("nat", "create"),
        ("interface_endpoints", "create"),
        ("flow_logs", "create"),
        ("vpc_id", "existing"),
        ("subnet_ids", "existing"),
        ("private", "existing"),
    ] {
        let place = table.place(&format!("network.{key}"));
        if let Some(place) = place.filter(|_| mode != belongs) {
            problems.push(
                Problem::new(format!("{key} has no meaning in mode \"{mode}\""))
                    .at(place, format!("belongs to mode \"{belongs}\""))
                    .at(table.place("network.mode"), "this mode"),
            );
        }
    }
    if let ("create", Some(place), Some(cidr)) =
        (mode, table.place("network.cidr"), table.text("network.cidr"))
        && let Err(why) = range(cidr)
    {
        let problem = Problem::new(format!("`{cidr}` cannot be the range of a VPC"));
        problems.push(problem.at(place, "this range").hint(why));
    }
    if mode == "existing" {
        for (key, example) in [
            ("vpc_id", "\"vpc-0123456789abcdef0\""),
            ("subnet_ids", "[\"subnet-…\", \"subnet-…\"]"),
        ] {
            if table.place(&format!("network.{key}")).is_none() {
                let problem = Problem::new(format!("mode \"existing\" requires {key}"));
                let hint = format!("add {key} = {example}");
                problems.push(problem.at(table.place("network.mode"), "this mode").hint(hint));
            }
        }
        if let Some((subnets, _)) = different(table, "network.subnet_ids")
            && subnets.len() < 2
        {
            let problem = Problem::new("expected two or more different subnets");
            let label = format!("{} different ones", subnets.len());
            let problem = problem.at(table.place("network.subnet_ids"), label);
            problems.push(problem.hint(
                "name one in each of two availability zones: Spot capacity runs out in one at a time",
            ));
        }
    }
}

/// The range of a VPC that leaves sixteen subnets of at least /28, or what is wrong with it.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>
fn range(text: &str) -> Result<Ipv4Net, String> {
    let range: Ipv4Net =
        text.parse().map_err(|_| "a range is an address and a prefix length: 10.20.0.0/16")?;
    if !(16..=24).contains(&range.prefix_len()) {
        return Err("the prefix length of a VPC with a subnet in each zone is 16 to 24".to_owned());
    }
    match range.trunc() {
        begin if begin == range => Ok(range),
        begin => Err(format!("the range begins at {begin}")),
    }
}

fn task(table: &Table, problems: &mut Vec<Problem>) {
    let number = |key: &str| table.get(&format!("worker.{key}")).as_u64();
    let place = |key: &str| table.place(&format!("worker.{key}"));
    if let (Some(cpu), Some(memory)) = (number("cpu"), number("memory")) {
        let sizes = memory_sizes(u32::try_from(cpu).unwrap_or_default());
        if !sizes.iter().any(|size| u64::from(*size) == memory) {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            problems.push(
                Problem::new(format!("Fargate has no task with {cpu} CPU units and {memory} MiB"))
                    .at(place("memory"), "this memory")
                    .at(place("cpu"), "with this cpu")
                    .hint(format!("with cpu = {cpu}, memory is one of {}", sizes.join(", "))),
            );
        }
    }
    for (short, long) in [
        ("iteration_timeout_secs", "max_duration_secs"),
        ("silence_secs", "iteration_timeout_secs"),
    ] {
        if let (Some(low), Some(high)) = (number(short), number(long))
            && low > high
        {
            problems.push(
                Problem::new(format!("{short} is longer than {long}"))
                    .at(place(short), format!("{low} seconds"))
                    .at(place(long), format!("{high} seconds"))
                    .hint(format!("{short} is {low}, and {long} is {high}: lower the first or raise the second")),
            );
        }
    }
}

/// Rules between an environment and an earlier one.
fn between((a, x): &(String, Table), (b, y): &(String, Table), problems: &mut Vec<Problem>) {
    // Where the file has a path, or else where the environment begins.
    let at = |table: &Table, path: &str| table.place(path).unwrap_or(table.place.clone());
    let range = |table: &Table| {
        let created = table.text("network.mode") == Some("create");
        table.text("network.cidr").filter(|_| created).and_then(|text| range(text).ok())
    };
    if let (Some(p), Some(q)) = (range(x), range(y))
        && (p.contains(&q) || q.contains(&p))
    {
        problems.push(
            Problem::new(format!("the ranges {q} and {p} overlap"))
                .at(at(y, "network.cidr"), format!("{b} has {q}"))
                .at(at(x, "network.cidr"), format!("{a} has {p}"))
                .hint("give each environment a range of its own with network.cidr"),
        );
    }
    let state = |table: &Table| {
        Some(format!("{}/{}", table.text("state.bucket")?, table.text("state.key")?))
    };
    if let Some(state) = state(x).filter(|own| state(y).as_ref() == Some(own)) {
        problems.push(
            Problem::new(format!("{a} and {b} would share one state"))
                .at(at(y, "state.key"), format!("{b} has {state}"))
                .at(at(x, "state.key"), format!("{a} has the same"))
                .hint("an apply of one would destroy the other: give each a key of its own"),
        );
    }
    let same = |path: &str| x.text(path).is_some() && x.text(path) == y.text(path);
    let role = "create_service_linked_role";
    if same("account_id") && [x, y].iter().all(|table| table.get(role) == true) {
        problems.push(
            Problem::new(format!("{a} and {b} would both make the role that ECS itself uses"))
                .at(y.place(role), "the same account")
                .at(x.place(role), "as here")
                .hint("an account has one: let the environment make it that you apply first"),
        );
    }
    if same("account_id")
        && same("region")
        && let shared = names::shared(&Resources::new(a), &Resources::new(b)).join(", ")
        && !shared.is_empty()
    {
        problems.push(
            Problem::new(format!("{a} and {b} cannot stand in one account"))
                .at(at(y, "account_id"), "the same account")
                .at(at(x, "account_id"), "as here")
                .hint(format!("both would make {shared}; give each an account of its own")),
        );
    }
}
