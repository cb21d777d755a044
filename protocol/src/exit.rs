//! The worker's exit codes. The state machine decides by them whether to start again.

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum RunExit {
    /// PROGRESS.md says the work is complete.
    Complete,
    /// The iteration limit was reached.
    Iterations,
    /// The duration limit was reached.
    Duration,
    /// The cost limit was reached.
    Budget,
    /// Too many iterations without progress.
    Stalled,
    /// The repository cannot be cloned, or git refused the credentials.
    Git,
    /// Work cannot be pushed to the branch; the run's last sentence names the branch it is on.
    PushConflict,
    /// The remote refuses the work on every branch: it is lost with the machine.
    Unpushed,
    /// The disk is full and no room could be made for the work.
    NoSpace,
    /// The configuration is wrong; nothing was spent.
    Configuration,
    /// No key of the model's service works.
    NoKey,
    /// A fault of the worker itself.
    Internal,
    /// Stopped by a signal; resume now.
    Interrupted,
    /// Waiting for a limit of the service to reset; resume later.
    Waiting,
}

impl RunExit {
    /// Every exit, for tables and documentation.
    pub const ALL: [Self; 14] = [
        Self::Complete,
        Self::Iterations,
        Self::Duration,
        Self::Budget,
        Self::Stalled,
        Self::Git,
        Self::PushConflict,
        Self::Unpushed,
        Self::NoSpace,
        Self::Configuration,
        Self::NoKey,
        Self::Internal,
        Self::Interrupted,
        Self::Waiting,
    ];

    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Iterations => 10,
            Self::Duration => 11,
            Self::Budget => 12,
            Self::Stalled => 13,
            Self::Git => 20,
            Self::PushConflict => 21,
            Self::Unpushed => 22,
            Self::NoSpace => 23,
            Self::Configuration => 30,
            Self::NoKey => 31,
            Self::Internal => 50,
            Self::Interrupted => 75,
            Self::Waiting => 76,
        }
    }

    /// The exit a code stands for; `None` for codes that are not ours (137, 139, …).
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| i64::from(exit.code()) == code)
    }

    /// What it means, as a sentence for a person.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Complete => "the work is complete",
            Self::Iterations => "the limit of iterations was reached",
            Self::Duration => "the limit of duration was reached",
            Self::Budget => "the limit of cost was reached",
            Self::Stalled => "too many iterations in a row made no progress",
            Self::Git => "the repository cannot be cloned, or git refused the credentials",
            Self::PushConflict => "the branch cannot be pushed to; the work is on another branch",
            Self::Unpushed => "the remote refuses the work on every branch; it is lost",
            Self::NoSpace => "the disk is full",
            Self::Configuration => "the worker's configuration is wrong",
            Self::NoKey => "no key of the model's service works",
            Self::Internal => "the worker met a fault of its own",
            Self::Interrupted => "the worker was interrupted",
            Self::Waiting => "the worker waits for a limit of the service to reset",
        }
    }

    /// Final: starting the same execution again would end the same way.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Internal | Self::Interrupted | Self::Waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_back_to_their_exit() {
        for exit in RunExit::ALL {
            assert_eq!(RunExit::from_code(i64::from(exit.code())), Some(exit));
        }
        assert_eq!(RunExit::from_code(137), None);
    }
}
