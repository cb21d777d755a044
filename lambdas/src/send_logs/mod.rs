//! `sendLogs` and `$default`: a client subscribes to a workstream and reads back what it lacks, or lists
//! the workstreams that it may see.
//!
//! The subscription is written before anything is read back, so a line falls into the replay, into
//! live delivery, or into both. push-logs may know the followers of up to a second ago; what falls
//! between the two then is a hole, which the client sees and asks for.

mod form;
mod list;
mod reply;

use ralph_protocol::{
    ids::Workstream,
    message::{
        ClientMessage, ErrorCode, MAX_CLIENT_MESSAGE, Range, ReadTo, SendLogs, ServerMessage,
    },
    table::CONNECTION_TTL_SECS,
    token::{MAX_WORKSTREAMS, Scope},
};
use serde_json::json;
use tokio::time::{Duration, Instant};

use self::{
    form::{Named, by_run, check_form, check_id, limit},
    reply::{Frames, Reply, Stop, Tally, bad},
};
use crate::{
    cursor::Cursor,
    invocation::Invocation,
    limiter::Limiter,
    ports::{Clock, Logs, Post, StreamOwner, Table},
    ranges::{Budget, End, read_ranges},
    replay::{MAX_ANSWER_BYTES, PageRequest, ReplayError, page},
    request::{Request, Response},
};

/// API Gateway gives up on an answer after this long.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

/// What the handler works with.
pub struct Context<'a, T, P, L, C> {
    /// The table.
    pub table: &'a T,
    /// Where replies go.
    pub post: &'a P,
    /// What is read back.
    pub logs: &'a L,
    /// The time.
    pub clock: &'a C,
    /// What outlives an invocation.
    pub memory: &'a Memory,
}

/// What outlives an invocation.
#[derive(Debug, Default)]
pub struct Memory {
    limiter: Limiter,
}

/// Serves a message of a client. Every reply is a post; the answer to API Gateway is always 200, so
/// that it sends no frame of its own.
pub async fn send_logs<T: Table, P: Post, L: Logs, C: Clock>(
    request: &Request,
    context: &Context<'_, T, P, L, C>,
    invocation: Invocation<'_>,
) -> Response {
    let session = Session::new(request, context, invocation);
    let body = request.body.as_deref().unwrap_or_default();
    let named = Named::of(body);
    if let Err(stop) = session.serve(body).await {
        session.reply.end(stop, named).await;
    }
    invocation.metrics(context.clock.now_ms(), &session.reply.tally.metrics());
    Response::OK
}

struct Session<'a, T, P, L, C> {
    request: &'a Request,
    context: &'a Context<'a, T, P, L, C>,
    reply: Reply<'a, T, P, C>,
    read_until: Instant,
}

impl<'a, T: Table, P: Post, L: Logs, C: Clock> Session<'a, T, P, L, C> {
    fn new(
        request: &'a Request,
        context: &'a Context<'a, T, P, L, C>,
        invocation: Invocation<'a>,
    ) -> Self {
        let now = Instant::now();
        // What is read must be posted too, and the last seconds are for the answer's end.
        let time = invocation.remaining().min(INTEGRATION_TIMEOUT);
        let reply = Reply {
            table: context.table,
            post: context.post,
            clock: context.clock,
            invocation,
            connection: &request.connection_id,
            lines_until: now + time.saturating_sub(Duration::from_secs(3)),
            until: now + time.saturating_sub(Duration::from_secs(1)),
            tally: Tally::default(),
        };
        Self { request, context, reply, read_until: now + time.mul_f64(0.7) }
    }

    async fn serve(&self, body: &str) -> Result<(), Stop> {
        let scope = self.request.scope.as_deref().and_then(Scope::from_context);
        let Some(scope) = scope else {
            self.reply
                .invocation
                .error("no scope", &[("connectionId", json!(self.reply.connection))]);
            return Err(Stop::Refused(ErrorCode::Forbidden, "the connection has no scope".into()));
        };
        if let Err(wait) = self.context.memory.limiter.take(self.reply.connection) {
            return Err(Stop::Throttled("too many requests on this connection", wait));
        }
        if body.len() > MAX_CLIENT_MESSAGE {
            return Err(bad(format!("the message is longer than {MAX_CLIENT_MESSAGE} bytes")));
        }
        let message: ClientMessage = serde_json::from_str(body)
            .map_err(|error| bad(format!("the message is not one of ours: {error}")))?;
        match message {
            ClientMessage::Ping {} => self.pong(&scope).await,
            ClientMessage::ListWorkstreams(request) => {
                check_id(request.id.as_deref()).map_err(bad)?;
                self.list(request.id, &scope).await
            }
            ClientMessage::SendLogs(request) => {
                check_form(&request).map_err(bad)?;
                if !scope.allows(&request.workstream) {
                    let message = format!("the token does not allow {}", request.workstream);
                    return Err(Stop::Refused(ErrorCode::Forbidden, message));
                }
                self.logs(&request, &scope).await
            }
        }
    }

    async fn pong(&self, scope: &Scope) -> Result<(), Stop> {
        let now = self.context.clock.now_secs();
        for workstream in self.context.table.subscriptions(self.reply.connection, now).await? {
            if scope.allows(&workstream) {
                self.reply.runs(&workstream).await?;
            }
        }
        self.reply.send(&ServerMessage::Pong {}).await
    }

    async fn logs(&self, request: &SendLogs, scope: &Scope) -> Result<(), Stop> {
        let workstream = &request.workstream;
        let untouched = request.ranges.is_some() || request.before.is_some();
        match request.follow {
            Some(true) => self.subscribe(workstream, scope).await?,
            None if !untouched => self.subscribe(workstream, scope).await?,
            Some(false) => {
                self.context.table.unsubscribe(self.reply.connection, workstream).await?
            }
            None => {}
        }
        let answer = match &request.ranges {
            Some(ranges) => self.replay_ranges(request, ranges).await?,
            None => self.replay_page(request).await?,
        };
        self.reply.runs(workstream).await?;
        let caught_up = ServerMessage::CaughtUp {
            id: request.id.clone(),
            workstream: workstream.clone(),
            complete: answer.complete,
            cursor: answer.cursor.map(|cursor| cursor.encode()),
            read_to: answer.read_to,
            settled: answer.settled,
        };
        self.reply.send(&caught_up).await
    }

    async fn subscribe(&self, workstream: &Workstream, scope: &Scope) -> Result<(), Stop> {
        let table = self.context.table;
        // A token names at most this many; one that allows everything is held to the same number.
        if *scope == Scope::ALL {
            let held =
                table.subscriptions(self.reply.connection, self.context.clock.now_secs()).await?;
            if held.len() >= MAX_WORKSTREAMS && !held.contains(workstream) {
                let message = format!("a connection follows at most {MAX_WORKSTREAMS} workstreams");
                return Err(bad(message));
            }
        }
        let expires_at = self.request.connected_at / 1000 + CONNECTION_TTL_SECS;
        table.subscribe(self.reply.connection, workstream, expires_at).await?;
        self.reply.runs(workstream).await
    }

    async fn replay_page(&self, request: &SendLogs) -> Result<Answer, Stop> {
        let before = match &request.before {
            Some(text) => {
                Some(Cursor::decode(text).ok_or_else(|| bad("`before` is not a cursor"))?)
            }
            None => None,
        };
        let wanted = PageRequest {
            workstream: &request.workstream,
            before: before.as_ref(),
            run: request.run.as_ref(),
            since: request.since,
            limit: limit(request),
        };
        let Context { table, logs, clock, .. } = *self.context;
        let page = page(&wanted, table, logs, clock, self.read_until).await?;
        let mut out = Frames::new(&self.reply, request);
        let posted = async {
            for event in &page.events {
                out.push(event, None).await?;
            }
            out.finish().await
        }
        .await;
        let complete = page.complete && posted.is_ok();
        if let Err(stop) = posted {
            // The newest lines of the page are lacking: holes, which the client asks for.
            out.rest(stop)?;
        }
        Ok(Answer { complete, cursor: page.cursor, ..Answer::default() })
    }

    async fn replay_ranges(&self, request: &SendLogs, ranges: &[Range]) -> Result<Answer, Stop> {
        let mut out = Frames::new(&self.reply, request);
        match self.read_ranges(request, ranges, &mut out).await {
            Ok(answer) => Ok(answer),
            Err(stop) => Ok(Answer { read_to: out.rest(stop)?, ..Answer::default() }),
        }
    }

    async fn read_ranges(
        &self,
        request: &SendLogs,
        ranges: &[Range],
        out: &mut Frames<'_, T, P, C>,
    ) -> Result<Answer, Stop> {
        let Context { table, logs, clock, .. } = *self.context;
        let mut budget = Budget::new(limit(request), MAX_ANSWER_BYTES, self.read_until);
        let mut answer = Answer { complete: true, settled: true, ..Answer::default() };
        for (run, ranges) in by_run(ranges) {
            let row = table.run(&request.workstream, &run, clock.now_secs()).await?;
            let Some(row) = row else {
                // Not known here (yet): nothing says that the lines do not exist.
                answer.complete = false;
                continue;
            };
            // A run without a stream never had a task, so it never wrote a line.
            let Some(stream) = row.stream else {
                answer.settled = false;
                continue;
            };
            let workstream = request.workstream.clone();
            let owner = StreamOwner { workstream, run: run.clone() };
            match read_ranges(&owner, &stream, &ranges, (logs, clock), &mut budget, out).await? {
                End::Whole { settled } => answer.settled &= settled,
                End::Cut(_) if !budget.has_read => return Err(ReplayError::Throttled.into()),
                End::Cut(ts) => {
                    answer.complete = false;
                    answer.read_to = Some(ReadTo { run, ts });
                    break;
                }
            }
        }
        out.finish().await?;
        answer.settled &= answer.complete;
        Ok(answer)
    }
}

/// What `caughtUp` says about an answer.
#[derive(Default)]
struct Answer {
    complete: bool,
    cursor: Option<Cursor>,
    read_to: Option<ReadTo>,
    settled: bool,
}
