//! A viewer: the real client rules on connections that come and go.

use std::{collections::BTreeSet, rc::Rc};

use ralph_protocol::{
    event::Envelope,
    ids::Run,
    message::{ClientMessage, SendLogs, ServerMessage},
    reassembly::{Client, Input, Line, Options, Output},
};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::{
    plan::PlannedViewer,
    simulation::{Connection, Simulation},
};

/// What a viewer has seen in the end.
pub struct Seen {
    /// In the order in which they were shown.
    pub shown: Vec<Line>,
    /// When, ms from the beginning.
    pub shown_at: Vec<u64>,
    /// Times in which it was connected and had been told so, ms from the beginning.
    pub listening: Vec<(u64, u64)>,
    /// Raw lines.
    pub raw: Vec<String>,
    /// Called lost, and not shown after all.
    pub lost: BTreeSet<(Run, u64)>,
    pub caught_up: bool,
    /// The oldest event that had come when the first page was complete: what is older is history.
    /// `None` when the page reached the beginning.
    pub floor: Option<(Run, u64)>,
}

/// Where the viewers' clock begins. It has nothing to do with the time of day.
const CLOCK: u64 = 77_000_000;

struct Viewer {
    simulation: Rc<Simulation>,
    begun: Instant,
    plan: PlannedViewer,
    /// Whether the plan has evictions.
    lets_go: bool,
    client: Client,
    seen: Seen,
    /// Whether the first page, or its first part, has come.
    page_came: bool,
    page_complete: bool,
    /// The newest request for an older page.
    older_id: Option<String>,
    subscribed_at: Option<u64>,
    oldest: Option<(Run, u64)>,
}

/// Watches until the simulation is over.
pub async fn watch(simulation: Rc<Simulation>, plan: PlannedViewer) -> Seen {
    let begun = Instant::now();
    let options =
        Options { limit: plan.limit, seed: Some(plan.seed), ..Options::new("w".parse().unwrap()) };
    let seen = Seen {
        shown: Vec::new(),
        shown_at: Vec::new(),
        listening: Vec::new(),
        raw: Vec::new(),
        lost: BTreeSet::new(),
        caught_up: false,
        floor: None,
    };
    let client = Client::new(options);
    sleep(Duration::from_millis(plan.comes)).await;
    let mut lives = plan.connections.clone().into_iter();
    let mut viewer = Viewer {
        simulation,
        begun,
        lets_go: !plan.evictions.is_empty(),
        plan,
        client,
        seen,
        page_came: false,
        page_complete: false,
        older_id: None,
        subscribed_at: None,
        oldest: None,
    };
    while !viewer.simulation.over.get() {
        let life = lives.next();
        let Some(mut connection) = viewer.simulation.connect().await else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let ends = life.map(|(on, _)| Instant::now() + Duration::from_millis(on));
        viewer.subscribed_at = None;
        viewer.live(&mut connection, ends).await;
        if let Some(from) = viewer.subscribed_at {
            viewer.seen.listening.push((from, viewer.now()));
        }
        // While the connection stands: without one, nobody knows.
        viewer.seen.caught_up = viewer.client.is_caught_up();
        viewer.simulation.close(&connection, viewer.plan.disconnects_arrive).await;
        viewer.handle(Input::Disconnected, None);
        sleep(Duration::from_millis(life.map_or(1_000, |(_, off)| off))).await;
    }
    viewer.seen
}

impl Viewer {
    async fn live(&mut self, connection: &mut Connection, ends: Option<Instant>) {
        self.handle(Input::Connected, Some(connection));
        // A frame that is still on its way.
        let mut coming: Option<(Instant, String)> = None;
        loop {
            // The end of the test is looked for now and then.
            let mut wake = Instant::now() + Duration::from_secs(600);
            if self.plan.asks_again
                && let Some(tick) = self.client.next_tick()
            {
                wake = wake.min(self.begun + Duration::from_millis(tick - CLOCK));
            }
            if let Some(at) = self.next_of_the_page() {
                wake = wake.min(self.begun + Duration::from_millis(at));
            }
            let arrives = coming.as_ref().map(|(at, _)| *at);
            let wake = ends.map_or(wake, |ends| wake.min(ends));
            tokio::select! {
                biased;
                () = sleep_until(arrives.unwrap_or(wake)), if arrives.is_some() => {
                    if let Some((_, frame)) = coming.take() {
                        let message = ServerMessage::read(&frame).unwrap();
                        self.handle(Input::Message(message.clone()), Some(connection));
                        self.note_first_page(&message);
                    }
                }
                frame = connection.frames.recv(), if arrives.is_none() => match frame {
                    Some(frame) => coming = Some((Instant::now() + self.link(), frame)),
                    None => return,
                },
                () = sleep_until(wake) => self.handle(Input::Tick, Some(connection)),
            }
            self.page(connection);
            if self.simulation.over.get() || ends.is_some_and(|ends| Instant::now() >= ends) {
                return;
            }
        }
    }

    /// How long a frame takes now.
    fn link(&self) -> Duration {
        let (ms, until) = self.plan.slow_link;
        Duration::from_millis(if self.now() < until { ms } else { 0 })
    }

    /// When the page next lets go of lines or goes back, ms from the beginning.
    fn next_of_the_page(&self) -> Option<u64> {
        let evicts = self.plan.evictions.first().map(|(at, _)| *at);
        let back = self.simulation.back_at.get();
        let goes_back = self.lets_go && self.client.has_older() && !self.client.is_loading_older();
        let back = goes_back.then(|| back.max(self.now() + 1_000));
        evicts.into_iter().chain(back).min()
    }

    /// Lets go of lines, and asks for older ones.
    fn page(&mut self, connection: &Connection) {
        let now = self.now();
        if self.plan.evictions.first().is_some_and(|(at, _)| *at <= now) {
            let (_, keeps) = self.plan.evictions.remove(0);
            let keys: BTreeSet<_> =
                self.seen.shown.iter().map(|line| (line.run.clone(), line.seq)).collect();
            if let Some((run, seq)) = keys.iter().rev().nth(keeps).cloned() {
                self.client.evict(&run, seq);
                let last = (run, seq);
                let kept = |line: &Line| (&line.run, line.seq) > (&last.0, last.1);
                let mut kept_at = self.seen.shown.iter().map(kept).collect::<Vec<_>>().into_iter();
                self.seen.shown_at.retain(|_| kept_at.next() == Some(true));
                self.seen.shown.retain(kept);
                self.seen.lost.retain(|key| *key > last);
                self.seen.raw.clear();
            }
        }
        if now >= self.simulation.back_at.get() && self.lets_go {
            self.seen.floor = None;
            let outputs = self.client.older(CLOCK + now, 10);
            self.carry_out(outputs, Some(connection), true);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    fn note_first_page(&mut self, message: &ServerMessage) {
        if matches!(message, ServerMessage::CaughtUp { .. }) {
            let now = self.now();
            self.subscribed_at.get_or_insert(now);
        }
        match message {
            // Once the first part is here, only the older page that was asked for last goes below it.
            ServerMessage::Logs(logs)
                if !self.page_complete
                    && (!self.page_came || logs.id.is_some() && logs.id == self.older_id) =>
            {
                let envelopes = logs.events.iter().filter_map(|e| Envelope::parse(e.get()));
                let keys = envelopes.map(|envelope| (envelope.run, envelope.seq));
                self.oldest = keys.chain(self.oldest.take()).min();
            }
            // An incomplete first page goes on with the page before it.
            ServerMessage::CaughtUp { .. } if self.page_came && !self.page_complete => {
                self.page_complete = !self.client.is_loading_older();
                self.seen.floor = self.oldest.clone().filter(|_| self.client.has_older());
            }
            _ => {}
        }
    }

    fn handle(&mut self, input: Input, connection: Option<&Connection>) {
        let first = matches!(input, Input::Connected);
        let outputs = self.client.handle(CLOCK + self.now(), input);
        self.carry_out(outputs, connection, first);
    }

    fn carry_out(&mut self, outputs: Vec<Output>, connection: Option<&Connection>, first: bool) {
        for output in outputs {
            match output {
                Output::Send(message) => {
                    // Raw lines are read by pages, too, but of many lines.
                    if let ClientMessage::SendLogs(SendLogs { before: Some(_), limit, id, .. }) =
                        &message
                        && limit.is_some_and(|limit| limit <= 1_000)
                    {
                        self.older_id.clone_from(id);
                    }
                    let ask = first || self.plan.asks_again;
                    if let Some(connection) = connection.filter(|_| ask) {
                        self.send(connection, &message);
                    }
                }
                Output::Show(line) => {
                    self.seen.lost.remove(&(line.run.clone(), line.seq));
                    self.seen.shown.push(line);
                    self.seen.shown_at.push(self.now());
                }
                Output::Lost { run, from, to } => {
                    self.seen.lost.extend((from..=to).map(|seq| (run.clone(), seq)));
                }
                Output::ShowRaw(line) => self.seen.raw.push(line.text),
                Output::CaughtUp => self.page_came = true,
                Output::Refused { .. } => {}
            }
        }
    }

    fn send(&self, connection: &Connection, message: &ClientMessage) {
        self.simulation.send(connection, serde_json::to_string(message).unwrap());
    }
}
