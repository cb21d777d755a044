//! `ralph stop`: notes that the execution should stop, so that no run follows, and asks its task to
//! end, so that the worker commits and pushes what it has. Between two runs there is no task, and the
//! execution itself is stopped.

use std::time::Duration;

use anyhow::{Result, bail};
use ralph_protocol::names::output;
use tokio::time::Instant;

use crate::{
    args::StopArgs,
    aws::Aws,
    tools::{invocation::ralph_there, steps::say},
    watch::now_ms,
};

const REASON: &str = "stopped with `ralph stop`";
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row without a task before the execution itself is stopped: a task that was just asked
/// for is listed a moment later.
const WITHOUT_TASK: u32 = 5;

pub async fn run(options: StopArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    let aws = Aws::connect(&target).await?;
    let (executions, runs, tasks) = (aws.executions(&target)?, aws.runs(&target)?, aws.tasks());
    let cluster = target.text(output::CLUSTER)?;
    let workstream = &options.workstream;
    let running = executions.running().await?;
    let ours: Vec<_> = running.iter().filter(|one| one.workstream == *workstream).collect();
    if ours.is_empty() {
        bail!("{workstream} does not run\nhint: `{}` shows what runs", ralph_there("ps"));
    }
    let deadline = Instant::now() + Duration::from_secs(options.wait);
    for execution in ours {
        // First, because the task may end before it is asked to, for another reason.
        runs.request_stop(workstream, &execution.arn, now_ms()).await?;
        let (mut asked, mut without) = (Vec::new(), 0);
        while executions.is_running(execution).await? {
            let found = tasks.of_execution(cluster, execution.ulid).await?;
            for task in
                found.iter().filter(|task| !asked.contains(*task)).cloned().collect::<Vec<_>>()
            {
                tasks.stop(cluster, &task, REASON).await?;
                say("the task is asked to end; the worker commits and pushes what it has");
                asked.push(task);
            }
            without = if found.is_empty() { without + 1 } else { 0 };
            if without == WITHOUT_TASK && asked.is_empty() {
                executions.stop(execution, REASON).await?;
                say("there is no task; the execution is stopped");
            }
            if Instant::now() >= deadline {
                bail!(
                    "{workstream} has not stopped within {} s\nhint: it is asked to; `{}` shows whether it did",
                    options.wait,
                    ralph_there("ps")
                );
            }
            tokio::time::sleep(LOOK).await;
        }
        // A task that the state machine asked for at the very moment it was stopped.
        for task in tasks.of_execution(cluster, execution.ulid).await? {
            tasks.stop(cluster, &task, REASON).await?;
        }
    }
    say(&format!("{workstream} is stopped"));
    Ok(())
}
