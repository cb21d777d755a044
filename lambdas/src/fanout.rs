//! Posting frames to the connections that follow a workstream.

use std::pin::pin;

use futures::{StreamExt, stream::FuturesUnordered};
use ralph_protocol::ids::Workstream;
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant, timeout, timeout_at},
};

use crate::{
    delivery::{Patience, deliver},
    invocation::Invocation,
    ports::{Clock, Post, PostError, Table},
};

/// Posts under way at the same time, but for slow ones.
const IN_FLIGHT: usize = 64;
/// A post that takes longer is slow and gives its permit to another, so that nobody waits for slow or
/// dead connections. A healthy one takes some ten milliseconds.
const SLOW: Duration = Duration::from_millis(100);
/// Slow posts under way at the same time; any more keep their permits. Each is a socket, and a
/// function may have 1,024.
const SLOW_IN_FLIGHT: usize = 448;
/// Longest time spent on the posts of one delivery. A slow connection costs its own lines, which
/// its client asks for again.
const FAN_OUT: Duration = Duration::from_secs(10);

/// Posts all frames to all followers: many connections at a time, the frames of each strictly one
/// after the other, since two posts can overtake each other. Permits are given in turn, so everyone
/// has the first frame before anyone has the second.
pub(crate) async fn fan_out(
    workstream: &Workstream,
    frames: &[Vec<u8>],
    followers: Vec<String>,
    (table, post, clock): (&impl Table, &impl Post, &impl Clock),
    invocation: Invocation<'_>,
) -> FannedOut {
    let spare = invocation.remaining().saturating_sub(Duration::from_secs(1));
    let until = Instant::now() + spare.min(FAN_OUT);
    let permits = Permits::default();
    let log = Log { workstream, invocation };
    let mut ends: FuturesUnordered<_> = followers
        .iter()
        .map(|connection| async {
            let end = post_all(connection, frames, until, &permits, post, clock).await;
            log.end(connection, &end.result);
            // Here, not by whoever gathers the ends: the others' posts go on meanwhile.
            if end.result == Err(PostError::Gone)
                && let Err(error) = table.delete_connection(connection).await
            {
                log.not_deleted(connection, &error.to_string());
            }
            end
        })
        .collect();
    let mut out = FannedOut::default();
    while let Some(end) = ends.next().await {
        out.posts += end.posts;
        out.retried += end.retried as usize;
        out.throttled += end.throttled as usize;
        match end.result {
            Ok(()) => {}
            Err(PostError::Gone) => out.gone += 1,
            Err(error) => {
                out.failed += 1;
                out.down += usize::from(end.posts == 0 && matches!(error, PostError::Failed(_)));
            }
        }
    }
    out
}

/// What the posts of one delivery came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FannedOut {
    /// Frames delivered.
    pub posts: usize,
    /// Tries beyond the first.
    pub retried: usize,
    /// Answers 429.
    pub throttled: usize,
    /// Connections that are gone.
    pub gone: usize,
    /// Connections that did not get everything, though they are not known to be gone.
    pub failed: usize,
    /// Of these, the ones that got nothing because of a fault of the gateway. A time-out does not
    /// count: one connection that hangs must not make Lambda deliver everything again.
    pub down: usize,
}

/// What is logged of each connection.
struct Log<'a> {
    workstream: &'a Workstream,
    invocation: Invocation<'a>,
}

impl Log<'_> {
    fn end(&self, connection: &str, result: &Result<(), PostError>) {
        if let Err(error) = result
            && *error != PostError::Gone
        {
            self.invocation.warn("not delivered", &self.fields(connection, &error.to_string()));
        }
    }

    fn not_deleted(&self, connection: &str, problem: &str) {
        self.invocation.error("rows not deleted", &self.fields(connection, problem));
    }

    fn fields(&self, connection: &str, problem: &str) -> [(&'static str, serde_json::Value); 3] {
        [
            ("workstream", json!(self.workstream)),
            ("connectionId", json!(connection)),
            ("problem", json!(problem)),
        ]
    }
}

/// How the posts to one connection ended.
struct ConnectionEnd {
    posts: usize,
    retried: u32,
    throttled: u32,
    result: Result<(), PostError>,
}

async fn post_all(
    connection: &str,
    frames: &[Vec<u8>],
    until: Instant,
    permits: &Permits,
    post: &impl Post,
    clock: &impl Clock,
) -> ConnectionEnd {
    let mut end = ConnectionEnd { posts: 0, retried: 0, throttled: 0, result: Ok(()) };
    for frame in frames {
        let patience = Patience { until, outlasts_throttling: false };
        let delivering = || deliver(post, connection, frame, patience, clock);
        let Some(delivered) = permits.hold(until, delivering).await else {
            end.result = Err(PostError::TimedOut);
            break;
        };
        end.retried += delivered.retried;
        end.throttled += delivered.throttled;
        end.result = delivered.result;
        // The frames after one that failed would only make the hole wider and the others wait.
        if end.result.is_err() {
            break;
        }
        end.posts += 1;
    }
    end
}

/// The permits that posts take while they are under way.
struct Permits {
    quick: Semaphore,
    slow: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        Self { quick: Semaphore::new(IN_FLIGHT), slow: Semaphore::new(SLOW_IN_FLIGHT) }
    }
}

impl Permits {
    /// Does work under a permit, in turn, and gives the permit up when the work is slow. `None` when
    /// no permit came free by `until`.
    async fn hold<F: Future>(&self, until: Instant, work: impl FnOnce() -> F) -> Option<F::Output> {
        // The semaphore is never closed.
        let permit = timeout_at(until, self.quick.acquire()).await.ok()?.ok()?;
        let mut work = pin!(work());
        if let Ok(done) = timeout(SLOW, &mut work).await {
            return Some(done);
        }
        let Ok(_slow) = self.slow.try_acquire() else { return Some(work.await) };
        drop(permit);
        Some(work.await)
    }
}
