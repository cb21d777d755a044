//! A viewer: the real client rules on connections that come and go.

use std::{collections::BTreeSet, rc::Rc};

use ralph_lambdas::ports::Clock;
use ralph_protocol::{
    event::Envelope,
    ids::Run,
    message::{ClientMessage, ServerMessage},
    reassembly::{Client, Input, Line, Options, Output},
};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::{
    plan::PlannedViewer,
    simulation::{Connection, Simulation},
};
use crate::memory::START;

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

struct Viewer {
    simulation: Rc<Simulation>,
    begun: Instant,
    plan: PlannedViewer,
    client: Client,
    seen: Seen,
    page_complete: bool,
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
        plan,
        client,
        seen,
        page_complete: false,
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
        loop {
            // The end of the test is looked for now and then.
            let mut wake = Instant::now() + Duration::from_secs(600);
            if self.plan.asks_again
                && let Some(tick) = self.client.next_tick()
            {
                wake = wake.min(self.begun + Duration::from_millis(tick - START));
            }
            let wake = ends.map_or(wake, |ends| wake.min(ends));
            tokio::select! {
                biased;
                frame = connection.frames.recv() => match frame {
                    Some(frame) => {
                        let message = ServerMessage::read(&frame).unwrap();
                        self.handle(Input::Message(message.clone()), Some(connection));
                        self.note_first_page(&message);
                    }
                    None => return,
                },
                () = sleep_until(wake) => self.handle(Input::Tick, Some(connection)),
            }
            if self.simulation.over.get() || ends.is_some_and(|ends| Instant::now() >= ends) {
                return;
            }
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
            ServerMessage::Logs(logs) if !self.page_complete => {
                let envelopes = logs.events.iter().filter_map(|e| Envelope::parse(e.get()));
                let keys = envelopes.map(|envelope| (envelope.run, envelope.seq));
                self.oldest = keys.chain(self.oldest.take()).min();
            }
            // An incomplete first page goes on with the page before it.
            ServerMessage::CaughtUp { cursor, .. }
                if !self.page_complete && !self.client.is_loading_older() =>
            {
                self.page_complete = true;
                self.seen.floor = self.oldest.take().filter(|_| cursor.is_some());
            }
            _ => {}
        }
    }

    fn handle(&mut self, input: Input, connection: Option<&Connection>) {
        let first = matches!(input, Input::Connected);
        for output in self.client.handle(self.simulation.clock.now_ms(), input) {
            match output {
                Output::Send(message) => {
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
                Output::CaughtUp | Output::Refused { .. } => {}
            }
        }
    }

    fn send(&self, connection: &Connection, message: &ClientMessage) {
        self.simulation.send(connection, serde_json::to_string(message).unwrap());
    }
}
