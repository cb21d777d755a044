//! Requests to the server.

use crate::{ids::Run, message::Range};

/// What a request is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The first page.
    Page,
    /// Numbers of runs.
    Ranges(Vec<Range>),
    /// A whole run, after its end.
    WholeRun(Run),
}

/// A request without an answer yet.
#[derive(Debug)]
pub(super) struct Request {
    pub purpose: Purpose,
    pub sent: u64,
    /// Its answer says that new lines are delivered from here on.
    pub subscribes: bool,
    /// Whether it has brought a line that was not held.
    pub progress: bool,
}

impl Request {
    /// Whether it asks for a number.
    pub fn asks_for(&self, run: &Run, number: u64) -> bool {
        match &self.purpose {
            Purpose::Ranges(asked) => asked.iter().any(|range| {
                range.run == *run && range.from <= number && range.to.is_none_or(|to| number <= to)
            }),
            Purpose::Page | Purpose::WholeRun(_) => false,
        }
    }
}
