//! Older lines: what the first page did not hold, what a reader asks for, and what the page lets go of.

use super::{
    PATIENCE_MS,
    asking::Asking,
    client::Client,
    floor::Floor,
    request::{Purpose, Request},
    types::Output,
};
use crate::{ids::Run, message::SendLogs};

/// Where older lines are, and how many are wanted.
#[derive(Debug)]
pub(super) struct Paging {
    /// For the page before.
    cursor: Option<String>,
    /// The floor that the cursor continues from: evicted lines lie between it and the floor.
    cursor_at: Floor,
    /// Lines that are still to come from before the cursor.
    pub wanted: usize,
}

impl Default for Paging {
    fn default() -> Self {
        Self::begin(None, Floor::Unknown, 0)
    }
}

impl Paging {
    pub fn begin(cursor: Option<String>, cursor_at: Floor, wanted: usize) -> Self {
        let wanted = if cursor.is_some() { wanted } else { 0 };
        Self { cursor, cursor_at, wanted }
    }
}

impl Client {
    /// Whether lines older than what is held may exist.
    #[must_use]
    pub fn has_older(&self) -> bool {
        self.paging.cursor.is_some() || self.floor != self.paging.cursor_at
    }

    /// Whether older lines are on their way.
    #[must_use]
    pub fn is_loading_older(&self) -> bool {
        self.paging.wanted > 0
    }

    /// Asks for `count` older lines. Nothing happens while some are on their way, while disconnected, or
    /// when there are none.
    pub fn older(&mut self, now: u64, count: usize) -> Vec<Output> {
        self.now = now;
        let ready = self.connected
            && !self.refused
            && self.floor != Floor::Unknown
            && !self.is_loading_older();
        if ready && count > 0 && self.has_older() {
            let known = self.floor != self.paging.cursor_at && self.lower_floor(now, count as u64);
            if !known && self.paging.cursor.is_some() {
                self.paging.wanted = count;
            }
        }
        // Whatever else is due now is not due again.
        let mut out = Vec::new();
        self.settle(now, &mut out);
        out
    }

    /// What was evicted has known numbers: lowering the floor makes them a hole, asked for at once.
    /// `false` when there are none, and the floor is the cursor's again.
    fn lower_floor(&mut self, now: u64, count: u64) -> bool {
        let target = self.paging.cursor_at.clone();
        let Floor::At(run, seq) = &self.floor else { return false };
        let (mut run, mut seq) = (run.clone(), *seq);
        while seq <= target.of(&run).unwrap_or(1) {
            let earlier = self.runs.range(..&run).next_back();
            match earlier.filter(|(run, _)| target.of(run).is_some()) {
                Some((earlier, view)) => (run, seq) = (earlier.clone(), view.top + 1),
                None => {
                    self.floor = target;
                    return false;
                }
            }
        }
        let lowest = target.of(&run).unwrap_or(1);
        let from = seq.saturating_sub(count).max(lowest);
        let reached = from == lowest && matches!(&target, Floor::At(at, _) if *at == run);
        self.floor = if reached { target } else { Floor::At(run.clone(), from) };
        if let Some(view) = self.runs.get_mut(&run).filter(|_| from < seq) {
            let asking = Asking { next: now, ..Asking::begin(now.saturating_sub(PATIENCE_MS)) };
            view.holes.insert(from, (seq - 1, asking));
        }
        true
    }

    /// The reader let go of everything up to `(run, seq)`: it is no longer held, nor missed.
    pub fn evict(&mut self, run: &Run, seq: u64) {
        // An older page under way would lower the floor again. What it has brought stays, unless it is let
        // go of, too; what it still brings is history.
        self.requests.retain(|_, request| !request.is_before());
        self.paging.wanted = 0;
        for (other, view) in self.runs.range_mut(..=run) {
            view.forget(if other == run { seq } else { u64::MAX });
        }
        if self.floor != Floor::Unknown {
            self.floor = Floor::At(run.clone(), seq.saturating_add(1)).max(self.floor.clone());
        }
    }

    /// A page of older lines has ended.
    pub(super) fn page_came(&mut self, request: &Request, complete: bool, cursor: Option<String>) {
        let left = self.paging.wanted.saturating_sub(request.came);
        self.floor = match &request.oldest {
            _ if cursor.is_none() => Floor::Start,
            Some((run, seq)) => Floor::At(run.clone(), *seq).min(self.floor.clone()),
            None => self.floor.clone(),
        };
        // Without a line, the cursor may lead to itself.
        let wanted = if complete || request.came == 0 { 0 } else { left };
        self.paging = Paging::begin(cursor, self.floor.clone(), wanted);
    }

    /// Keeps one request for older lines under way while some are wanted.
    pub(super) fn ask_for_page(&mut self, now: u64, out: &mut Vec<Output>) {
        if self.paging.wanted == 0 || self.requests.values().any(Request::is_before) {
            return;
        }
        let limit = u32::try_from(self.paging.wanted).ok();
        let (before, since) = (self.paging.cursor.clone(), self.options.since);
        let ask = SendLogs { before, limit, since, ..self.ask() };
        self.send(now, Purpose::Before, ask, out);
    }
}
