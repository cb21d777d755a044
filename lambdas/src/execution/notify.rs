//! Who is told when an execution ends: a topic of SNS, once, with a text for a person.
//!
//! The text holds what we or ECS say, and never what an agent says.

use ralph_protocol::{
    execution::{Next, Outcome, Output, Progress},
    link::{is_link, log_url},
    names::metric,
};
use serde_json::json;
use tokio::time::{Duration, Instant, timeout_at};

use super::Context;
use crate::{
    invocation::{Invocation, Metric},
    ports::{Clock, Told, Topic, Unavailable},
};

/// How long an execution's last step may wait for the mark and the topic.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may wait for the mark to be taken back.
const PATIENCE_AFTER: Duration = Duration::from_secs(2);
/// SNS takes less than 100 characters.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const MAX_SUBJECT: usize = 99;
/// Most characters of a reason.
const MAX_REASON: usize = 500;

/// Who is told, and what the text needs of the environment.
#[derive(Debug, Clone)]
pub struct Notices<N> {
    /// Where it is published.
    pub topic: N,
    /// The environment's name.
    pub environment: String,
    /// Where the lines of a run can be read: a template of [`log_url`].
    pub log_url: Option<String>,
}

/// Tells the topic of the end, if this is one and nobody was told yet. Whatever fails is logged: an
/// execution ends as it would without a topic.
pub(super) async fn tell<T: Told, C: Clock, N: Topic>(
    progress: &Progress,
    next: &Next,
    notices: Option<&Notices<N>>,
    context: &Context<'_, T, C>,
    invocation: Invocation<'_>,
) {
    let (Some(notices), Some(output)) = (notices, output(next)) else { return };
    if let Err(error) = once(progress, &output, notices, context, invocation).await {
        let fields = [
            ("workstream", json!(progress.order.workstream)),
            ("execution", json!(progress.execution)),
            ("problem", json!(error.to_string())),
        ];
        invocation.error("nobody was told about the end", &fields);
        let failed = Metric::count(metric::NOTIFICATIONS_FAILED, 1);
        invocation.metrics(context.clock.now_ms(), &[failed]);
    }
}

/// What a step says about the execution that it ends.
fn output(next: &Next) -> Option<Output> {
    match next {
        Next::Done { output } => Some(output.clone()),
        Next::Failed { cause, .. } => Output::parse(cause),
        Next::Run { .. } | Next::Wait { .. } => None,
    }
}

async fn once<T: Told, C: Clock, N: Topic>(
    progress: &Progress,
    output: &Output,
    notices: &Notices<N>,
    context: &Context<'_, T, C>,
    invocation: Invocation<'_>,
) -> Result<(), Unavailable> {
    // Time is left to take the mark back before the function is stopped.
    let patience = PATIENCE.min(invocation.remaining().saturating_sub(2 * PATIENCE_AFTER));
    let deadline = Instant::now() + patience;
    let expires_at = context.clock.now_secs() + context.retention_secs;
    let mark = context.table.mark_told(progress, expires_at);
    if !within(deadline, "dynamodb PutItem", mark).await? {
        return Ok(());
    }
    let subject = subject(output, &notices.environment);
    let text = text(output, &progress.execution, notices);
    let publish = notices.topic.publish(&subject, &text);
    let Err(error) = within(deadline, "sns Publish", publish).await else { return Ok(()) };
    // A call that Step Functions repeats tries again.
    let take_back = context.table.take_back_told(progress);
    let after = Instant::now() + PATIENCE_AFTER;
    within(after, "dynamodb DeleteItem", take_back).await.map_err(|second| Unavailable {
        call: error.call,
        problem: format!("{}; {second}", error.problem),
    })?;
    Err(error)
}

async fn within<V>(
    deadline: Instant,
    call: &'static str,
    work: impl Future<Output = Result<V, Unavailable>>,
) -> Result<V, Unavailable> {
    timeout_at(deadline, work)
        .await
        .unwrap_or_else(|_| Err(Unavailable { call, problem: "no answer in time".to_owned() }))
}

/// What a workstream did in the end.
const fn what(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "is complete",
        Outcome::Limit => "reached a limit",
        Outcome::Blocked => "is blocked",
        Outcome::Stopped => "was stopped",
        Outcome::Refused => "was refused",
        Outcome::Busy => "gave way to another execution",
        Outcome::CannotStart => "cannot start",
        Outcome::GaveUp => "gave up",
    }
}

/// A message's subject. Without the environment, which the text names as well, it always fits.
fn subject(output: &Output, environment: &str) -> String {
    let rest = format!("{} {}", output.workstream, what(output.outcome));
    let whole = format!("ralph {environment}: {rest}");
    if whole.len() > MAX_SUBJECT { format!("ralph: {rest}") } else { whole }
}

/// A message's text: a sentence, then a line for each thing that is known.
fn text<N>(output: &Output, execution: &str, notices: &Notices<N>) -> String {
    let workstream = &output.workstream;
    let link = notices.log_url.as_ref().and_then(|template| {
        Some(log_url(template, &workstream.parse().ok()?, output.run.as_ref()?))
    });
    let name = execution.rsplit(':').next().unwrap_or(execution);
    let lines = [
        ("Reason", Some(one_line(&output.reason)).filter(|reason| !reason.is_empty())),
        ("Exit", output.exit.map(|exit| exit.to_string())),
        ("Runs", Some(output.attempts.to_string())),
        ("Iterations", output.iterations.map(|number| number.to_string())),
        ("Cost", output.spent_usd.map(|usd| format!("${usd:.2}"))),
        ("Pull request", output.pull_request.clone().filter(|link| is_link(link))),
        ("Lines of the last run", link.filter(|link| is_link(link))),
        ("Execution", Some(name.to_owned())),
    ];
    let known = lines.into_iter().filter_map(|(what, value)| Some(format!("{what}: {}\n", value?)));
    let did = what(output.outcome);
    format!("Workstream {workstream} of environment {} {did}.\n\n", notices.environment)
        + &known.collect::<String>()
}

/// A reason on one line, without control characters, and not too long.
fn one_line(reason: &str) -> String {
    let plain: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
