//! What handlers need from outside, as small traits, and the rows and pages that cross them.
//! `aws` implements them with the SDK; tests implement them in memory.

use ralph_protocol::{
    execution::Progress,
    ids::{Run, Workstream},
    index::WorkstreamInfo,
    message::RunInfo,
    secret::SigningKeys,
    table::RunState,
};

/// A call to a service failed for good (the SDK has retried what can be retried). The text names
/// the call and the service's error, and holds no content of a line and no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed: {problem}")]
pub struct Unavailable {
    /// The call, such as `dynamodb Query`.
    pub call: &'static str,
    /// What the service said.
    pub problem: String,
}

/// A connection's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Who, from the token.
    pub user: String,
    /// Scope as the authorizer's context carries it.
    pub scope: String,
    /// Ms since the epoch.
    pub connected_at: u64,
    /// Seconds since the epoch.
    pub expires_at: u64,
}

/// Which run a log stream belongs to. It belongs to one only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOwner {
    /// The workstream.
    pub workstream: Workstream,
    /// The run.
    pub run: Run,
}

/// What is known about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// What clients are told.
    pub info: RunInfo,
    /// Its log stream; absent while no task was made.
    pub stream: Option<String>,
    /// Until when a waiting run waits, ms since the epoch.
    pub wait_until: Option<u64>,
}

/// What is new about a run, to be merged into its row: see [`crate::runs::merge`].
#[derive(Debug, Clone, PartialEq)]
pub struct RunUpdate {
    /// Its log stream; absent while no task was made.
    pub stream: Option<String>,
    /// Highest `seq` in the update.
    pub last_seq: u64,
    /// Latest event time in the update, ms since the epoch.
    pub last_ts: u64,
    /// State that the update implies.
    pub state: RunState,
    /// Why it ended or waits.
    pub reason: Option<String>,
    /// The worker's exit code.
    pub exit: Option<i64>,
    /// What the execution has cost up to here, US dollars.
    pub spent_usd: Option<f64>,
    /// Until when it waits, ms since the epoch.
    pub wait_until: Option<u64>,
    /// Link of the pull request with its work.
    pub pull_request: Option<String>,
    /// When the row may go, seconds since the epoch.
    pub expires_at: u64,
}

/// The rows of the list of workstreams.
pub trait Workstreams {
    /// Merges what is new about a workstream into its row by the rules of
    /// [`merge`](ralph_protocol::index::merge).
    async fn record_workstream(
        &self,
        info: &WorkstreamInfo,
        expires_at: u64,
    ) -> Result<(), Unavailable>;

    /// The row of one workstream. `now` is in seconds since the epoch.
    async fn workstream(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Option<WorkstreamInfo>, Unavailable>;

    /// A page of the rows of all workstreams, in the order of their names, and the last name of the
    /// page if more may follow. The next page begins `after` it.
    async fn workstreams(
        &self,
        after: Option<&Workstream>,
        now: u64,
    ) -> Result<(Vec<WorkstreamInfo>, Option<Workstream>), Unavailable>;
}

/// The table `connections`: rows, never keys or expressions. `now` is in seconds since the epoch;
/// a reader never returns what has expired by then.
pub trait Table: Workstreams {
    /// Writes a connection's row; writing it again changes nothing.
    async fn put_connection(&self, id: &str, row: &Connection) -> Result<(), Unavailable>;

    /// Deletes a connection's rows: its own, its subscriptions and their inverses.
    async fn delete_connection(&self, id: &str) -> Result<(), Unavailable>;

    /// Writes a subscription and its inverse.
    async fn subscribe(
        &self,
        id: &str,
        workstream: &Workstream,
        expires_at: u64,
    ) -> Result<(), Unavailable>;

    /// Deletes a subscription and its inverse.
    async fn unsubscribe(&self, id: &str, workstream: &Workstream) -> Result<(), Unavailable>;

    /// Workstreams that a connection follows.
    async fn subscriptions(&self, id: &str, now: u64) -> Result<Vec<Workstream>, Unavailable>;

    /// Connections that follow a workstream.
    async fn followers(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Vec<String>, Unavailable>;

    /// Counts raw lines of a stream without an owner, or returns the owner.
    async fn count_unclaimed(
        &self,
        name: &str,
        raw: u64,
        now: u64,
        expires_at: u64,
    ) -> Result<Option<StreamOwner>, Unavailable>;

    /// Records a stream's owner unless it has one, and returns the one that stands: the first
    /// record wins. Raw lines that were counted before go over to its run.
    async fn claim_stream(
        &self,
        name: &str,
        owner: &StreamOwner,
        now: u64,
        expires_at: u64,
    ) -> Result<StreamOwner, Unavailable>;

    /// Runs of a workstream, the newest first; with `before`, only those that started earlier.
    async fn runs(
        &self,
        workstream: &Workstream,
        before: Option<&Run>,
        limit: usize,
        now: u64,
    ) -> Result<Vec<RunRow>, Unavailable>;

    /// One run of a workstream.
    async fn run(
        &self,
        workstream: &Workstream,
        run: &Run,
        now: u64,
    ) -> Result<Option<RunRow>, Unavailable>;

    /// Merges an update into a run's row by the rules of [`crate::runs::merge`].
    async fn record_run(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable>;

    /// Merges the state of a run's task, from ECS, into its row by the rules of
    /// [`crate::runs::merge_task`].
    async fn record_task(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable>;

    /// Counts raw lines of a run: see [`crate::runs::count_raw`].
    async fn count_raw(
        &self,
        stream: &str,
        owner: &StreamOwner,
        raw: u64,
        expires_at: u64,
    ) -> Result<(), Unavailable>;

    /// Marks a token as used; `false` when it was already.
    async fn use_token(&self, jti: &str, expires_at: u64) -> Result<bool, Unavailable>;
}

/// An execution's hold on its workstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// ARN of the execution.
    pub execution: String,
    /// Its ULID.
    pub ulid: ulid::Ulid,
    /// When it can be taken without a look at its holder, seconds since the epoch.
    pub expires_at: u64,
}

/// The rows of executions in the table. A step is named by the progress that is about to be answered:
/// its workstream, its ULID and its number.
pub trait Executions: Workstreams {
    /// The answer that is stored for a step.
    async fn answer(&self, progress: &Progress) -> Result<Option<String>, Unavailable>;

    /// Stores the answer of a step unless it has one, and returns the one that stands.
    async fn keep_answer(
        &self,
        progress: &Progress,
        answer: &str,
        expires_at: u64,
    ) -> Result<String, Unavailable>;

    /// Takes the lease if nobody holds it, if it has expired, or if the execution holds it already;
    /// `false` when another one holds it. `now` is in seconds since the epoch.
    async fn take_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        now: u64,
    ) -> Result<bool, Unavailable>;

    /// ARN of the execution that holds the lease.
    async fn lease_holder(&self, workstream: &Workstream) -> Result<Option<String>, Unavailable>;

    /// Takes the lease from this holder; `false` when another one has it by now.
    async fn take_over_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        holder: &str,
    ) -> Result<bool, Unavailable>;

    /// Gives the lease back if this execution holds it.
    async fn release_lease(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<(), Unavailable>;

    /// Whether somebody asked for this execution to stop.
    async fn stop_requested(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<bool, Unavailable>;

    /// Writes the row of a run that is about to start, with its execution and what that has cost so
    /// far, unless there is one.
    /// `now_ms` is in ms since the epoch.
    async fn begin_run(
        &self,
        progress: &Progress,
        run: &Run,
        now_ms: u64,
        expires_at: u64,
    ) -> Result<(), Unavailable>;

    /// Writes into a run's row what the execution has cost up to and including this run, US dollars,
    /// unless the row says as much already. A row that is gone stays so.
    async fn record_spent(
        &self,
        workstream: &Workstream,
        run: &Run,
        usd: f64,
    ) -> Result<(), Unavailable>;
}

/// The marks of executions whose end was published.
pub trait Told {
    /// Marks an execution; `false` when it is marked already. `expires_at` is in seconds since the epoch.
    async fn mark_told(&self, progress: &Progress, expires_at: u64) -> Result<bool, Unavailable>;

    /// Takes its mark back.
    async fn take_back_told(&self, progress: &Progress) -> Result<(), Unavailable>;
}

/// The topic that hears of the end of executions.
pub trait Topic {
    /// Publishes a message. SNS takes a subject of less than 100 ASCII characters on one line.
    async fn publish(&self, subject: &str, text: &str) -> Result<(), Unavailable>;
}

/// The state machine's executions.
pub trait Machine {
    /// Whether an execution runs; `false` for one that is not known any more.
    async fn is_running(&self, execution: &str) -> Result<bool, Unavailable>;
}

/// Why a frame did not reach a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// 410: the connection is gone and never comes back.
    #[error("the connection is gone")]
    Gone,
    /// 429: too many posts, or the client's buffer is full.
    #[error("throttled")]
    Throttled,
    /// 400, 403, 413: the same post fails again.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer in time: the connection is slow or dead. It says nothing about the gateway.
    #[error("no answer in time")]
    TimedOut,
    /// A fault of the gateway or on the way to it: 500s, a refused connection.
    #[error("failed: {0}")]
    Failed(String),
}

/// Posts frames to connections.
pub trait Post {
    /// Posts one frame.
    async fn post(&self, connection: &str, frame: &[u8]) -> Result<(), PostError>;
}

/// Which part of a log stream to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The stream's name.
    pub stream: String,
    /// First time, ms since the epoch, inclusive.
    pub from: Option<u64>,
    /// Last time, ms since the epoch, exclusive.
    pub until: Option<u64>,
    /// Which end comes first.
    pub oldest_first: bool,
    /// Most entries in a page; `None`: as many as the service gives.
    pub limit: Option<usize>,
    /// The service's token from the page before. It stays inside one replay.
    pub token: Option<String>,
}

/// An entry of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was written, by the clock of the machine that sent it, ms since the epoch.
    pub timestamp: u64,
    /// When CloudWatch Logs took it, by its own clock, ms since the epoch.
    pub ingested: u64,
    /// The line.
    pub message: String,
}

/// A page of a log stream, oldest first within the page whatever the direction of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<LogEntry>,
    /// For the next page in the same direction; `None` at the end.
    pub next: Option<String>,
}

/// Why a log stream could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// The account's limit of reads is used up.
    #[error("reading logs is throttled")]
    Throttled,
    /// Anything else.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Reads the log group of the workers.
pub trait Logs {
    /// Reads a page. A stream that does not exist (yet) is empty.
    async fn read(&self, query: &LogQuery) -> Result<LogPage, LogsError>;
}

/// Reads the signing keys.
pub trait Keys {
    /// Reads them now.
    async fn signing_keys(&self) -> Result<SigningKeys, Unavailable>;
}

/// Time and chance.
pub trait Clock {
    /// Ms since the epoch.
    fn now_ms(&self) -> u64;

    /// Any number, for jitter.
    fn random(&self) -> u32;

    /// Seconds since the epoch.
    fn now_secs(&self) -> u64 {
        self.now_ms() / 1000
    }
}

/// The machine's own clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u32 {
        // Without a source of randomness there is no jitter, and nothing else is lost.
        getrandom::u32().unwrap_or(0)
    }
}
