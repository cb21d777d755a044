//! CloudWatch Logs, the gateway and the table as the plan has them, around the real handlers.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use ralph_lambdas::{
    connect::connect,
    disconnect::disconnect,
    ports::{
        Clock, LogEntry, LogPage, LogQuery, Logs, LogsError, Post, PostError, RunUpdate,
        StreamOwner, Table,
    },
    push_logs::{self, push_logs},
    request::{Request, Response},
    send_logs::{self, send_logs},
};
use ralph_protocol::{ids::Workstream, table::RunState};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_local,
    time::{Duration, Instant, sleep},
};

use super::plan::{Plan, PlannedRun};
use crate::{
    memory::{Fate, Lines, MemoryLogs, MemoryTable, TestClock, request},
    workers::payload,
};

/// Instances of push-logs, used in turn.
const INSTANCES: usize = 2;
/// API Gateway cuts a connection after this long.
const CONNECTION: Duration = Duration::from_secs(2 * 3600);
/// A slow read: a request has some 20 s for all of its reads.
const SLOW_READ: Duration = Duration::from_secs(15);

/// Everything between workers and viewers.
pub struct Simulation {
    pub table: MemoryTable,
    pub clock: TestClock,
    lines: Lines,
    cloudwatch: CloudWatch,
    gateway: Gateway,
    /// Instances of push-logs: each remembers by itself.
    memories: [push_logs::Memory; INSTANCES],
    delivered: Cell<usize>,
    requests: send_logs::Memory,
    /// The test has seen enough.
    pub over: Cell<bool>,
    /// When viewers that let go of lines go back to the beginning, ms from the beginning.
    pub back_at: Cell<u64>,
}

struct CloudWatch {
    begun: Instant,
    /// What replays serve by now.
    served: MemoryLogs,
    throttled: RefCell<VecDeque<bool>>,
    slow: Cell<bool>,
    limit: Option<Limit>,
    /// When reads were asked for, ms from the beginning; those that were throttled, too.
    asked: RefCell<Vec<u64>>,
}

/// An account's limit: what is not used in a second is gone.
struct Limit {
    a_second: u32,
    /// Which second, ms from the beginning, and how many were made in it.
    used: Cell<(u64, u32)>,
}

impl Limit {
    fn take(&self, now: u64) -> bool {
        let (second, used) = self.used.get();
        let used = if second == now / 1_000 { used } else { 0 };
        let free = used < self.a_second;
        self.used.set((now / 1_000, used + u32::from(free)));
        free
    }
}

impl Logs for CloudWatch {
    async fn read(&self, query: &LogQuery) -> Result<LogPage, LogsError> {
        let now = || u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        self.asked.borrow_mut().push(now());
        if self.slow.get() {
            sleep(SLOW_READ).await;
        }
        let throttled = self.throttled.borrow_mut().pop_front();
        if throttled == Some(true) {
            return Err(LogsError::Throttled);
        }
        if self.limit.as_ref().is_some_and(|limit| !limit.take(now())) {
            return Err(LogsError::Throttled);
        }
        self.served.read(query).await
    }
}

#[derive(Default)]
struct Gateway {
    open: RefCell<BTreeMap<String, UnboundedSender<String>>>,
    fates: RefCell<VecDeque<Fate>>,
    down: RefCell<Option<PostError>>,
    next_id: Cell<u32>,
}

impl Post for Gateway {
    async fn post(&self, connection: &str, frame: &[u8]) -> Result<(), PostError> {
        if let Some(error) = self.down.borrow().clone() {
            return Err(error);
        }
        let fate = self.fates.borrow_mut().pop_front();
        match fate.unwrap_or(Fate::Deliver) {
            Fate::Deliver => {}
            Fate::DeliverAfter(time) => sleep(time).await,
            Fate::DeliverAndFail(error) => {
                self.hand_over(connection, frame)?;
                return Err(error);
            }
            Fate::DeliverAndHang => {
                self.hand_over(connection, frame)?;
                std::future::pending().await
            }
            Fate::End => {
                self.open.borrow_mut().remove(connection);
            }
            Fate::Fail(error) => return Err(error),
            Fate::Hang => std::future::pending().await,
        }
        self.hand_over(connection, frame)
    }
}

impl Gateway {
    fn hand_over(&self, connection: &str, frame: &[u8]) -> Result<(), PostError> {
        let open = self.open.borrow();
        let sender = open.get(connection).ok_or(PostError::Gone)?;
        let frame = String::from_utf8(frame.to_vec()).unwrap();
        sender.send(frame).map_err(|_| PostError::Gone)
    }
}

impl Simulation {
    pub fn new(plan: &Plan) -> Self {
        let cloudwatch = CloudWatch {
            begun: Instant::now(),
            served: MemoryLogs::default(),
            throttled: RefCell::new(plan.reads_throttled.iter().copied().collect()),
            slow: Cell::new(false),
            limit: plan.reads_a_second.map(|a_second| Limit { a_second, used: Cell::new((0, 0)) }),
            asked: RefCell::default(),
        };
        let gateway = Gateway {
            fates: RefCell::new(plan.posts.iter().cloned().collect()),
            ..Gateway::default()
        };
        Self {
            table: MemoryTable::default(),
            clock: TestClock::default(),
            lines: Lines::default(),
            cloudwatch,
            gateway,
            memories: Default::default(),
            delivered: Cell::new(0),
            requests: send_logs::Memory::default(),
            over: Cell::new(false),
            back_at: Cell::new(u64::MAX),
        }
    }

    /// Sets everything off that happens by itself.
    pub fn begin(self: &Rc<Self>, plan: &Plan) {
        for run in &plan.runs {
            self.record(run);
            self.write(run);
        }
        if let Some((at, length)) = plan.table_down {
            self.trouble(at, length, |simulation, down| simulation.table.down.set(down));
        }
        if let Some((at, length)) = plan.reads_slow {
            self.trouble(at, length, |simulation, slow| simulation.cloudwatch.slow.set(slow));
        }
        if let Some((at, length, error)) = plan.gateway_down.clone() {
            self.trouble(at, length, move |simulation, down| {
                *simulation.gateway.down.borrow_mut() = down.then(|| error.clone());
            });
        }
    }

    fn trouble(self: &Rc<Self>, at: u64, length: u64, set: impl Fn(&Self, bool) + 'static) {
        let simulation = self.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(at)).await;
            set(&simulation, true);
            sleep(Duration::from_millis(length)).await;
            set(&simulation, false);
        });
    }

    /// What task-events records of a task: which stream is which run, and that it has stopped.
    fn record(self: &Rc<Self>, run: &PlannedRun) {
        let ends = run.written(run.lines.len() as u64);
        let [start, end] = run.recorded_after;
        let update = [(run.begins + start, RunState::Starting), (ends + end, RunState::Ended)];
        for (at, state) in update.into_iter().take(if run.ends { 2 } else { 1 }) {
            let simulation = self.clone();
            let (stream, run) = (run.stream.clone(), run.run.clone());
            spawn_local(async move {
                sleep(Duration::from_millis(at)).await;
                // EventBridge tries again for as long as it takes.
                while simulation.table.down.get() {
                    sleep(Duration::from_secs(1)).await;
                }
                let workstream: Workstream = "w".parse().unwrap();
                let update = RunUpdate {
                    stream: Some(stream.clone()),
                    last_seq: 0,
                    last_ts: 0,
                    state,
                    reason: None,
                    exit: None,
                    spent_usd: None,
                    wait_until: None,
                    pull_request: None,
                    expires_at: u64::MAX,
                };
                simulation.table.record_run(&workstream, &run, &update).await.unwrap();
                let owner = StreamOwner { workstream, run };
                simulation.table.claim_stream(&stream, &owner, 0, u64::MAX).await.unwrap();
            });
        }
    }

    /// Lets a run's lines be served and delivered as planned.
    fn write(self: &Rc<Self>, run: &PlannedRun) {
        let mut held = Vec::new();
        for (seq, line) in (1..).zip(&run.lines).filter(|(_, line)| !line.never) {
            let (at, texts) = (run.written(seq), run.entries(seq));
            let written = run.stamp(seq);
            held.extend(texts.iter().map(|text| (at, written, text.clone())));
            let (simulation, stream) = (self.clone(), run.stream.clone());
            let served = at + line.lag;
            spawn_local(async move {
                sleep(Duration::from_millis(served)).await;
                let ingested = simulation.clock.now_ms();
                let entry = |message| LogEntry { timestamp: written, ingested, message };
                simulation.cloudwatch.served.put_entries(&stream, texts.into_iter().map(entry));
            });
        }
        for (first, count, after) in &run.recut {
            let lines: Vec<_> = held.iter().skip(*first).take(*count).cloned().collect();
            if let Some((written, ..)) = lines.last() {
                self.deliver_at(written + after, delivery(&run.stream, &lines));
            }
        }
        let mut batches = run.batches.iter().cycle();
        while !held.is_empty() {
            let batch = batches.next().unwrap();
            let lines: Vec<_> = held.drain(..batch.size.min(held.len())).collect();
            let ready = lines.last().unwrap().0;
            let payload = delivery(&run.stream, &lines);
            for after in &batch.deliveries {
                self.deliver_at(ready + after, payload.clone());
            }
        }
    }

    /// Delivers a payload `at` ms from the beginning.
    fn deliver_at(self: &Rc<Self>, at: u64, payload: String) {
        let simulation = self.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(at)).await;
            simulation.deliver(&payload).await;
        });
    }

    /// An asynchronous invocation: tried again twice when it fails.
    async fn deliver(&self, payload: &str) {
        for pause in [60, 120, 0] {
            let instance = self.delivered.replace(self.delivered.get() + 1) % INSTANCES;
            let context = push_logs::Context {
                table: &self.table,
                post: &self.gateway,
                clock: &self.clock,
                memory: &self.memories[instance],
                retention_secs: 7 * 86_400,
            };
            if push_logs(payload, &context, self.lines.invocation()).await.is_ok() {
                return;
            }
            sleep(Duration::from_secs(pause)).await;
        }
    }

    /// When reads were asked for, ms from the beginning.
    pub fn reads(&self) -> Vec<u64> {
        self.cloudwatch.asked.borrow().clone()
    }

    /// A handshake; `None` when it is refused.
    pub async fn connect(self: &Rc<Self>) -> Option<Connection> {
        let id = format!("c{}=", self.gateway.next_id.replace(self.gateway.next_id.get() + 1));
        let event = self.event(&id, None);
        let answer = connect(&event, &self.table, self.lines.invocation()).await;
        if answer != Ok(Response::OK) {
            return None;
        }
        let (sender, frames) = unbounded_channel();
        self.gateway.open.borrow_mut().insert(id.clone(), sender);
        let (simulation, cut) = (self.clone(), id.clone());
        spawn_local(async move {
            sleep(CONNECTION).await;
            simulation.gateway.open.borrow_mut().remove(&cut);
        });
        let connected_at = event.connected_at;
        Some(Connection { id, connected_at, frames })
    }

    /// A connection ends; API Gateway may tell the function or not.
    pub async fn close(&self, connection: &Connection, told: bool) {
        self.gateway.open.borrow_mut().remove(&connection.id);
        if told {
            let event = self.event(&connection.id, None);
            let _ = disconnect(&event, &self.table, self.lines.invocation()).await;
        }
    }

    /// A message of a client, served while the simulation goes on.
    pub fn send(self: &Rc<Self>, connection: &Connection, body: String) {
        let mut event = self.event(&connection.id, Some(&body));
        event.connected_at = connection.connected_at;
        let simulation = self.clone();
        spawn_local(async move {
            let context = send_logs::Context {
                table: &simulation.table,
                post: &simulation.gateway,
                logs: &simulation.cloudwatch,
                clock: &simulation.clock,
                memory: &simulation.requests,
            };
            let invocation = simulation.lines.invocation_of(Duration::from_secs(29));
            send_logs(&event, &context, invocation).await
        });
    }

    fn event(&self, id: &str, body: Option<&str>) -> Request {
        let mut event = request(id, "w", body);
        event.connected_at = self.clock.now_ms();
        event
    }
}

/// A viewer's end of a connection.
pub struct Connection {
    pub id: String,
    connected_at: u64,
    /// What arrives; it ends when the connection does.
    pub frames: UnboundedReceiver<String>,
}

/// A payload of lines: when each was written, CloudWatch's time, and the text.
fn delivery(stream: &str, lines: &[(u64, u64, String)]) -> String {
    let lines: Vec<_> = lines.iter().map(|(_, stamp, text)| (*stamp, text.clone())).collect();
    payload(stream, &lines)
}
