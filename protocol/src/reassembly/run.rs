//! One run, as a client knows it.

use std::collections::{BTreeMap, HashSet};

use super::{
    LOST_AFTER_MS, SILENCE_MS,
    asking::{Asking, Jitter},
    ranges::RangeSet,
    types::Line,
};
use crate::{message::RawLine, table::RunState};

/// What a client knows of a run.
#[derive(Debug, Default)]
pub(super) struct RunView {
    /// Numbers it has.
    pub held: RangeSet,
    /// Numbers it has given up.
    pub lost: RangeSet,
    /// Lines it has and does not show yet.
    pub waiting: BTreeMap<u64, Line>,
    /// Times of held lines that lie right above a hole: the reference for giving it up.
    pub times: BTreeMap<u64, u64>,
    /// Raw lines it has.
    pub raw: HashSet<RawLine>,
    /// Holes by their first number: last number and schedule.
    pub holes: BTreeMap<u64, (u64, Asking)>,
    /// Highest number the server knows.
    pub server_last: u64,
    /// Latest event time known, from the server or a line.
    pub last_ts: u64,
    /// Where the run stands.
    pub state: Option<RunState>,
    /// Has its last event, `run.end`.
    pub has_end: bool,
    /// The search for `run.end` after the run is known to be over.
    pub end: Option<Asking>,
    /// A complete replay after the end had nothing more. CloudWatch may not have served it yet.
    pub end_answered: bool,
    /// Neither had a complete replay long after the end.
    pub end_settled: bool,
    /// The run was replayed whole once after its end, for raw lines.
    pub replayed_after_end: bool,
    /// When its newest line came in, and how often its silence was asked about since.
    pub heard_at: u64,
    pub silences: usize,
}

impl RunView {
    /// Highest number known to exist.
    pub fn top(&self) -> u64 {
        self.held.max().unwrap_or(0).max(self.server_last)
    }

    /// The time of the oldest line it has.
    pub fn oldest_ts(&self) -> Option<u64> {
        self.held.iter().next().and_then(|(first, _)| self.times.get(&first).copied())
    }

    /// Finds the holes again; a part of an old hole keeps its schedule.
    pub fn find_holes(&mut self, floor: u64, now: u64) {
        let mut known = self.held.clone();
        for (first, last) in self.lost.iter() {
            known.insert_range(first, last);
        }
        let old = std::mem::take(&mut self.holes);
        for (first, last) in known.missing(floor, self.top()) {
            let asking = old
                .iter()
                .filter(|&(&from, &(to, _))| from <= last && to >= first)
                .map(|(_, (_, asking))| asking)
                .min_by_key(|asking| asking.since)
                .cloned()
                .unwrap_or_else(|| Asking::begin(now));
            self.holes.insert(first, (last, asking));
        }
    }

    /// A replay of these numbers broke off after it had brought some.
    pub fn progressed(&mut self, from: u64, to: u64, now: u64) {
        for (_, (last, asking)) in self.holes.range_mut(..=to) {
            if *last >= from {
                asking.progressed(now);
            }
        }
    }

    /// Lines that may be shown now: all below the first hole that may still be an overtaking.
    pub fn take_showable(&mut self, now: u64) -> Vec<Line> {
        let barrier = self
            .holes
            .iter()
            .find(|(_, (_, asking))| !asking.patience_over(now))
            .map(|(&first, _)| first);
        let rest = barrier.map_or_else(BTreeMap::new, |first| self.waiting.split_off(&first));
        std::mem::replace(&mut self.waiting, rest).into_values().collect()
    }

    /// The time from which on a complete replay without `number` proves that it is lost.
    pub fn lost_from(&self, number: u64) -> u64 {
        let next = self.times.range(number..).next().map_or(self.last_ts, |(_, &ts)| ts);
        next.saturating_add(LOST_AFTER_MS)
    }

    /// Gives up what a complete replay of these numbers, asked for at `sent`, proves to be lost.
    pub fn give_up(&mut self, from: u64, to: Option<u64>, sent: u64) -> Vec<(u64, u64)> {
        let last = to.unwrap_or_else(|| self.top());
        let holes = self.holes.iter();
        let mut lost: Vec<(u64, u64)> =
            holes.map(|(&first, &(to, _))| (first.max(from), to.min(last))).collect();
        lost.retain(|&(first, last)| first <= last && sent >= self.lost_from(last));
        for &(first, last) in &lost {
            self.lost.insert_range(first, last);
        }
        lost
    }

    /// A time at or before `number`'s, where reading for it may begin.
    pub fn time_before(&self, number: u64) -> Option<u64> {
        self.times.range(..number).next_back().map(|(_, &ts)| ts)
    }

    /// No event of it will follow.
    pub fn is_over(&self) -> bool {
        self.has_end || self.state.is_some_and(RunState::is_over)
    }

    /// Over, and its last event neither here nor given up.
    pub fn end_is_missing(&self) -> bool {
        self.state.is_some_and(RunState::is_over) && !self.has_end && !self.end_settled
    }

    /// Whether a complete replay asked for at `sent` proves that it has no `run.end`. Its last
    /// event's time proves nothing: a run may be silent for long before it ends.
    pub fn end_is_settled_by(&self, sent: u64) -> bool {
        let known_over = self.end.as_ref().map(|asking| asking.since);
        known_over.is_some_and(|since| {
            sent >= self.lost_from(u64::MAX).max(since.saturating_add(LOST_AFTER_MS))
        })
    }

    /// Whether to ask for its end now; if so, notes that it was asked.
    pub fn end_is_due(&mut self, now: u64, jitter: &mut Jitter) -> bool {
        if !self.end_is_missing() {
            return false;
        }
        let asking = self.end.get_or_insert_with(|| Asking::begin(now));
        let due = now >= asking.next;
        if due {
            asking.asked(now, jitter);
        }
        due
    }

    /// When its silence is asked about next.
    pub fn next_silence(&self) -> Option<u64> {
        if self.has_end || self.end_settled {
            return None;
        }
        SILENCE_MS.get(self.silences).map(|ms| self.heard_at + ms)
    }

    /// Keeps only the times that bound a hole or the end of what is held: the rest is never read.
    pub fn prune_times(&mut self) {
        if self.times.len() < 64 {
            return;
        }
        let mut keep: HashSet<u64> = HashSet::new();
        for (first, last) in self.held.iter() {
            keep.extend([first, last]);
        }
        self.times.retain(|number, _| keep.contains(number));
    }
}
