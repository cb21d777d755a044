//! Requests to the server.

use super::ANSWER_MS;
use crate::{ids::Run, message::Range};

/// What a request is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The first page.
    Page,
    /// A page of older lines.
    Before,
    /// Numbers of runs.
    Ranges(Vec<Range>),
    /// The raw lines of a run that is over.
    Raw {
        /// Which.
        run: Run,
        /// Most lines to read.
        left: usize,
    },
}

/// A request without an answer yet.
#[derive(Debug)]
pub(super) struct Request {
    pub purpose: Purpose,
    pub sent: u64,
    /// When it was sent, or the last lines of its answer came.
    pub heard: u64,
    /// Its answer says that new lines are delivered from here on.
    pub subscribes: bool,
    /// Lines that it has brought, held before or not.
    pub came: usize,
    /// Whether one of them was not held.
    pub progress: bool,
    /// Whether it has brought an event from below the floor.
    pub below: bool,
    /// The run of the last event that it has brought, and whether that lies below the floor.
    pub last: Option<(Run, bool)>,
    /// The oldest event that it has brought, as an older page.
    pub oldest: Option<(Run, u64)>,
    /// A frame was dropped unread since: whatever the answer says, it is not complete.
    pub distrusted: bool,
}

impl Request {
    pub fn new(purpose: Purpose, now: u64, subscribes: bool) -> Self {
        Self {
            purpose,
            sent: now,
            heard: now,
            subscribes,
            came: 0,
            progress: false,
            below: false,
            last: None,
            oldest: None,
            distrusted: false,
        }
    }

    /// When it counts as unanswered.
    pub fn expires(&self) -> u64 {
        self.heard + ANSWER_MS
    }

    /// Whether it is one for an older page.
    pub fn is_before(&self) -> bool {
        matches!(self.purpose, Purpose::Before)
    }

    /// Whether it asks for a number.
    pub fn asks_for(&self, run: &Run, number: u64) -> bool {
        match &self.purpose {
            Purpose::Ranges(asked) => asked.iter().any(|range| {
                range.run == *run && range.from <= number && range.to.is_none_or(|to| number <= to)
            }),
            Purpose::Page | Purpose::Before | Purpose::Raw { .. } => false,
        }
    }
}
