//! Replies: posts to the connection that asked, and what ends a request.

use std::cell::Cell;

use ralph_protocol::{
    ids::{Run, Workstream},
    message::{ErrorCode, ReadTo, SendLogs, ServerMessage, Source},
    names::metric,
};
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::form::Named;
use crate::{
    delivery::{Patience, deliver},
    frame::{self, Packer},
    invocation::{Invocation, Metric},
    ports::{Clock, Post, PostError, Table, Unavailable},
    ranges::{Output, RangesError},
    replay::ReplayError,
    runs,
};

/// When a client may try again after a fault.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What one request came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    bytes: Cell<usize>,
    events: Cell<usize>,
    frames: Cell<usize>,
    posts: Cell<usize>,
    retried: Cell<usize>,
    gone: Cell<usize>,
    failed: Cell<usize>,
    refused: Cell<usize>,
    throttled: Cell<usize>,
}

impl Tally {
    pub fn metrics(&self) -> [Metric; 9] {
        [
            Metric::bytes(metric::BYTES, self.bytes.get()),
            Metric::count(metric::FRAMES, self.frames.get()),
            Metric::count(metric::EVENTS, self.events.get()),
            Metric::count(metric::FAILED, self.failed.get()),
            Metric::count(metric::GONE, self.gone.get()),
            Metric::count(metric::POSTS, self.posts.get()),
            Metric::count(metric::REFUSED, self.refused.get()),
            Metric::count(metric::RETRIED, self.retried.get()),
            Metric::count(metric::THROTTLED, self.throttled.get()),
        ]
    }
}

fn add(counter: &Cell<usize>, more: usize) {
    counter.set(counter.get() + more);
}

/// Why a request was not served to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client is told.
    Refused(ErrorCode, String),
    /// A service failed; the client is told that something did.
    Fault(Unavailable),
    /// Too much at once; the client is told when to try again.
    Throttled(&'static str, Duration),
    /// A reply did not get through: nothing more is sent, the client asks again.
    Unreachable(PostError),
}

impl From<Unavailable> for Stop {
    fn from(error: Unavailable) -> Self {
        Self::Fault(error)
    }
}

impl From<ReplayError> for Stop {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Throttled => {
                Self::Throttled("too many clients read logs at once", RETRY_AFTER)
            }
            ReplayError::Unavailable(error) => Self::Fault(error),
        }
    }
}

impl From<RangesError<Self>> for Stop {
    fn from(error: RangesError<Self>) -> Self {
        match error {
            RangesError::Unavailable(error) => error.into(),
            RangesError::Output(stop) => stop,
        }
    }
}

/// The message is not a valid request.
pub(super) fn bad(message: impl Into<String>) -> Stop {
    Stop::Refused(ErrorCode::BadRequest, message.into())
}

/// The way back to the client.
pub(super) struct Reply<'a, T, P, C> {
    pub table: &'a T,
    pub post: &'a P,
    pub clock: &'a C,
    pub invocation: Invocation<'a>,
    pub connection: &'a str,
    /// When posting lines ends: what follows them must get through, too.
    pub lines_until: Instant,
    /// When posting ends.
    pub until: Instant,
    pub tally: Tally,
}

impl<T: Table, P: Post, C: Clock> Reply<'_, T, P, C> {
    /// Tells where the runs of a workstream stand.
    pub async fn runs(&self, workstream: &Workstream) -> Result<(), Stop> {
        let now = self.clock.now_secs();
        let rows = self.table.runs(workstream, None, runs::MAX_RUNS, now).await?;
        let infos = rows.into_iter().map(|row| row.info).collect();
        for frame in runs::frames(workstream, infos) {
            self.frame(&frame).await?;
        }
        Ok(())
    }

    /// Sends any message but `logs`.
    pub async fn send(&self, message: &ServerMessage) -> Result<(), Stop> {
        self.frame(&frame::message(message)).await
    }

    pub async fn frame(&self, frame: &[u8]) -> Result<(), Stop> {
        self.post(frame, self.until).await
    }

    async fn post(&self, frame: &[u8], until: Instant) -> Result<(), Stop> {
        add(&self.tally.frames, 1);
        add(&self.tally.bytes, frame.len());
        let patience = Patience { until, outlasts_throttling: true };
        let delivered = deliver(self.post, self.connection, frame, patience, self.clock).await;
        add(&self.tally.posts, usize::from(delivered.result.is_ok()));
        add(&self.tally.retried, delivered.retried as usize);
        delivered.result.map_err(Stop::Unreachable)
    }

    /// Tells the client, and the log, why the request was not served to its end.
    pub async fn end(&self, stop: Stop, Named { id, workstream }: Named) {
        let connection = ("connectionId", json!(self.connection));
        let name = ("workstream", json!(workstream));
        let (code, message, retry_after) = match stop {
            Stop::Refused(code, message) => {
                add(&self.tally.refused, 1);
                self.invocation.warn("refused", &[connection, name, ("code", json!(code))]);
                (code, clip(message), None)
            }
            Stop::Fault(error) => {
                let problem = ("problem", json!(error.to_string()));
                self.invocation.error("a service failed", &[connection, name, problem]);
                (ErrorCode::Internal, "a service failed".into(), Some(RETRY_AFTER))
            }
            Stop::Throttled(what, wait) => {
                add(&self.tally.throttled, 1);
                self.invocation.warn("throttled", &[connection, name, ("reason", json!(what))]);
                (ErrorCode::Throttled, what.into(), Some(wait))
            }
            Stop::Unreachable(error) => return self.unreachable(&error).await,
        };
        let retry_after_ms = retry_after.map(|wait| self.spread(wait));
        let message = ServerMessage::Error { id, workstream, code, message, retry_after_ms };
        if let Err(Stop::Unreachable(error)) = self.send(&message).await {
            self.unreachable(&error).await;
        }
    }

    /// Up to twice the time, so that clients that were refused together do not come back together.
    fn spread(&self, wait: Duration) -> u64 {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        ms + u64::from(self.clock.random()) % ms
    }

    async fn unreachable(&self, error: &PostError) {
        let connection = ("connectionId", json!(self.connection));
        let problem = ("problem", json!(error.to_string()));
        self.invocation.warn("reply not delivered", &[connection.clone(), problem]);
        let gone = *error == PostError::Gone;
        add(if gone { &self.tally.gone } else { &self.tally.failed }, 1);
        if gone && let Err(error) = self.table.delete_connection(self.connection).await {
            let problem = ("problem", json!(error.to_string()));
            self.invocation.error("rows not deleted", &[connection, problem]);
        }
    }
}

/// Packs what a replay reads and posts each frame as it fills.
pub(super) struct Frames<'a, T, P, C> {
    reply: &'a Reply<'a, T, P, C>,
    packer: Packer,
    /// Whether a frame was delivered.
    delivered: bool,
    /// Where the first line stands that was not delivered yet.
    rest: Option<ReadTo>,
}

impl<'a, T: Table, P: Post, C: Clock> Frames<'a, T, P, C> {
    pub fn new(reply: &'a Reply<'a, T, P, C>, request: &SendLogs) -> Self {
        let packer = Packer::new(&request.workstream, Source::Replay, request.id.as_deref());
        Self { reply, packer, delivered: false, rest: None }
    }

    /// Adds a line and posts the frame that this fills. In a page, lines have no place.
    pub async fn push(&mut self, line: &str, at: Option<ReadTo>) -> Result<(), Stop> {
        add(&self.reply.tally.events, 1);
        self.packer.push(line);
        // What one line closes was begun by an earlier one.
        if self.post(Packer::take_full).await? || self.rest.is_none() {
            self.rest = at;
        }
        Ok(())
    }

    /// Posts what is left.
    pub async fn finish(&mut self) -> Result<(), Stop> {
        self.post(Packer::take_all).await.map(drop)
    }

    /// Whether any was posted.
    async fn post(&mut self, take: impl Fn(&mut Packer) -> Vec<Vec<u8>>) -> Result<bool, Stop> {
        let frames = take(&mut self.packer);
        for frame in &frames {
            self.reply.post(frame, self.reply.lines_until).await?;
            self.delivered = true;
        }
        Ok(!frames.is_empty())
    }

    /// Where the rest of the answer begins when the connection took only a part of it.
    pub fn rest(self, stop: Stop) -> Result<Option<ReadTo>, Stop> {
        match stop {
            Stop::Unreachable(PostError::Throttled) if self.delivered => Ok(self.rest),
            Stop::Unreachable(PostError::Throttled) => {
                Err(Stop::Throttled("too many frames for this connection", RETRY_AFTER))
            }
            stop => Err(stop),
        }
    }
}

impl<T: Table, P: Post, C: Clock> Output for Frames<'_, T, P, C> {
    type Error = Stop;

    async fn line(&mut self, line: &str, run: &Run, ts: u64) -> Result<(), Stop> {
        self.push(line, Some(ReadTo { run: run.clone(), ts })).await
    }
}

/// serde's messages can quote what they did not expect.
fn clip(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(300));
    message
}
