//! Checks of [checkov](https://www.checkov.io) that a resource does not follow, with the reason.

/// A check that a resource skips. The table of all is [`crate::skips`].
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    id: &'static str,
    reason: &'static str,
}

impl Skip {
    /// A check by its id, such as `CKV_AWS_158`, and why it is skipped, on one line.
    ///
    /// # Panics
    /// While compiling, when the reason has a line break: checkov reads one line.
    #[must_use]
    pub const fn new(id: &'static str, reason: &'static str) -> Self {
        let bytes = reason.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i] != b'\n', "a reason is one line");
            i += 1;
        }
        Self { id, reason }
    }

    /// The check's id.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// Why it is skipped.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The comment that checkov looks for: inside the block, on one line, never wrapped.
    /// <https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html>
    pub(in crate::hcl) fn comment(&self) -> String {
        format!("checkov:skip={}:{}", self.id, self.reason)
    }
}
