//! Events, effects and the data they carry.

use std::fmt;

use ralph_protocol::{
    event::{Kind, Level, Tokens},
    exit::RunExit,
};

/// Money in millionths of a US dollar: sums of a long run do not drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u64);

impl Usd {
    /// From dollars; rounded up, so that no cost becomes nothing. Not a number or negative: zero.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    pub fn from_dollars(dollars: f64) -> Self {
        // The tolerance keeps 0.07 from becoming 0.070001 through its binary form.
        Self(((dollars * 1e6) - 1e-3).ceil().max(0.0) as u64)
    }

    /// From millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// One of so many equal parts, rounded down.
    #[must_use]
    pub const fn part(self, parts: u64) -> Self {
        Self(self.0 / parts)
    }

    /// As dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below nine billion dollars")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.4}", self.dollars())
    }
}

/// What an execution has used, over all its attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Iterations that ended.
    pub iterations: u32,
    /// Money spent, failed attempts included.
    pub cost: Usd,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Begin.
    Start,
    /// The checkout is ready, or cannot be.
    Prepared(Result<Prepared, Failure>),
    /// Setup ended well, or the run cannot go on.
    SetUp(Result<(), Failure>),
    /// The agent ended.
    Attempted(Attempt),
    /// The checkpoint ended.
    Saved(Saved),
    /// The verify command ended.
    Verified(Verdict),
    /// A wait is over.
    Woke,
    /// The duration limit is reached.
    Deadline,
    /// A signal asks for the end.
    Signal(&'static str),
    /// The worker itself failed.
    Broken(String),
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write an event.
    Emit(Level, Kind),
    /// Events belong to this iteration from here on.
    Iteration(u32),
    /// Earlier runs of the execution have used this much.
    Earlier(Ledger),
    /// Say what the run has spent; so many iterations of the execution have ended.
    Spend(u32),
    /// Make the checkout; answered by [`Event::Prepared`].
    Prepare,
    /// Run setup; answered by [`Event::SetUp`].
    SetUp,
    /// Run the agent; answered by [`Event::Attempted`].
    RunAgent(Order),
    /// Stop the agent: TERM, then KILL.
    StopAgent,
    /// Stop it without waiting for it.
    KillAgent,
    /// A signal came: what is pushed must be on its branch by then, ms since the epoch, or on the
    /// rescue branch.
    Hurry(u64),
    /// Commit and push; answered by [`Event::Saved`].
    Save(SaveOrder),
    /// Run the verify command; answered by [`Event::Verified`].
    Verify,
    /// Wait until then, ms since the epoch; answered by [`Event::Woke`].
    Sleep(u64),
    /// The run is over. Always the last effect; what still runs is abandoned.
    End {
        /// How.
        exit: RunExit,
        /// One sentence for a person.
        text: Option<String>,
    },
}

/// A checkout, ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Commit the work starts from.
    pub commit: String,
    /// Branch the work goes to.
    pub branch: String,
    /// What the agent has to know of it.
    pub note: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// What earlier attempts of this execution used.
    pub ledger: Ledger,
    /// PROGRESS.md already says so, of this execution's work.
    pub complete: bool,
    /// There is a setup to run.
    pub has_setup: bool,
}

/// Why the run cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit it leads to.
    pub exit: RunExit,
    /// What is wrong and what to do.
    pub text: String,
}

/// One start of the agent to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// From 1.
    pub iteration: u32,
    /// Added to the prompt.
    pub note: Option<String>,
    /// Most this attempt may cost.
    pub budget: Usd,
}

/// One start of the agent, ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// How.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Usd,
    /// Tokens used.
    pub tokens: Tokens,
    /// Turns taken.
    pub turns: u32,
    /// How long it took.
    pub duration_ms: u64,
}

/// How an attempt ended. See [`crate::classify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// An iteration, but not a good end: the agent's own limit on turns, or it gave its result and was
    /// stopped because it did not end.
    Partial,
    /// The service was overloaded or unreachable.
    Transient(String),
    /// A usage limit; until when, ms since the epoch, if the service said so.
    RateLimited(Option<u64>),
    /// No key works.
    NoKey(String),
    /// The cost limit of the run is reached.
    Budget,
    /// Trying again would not help: a wrong model, a flag, a missing program.
    Configuration(String),
    /// Too long, or too long silent, and stopped with work under way.
    Timeout(String),
    /// Ended without saying how.
    Crash(String),
    /// Stopped by the worker.
    Interrupted,
}

impl Outcome {
    /// The name in `iter.end`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Transient(_) => "transient",
            Self::RateLimited(_) => "limit",
            Self::NoKey(_) => "noKey",
            Self::Budget => "budget",
            Self::Configuration(_) => "configuration",
            Self::Timeout(_) => "timeout",
            Self::Crash(_) => "crash",
            Self::Interrupted => "interrupted",
        }
    }

    /// What a person should know beyond the name.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Transient(text)
            | Self::NoKey(text)
            | Self::Configuration(text)
            | Self::Timeout(text)
            | Self::Crash(text) => Some(text),
            _ => None,
        }
    }
}

/// A checkpoint to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOrder {
    /// Goes into the commit's trailers.
    pub ledger: Ledger,
    /// The work was cut off in the middle.
    pub wip: bool,
}

/// A checkpoint, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// HEAD.
    pub commit: String,
    /// The agent's work moved: HEAD or the tree changed.
    pub progressed: bool,
    /// PROGRESS.md at HEAD says that the work is complete.
    pub complete: bool,
    /// What became of the push.
    pub push: Push,
    /// After a signal there was no time to commit everything.
    pub cut_off: bool,
    /// What the agent should know about it, for the next prompt.
    pub note: Option<String>,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// On the branch.
    Pushed,
    /// There was nothing to push.
    Nothing,
    /// A signal left no time for the branch. The next attempt finds the work where it lies.
    Rescued {
        /// Where the work lies.
        rescue: String,
        /// Why.
        text: String,
    },
    /// Not on the branch: it went elsewhere without us.
    Conflict {
        /// Where the work lies instead.
        rescue: String,
        /// Why.
        text: String,
    },
    /// The remote refuses the work everywhere: it is lost with the machine.
    Lost(String),
    /// The credential was refused.
    Denied(String),
    /// The remote could not be reached.
    Failed(String),
    /// There is nothing to push: no commit could be made.
    Unmade(String),
    /// No commit could be made, because the disk is full.
    NoSpace(String),
}

/// What the verify command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    /// Anything else.
    Failed {
        /// The end of its output.
        tail: String,
    },
}
