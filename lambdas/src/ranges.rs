//! Reading back exactly the events a client lacks: forward, from the time it gives minus a minute,
//! until they are found or the stream ends.

use std::collections::HashSet;

use ralph_protocol::message::Range;
use tokio::time::Instant;

use crate::{
    line::{Line, encode_event, encode_raw},
    ports::{Clock, LogEntry, LogQuery, Logs, StreamOwner},
    replay::{CLOCKS_DIFFER_MS, ReplayError, read},
};

/// Takes events as they are read; an error ends the replay.
pub trait Output {
    /// Why no more can be taken.
    type Error;
    /// Takes an event as it goes into a frame.
    async fn event(&mut self, event: &str) -> Result<(), Self::Error>;
}

/// Why a replay of ranges ended early.
#[derive(Debug, PartialEq, Eq)]
pub enum RangesError<E> {
    /// Reading failed.
    Replay(ReplayError),
    /// The output failed.
    Output(E),
}

/// Counts down what a request may still read.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Events.
    pub events: usize,
    /// Raw lines on the way. Counted by themselves: they must never keep the events from coming.
    pub raw: usize,
    /// When to stop.
    pub until: Instant,
}

/// Reads ranges of one run; `true` when all of them were read to their end, `false` when the budget
/// ran out.
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
) -> Result<bool, RangesError<O::Error>> {
    let mut wanted: Vec<Wanted> = ranges.iter().map(Wanted::new).collect();
    wanted.sort_by_key(|range| (range.begin, range.from));
    while let Some(begin) = wanted.iter().filter(|range| range.open).map(|range| range.begin).min()
    {
        let mut pass = Pass { owner, stream, wanted: &mut wanted, reached: begin };
        if !pass.read(begin, logs, clock, budget, out).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A range and the part of it that was read.
struct Wanted {
    from: u64,
    to: u64,
    begin: u64,
    found: HashSet<u64>,
    open: bool,
}

impl Wanted {
    fn new(range: &Range) -> Self {
        Self {
            from: range.from,
            to: range.to.unwrap_or(u64::MAX),
            begin: range.ts.saturating_sub(CLOCKS_DIFFER_MS),
            found: HashSet::new(),
            open: true,
        }
    }

    fn holds(&self, seq: u64) -> bool {
        (self.from..=self.to).contains(&seq)
    }

    /// An event of the range was read. When all that it holds were, reading for it can stop.
    /// (CloudWatch can hold a line twice, so lines are not just counted.)
    fn found(&mut self, seq: u64) {
        self.found.insert(seq);
        self.open = self.found.len() as u64 <= self.to - self.from;
    }
}

/// One reading of the stream, forward. It serves every range that begins before the place it has
/// reached; it ends when none of them is open any more.
struct Pass<'a> {
    owner: &'a StreamOwner,
    stream: &'a str,
    wanted: &'a mut [Wanted],
    reached: u64,
}

impl Pass<'_> {
    async fn read<O: Output>(
        &mut self,
        begin: u64,
        logs: &impl Logs,
        clock: &impl Clock,
        budget: &mut Budget,
        out: &mut O,
    ) -> Result<bool, RangesError<O::Error>> {
        let mut query = LogQuery {
            stream: self.stream.to_owned(),
            from: Some(begin),
            oldest_first: true,
            ..LogQuery::default()
        };
        loop {
            let page =
                read(logs, &query, clock, budget.until).await.map_err(RangesError::Replay)?;
            let Some(page) = page else { return Ok(false) };
            for entry in &page.entries {
                self.reached = self.reached.max(entry.timestamp);
                if !self.take(entry, budget, out).await.map_err(RangesError::Output)? {
                    return Ok(false);
                }
                if self.idle() {
                    return Ok(true);
                }
            }
            match page.next {
                Some(token) => query.token = Some(token),
                None => {
                    // The stream's end: what was not found is not there.
                    self.wanted.iter_mut().for_each(|range| range.open = false);
                    return Ok(true);
                }
            }
        }
    }

    /// Whether the next open range begins later, so that skipping there saves reading.
    fn idle(&self) -> bool {
        !self.wanted.iter().any(|range| range.open && range.begin <= self.reached)
    }

    /// Passes a line on; `false` when the budget is used up.
    async fn take<O: Output>(
        &mut self,
        entry: &LogEntry,
        budget: &mut Budget,
        out: &mut O,
    ) -> Result<bool, O::Error> {
        match Line::parse(&entry.message, self.owner) {
            Line::Event(event) => {
                let Some(range) =
                    self.wanted.iter_mut().find(|range| range.open && range.holds(event.seq))
                else {
                    return Ok(true);
                };
                if budget.events == 0 {
                    return Ok(false);
                }
                budget.events -= 1;
                range.found(event.seq);
                out.event(&encode_event(&entry.message, &event)).await?;
            }
            Line::Raw if budget.raw > 0 => {
                budget.raw -= 1;
                let run = &self.owner.run;
                for part in encode_raw(&entry.message, self.stream, run, entry.timestamp) {
                    out.event(&part).await?;
                }
            }
            Line::Raw | Line::Foreign => {}
        }
        Ok(true)
    }
}
