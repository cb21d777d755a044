//! One random world: what happens in it follows from its seed alone.

mod server;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use ralph_protocol::{
    ids::Run,
    message::ClientMessage,
    reassembly::{Client, Input, Options, Output},
};
use serde_json::{Value, json};

use server::Server;

/// Where the client's clock begins. It has nothing to do with the time of day.
const CLOCK: u64 = 5_000_000;
/// How long the troubles last, ms.
const TROUBLE: u64 = 400_000;
/// When all must be right: the longest silence that is asked about, and time to call lines lost.
const HEALED: u64 = TROUBLE + 1_400_000;
/// How long an older page may take then, ms: with what it lacks, until that is called lost.
const PAGED: u64 = 400_000;
/// Lines that the reader keeps before it lets go of the oldest.
const PAGE: usize = 60;

/// A generator of random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Whether something that happens this often, in a hundred, happens.
    pub fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
}

/// What happens at a moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A line is written.
    Write,
    /// CloudWatch delivers lines of the log, from one to another.
    Deliver(usize, usize),
    /// A message of the client arrives at the server.
    Arrive(u64, String),
    /// A frame arrives at the client, over this connection.
    Frame(u64, String),
    Connect,
    Cut,
    /// The server believes that the connection is gone.
    Forget,
    Older(usize),
    Evict,
}

pub struct World {
    seed: u64,
    random: Random,
    now: u64,
    order: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    server: Server,
    client: Client,
    limit: u32,
    /// Which connection there is.
    connection: u64,
    connected: bool,
    subscribed: bool,
    /// When the last frame arrives: they stay in order.
    last_frame: u64,
    /// Lines on the page.
    page: BTreeSet<(Run, u64)>,
    lost: BTreeSet<(Run, u64)>,
    raw: BTreeMap<String, u32>,
    raw_ever: BTreeSet<String>,
    wrong: Option<String>,
    steps: Vec<Value>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let server = Server::new(&mut random);
        let limit = [5, 20, 1_000][random.below(3) as usize];
        let options =
            Options { limit, seed: None, ..Options::new("w".parse().expect("a workstream")) };
        let mut world = Self {
            seed,
            random,
            now: 0,
            order: 0,
            events: BinaryHeap::new(),
            server,
            client: Client::new(options),
            limit,
            connection: 0,
            connected: false,
            subscribed: false,
            last_frame: 0,
            page: BTreeSet::new(),
            lost: BTreeSet::new(),
            raw: BTreeMap::new(),
            raw_ever: BTreeSet::new(),
            wrong: None,
            steps: Vec::new(),
        };
        for at in world.server.moments() {
            world.later(at, Event::Write);
        }
        let comes = world.random.below(100_000);
        world.later(comes, Event::Connect);
        for _ in 0..world.random.below(4) {
            let at = comes + world.random.below(TROUBLE - comes);
            world.later(at, Event::Cut);
            let back = at + 1 + world.random.below(30_000);
            world.later(back, Event::Connect);
        }
        for _ in 0..world.random.below(3) {
            let at = world.random.below(TROUBLE);
            world.later(at, Event::Forget);
        }
        for _ in 0..world.random.below(8) {
            let at = world.random.below(TROUBLE);
            let event = if world.random.percent(50) {
                Event::Evict
            } else {
                Event::Older(1 + world.random.below(30) as usize)
            };
            world.later(at, event);
        }
        world
    }

    fn later(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Whether something may go wrong now.
    fn trouble(&mut self, percent: u64) -> bool {
        self.now < TROUBLE && self.random.percent(percent)
    }

    pub fn play(&mut self) {
        let mut until = HEALED;
        while self.wrong.is_none() {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let tick = self.client.next_tick().map(|at| at - CLOCK);
            let Some(next) = event.into_iter().chain(tick).min().filter(|&at| at < until) else {
                // Everything is right by now, so the reader goes back to the beginning.
                self.now = until;
                if !self.client.has_older() || until > HEALED + 100 * PAGED {
                    return;
                }
                self.older(25);
                until += PAGED;
                continue;
            };
            self.now = next;
            if event == Some(next) {
                if let Some(Reverse((.., event))) = self.events.pop() {
                    self.happen(event);
                }
            } else {
                self.handle(json!("tick"), Input::Tick);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Write => {
                let (first, last) = self.server.write(self.now, &mut self.random);
                let times = if self.trouble(15) { 0 } else { 1 + self.random.below(8) / 7 };
                for _ in 0..times {
                    let delay = if self.random.percent(70) { 50 } else { 6_000 };
                    let at = self.now + 1 + self.random.below(delay);
                    self.later(at, Event::Deliver(first, last));
                }
            }
            Event::Deliver(first, last) => {
                let frame = self.server.deliver(first, last);
                if self.subscribed && !self.trouble(10) {
                    self.post(frame, 0);
                }
            }
            Event::Arrive(connection, text) => {
                if connection == self.connection && self.connected {
                    self.serve(&text);
                }
            }
            Event::Frame(connection, text) => {
                if connection != self.connection || !self.connected {
                    return;
                }
                if self.trouble(2) {
                    self.handle(json!("unreadable"), Input::Unreadable);
                } else {
                    self.handle(json!({"frame": text}), Input::frame(&text));
                }
            }
            Event::Connect if !self.connected => {
                self.connection += 1;
                self.connected = true;
                self.handle(json!("connected"), Input::Connected);
            }
            Event::Cut if self.connected => {
                self.connected = false;
                self.subscribed = false;
                self.handle(json!("disconnected"), Input::Disconnected);
            }
            Event::Forget => self.subscribed = false,
            Event::Older(count) => self.older(count),
            Event::Evict => self.evict(),
            Event::Connect | Event::Cut => {}
        }
    }

    /// Answers a message: with frames that come slowly, break off, or do not come at all.
    fn serve(&mut self, text: &str) {
        if self.trouble(8) {
            return;
        }
        if self.trouble(5) {
            return self.post(r#"{"message":"Internal server error"}"#.to_owned(), 0);
        }
        let message: ClientMessage = serde_json::from_str(text).expect("a message of ours");
        let frames = match message {
            ClientMessage::Ping {} => self.server.pong(self.subscribed),
            ClientMessage::SendLogs(ask) if self.trouble(5) => {
                vec![Server::busy(ask.id.as_deref())]
            }
            ClientMessage::SendLogs(ask) => {
                let follows = ask.ranges.is_none() && ask.before.is_none();
                self.subscribed |= ask.follow.unwrap_or(follows);
                // How many lines one answer holds.
                let room = if self.trouble(40) { 1 + self.random.below(12) } else { 40 };
                self.server.answer(&ask, self.now, room as usize)
            }
            ClientMessage::ListWorkstreams(_) => unreachable!("a reader lists nothing"),
        };
        let slow = if self.trouble(10) { 30_000 } else { 20 };
        for frame in frames {
            // After a reply that could not be sent, nothing follows.
            if self.trouble(3) {
                return;
            }
            self.post(frame, slow);
        }
    }

    /// Frames of one connection stay in their order.
    fn post(&mut self, frame: String, slow: u64) {
        let at = (self.now + 1 + self.random.below(40)).max(self.last_frame);
        self.last_frame = at + self.random.below(slow + 1);
        let connection = self.connection;
        self.later(self.last_frame, Event::Frame(connection, frame));
    }

    fn handle(&mut self, record: Value, input: Input) {
        let outputs = self.client.handle(CLOCK + self.now, input);
        self.carry_out(record, outputs);
    }

    fn older(&mut self, count: usize) {
        let outputs = self.client.older(CLOCK + self.now, count);
        self.carry_out(json!({"older": count}), outputs);
    }

    /// The reader lets go of the oldest lines on its page.
    fn evict(&mut self) {
        let many = self.page.len().saturating_sub(PAGE).max(self.page.len() / 3);
        let Some((run, seq)) = self.page.iter().take(many).next_back().cloned() else { return };
        self.page.retain(|key| *key > (run.clone(), seq));
        self.lost.retain(|key| *key > (run.clone(), seq));
        self.raw.clear();
        self.client.evict(&run, seq);
        self.carry_out(json!({"evict": [run, seq]}), Vec::new());
    }

    fn carry_out(&mut self, record: Value, outputs: Vec<Output>) {
        let mut out = Vec::new();
        for output in outputs {
            out.push(match output {
                Output::Send(message) => {
                    let text = serde_json::to_string(&message).expect("JSON");
                    let at = self.now + 1 + self.random.below(60);
                    self.later(at, Event::Arrive(self.connection, text));
                    json!({"send": message})
                }
                Output::Show(line) => {
                    let key = (line.run, line.seq);
                    self.lost.remove(&key);
                    let record = json!({"line": [key.0, key.1]});
                    if !self.page.insert(key.clone()) {
                        self.wrong = Some(format!("{key:?} is shown twice"));
                    }
                    record
                }
                Output::ShowRaw(raw) => {
                    self.raw_ever.insert(raw.text.clone());
                    let count = self.raw.entry(format!("{} {}", raw.run, raw.text)).or_default();
                    *count += 1;
                    if *count > 1 {
                        self.wrong = Some(format!("{} is shown twice", raw.text));
                    }
                    json!({"raw": raw.text})
                }
                Output::Lost { run, from, to } => {
                    self.lost.extend((from..=to).map(|seq| (run.clone(), seq)));
                    json!({"lost": [run, from, to]})
                }
                Output::CaughtUp => json!("caughtUp"),
                Output::Refused { code, .. } => json!({"refused": code}),
            });
        }
        let next = self.client.next_tick();
        self.steps.push(json!({"at": CLOCK + self.now, "in": record, "out": out, "next": next}));
    }

    /// What happened, for the other client.
    pub fn record(&self) -> Value {
        json!({"seed": self.seed, "limit": self.limit, "steps": self.steps})
    }

    /// Whether it ended as it must.
    pub fn verdict(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if !self.client.is_caught_up() {
            return Err("the client does not know that it has everything".into());
        }
        if self.client.has_older() {
            return Err("the beginning is never reached".into());
        }
        let held = self.server.held();
        if let Some(key) = held.iter().find(|key| !self.page.contains(key)) {
            return Err(format!("{key:?} is missing"));
        }
        if let Some(key) = self.lost.iter().find(|key| held.contains(key)) {
            return Err(format!("{key:?} is called lost, and CloudWatch has it"));
        }
        for json in self.server.raw() {
            let raw: Value = serde_json::from_str(&json).expect("ours");
            if !self.raw_ever.contains(raw["text"].as_str().expect("a text")) {
                return Err(format!("{json} is missing"));
            }
        }
        let told = |key: &(Run, u64)| self.page.contains(key) || self.lost.contains(key);
        match self.server.known().into_iter().find(|key| !told(key)) {
            Some(key) => Err(format!("{key:?} is neither shown nor lost")),
            None => Ok(()),
        }
    }
}
