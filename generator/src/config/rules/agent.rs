//! What the agent gets.

use std::collections::BTreeMap;

use ralph_protocol::execution::{check_endpoint, check_model, check_repo, check_variable};
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::super::raw::Table;
use super::secret;

/// Most bytes of a task definition, and those that are kept for everything but the agent's variables.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>
const TASK_DEFINITION: usize = 64 << 10;
const REST: usize = 16 << 10;
/// Most characters of the secrets' names and ARNs: the outputs hold them, in 4,096 characters with the rest.
const OUTPUTS: usize = 1_800;

/// Rules about the agent of the environment `name`.
pub(super) fn check(name: &str, table: &Table, problems: &mut Vec<Problem>) {
    let environment = variables(table, "environment", problems);
    let secrets = variables(table, "secrets", problems);
    for (variable, arn) in &secrets {
        let place = table.place(&format!("agent.secrets.{variable}"));
        secret::check(name, table, (&format!("`{variable}`"), arn, place.clone()), problems);
        if environment.contains_key(variable) {
            problems.push(
                Problem::new(format!("`{variable}` is a plain variable and a secret"))
                    .at(place, "here")
                    .at(table.place(&format!("agent.environment.{variable}")), "and here")
                    .hint("leave one of them out"),
            );
        }
    }
    sizes(table, &environment, &secrets, problems);
    model(table, problems);
    endpoint(table, problems);
    repositories(table, problems);
}

/// The variables of a table, each with a good name; a bad one is a problem.
fn variables<'a>(
    table: &'a Table,
    key: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'a str, &'a str> {
    let entries = table.get(&format!("agent.{key}")).as_object().into_iter().flatten();
    let all: BTreeMap<&str, &str> =
        entries.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    for name in all.keys() {
        if let Err(problem) = check_variable(name) {
            let place = table.place(&format!("agent.{key}.{name}"));
            problems.push(said(&format!("`{name}`"), &problem).at(place, "this name"));
        }
    }
    all
}

/// What ECS and SSM would refuse, and the one value that no process can have.
fn sizes(
    table: &Table,
    environment: &BTreeMap<&str, &str>,
    secrets: &BTreeMap<&str, &str>,
    problems: &mut Vec<Problem>,
) {
    let place = |name: &str| table.place(&format!("agent.environment.{name}"));
    for (name, _) in environment.iter().filter(|(_, value)| value.contains('\0')) {
        let problem = Problem::new(format!("`{name}` holds a NUL character"));
        problems.push(problem.at(place(name), "this variable").hint("no variable can"));
    }
    let bytes = |value: &Value| value.to_string().len();
    let lengths = environment
        .iter()
        .map(|(name, value)| (bytes(&json!({ "name": name, "value": value })), *name));
    let total: usize = lengths.clone().map(|(length, _)| length).sum();
    if let Some((length, longest)) = lengths.max().filter(|_| total > TASK_DEFINITION - REST) {
        problems.push(
            Problem::new(format!(
                "the agent's variables take {total} bytes of the task definition"
            ))
            .at(place(longest), format!("{length} of them, the longest"))
            .hint(format!(
                "at most {} fit: put long values into the repository or a secret",
                TASK_DEFINITION - REST
            )),
        );
    }
    let total = bytes(&json!(secrets));
    if total > OUTPUTS {
        problems.push(
            Problem::new(format!("the names and ARNs of the secrets take {total} characters"))
                .at(table.place("agent.secrets"), "all of these")
                .hint(format!(
                    "at most {OUTPUTS} fit into the environment's outputs: one secret can hold several values, as JSON that the agent takes apart"
                )),
        );
    }
}

fn model(table: &Table, problems: &mut Vec<Problem>) {
    let (Some(model), Some(place)) = (table.text("agent.model"), table.place("agent.model")) else {
        return;
    };
    if let Some(command) = table.text("worker.agent_command")
        && !command.contains("{model}")
    {
        problems.push(
            Problem::new("agent_command does not hand on the model")
                .at(table.place("worker.agent_command"), "no `{model}` in here")
                .at(place.clone(), "this model")
                .hint("write {model} where the command takes the model, or leave out model"),
        );
    }
    // A gateway has names of its own.
    if table.place("agent.model_endpoint").is_some() {
        return;
    }
    if let Err(problem) = check_model(model) {
        problems.push(said(&format!("`{model}`"), &problem).at(place, "this model"));
    }
}

/// A problem of a rule that others apply too: what is wrong, and its hint.
fn said(what: &str, problem: &dyn std::fmt::Display) -> Problem {
    let text = problem.to_string();
    let (wrong, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
    Problem::new(format!("{what} {wrong}")).hint(hint)
}

fn endpoint(table: &Table, problems: &mut Vec<Problem>) {
    let (Some(url), Some(place)) =
        (table.text("agent.model_endpoint"), table.place("agent.model_endpoint"))
    else {
        return;
    };
    if let Err(problem) = check_endpoint(url) {
        problems.push(said("model_endpoint", &problem).at(place, "this endpoint"));
    } else if let Some((_, port)) = url.split('/').nth(2).and_then(|host| host.split_once(':'))
        && port != "443"
    {
        problems.push(
            Problem::new(format!("tasks cannot reach port {port} of model_endpoint"))
                .at(place, "this endpoint")
                .hint("their security group lets out port 443 and no other"),
        );
    }
}

fn repositories(table: &Table, problems: &mut Vec<Problem>) {
    let Some(all) = table.get("agent.repositories").as_array() else { return };
    let place = || table.place("agent.repositories");
    if all.is_empty() {
        problems.push(
            Problem::new("repositories is empty")
                .at(place(), "no repository")
                .hint("leave it out if every run is to get the agent's variables"),
        );
    }
    for url in all.iter().filter_map(Value::as_str) {
        if check_repo(url.strip_suffix("/*").unwrap_or(url), false).is_err() {
            problems.push(
                Problem::new(format!("`{url}` names no repository that a run can have"))
                    .at(place(), "in this list")
                    .hint("https://host/owner/project, or https://host/owner/* for all below it, without user name, IP address, query or fragment"),
            );
        }
    }
}
