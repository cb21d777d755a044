//! The deploy policies: the least that a person or a CI needs to apply, change and destroy an
//! environment. Each is a file of `docs/policies/`; `docs/deploy-policy.md` explains them.

mod delivery;
mod network;
mod tasks;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::config::{Environment, Settings};

/// The resource of an action that AWS checks without one.
const EVERYTHING: &str = "*";

/// A statement of a policy and why it is there.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Grant {
    sid: &'static str,
    #[serde(skip)]
    why: &'static str,
    effect: &'static str,
    action: Vec<String>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

impl Grant {
    /// `actions` is a service and the names of its actions: `sqs: CreateQueue DeleteQueue`.
    fn new(
        sid: &'static str,
        why: &'static str,
        actions: &str,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let (service, names) = actions.split_once(':').unwrap_or_default();
        let action = names.split_whitespace().map(|name| format!("{service}:{name}"));
        let mut action: Vec<String> = action.collect();
        action.sort();
        let resource = resources.into_iter().map(Into::into).collect();
        Self { sid, why, effect: "Allow", action, resource, condition: None }
    }

    fn when(self, condition: impl Into<Option<Value>>) -> Self {
        Self { condition: condition.into(), ..self }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(skip)]
    name: String,
    version: &'static str,
    statement: Vec<Grant>,
}

/// Three for each environment, because IAM limits the length of one.
fn policies(settings: &Settings) -> impl Iterator<Item = Policy> {
    settings.environments.iter().flat_map(|env| {
        let parts = [
            ("network", network::all(env)),
            ("tasks", tasks::all(env)),
            ("delivery", delivery::all(env)),
        ];
        parts.map(|(part, mut statement)| {
            // What only some environments have has no resource in the others.
            statement.retain(|grant| !grant.resource.is_empty());
            let name = format!("{}-{part}", env.names.environment());
            Policy { name, version: "2012-10-17", statement }
        })
    })
}

/// Name and text of every policy's file.
#[must_use]
pub fn files(settings: &Settings) -> Vec<(String, String)> {
    let file = |policy: Policy| {
        let text = serde_json::to_string_pretty(&policy).unwrap_or_default();
        (format!("{}.json", policy.name), text + "\n")
    };
    policies(settings).map(file).collect()
}

/// The page that says what each statement is for.
#[must_use]
pub fn page(settings: &Settings) -> String {
    let mut out = include_str!("deploy/introduction.md").to_owned();
    for Policy { name, statement, .. } in policies(settings) {
        let _ =
            write!(out, "\n## [{name}](policies/{name}.json)\n\n| Statement | Why |\n|---|---|\n");
        for grant in statement {
            let _ = writeln!(out, "| {} | {} |", grant.sid, grant.why);
        }
    }
    out
}

/// Of a resource in the environment's region and account.
fn arn(env: &Environment, service: &str, rest: &str) -> String {
    // The only account, or whichever the policy is in.
    let account = env.account_id.as_deref().unwrap_or("*");
    let (region, account) = match service {
        "apigateway" => (env.region.as_str(), ""),
        "iam" => ("", account),
        "cloudwatch" if rest.starts_with("dashboard/") => ("", account),
        _ => (env.region.as_str(), account),
    };
    format!("arn:{}:{service}:{region}:{account}:{rest}", partition(env))
}

/// The partition that the region is in.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn partition(env: &Environment) -> &'static str {
    match env.region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "aws-cn",
        ["us", "gov", ..] => "aws-us-gov",
        _ => "aws",
    }
}
