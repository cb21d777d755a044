//! The client's rules as a pure state machine over all runs of a workstream.

use std::collections::BTreeMap;

use super::{
    ANSWER_MS, GATEWAY_PAUSE_MS, PATIENCE_MS, PING_AFTER_MS, PING_AFTER_TASK_MS, PING_EVERY_MS,
    asking::Jitter,
    floor::Floor,
    request::{Purpose, Request},
    run::RunView,
    types::{Input, Line, Options, Output},
};
use crate::{
    event::{Envelope, kind},
    ids::Run,
    message::{
        ClientMessage, MAX_LIMIT, MAX_RANGES, Range, RawLine, RunInfo, SendLogs, ServerMessage,
        Source,
    },
};

/// The rules. See the [module](super) for what they promise.
#[derive(Debug)]
pub struct Client {
    options: Options,
    runs: BTreeMap<Run, RunView>,
    floor: Floor,
    connected: bool,
    /// Whether a request that subscribes was answered on this connection.
    subscribed: bool,
    requests: BTreeMap<u64, Request>,
    next_id: u64,
    /// When the server asked to be left alone until.
    quiet_until: u64,
    /// When lines began to wait for the first page's end.
    early_since: Option<u64>,
    /// When the last catching up was, and how many pings followed.
    caught_up_at: Option<u64>,
    pings: usize,
    next_ping: Option<u64>,
    jitter: Jitter,
    redelivered: u64,
    /// When the client was last told the time.
    now: u64,
}

impl Client {
    /// A client that knows nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let jitter = Jitter(options.seed);
        Self {
            options,
            runs: BTreeMap::new(),
            floor: Floor::Unknown,
            connected: false,
            subscribed: false,
            requests: BTreeMap::new(),
            next_id: 1,
            quiet_until: 0,
            early_since: None,
            caught_up_at: None,
            pings: 0,
            next_ping: None,
            jitter,
            redelivered: 0,
            now: 0,
        }
    }

    /// Lines that came although they were held.
    #[must_use]
    pub fn redelivered(&self) -> u64 {
        self.redelivered
    }

    /// Numbers of a run that are missing, no longer a mere overtaking, and not given up.
    #[must_use]
    pub fn pending(&self, run: &Run) -> u64 {
        self.runs.get(run).map_or(0, |view| {
            let over = view.holes.iter().filter(|(_, (_, asking))| asking.patience_over(self.now));
            over.map(|(first, (last, _))| last - first + 1).sum()
        })
    }

    /// Numbers of a run that were given up.
    #[must_use]
    pub fn lost(&self, run: &Run) -> u64 {
        self.runs.get(run).map_or(0, |view| view.lost.len())
    }

    /// Whether the first page is complete and nothing is missing that is known to exist. After a
    /// reconnect, nothing is known before the server has answered.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.subscribed
            && self.caught_up_at.is_some()
            && self
                .watched()
                .all(|view| view.holes.is_empty() && (view.end_answered || !view.end_is_missing()))
    }

    /// The runs that are not history.
    fn watched(&self) -> impl Iterator<Item = &RunView> {
        self.runs.iter().filter(|(run, _)| self.floor.of(run).is_some()).map(|(_, view)| view)
    }

    /// When [`Input::Tick`] is due, if nothing else comes in before. Always later than the time the
    /// client was last told.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        let mut due: Vec<u64> = Vec::new();
        due.extend(self.early_since.map(|since| since + PATIENCE_MS));
        let holes = self.runs.values().flat_map(|view| view.holes.values());
        due.extend(holes.map(|(_, asking)| asking.since + PATIENCE_MS));
        if self.connected {
            due.extend(self.next_ping);
            due.extend(self.requests.values().map(|request| request.sent + ANSWER_MS));
            due.push(self.quiet_until);
            if self.floor != Floor::Unknown {
                due.extend(self.next_requests());
            }
        }
        due.into_iter().filter(|&at| at > self.now).min()
    }

    /// When something is asked for next, unless a request under way delays it.
    fn next_requests(&self) -> impl Iterator<Item = u64> {
        let newest = self.runs.keys().next_back();
        let watched = self.runs.iter().filter(|(run, _)| self.floor.of(run).is_some());
        watched.flat_map(move |(run, view)| {
            let holes = view.holes.iter().filter(|(first, _)| !self.in_flight(run, **first));
            let mut due: Vec<u64> = holes.map(|(_, (_, asking))| asking.next).collect();
            if !self.in_flight(run, view.top() + 1) {
                if view.end_is_missing() {
                    due.extend(view.end.as_ref().map(|asking| asking.next));
                }
                if newest == Some(run) {
                    due.extend(view.next_silence());
                }
            }
            due
        })
    }

    /// Whether a number is being asked for.
    fn in_flight(&self, run: &Run, number: u64) -> bool {
        self.requests.values().any(|request| request.asks_for(run, number))
    }

    /// Takes what happened at `now` (ms since the epoch) and says what to do.
    pub fn handle(&mut self, now: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.now = now;
        match input {
            Input::Connected => {
                self.connected = true;
                self.subscribed = false;
                self.requests.clear();
                self.subscribe(now, &mut out);
            }
            Input::Disconnected => {
                self.connected = false;
                self.subscribed = false;
                self.requests.clear();
                self.next_ping = None;
            }
            Input::Message(message) => self.message(now, message, &mut out),
            Input::GatewayFault => {
                self.requests.clear();
                self.quiet_until = self.quiet_until.max(now + GATEWAY_PAUSE_MS);
            }
            Input::Unreadable | Input::Tick => {}
        }
        self.settle(now, &mut out);
        out
    }

    fn subscribe(&mut self, now: u64, out: &mut Vec<Output>) {
        let newest = self.runs.iter().next_back();
        let resume = (self.floor != Floor::Unknown).then_some(newest).flatten();
        let Some((run, view)) = resume else {
            let Options { limit, since, ref run, .. } = self.options;
            let ask = SendLogs { limit: Some(limit), since, run: run.clone(), ..self.ask() };
            return self.send(now, Purpose::Page, ask, out);
        };
        let floor = self.floor.of(run).unwrap_or(1);
        let last = view.held.max().unwrap_or(0).max(floor.saturating_sub(1));
        let from = (last + 1).saturating_sub(self.options.overlap).max(1);
        let ts = view.time_before(from).unwrap_or_else(|| run.started_ms());
        let ranges = vec![Range { run: run.clone(), from, to: None, ts, after: None }];
        let limit = Some(MAX_LIMIT);
        let ask =
            SendLogs { follow: Some(true), ranges: Some(ranges.clone()), limit, ..self.ask() };
        self.send(now, Purpose::Ranges(ranges), ask, out);
    }

    fn ask(&self) -> SendLogs {
        SendLogs::new(self.options.workstream.clone())
    }

    fn send(&mut self, now: u64, purpose: Purpose, mut ask: SendLogs, out: &mut Vec<Output>) {
        let id = self.next_id;
        self.next_id += 1;
        ask.id = Some(id.to_string());
        let subscribes = ask.follow == Some(true) || matches!(purpose, Purpose::Page);
        self.requests.insert(id, Request { purpose, sent: now, subscribes, progress: false });
        out.push(Output::Send(ClientMessage::SendLogs(ask)));
    }

    fn message(&mut self, now: u64, message: ServerMessage, out: &mut Vec<Output>) {
        match message {
            ServerMessage::Logs(logs) if logs.workstream == self.options.workstream => {
                let id = logs.id.and_then(|id| id.parse::<u64>().ok());
                for event in logs.events {
                    let new = self.event(now, event.get(), logs.source, out);
                    if let Some(request) = id.and_then(|id| self.requests.get_mut(&id)) {
                        request.progress |= new;
                    }
                }
            }
            ServerMessage::Runs { workstream, runs } if workstream == self.options.workstream => {
                for info in runs {
                    self.run_info(now, info);
                }
            }
            ServerMessage::Task { workstream, .. } if workstream == self.options.workstream => {
                // The answer to a ping says where the run stands now.
                let soon = now + PING_AFTER_TASK_MS;
                self.next_ping = self.next_ping.map(|due| due.min(soon));
            }
            ServerMessage::CaughtUp { id, complete, cursor, .. } => {
                let id = id.and_then(|id| id.parse::<u64>().ok());
                if let Some(request) = id.and_then(|id| self.requests.remove(&id)) {
                    self.answered(now, request, complete, cursor.as_deref(), out);
                }
            }
            ServerMessage::Error { id, retry_after_ms, .. } => {
                let wait = retry_after_ms.unwrap_or(GATEWAY_PAUSE_MS);
                self.quiet_until = self.quiet_until.max(now + wait);
                if let Some(id) = id.and_then(|id| id.parse::<u64>().ok()) {
                    self.requests.remove(&id);
                }
            }
            _ => {}
        }
    }

    /// Takes an event; says whether it is one of ours that was not held.
    fn event(&mut self, now: u64, json: &str, source: Source, out: &mut Vec<Output>) -> bool {
        let Some(envelope) = Envelope::parse(json) else {
            if let Ok(raw) = serde_json::from_str::<RawLine>(json)
                && self.watches(&raw.run)
                && !self.is_history(&raw)
            {
                let view = self.runs.entry(raw.run.clone()).or_default();
                if view.heard_at == 0 {
                    view.heard_at = now;
                }
                if view.raw.insert(raw.clone()) {
                    out.push(Output::ShowRaw(raw));
                } else {
                    self.redelivered += 1;
                }
            }
            return false;
        };
        if envelope.workstream != self.options.workstream || !self.watches(&envelope.run) {
            return false;
        }
        // The replay of a whole run brings history that nobody asked to see.
        let known = self.floor != Floor::Unknown;
        let wanted = self.floor.of(&envelope.run).is_some_and(|floor| envelope.seq >= floor);
        if source == Source::Replay && known && !wanted {
            return false;
        }
        let ts = envelope.ts_ms().unwrap_or(0);
        let view = self.runs.entry(envelope.run.clone()).or_default();
        if !view.held.insert(envelope.seq) {
            self.redelivered += 1;
            return false;
        }
        view.lost.remove_range(envelope.seq, envelope.seq);
        view.times.insert(envelope.seq, ts);
        view.last_ts = view.last_ts.max(ts);
        view.has_end |= envelope.kind == kind::RUN_END;
        view.heard_at = now;
        view.silences = 0;
        let line = Line {
            run: envelope.run,
            seq: envelope.seq,
            ts,
            kind: envelope.kind.into_owned(),
            json: json.to_owned(),
        };
        view.waiting.insert(line.seq, line);
        true
    }

    /// Raw lines have no number; they are as old as the line whose time they follow.
    fn is_history(&self, raw: &RawLine) -> bool {
        if self.floor == Floor::Unknown {
            return false;
        }
        let Some(floor) = self.floor.of(&raw.run) else { return true };
        let oldest = self.runs.get(&raw.run).and_then(RunView::oldest_ts);
        floor > 1 && oldest.is_some_and(|oldest| raw.ts < oldest)
    }

    /// Whether a run is one of those it was told to watch.
    fn watches(&self, run: &Run) -> bool {
        self.options.run.as_ref().is_none_or(|only| only == run)
    }

    fn run_info(&mut self, now: u64, info: RunInfo) {
        if !self.watches(&info.run) {
            return;
        }
        let view = self.runs.entry(info.run).or_default();
        if view.heard_at == 0 {
            view.heard_at = now;
        }
        view.server_last = view.server_last.max(info.last_seq);
        view.last_ts = view.last_ts.max(info.last_ts);
        if view.state.is_none_or(|state| state.rank() <= info.state.rank()) {
            view.state = Some(info.state);
        }
    }

    fn answered(
        &mut self,
        now: u64,
        request: Request,
        complete: bool,
        cursor: Option<&str>,
        out: &mut Vec<Output>,
    ) {
        self.subscribed |= request.subscribes;
        match request.purpose {
            Purpose::Page if self.floor == Floor::Unknown => {
                // A page from a time on says nothing of what is older.
                let all = cursor.is_none() && self.options.since.is_none();
                self.floor = if all { Floor::Start } else { Floor::first(&self.runs) };
                // Runs that were over when the page was made: it has their raw lines.
                for view in self.runs.values_mut() {
                    view.replayed_after_end = view.is_over();
                }
                out.push(Output::CaughtUp);
            }
            Purpose::Ranges(ranges) if complete => {
                for range in ranges {
                    self.give_up(&range, request.sent, out);
                }
            }
            // It ran out of time or room: the rest is asked for at once.
            Purpose::Ranges(ranges) if request.progress => {
                for Range { run, from, to, .. } in ranges {
                    let floor = self.floor.of(&run);
                    if let (Some(floor), Some(view)) = (floor, self.runs.get_mut(&run)) {
                        view.find_holes(floor, now);
                        view.progressed(from, to.unwrap_or(u64::MAX), now);
                    }
                }
            }
            Purpose::WholeRun(run) => {
                if let Some(view) = self.runs.get_mut(&run) {
                    view.replayed_after_end = true;
                }
            }
            Purpose::Page | Purpose::Ranges(_) => {}
        }
        self.caught_up_at = Some(now);
        self.pings = 0;
        self.next_ping = Some(now + PING_AFTER_MS[0]);
    }

    /// A complete replay of `range`, asked for at `sent`, has ended.
    fn give_up(&mut self, range: &Range, sent: u64, out: &mut Vec<Output>) {
        let Some(view) = self.runs.get_mut(&range.run) else { return };
        for (from, to) in view.give_up(range.from, range.to, sent) {
            out.push(Output::Lost { run: range.run.clone(), from, to });
        }
        if range.to.is_none() && view.end_is_missing() {
            view.end_answered = true;
            view.end_settled = view.end_is_settled_by(sent);
        }
    }

    /// Everything that follows from the state and the time.
    fn settle(&mut self, now: u64, out: &mut Vec<Output>) {
        self.show(now, out);
        if !self.connected {
            return;
        }
        self.requests.retain(|_, request| now < request.sent + ANSWER_MS);
        // Until one that subscribes is answered, it is made again: after a cut as at the start.
        let asked = self.requests.values().any(|request| request.subscribes);
        if !self.subscribed && !asked && now >= self.quiet_until {
            self.subscribe(now, out);
        }
        if self.floor == Floor::Unknown {
            return;
        }
        if now >= self.quiet_until {
            self.ask_for_holes(now, out);
            self.replay_ended_runs(now, out);
        }
        if self.next_ping.is_some_and(|due| now >= due) {
            self.pings += 1;
            self.next_ping = Some(match (self.caught_up_at, PING_AFTER_MS.get(self.pings)) {
                (Some(at), Some(after)) if at + after > now => at + after,
                _ => now + PING_EVERY_MS,
            });
            out.push(Output::Send(ClientMessage::Ping {}));
        }
    }

    fn show(&mut self, now: u64, out: &mut Vec<Output>) {
        if self.floor == Floor::Unknown {
            // The page and new lines come interleaved; a short wait puts them in order.
            let any = self.runs.values().any(|view| !view.waiting.is_empty());
            let since = *self.early_since.get_or_insert(now);
            if !any {
                self.early_since = None;
            }
            if !any || now < since + PATIENCE_MS {
                return;
            }
        }
        self.early_since = None;
        for (run, view) in &mut self.runs {
            if let Some(floor) = self.floor.of(run) {
                view.find_holes(floor, now);
            }
            out.extend(view.take_showable(now).into_iter().map(Output::Show));
            view.prune_times();
        }
    }

    fn ask_for_holes(&mut self, now: u64, out: &mut Vec<Output>) {
        let newest = self.runs.keys().next_back().cloned();
        let runs: Vec<Run> =
            self.runs.keys().filter(|run| self.floor.of(run).is_some()).cloned().collect();
        let mut ranges = Vec::new();
        for run in runs {
            let Some(view) = self.runs.get(&run) else { continue };
            let due: Vec<(u64, Option<u64>)> = view
                .holes
                .iter()
                .filter(|(first, (_, asking))| now >= asking.next && !self.in_flight(&run, **first))
                .map(|(&first, &(last, _))| (first, Some(last)))
                .collect();
            let after = view.top() + 1;
            let ask_for_end = !self.in_flight(&run, after);
            let Some(view) = self.runs.get_mut(&run) else { continue };
            for (first, _) in &due {
                if let Some((_, asking)) = view.holes.get_mut(first) {
                    asking.asked(now, &mut self.jitter);
                }
            }
            // The end: a run that is over without `run.end`, and a newest run that fell silent.
            let silent =
                newest.as_ref() == Some(&run) && view.next_silence().is_some_and(|due| now >= due);
            let end = ask_for_end && (view.end_is_due(now, &mut self.jitter) || silent);
            if end && silent {
                view.silences += 1;
            }
            for (from, to) in due.into_iter().chain(end.then_some((after, None))) {
                let ts = view.time_before(from).unwrap_or_else(|| run.started_ms());
                ranges.push(Range { run: run.clone(), from, to, ts, after: None });
            }
        }
        for ranges in ranges.chunks(MAX_RANGES) {
            let limit = Some(MAX_LIMIT);
            let ask = SendLogs { ranges: Some(ranges.to_vec()), limit, ..self.ask() };
            self.send(now, Purpose::Ranges(ranges.to_vec()), ask, out);
        }
    }

    /// Raw lines carry no numbers; a replay of the whole run after its end brings what was missed.
    /// One run at a time, until it is answered: many may have ended.
    fn replay_ended_runs(&mut self, now: u64, out: &mut Vec<Output>) {
        let under_way = |request: &Request| matches!(request.purpose, Purpose::WholeRun(_));
        if self.requests.values().any(under_way) {
            return;
        }
        let over = self.runs.iter().find(|(run, view)| {
            self.floor.of(run).is_some() && !view.replayed_after_end && view.is_over()
        });
        if let Some((run, _)) = over {
            let run = run.clone();
            let ask = SendLogs { run: Some(run.clone()), limit: Some(MAX_LIMIT), ..self.ask() };
            self.send(now, Purpose::WholeRun(run), ask, out);
        }
    }
}
