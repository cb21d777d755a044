//! ECS tasks.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_ecs::{
    Client,
    types::{ContainerDefinition, ContainerOverride, DesiredStatus, KeyValuePair, TaskOverride},
};
use ralph_protocol::names::{CONTAINER, worker_env};

use super::explain;

/// Finds and ends tasks.
#[derive(Clone)]
pub struct Tasks(Client);

/// What a task asks of the machine that runs it.
#[derive(Debug)]
pub struct TaskSpec {
    /// The task definition's environment with the task's overrides.
    pub environment: BTreeMap<String, String>,
    /// Variable to secret ARN.
    pub secrets: BTreeMap<String, String>,
    pub log_group: String,
    pub log_prefix: String,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_timeout: u64,
}

impl Tasks {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// ARNs of the tasks that are meant to run.
    pub async fn running(&self, cluster: &str) -> Result<Vec<String>> {
        let request = self.0.list_tasks().cluster(cluster).desired_status(DesiredStatus::Running);
        let pages = request.into_paginator().items().send();
        pages
            .collect::<Result<Vec<String>, _>>()
            .await
            .map_err(|error| explain("tasks cannot be listed", &error))
    }

    /// ARNs of the running tasks of an execution: their runs begin with its ULID.
    pub async fn of_execution(&self, cluster: &str, ulid: ulid::Ulid) -> Result<Vec<String>> {
        let prefix = format!("{ulid}-");
        let mut found = Vec::new();
        for arns in self.running(cluster).await?.chunks(DESCRIBED_AT_ONCE) {
            let request = self.0.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec()));
            let answer =
                request.send().await.map_err(|error| explain("tasks cannot be read", &error))?;
            let ours = answer.tasks().iter().filter(|task| {
                run_of(task.overrides()).is_some_and(|run| run.starts_with(&prefix))
            });
            found.extend(ours.filter_map(|task| task.task_arn().map(str::to_owned)));
        }
        Ok(found)
    }

    /// Ends a task.
    pub async fn stop(&self, cluster: &str, task: &str, reason: &str) -> Result<()> {
        let request = self.0.stop_task().cluster(cluster).task(task).reason(reason);
        request.send().await.map_err(|error| explain("the task cannot be stopped", &error))?;
        Ok(())
    }

    /// What a task asks for: its definition with its overrides.
    pub async fn spec(&self, cluster: &str, task: &str) -> Result<TaskSpec> {
        let request = self.0.describe_tasks().cluster(cluster).tasks(task);
        let answer =
            request.send().await.map_err(|error| explain("the task cannot be read", &error))?;
        let task = answer.tasks().first().context("the task is gone")?;
        let definition = task.task_definition_arn().context("the task has no definition")?;
        let request = self.0.describe_task_definition().task_definition(definition);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the task definition cannot be read", &error))?;
        let definition = answer.task_definition().context("the task definition is gone")?;
        let container = definition
            .container_definitions()
            .iter()
            .find(|container| container.name() == Some(CONTAINER))
            .with_context(|| format!("the task definition has no container `{CONTAINER}`"))?;
        let overrides = task
            .overrides()
            .map(TaskOverride::container_overrides)
            .unwrap_or_default()
            .iter()
            .filter(|overrides| overrides.name() == Some(CONTAINER))
            .flat_map(ContainerOverride::environment);
        let mut environment = pairs(container.environment());
        environment.extend(pairs(overrides));
        spec(container, environment)
    }
}

/// Tasks that DescribeTasks takes at once.
const DESCRIBED_AT_ONCE: usize = 100;

/// The run that a task was started for.
fn run_of(overrides: Option<&TaskOverride>) -> Option<&str> {
    let environment = overrides?.container_overrides().iter().flat_map(|c| c.environment());
    environment.filter(|pair| pair.name() == Some(worker_env::RUN)).find_map(|pair| pair.value())
}

fn pairs<'a>(list: impl IntoIterator<Item = &'a KeyValuePair>) -> BTreeMap<String, String> {
    list.into_iter()
        .filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())))
        .collect()
}

fn spec(
    container: &ContainerDefinition,
    environment: BTreeMap<String, String>,
) -> Result<TaskSpec> {
    let options = container.log_configuration().and_then(|logs| logs.options());
    let option = |name: &str| {
        options
            .and_then(|options| options.get(name))
            .cloned()
            .with_context(|| format!("the container's log configuration has no `{name}`"))
    };
    Ok(TaskSpec {
        environment,
        secrets: container
            .secrets()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        log_group: option("awslogs-group")?,
        log_prefix: option("awslogs-stream-prefix")?,
        stop_timeout: container.stop_timeout().and_then(|secs| secs.try_into().ok()).unwrap_or(30),
    })
}
