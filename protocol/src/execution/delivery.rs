//! Where the work of an execution goes: its branch, and the pull request that offers it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a new execution does where its workstream has a branch already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reuse {
    /// Goes on upon the newest branch, with the base merged into it.
    Continue,
    /// Begins a [`numbered`] branch from the base.
    NewBranch,
}

impl Reuse {
    /// As an order and the worker's variable write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::NewBranch => "newBranch",
        }
    }
}

impl FromStr for Reuse {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Continue, Self::NewBranch].into_iter().find(|one| one.as_str() == text).ok_or(())
    }
}

/// Whether the worker opens a pull request for its branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullRequest {
    /// It opens none.
    None,
    /// It opens a draft.
    Draft,
    /// It opens one that reviewers are asked for.
    Ready,
}

impl PullRequest {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Draft, Self::Ready];

    /// As an order, `ralph.toml` and the worker's variable write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Draft => "draft",
            Self::Ready => "ready",
        }
    }
}

impl FromStr for PullRequest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(())
    }
}

/// The `n`th branch of a workstream, from 2: `<branch>.<n>`. A workstream's name holds no dot, so that
/// no other workstream has such a branch by default.
#[must_use]
pub fn numbered(branch: &str, n: u32) -> String {
    format!("{branch}.{n}")
}

/// The number in the name of another branch of the same workstream; 1 for the branch itself, `None`
/// for a branch that is another's.
#[must_use]
pub fn number_of(branch: &str, other: &str) -> Option<u32> {
    let rest = other.strip_prefix(branch)?;
    if rest.is_empty() {
        return Some(1);
    }
    let n = rest.strip_prefix('.')?.parse().ok().filter(|n| *n >= 2)?;
    // Only the canonical form: `ralph/docs.02` is not ours.
    (numbered(branch, n) == other).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for one in [Reuse::Continue, Reuse::NewBranch] {
            assert_eq!(one.as_str().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
        for one in PullRequest::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
        }
        assert!("Draft".parse::<PullRequest>().is_err() && "new".parse::<Reuse>().is_err());
    }

    #[test]
    fn a_branchs_number_is_read_back() {
        for (other, n) in [
            ("ralph/docs", Some(1)),
            ("ralph/docs.2", Some(2)),
            ("ralph/docs.10", Some(10)),
            ("ralph/docs.1", None),
            ("ralph/docs.02", None),
            ("ralph/docs.+2", None),
            ("ralph/docs.2.2", None),
            ("ralph/docs.x", None),
            ("ralph/docs-2", None),
            ("ralph/doc", None),
            ("ralph/docs.99999999999", None),
        ] {
            assert_eq!(number_of("ralph/docs", other), n, "{other}");
        }
        assert_eq!(numbered("ralph/docs", 2), "ralph/docs.2");
    }
}
