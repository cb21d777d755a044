//! Keys and attributes of the `connections` table.
//!
//! | pk | sk | attributes |
//! |---|---|---|
//! | `CONN#<id>` | `META` | `user`, `scope`, `connectedAt` |
//! | `CONN#<id>` | `WS#<w>` | a subscription |
//! | `WS#<w>` | `CONN#<id>` | its inverse, written together with it |
//! | `STREAM#<name>` | `META` | `workstream`, `run`; `raw` until the run is known |
//! | `WS#<w>` | `RUN#<run>` | [`RunState`], and more about the run |
//! | `WS#<w>` | `LEASE` | `execution`: ARN of the one that owns the workstream, `ulid`: its ULID, see [`crate::execution`] |
//! | `WS#<w>` | `STEP#<ulid>#<n>` | `answer`: what `admit` or `decide` answered in step `n` of an execution |
//! | `WS#<w>` | `STOP` | `execution`: ARN of the one that is asked to stop, `requestedAt` |
//! | `INDEX` | `WS#<w>` | `info`: a [`WorkstreamInfo`](crate::index::WorkstreamInfo) as JSON |
//! | `JTI#<jti>` | `META` | a token that was used |
//!
//! Every row has `expiresAt` (seconds since the epoch). DynamoDB deletes late, so a reader ignores
//! what has expired, where that makes a difference. No index and no Scan: every read is a Query or a GetItem on these keys.

use serde::{Deserialize, Serialize};

use crate::ids::{Run, Workstream};

/// Partition key attribute.
pub const PK: &str = "pk";
/// Sort key attribute.
pub const SK: &str = "sk";
/// Time to live, seconds since the epoch.
pub const EXPIRES_AT: &str = "expiresAt";
/// Sort key of a row that describes its partition.
pub const META: &str = "META";
/// Sort key of the lease on a workstream.
pub const LEASE: &str = "LEASE";
/// Partition of the list of workstreams, a row each with the sort key [`workstream`].
pub const INDEX: &str = "INDEX";
/// Sort key of the request to stop a workstream's execution.
pub const STOP: &str = "STOP";

/// Attribute names beside the keys.
pub mod attribute {
    /// Who the token says is connected.
    pub const USER: &str = "user";
    /// The token's scope: workstreams separated by `,`, or `*`.
    pub const SCOPE: &str = "scope";
    /// When the connection was made, ms since the epoch.
    pub const CONNECTED_AT: &str = "connectedAt";
    /// A stream's workstream.
    pub const WORKSTREAM: &str = "workstream";
    /// A stream's run.
    pub const RUN: &str = "run";
    /// A run's log stream.
    pub const STREAM: &str = "stream";
    /// A run's attempt, from 1.
    pub const ATTEMPT: &str = "attempt";
    /// When a run started, ms since the epoch.
    pub const STARTED_AT: &str = "startedAt";
    /// Highest `seq` push-logs has seen; only grows; 0 before the first event.
    pub const LAST_SEQ: &str = "lastSeq";
    /// Latest event time push-logs has seen, ms since the epoch; only grows.
    pub const LAST_TS: &str = "lastTs";
    /// See [`RunState`](super::RunState).
    pub const STATE: &str = "state";
    /// The state's place in its order, so that a conditional write can keep it from going back.
    pub const STATE_RANK: &str = "stateRank";
    /// Why a run ended, waits or failed.
    pub const REASON: &str = "reason";
    /// The worker's exit code.
    pub const EXIT: &str = "exit";
    /// What an execution has cost, this run and those before it, US dollars; only grows.
    pub const SPENT_USD: &str = "spentUsd";
    /// Until when a waiting run waits, ms since the epoch.
    pub const WAIT_UNTIL: &str = "waitUntil";
    /// Link of the pull request with a run's work.
    pub const PULL_REQUEST: &str = "pullRequest";
    /// Raw lines that were delivered: of a run, or of a stream that nobody has claimed yet.
    pub const RAW: &str = "raw";
    /// ARN of the execution that holds a lease, is asked to stop, or started a run.
    pub const EXECUTION: &str = "execution";
    /// ULID of the execution that holds a lease.
    pub const ULID: &str = "ulid";
    /// The answer of a step of an execution, a [`Step`](crate::execution::Step) as JSON.
    pub const ANSWER: &str = "answer";
    /// Where a workstream stands, a [`WorkstreamInfo`](crate::index::WorkstreamInfo) as JSON.
    pub const INFO: &str = "info";
    /// When a stop was asked for, ms since the epoch.
    pub const REQUESTED_AT: &str = "requestedAt";
}

/// Seconds a connection's rows live past `connectedAt`: API Gateway cuts every connection after
/// 2 h, and ten minutes of slack let a late `$disconnect` find its rows.
pub const CONNECTION_TTL_SECS: u64 = 2 * 3600 + 600;

/// Where a run stands. It never goes back: [`RunState::rank`] only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum RunState {
    /// The task was asked for; no event has been seen.
    Starting,
    /// Events arrive.
    Running,
    /// The worker ended to wait for a limit to reset.
    Waiting,
    /// The worker ended.
    Ended,
    /// The task ended without the worker saying so, or never began.
    Failed,
}

impl RunState {
    /// starting < running < waiting, ended or failed.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Starting => 0,
            Self::Running => 1,
            Self::Waiting | Self::Ended | Self::Failed => 2,
        }
    }

    /// The state as the table and the messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }

    /// Reads [`RunState::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Starting, Self::Running, Self::Waiting, Self::Ended, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// No event will follow.
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.rank() == 2
    }
}

/// `CONN#<id>`.
#[must_use]
pub fn connection(id: &str) -> String {
    format!("CONN#{id}")
}

/// `WS#<workstream>`.
#[must_use]
pub fn workstream(workstream: &Workstream) -> String {
    format!("WS#{workstream}")
}

/// `RUN#<run>`.
#[must_use]
pub fn run(run: &Run) -> String {
    format!("RUN#{run}")
}

/// `STEP#<ulid>#<step>`, the step with four digits.
#[must_use]
pub fn step(ulid: ulid::Ulid, step: u32) -> String {
    format!("STEP#{ulid}#{step:04}")
}

/// `TOLD#<ulid>`: somebody was told about the end of an execution.
#[must_use]
pub fn told(ulid: ulid::Ulid) -> String {
    format!("TOLD#{ulid}")
}

/// `STREAM#<log stream name>`.
#[must_use]
pub fn stream(name: &str) -> String {
    format!("STREAM#{name}")
}

/// `JTI#<token id>`.
#[must_use]
pub fn token(jti: &str) -> String {
    format!("JTI#{jti}")
}

/// What stands before a connection's id in a sort key.
pub const CONNECTION_PREFIX: &str = "CONN#";
/// What stands before a workstream in a key.
pub const WORKSTREAM_PREFIX: &str = "WS#";
/// What stands before a run in a sort key.
pub const RUN_PREFIX: &str = "RUN#";
