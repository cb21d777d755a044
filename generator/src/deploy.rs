//! The policies of an environment: the least that a person or a CI needs to apply, change and destroy it, to
//! push its image, to operate it, and to set its secrets. Each is a file of `docs/policies/`;
//! `docs/deploy-policy.md` explains them. `deploy/statements.toml` holds their statements, which are filled
//! in here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ralph_protocol::names::Handler;
use serde::{Deserialize, Serialize};

use crate::config::{Environment, NetworkMode, Settings};

/// The first three are for a deployment, because IAM limits the length of one. The others are each for a
/// person who uses the environment.
const POLICIES: [&str; 6] = ["network", "tasks", "delivery", "push", "operate", "keys"];

/// The statements of each policy, by its name.
type Document = BTreeMap<String, Vec<Statement>>;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    #[serde(skip)]
    name: String,
    version: &'static str,
    statement: Vec<Statement>,
}

/// A statement of a policy and why it is there.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "PascalCase"))]
struct Statement {
    sid: String,
    #[serde(skip_serializing)]
    why: String,
    #[serde(skip_serializing)]
    r#if: Option<String>,
    #[serde(skip_serializing)]
    service: String,
    #[serde(skip_deserializing)]
    effect: Effect,
    #[serde(rename(serialize = "Action"))]
    actions: Vec<String>,
    #[serde(rename(serialize = "Resource"))]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    condition: Condition,
    #[serde(default, skip_serializing)]
    also: Vec<Also>,
}

#[derive(Default, Serialize)]
enum Effect {
    #[default]
    Allow,
}

/// What an environment adds to a statement if it has what `if` names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    r#if: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    condition: Condition,
}

/// What is compared, by operator and key.
type Condition = BTreeMap<String, BTreeMap<String, Texts>>;

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// What an environment has, by the names that the statements use for it.
struct Values(BTreeMap<String, Vec<String>>);

impl Values {
    fn new(env: &Environment) -> Self {
        let (names, watched) = (&env.names, &env.monitoring);
        let (own_vpc, nat, flow_logs, existing_vpc) = match &env.network.mode {
            NetworkMode::Create { nat, flow_logs, .. } => (true, nat != "none", *flow_logs, None),
            NetworkMode::Default => (false, false, false, Some("*")),
            NetworkMode::Existing { vpc_id, .. } => (false, false, false, Some(vpc_id.as_str())),
        };
        let one = |text: &str| vec![text.to_owned()];
        let given = |text: Option<&str>| text.map(one).unwrap_or_default();
        let on = |on: bool| given(on.then_some("true"));
        let all = [
            ("agent_secret", env.agent.secrets.values().map(|arn| secret(arn)).collect()),
            ("access_logs", on(watched.access_logs)),
            // The only account, or whichever the policy is in.
            ("account", one(env.account_id.as_deref().unwrap_or("*"))),
            ("account_log_role", on(watched.account_log_role)),
            ("alarms", on(watched.alarms)),
            ("boundary", given(env.permissions_boundary_arn.as_deref())),
            ("cluster", one(&names.cluster())),
            ("dashboard", on(watched.dashboard)),
            ("ecr_repository", one(&names.ecr_repository())),
            ("environment", one(names.environment())),
            ("existing_vpc", given(existing_vpc)),
            ("flow_logs", on(flow_logs)),
            ("function", Handler::ALL.map(|handler| names.function(handler)).into()),
            ("kms_key", given(env.kms_key_arn.as_deref())),
            ("log_group", one(&names.log_group())),
            ("nat", on(nat)),
            ("notify_email", on(env.notify.email.is_some())),
            ("own_vpc", on(own_vpc)),
            ("partition", one(partition(&env.region))),
            ("prefix", one(&names.prefix())),
            ("region", one(&env.region)),
            ("role_path", one(&env.role_path)),
            ("state_machine", one(&names.state_machine())),
            ("table", one(&names.table())),
            ("task_family", one(&names.task_family())),
        ];
        Self(all.map(|(name, values)| (name.to_owned(), values)).into())
    }

    fn get(&self, name: &str) -> &[String] {
        self.0.get(name).unwrap_or_else(|| panic!("deploy/statements.toml: `{name}` is unknown"))
    }

    /// Each text, once for each value of its placeholders, and none twice.
    fn fill(&self, texts: &[String]) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let all = texts.iter().flat_map(|text| self.filled(text));
        all.filter(|text| seen.insert(text.clone())).collect()
    }

    fn filled(&self, text: &str) -> Vec<String> {
        let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
        let (name, after) = rest.split_once('}').expect("a placeholder ends with `}`");
        let after = self.filled(after);
        let with = |value| after.iter().map(move |after| format!("{before}{value}{after}"));
        self.get(name).iter().flat_map(with).collect()
    }

    fn statement(&mut self, mut own: Statement) -> Statement {
        for also in own.also.drain(..).filter(|also| !self.get(&also.r#if).is_empty()) {
            own.actions.extend(also.actions);
            for (operator, compared) in also.condition {
                own.condition.entry(operator).or_default().extend(compared);
            }
        }
        own.actions.sort();
        self.0.insert(own.sid.clone(), own.actions.clone());
        own.actions.iter_mut().for_each(|name| *name = format!("{}:{name}", own.service));
        own.resources = self.fill(&own.resources);
        for texts in own.condition.values_mut().flat_map(BTreeMap::values_mut) {
            match texts {
                Texts::One(text) => *text = self.filled(text).concat(),
                Texts::Many(texts) => *texts = self.fill(texts),
            }
        }
        own
    }
}

/// The ARN of a secret, without the JSON key and the version that ECS reads behind it.
fn secret(arn: &str) -> String {
    arn.split(':').take(7).collect::<Vec<_>>().join(":")
}

/// The partition that a region is in.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
pub(crate) fn partition(region: &str) -> &'static str {
    match region.split('-').collect::<Vec<_>>()[..] {
        ["cn", ..] => "aws-cn",
        ["eu", "isoe", ..] => "aws-iso-e",
        ["eusc", ..] => "aws-eusc",
        ["us", "gov", ..] => "aws-us-gov",
        ["us", "iso", ..] => "aws-iso",
        ["us", "isob", ..] => "aws-iso-b",
        ["us", "isof", ..] => "aws-iso-f",
        _ => "aws",
    }
}

fn policies(settings: &Settings) -> impl Iterator<Item = Policy> {
    settings.environments.iter().flat_map(|env| {
        let document = toml::from_str::<Document>(include_str!("deploy/statements.toml"));
        let mut document =
            document.unwrap_or_else(|error| panic!("deploy/statements.toml: {error}"));
        let mut values = Values::new(env);
        POLICIES.map(|part| {
            let mut all = document.remove(part).expect("every policy has statements");
            all.retain(|own| own.r#if.as_ref().is_none_or(|name| !values.get(name).is_empty()));
            let name = format!("{}-{part}", env.names.environment());
            let statement = all.into_iter().map(|own| values.statement(own)).collect();
            Policy { name, version: "2012-10-17", statement }
        })
    })
}

/// Name and text of every policy's file.
#[must_use]
pub fn files(settings: &Settings) -> Vec<(String, String)> {
    let file = |policy: Policy| {
        let text = serde_json::to_string_pretty(&policy).expect("JSON");
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
        for Statement { sid, why, .. } in statement {
            let _ = writeln!(out, "| {sid} | {why} |");
        }
    }
    out
}
