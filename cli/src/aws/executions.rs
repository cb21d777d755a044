//! Executions of the state machine: each is one order to work on a workstream.

use anyhow::{Context, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_sfn::{
    Client,
    operation::{
        describe_execution::{DescribeExecutionError, DescribeExecutionOutput},
        list_executions::ListExecutionsError,
    },
    types::ExecutionStatus,
};
use ralph_protocol::{
    execution::{Order, Output, name, parse_name, ulid},
    ids::Workstream,
};
use serde_json::Value;
use ulid::Ulid;

use super::{
    explain::{explain, passes},
    table::Runs,
};

/// The executions of one state machine.
#[derive(Clone)]
pub struct Executions {
    client: Client,
    machine: String,
    runs: Runs,
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
    /// The text of its output or of its cause, in [`Executions::find`].
    end: Option<String>,
}

/// What a look at an execution has shown.
pub enum Look {
    /// Where it stands.
    At(Execution),
    /// There is none: it was never started, or AWS has forgotten it.
    Gone,
    /// The service could not answer now; the same question can be asked again.
    NotNow(anyhow::Error),
}

impl Execution {
    /// One that was just started.
    pub fn begun(arn: String, workstream: Workstream, ulid: Ulid) -> Self {
        Self { arn, workstream, ulid, status: Status::Running, end: None }
    }

    /// Its name within the state machine.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    /// Its output at its end.
    pub fn output(&self) -> Option<Output> {
        Output::parse(self.end.as_deref()?)
    }
}

/// Executions in a page: the most that the service gives.
const PAGE: i32 = 1_000;
/// How many ended executions are looked at: the service gives the newest first.
const ENDED: usize = 100;

impl Executions {
    pub(super) fn new(config: &SdkConfig, machine: &str, runs: Runs) -> Self {
        Self { client: Client::new(config), machine: machine.to_owned(), runs }
    }

    /// Starts one.
    pub async fn start(&self, ulid: Ulid, order: &Order) -> Result<String> {
        let request = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .name(name(&order.workstream, ulid))
            .input(serde_json::to_string(order)?);
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

    /// Looks at one again.
    pub async fn look(&self, execution: &Execution) -> Result<Look> {
        match self.client.describe_execution().execution_arn(&execution.arn).send().await {
            Ok(answer) => Ok(Look::At(Execution {
                status: status_of(&answer.status),
                end: end(answer),
                ..execution.clone()
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(Look::Gone)
            }
            Err(error) => {
                let passes = passes(&error);
                let error = explain("the execution cannot be read", &error);
                if passes { Ok(Look::NotNow(error)) } else { Err(error) }
            }
        }
    }

    /// The execution of a workstream with this name; `None` when there is none.
    ///
    /// # Errors
    /// It belongs to another workstream, or the service did not answer.
    pub async fn named(&self, workstream: &Workstream, name: &str) -> Result<Option<Execution>> {
        let arn = self.arn(name);
        let Some(answer) = self.describe(&arn).await? else { return Ok(None) };
        let order: Option<Value> =
            answer.input().and_then(|input| serde_json::from_str(input).ok());
        let of = order.as_ref().and_then(|order| order["workstream"].as_str());
        if let Some(other) = of.filter(|of| *of != workstream.as_str()) {
            bail!("the execution {name} belongs to the workstream {other}");
        }
        let started = answer.start_date().to_millis().ok().and_then(|ms| u64::try_from(ms).ok());
        let Ok(ulid) = ulid(workstream, &arn, started.unwrap_or(0)) else { return Ok(None) };
        let status = status_of(&answer.status);
        let workstream = workstream.clone();
        Ok(Some(Execution { arn, workstream, ulid, status, end: end(answer) }))
    }

    fn arn(&self, name: &str) -> String {
        let (machine, execution) = (":stateMachine:", ":execution:");
        format!("{}:{name}", self.machine.replacen(machine, execution, 1))
    }

    /// The names of those that run, also of those that have not begun; `None` where the machine is gone.
    pub async fn running_names(&self) -> Result<Option<Vec<String>>> {
        let request = self.client.list_executions().state_machine_arn(&self.machine);
        let request = request.status_filter(ExecutionStatus::Running);
        let items: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        match items {
            Ok(items) => Ok(Some(items.into_iter().map(|item| item.name).collect())),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(ListExecutionsError::is_state_machine_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(explain("executions cannot be listed", &error)),
        }
    }

    /// The newest, whether they run or not, newest first.
    pub async fn newest(&self) -> Result<Vec<Execution>> {
        self.list(None, ENDED).await
    }

    async fn list(&self, status: Option<ExecutionStatus>, most: usize) -> Result<Vec<Execution>> {
        let mut found = Vec::new();
        let request = self.client.list_executions().state_machine_arn(&self.machine);
        let page = i32::try_from(most).unwrap_or(PAGE).min(PAGE);
        let request = request.set_status_filter(status).max_results(page);
        let mut pages = request.into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| explain("executions cannot be listed", &error))?;
            let arn = item.execution_arn;
            found.extend(match parse_name(&item.name) {
                Some((workstream, ulid)) => {
                    let status = status_of(&item.status);
                    Some(Execution { arn, workstream, ulid, status, end: None })
                }
                None => self.with_another_name(arn).await?,
            });
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// An execution that the console or a schedule started: its order names the workstream. While it
    /// runs, its lease has its ULID; afterwards its output names its last run. `None` when it was
    /// refused, or has not begun yet.
    async fn with_another_name(&self, arn: String) -> Result<Option<Execution>> {
        let Some(answer) = self.describe(&arn).await? else { return Ok(None) };
        let order: Option<Value> =
            answer.input().and_then(|input| serde_json::from_str(input).ok());
        let workstream =
            order.as_ref().and_then(|order| order["workstream"].as_str()?.parse().ok());
        let Some(workstream) = workstream else { return Ok(None) };
        let status = status_of(&answer.status);
        let end = end(answer);
        let ulid = match self.runs.lease(&workstream).await? {
            Some((holder, ulid)) if holder == arn => Some(ulid),
            _ => end
                .as_deref()
                .and_then(Output::parse)
                .and_then(|output| output.run?.ulid().parse().ok()),
        };
        Ok(ulid.map(|ulid| Execution { arn, workstream, ulid, status, end }))
    }

    /// The execution of that workstream with that ULID; `None` when there is none.
    pub async fn find(&self, workstream: &Workstream, ulid: Ulid) -> Result<Option<Execution>> {
        let mut arn = self.arn(&name(workstream, ulid));
        let mut answer = self.describe(&arn).await?;
        if answer.is_none() {
            // It has another name: its runs tell.
            let rows = self.runs.newest(workstream, ulid).await?;
            let Some(other) = rows.into_iter().find_map(|row| row.execution) else {
                return Ok(None);
            };
            answer = self.describe(&other).await?;
            arn = other;
        }
        Ok(answer.map(|answer| Execution {
            arn,
            workstream: workstream.clone(),
            ulid,
            status: status_of(&answer.status),
            end: end(answer),
        }))
    }

    async fn describe(&self, arn: &str) -> Result<Option<DescribeExecutionOutput>> {
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(answer) => Ok(Some(answer)),
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
        let now = self.describe(&execution.arn).await?.context("the execution is gone")?;
        Ok(status_of(&now.status) == Status::Running)
    }

    /// Ends one at once.
    pub async fn stop(&self, execution: &Execution, cause: &str) -> Result<()> {
        let request = self.client.stop_execution().execution_arn(&execution.arn).cause(cause);
        request.send().await.map_err(|error| explain("the execution cannot be stopped", &error))?;
        Ok(())
    }
}

/// The text of an execution's output, or of its cause: the local cloud also gives a failed one an output.
fn end(answer: DescribeExecutionOutput) -> Option<String> {
    match answer.status {
        ExecutionStatus::Failed => answer.cause,
        _ => answer.output,
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
