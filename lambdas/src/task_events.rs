//! ECS task state changes: which log stream is which run, and ends that no line tells of.
//!
//! A run that dies before its first line (its image cannot be pulled, a secret has no value, memory
//! runs out) writes nothing; ECS's event is all there is. The event's form:
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

use ralph_protocol::{
    execution::explained,
    exit::RunExit,
    ids::{Run, Workstream},
    message::ServerMessage,
    names::{CONTAINER, log_stream, metric, worker_env},
    table::RunState,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    fanout::fan_out,
    frame,
    invocation::{Invocation, Metric},
    listing,
    ports::{Clock, Post, RunUpdate, StreamOwner, Table, Unavailable},
    runs::{clip, workstream_info},
};

/// What the handler works with.
pub struct Context<'a, T, P, C> {
    /// The table.
    pub table: &'a T,
    /// Where frames go.
    pub post: &'a P,
    /// The time.
    pub clock: &'a C,
    /// How long run and stream rows live, seconds.
    pub retention_secs: u64,
}

/// The fields of an event that are read.
#[derive(Debug, Deserialize)]
struct Event {
    detail: Task,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_arn: String,
    last_status: String,
    #[serde(default)]
    stop_code: Option<String>,
    #[serde(default)]
    stopped_reason: Option<String>,
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    overrides: Overrides,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    exit_code: Option<i64>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    #[serde(default)]
    container_overrides: Vec<ContainerOverride>,
}

#[derive(Debug, Deserialize)]
struct ContainerOverride {
    #[serde(default)]
    name: String,
    #[serde(default)]
    environment: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

impl Task {
    /// Whose task it is, as its overrides say. `None`: a task that nobody started for a run.
    fn owner(&self) -> Option<StreamOwner> {
        let worker = |container: &&ContainerOverride| container.name == CONTAINER;
        let variables = &self.overrides.container_overrides.iter().find(worker)?.environment;
        let value = |name: &str| {
            variables.iter().find(|variable| variable.name == name).map(|found| &*found.value)
        };
        let workstream: Workstream = value(worker_env::WORKSTREAM)?.parse().ok()?;
        let run: Run = value(worker_env::RUN)?.parse().ok()?;
        Some(StreamOwner { workstream, run })
    }

    fn worker(&self) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == CONTAINER)
    }

    /// Why it stopped, if ECS says so.
    fn reason(&self) -> Option<String> {
        let stopped = self.stopped_reason.as_deref().filter(|text| !text.is_empty());
        let container = self.worker().and_then(|worker| worker.reason.as_deref());
        let killed = match self.worker().and_then(|worker| worker.exit_code) {
            Some(137) if container.is_none_or(str::is_empty) => {
                Some("killed (exit 137): the memory ran out, or the worker did not stop in time")
            }
            _ => None,
        };
        let parts = [stopped, container.filter(|text| !text.is_empty()), killed];
        let said: Vec<&str> = parts.into_iter().flatten().collect();
        let image = self.worker().and_then(|worker| worker.image.as_deref()).unwrap_or_default();
        (!said.is_empty()).then(|| clip(&explained(&said.join(": "), image)))
    }

    /// What the task's state means for its run. One of the worker's own exit codes means the same as
    /// in the worker's last line, whichever of the two arrives first.
    fn update(&self, stream: &str, expires_at: u64) -> RunUpdate {
        let exit = self.worker().and_then(|worker| worker.exit_code);
        let own = exit.and_then(RunExit::from_code);
        let (state, reason) = match (self.last_status == "STOPPED", own) {
            (false, _) => (RunState::Starting, None),
            (true, Some(RunExit::Waiting)) => (RunState::Waiting, None),
            (true, Some(_)) => (RunState::Ended, None),
            (true, None) => (RunState::Failed, self.reason().or_else(|| self.stop_code.clone())),
        };
        RunUpdate {
            stream: Some(stream.to_owned()),
            last_seq: 0,
            last_ts: 0,
            state,
            reason,
            exit: exit.filter(|_| state.is_over()),
            spent_usd: None,
            wait_until: None,
            pull_request: None,
            expires_at,
        }
    }
}

/// What one event came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that could not be read: dropped.
    pub unreadable: usize,
    /// Tasks of no run: dropped.
    pub unrouted: usize,
    /// Tasks whose stream belongs to another run: dropped.
    pub foreign: usize,
    /// Connections that follow.
    pub followers: usize,
    /// Frames delivered to connections.
    pub posts: usize,
    /// Connections that are gone.
    pub gone: usize,
    /// Connections that did not get the frame.
    pub failed: usize,
}

/// Handles a task's state change. Events come twice and out of order: the row's state never goes
/// back, and a stream's first record stands.
///
/// # Errors
/// [`Unavailable`]: the table did not work; Lambda invokes again. A frame that was not delivered
/// does not count: the row tells the client the next time it asks.
pub async fn task_events<T: Table, P: Post, C: Clock>(
    event: &str,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
) -> Result<Counts, Unavailable> {
    let mut counts = Counts::default();
    let result = serve(event, context, invocation, &mut counts).await;
    let metrics = [
        Metric::count(metric::DROPPED, counts.unreadable + counts.unrouted),
        Metric::count(metric::FAILED, counts.failed),
        Metric::count(metric::FOREIGN, counts.foreign),
        Metric::count(metric::GONE, counts.gone),
        Metric::count(metric::POSTS, counts.posts),
    ];
    invocation.metrics(context.clock.now_ms(), &metrics);
    result.map(|()| counts)
}

async fn serve<T: Table, P: Post, C: Clock>(
    event: &str,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
    counts: &mut Counts,
) -> Result<(), Unavailable> {
    let task = match serde_json::from_str::<Event>(event) {
        Ok(event) => event.detail,
        Err(error) => {
            counts.unreadable = 1;
            invocation.error("event refused", &[("reason", json!(error.to_string()))]);
            return Ok(());
        }
    };
    let id = task.task_arn.rsplit('/').next().unwrap_or_default();
    let Some(owner) = task.owner() else {
        counts.unrouted = 1;
        invocation.info("a task of no run", &[("task", json!(id))]);
        return Ok(());
    };
    let stream = log_stream(id);
    let now = context.clock.now_secs();
    let expires_at = now + context.retention_secs;
    let first = context.table.claim_stream(&stream, &owner, now, expires_at).await?;
    if first != owner {
        counts.foreign = 1;
        invocation.error("the stream belongs to another run", &[("task", json!(id))]);
        return Ok(());
    }
    let StreamOwner { workstream, run } = owner;
    let update = task.update(&stream, expires_at);
    context.table.record_task(&workstream, &run, &update).await?;
    // Of a beginning, `admit` and `decide` have told.
    if update.state.is_over() {
        let info = workstream_info(&workstream, &run, &update, context.clock.now_ms());
        listing::tell(context.table, &info, expires_at, invocation).await;
    }
    let frame = frame::message(&ServerMessage::Task {
        workstream: workstream.clone(),
        run: run.clone(),
        status: task.last_status.clone(),
        stop_code: task.stop_code.clone(),
        reason: task.reason(),
    });
    let followers = context.table.followers(&workstream, now).await?;
    counts.followers = followers.len();
    let parts = (context.table, context.post, context.clock);
    let out = fan_out(&workstream, &[frame], followers, parts, invocation).await;
    (counts.posts, counts.gone, counts.failed) = (out.posts, out.gone, out.failed);
    let fields = [
        ("workstream", json!(workstream)),
        ("run", json!(run)),
        ("task", json!(id)),
        ("status", json!(task.last_status)),
        ("stopCode", json!(task.stop_code)),
        ("posts", json!(counts.posts)),
        ("failed", json!(counts.failed)),
    ];
    invocation.info("task changed", &fields);
    Ok(())
}
