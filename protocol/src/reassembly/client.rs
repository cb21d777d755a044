//! The client's rules as a pure state machine over all runs of a workstream.

use std::collections::BTreeMap;

use super::{
    APART_MS, GATEWAY_PAUSE_MS, PATIENCE_MS,
    asking::Jitter,
    floor::Floor,
    paging::Paging,
    pings::Pings,
    request::{Purpose, Request},
    run::{RAW_READINGS, RunView},
    types::{Input, Line, Options, Output},
};
use crate::{
    event::{Envelope, MAX_SEQ, kind},
    ids::Run,
    message::{
        ClientMessage, ErrorCode, Logs, MAX_LIMIT, MAX_RANGES, Range, RawLine, ReadTo, SendLogs,
        ServerMessage, Source,
    },
};

/// The rules. See the [module](super) for what they promise.
#[derive(Debug)]
pub struct Client {
    pub(super) options: Options,
    pub(super) runs: BTreeMap<Run, RunView>,
    pub(super) floor: Floor,
    pub(super) connected: bool,
    /// Whether a request that subscribes was answered on this connection.
    subscribed: bool,
    pub(super) requests: BTreeMap<u64, Request>,
    next_id: u64,
    pub(super) paging: Paging,
    /// When the server asked to be left alone until.
    quiet_until: u64,
    /// The server refuses the workstream: nothing more is asked.
    pub(super) refused: bool,
    /// When lines began to wait for the first page's end.
    early_since: Option<u64>,
    pings: Pings,
    jitter: Jitter,
    /// How much later than others it asks about a silence, which all clients hear in the same moment.
    apart: u64,
    redelivered: u64,
    /// When the client was last told the time.
    pub(super) now: u64,
}

/// How an answer ended.
struct Answer {
    complete: bool,
    cursor: Option<String>,
    read_to: Option<ReadTo>,
    settled: bool,
}

impl Client {
    /// A client that knows nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut jitter = Jitter(options.seed);
        let apart = jitter.draw().up_to(APART_MS);
        Self {
            options,
            runs: BTreeMap::new(),
            floor: Floor::Unknown,
            connected: false,
            subscribed: false,
            requests: BTreeMap::new(),
            next_id: 1,
            paging: Paging::default(),
            quiet_until: 0,
            refused: false,
            early_since: None,
            pings: Pings::default(),
            jitter,
            apart,
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

    /// Whether the first page, or what came while disconnected, is under way.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.floor == Floor::Unknown || !self.subscribed
    }

    /// Whether the first page is complete and nothing is missing that is known to exist. After a
    /// reconnect, nothing is known before the server has answered.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        !self.is_replaying()
            && !self.is_loading_older()
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
        if self.connected && !self.refused {
            due.extend(self.pings.next());
            due.extend(self.requests.values().map(Request::expires));
            // While the server wants to be left alone, nothing is asked for, whatever is due.
            if self.quiet_until > self.now {
                due.push(self.quiet_until);
            } else if self.floor != Floor::Unknown {
                due.extend(self.next_requests());
            }
        }
        due.into_iter().filter(|&at| at > self.now).min()
    }

    /// When something is asked for next, unless a request under way delays it.
    fn next_requests(&self) -> impl Iterator<Item = u64> {
        let newest = self.runs.keys().next_back();
        let reads_raw = self.reads_raw();
        self.runs.iter().filter_map(|(run, view)| Some((run, view, self.floor.of(run)?))).flat_map(
            move |(run, view, floor)| {
                let holes = view.holes.iter().filter(|(first, _)| !self.in_flight(run, **first));
                let mut due: Vec<u64> = holes.map(|(_, (_, asking))| asking.next).collect();
                if !self.in_flight(run, view.rest(floor)) {
                    if view.end_is_missing() {
                        due.extend(view.end.as_ref().map(|asking| asking.next));
                    }
                    if newest == Some(run) {
                        due.extend(view.next_silence(self.apart));
                    }
                }
                if view.lacks_raw() && !reads_raw {
                    due.extend(view.raw_due);
                }
                due
            },
        )
    }

    /// Whether a number is being asked for.
    fn in_flight(&self, run: &Run, number: u64) -> bool {
        self.requests.values().any(|request| request.asks_for(run, number))
    }

    /// Whether raw lines are being read.
    fn reads_raw(&self) -> bool {
        self.requests.values().any(|request| matches!(request.purpose, Purpose::Raw { .. }))
    }

    /// Takes what happened at `now` and says what to do. `now` is in ms, of a clock that never goes back;
    /// it begins anywhere, and no time in a message is ever compared with it.
    pub fn handle(&mut self, now: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.now = now;
        match input {
            Input::Connected => {
                self.connected = true;
                self.subscribed = false;
                self.requests.clear();
                if !self.refused {
                    self.subscribe(now, &mut out);
                }
            }
            Input::Disconnected => {
                self.connected = false;
                self.subscribed = false;
                self.requests.clear();
                self.pings.disconnected();
            }
            Input::Message(message) => self.message(now, message, &mut out),
            Input::GatewayFault => {
                self.requests.clear();
                self.quiet_until = self.quiet_until.max(now + GATEWAY_PAUSE_MS);
            }
            Input::Unreadable => {
                self.requests.values_mut().for_each(|request| request.distrusted = true);
            }
            Input::Tick => {}
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
        let from = (last + 1).saturating_sub(self.options.overlap).clamp(1, MAX_SEQ);
        let ts = view.time_before(from).unwrap_or_else(|| run.started_ms());
        let ranges = vec![Range { run: run.clone(), from, to: None, ts, after: None }];
        let ask = SendLogs { follow: Some(true), ..self.ask_for(ranges.clone()) };
        self.send(now, Purpose::Ranges(ranges), ask, out);
    }

    pub(super) fn ask(&self) -> SendLogs {
        SendLogs::new(self.options.workstream.clone())
    }

    fn ask_for(&self, ranges: Vec<Range>) -> SendLogs {
        SendLogs { ranges: Some(ranges), limit: Some(MAX_LIMIT), ..self.ask() }
    }

    pub(super) fn send(
        &mut self,
        now: u64,
        purpose: Purpose,
        mut ask: SendLogs,
        out: &mut Vec<Output>,
    ) {
        let id = self.next_id;
        self.next_id += 1;
        ask.id = Some(id.to_string());
        let subscribes = ask.follow == Some(true) || matches!(purpose, Purpose::Page);
        self.requests.insert(id, Request::new(purpose, now, subscribes));
        out.push(Output::Send(ClientMessage::SendLogs(ask)));
    }

    fn message(&mut self, now: u64, message: ServerMessage, out: &mut Vec<Output>) {
        let ours = &self.options.workstream;
        match message {
            ServerMessage::Logs(logs) if logs.workstream == *ours => self.logs(now, &logs),
            ServerMessage::Runs { workstream, runs } if workstream == *ours => {
                self.pings.heard();
                for info in runs {
                    if self.watches(&info.run) {
                        self.runs.entry(info.run.clone()).or_default().take(&info, now);
                    }
                }
            }
            ServerMessage::Task { workstream, .. } if workstream == *ours => {
                self.pings.task_changed(now);
            }
            ServerMessage::CaughtUp { id, workstream, complete, cursor, read_to, settled }
                if workstream == *ours =>
            {
                let answer = Answer { complete, cursor, read_to, settled };
                if let Some(request) =
                    number(id.as_deref()).and_then(|id| self.requests.remove(&id))
                {
                    self.answered(now, request, answer, out);
                }
            }
            // The server tells of each workstream that it knows this connection to follow.
            ServerMessage::Pong {} => self.subscribed &= !self.pings.forgotten(now),
            ServerMessage::Error { id, workstream, code, message, retry_after_ms }
                if workstream.as_ref().is_none_or(|workstream| workstream == ours) =>
            {
                let request = number(id.as_deref()).and_then(|id| self.requests.remove(&id));
                if request.is_none() && workstream.is_none() {
                    return;
                }
                let wait = retry_after_ms.unwrap_or(GATEWAY_PAUSE_MS);
                self.quiet_until = self.quiet_until.max(now + wait);
                if matches!(code, ErrorCode::Forbidden | ErrorCode::BadRequest) {
                    let subscribes = request.as_ref().is_some_and(|request| request.subscribes);
                    self.refused |= code == ErrorCode::Forbidden || subscribes;
                    match request.map(|request| request.purpose) {
                        Some(Purpose::Before) => self.paging.wanted = 0,
                        Some(Purpose::Raw { run, .. }) => {
                            let view = self.runs.entry(run).or_default();
                            view.raw_readings = RAW_READINGS;
                        }
                        _ => {}
                    }
                    out.push(Output::Refused { code, message });
                }
            }
            _ => {}
        }
    }

    fn logs(&mut self, now: u64, logs: &Logs) {
        let id = number(logs.id.as_deref()).filter(|id| self.requests.contains_key(id));
        if let Some(request) = id.and_then(|id| self.requests.get_mut(&id)) {
            request.heard = now;
            request.came += logs.events.len();
        }
        let is_live = logs.source == Source::Live;
        for event in &logs.events {
            self.event(now, event.get(), id, is_live);
        }
    }

    /// Takes an event, or a raw line, in the answer to a request or live.
    fn event(&mut self, now: u64, json: &str, id: Option<u64>, is_live: bool) {
        let mut request = id.and_then(|id| self.requests.get_mut(&id));
        let pages = request.as_ref().is_some_and(|request| request.is_before());
        // What lies below the floor is history that nobody asked to see, or what the page has let go of.
        let known = self.floor != Floor::Unknown && !pages;
        let Some(envelope) = Envelope::parse(json) else {
            let Ok(raw) = serde_json::from_str::<RawLine>(json) else { return };
            if !self.watches(&raw.run) || known && self.is_history(&raw, id, is_live) {
                return;
            }
            let view = self.runs.entry(raw.run.clone()).or_default();
            view.heard_at.get_or_insert(now);
            if !view.raw.insert(raw.clone()) {
                self.redelivered += 1;
                return;
            }
            view.waiting_raw.push(raw);
            if pages {
                view.raw_gone = view.raw_gone.saturating_sub(1);
            }
            if let Some(request) = id.and_then(|id| self.requests.get_mut(&id)) {
                request.progress = true;
            }
            return;
        };
        let only = self.options.run.as_ref();
        if envelope.workstream != self.options.workstream
            || only.is_some_and(|only| *only != envelope.run)
        {
            return;
        }
        let below = self.floor.of(&envelope.run).is_none_or(|floor| envelope.seq < floor);
        if let Some(request) = request.as_mut() {
            request.last = Some((envelope.run.clone(), below));
            request.below |= known && below;
        }
        if known && below {
            return;
        }
        if let Some(request) = request.as_mut().filter(|_| pages) {
            let key = (envelope.run.clone(), envelope.seq);
            request.oldest = request.oldest.take().into_iter().chain([key]).min();
        }
        let view = self.runs.entry(envelope.run.clone()).or_default();
        if !view.held.insert(envelope.seq) {
            self.redelivered += 1;
            return;
        }
        if let Some(request) = request {
            request.progress = true;
        }
        let ts = envelope.ts_ms().unwrap_or(0);
        view.lost.remove_range(envelope.seq, envelope.seq);
        view.top = view.top.max(envelope.seq);
        view.times.insert(envelope.seq, ts);
        view.has_end |= envelope.kind == kind::RUN_END;
        view.heard_at = Some(now);
        view.silences = 0;
        let line = Line {
            run: envelope.run,
            seq: envelope.seq,
            ts,
            kind: envelope.kind.into_owned(),
            json: json.to_owned(),
        };
        view.waiting.insert(line.seq, line);
    }

    /// Raw lines have no number. A live one is new, unless it is as old as those that were let go of. One
    /// that is read back is as old as the event before it in its answer, or else as the line whose time it
    /// follows.
    fn is_history(&self, raw: &RawLine, id: Option<u64>, is_live: bool) -> bool {
        let Some(floor) = self.floor.of(&raw.run) else { return true };
        let Some(view) = self.runs.get(&raw.run) else { return false };
        if is_live {
            return view.raw_gone_until.is_some_and(|until| raw.ts <= until);
        }
        let last =
            id.and_then(|id| self.requests.get(&id)).and_then(|request| request.last.as_ref());
        if let Some((_, below)) = last.filter(|(run, _)| *run == raw.run) {
            return *below;
        }
        floor > 1 && view.oldest_ts().is_some_and(|oldest| raw.ts < oldest)
    }

    /// Whether a run is one of those it was told to watch.
    fn watches(&self, run: &Run) -> bool {
        self.options.run.as_ref().is_none_or(|only| only == run)
    }

    fn answered(&mut self, now: u64, request: Request, answer: Answer, out: &mut Vec<Output>) {
        let complete = answer.complete && !request.distrusted;
        self.subscribed |= request.subscribes;
        match &request.purpose {
            Purpose::Page if self.floor == Floor::Unknown => {
                // A page from a time on says nothing of what is older.
                let all = answer.cursor.is_none() && self.options.since.is_none();
                self.floor = if all { Floor::Start } else { Floor::first(&self.runs) };
                // Runs that were over when the page was made: it has their raw lines. `run.end` alone
                // says little, since raw lines may follow it.
                for view in self.runs.values_mut().filter(|view| complete && view.row_is_over()) {
                    view.raw_readings = RAW_READINGS;
                }
                let limit = self.options.limit as usize;
                let left = if complete { 0 } else { limit.saturating_sub(request.came) };
                self.paging = Paging::begin(answer.cursor, self.floor.clone(), left);
                out.push(Output::CaughtUp);
            }
            Purpose::Before => self.page_came(&request, complete, answer.cursor),
            Purpose::Ranges(ranges) if complete => {
                for range in ranges {
                    let Some(view) = self.runs.get_mut(&range.run) else { continue };
                    for (from, to) in view.complete(range, request.sent, answer.settled, now) {
                        out.push(Output::Lost { run: range.run.clone(), from, to });
                    }
                }
            }
            Purpose::Ranges(ranges) => {
                // A frame that was dropped may have held what lies before it.
                let read_to = answer.read_to.as_ref().filter(|_| !request.distrusted);
                let read_on = |range: &Range| {
                    read_to.is_some_and(|to| to.run == range.run && Some(to.ts) > range.after)
                };
                let progress = request.progress || ranges.iter().any(read_on);
                for range in ranges {
                    if let Some(view) = self.runs.get_mut(&range.run) {
                        view.stopped(range, read_to, progress, now);
                    }
                }
            }
            Purpose::Raw { run, left } => {
                let left = left.saturating_sub(request.came);
                // What a dropped frame held lies behind the cursor: then it is read again as a whole.
                let goes_on = !complete && !request.distrusted && !request.below;
                let goes_on = goes_on && left > 0 && request.came > 0;
                match answer.cursor.filter(|_| goes_on) {
                    Some(before) => {
                        let purpose = Purpose::Raw { run: run.clone(), left };
                        let limit = u32::try_from(left).ok();
                        let ask = SendLogs { before: Some(before), limit, ..self.ask() };
                        self.send(now, purpose, ask, out);
                    }
                    None => {
                        if let Some(view) = self.runs.get_mut(run) {
                            // What lies below the floor is counted, too.
                            view.raw_readings = match request.below {
                                true => RAW_READINGS,
                                false => view.raw_readings + u8::from(!request.distrusted),
                            };
                            view.raw_due = None;
                        }
                    }
                }
            }
            Purpose::Page => {}
        }
        self.pings.caught_up(now);
    }

    /// Everything that follows from the state and the time.
    pub(super) fn settle(&mut self, now: u64, out: &mut Vec<Output>) {
        self.show(now, out);
        if !self.connected || self.refused {
            return;
        }
        self.requests.retain(|_, request| now < request.expires());
        let quiet = now < self.quiet_until;
        // Until one that subscribes is answered, it is made again: after a cut as at the start.
        let asked = self.requests.values().any(|request| request.subscribes);
        if !self.subscribed && !asked && !quiet {
            self.subscribe(now, out);
        }
        if self.floor == Floor::Unknown {
            return;
        }
        if !quiet {
            self.ask_for_page(now, out);
            self.ask_for_holes(now, out);
            self.ask_for_raw(now, out);
        }
        if self.pings.take(now, self.subscribed) {
            out.push(Output::Send(ClientMessage::Ping {}));
        }
    }

    fn show(&mut self, now: u64, out: &mut Vec<Output>) {
        if self.floor == Floor::Unknown {
            // The page and new lines come interleaved; a short wait puts them in order.
            let mut views = self.runs.values();
            let any = views.any(|view| !view.waiting.is_empty() || !view.waiting_raw.is_empty());
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
            view.take_showable(now, out);
            view.prune_times();
        }
    }

    fn ask_for_holes(&mut self, now: u64, out: &mut Vec<Output>) {
        // One for all: what is asked for together is due together again, in one request.
        let drawn = self.jitter.draw();
        let newest = self.runs.keys().next_back().cloned();
        let runs: Vec<(Run, u64)> =
            self.runs.keys().filter_map(|run| Some((run.clone(), self.floor.of(run)?))).collect();
        let mut ranges = Vec::new();
        for (run, floor) in runs {
            let Some(view) = self.runs.get(&run) else { continue };
            let due: Vec<u64> = view
                .holes
                .iter()
                .filter(|(first, (_, asking))| now >= asking.next && !self.in_flight(&run, **first))
                .map(|(&first, _)| first)
                .collect();
            let rest = view.rest(floor);
            let ask_for_rest = !self.in_flight(&run, rest);
            let Some(view) = self.runs.get_mut(&run) else { continue };
            ranges.extend(due.iter().filter_map(|&from| view.ask_hole(&run, from, now, drawn)));
            if !ask_for_rest {
                continue;
            }
            // The end: a run that is over without `run.end`, and a newest run that fell silent.
            let ended = view.end_is_due(now, drawn);
            let silent = newest.as_ref() == Some(&run)
                && view.next_silence(self.apart).is_some_and(|due| now >= due);
            view.silences += usize::from(silent);
            if ended || silent {
                ranges.push(view.ask_rest(&run, rest, now, drawn));
            }
        }
        for ranges in ranges.chunks(MAX_RANGES) {
            let ask = self.ask_for(ranges.to_vec());
            self.send(now, Purpose::Ranges(ranges.to_vec()), ask, out);
        }
    }

    /// Raw lines carry no numbers: when a run is over and the server has counted more of them than came,
    /// the run is read once, by each client at a moment of its own. One run at a time, until it is
    /// answered: many may have ended.
    fn ask_for_raw(&mut self, now: u64, out: &mut Vec<Output>) {
        let mut due = None;
        for (run, view) in &mut self.runs {
            if self.floor.of(run).is_none() || !view.lacks_raw() {
                continue;
            }
            let within = || now + self.jitter.draw().up_to(APART_MS);
            if now >= *view.raw_due.get_or_insert_with(within) {
                due = due.or_else(|| Some(run.clone()));
            }
        }
        if let Some(run) = due.filter(|_| !self.reads_raw()) {
            let ask = SendLogs { run: Some(run.clone()), limit: Some(MAX_LIMIT), ..self.ask() };
            self.send(now, Purpose::Raw { run, left: MAX_LIMIT as usize }, ask, out);
        }
    }
}

/// The number of a request.
fn number(id: Option<&str>) -> Option<u64> {
    id?.parse().ok()
}
