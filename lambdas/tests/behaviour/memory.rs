//! The table, the gateway, CloudWatch Logs and the clock, in memory.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::pending,
    rc::Rc,
};

use ralph_lambdas::{
    invocation::{Invocation, Sink},
    ports::{
        Clock, Connection, Executions, Keys, Lease, LogEntry, LogPage, LogQuery, Logs, LogsError,
        Post, PostError, RunRow, RunUpdate, StreamOwner, Table, Told, Topic, Unavailable,
        Workstreams,
    },
    request::Request,
    runs::{count_raw, larger, merge, merge_task},
};
use ralph_protocol::{
    execution::{Progress, Used},
    ids::{Run, Workstream},
    index::{self, WorkstreamInfo},
    message::{RunInfo, ServerMessage},
    secret::SigningKeys,
    table::RunState,
};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

/// Where every test's time begins, ms since the epoch.
pub const START: u64 = 1_700_000_000_000;

/// Tokio's clock, which tests pause, on top of [`START`].
pub struct TestClock {
    begun: Instant,
    random: Cell<u32>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { begun: Instant::now(), random: Cell::new(0x9e37_79b9) }
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        START + u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    fn random(&self) -> u32 {
        // Xorshift: the same numbers in every run of a test.
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }
}

/// Log lines of the functions.
#[derive(Default)]
pub struct Lines(pub RefCell<Vec<String>>);

impl Sink for Lines {
    fn line(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }
}

impl Lines {
    pub fn all(&self) -> String {
        self.0.borrow().join("\n")
    }

    pub fn invocation(&self) -> Invocation<'_> {
        self.invocation_of(Duration::from_secs(60))
    }

    pub fn invocation_of(&self, time: Duration) -> Invocation<'_> {
        Invocation {
            function: "ralph-dev-test",
            request_id: "req-1",
            deadline: Instant::now() + time,
            sink: self,
        }
    }
}

/// The table.
#[derive(Default)]
pub struct MemoryTable {
    pub connections: RefCell<BTreeMap<String, Connection>>,
    /// Connection, workstream, expiry.
    pub subscriptions: RefCell<BTreeMap<(String, Workstream), u64>>,
    pub streams: RefCell<BTreeMap<String, StreamOwner>>,
    /// Raw lines of streams without an owner.
    pub unclaimed: RefCell<BTreeMap<String, u64>>,
    pub runs: RefCell<BTreeMap<(Workstream, Run), RunRow>>,
    /// The list of workstreams, each row with its expiry.
    pub listed: RefCell<BTreeMap<Workstream, (WorkstreamInfo, u64)>>,
    pub tokens: RefCell<BTreeSet<String>>,
    /// Workstream, ULID and step of an execution; the answer.
    pub answers: RefCell<BTreeMap<(Workstream, ulid::Ulid, u32), String>>,
    pub leases: RefCell<BTreeMap<Workstream, Lease>>,
    /// Executions whose end somebody was told of, and when the marks expire.
    pub told: RefCell<BTreeMap<(Workstream, ulid::Ulid), u64>>,
    /// A mark cannot be written.
    pub no_marks: Cell<bool>,
    /// A row of the list cannot be written.
    pub no_list: Cell<bool>,
    /// Workstream, and the execution that is asked to stop.
    pub stops: RefCell<BTreeMap<Workstream, String>>,
    /// Calls that still work; then the table is down.
    pub calls_left: Cell<Option<usize>>,
    pub down: Cell<bool>,
    pub calls: Cell<usize>,
    /// How long a deletion takes.
    pub slow: Cell<Duration>,
}

impl MemoryTable {
    fn check(&self) -> Result<(), Unavailable> {
        self.calls.set(self.calls.get() + 1);
        match self.calls_left.get() {
            Some(0) => self.down.set(true),
            left => self.calls_left.set(left.map(|left| left - 1)),
        }
        match self.down.get() {
            true => Err(Unavailable { call: "dynamodb", problem: "InternalServerError".into() }),
            false => Ok(()),
        }
    }

    pub fn follow(&self, id: &str, workstream: &str) {
        let key = (id.to_owned(), workstream.parse().unwrap());
        self.subscriptions.borrow_mut().insert(key, u64::MAX);
    }

    pub fn own(&self, stream: &str, workstream: &str, run: &str) {
        let owner =
            StreamOwner { workstream: workstream.parse().unwrap(), run: run.parse().unwrap() };
        self.streams.borrow_mut().insert(stream.to_owned(), owner);
    }

    /// Where the list says that a workstream stands.
    pub fn listed(&self, workstream: &str) -> Option<WorkstreamInfo> {
        let listed = self.listed.borrow();
        listed.get(&workstream.parse::<Workstream>().unwrap()).map(|(info, _)| info.clone())
    }

    pub fn row(&self, workstream: &str, run: &str) -> Option<RunRow> {
        let key = (workstream.parse().unwrap(), run.parse().unwrap());
        self.runs.borrow().get(&key).cloned()
    }
}

/// Rows in a page of the list.
const PAGE: usize = 100;

impl Workstreams for MemoryTable {
    async fn record_workstream(
        &self,
        info: &WorkstreamInfo,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        self.check()?;
        if self.no_list.get() {
            let problem = "AccessDeniedException".into();
            return Err(Unavailable { call: "dynamodb GetItem", problem });
        }
        let mut listed = self.listed.borrow_mut();
        let merged = match listed.get(&info.workstream) {
            Some((held, _)) => index::merge(held.clone(), info.clone()),
            None => info.clone(),
        };
        listed.insert(info.workstream.clone(), (merged, expires_at));
        Ok(())
    }

    async fn workstream(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Option<WorkstreamInfo>, Unavailable> {
        self.check()?;
        let listed = self.listed.borrow();
        let live = listed.get(workstream).filter(|(_, expires_at)| *expires_at > now);
        Ok(live.map(|(info, _)| info.clone()))
    }

    async fn workstreams(
        &self,
        after: Option<&Workstream>,
        now: u64,
    ) -> Result<(Vec<WorkstreamInfo>, Option<Workstream>), Unavailable> {
        self.check()?;
        let listed = self.listed.borrow();
        let page: Vec<_> = listed
            .iter()
            .filter(|(name, _)| after.is_none_or(|after| *name > after))
            .take(PAGE)
            .collect();
        let last = page.last().filter(|_| page.len() == PAGE).map(|(name, _)| (*name).clone());
        let live = page.into_iter().filter(|(_, (_, expires_at))| *expires_at > now);
        Ok((live.map(|(_, (info, _))| info.clone()).collect(), last))
    }
}

impl Table for MemoryTable {
    async fn put_connection(&self, id: &str, row: &Connection) -> Result<(), Unavailable> {
        self.check()?;
        self.connections.borrow_mut().insert(id.to_owned(), row.clone());
        Ok(())
    }

    async fn delete_connection(&self, id: &str) -> Result<(), Unavailable> {
        self.check()?;
        sleep(self.slow.get()).await;
        self.connections.borrow_mut().remove(id);
        self.subscriptions.borrow_mut().retain(|(connection, _), _| connection != id);
        Ok(())
    }

    async fn subscribe(
        &self,
        id: &str,
        workstream: &Workstream,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let key = (id.to_owned(), workstream.clone());
        self.subscriptions.borrow_mut().insert(key, expires_at);
        Ok(())
    }

    async fn unsubscribe(&self, id: &str, workstream: &Workstream) -> Result<(), Unavailable> {
        self.check()?;
        self.subscriptions.borrow_mut().remove(&(id.to_owned(), workstream.clone()));
        Ok(())
    }

    async fn subscriptions(&self, id: &str, now: u64) -> Result<Vec<Workstream>, Unavailable> {
        self.check()?;
        let all = self.subscriptions.borrow();
        let mine =
            all.iter().filter(|((connection, _), expires)| connection == id && **expires > now);
        Ok(mine.map(|((_, workstream), _)| workstream.clone()).collect())
    }

    async fn followers(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Vec<String>, Unavailable> {
        self.check()?;
        let all = self.subscriptions.borrow();
        let of =
            all.iter().filter(|((_, followed), expires)| followed == workstream && **expires > now);
        Ok(of.map(|((connection, _), _)| connection.clone()).collect())
    }

    async fn count_unclaimed(
        &self,
        name: &str,
        raw: u64,
        _now: u64,
        _expires_at: u64,
    ) -> Result<Option<StreamOwner>, Unavailable> {
        self.check()?;
        let owner = self.streams.borrow().get(name).cloned();
        if owner.is_none() {
            *self.unclaimed.borrow_mut().entry(name.to_owned()).or_default() += raw;
        }
        Ok(owner)
    }

    async fn claim_stream(
        &self,
        name: &str,
        owner: &StreamOwner,
        _now: u64,
        expires_at: u64,
    ) -> Result<StreamOwner, Unavailable> {
        self.check()?;
        let first = {
            let mut streams = self.streams.borrow_mut();
            streams.entry(name.to_owned()).or_insert_with(|| owner.clone()).clone()
        };
        let raw = self.unclaimed.borrow_mut().remove(name);
        if let Some(raw) = raw {
            self.count_raw(name, &first, raw, expires_at).await?;
        }
        Ok(first)
    }

    async fn runs(
        &self,
        workstream: &Workstream,
        before: Option<&Run>,
        limit: usize,
        _now: u64,
    ) -> Result<Vec<RunRow>, Unavailable> {
        self.check()?;
        let runs = self.runs.borrow();
        let of = runs
            .iter()
            .rev()
            .filter(|((w, run), _)| w == workstream && before.is_none_or(|b| run < b));
        Ok(of.map(|(_, row)| row.clone()).take(limit).collect())
    }

    async fn run(
        &self,
        workstream: &Workstream,
        run: &Run,
        _now: u64,
    ) -> Result<Option<RunRow>, Unavailable> {
        self.check()?;
        Ok(self.runs.borrow().get(&(workstream.clone(), run.clone())).cloned())
    }

    async fn record_run(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let key = (workstream.clone(), run.clone());
        let mut runs = self.runs.borrow_mut();
        let row = merge(runs.get(&key).cloned(), run, update);
        runs.insert(key, row);
        Ok(())
    }

    async fn record_task(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let key = (workstream.clone(), run.clone());
        let mut runs = self.runs.borrow_mut();
        let row = merge_task(runs.get(&key).cloned(), run, update);
        runs.insert(key, row);
        Ok(())
    }

    async fn count_raw(
        &self,
        stream: &str,
        owner: &StreamOwner,
        raw: u64,
        _expires_at: u64,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let key = (owner.workstream.clone(), owner.run.clone());
        let mut runs = self.runs.borrow_mut();
        let row = count_raw(runs.get(&key).cloned(), &owner.run, stream, raw);
        runs.insert(key, row);
        Ok(())
    }

    async fn use_token(&self, jti: &str, _expires_at: u64) -> Result<bool, Unavailable> {
        self.check()?;
        Ok(self.tokens.borrow_mut().insert(jti.to_owned()))
    }
}

fn step(progress: &Progress) -> (Workstream, ulid::Ulid, u32) {
    (progress.order.workstream.clone(), progress.ulid, progress.step)
}

impl Executions for MemoryTable {
    async fn answer(&self, progress: &Progress) -> Result<Option<String>, Unavailable> {
        self.check()?;
        Ok(self.answers.borrow().get(&step(progress)).cloned())
    }

    async fn keep_answer(
        &self,
        progress: &Progress,
        answer: &str,
        _expires_at: u64,
    ) -> Result<String, Unavailable> {
        self.check()?;
        let mut answers = self.answers.borrow_mut();
        Ok(answers.entry(step(progress)).or_insert_with(|| answer.to_owned()).clone())
    }

    async fn take_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        now: u64,
    ) -> Result<bool, Unavailable> {
        self.check()?;
        let mut leases = self.leases.borrow_mut();
        let free = leases
            .get(workstream)
            .is_none_or(|held| held.expires_at < now || held.execution == lease.execution);
        if free {
            leases.insert(workstream.clone(), lease.clone());
        }
        Ok(free)
    }

    async fn lease_holder(&self, workstream: &Workstream) -> Result<Option<String>, Unavailable> {
        self.check()?;
        Ok(self.leases.borrow().get(workstream).map(|lease| lease.execution.clone()))
    }

    async fn take_over_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        holder: &str,
    ) -> Result<bool, Unavailable> {
        self.check()?;
        let mut leases = self.leases.borrow_mut();
        let held = leases.get(workstream).is_some_and(|held| held.execution == holder);
        if held {
            leases.insert(workstream.clone(), lease.clone());
        }
        Ok(held)
    }

    async fn release_lease(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let mut leases = self.leases.borrow_mut();
        if leases.get(workstream).is_some_and(|held| held.execution == execution) {
            leases.remove(workstream);
        }
        Ok(())
    }

    async fn stop_requested(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<bool, Unavailable> {
        self.check()?;
        Ok(self.stops.borrow().get(workstream).is_some_and(|asked| asked == execution))
    }

    async fn begin_run(
        &self,
        progress: &Progress,
        run: &Run,
        now_ms: u64,
        _expires_at: u64,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let row = RunRow {
            info: RunInfo {
                run: run.clone(),
                attempt: run.attempt(),
                started_at: now_ms,
                last_seq: 0,
                last_ts: 0,
                state: RunState::Starting,
                reason: None,
                exit: None,
                spent_usd: progress.used().map(Used::usd),
                pull_request: progress.pull_request.clone(),
                raw: None,
            },
            stream: None,
            wait_until: None,
        };
        let key = (progress.order.workstream.clone(), run.clone());
        self.runs.borrow_mut().entry(key).or_insert(row);
        Ok(())
    }

    async fn record_spent(
        &self,
        workstream: &Workstream,
        run: &Run,
        usd: f64,
    ) -> Result<(), Unavailable> {
        self.check()?;
        let key = (workstream.clone(), run.clone());
        if let Some(row) = self.runs.borrow_mut().get_mut(&key) {
            row.info.spent_usd = larger(row.info.spent_usd, Some(usd));
        }
        Ok(())
    }
}

impl Told for MemoryTable {
    async fn mark_told(&self, progress: &Progress, expires_at: u64) -> Result<bool, Unavailable> {
        self.check()?;
        if self.no_marks.get() {
            let problem = "ProvisionedThroughputExceededException".into();
            return Err(Unavailable { call: "dynamodb PutItem", problem });
        }
        let key = (progress.order.workstream.clone(), progress.ulid);
        let mut told = self.told.borrow_mut();
        let new = !told.contains_key(&key);
        told.entry(key).or_insert(expires_at);
        Ok(new)
    }

    async fn take_back_told(&self, progress: &Progress) -> Result<(), Unavailable> {
        self.check()?;
        self.told.borrow_mut().remove(&(progress.order.workstream.clone(), progress.ulid));
        Ok(())
    }
}

/// What the topic does with a message.
#[derive(Debug, Clone, Copy, Default)]
pub enum Publishing {
    #[default]
    Works,
    Fails,
    Hangs,
}

/// The topic that hears of the end of executions; a clone is the same topic.
#[derive(Clone, Default)]
pub struct MemoryTopic {
    heard: Rc<RefCell<Vec<(String, String)>>>,
    pub fate: Rc<Cell<Publishing>>,
}

impl MemoryTopic {
    /// Subject and text of each message.
    pub fn heard(&self) -> Vec<(String, String)> {
        self.heard.borrow().clone()
    }
}

impl Topic for MemoryTopic {
    async fn publish(&self, subject: &str, text: &str) -> Result<(), Unavailable> {
        match self.fate.get() {
            Publishing::Works => {
                self.heard.borrow_mut().push((subject.to_owned(), text.to_owned()));
                Ok(())
            }
            Publishing::Fails => {
                let problem = "AuthorizationError: not authorized to perform SNS:Publish".into();
                Err(Unavailable { call: "sns Publish", problem })
            }
            Publishing::Hangs => pending().await,
        }
    }
}

/// What the gateway does with one post.
#[derive(Debug, Clone)]
pub enum Fate {
    Deliver,
    DeliverAfter(Duration),
    /// The frame arrives, and yet the post fails.
    DeliverAndFail(PostError),
    /// The frame arrives, and no answer ever does.
    DeliverAndHang,
    /// With [`PostError::Gone`], of a connection that stands.
    Fail(PostError),
    /// The connection has ended.
    End,
    Hang,
}

/// The gateway. A connection's fates are used up one by one, the last one for good.
#[derive(Default)]
pub struct MemoryPost {
    pub delivered: RefCell<Vec<(String, String)>>,
    pub fates: RefCell<BTreeMap<String, VecDeque<Fate>>>,
    pub tries: Cell<usize>,
    in_flight: RefCell<BTreeSet<String>>,
    pub most_in_flight: Cell<usize>,
    pub last_delivered: Cell<Option<Instant>>,
}

impl MemoryPost {
    pub fn fate(&self, connection: &str, fates: impl IntoIterator<Item = Fate>) {
        self.fates.borrow_mut().insert(connection.to_owned(), fates.into_iter().collect());
    }

    fn next(&self, connection: &str) -> Fate {
        match self.fates.borrow_mut().get_mut(connection) {
            Some(fates) if fates.len() > 1 => fates.pop_front().unwrap(),
            Some(fates) => fates.front().cloned().unwrap_or(Fate::Deliver),
            None => Fate::Deliver,
        }
    }

    /// Frames that a connection got, read.
    pub fn messages(&self, connection: &str) -> Vec<ServerMessage> {
        let delivered = self.delivered.borrow();
        let mine = delivered.iter().filter(|(to, _)| to == connection);
        mine.map(|(_, frame)| ServerMessage::read(frame).unwrap()).collect()
    }

    /// Events that a connection got, in order.
    pub fn events(&self, connection: &str) -> Vec<String> {
        let logs = self.messages(connection).into_iter().filter_map(|message| match message {
            ServerMessage::Logs(logs) => Some(logs.events),
            _ => None,
        });
        logs.flatten().map(|event| event.get().to_owned()).collect()
    }

    /// The `seq` of each event of ours that a connection got.
    pub fn seqs(&self, connection: &str) -> Vec<u64> {
        let events = self.events(connection);
        let values = events.iter().map(|e| serde_json::from_str::<serde_json::Value>(e).unwrap());
        values.filter_map(|value| value["seq"].as_u64()).collect()
    }

    /// Types of the messages that a connection got.
    pub fn kinds(&self, connection: &str) -> Vec<String> {
        let delivered = self.delivered.borrow();
        let mine = delivered.iter().filter(|(to, _)| to == connection);
        let values = mine.map(|(_, f)| serde_json::from_str::<serde_json::Value>(f).unwrap());
        values.map(|value| value["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Marks a post as in flight for as long as it lives, hanging ones that are dropped included.
struct InFlight<'a>(&'a MemoryPost, String);

impl<'a> InFlight<'a> {
    fn new(post: &'a MemoryPost, connection: &str) -> Self {
        let mut all = post.in_flight.borrow_mut();
        assert!(all.insert(connection.to_owned()), "two posts at once to {connection}");
        post.most_in_flight.set(post.most_in_flight.get().max(all.len()));
        Self(post, connection.to_owned())
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.borrow_mut().remove(&self.1);
    }
}

impl Post for MemoryPost {
    async fn post(&self, connection: &str, frame: &[u8]) -> Result<(), PostError> {
        let _in_flight = InFlight::new(self, connection);
        self.tries.set(self.tries.get() + 1);
        let fate = self.next(connection);
        match &fate {
            Fate::Deliver | Fate::DeliverAndFail(_) | Fate::DeliverAndHang => {}
            Fate::DeliverAfter(time) => sleep(*time).await,
            Fate::Fail(error) => return Err(error.clone()),
            Fate::End => return Err(PostError::Gone),
            Fate::Hang => std::future::pending().await,
        }
        let frame = String::from_utf8(frame.to_vec()).unwrap();
        self.delivered.borrow_mut().push((connection.to_owned(), frame));
        self.last_delivered.set(Some(Instant::now()));
        match fate {
            Fate::DeliverAndFail(error) => Err(error),
            Fate::DeliverAndHang => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

/// CloudWatch Logs.
pub struct MemoryLogs {
    pub streams: RefCell<BTreeMap<String, Vec<LogEntry>>>,
    pub page: usize,
    pub reads: Cell<usize>,
    /// Reads that are throttled; then they work.
    pub throttle: Cell<usize>,
    /// Reads that still work; then all are throttled.
    pub reads_left: Cell<Option<usize>>,
    pub slow: Cell<Duration>,
}

impl Default for MemoryLogs {
    fn default() -> Self {
        Self {
            streams: RefCell::default(),
            page: 1_000,
            reads: Cell::default(),
            throttle: Cell::default(),
            reads_left: Cell::default(),
            slow: Cell::default(),
        }
    }
}

impl MemoryLogs {
    pub fn put(&self, stream: &str, timestamp: u64, message: impl Into<String>) {
        self.put_all(stream, [(timestamp, message.into())]);
    }

    /// Lines with their times; CloudWatch took each at once.
    pub fn put_all(&self, stream: &str, lines: impl IntoIterator<Item = (u64, String)>) {
        let entry = |(timestamp, message)| LogEntry { timestamp, ingested: timestamp, message };
        self.put_entries(stream, lines.into_iter().map(entry));
    }

    pub fn put_entries(&self, stream: &str, new: impl IntoIterator<Item = LogEntry>) {
        let mut streams = self.streams.borrow_mut();
        let entries = streams.entry(stream.to_owned()).or_default();
        entries.extend(new);
        entries.sort_by_key(|entry| entry.timestamp);
    }
}

impl Logs for MemoryLogs {
    async fn read(&self, query: &LogQuery) -> Result<LogPage, LogsError> {
        self.reads.set(self.reads.get() + 1);
        sleep(self.slow.get()).await;
        if self.throttle.get() > 0 {
            self.throttle.set(self.throttle.get() - 1);
            return Err(LogsError::Throttled);
        }
        match self.reads_left.get() {
            Some(0) => return Err(LogsError::Throttled),
            left => self.reads_left.set(left.map(|left| left - 1)),
        }
        let streams = self.streams.borrow();
        let Some(all) = streams.get(&query.stream) else { return Ok(LogPage::default()) };
        let within: Vec<_> = all
            .iter()
            .filter(|entry| query.from.is_none_or(|from| entry.timestamp >= from))
            .filter(|entry| query.until.is_none_or(|until| entry.timestamp < until))
            .collect();
        // A token is how many entries were read. As the service does, an end is found by asking.
        let done: usize = query.token.as_ref().map_or(0, |token| token.parse().unwrap());
        let size = self.page.min(query.limit.unwrap_or(usize::MAX));
        let (from, to) = match query.oldest_first {
            true => (done.min(within.len()), (done + size).min(within.len())),
            false => {
                let to = within.len().saturating_sub(done);
                (to.saturating_sub(size), to)
            }
        };
        let entries: Vec<_> = within[from..to].iter().map(|entry| (*entry).clone()).collect();
        let next = (!entries.is_empty()).then(|| (done + entries.len()).to_string());
        Ok(LogPage { entries, next })
    }
}

/// The signing keys, and how often they were read.
pub struct MemoryKeys {
    pub text: RefCell<String>,
    pub reads: Cell<usize>,
}

impl Keys for &MemoryKeys {
    async fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        self.reads.set(self.reads.get() + 1);
        SigningKeys::parse(&self.text.borrow()).map_err(|_| Unavailable {
            call: "secretsmanager GetSecretValue",
            problem: "ResourceNotFoundException".into(),
        })
    }
}

/// An event of a route, from a connection with this scope.
pub fn request(connection: &str, scope: &str, body: Option<&str>) -> Request {
    serde_json::from_value(json!({
        "requestContext": {
            "connectionId": connection,
            "connectedAt": START,
            "requestTimeEpoch": START,
            "authorizer": {"user": "ada", "scope": scope, "principalId": "ada"},
        },
        "body": body,
    }))
    .unwrap()
}
