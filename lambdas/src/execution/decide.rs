//! What follows a run or a wait.

use ralph_protocol::{
    execution::{End, Next, Progress, Step, Tail, WaitFor},
    table::RunState,
};

use super::{
    Context, ExecutionError, Notices, answered, carry_out,
    decision::{self, Facts},
    keep, notify, spent, tail,
};
use crate::{
    invocation::Invocation,
    ports::{Clock, Executions, Logs, RunUpdate, StreamOwner, Table, Told, Topic},
    runs::clip,
};

/// Says what follows the step that the state machine hands back. Where an execution ends, `notices` is told.
///
/// # Errors
/// [`ExecutionError`]: a service did not work, or the step cannot be read; Step Functions calls
/// again.
pub async fn decide<T: Executions + Table + Told, C: Clock>(
    event: &str,
    logs: &impl Logs,
    notices: Option<&Notices<impl Topic>>,
    context: &Context<'_, T, C>,
    invocation: Invocation<'_>,
) -> Result<Step, ExecutionError> {
    let Step { next, ended, .. } = Step::read(event)?;
    let (mut progress, end) = match next {
        Next::Run { progress, .. } => (progress, Some(End::read(&ended.unwrap_or_default()))),
        Next::Wait { progress, .. } => (progress, None),
        Next::Done { .. } | Next::Failed { .. } => return Err(ExecutionError::Over),
    };
    progress.step += 1;
    let next = match answered(context.table, &progress).await? {
        Some(next) => next,
        None => {
            let (facts, link) = facts(&progress, end.as_ref(), logs, context).await?;
            let pull_request = link.or_else(|| progress.pull_request.clone());
            let known = Progress { pull_request, ..progress.clone() };
            let new = decision::decide(known, facts, context.clock.now_ms());
            keep(&progress, new, context).await?
        }
    };
    let ended = end.is_some();
    // Where RunTask made no task, no event tells of its end.
    if let Some(end) = end.filter(|end| !end.made && !end.timed_out)
        && let Ok(Some(run)) = progress.run()
    {
        let update = RunUpdate {
            stream: None,
            last_seq: 0,
            last_ts: 0,
            state: RunState::Failed,
            reason: Some(clip(&end.reason)),
            exit: None,
            spent_usd: None,
            wait_until: None,
            pull_request: None,
            expires_at: context.clock.now_secs() + context.retention_secs,
        };
        context.table.record_task(&progress.order.workstream, &run, &update).await?;
    }
    if (ended || progress.ending.is_some())
        && let (Some(usd), Ok(Some(run))) = (spent(&next), progress.run())
    {
        context.table.record_spent(&progress.order.workstream, &run, usd).await?;
    }
    carry_out(&progress, &next, context, invocation).await?;
    // Last: the workstream is free by now.
    notify::tell(&progress, &next, notices, context, invocation).await;
    Ok(Step::new(next))
}

/// What the decision follows from, and the link of the run's pull request.
async fn facts<'a, T: Executions + Table, C: Clock>(
    progress: &Progress,
    end: Option<&'a End>,
    logs: &impl Logs,
    context: &Context<'_, T, C>,
) -> Result<(Facts<'a>, Option<String>), ExecutionError> {
    let workstream = &progress.order.workstream;
    let stop_requested = context.table.stop_requested(workstream, &progress.execution).await?;
    let holder = context.table.lease_holder(workstream).await?;
    let taken_over = holder.is_some_and(|holder| holder != progress.execution);
    let (tail, link) = tail(progress, end, logs, context).await?;
    Ok((Facts { end, stop_requested, taken_over, tail }, link))
}

/// The end of the newest run's log stream, `None` when nothing there matters now or when no worker ran;
/// and the link of the run's pull request: as the end of the stream names it, or else as the run's row
/// does, because a worker may have named it long before its end.
async fn tail<T: Executions + Table, C: Clock>(
    progress: &Progress,
    end: Option<&End>,
    logs: &impl Logs,
    context: &Context<'_, T, C>,
) -> Result<(Option<Tail>, Option<String>), ExecutionError> {
    let end = end.or_else(|| progress.ending.as_ref().map(|ending| &ending.end));
    if end.is_none() && progress.waiting_for != Some(WaitFor::LastLines) {
        return Ok((None, None));
    }
    let Ok(Some(run)) = progress.run() else { return Ok((None, None)) };
    let workstream = progress.order.workstream.clone();
    let row = context.table.run(&workstream, &run, context.clock.now_secs()).await?;
    let (known, named) = row.map(|row| (row.stream, row.info.pull_request)).unwrap_or_default();
    let stream = match end {
        Some(end) if end.made => end.stream.clone(),
        // A description that did not come: task-events or push-logs may know of a task.
        _ => known,
    };
    let Some(stream) = stream else { return Ok((None, named)) };
    let (tail, link) = tail::read(logs, stream, &StreamOwner { workstream, run }).await?;
    Ok((Some(tail), link.or(named)))
}
