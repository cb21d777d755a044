//! `docs/deploy-policy.md`: the least that a person or a CI needs to apply, change and destroy an
//! environment, as IAM policies.

mod delivery;
mod network;
mod tasks;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::config::{Environment, Settings};
use crate::tree::mark;

/// A statement of a policy and why it is there.
struct Grant {
    sid: &'static str,
    why: &'static str,
    actions: Vec<&'static str>,
    resources: Vec<String>,
    condition: Option<Value>,
}

/// A policy: its short name and its statements.
type Policy = (&'static str, Vec<Grant>);

/// The most characters that IAM takes in a managed policy, white space not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const LONGEST: usize = 6144;

/// The page.
#[must_use]
pub fn page(settings: &Settings) -> String {
    let mut out = format!("<!-- {} -->\n\n", mark("ralph.toml"));
    out.push_str(
        "# What it takes to deploy\n\n\
         The policies with which a person or a CI can apply, change and destroy an environment, and no\n\
         more. They put no value into a secret and read none: `ralph keys set` needs\n\
         `secretsmanager:PutSecretValue` beside them. Three instead of one, because IAM takes 6144\n\
         characters in a policy. `just deploy-policy dev network` prints one for\n\
         `aws iam create-policy`.\n\n\
         Whoever may make roles and give them permissions can give itself any permission that its\n\
         boundary leaves: set `permissions_boundary_arn`, and the policies demand it of every role.\n",
    );
    for env in &settings.environments {
        let name = env.names.environment();
        for (policy, grants) in policies(env) {
            let _ = write!(out, "\n## {name}: {policy}\n\n| Statement | Why |\n|---|---|\n");
            for grant in &grants {
                let _ = writeln!(out, "| {} | {} |", grant.sid, grant.why);
            }
            let text = serde_json::to_string_pretty(&document(&grants)).unwrap_or_default();
            let _ = write!(out, "\n```json {name} {policy}\n{text}\n```\n");
        }
    }
    out
}

fn document(grants: &[Grant]) -> Value {
    let one = |items: Vec<Value>| match <[Value; 1]>::try_from(items) {
        Ok([only]) => only,
        Err(items) => Value::Array(items),
    };
    let statements = grants.iter().map(|grant| {
        let mut statement = json!({
            "Sid": grant.sid,
            "Effect": "Allow",
            "Action": one(grant.actions.iter().map(|action| json!(action)).collect()),
            "Resource": one(grant.resources.iter().map(|resource| json!(resource)).collect()),
        });
        if let Some(condition) = &grant.condition {
            statement["Condition"] = condition.clone();
        }
        statement
    });
    json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() })
}

fn policies(env: &Environment) -> [Policy; 3] {
    [("network", network::all(env)), ("tasks", tasks::all(env)), ("delivery", delivery::all(env))]
}

fn arn(env: &Environment, service: &str, rest: &str) -> String {
    format!("arn:{}:{service}:{}:{}:{rest}", partition(env), env.region, account(env))
}

/// An ARN of API Gateway, which names no account.
fn api_arn(env: &Environment, rest: &str) -> String {
    format!("arn:{}:apigateway:{}::{rest}", partition(env), env.region)
}

/// An ARN of a service that has no regions.
fn global_arn(env: &Environment, service: &str, rest: &str) -> String {
    format!("arn:{}:{service}::{}:{rest}", partition(env), account(env))
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

/// The only account, or whichever the policy is in.
fn account(env: &Environment) -> &str {
    env.account_id.as_deref().unwrap_or("*")
}
