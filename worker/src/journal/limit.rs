//! How much a run may log. Whoever reads the log pays for each byte, and the agent decides how much
//! it says: beyond the limit only the worker's own events go on.

use ralph_protocol::event::Kind;

use crate::config::MB;

/// Beyond the limit: most bytes of those events that the agent can cause as often as it likes.
/// Without a limit of their own they would let it go on.
pub const RESERVE: u64 = 500_000;

/// Setup alone may write one of so many parts of the limit, so that the agent has the rest.
const SETUP_PART: u64 = 4;

/// Whose event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The worker says it.
    Worker,
    /// It was read from the output of setup.
    Setup,
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
    /// Bytes of setup's lines.
    setup: u64,
    /// Setup's part of the limit is reached, for good.
    setup_full: bool,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            written: 0,
            limit: u64::MAX,
            full: false,
            reserve: RESERVE,
            setup: 0,
            setup_full: false,
        }
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
            (Source::Setup, _) => !self.full && !self.setup_full,
            _ if !self.full => true,
            // The other half is for what the worker itself has to say.
            (Source::Agent, Kind::Limit { .. }) => self.reserve > RESERVE / 2,
            (Source::Agent, _) => false,
            (Source::Worker, kind) => !is_bounded(kind) || self.reserve > 0,
        }
    }

    /// Whether an event of at most so many bytes would pass the limit, or setup's part of it, which
    /// each happens only once. Returns the text that says so.
    pub(super) fn fills(&mut self, source: Source, bytes: u64) -> Option<String> {
        #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
        let mb = |bytes: u64| bytes as f64 / MB as f64;
        if self.full {
            return None;
        }
        if self.written.saturating_add(bytes) <= self.limit {
            let most = self.limit / SETUP_PART;
            let fits = self.setup.saturating_add(bytes) <= most;
            if source != Source::Setup || self.setup_full || fits {
                return None;
            }
            self.setup_full = true;
            return Some(format!(
                "what setup says is not logged from here on: it has written {:.2} of the {} MB that the run may log, and may write {:.2}\nhint: let the command say less",
                mb(self.setup),
                mb(self.limit),
                mb(most)
            ));
        }
        self.full = true;
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
        if matches!(kind, Kind::Setup { .. }) {
            self.setup = self.setup.saturating_add(bytes);
        }
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
