//! A task's secrets, read as ECS reads them.
//!
//! The agent's own are in AWS and not in the local cloud: whoever starts it sets their values as variables.

use anyhow::{Context, Result, bail};
use ralph_protocol::names::worker_env::AGENT_SECRET;
use serde_json::Value;

use crate::{aws::Secrets, project::Agent};

/// Looks whether each secret of the agent has a value here. Without one no task could start.
///
/// # Errors
/// Names those that have none.
pub fn require(agent: &Agent, given: impl Fn(&str) -> Option<String>) -> Result<()> {
    let missing: Vec<String> = agent
        .secrets
        .keys()
        .map(|name| format!("{AGENT_SECRET}{name}"))
        .filter(|name| given(name).is_none())
        .collect();
    if !missing.is_empty() {
        let all = missing.join(", ");
        bail!(
            "the local cloud does not have the agent's secrets that ralph.toml names: they are in AWS\nhint: set {all} where you start it, each to a value for this machine of 8 bytes or more"
        );
    }
    Ok(())
}

/// A variable of this process; nothing where it is not text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The value of a task's variable, from where its definition says: the ARN of a secret, perhaps with
/// `:json-key:version-stage:version-id` behind it.
///
/// # Errors
/// As ECS says it.
pub async fn read(secrets: &Secrets, name: &str, from: &str) -> Result<String> {
    if let Some(value) = variable(name).filter(|_| name.starts_with(AGENT_SECRET)) {
        return Ok(value);
    }
    let From { arn, key, stage, id } = parts(from);
    let value = secrets.version(&arn, stage, id).await?.with_context(|| {
        format!("ResourceInitializationError: unable to pull secrets: Secrets Manager can't find the specified secret value for {name}")
    })?;
    key.map_or(Ok(value.clone()), |key| field(&value, key))
}

#[derive(Debug, PartialEq, Eq)]
struct From<'a> {
    arn: String,
    key: Option<&'a str>,
    stage: Option<&'a str>,
    id: Option<&'a str>,
}

fn parts(from: &str) -> From<'_> {
    let all: Vec<&str> = from.split(':').collect();
    let part = |index: usize| all.get(index).copied().filter(|part| !part.is_empty());
    let arn = all.iter().take(7).copied().collect::<Vec<_>>().join(":");
    From { arn, key: part(7), stage: part(8), id: part(9) }
}

/// A value of a secret that is a JSON object; a number in it becomes text.
/// <https://github.com/aws/amazon-ecs-agent/blob/master/ecs-agent/utils/asm>
fn field(value: &str, key: &str) -> Result<String> {
    const PULL: &str = "ResourceInitializationError: unable to pull secrets";
    // serde's message can quote the value.
    let Ok(Value::Object(all)) = serde_json::from_str(value) else {
        bail!("{PULL}: invalid character in the secret, which is not a JSON object with `{key}`");
    };
    match all.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => {
            bail!("{PULL}: retrieved secret from Secrets Manager did not contain json key {key}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_with_its_json_key_and_its_version() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:team/user-a1b2c3";
        let with = |key, stage, id| From { arn: arn.to_owned(), key, stage, id };
        for (more, expected) in [
            ("", with(None, None, None)),
            (":name::", with(Some("name"), None, None)),
            ("::AWSPREVIOUS:", with(None, Some("AWSPREVIOUS"), None)),
            (":name:AWSCURRENT:0-1", with(Some("name"), Some("AWSCURRENT"), Some("0-1"))),
        ] {
            assert_eq!(parts(&format!("{arn}{more}")), expected, "{more}");
        }
        let value = r#"{"name": "ann", "port": 5432}"#;
        assert_eq!(field(value, "name").unwrap(), "ann");
        assert_eq!(field(value, "port").unwrap(), "5432");
        for (value, said) in [
            (value, "did not contain json key password"),
            ("hunter2-hunter2", "which is not a JSON object with `password`"),
            (r#"["hunter2"]"#, "which is not a JSON object with `password`"),
        ] {
            let error = field(value, "password").unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_secret_of_the_agents_without_a_value_here_is_named_with_its_variable() {
        let secrets = ["TOKEN", "URL"].map(|name| (name.to_owned(), "arn".to_owned())).into();
        let agent = Agent { secrets };
        let some = |name: &str| (name == "RALPH_AGENT_SECRET_URL").then(|| "x".to_owned());
        let error = require(&agent, some).unwrap_err().to_string();
        assert!(
            error.contains("\nhint: set RALPH_AGENT_SECRET_TOKEN where you start it"),
            "{error}"
        );
        require(&agent, |_| Some("x".to_owned())).unwrap();
        require(&Agent::default(), |_| None).unwrap();
    }
}
