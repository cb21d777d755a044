//! How much a run may log. Whoever reads the log pays for each byte, and the agent decides how much
//! it says: beyond the limit only the worker's own events go on.

use ralph_protocol::event::Kind;

use crate::config::MB;

/// Beyond the limit: most bytes of those events that the agent can cause as often as it likes.
/// Without a limit of their own they would let it go on.
pub const RESERVE: u64 = 500_000;

/// Whose event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The worker says it.
    Worker,
    /// It was read from the agent's output.
    Agent,
}

/// What was written, and what may be.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    /// Bytes of all lines.
    written: u64,
    /// Most of them.
    limit: u64,
    /// The limit is reached, for good.
    full: bool,
    /// What is left of [`RESERVE`].
    reserve: u64,
}

impl Default for Volume {
    fn default() -> Self {
        Self { written: 0, limit: u64::MAX, full: false, reserve: RESERVE }
    }
}

impl Volume {
    pub(super) fn limit_to(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether an event is written, reached or not.
    pub(super) fn passes(&self, source: Source, kind: &Kind) -> bool {
        match (source, kind) {
            _ if !self.full => true,
            // The other half is for what the worker itself has to say.
            (Source::Agent, Kind::Limit { .. }) => self.reserve > RESERVE / 2,
            (Source::Agent, _) => false,
            (Source::Worker, kind) => !is_bounded(kind) || self.reserve > 0,
        }
    }

    /// Whether an event of at most so many bytes would pass the limit, which it does only once.
    /// Returns the text that says so.
    pub(super) fn fills(&mut self, bytes: u64) -> Option<String> {
        if self.full || self.written.saturating_add(bytes) <= self.limit {
            return None;
        }
        self.full = true;
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let mb = |bytes: u64| bytes as f64 / MB as f64;
        Some(format!(
            "what the agent says is not logged from here on: the run has written {:.1} of the {} MB that it may log, and adds at most {} MB of its own notes\nhint: `max_log_mb` in ralph.toml, or `ralph run --max-log-mb`, allows more",
            mb(self.written),
            mb(self.limit),
            mb(RESERVE)
        ))
    }

    /// Counts a line.
    pub(super) fn count(&mut self, kind: &Kind, bytes: usize) {
        let bytes = bytes as u64;
        self.written = self.written.saturating_add(bytes);
        if self.full && is_bounded(kind) {
            self.reserve = self.reserve.saturating_sub(bytes);
        }
    }
}

/// Whether the agent can cause it again and again. The others come a few times in an attempt, and
/// `spend` as often as money is reserved (see `Account::reserve`).
fn is_bounded(kind: &Kind) -> bool {
    matches!(kind, Kind::Log { .. } | Kind::KeyRotate { .. } | Kind::Limit { .. })
}
