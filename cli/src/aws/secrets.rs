//! Secrets Manager.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{
    Client, error::ProvideErrorMetadata, operation::get_secret_value::GetSecretValueError,
};

use super::explain;

/// Reads and writes secret values.
pub struct Secrets(Client);

/// What a secret is, beside its value.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name, `ralph/<env>/…`.
    pub name: String,
    /// When its value was last set, ms since the epoch; `None`: never.
    pub changed_ms: Option<i64>,
    /// The version that is read.
    pub version: Option<String>,
}

/// Where a secret stands, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It has a value.
    Value,
    /// It has none.
    Empty,
    /// There is none of that name, or it is being deleted.
    Missing,
    /// These credentials may not look.
    Denied,
}

impl Secrets {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Sets a secret's value.
    pub async fn put(&self, arn: &str, value: &str) -> Result<()> {
        let request = self.0.put_secret_value().secret_id(arn).secret_string(value);
        request.send().await.map_err(|error| explain("the secret cannot be set", &error))?;
        Ok(())
    }

    /// A secret's value; `None` when it has none yet.
    pub async fn get(&self, arn: &str) -> Result<Option<String>> {
        self.version(arn, None, None).await
    }

    /// A version of it, by its stage or its id; the current one without either.
    pub async fn version(
        &self,
        arn: &str,
        stage: Option<&str>,
        id: Option<&str>,
    ) -> Result<Option<String>> {
        let request = self.0.get_secret_value().secret_id(arn);
        let request = request.set_version_stage(stage.map(str::to_owned));
        match request.set_version_id(id.map(str::to_owned)).send().await {
            Ok(answer) => {
                let value = answer.secret_string.context("the secret holds bytes, not text")?;
                Ok(Some(value))
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(explain("the secret cannot be read", &error)),
        }
    }

    /// A secret's value; `None` also for who may not read it.
    pub async fn get_if_allowed(&self, arn: &str) -> Result<Option<String>> {
        match self.0.get_secret_value().secret_id(arn).send().await {
            Err(error) if error.code() == Some("AccessDeniedException") => Ok(None),
            Err(error) => Err(explain("the secret cannot be read", &error)),
            Ok(answer) => Ok(answer.secret_string),
        }
    }

    /// Whether there is a secret, and a value in it.
    pub async fn look(&self, arn: &str) -> Result<Seen> {
        match self.0.describe_secret().secret_id(arn).send().await {
            Ok(answer) if answer.deleted_date().is_some() => Ok(Seen::Missing),
            Ok(answer) => {
                let any = answer.version_ids_to_stages().is_some_and(|all| !all.is_empty());
                Ok(if any { Seen::Value } else { Seen::Empty })
            }
            Err(error) => match error.code() {
                Some("AccessDeniedException") => Ok(Seen::Denied),
                Some("ResourceNotFoundException") => Ok(Seen::Missing),
                _ => Err(explain("the secret cannot be described", &error)),
            },
        }
    }

    /// A secret's name, date and version.
    pub async fn about(&self, arn: &str) -> Result<About> {
        let request = self.0.describe_secret().secret_id(arn);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the secret cannot be described", &error))?;
        let current = |stages: &Vec<String>| stages.iter().any(|stage| stage == "AWSCURRENT");
        let version = answer
            .version_ids_to_stages()
            .and_then(|all| all.iter().find(|(_, stages)| current(stages)))
            .map(|(id, _)| id.clone());
        let changed = answer.last_changed_date().and_then(|date| date.to_millis().ok());
        Ok(About {
            name: answer.name().unwrap_or(arn).to_owned(),
            changed_ms: changed.filter(|_| version.is_some()),
            version,
        })
    }
}
