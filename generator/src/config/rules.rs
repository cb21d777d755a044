//! Rules of a network and a state, and those between environments.

use super::check::Reader;
use super::keys::ENVIRONMENT;
use super::problem::Problem;
use super::raw::File;
use super::valid::{Environment, Network, NetworkMode, State};
use super::{cidr, names};

/// Where the state is.
pub(super) fn state(name: &str, read: &Reader<'_>, region: &str) -> Option<State> {
    read.table.inner.get("state")?;
    Some(State {
        bucket: read.text("state.bucket").unwrap_or_default(),
        key: read.text("state.key").unwrap_or_else(|| format!("ralph/{name}/terraform.tfstate")),
        region: read.text("state.region").unwrap_or_else(|| region.to_owned()),
        kms_key_arn: read.text("state.kms_key_arn"),
    })
}

/// Where tasks run.
pub(super) fn network(
    name: &str,
    read: &Reader<'_>,
    region: &str,
    problems: &mut Vec<Problem>,
) -> Network {
    let zones = read.texts("network.zones");
    if let Some(span) = read.span("network.zones") {
        let mut distinct = zones.clone();
        distinct.sort();
        distinct.dedup();
        if distinct.len() != zones.len() || !(2..=6).contains(&zones.len()) {
            let problem = Problem::new("expected two to six different availability zones");
            problems.push(problem.at(span, format!("{} different ones", distinct.len())));
        }
    }
    let mode = read.text("network.mode").unwrap_or_default();
    let belongs = |path: &str| match path {
        "network.vpc_id" | "network.subnet_ids" | "network.private" => "existing",
        _ => "create",
    };
    for path in [
        "network.cidr",
        "network.nat",
        "network.interface_endpoints",
        "network.flow_logs",
        "network.vpc_id",
        "network.subnet_ids",
        "network.private",
    ] {
        if let Some(span) = read.span(path).filter(|_| mode != belongs(path)) {
            let key = path.trim_start_matches("network.");
            let problem = Problem::new(format!("{key} has no meaning in mode \"{mode}\""));
            problems.push(
                problem
                    .at(span, format!("belongs to mode \"{}\"", belongs(path)))
                    .at_given(read.span("network.mode"), "this mode"),
            );
        }
    }
    let mode = match mode.as_str() {
        "default" => NetworkMode::Default,
        "existing" => {
            let vpc_id = read.text("network.vpc_id");
            let subnet_ids = read.texts("network.subnet_ids");
            for (key, there) in
                [("vpc_id", vpc_id.is_some()), ("subnet_ids", !subnet_ids.is_empty())]
            {
                if !there && read.sound(&[&format!("network.{key}")]) {
                    let problem = Problem::new(format!("mode \"existing\" needs {key}"));
                    problems.push(problem.at_given(read.span("network.mode"), "this mode"));
                }
            }
            let mut different = subnet_ids.clone();
            different.sort();
            different.dedup();
            if let (1, Some(span)) = (different.len(), read.span("network.subnet_ids")) {
                let problem = Problem::new("expected two or more different subnets");
                problems.push(
                    problem
                        .at(span, "one")
                        .hint("name one in each of two availability zones: Spot capacity runs out in one at a time"),
                );
            }
            NetworkMode::Existing {
                vpc_id: vpc_id.unwrap_or_default(),
                subnet_ids,
                private: read.bool("network.private"),
            }
        }
        _ => {
            let cidr = read.text("network.cidr").unwrap_or_else(|| cidr::default_for(name));
            if let (Err(why), Some(span)) = (cidr::Range::parse(&cidr), read.span("network.cidr")) {
                let problem = Problem::new(format!("`{cidr}` cannot be the range of a VPC"));
                problems.push(problem.at(span, "this range").hint(why));
            }
            NetworkMode::Create {
                cidr,
                nat: read.text("network.nat").unwrap_or_default(),
                interface_endpoints: read.texts("network.interface_endpoints"),
                flow_logs: read.bool("network.flow_logs"),
            }
        }
    };
    let zones = zones.iter().map(|letter| format!("{region}{letter}")).collect();
    Network { mode, zones }
}

/// Rules between environments.
pub(super) fn across(file: &File, environments: &[Environment], problems: &mut Vec<Problem>) {
    let places: Vec<Reader<'_>> = file
        .environments
        .iter()
        .map(|(_, table)| Reader { table, section: &ENVIRONMENT })
        .collect();
    let ranges: Vec<Option<cidr::Range>> = environments
        .iter()
        .map(|env| match &env.network.mode {
            NetworkMode::Create { cidr, .. } => cidr::Range::parse(cidr).ok(),
            _ => None,
        })
        .collect();
    for (i, a) in environments.iter().enumerate() {
        for (j, b) in environments.iter().enumerate().skip(i + 1) {
            let place = |k: usize, path: &str| {
                places[k].span(path).unwrap_or_else(|| places[k].table.span.clone())
            };
            if let (NetworkMode::Create { cidr: x, .. }, NetworkMode::Create { cidr: y, .. }) =
                (&a.network.mode, &b.network.mode)
                && let (Some(p), Some(q)) = (ranges[i], ranges[j])
                && p.overlaps(q)
            {
                let problem = Problem::new(format!("the ranges {y} and {x} overlap"));
                problems.push(
                    problem
                        .at(place(j, "network.cidr"), format!("{} has {y}", b.names.environment()))
                        .at(place(i, "network.cidr"), format!("{} has {x}", a.names.environment()))
                        .hint("give each environment a range of its own with network.cidr"),
                );
            }
            if let (Some(x), Some(y)) = (&a.state, &b.state)
                && (&x.bucket, &x.key) == (&y.bucket, &y.key)
                && places[i].sound(&["state.bucket", "state.key"])
                && places[j].sound(&["state.bucket", "state.key"])
            {
                let (p, q) = (a.names.environment(), b.names.environment());
                let problem = Problem::new(format!("{p} and {q} would share one state"));
                problems.push(
                    problem
                        .at(place(j, "state.key"), format!("{q} has {}/{}", y.bucket, y.key))
                        .at(place(i, "state.key"), format!("{p} has the same"))
                        .hint(
                            "an apply of one would destroy the other: give each a key of its own",
                        ),
                );
            }
            let one_account = a.account_id.is_some() && a.account_id == b.account_id;
            if one_account
                && a.region == b.region
                && let shared = names::shared(&a.names, &b.names)
                && !shared.is_empty()
            {
                let (x, y) = (a.names.environment(), b.names.environment());
                let problem = Problem::new(format!("{x} and {y} cannot stand in one account"));
                problems.push(
                    problem
                        .at(place(j, "account_id"), "the same account")
                        .at(place(i, "account_id"), "as here")
                        .hint(format!(
                            "both would make {}; give each an account of its own",
                            shared.join(", ")
                        )),
                );
            }
        }
    }
}
