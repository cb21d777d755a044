//! Executions of the state machine: each is one order to work on a workstream.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_sfn::{
    Client, operation::describe_execution::DescribeExecutionError, types::ExecutionStatus,
};
use ralph_protocol::{
    execution::{Input, Output, name, parse_name},
    ids::Workstream,
};
use ulid::Ulid;

use super::explain;

/// The executions of one state machine.
#[derive(Clone)]
pub struct Executions {
    client: Client,
    machine: String,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Running,
    /// It came to an end of its own.
    Succeeded,
    Failed,
    /// Somebody stopped it, or its own time limit did.
    Stopped,
}

/// An execution.
#[derive(Debug, Clone)]
pub struct Execution {
    pub arn: String,
    pub workstream: Workstream,
    /// All its runs share it.
    pub ulid: Ulid,
    pub status: Status,
    /// What it told at its end, in [`Executions::find`].
    told: Option<String>,
}

impl Execution {
    /// What it told at its end.
    pub fn output(&self) -> Option<Output> {
        Output::parse(self.told.as_deref()?)
    }
}

/// How many ended executions are looked at: the service gives the newest first.
const ENDED: usize = 100;

impl Executions {
    pub(super) fn new(config: &SdkConfig, machine: &str) -> Self {
        Self { client: Client::new(config), machine: machine.to_owned() }
    }

    /// Starts one.
    pub async fn start(&self, ulid: Ulid, input: &Input) -> Result<String> {
        let request = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .name(name(&input.workstream, ulid))
            .input(serde_json::to_string(input)?);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the execution cannot be started", &error))?;
        Ok(answer.execution_arn)
    }

    /// Those that run.
    pub async fn running(&self) -> Result<Vec<Execution>> {
        self.list(Some(ExecutionStatus::Running), usize::MAX).await
    }

    /// The newest, whether they run or not, newest first.
    pub async fn newest(&self) -> Result<Vec<Execution>> {
        self.list(None, ENDED).await
    }

    async fn list(&self, status: Option<ExecutionStatus>, most: usize) -> Result<Vec<Execution>> {
        let mut found = Vec::new();
        let request = self.client.list_executions().state_machine_arn(&self.machine);
        let request = request.set_status_filter(status);
        let mut pages = request.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| explain("executions cannot be listed", &error))?;
            // One that a person started under another name is not ours to speak of.
            let Some((workstream, ulid)) = parse_name(&item.name) else { continue };
            let status = status_of(&item.status);
            found.push(Execution { arn: item.execution_arn, workstream, ulid, status, told: None });
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// The execution of that workstream with that ULID; `None` when there is none.
    pub async fn find(&self, workstream: &Workstream, ulid: Ulid) -> Result<Option<Execution>> {
        let (machine, execution) = (":stateMachine:", ":execution:");
        let arn =
            format!("{}:{}", self.machine.replacen(machine, execution, 1), name(workstream, ulid));
        match self.client.describe_execution().execution_arn(&arn).send().await {
            Ok(answer) => Ok(Some(Execution {
                arn,
                workstream: workstream.clone(),
                ulid,
                status: status_of(&answer.status),
                told: answer.output.or(answer.cause),
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(explain("the execution cannot be read", &error)),
        }
    }

    /// Whether one still runs.
    pub async fn is_running(&self, execution: &Execution) -> Result<bool> {
        let now = self.find(&execution.workstream, execution.ulid).await?;
        Ok(now.context("the execution is gone")?.status == Status::Running)
    }

    /// Ends one at once.
    pub async fn stop(&self, execution: &Execution, cause: &str) -> Result<()> {
        let request = self.client.stop_execution().execution_arn(&execution.arn).cause(cause);
        request.send().await.map_err(|error| explain("the execution cannot be stopped", &error))?;
        Ok(())
    }
}

fn status_of(status: &ExecutionStatus) -> Status {
    match status {
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Status::Running,
        ExecutionStatus::Succeeded => Status::Succeeded,
        ExecutionStatus::Aborted | ExecutionStatus::TimedOut => Status::Stopped,
        _ => Status::Failed,
    }
}
