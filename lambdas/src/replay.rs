//! Reading lines back from CloudWatch Logs: pages of the newest lines, run by run and backward.
//! (For exact ranges see [`crate::ranges`].)

use ralph_protocol::ids::{Run, Workstream};
use tokio::time::{Instant, sleep};

use crate::{
    cursor::Cursor,
    delivery::pause,
    line::{Line, encode_event, encode_raw},
    ports::{Clock, LogPage, LogQuery, Logs, LogsError, RunRow, StreamOwner, Table, Unavailable},
    runs::MAX_RUNS,
};

/// Most bytes of lines in one answer, so that it takes seconds on a slow link. An answer
/// that would be larger ends here and says where to go on; only a line alone may be larger.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Most entries the service gives at once.
pub const SERVICE_PAGE: usize = 10_000;
/// How far before a given time reading begins, ms: clocks differ, and the driver stamps a line a
/// little later than its writer.
pub const CLOCKS_DIFFER_MS: u64 = 60_000;

/// Why a replay ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Nothing was read: the account's limit of reads is used up, or reading took too long.
    #[error("reading logs is throttled")]
    Throttled,
    /// A service failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What to read.
#[derive(Debug, Clone)]
pub struct PageRequest<'a> {
    /// The workstream.
    pub workstream: &'a Workstream,
    /// Only lines before this.
    pub before: Option<&'a Cursor>,
    /// Only this run.
    pub run: Option<&'a Run>,
    /// Only lines from this time on, ms since the epoch.
    pub since: Option<u64>,
    /// Most lines.
    pub limit: usize,
}

/// A page of lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Events as they go into frames, oldest first.
    pub events: Vec<String>,
    /// For the page before; `None`: nothing older.
    pub cursor: Option<Cursor>,
    /// `false`: the bytes of an answer or its time ran out before the limit, or there is more since
    /// the time that was given.
    pub complete: bool,
}

/// Reads a page: the newest lines within the request's bounds.
///
/// # Errors
/// [`ReplayError`]; when a service fails, what was read by then is lost, and the client asks again.
pub async fn page(
    request: &PageRequest<'_>,
    table: &impl Table,
    logs: &impl Logs,
    clock: &impl Clock,
    until: Instant,
) -> Result<Page, ReplayError> {
    let mut gathering = Gathering::new(request);
    let mut runs = first_runs(request, table, clock).await?;
    while let Some(last) = runs.last().map(|row| row.info.run.clone()) {
        for row in &runs {
            if let Some(end) = gathering.read_run(row, logs, clock, until).await? {
                // Without a line, the cursor would lead to where it came from.
                if matches!(end, End::Cut) && gathering.lines == 0 {
                    return Err(ReplayError::Throttled);
                }
                return Ok(gathering.page(end));
            }
        }
        if gathering.within_run() {
            break;
        }
        runs = table.runs(request.workstream, Some(&last), MAX_RUNS, clock.now_secs()).await?;
    }
    Ok(gathering.page(End::Beginning))
}

async fn first_runs(
    request: &PageRequest<'_>,
    table: &impl Table,
    clock: &impl Clock,
) -> Result<Vec<RunRow>, Unavailable> {
    let (workstream, now) = (request.workstream, clock.now_secs());
    let Some(run) = request.before.map(|cursor| &cursor.run).or(request.run) else {
        return table.runs(workstream, None, MAX_RUNS, now).await;
    };
    match table.run(workstream, run, now).await? {
        Some(row) => Ok(vec![row]),
        // Its row has expired with its lines: what is older is gone too, but costs only a query.
        None => table.runs(workstream, Some(run), MAX_RUNS, now).await,
    }
}

/// Why reading stopped.
enum End {
    /// There is nothing older.
    Beginning,
    /// As many lines as were asked for are there.
    Full,
    /// The bytes or the time of an answer ran out.
    Cut,
}

struct Gathering<'a> {
    request: &'a PageRequest<'a>,
    /// Newest first.
    events: Vec<String>,
    lines: usize,
    bytes: usize,
    oldest: Option<Cursor>,
}

impl<'a> Gathering<'a> {
    fn new(request: &'a PageRequest<'a>) -> Self {
        Self { request, events: Vec::new(), lines: 0, bytes: 0, oldest: request.before.cloned() }
    }

    fn within_run(&self) -> bool {
        self.request.run.is_some() || self.request.before.is_some_and(|cursor| cursor.only)
    }

    async fn read_run(
        &mut self,
        row: &RunRow,
        logs: &impl Logs,
        clock: &impl Clock,
        until: Instant,
    ) -> Result<Option<End>, ReplayError> {
        let Some(stream) = &row.stream else { return Ok(None) };
        let run = &row.info.run;
        if self.ended_before_since(row) {
            return Ok(None);
        }
        let owner = StreamOwner { workstream: self.request.workstream.clone(), run: run.clone() };
        let mut bound = Bound::of(self.request.before.filter(|cursor| &cursor.run == run));
        let mut query = LogQuery {
            stream: stream.clone(),
            from: self.request.since,
            until: bound.ts.map(|ts| ts.saturating_add(1)),
            oldest_first: false,
            limit: None,
            token: None,
        };
        loop {
            query.limit = Some((self.request.limit - self.lines).clamp(100, SERVICE_PAGE));
            let Some(page) = read(logs, &query, clock, until).await? else {
                return Ok(Some(End::Cut));
            };
            for entry in page.entries.iter().rev() {
                let end = self.take(&entry.message, entry.timestamp, stream, &owner, &mut bound);
                if end.is_some() {
                    return Ok(end);
                }
            }
            match page.next {
                Some(token) => query.token = Some(token),
                None => return Ok(None),
            }
        }
    }

    /// Nothing a run wrote is as late as `since`. Its row knows, so nothing needs to be read.
    fn ended_before_since(&self, row: &RunRow) -> bool {
        let last = row.info.last_ts;
        let over = last > 0 && row.info.state.is_over();
        self.request.since.is_some_and(|since| over && last + CLOCKS_DIFFER_MS < since)
    }

    /// Takes a line in if it has room; says when no more have.
    fn take(
        &mut self,
        text: &str,
        timestamp: u64,
        stream: &str,
        owner: &StreamOwner,
        bound: &mut Bound,
    ) -> Option<End> {
        let line = Line::parse(text, owner);
        let seq = match &line {
            Line::Event(event) if bound.seq.is_none_or(|seq| event.seq < seq) => Some(event.seq),
            Line::Raw if !bound.was_given(timestamp) => None,
            _ => return None,
        };
        let encoded = match &line {
            Line::Event(event) => vec![encode_event(text, event).into_owned()],
            _ => encode_raw(text, stream, &owner.run, timestamp),
        };
        let bytes = self.bytes + encoded.iter().map(String::len).sum::<usize>();
        if self.lines > 0 && bytes > MAX_ANSWER_BYTES {
            return Some(End::Cut);
        }
        self.bytes = bytes;
        self.events.extend(encoded.into_iter().rev());
        self.lines += 1;
        self.move_oldest(owner, timestamp, seq);
        (self.lines >= self.request.limit).then_some(End::Full)
    }

    fn move_oldest(&mut self, owner: &StreamOwner, ts: u64, seq: Option<u64>) {
        let before = self.oldest.take().filter(|oldest| oldest.run == owner.run);
        let raw_at_ts = before.as_ref().filter(|before| before.ts == ts).map_or(0, |b| b.raw);
        let lowest = before.and_then(|before| before.seq);
        self.oldest = Some(Cursor {
            run: owner.run.clone(),
            ts,
            seq: lowest.into_iter().chain(seq).min(),
            raw: raw_at_ts + usize::from(seq.is_none()),
            only: self.within_run(),
        });
    }

    fn page(mut self, end: End) -> Page {
        self.events.reverse();
        let (cursor, complete) = match end {
            // Lines before `since` were not looked at.
            End::Beginning if self.request.since.is_some() => (self.oldest, true),
            End::Beginning => (None, true),
            End::Full => (self.oldest, self.request.since.is_none()),
            End::Cut => (self.oldest, false),
        };
        Page { events: self.events, cursor, complete }
    }
}

/// Where a page ends within a run: what the cursor's page had already is left out.
#[derive(Default)]
struct Bound {
    ts: Option<u64>,
    seq: Option<u64>,
    raw: usize,
}

impl Bound {
    fn of(cursor: Option<&Cursor>) -> Self {
        cursor.map_or_else(Self::default, |cursor| Self {
            ts: Some(cursor.ts),
            seq: cursor.seq,
            raw: cursor.raw,
        })
    }

    /// Whether a raw line was in an earlier page: those at exactly the cursor's time are counted.
    fn was_given(&mut self, timestamp: u64) -> bool {
        let given = self.ts == Some(timestamp) && self.raw > 0;
        self.raw -= usize::from(given);
        given
    }
}

/// Reads one page of a stream, waiting while reads are throttled; `None` when time is up.
pub(crate) async fn read(
    logs: &impl Logs,
    query: &LogQuery,
    clock: &impl Clock,
    until: Instant,
) -> Result<Option<LogPage>, Unavailable> {
    let mut tries = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, logs.read(query)).await {
            Err(_) => return Ok(None),
            Ok(Ok(page)) => return Ok(Some(page)),
            Ok(Err(LogsError::Unavailable(error))) => return Err(error),
            Ok(Err(LogsError::Throttled)) => {}
        }
        // Ten times a post's pause: the account has 25 reads a second for everyone.
        let pause = pause(tries, clock) * 10;
        if Instant::now() + pause >= until {
            return Ok(None);
        }
        tries += 1;
        sleep(pause).await;
    }
}
