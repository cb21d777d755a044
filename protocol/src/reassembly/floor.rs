//! Where knowledge begins.

use crate::ids::Run;

/// Where knowledge begins: below it, nothing is missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Floor {
    /// Not known before the first page is complete.
    Unknown,
    /// Everything is of interest.
    Start,
    /// From this number of this run on.
    At(Run, u64),
}

impl Floor {
    /// The first number of a run that may be missed; `None`: the run is history.
    pub fn of(&self, run: &Run) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Start => Some(1),
            Self::At(floor, seq) => match run.cmp(floor) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal => Some(*seq),
                std::cmp::Ordering::Greater => Some(1),
            },
        }
    }
}
