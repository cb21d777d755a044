//! `sendLogs` and `$default`: a client subscribes to a workstream and reads back what it lacks.
//!
//! The subscription is written before anything is read back, so a line falls into the replay, into
//! live delivery, or into both, and never between them.

use ralph_protocol::{
    ids::{Run, Workstream},
    message::{
        ClientMessage, DEFAULT_LIMIT, ErrorCode, MAX_CLIENT_MESSAGE, MAX_LIMIT, MAX_RANGES, Range,
        SendLogs, ServerMessage, Source,
    },
    table::CONNECTION_TTL_SECS,
    token::{MAX_WORKSTREAMS, Scope},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::{
    connect::connected_at,
    cursor::Cursor,
    delivery::deliver,
    frame::{self, MAX_ID, Packer},
    invocation::Invocation,
    ports::{Clock, Logs, Post, PostError, StreamOwner, Table, Unavailable},
    ranges::{Budget, Output, RangesError, read_ranges},
    replay::{PageRequest, ReplayError, page},
    request::{Request, Response},
    runs,
};

/// API Gateway gives up on an answer after this long.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// When a client that was throttled may try again, ms.
pub const RETRY_AFTER_MS: u64 = 2_000;

/// What the handler works with.
pub struct World<'a, T, P, L, C> {
    /// The table.
    pub table: &'a T,
    /// Where replies go.
    pub post: &'a P,
    /// What is read back.
    pub logs: &'a L,
    /// The time.
    pub clock: &'a C,
}

/// Why a request was not served to its end.
#[derive(Debug)]
enum Stop {
    /// The client is told.
    Refused(ErrorCode, String),
    /// A service failed; the client is told that something did.
    Fault(Unavailable),
    /// Reads are throttled; the client is told when to try again.
    Throttled,
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
            ReplayError::Throttled => Self::Throttled,
            ReplayError::Unavailable(error) => Self::Fault(error),
        }
    }
}

impl From<RangesError<Stop>> for Stop {
    fn from(error: RangesError<Stop>) -> Self {
        match error {
            RangesError::Replay(error) => error.into(),
            RangesError::Output(stop) => stop,
        }
    }
}

fn bad(message: impl Into<String>) -> Stop {
    Stop::Refused(ErrorCode::BadRequest, message.into())
}

/// Serves a message of a client. Every reply is a post; the answer to API Gateway is always 200, so
/// that it sends no frame of its own.
pub async fn send_logs<T: Table, P: Post, L: Logs, C: Clock>(
    request: &Request,
    world: &World<'_, T, P, L, C>,
    invocation: Invocation<'_>,
) -> Response {
    let session = Session::new(request, world, invocation);
    let body = request.body.as_deref().unwrap_or_default();
    let named = Named::of(body);
    if let Err(stop) = session.serve(body).await {
        session.end(stop, named).await;
    }
    Response::OK
}

/// What an error frame can name of a message that may be anything.
#[derive(Default, Deserialize)]
struct Loose {
    id: Option<String>,
    workstream: Option<String>,
}

struct Named {
    id: Option<String>,
    workstream: Option<Workstream>,
}

impl Named {
    fn of(body: &str) -> Self {
        let loose: Loose = match body.len() {
            0..=MAX_CLIENT_MESSAGE => serde_json::from_str(body).unwrap_or_default(),
            _ => Loose::default(),
        };
        Self {
            id: loose.id.filter(|id| id.len() <= MAX_ID),
            workstream: loose.workstream.and_then(|id| id.parse().ok()),
        }
    }
}

struct Session<'a, T, P, L, C> {
    request: &'a Request,
    world: &'a World<'a, T, P, L, C>,
    invocation: Invocation<'a>,
    connection: &'a str,
    read_until: Instant,
    post_until: Instant,
}

impl<'a, T: Table, P: Post, L: Logs, C: Clock> Session<'a, T, P, L, C> {
    fn new(
        request: &'a Request,
        world: &'a World<'a, T, P, L, C>,
        invocation: Invocation<'a>,
    ) -> Self {
        let now = Instant::now();
        // What is read must be posted too, and the last second is for the answer.
        let time = invocation.remaining().min(INTEGRATION_TIMEOUT);
        Self {
            request,
            world,
            invocation,
            connection: &request.request_context.connection_id,
            read_until: now + time.mul_f64(0.7),
            post_until: now + time.saturating_sub(Duration::from_secs(1)),
        }
    }

    async fn serve(&self, body: &str) -> Result<(), Stop> {
        let scope = self.request.request_context.scope().and_then(Scope::from_context);
        let Some(scope) = scope else {
            self.invocation.error("no scope", &[("connectionId", json!(self.connection))]);
            return Err(Stop::Refused(ErrorCode::Forbidden, "the connection has no scope".into()));
        };
        if body.len() > MAX_CLIENT_MESSAGE {
            return Err(bad(format!("the message is longer than {MAX_CLIENT_MESSAGE} bytes")));
        }
        let message: ClientMessage = serde_json::from_str(body)
            .map_err(|error| bad(format!("the message is not one of ours: {error}")))?;
        match message {
            ClientMessage::Ping {} => self.pong(&scope).await,
            ClientMessage::SendLogs(wish) => {
                check_form(&wish)?;
                if !scope.allows(&wish.workstream) {
                    let message = format!("the token does not allow {}", wish.workstream);
                    return Err(Stop::Refused(ErrorCode::Forbidden, message));
                }
                self.logs(&wish, &scope).await
            }
        }
    }

    async fn pong(&self, scope: &Scope) -> Result<(), Stop> {
        let now = self.world.clock.now_secs();
        for workstream in self.world.table.subscriptions(self.connection, now).await? {
            if scope.allows(&workstream) {
                self.send_runs(&workstream).await?;
            }
        }
        self.send(&ServerMessage::Pong {}).await
    }

    async fn logs(&self, wish: &SendLogs, scope: &Scope) -> Result<(), Stop> {
        let workstream = &wish.workstream;
        let untouched = wish.ranges.is_some() || wish.before.is_some();
        match wish.follow {
            Some(true) => self.subscribe(workstream, scope).await?,
            None if !untouched => self.subscribe(workstream, scope).await?,
            Some(false) => self.world.table.unsubscribe(self.connection, workstream).await?,
            None => {}
        }
        let (complete, cursor) = match &wish.ranges {
            Some(ranges) => (self.replay_ranges(wish, ranges).await?, None),
            None => self.replay_page(wish).await?,
        };
        self.send_runs(workstream).await?;
        let cursor = cursor.map(|cursor| cursor.encode());
        let (id, workstream) = (wish.id.clone(), workstream.clone());
        self.send(&ServerMessage::CaughtUp { id, workstream, complete, cursor }).await
    }

    async fn subscribe(&self, workstream: &Workstream, scope: &Scope) -> Result<(), Stop> {
        let table = self.world.table;
        // A token names at most this many; one that allows everything is held to the same number.
        if *scope == Scope::ALL {
            let held = table.subscriptions(self.connection, self.world.clock.now_secs()).await?;
            if held.len() >= MAX_WORKSTREAMS && !held.contains(workstream) {
                let message = format!("a connection follows at most {MAX_WORKSTREAMS} workstreams");
                return Err(bad(message));
            }
        }
        let connected_at = connected_at(self.request, self.world.clock);
        let expires_at = connected_at / 1000 + CONNECTION_TTL_SECS;
        table.subscribe(self.connection, workstream, expires_at).await?;
        self.send_runs(workstream).await
    }

    async fn replay_page(&self, wish: &SendLogs) -> Result<(bool, Option<Cursor>), Stop> {
        let before = match &wish.before {
            Some(text) => Some(Cursor::decode(text).ok_or_else(|| bad("`before` is no cursor"))?),
            None => None,
        };
        let request = PageRequest {
            workstream: &wish.workstream,
            before: before.as_ref(),
            run: wish.run.as_ref(),
            since: wish.since,
            limit: limit(wish),
        };
        let World { table, logs, clock, .. } = *self.world;
        let page = page(&request, table, logs, clock, self.read_until).await?;
        let mut out = Frames::new(self, wish);
        for event in &page.events {
            out.event(event).await?;
        }
        out.finish().await?;
        Ok((page.complete, page.cursor))
    }

    async fn replay_ranges(&self, wish: &SendLogs, ranges: &[Range]) -> Result<bool, Stop> {
        let World { table, logs, clock, .. } = *self.world;
        let limit = limit(wish);
        let mut budget = Budget { events: limit, raw: limit, until: self.read_until };
        let mut out = Frames::new(self, wish);
        let mut complete = true;
        for (run, ranges) in by_run(ranges) {
            let row = table.run(&wish.workstream, &run, clock.now_secs()).await?;
            let Some(row) = row else {
                // Not known here (yet): nothing says that the lines do not exist.
                complete = false;
                continue;
            };
            // A run without a stream never had a task, so it never wrote a line.
            let Some(stream) = row.stream else { continue };
            let owner = StreamOwner { workstream: wish.workstream.clone(), run };
            let world = (logs, clock);
            complete &= read_ranges(&owner, &stream, &ranges, world, &mut budget, &mut out).await?;
        }
        out.finish().await?;
        Ok(complete)
    }

    async fn send_runs(&self, workstream: &Workstream) -> Result<(), Stop> {
        let now = self.world.clock.now_secs();
        let rows = self.world.table.runs(workstream, None, runs::MAX_RUNS, now).await?;
        let infos = rows.into_iter().map(|row| row.info).collect();
        for frame in runs::frames(workstream, infos) {
            self.send_frame(&frame).await?;
        }
        Ok(())
    }

    async fn send(&self, message: &ServerMessage) -> Result<(), Stop> {
        self.send_frame(&frame::message(message)).await
    }

    async fn send_frame(&self, frame: &[u8]) -> Result<(), Stop> {
        let World { post, clock, .. } = *self.world;
        let delivered = deliver(post, self.connection, frame, self.post_until, clock).await;
        delivered.result.map_err(Stop::Unreachable)
    }

    /// Tells the client, and the log, why the request was not served to its end.
    async fn end(&self, stop: Stop, Named { id, workstream }: Named) {
        let connection = ("connectionId", json!(self.connection));
        let name = ("workstream", json!(workstream));
        let (code, message, retry_after_ms) = match stop {
            Stop::Refused(code, message) => {
                self.invocation.warn("refused", &[connection, name, ("code", json!(code))]);
                (code, clip(message), None)
            }
            Stop::Fault(error) => {
                let problem = ("problem", json!(error.to_string()));
                self.invocation.error("a service failed", &[connection, name, problem]);
                (ErrorCode::Internal, "a service failed".into(), Some(RETRY_AFTER_MS))
            }
            Stop::Throttled => {
                self.invocation.warn("throttled", &[connection, name]);
                let message = "too many clients read logs at once".into();
                (ErrorCode::Throttled, message, Some(self.retry_after()))
            }
            Stop::Unreachable(error) => return self.unreachable(&error).await,
        };
        let message = ServerMessage::Error { id, workstream, code, message, retry_after_ms };
        if let Err(Stop::Unreachable(error)) = self.send(&message).await {
            self.unreachable(&error).await;
        }
    }

    /// Spread, so that clients that were refused together do not come back together.
    fn retry_after(&self) -> u64 {
        RETRY_AFTER_MS + u64::from(self.world.clock.random()) % RETRY_AFTER_MS
    }

    async fn unreachable(&self, error: &PostError) {
        let connection = ("connectionId", json!(self.connection));
        let problem = ("problem", json!(error.to_string()));
        self.invocation.warn("reply not delivered", &[connection.clone(), problem]);
        if *error == PostError::Gone
            && let Err(error) = self.world.table.delete_connection(self.connection).await
        {
            let problem = ("problem", json!(error.to_string()));
            self.invocation.error("rows not deleted", &[connection, problem]);
        }
    }
}

/// Packs what a replay reads and posts each frame as it fills.
struct Frames<'a, 's, T, P, L, C> {
    session: &'s Session<'a, T, P, L, C>,
    packer: Packer,
}

impl<'a, 's, T: Table, P: Post, L: Logs, C: Clock> Frames<'a, 's, T, P, L, C> {
    fn new(session: &'s Session<'a, T, P, L, C>, wish: &SendLogs) -> Self {
        let packer = Packer::new(&wish.workstream, Source::Replay, wish.id.as_deref());
        Self { session, packer }
    }

    async fn finish(mut self) -> Result<(), Stop> {
        for frame in self.packer.take_all() {
            self.session.send_frame(&frame).await?;
        }
        Ok(())
    }
}

impl<T: Table, P: Post, L: Logs, C: Clock> Output for Frames<'_, '_, T, P, L, C> {
    type Error = Stop;

    async fn event(&mut self, event: &str) -> Result<(), Stop> {
        self.packer.push(event);
        for frame in self.packer.take_full() {
            self.session.send_frame(&frame).await?;
        }
        Ok(())
    }
}

fn limit(wish: &SendLogs) -> usize {
    wish.limit.unwrap_or(DEFAULT_LIMIT) as usize
}

fn by_run(ranges: &[Range]) -> Vec<(Run, Vec<Range>)> {
    let mut ranges = ranges.to_vec();
    ranges.sort_by(|a, b| (&a.run, a.from).cmp(&(&b.run, b.from)));
    ranges.chunk_by(|a, b| a.run == b.run).map(|of| (of[0].run.clone(), of.to_vec())).collect()
}

/// What the types cannot say of a request.
fn check_form(wish: &SendLogs) -> Result<(), Stop> {
    if wish.id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
        return Err(bad(format!("`id` is longer than {MAX_ID} bytes")));
    }
    if wish.limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
        return Err(bad(format!("`limit` is not 1 to {MAX_LIMIT}")));
    }
    let newest = wish.since.is_some() || wish.run.is_some();
    let kinds = [wish.ranges.is_some(), wish.before.is_some(), newest];
    if kinds.into_iter().filter(|asked| *asked).count() > 1 {
        return Err(bad("`ranges`, `before`, and `since` or `run` exclude each other"));
    }
    let Some(ranges) = &wish.ranges else { return Ok(()) };
    if !(1..=MAX_RANGES).contains(&ranges.len()) {
        return Err(bad(format!("`ranges` does not hold 1 to {MAX_RANGES} ranges")));
    }
    if ranges.iter().any(|range| range.from == 0 || range.to.is_some_and(|to| to < range.from)) {
        return Err(bad("a range does not begin at 1 or later and end at or after its beginning"));
    }
    Ok(())
}

/// serde's messages can quote what they did not expect.
fn clip(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(300));
    message
}
