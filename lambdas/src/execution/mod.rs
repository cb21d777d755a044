//! What carries an execution: [`admit`](admit()) lets it begin, [`decide`](decide()) says after each
//! run and each wait what follows. The state machine does what they answer and decides nothing.
//!
//! The answer itself is a pure function of what is known and the time ([`decision`]). A handler
//! stores it under the execution and the step before it acts on it, and Step Functions can repeat a
//! call: whoever comes later finds the answer that stands and does the same once more, which changes
//! nothing.

mod admit;
mod decide;
pub mod decision;
mod listed;
mod notify;
mod settlement;
mod tail;

use ralph_protocol::execution::{Next, Output, Progress, Step, StepError, Used};
use serde_json::json;

use self::listed::listed;
pub use self::{
    admit::{Defaults, admit},
    decide::decide,
    notify::Notices,
};
use crate::{
    invocation::Invocation,
    listing,
    ports::{Clock, Executions, LogsError, Unavailable},
};

/// What the handlers work with.
pub struct Context<'a, T, C> {
    /// The table.
    pub table: &'a T,
    /// The time.
    pub clock: &'a C,
    /// How long the rows of runs and steps live: as long as the lines, seconds.
    pub retention_secs: u64,
}

/// Why a call fails. Step Functions repeats it.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// A service did not work.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The end of a run's log stream cannot be read.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// The state machine handed over something other than a step.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The state machine called `decide` after the end.
    #[error("the execution is over, nothing follows")]
    Over,
}

/// The answer of a step: the one that stands, or else a new one, which then stands.
async fn keep<T: Executions, C: Clock>(
    progress: &Progress,
    new: Next,
    context: &Context<'_, T, C>,
) -> Result<Next, ExecutionError> {
    let step = Step::new(new);
    let text = serde_json::to_string(&step).map_err(StepError::from)?;
    let expires_at = context.clock.now_secs() + context.retention_secs;
    let stands = context.table.keep_answer(progress, &text, expires_at).await?;
    if stands == text { Ok(step.next) } else { Ok(Step::read(&stands)?.next) }
}

/// The answer that a call before this one has stored.
async fn answered<T: Executions>(
    table: &T,
    progress: &Progress,
) -> Result<Option<Next>, ExecutionError> {
    let text = table.answer(progress).await?;
    Ok(text.map(|text| Step::read(&text)).transpose()?.map(|step| step.next))
}

/// What the execution has cost by an answer, US dollars; `None` when it is not known yet: the newest run
/// is not settled, or version 1 began the execution.
fn spent(next: &Next) -> Option<f64> {
    match next {
        Next::Wait { progress, .. } if progress.ending.is_some() => None,
        Next::Run { progress, .. } | Next::Wait { progress, .. } => progress.used().map(Used::usd),
        Next::Done { output } => output.spent_usd,
        Next::Failed { cause, .. } => Output::parse(cause)?.spent_usd,
    }
}

/// Does what an answer asks for in the table. Doing it again changes nothing.
async fn carry_out<T: Executions, C: Clock>(
    progress: &Progress,
    next: &Next,
    context: &Context<'_, T, C>,
    invocation: Invocation<'_>,
) -> Result<(), ExecutionError> {
    let workstream = &progress.order.workstream;
    let (word, run) = match next {
        Next::Run { progress, .. } => {
            let run = progress.run().ok().flatten();
            if let Some(run) = &run {
                let now = context.clock.now_ms();
                let expires_at = now / 1000 + context.retention_secs;
                context.table.begin_run(progress, run, now, expires_at).await?;
            }
            ("run", run)
        }
        Next::Wait { .. } => ("wait", None),
        Next::Done { output } => {
            context.table.release_lease(workstream, &progress.execution).await?;
            (output.outcome.as_str(), output.run.clone())
        }
        Next::Failed { error, .. } => {
            context.table.release_lease(workstream, &progress.execution).await?;
            (error.as_str(), progress.run().ok().flatten())
        }
    };
    let now = context.clock.now_ms();
    if let Some(info) = listed(progress, next, now) {
        let expires_at = now / 1000 + context.retention_secs;
        listing::tell(context.table, &info, expires_at, invocation).await;
    }
    let fields = [
        ("workstream", json!(workstream)),
        ("execution", json!(progress.execution)),
        ("step", json!(progress.step)),
        ("next", json!(word)),
        ("run", json!(run)),
        ("spentUsd", json!(spent(next))),
    ];
    invocation.info("decided", &fields);
    Ok(())
}
