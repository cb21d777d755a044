//! The beginning of an execution: its order is checked, and it takes its workstream's lease.

use ralph_protocol::{
    event::timestamp_ms,
    execution::{Admission, Next, Order, Outcome, Output, Progress, Step, ulid},
    ids::Workstream,
};
use serde_json::json;

use super::{Context, ExecutionError, answered, carry_out, decision, keep};
use crate::{
    invocation::Invocation,
    ports::{Clock, Executions, Lease, Machine},
};

/// How often the lease is asked for when its holder lets it go in that very moment.
const LEASE_TRIES: u32 = 3;
/// How far ahead of the clock the time in an execution's name may be, ms.
const AHEAD_MS: u64 = 3_600_000;
/// Seconds that a lease outlives the deadline.
const LEASE_GRACE_SECS: u64 = 3_600;

/// The environment's values for every order, from `ralph.toml`.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// How long an execution may take whose order names no limit, seconds.
    pub max_duration_secs: u64,
    /// Whether a `file://` repository is accepted.
    pub file_repositories: bool,
}

/// Lets an execution begin, or refuses it. Nothing is started and nothing is written for an order
/// that is refused.
///
/// # Errors
/// [`ExecutionError`]: a service did not work; Step Functions calls again.
pub async fn admit<T: Executions, C: Clock>(
    admission: &Admission,
    defaults: Defaults,
    machine: &impl Machine,
    context: &Context<'_, T, C>,
    invocation: Invocation<'_>,
) -> Result<Step, ExecutionError> {
    let now = context.clock.now_ms();
    let progress = match read(admission, defaults, now) {
        Ok(progress) => progress,
        Err(reason) => {
            let fields =
                [("execution", json!(admission.execution)), ("reason", json!(reason.clone()))];
            invocation.warn("order refused", &fields);
            return Ok(Step::new(refused(Outcome::Refused, &workstream(&admission.order), reason)));
        }
    };
    if let Some(next) = answered(context.table, &progress).await? {
        carry_out(&progress, &next, context, invocation).await?;
        return Ok(Step::new(next));
    }
    if let Err(holder) = take_lease(&progress, machine, context).await? {
        let reason = format!(
            "another execution works on this workstream: {holder}\nhint: wait for its end, or stop it with `ralph stop`"
        );
        invocation.warn("workstream is busy", &[("holder", json!(holder))]);
        let workstream = progress.order.workstream.as_str();
        return Ok(Step::new(refused(Outcome::Busy, workstream, reason)));
    }
    let next = keep(&progress, decision::begin(progress.clone(), now), context).await?;
    carry_out(&progress, &next, context, invocation).await?;
    Ok(Step::new(next))
}

/// The workstream that an order names, if it is one: a refused order may hold anything.
fn workstream(order: &serde_json::Value) -> String {
    let named = order["workstream"].as_str().and_then(|text| text.parse::<Workstream>().ok());
    named.map(String::from).unwrap_or_default()
}

/// Everything about the order that can be known without a service; else why it is refused.
fn read(admission: &Admission, defaults: Defaults, now: u64) -> Result<Progress, String> {
    let order = Order::read(&admission.order, defaults.file_repositories).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })?;
    let started = timestamp_ms(&admission.started_at).unwrap_or(now);
    let ulid = ulid(&order.workstream, &admission.execution, started).map_err(|other| {
        format!(
            "the execution's name belongs to workstream {other}, its order to {}\nhint: `ralph run` makes names that fit; any other name will do as well",
            order.workstream
        )
    })?;
    if ulid.timestamp_ms() > now + AHEAD_MS {
        return Err("the time in the execution's name is more than an hour ahead\nhint: check the clock of the machine that made it".to_owned());
    }
    let duration = order.limits.max_duration_secs.unwrap_or(defaults.max_duration_secs);
    let deadline = ulid.timestamp_ms().saturating_add(duration.saturating_mul(1000));
    Ok(Progress::new(admission.execution.clone(), order, ulid, deadline))
}

/// Takes the lease, or takes it over from an execution that no longer runs; else who holds it.
async fn take_lease<T: Executions, C: Clock>(
    progress: &Progress,
    machine: &impl Machine,
    context: &Context<'_, T, C>,
) -> Result<Result<(), String>, ExecutionError> {
    let (table, workstream) = (context.table, &progress.order.workstream);
    let lease = Lease {
        execution: progress.execution.clone(),
        ulid: progress.ulid,
        expires_at: progress.deadline / 1000 + LEASE_GRACE_SECS,
    };
    for _ in 0..LEASE_TRIES {
        if table.take_lease(workstream, &lease, context.clock.now_secs()).await? {
            return Ok(Ok(()));
        }
        // The holder may have let go in between: then the lease is asked for again.
        let Some(holder) = table.lease_holder(workstream).await? else { continue };
        if machine.is_running(&holder).await? {
            return Ok(Err(holder));
        }
        // Only from the holder that was looked at: of two that look, one is faster.
        if table.take_over_lease(workstream, &lease, &holder).await? {
            return Ok(Ok(()));
        }
    }
    Ok(Err("one that is taking the lease right now".to_owned()))
}

fn refused(outcome: Outcome, workstream: &str, reason: String) -> Next {
    decision::over(Output {
        workstream: workstream.to_owned(),
        outcome,
        exit: None,
        reason,
        attempts: 0,
        run: None,
        spent_usd: Some(0.0),
        iterations: Some(0),
        pull_request: None,
    })
}
