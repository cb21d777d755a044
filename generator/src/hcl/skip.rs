//! Checks of [checkov](https://www.checkov.io) that a resource does not follow, with the reason.

/// A check that a resource skips. The table of all is [`crate::skips`].
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// The check's id, such as `CKV_AWS_158`.
    pub id: &'static str,
    /// Why it is skipped, on one line: checkov reads no more.
    pub reason: &'static str,
}

impl Skip {
    /// The comment that checkov looks for: inside the block, on one line, never wrapped.
    /// <https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html>
    pub(super) fn comment(&self) -> String {
        format!("checkov:skip={}:{}", self.id, self.reason)
    }
}
