//! `ralph wait`: until an execution is over; it ends with its worker's exit code.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use ralph_protocol::ids::Workstream;
use tokio::time::{Instant, sleep};

use crate::{
    args::WaitArgs,
    aws::{Aws, Execution, Executions, Look, Runs, Status},
    logs::exit::{code, exit_of, said},
    tools::{invocation::ralph_there, steps::say},
    watch::now_ms,
};

/// Time between the first two looks.
const FIRST: Duration = Duration::from_secs(2);
/// Longest time between two looks.
const LONGEST: Duration = Duration::from_secs(15);
/// How long the state machine may not know an execution that it was just asked to start.
const UNKNOWN: Duration = Duration::from_secs(30);
/// The exit code of a program that Ctrl-C ended, as shells count it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

pub async fn run(options: WaitArgs) -> Result<ExitCode> {
    let target = options.target.resolve().await?;
    let aws = Aws::connect(&target).await?;
    let (executions, runs) = (aws.executions(&target)?, aws.runs(&target)?);
    let workstream = &options.workstream;
    let execution = match &options.execution {
        Some(name) => executions.named(workstream, name).await?,
        None => newest(&executions, &runs, workstream).await?,
    };
    let Some(execution) = execution else {
        let named = options.execution.map(|name| format!(" named {name}")).unwrap_or_default();
        bail!(
            "{workstream} has no execution{named}\nhint: `{}` shows what ran, `{}` starts it",
            ralph_there("ps -a"),
            ralph_there(&format!("run {workstream} REPO"))
        );
    };
    until_over(&executions, &runs, execution).await
}

/// The execution that runs, or else the one that ran last.
async fn newest(
    executions: &Executions,
    runs: &Runs,
    workstream: &Workstream,
) -> Result<Option<Execution>> {
    let of = |all: Vec<Execution>| {
        all.into_iter().filter(|one| one.workstream == *workstream).max_by_key(|one| one.ulid)
    };
    if let Some(running) = of(executions.running().await?) {
        return Ok(Some(running));
    }
    let listed = runs.listed(workstream, now_ms()).await?;
    if let Some(ulid) = listed.and_then(|info| info.run.ulid().parse().ok())
        && let Some(found) = executions.find(workstream, ulid).await?
    {
        return Ok(Some(found));
    }
    // One from before there was a list.
    Ok(of(executions.newest().await?))
}

/// Waits until an execution is over, and says how it ended; its worker's exit code. Ctrl-C ends the
/// waiting alone.
pub async fn until_over(
    executions: &Executions,
    runs: &Runs,
    execution: Execution,
) -> Result<ExitCode> {
    tokio::select! {
        over = over(executions, execution.clone()) => {
            let execution = over?;
            say(&said(&execution));
            // An execution that was stopped says nothing; its last run may.
            let exit = match exit_of(&execution) {
                Some(exit) => Some(exit),
                None => {
                    let rows = runs.newest(&execution.workstream, execution.ulid).await?;
                    rows.first().and_then(|row| row.exit).and_then(|exit| u8::try_from(exit).ok())
                }
            };
            Ok(code(exit))
        }
        _ = tokio::signal::ctrl_c() => {
            let workstream = &execution.workstream;
            say(&format!(
                "{workstream} goes on (execution {}); `{}` waits for it again, `{}` ends it",
                execution.name(),
                ralph_there(&format!("wait {workstream}")),
                ralph_there(&format!("stop {workstream}"))
            ));
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// The execution at its end.
async fn over(executions: &Executions, execution: Execution) -> Result<Execution> {
    let (begun, mut pause, mut cut_off) = (Instant::now(), FIRST, false);
    loop {
        match executions.look(&execution).await? {
            Look::At(now) if now.status != Status::Running => return Ok(now),
            Look::At(_) => cut_off = false,
            Look::Gone if begun.elapsed() < UNKNOWN => {}
            Look::Gone => bail!(
                "the execution {} is gone\nhint: AWS keeps an execution for 90 days after its end",
                execution.name()
            ),
            Look::NotNow(error) => {
                if !cut_off {
                    say(&format!("note: {error:#}"));
                    say("note: the execution goes on meanwhile; asking again");
                }
                cut_off = true;
            }
        }
        sleep(pause).await;
        pause = longer(pause);
    }
}

/// Half as long again, up to the longest.
fn longer(pause: Duration) -> Duration {
    (pause + pause / 2).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_at_less_and_less_often_and_at_least_every_15_seconds() {
        let mut pauses = std::iter::successors(Some(FIRST), |pause| Some(longer(*pause)));
        let secs: Vec<_> = pauses.by_ref().take(7).map(|pause| pause.as_secs_f64()).collect();
        assert_eq!(secs, [2.0, 3.0, 4.5, 6.75, 10.125, 15.0, 15.0]);
    }
}
