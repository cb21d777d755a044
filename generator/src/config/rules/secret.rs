//! Secrets that exist already: which may be named, and where they must be.

use std::ops::Range;

use ralph_protocol::names::SecretName;
use regex::Regex;

use super::super::problem::Problem;
use super::super::raw::Table;
use crate::deploy::partition;

/// An ARN, with the name of the secret in it, and behind it a JSON key, a version's stage and its id. Secrets
/// Manager puts six characters behind each name: IAM compares an ARN with them. A service's own secret has a
/// `!` in its name.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>,
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen>
const ARN: &str = r"^arn:(aws[a-z-]*):secretsmanager:([a-z0-9-]+):([0-9]{12}):secret:([A-Za-z0-9/_+=.@!-]+)-[A-Za-z0-9]{6}(:[^:\x00-\x1f]*:[^:\x00-\x1f]*:[^:\x00-\x1f]*)?$";

/// A secret that the environment `name` gives a task: what it is, its ARN, and where the file has it.
pub(super) fn check(
    name: &str,
    table: &Table,
    (what, arn, place): (&str, &str, Option<Range<usize>>),
    problems: &mut Vec<Problem>,
) {
    let pattern = Regex::new(ARN).expect("a test compiles it");
    let Some(parts) = pattern.captures(arn) else {
        problems.push(
            Problem::new(format!("{what} is not the ARN of a secret"))
                .at(place, "this secret")
                .hint("arn:aws:secretsmanager:<region>:<account>:secret:<name>-<six characters>, and perhaps :<json-key>:<version-stage>:<version-id>, as Secrets Manager shows it"),
        );
        return;
    };
    for (path, which, theirs) in
        [("region", "region", &parts[2]), ("account_id", "account", &parts[3])]
    {
        if let Some(ours) = table.text(path).filter(|ours| *ours != theirs) {
            problems.push(
                Problem::new(format!("{what} is in {which} {theirs}, the environment in {ours}"))
                    .at(place.clone(), format!("in {theirs}"))
                    .at(table.place(path), format!("in {ours}"))
                    .hint(format!("name a secret in {which} {ours}")),
            );
        }
    }
    let partition = partition(&parts[2]);
    if partition != &parts[1] {
        problems.push(
            Problem::new(format!(
                "{what} is not the ARN of a secret: {} is in {partition}",
                &parts[2]
            ))
            .at(place.clone(), format!("arn:{}", &parts[1]))
            .hint(format!("begin it with arn:{partition}:, as Secrets Manager shows it")),
        );
    }
    if is_ours(name, &parts[4]) {
        problems.push(
            Problem::new(format!("{what} is a secret of ralph's own"))
                .at(place, "never for the agent")
                .hint("name a secret that you have made yourself: the agent must not get the worker's keys"),
        );
    }
}

/// Whether a secret's name is `ralph/<environment>/…`, or one of the three of any environment.
fn is_ours(environment: &str, name: &str) -> bool {
    let Some((theirs, rest)) = name.strip_prefix("ralph/").and_then(|name| name.split_once('/'))
    else {
        return false;
    };
    theirs == environment || SecretName::ALL.iter().any(|own| rest.starts_with(own.as_str()))
}
