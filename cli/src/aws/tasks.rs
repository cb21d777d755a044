//! ECS tasks.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_ecs::{
    Client,
    operation::list_tasks::ListTasksError,
    types::{
        ContainerDefinition, ContainerOverride, ContainerStateChange, DesiredStatus, KeyValuePair,
        Task, TaskOverride,
    },
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
    /// The image's name.
    pub image: String,
    /// The program that is started, with its arguments; empty: the image's own.
    pub entry_point: Vec<String>,
    /// User and group.
    pub user: String,
    /// Whether only volumes can be written.
    pub read_only_root: bool,
    /// `ALL`, or the names of capabilities.
    pub dropped_capabilities: Vec<String>,
    /// The task's: its definition's, or what it was started with.
    pub memory_mib: Option<u32>,
    /// Its volumes.
    pub mounts: Vec<Mount>,
}

/// A volume in a container.
#[derive(Debug)]
pub struct Mount {
    /// Where the container has it.
    pub path: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

impl Tasks {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// ARNs of the tasks that are meant to run.
    pub async fn running(&self, cluster: &str) -> Result<Vec<String>> {
        self.list(cluster, DesiredStatus::Running).await
    }

    /// ARNs of a cluster's tasks that have not ended, also of those that are ending: they keep their
    /// cluster and their addresses. None where there is no such cluster.
    pub async fn not_ended(&self, cluster: &str) -> Result<Vec<String>> {
        let mut all = self.list(cluster, DesiredStatus::Running).await?;
        all.extend(self.list(cluster, DesiredStatus::Stopped).await?);
        let found = self.describe(cluster, &all).await?;
        let found = found.iter().filter(|task| task.last_status() != Some("STOPPED"));
        Ok(found.filter_map(|task| task.task_arn().map(str::to_owned)).collect())
    }

    async fn list(&self, cluster: &str, desired: DesiredStatus) -> Result<Vec<String>> {
        let request = self.0.list_tasks().cluster(cluster).desired_status(desired);
        let found: Result<Vec<String>, _> = request.into_paginator().items().send().collect().await;
        match found {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(ListTasksError::is_cluster_not_found_exception) =>
            {
                Ok(Vec::new())
            }
            found => found.map_err(|error| explain("tasks cannot be listed", &error)),
        }
    }

    async fn describe(&self, cluster: &str, tasks: &[String]) -> Result<Vec<Task>> {
        let mut found = Vec::new();
        for arns in tasks.chunks(DESCRIBED_AT_ONCE) {
            let request = self.0.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec()));
            let answer = request.send().await;
            let answer = answer.map_err(|error| explain("tasks cannot be read", &error))?;
            found.extend(answer.tasks.unwrap_or_default());
        }
        Ok(found)
    }

    /// ARNs of the running tasks of an execution: their runs begin with its ULID.
    pub async fn of_execution(&self, cluster: &str, ulid: ulid::Ulid) -> Result<Vec<String>> {
        let prefix = format!("{ulid}-");
        let all = self.describe(cluster, &self.running(cluster).await?).await?;
        let ours = all
            .iter()
            .filter(|task| run_of(task.overrides()).is_some_and(|run| run.starts_with(&prefix)));
        Ok(ours.filter_map(|task| task.task_arn().map(str::to_owned)).collect())
    }

    /// Ends a task.
    pub async fn stop(&self, cluster: &str, task: &str, reason: &str) -> Result<()> {
        let request = self.0.stop_task().cluster(cluster).task(task).reason(reason);
        request.send().await.map_err(|error| explain("the task cannot be stopped", &error))?;
        Ok(())
    }

    /// Reports that a task was taken up, as the agent on ECS's machines does.
    ///
    /// # Errors
    /// When it was stopped before.
    pub async fn taken(&self, cluster: &str, task: &str) -> Result<()> {
        let request = self.0.submit_task_state_change().cluster(cluster).task(task);
        request
            .status("RUNNING")
            .send()
            .await
            .map_err(|error| explain("the task cannot be taken up", &error))?;
        Ok(())
    }

    /// Reports that a task has ended, as the agent on ECS's machines does: with the container's exit
    /// code, or without one where none was started.
    pub async fn ended(
        &self,
        cluster: &str,
        task: &str,
        exit: Option<i32>,
        reason: &str,
    ) -> Result<()> {
        let mut request = self.0.submit_task_state_change();
        request = request.cluster(cluster).task(task).status("STOPPED").reason(reason);
        if exit.is_some() {
            let container = ContainerStateChange::builder().container_name(CONTAINER);
            request = request.containers(container.status("STOPPED").set_exit_code(exit).build());
        }
        request.send().await.map_err(|error| explain("a task's end cannot be reported", &error))?;
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
        spec(container, environment, memory_mib(task.overrides(), definition.memory()))
    }
}

/// Tasks that DescribeTasks takes at once.
const DESCRIBED_AT_ONCE: usize = 100;

/// The run that a task was started for.
fn run_of(overrides: Option<&TaskOverride>) -> Option<&str> {
    let environment = overrides?.container_overrides().iter().flat_map(|c| c.environment());
    environment.filter(|pair| pair.name() == Some(worker_env::RUN)).find_map(|pair| pair.value())
}

/// A task's memory, MiB: what it was started with, or its definition's.
fn memory_mib(overrides: Option<&TaskOverride>, definition: Option<&str>) -> Option<u32> {
    overrides.and_then(TaskOverride::memory).or(definition)?.parse().ok()
}

fn pairs<'a>(list: impl IntoIterator<Item = &'a KeyValuePair>) -> BTreeMap<String, String> {
    list.into_iter()
        .filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())))
        .collect()
}

fn spec(
    container: &ContainerDefinition,
    environment: BTreeMap<String, String>,
    memory_mib: Option<u32>,
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
        image: container.image().context("the container has no image")?.to_owned(),
        entry_point: container.entry_point().to_vec(),
        user: container.user().context("the container has no user")?.to_owned(),
        read_only_root: container.readonly_root_filesystem().unwrap_or_default(),
        dropped_capabilities: container
            .linux_parameters()
            .and_then(|parameters| Some(parameters.capabilities()?.drop().to_vec()))
            .unwrap_or_default(),
        memory_mib,
        mounts: container
            .mount_points()
            .iter()
            .filter_map(|mount| {
                Some(Mount {
                    path: mount.container_path()?.to_owned(),
                    read_only: mount.read_only().unwrap_or_default(),
                })
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_the_memory_it_was_started_with_or_its_definitions() {
        let with = |memory: Option<&str>| {
            TaskOverride::builder().set_memory(memory.map(str::to_owned)).build()
        };
        for (overrides, definition, expected) in [
            (Some(with(Some("8192"))), Some("2048"), Some(8192)),
            (Some(with(None)), Some("2048"), Some(2048)),
            (None, Some("2048"), Some(2048)),
            (None, None, None),
        ] {
            assert_eq!(memory_mib(overrides.as_ref(), definition), expected, "{overrides:?}");
        }
    }

    #[test]
    fn a_container_is_started_as_its_definition_says() {
        let logs = aws_sdk_ecs::types::LogConfiguration::builder()
            .log_driver(aws_sdk_ecs::types::LogDriver::Awslogs)
            .options("awslogs-group", "group")
            .options("awslogs-stream-prefix", "worker")
            .build()
            .unwrap();
        let container = ContainerDefinition::builder()
            .image("registry/own:1")
            .user("10001:10001")
            .log_configuration(logs)
            .entry_point("/usr/local/bin/ralph-loop-cloud")
            .build();
        let found = spec(&container, BTreeMap::new(), Some(512)).unwrap();
        assert_eq!(found.entry_point, ["/usr/local/bin/ralph-loop-cloud"]);
        assert_eq!((found.image.as_str(), found.memory_mib), ("registry/own:1", Some(512)));
    }
}
