//! Identifiers. Each is checked once, where it enters the program, and is a type from then on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier. The message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a workstream id.
    #[error(
        "`{0}` is not a workstream id\nhint: 1 to 48 characters of a-z, 0-9 and `-`, not starting with `-`, and not `rescue`: branches below {RESCUE_PREFIX} hold rescued work"
    )]
    Workstream(String),
    /// Not a run id.
    #[error(
        "`{0}` is not a run id\nhint: a ULID and a four-digit attempt, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV-0001"
    )]
    Run(String),
}

/// Branches below this prefix belong to work that could not be pushed to its own branch.
pub const RESCUE_PREFIX: &str = "ralph/rescue";

/// A line of work, `[a-z0-9][a-z0-9-]{0,47}`: names a branch, a page and a token's scope. Not
/// `rescue`: its branch would take the place of everybody's rescue branches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct Workstream(String);

impl Workstream {
    /// Most characters a workstream id has.
    pub const MAX_LEN: usize = 48;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=Self::MAX_LEN).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(allowed)
            && branch_of(text) != RESCUE_PREFIX
    }

    /// The branch a workstream works on unless it is told another: `ralph/<workstream>`.
    #[must_use]
    pub fn default_branch(&self) -> String {
        branch_of(self.as_str())
    }
}

fn branch_of(workstream: &str) -> String {
    format!("ralph/{workstream}")
}

/// One start of a worker: `<ulid>-<attempt, 4 digits>`. Text order is start order.
///
/// Attempts of one execution share the ULID, so its time is when the execution began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct Run(String);

impl Run {
    const ULID_LEN: usize = 26;

    /// Puts a run id together. `attempt` counts from 1 and stays below 10,000.
    ///
    /// # Errors
    /// [`IdError::Run`] when the attempt does not fit in four digits.
    pub fn new(ulid: ulid::Ulid, attempt: u32) -> Result<Self, IdError> {
        format!("{ulid}-{attempt:04}").parse()
    }

    fn is(text: &str) -> bool {
        let Some((ulid, attempt)) = text.split_once('-') else { return false };
        // Crockford's alphabet also decodes lower case and letters that look alike; only the canonical
        // form sorts by time, so only that one is an id.
        let canonical = ulid::Ulid::from_string(ulid)
            .is_ok_and(|u| u.array_to_str(&mut [0; Self::ULID_LEN]) == ulid);
        let digits = attempt.len() == 4 && attempt.bytes().all(|b| b.is_ascii_digit());
        canonical && digits && attempt != "0000"
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part all attempts of one execution share.
    #[must_use]
    pub fn ulid(&self) -> &str {
        &self.0[..Self::ULID_LEN]
    }

    /// Which start of the execution this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0[Self::ULID_LEN + 1..].parse().unwrap_or(0)
    }

    /// When the execution began, in ms since the epoch: the time inside the ULID.
    #[must_use]
    pub fn started_ms(&self) -> u64 {
        ulid::Ulid::from_string(self.ulid()).map_or(0, |u| u.timestamp_ms())
    }
}

macro_rules! text_id {
    ($($id:ident),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $id {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                if Self::is(&text) { Ok(Self(text)) } else { Err(IdError::$id(clip(&text))) }
            }
        }
        impl FromStr for $id {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.to_owned().try_into()
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.0
            }
        }
        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
text_id!(Workstream, Run);

/// Bad ids come from outside and can be long; an error shows their beginning.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workstream_ids() {
        let longest = "a".repeat(48);
        for good in ["a", "0", "docs", "a-b-", "rescues", longest.as_str()] {
            assert!(good.parse::<Workstream>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(49);
        for bad in ["", "-a", "A", "a_b", "a/b", "ä", "a b", "a\n", "rescue", too_long.as_str()] {
            assert!(bad.parse::<Workstream>().is_err(), "{bad}");
        }
    }

    #[test]
    fn run_ids() {
        let run: Run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0012".parse().unwrap();
        assert_eq!(run.attempt(), 12);
        assert_eq!(run.ulid(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(run.started_ms(), 1_469_922_850_259);
        for bad in [
            "",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV-1",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV-0000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV-00012",
            "01arz3ndektsv4rrffq69g5fav-0001",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV-0001",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVé-001",
        ] {
            assert!(bad.parse::<Run>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_checked_on_its_way_in_from_json() {
        assert!(serde_json::from_str::<Workstream>("\"../x\"").is_err());
        assert!(serde_json::from_str::<Run>("\"1\"").is_err());
    }
}
