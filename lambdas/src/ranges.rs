//! Reading back exactly the events a client lacks: forward, from the time it gives minus a minute,
//! until they are found or the stream ends. An answer that is full says how far it has read.

use std::collections::HashSet;

use ralph_protocol::{ids::Run, message::Range};
use tokio::time::{Duration, Instant};

use crate::{
    line::{Line, encode_event, encode_raw},
    ports::{Clock, LogEntry, LogQuery, Logs, StreamOwner, Unavailable},
    replay::{CLOCKS_DIFFER_MS, read},
};

/// A line that CloudWatch Logs took this long ago is followed by none that was written before it.
pub const SETTLED_AFTER: Duration = Duration::from_secs(5 * 60);

/// Takes lines as they are read; an error ends the replay.
pub trait Output {
    /// Why no more can be taken.
    type Error;
    /// Takes a line, or a part of one, as it goes into a frame, with its run and CloudWatch's time of
    /// it, ms since the epoch.
    async fn line(&mut self, line: &str, run: &Run, ts: u64) -> Result<(), Self::Error>;
}

/// Why a replay of ranges ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum RangesError<E> {
    /// Reading failed.
    Unavailable(Unavailable),
    /// The output failed.
    Output(E),
}

/// What an answer may still hold, over all of its runs.
#[derive(Debug)]
pub struct Budget {
    /// Lines.
    lines: usize,
    /// Bytes of them.
    bytes: usize,
    /// When reading stops.
    until: Instant,
    /// Run and time of the answer's first line.
    first: Option<(Run, u64)>,
    /// Whether anything was read, lines or none.
    pub has_read: bool,
}

impl Budget {
    /// For a whole answer.
    #[must_use]
    pub const fn new(lines: usize, bytes: usize, until: Instant) -> Self {
        Self { lines, bytes, until, first: None, has_read: false }
    }

    /// Counts a line; `false` when it has no room. All lines of the answer's first millisecond have
    /// room: the next answer can begin only at a millisecond, and must be a step further.
    fn take(&mut self, run: &Run, ts: u64, bytes: usize) -> bool {
        let (first_run, first_ts) = self.first.get_or_insert_with(|| (run.clone(), ts));
        let is_first = first_run == run && *first_ts == ts;
        if !is_first && (self.lines == 0 || self.bytes < bytes) {
            return false;
        }
        self.lines = self.lines.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

/// How a reading of one run's ranges ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All ranges were read to their ends.
    Whole {
        /// What was not found is followed by a line that CloudWatch Logs took [`SETTLED_AFTER`] ago.
        settled: bool,
    },
    /// The budget ran out. Everything from before this time was taken, ms since the epoch.
    Cut(u64),
}

/// Reads ranges of one run.
///
/// # Errors
/// [`RangesError`].
pub async fn read_ranges<O: Output>(
    owner: &StreamOwner,
    stream: &str,
    ranges: &[Range],
    (logs, clock): (&impl Logs, &impl Clock),
    budget: &mut Budget,
    out: &mut O,
) -> Result<End, RangesError<O::Error>> {
    let settled_after = u64::try_from(SETTLED_AFTER.as_millis()).unwrap_or(u64::MAX);
    let mut reading = Reading {
        owner,
        stream,
        wanted: ranges.iter().map(Wanted::new).collect(),
        settled_before: clock.now_ms().saturating_sub(settled_after),
        settled_seq: 0,
    };
    reading.wanted.sort_by_key(|range| (range.begin, range.from));
    while let Some(begin) = reading.open().map(|range| range.begin).min() {
        match reading.pass(begin, logs, clock, budget, out).await? {
            PassEnd::Idle => {}
            PassEnd::Stream => break,
            PassEnd::Cut(ts) => return Ok(End::Cut(ts)),
        }
    }
    Ok(End::Whole { settled: reading.is_settled() })
}

/// A range and the numbers in it that were found.
struct Wanted {
    from: u64,
    to: Option<u64>,
    begin: u64,
    found: HashSet<u64>,
}

impl Wanted {
    fn new(range: &Range) -> Self {
        Self {
            from: range.from,
            to: range.to,
            begin: range.after.unwrap_or_else(|| range.ts.saturating_sub(CLOCKS_DIFFER_MS)),
            found: HashSet::new(),
        }
    }

    fn holds(&self, seq: u64) -> bool {
        self.from <= seq && self.to.is_none_or(|to| seq <= to)
    }

    /// Whether some of it was not found. (CloudWatch can hold a line twice, so lines are not just
    /// counted.)
    fn is_open(&self) -> bool {
        self.to.is_none_or(|to| self.found.len() as u64 <= to - self.from)
    }
}

/// How a pass ended.
enum PassEnd {
    /// Nothing is wanted from here up to where the next range begins.
    Idle,
    /// At the stream's end: what was not found is not there.
    Stream,
    /// See [`End::Cut`].
    Cut(u64),
}

struct Reading<'a> {
    owner: &'a StreamOwner,
    stream: &'a str,
    wanted: Vec<Wanted>,
    /// Lines that CloudWatch took by then are settled, ms since the epoch.
    settled_before: u64,
    /// The highest `seq` of those that were met.
    settled_seq: u64,
}

impl Reading<'_> {
    fn open(&self) -> impl Iterator<Item = &Wanted> {
        self.wanted.iter().filter(|range| range.is_open())
    }

    fn is_settled(&self) -> bool {
        self.open().all(|range| range.to.is_some_and(|to| to < self.settled_seq))
    }

    /// Reads the stream forward. This serves every range that begins before the place that is
    /// reached; it ends when none of them is open any more.
    async fn pass<O: Output>(
        &mut self,
        begin: u64,
        logs: &impl Logs,
        clock: &impl Clock,
        budget: &mut Budget,
        out: &mut O,
    ) -> Result<PassEnd, RangesError<O::Error>> {
        let mut query = LogQuery {
            stream: self.stream.to_owned(),
            from: Some(begin),
            oldest_first: true,
            ..LogQuery::default()
        };
        let mut reached = begin;
        loop {
            let page = read(logs, &query, clock, budget.until).await;
            let Some(page) = page.map_err(RangesError::Unavailable)? else {
                return Ok(PassEnd::Cut(reached));
            };
            budget.has_read = true;
            for entry in &page.entries {
                if !self.take(entry, budget, out).await.map_err(RangesError::Output)? {
                    return Ok(PassEnd::Cut(entry.timestamp));
                }
                reached = reached.max(entry.timestamp);
                if !self.open().any(|range| range.begin <= reached) {
                    return Ok(PassEnd::Idle);
                }
            }
            match page.next {
                Some(token) => query.token = Some(token),
                None => return Ok(PassEnd::Stream),
            }
        }
    }

    /// Passes a line on if it is wanted or raw; `false` when the budget is used up.
    async fn take<O: Output>(
        &mut self,
        entry: &LogEntry,
        budget: &mut Budget,
        out: &mut O,
    ) -> Result<bool, O::Error> {
        let (run, ts) = (&self.owner.run, entry.timestamp);
        let lines = match Line::parse(&entry.message, self.owner) {
            Line::Event(event) => {
                if entry.ingested <= self.settled_before {
                    self.settled_seq = self.settled_seq.max(event.seq);
                }
                let wanted = |range: &&mut Wanted| range.is_open() && range.holds(event.seq);
                let Some(range) = self.wanted.iter_mut().find(wanted) else { return Ok(true) };
                range.found.insert(event.seq);
                vec![encode_event(&entry.message, &event).into_owned()]
            }
            Line::Raw => encode_raw(&entry.message, self.stream, run, ts),
            Line::Foreign => return Ok(true),
        };
        if !budget.take(run, ts, lines.iter().map(String::len).sum()) {
            return Ok(false);
        }
        for line in lines {
            out.line(&line, run, ts).await?;
        }
        Ok(true)
    }
}
