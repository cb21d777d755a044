//! The subscription filter's destination: new lines go to the connections that follow their
//! workstream.

use std::{cell::RefCell, collections::HashMap};

use ralph_protocol::{
    event::{Envelope, timestamp_text},
    ids::Workstream,
    message::Source,
    names::metric,
};
use serde_json::json;

use crate::{
    fanout::{FannedOut, fan_out},
    frame::Packer,
    invocation::{Invocation, Metric},
    line::{Line, count_parts, encode_event, encode_raw},
    listing,
    payload::{Batch, Delivery, MAX_INFLATED, PayloadError, inflate, time},
    ports::{Clock, Post, RunUpdate, StreamOwner, Table, Unavailable},
    runs::{Gathered, workstream_info},
};

/// Longest time between two writes of a workstream's row in the list while lines come, seconds.
const LISTED_SECS: u64 = 60;
/// Streams remembered with their owner.
const MAX_OWNERS: usize = 4_096;

/// What the handler works with.
pub struct Context<'a, T, P, C> {
    /// The table.
    pub table: &'a T,
    /// Where frames go.
    pub post: &'a P,
    /// The time.
    pub clock: &'a C,
    /// What outlives an invocation.
    pub memory: &'a Memory,
    /// How long run and stream rows live: as long as the lines, seconds.
    pub retention_secs: u64,
}

/// What outlives an invocation.
#[derive(Debug, Default)]
pub struct Memory {
    owners: RefCell<HashMap<String, StreamOwner>>,
    /// When a stream's lines were last written into the list of workstreams, seconds since the epoch.
    listed: RefCell<HashMap<String, u64>>,
}

/// What one delivery came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries of the payload.
    pub entries: usize,
    /// Events of the stream's run.
    pub events: usize,
    /// Raw lines that were delivered.
    pub raw: usize,
    /// Raw lines of a stream without an owner: not delivered.
    pub unrouted: usize,
    /// Events that name another workstream or run: dropped.
    pub foreign: usize,
    /// Entries that could not be read: dropped.
    pub unreadable: usize,
    /// Payloads that were refused as a whole.
    pub refused: usize,
    /// Frames packed.
    pub frames: usize,
    /// Bytes of these.
    pub bytes: usize,
    /// Connections that follow.
    pub followers: usize,
    /// Frames delivered to connections.
    pub posts: usize,
    /// Connections that are gone.
    pub gone: usize,
    /// Answers 429.
    pub throttled: usize,
    /// Tries beyond the first.
    pub retried: usize,
    /// Connections that did not get everything.
    pub failed: usize,
    /// Ms between the newest event's time and its first post.
    pub age_ms: u64,
}

impl Counts {
    fn add(&mut self, out: FannedOut) {
        self.posts += out.posts;
        self.retried += out.retried;
        self.throttled += out.throttled;
        self.gone += out.gone;
        self.failed += out.failed;
    }

    fn metrics(&self) -> [Metric; 11] {
        [
            Metric::bytes(metric::BYTES, self.bytes),
            Metric::count(metric::DROPPED, self.unrouted + self.unreadable + self.refused),
            Metric::count(metric::EVENTS, self.events + self.raw),
            Metric::count(metric::FAILED, self.failed),
            Metric::count(metric::FOREIGN, self.foreign),
            Metric::count(metric::FRAMES, self.frames),
            Metric::count(metric::GONE, self.gone),
            Metric::count(metric::POSTS, self.posts),
            Metric::count(metric::RETRIED, self.retried),
            Metric::count(metric::THROTTLED, self.throttled),
            Metric::ms(metric::DELIVERY_AGE, self.age_ms),
        ]
    }
}

/// The delivery failed as a whole; Lambda invokes again, twice, and then puts it into the failure
/// queue with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream}, lines of {from} to {to}: {cause}")]
pub struct PushFailure {
    /// Whose lines.
    pub stream: String,
    /// Time of the first line, RFC 3339.
    pub from: String,
    /// Time of the last line, RFC 3339.
    pub to: String,
    /// Why.
    #[source]
    pub cause: PushError,
}

impl PushFailure {
    fn new(batch: Batch, cause: PushError) -> Self {
        let times = batch.entries.iter().map(time);
        let text = |time: Option<u64>| timestamp_text(time.unwrap_or(0));
        let (from, to) = (text(times.clone().min()), text(times.max()));
        Self { stream: batch.log_stream, from, to, cause }
    }
}

/// Why a delivery failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The table did not work.
    #[error(transparent)]
    Table(#[from] Unavailable),
    /// The gateway answered every post with a fault.
    #[error("none of {followers} connections could be posted to")]
    Gateway {
        /// How many follow.
        followers: usize,
    },
}

/// Handles a delivery.
///
/// # Errors
/// [`PushFailure`]: the table or the gateway is down as a whole. Trying again cannot double a line
/// for a viewer: clients drop what they have. A payload that cannot be read is logged and counted,
/// not an error: it would not be readable the next time either.
pub async fn push_logs<T: Table, P: Post, C: Clock>(
    event: &str,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
) -> Result<Counts, PushFailure> {
    let mut counts = Counts::default();
    let result = serve(event, context, invocation, &mut counts).await;
    invocation.metrics(context.clock.now_ms(), &counts.metrics());
    result.map(|()| counts)
}

async fn serve<T: Table, P: Post, C: Clock>(
    event: &str,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
    counts: &mut Counts,
) -> Result<(), PushFailure> {
    let batch = match inflate(event, MAX_INFLATED).and_then(Delivery::parse) {
        Ok(Delivery::Data(batch)) => batch,
        Ok(Delivery::Control) => {
            invocation.info("control message", &[]);
            return Ok(());
        }
        Err(error) => return refuse(&error, invocation, counts),
    };
    counts.entries = batch.entries.len() + batch.unreadable;
    counts.unreadable = batch.unreadable;
    let mut workstream = None;
    let result = match owner(&batch, context).await {
        Ok(Some(owner)) => {
            workstream = Some(owner.workstream.clone());
            route(&batch, &owner, context, invocation, counts).await
        }
        Ok(None) => {
            counts.unrouted = batch.entries.len();
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    log(&batch, workstream.as_ref(), counts, invocation);
    result.map_err(|cause| PushFailure::new(batch, cause))
}

fn refuse(
    error: &PayloadError,
    invocation: Invocation<'_>,
    counts: &mut Counts,
) -> Result<(), PushFailure> {
    invocation.error("payload refused", &[("reason", json!(error.to_string()))]);
    counts.refused = 1;
    Ok(())
}

fn log(
    batch: &Batch,
    workstream: Option<&Workstream>,
    counts: &Counts,
    invocation: Invocation<'_>,
) {
    let fields = [
        ("workstream", json!(workstream)),
        ("stream", json!(batch.log_stream)),
        ("events", json!(counts.events)),
        ("raw", json!(counts.raw)),
        ("unrouted", json!(counts.unrouted)),
        ("foreign", json!(counts.foreign)),
        ("unreadable", json!(counts.unreadable)),
        ("followers", json!(counts.followers)),
        ("posts", json!(counts.posts)),
        ("gone", json!(counts.gone)),
        ("failed", json!(counts.failed)),
    ];
    invocation.info("delivered", &fields);
}

/// Which run the batch's stream belongs to: as remembered, as recorded, or else as the first of our
/// events in it says. `None`: nobody knows yet, and its raw lines were counted.
async fn owner<T: Table, P, C: Clock>(
    batch: &Batch,
    context: &Context<'_, T, P, C>,
) -> Result<Option<StreamOwner>, Unavailable> {
    let stream = batch.log_stream.as_str();
    if let Some(owner) = context.memory.owners.borrow().get(stream) {
        return Ok(Some(owner.clone()));
    }
    if batch.entries.is_empty() {
        return Ok(None);
    }
    let now = context.clock.now_secs();
    let expires_at = now + context.retention_secs;
    let first = batch.entries.iter().find_map(|entry| Envelope::parse(&entry.message));
    let owner = match first {
        Some(Envelope { workstream, run, .. }) => {
            let claim = StreamOwner { workstream, run };
            context.table.claim_stream(stream, &claim, now, expires_at).await?
        }
        None => {
            let entries = batch.entries.iter();
            let parts = entries.map(|entry| count_parts(&entry.message, stream, time(entry)));
            let raw = parts.sum::<usize>() as u64;
            match context.table.count_unclaimed(stream, raw, now, expires_at).await? {
                Some(owner) => owner,
                None => return Ok(None),
            }
        }
    };
    let mut owners = context.memory.owners.borrow_mut();
    if owners.len() >= MAX_OWNERS {
        owners.clear();
    }
    owners.insert(stream.to_owned(), owner.clone());
    Ok(Some(owner))
}

async fn route<T: Table, P: Post, C: Clock>(
    batch: &Batch,
    owner: &StreamOwner,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
    counts: &mut Counts,
) -> Result<(), PushError> {
    let stream = batch.log_stream.as_str();
    let mut packer = Packer::new(&owner.workstream, Source::Live, None);
    let mut gathered = Gathered::default();
    // As clients count them: each part of a long one.
    let mut raw = 0;
    for entry in &batch.entries {
        match Line::parse(&entry.message, owner) {
            Line::Event(event) => {
                counts.events += 1;
                gathered.add(&event, &entry.message);
                packer.push(&encode_event(&entry.message, &event));
            }
            Line::Raw => {
                counts.raw += 1;
                let parts = encode_raw(&entry.message, stream, &owner.run, time(entry));
                raw += parts.len() as u64;
                parts.iter().for_each(|part| packer.push(part));
            }
            Line::Foreign => counts.foreign += 1,
        }
    }
    let frames = packer.take_all();
    counts.frames = frames.len();
    counts.bytes = frames.iter().map(Vec::len).sum();
    // Recorded before the followers are read: who comes in between hears of these lines by `runs`.
    let expires_at = context.clock.now_secs() + context.retention_secs;
    let notable = gathered.is_notable();
    let update = gathered.update(stream, expires_at);
    let newest = update.as_ref().map(|update| update.last_ts);
    let recorded = async {
        if let Some(update) = &update {
            context.table.record_run(&owner.workstream, &owner.run, update).await?;
        }
        if raw > 0 {
            context.table.count_raw(stream, owner, raw, expires_at).await?;
        }
        Ok::<_, Unavailable>(())
    }
    .await;
    // Asked at every delivery, never remembered: a viewer that came a moment ago would find a hole
    // and wait two seconds before it asks. The posts cost some two hundred times as much.
    let followers = context.table.followers(&owner.workstream, context.clock.now_secs()).await?;
    counts.followers = followers.len();
    counts.age_ms = newest.map_or(0, |newest| context.clock.now_ms().saturating_sub(newest));
    let parts = (context.table, context.post, context.clock);
    let out = fan_out(&owner.workstream, &frames, followers, parts, invocation).await;
    counts.add(out);
    // One fault may be the connection's own; when every post meets one, it is the gateway's.
    if out.down > 0 && out.posts == 0 {
        return Err(PushError::Gateway { followers: counts.followers });
    }
    // Viewers have their lines; the row catches up when this delivery comes again.
    recorded?;
    if let Some(update) = update {
        list(owner, stream, &update, notable, context, invocation).await;
    }
    Ok(())
}

/// Tells the list of workstreams of lines: at once where they change what it shows, else once in a
/// while.
async fn list<T: Table, P, C: Clock>(
    owner: &StreamOwner,
    stream: &str,
    update: &RunUpdate,
    notable: bool,
    context: &Context<'_, T, P, C>,
    invocation: Invocation<'_>,
) {
    let now = context.clock.now_ms();
    let recent = |listed: &u64| now / 1000 < listed + LISTED_SECS;
    if !notable && context.memory.listed.borrow().get(stream).is_some_and(recent) {
        return;
    }
    let info = workstream_info(&owner.workstream, &owner.run, update, now);
    if !listing::tell(context.table, &info, update.expires_at, invocation).await {
        return;
    }
    let mut listed = context.memory.listed.borrow_mut();
    if listed.len() >= MAX_OWNERS {
        listed.clear();
    }
    listed.insert(stream.to_owned(), now / 1000);
}
