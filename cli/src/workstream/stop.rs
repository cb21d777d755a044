//! `ralph stop`: notes that the execution should stop, so that no run follows, and asks its task to
//! end, so that the worker commits and pushes what it has. Between two runs there is no task, and the
//! execution itself is stopped. `ralph destroy --stop` does so with everything that runs.

use std::{collections::BTreeSet, fmt, time::Duration};

use anyhow::{Result, bail};
use futures::future::try_join_all;
use ralph_protocol::names::{Resources, output};
use tokio::time::Instant;

use crate::{
    args::StopArgs,
    aws::{Aws, Execution, Executions, Runs, Tasks},
    target::Target,
    tools::{invocation::ralph_there, steps::say},
    watch::now_ms,
};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row without a task before the execution itself is stopped: a task that was just asked
/// for is listed a moment later.
const WITHOUT_TASK: u32 = 5;
/// How long everything may take: a worker has 120 s after its signal, and Fargate takes a task's
/// machine and address down after that.
const EVERYTHING: Duration = Duration::from_secs(10 * 60);

pub async fn run(options: StopArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    let stopping = Stopping::new(&Aws::connect(&target).await?, &target, "`ralph stop`")?;
    let workstream = &options.workstream;
    let running = stopping.executions.running().await?;
    let ours: Vec<_> = running.iter().filter(|one| one.workstream == *workstream).collect();
    if ours.is_empty() {
        bail!("{workstream} does not run\nhint: `{}` shows what runs", ralph_there("ps"));
    }
    let wait = Duration::from_secs(options.wait);
    for execution in ours {
        stopping.one(execution, Instant::now() + wait).await?;
    }
    say(&format!("{workstream} is stopped"));
    Ok(())
}

/// Stops executions of an environment.
pub struct Stopping {
    executions: Executions,
    runs: Runs,
    tasks: Tasks,
    cluster: String,
    reason: String,
}

impl Stopping {
    /// `who` stops them is what their history says.
    pub fn new(aws: &Aws, target: &Target, who: &str) -> Result<Self> {
        Ok(Self {
            executions: aws.executions(target)?,
            runs: aws.runs(target)?,
            tasks: aws.tasks(),
            cluster: target.text(output::CLUSTER)?.to_owned(),
            reason: format!("stopped with {who}"),
        })
    }

    /// Asks one execution to stop, and waits until it has.
    pub async fn one(&self, execution: &Execution, deadline: Instant) -> Result<()> {
        let Self { executions, runs, tasks, cluster, reason } = self;
        let workstream = &execution.workstream;
        let begun = Instant::now();
        // First, because the task may end before it is asked to, for another reason.
        runs.request_stop(workstream, &execution.arn, now_ms()).await?;
        let (mut asked, mut without) = (BTreeSet::new(), 0);
        while executions.is_running(execution).await? {
            let found = tasks.of_execution(cluster, execution.ulid).await?;
            without = if found.is_empty() { without + 1 } else { 0 };
            for task in found {
                if asked.insert(task.clone()) {
                    tasks.stop(cluster, &task, reason).await?;
                    say(&format!(
                        "{workstream}: the task is asked to end; the worker commits and pushes what it has"
                    ));
                }
            }
            if without == WITHOUT_TASK && asked.is_empty() {
                executions.stop(execution, reason).await?;
                say(&format!("{workstream}: there is no task; the execution is stopped"));
                let told = runs.list_as_stopped(workstream, execution.ulid, reason, now_ms());
                // It is stopped, whatever the list shows: that is for display.
                if let Err(error) = told.await {
                    say(&format!("note: {error:#}"));
                }
            }
            if Instant::now() >= deadline {
                bail!(
                    "{workstream} has not stopped within {} s\nhint: it is asked to; `{}` shows whether it did",
                    begun.elapsed().as_secs(),
                    ralph_there("ps")
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        // A task that the state machine asked for at the very moment it was stopped.
        for task in tasks.of_execution(cluster, execution.ulid).await? {
            tasks.stop(cluster, &task, reason).await?;
        }
        Ok(())
    }
}

/// Stops every execution and every task of an environment, and waits until nothing is left of them: a
/// cluster with a task and a network with a task's address cannot be removed.
pub async fn everything(aws: &Aws, target: &Target, who: &str) -> Result<()> {
    let (deadline, mut asked) = (Instant::now() + EVERYTHING, BTreeSet::new());
    loop {
        let left = Running::of(aws, target).await?;
        if left.is_empty() {
            return Ok(());
        }
        if !left.executions.is_empty() {
            let stopping = Stopping::new(aws, target, who)?;
            // One that has not begun yet is found here after a moment, or refused.
            let running = stopping.executions.running().await?;
            try_join_all(running.iter().map(|one| stopping.one(one, deadline))).await?;
        }
        for task in &left.tasks {
            if asked.insert(task.clone()) {
                aws.tasks().stop(&left.cluster, task, &format!("stopped with {who}")).await?;
            }
        }
        if Instant::now() >= deadline {
            bail!(
                "after {} s there are still {left}\nhint: all are asked to end; try again in a minute",
                EVERYTHING.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What runs in an environment.
pub struct Running {
    cluster: String,
    /// Names, also of executions that have not begun yet.
    executions: Vec<String>,
    /// ARNs, also of tasks that are ending.
    tasks: Vec<String>,
}

impl Running {
    /// Looks. What has no outputs, or no machine, was not applied or is half destroyed: then only its
    /// tasks can be found, by the name of its cluster.
    pub async fn of(aws: &Aws, target: &Target) -> Result<Self> {
        let executions = match target.outputs.contains_key(output::STATE_MACHINE_ARN) {
            true => aws.executions(target)?.running_names().await?.unwrap_or_default(),
            false => Vec::new(),
        };
        let cluster = Resources::new(&target.environment).cluster();
        let tasks = aws.tasks().not_ended(&cluster).await?;
        Ok(Self { cluster, executions, tasks })
    }

    pub fn is_empty(&self) -> bool {
        self.executions.is_empty() && self.tasks.is_empty()
    }
}

/// Executions by their names; tasks by their ids where there is no execution.
impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, names) = match self.executions.is_empty() {
            true => ("tasks", &self.tasks),
            false => ("executions", &self.executions),
        };
        let short: Vec<_> =
            names.iter().map(|name| name.rsplit('/').next().unwrap_or(name)).collect();
        write!(f, "{kind}: {}", short.join(", "))
    }
}
