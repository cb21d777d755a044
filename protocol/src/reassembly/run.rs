//! One run, as a client knows it.

use std::collections::{BTreeMap, HashSet};

use super::{
    SILENCE_MS,
    asking::{Asking, Drawn},
    ranges::RangeSet,
    types::{Line, Output},
};
use crate::{
    event::MAX_SEQ,
    ids::Run,
    message::{Range, RawLine, ReadTo, RunInfo},
    table::RunState,
};

/// Every so many numbers a time is kept for good, so that an evicted page can be read again.
const MARK_EVERY: u64 = 256;

/// How often a run is read for its raw lines. The server may have counted too many.
pub(super) const RAW_READINGS: u8 = 2;

/// What a client knows of a run.
#[derive(Debug, Default)]
pub(super) struct RunView {
    /// Numbers it has.
    pub held: RangeSet,
    /// Numbers it has given up.
    pub lost: RangeSet,
    /// Lines it has and does not show yet.
    pub waiting: BTreeMap<u64, Line>,
    /// Raw lines it does not show yet.
    pub waiting_raw: Vec<RawLine>,
    /// Times of lines at the ends of what is held, and marks.
    pub times: BTreeMap<u64, u64>,
    /// Raw lines it has.
    pub raw: HashSet<RawLine>,
    /// Raw lines that it had and let go of, and the newest one's time.
    pub raw_gone: usize,
    pub raw_gone_until: Option<u64>,
    /// Holes by their first number: last number and schedule.
    pub holes: BTreeMap<u64, (u64, Asking)>,
    /// Highest number that is known to exist, held or let go of.
    pub top: u64,
    /// Raw lines that the server has counted; `None`: it says nothing.
    pub server_raw: Option<u64>,
    /// Where the run stands.
    pub state: Option<RunState>,
    /// Has its last event, `run.end`.
    pub has_end: bool,
    /// The search for `run.end` after the run is known to be over.
    pub end: Option<Asking>,
    /// A complete replay after the end had nothing more. CloudWatch may not have served it yet.
    pub end_answered: bool,
    /// Neither had one long after the end, from the start.
    pub end_settled: bool,
    /// How often the run was read for its raw lines after its end. A second time when some are still
    /// missing: an answer may have lacked them.
    pub raw_readings: u8,
    /// When to read it next, once it is known that some are missing.
    pub raw_due: Option<u64>,
    /// When its newest line came in, and how often its silence was asked about since.
    pub heard_at: Option<u64>,
    pub silences: usize,
}

impl RunView {
    /// Takes what the server says; a state never goes back.
    pub fn take(&mut self, info: &RunInfo, now: u64) {
        self.heard_at.get_or_insert(now);
        self.top = self.top.max(info.last_seq);
        self.server_raw = self.server_raw.max(info.raw);
        if self.state.is_none_or(|state| state.rank() <= info.state.rank()) {
            self.state = Some(info.state);
        }
    }

    /// The time of the oldest line it has.
    pub fn oldest_ts(&self) -> Option<u64> {
        self.held.iter().next().and_then(|(first, _)| self.times.get(&first).copied())
    }

    /// Finds the holes again. What is left of an old one keeps its schedule, and what is missing beside it
    /// is a hole of its own: it was only just missed.
    pub fn find_holes(&mut self, floor: u64, now: u64) {
        let mut known = self.held.clone();
        for (first, last) in self.lost.iter() {
            known.insert_range(first, last);
        }
        let mut holes = BTreeMap::new();
        for (first, (last, asking)) in std::mem::take(&mut self.holes) {
            for (first, last) in known.missing(first.max(floor), last.min(self.top)) {
                holes.insert(first, (last, asking.clone()));
            }
            known.insert_range(first, last);
        }
        for (first, last) in known.missing(floor, self.top) {
            holes.insert(first, (last, Asking::begin(now)));
        }
        self.holes = holes;
    }

    /// Lines that may be shown now: all below the first hole that may still be an overtaking. A raw line
    /// follows the last one that is not younger; the numbered ones keep their order.
    pub fn take_showable(&mut self, now: u64, out: &mut Vec<Output>) {
        let barrier = self
            .holes
            .iter()
            .find(|(_, (_, asking))| !asking.patience_over(now))
            .map(|(&first, _)| first);
        let rest = barrier.map_or_else(BTreeMap::new, |first| self.waiting.split_off(&first));
        let lines = std::mem::replace(&mut self.waiting, rest);
        let mut raws = std::mem::take(&mut self.waiting_raw);
        raws.sort_by_key(|raw| raw.ts);
        let mut raws = raws.into_iter().peekable();
        for line in lines.into_values() {
            while let Some(raw) = raws.next_if(|raw| raw.ts < line.ts) {
                out.push(Output::ShowRaw(raw));
            }
            out.push(Output::Show(line));
        }
        out.extend(raws.map(Output::ShowRaw));
    }

    /// A time at or before `number`'s, where reading for it may begin.
    pub fn time_before(&self, number: u64) -> Option<u64> {
        self.times.range(..number).next_back().map(|(_, &ts)| ts)
    }

    /// Asks for a hole. Reading begins at the earlier of its neighbours' times: a worker's clock may have
    /// been set back in between.
    pub fn ask_hole(&mut self, run: &Run, from: u64, now: u64, drawn: Drawn) -> Option<Range> {
        let before = self.time_before(from).unwrap_or_else(|| run.started_ms());
        let (last, asking) = self.holes.get_mut(&from)?;
        let behind = self.times.range(*last + 1..).next().map(|(_, &ts)| ts);
        let ts = behind.map_or(before, |behind| behind.min(before));
        let (ts, after) = asking.ask(now, ts, drawn);
        Some(Range { run: run.clone(), from, to: Some(*last), ts, after })
    }

    /// The first number behind all that are known. Behind the highest that there can be it is that one: the
    /// server would refuse the next.
    pub fn rest(&self, floor: u64) -> u64 {
        (self.top + 1).max(floor).min(MAX_SEQ)
    }

    /// Asks for whatever follows `from`: the end of a run that is over, or news of one that is silent. The
    /// last time that silence is asked about, the run is read from the start: its worker's clock may be
    /// ahead.
    pub fn ask_rest(&mut self, run: &Run, from: u64, now: u64, drawn: Drawn) -> Range {
        let is_last = self.silences == SILENCE_MS.len();
        let ts = self.time_before(from).unwrap_or_else(|| run.started_ms());
        let ts = if is_last { 0 } else { ts };
        let missing = self.end_is_missing();
        let end = self.end.as_mut().filter(|_| missing);
        let (ts, after) = end.map_or((ts, None), |end| end.ask(now, ts, drawn));
        Range { run: run.clone(), from, to: None, ts, after }
    }

    /// Takes a complete answer to a range, asked for at `sent`; says which numbers it proves to be lost.
    /// A number is given up when CloudWatch Logs has had five minutes to serve it, or says itself that it
    /// will not come, and its run was read from the start.
    pub fn complete(
        &mut self,
        range: &Range,
        sent: u64,
        settled: bool,
        now: u64,
    ) -> Vec<(u64, u64)> {
        let to = range.to.unwrap_or(self.top);
        let mut lost = Vec::new();
        for (&first, (last, asking)) in self.holes.range_mut(..=to) {
            if *last < range.from {
                continue;
            }
            asking.after = None;
            if !settled && !asking.is_old(sent) {
                continue;
            }
            if range.ts == 0 {
                lost.push((first.max(range.from), (*last).min(to)));
            } else {
                asking.settled = true;
                asking.at_once(now);
            }
        }
        for &(first, last) in &lost {
            self.lost.insert_range(first, last);
        }
        if range.to.is_none() && self.end_is_missing() {
            self.end_answered = true;
            if let Some(end) = &mut self.end {
                end.after = None;
                match (end.is_old(sent), range.ts) {
                    (true, 0) => self.end_settled = true,
                    (true, _) => end.at_once(now),
                    (false, _) => {}
                }
            }
        }
        lost
    }

    /// Takes an incomplete answer to a range: where it stopped, and whether to go on at once.
    pub fn stopped(&mut self, range: &Range, read_to: Option<&ReadTo>, progress: bool, now: u64) {
        let after = read_to.filter(|read_to| read_to.run == range.run).map(|read_to| read_to.ts);
        let holes = self.holes.range_mut(..=range.to.unwrap_or(u64::MAX));
        let holes = holes.map(|(_, hole)| hole).filter(|(last, _)| *last >= range.from);
        let end = self.end.as_mut().filter(|_| range.to.is_none());
        for asking in holes.map(|(_, asking)| asking).chain(end) {
            // A reading that began later does not count once the run is read from the start.
            if range.ts == 0 || !asking.all {
                asking.after = after.or(asking.after);
            }
            if progress {
                asking.at_once(now);
            }
        }
    }

    /// No event of it will follow.
    pub fn is_over(&self) -> bool {
        self.has_end || self.row_is_over()
    }

    /// The server says that its worker is gone.
    pub fn row_is_over(&self) -> bool {
        self.state.is_some_and(RunState::is_over)
    }

    /// Over, and its last event neither here nor given up.
    pub fn end_is_missing(&self) -> bool {
        self.row_is_over() && !self.has_end && !self.end_settled
    }

    /// Whether to ask for its end now.
    pub fn end_is_due(&mut self, now: u64, drawn: Drawn) -> bool {
        self.end_is_missing()
            && now >= self.end.get_or_insert_with(|| Asking::begin_apart(now, drawn)).next
    }

    /// When its silence is asked about next, by a client that does so `apart` from the others.
    pub fn next_silence(&self, apart: u64) -> Option<u64> {
        if self.has_end || self.end_settled {
            return None;
        }
        Some(self.heard_at? + SILENCE_MS.get(self.silences)? + apart)
    }

    /// Whether it is over and the server has counted more raw lines than came. A task that died before its
    /// first line may have left some that nobody could count.
    pub fn lacks_raw(&self) -> bool {
        let lacks = match self.server_raw {
            Some(counted) => counted > (self.raw.len() + self.raw_gone) as u64,
            None => self.top == 0,
        };
        lacks && self.is_over() && self.raw_readings < RAW_READINGS
    }

    /// Forgets everything up to a number: the page has let go of it, and of the raw lines before it.
    pub fn forget(&mut self, last: u64) {
        let raw = self.raw.len();
        let until = match self.times.range(..=last).next_back() {
            _ if last == u64::MAX => u64::MAX,
            Some((_, &ts)) => ts,
            None => 0,
        };
        let gone = self.raw.iter().map(|raw| raw.ts).filter(|&ts| ts <= until).max();
        self.raw_gone_until = self.raw_gone_until.max(gone);
        self.raw.retain(|raw| raw.ts > until);
        self.waiting_raw.retain(|raw| raw.ts > until);
        self.raw_gone += raw - self.raw.len();
        self.held.remove_range(0, last);
        self.lost.remove_range(0, last);
        self.waiting.retain(|&number, _| number > last);
        self.holes.retain(|_, (to, _)| *to > last);
    }

    /// Forgets the times that bound nothing.
    pub fn prune_times(&mut self) {
        if (self.times.len() as u64) < 1_024 + self.held.max().unwrap_or(0) / MARK_EVERY {
            return;
        }
        let keep: HashSet<u64> = self.held.iter().flat_map(|(first, last)| [first, last]).collect();
        self.times.retain(|number, _| number % MARK_EVERY == 0 || keep.contains(number));
    }
}
