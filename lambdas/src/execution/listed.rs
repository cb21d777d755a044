//! What an answer says about its workstream, for the list of workstreams.

use ralph_protocol::{
    execution::{Next, Output, Progress, WaitFor},
    ids::Run,
    index::{WorkstreamInfo, WorkstreamState},
};

use super::spent;
use crate::runs::clip;

/// Where the workstream stands by an answer; `None` when no run was begun, or another execution has the
/// workstream. `now` is in ms since the epoch.
pub(super) fn listed(progress: &Progress, next: &Next, now: u64) -> Option<WorkstreamInfo> {
    let of = |run: Option<Run>, state| {
        let workstream = progress.order.workstream.clone();
        Some(WorkstreamInfo {
            execution: progress.execution.rsplit(':').next().map(str::to_owned),
            spent_usd: spent(next),
            ..WorkstreamInfo::new(workstream, run?, state, now)
        })
    };
    match next {
        Next::Run { progress, .. } => Some(WorkstreamInfo {
            pull_request: progress.pull_request.clone(),
            ..of(progress.run().ok().flatten(), WorkstreamState::Starting)?
        }),
        Next::Wait { progress, seconds } => {
            let (state, wait_until) = match progress.waiting_for {
                // Seconds, for last lines.
                Some(WaitFor::Settlement | WaitFor::LastLines) => (WorkstreamState::Ending, None),
                _ => (WorkstreamState::Waiting, Some(now + seconds * 1000)),
            };
            let (exit, reason) = match &progress.ending {
                Some(ending) => (ending.end.exit, ending.end.reason.as_str()),
                None => (progress.exit, progress.reason.as_str()),
            };
            Some(WorkstreamInfo {
                wait_until,
                exit,
                reason: said(reason),
                pull_request: progress.pull_request.clone(),
                ..of(progress.run().ok().flatten(), state)?
            })
        }
        Next::Done { output } => over(output, of),
        Next::Failed { cause, .. } => over(&Output::parse(cause)?, of),
    }
}

fn over(
    output: &Output,
    of: impl FnOnce(Option<Run>, WorkstreamState) -> Option<WorkstreamInfo>,
) -> Option<WorkstreamInfo> {
    let state = WorkstreamState::of(output.outcome)?;
    Some(WorkstreamInfo {
        exit: output.exit,
        reason: said(&output.reason),
        pull_request: output.pull_request.clone(),
        ..of(output.run.clone(), state)?
    })
}

fn said(reason: &str) -> Option<String> {
    (!reason.is_empty()).then(|| clip(reason))
}
