//! Where knowledge begins.

use std::collections::BTreeMap;

use super::run::RunView;
use crate::ids::Run;

/// Where knowledge begins: below it, nothing is missed. In order: what is higher knows less.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Floor {
    /// Not known before the first page is complete.
    Unknown,
    /// Everything is of interest.
    Start,
    /// From this number of this run on.
    At(Run, u64),
}

impl Floor {
    /// The first page's oldest line bounds what may be missed.
    pub fn first(runs: &BTreeMap<Run, RunView>) -> Self {
        let oldest = runs.iter().find_map(|(run, view)| {
            view.held.iter().next().map(|(seq, _)| Self::At(run.clone(), seq))
        });
        oldest.unwrap_or_else(|| {
            // A page without any event of ours (raw lines only): what exists by now is history.
            let newest = runs.iter().next_back();
            newest.map_or(Self::Start, |(run, view)| Self::At(run.clone(), view.top + 1))
        })
    }

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
