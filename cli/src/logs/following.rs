//! Showing lines as they come, by the client's rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use ralph_protocol::{
    event::{Envelope, kind},
    exit::RunExit,
    ids::{Run, Workstream},
    message::{ErrorCode, RawLine, RunInfo},
    reassembly::{Client, Line, Options, Output},
    table::RunState,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    exit::Ends,
    screen::Screen,
    whole::{Item, merge},
};
use crate::{
    tools::steps::say,
    watch::{Place, Reader, Seen, channel, watch},
};

/// How long what is known to exist may take to arrive when nobody follows.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the last lines of a run may take that is over.
const LAST_LINES: Duration = Duration::from_secs(20);
/// How often it is asked whether an execution whose run is over goes on.
const LOOK: Duration = Duration::from_secs(2);

/// When to stop.
pub enum Until {
    /// What exists has been shown.
    CaughtUp,
    /// Never.
    Stopped,
    /// This run is over.
    RunOver(Run),
    /// The newest execution is over (or the one with this ULID).
    ExecutionOver(Ends, Option<String>),
}

/// What was followed.
pub struct Followed {
    /// The exit code of the last worker; `None` where it left none.
    pub exit: Option<u8>,
    /// The workstream has a run.
    pub has_run: bool,
}

/// Shows lines until `until`.
pub async fn follow<W: Write>(
    place: Place,
    options: Options,
    until: Until,
    screen: &mut Screen<W>,
) -> Result<Followed> {
    let workstream = options.workstream.clone();
    let mut reader = Reader::Rules(Box::new(Client::new(options)));
    let (seen, sights) = channel();
    let watched = workstream.clone();
    let watching = tokio::spawn(async move {
        // Nobody asks for anything here.
        let (_ask, mut asks) = mpsc::channel(1);
        watch(&place, &watched, &mut reader, &seen, &mut asks).await
    });
    let showing = Showing {
        workstream,
        until,
        runs: BTreeMap::new(),
        ended: BTreeMap::new(),
        caught_up: false,
        page: false,
        first: BTreeMap::new(),
        refusals: BTreeSet::new(),
        shown: 0,
        deadline: None,
        over_since: BTreeMap::new(),
        asked: None,
    };
    let result = showing.run(sights, screen).await;
    screen.flush()?;
    match result {
        // The watcher ended by itself: only an error makes it.
        Ok(End::Unwatched) => watching
            .await
            .context("the watcher panicked")?
            .map(|()| Followed { exit: None, has_run: true }),
        Ok(End::Over(followed)) => {
            watching.abort();
            Ok(followed)
        }
        Err(error) => {
            watching.abort();
            Err(error)
        }
    }
}

enum End {
    Over(Followed),
    Unwatched,
}

/// A part of a run. The newest lines of a large page come first.
#[derive(Default)]
struct Part {
    /// Events and holes by their first number.
    numbered: BTreeMap<u64, Item>,
    raws: Vec<RawLine>,
}

impl Part {
    fn take(&mut self, item: Item) {
        match item {
            Item::Raw(raw) => self.raws.push(raw),
            Item::Event(Line { seq: first, .. }) | Item::Missing { from: first, .. } => {
                self.numbered.insert(first, item);
            }
        }
    }

    fn in_order(self) -> Vec<Item> {
        merge(self.numbered.into_values().collect(), self.raws)
    }
}

struct Showing {
    workstream: Workstream,
    until: Until,
    runs: BTreeMap<Run, RunInfo>,
    /// Runs whose last event was shown, with its exit code.
    ended: BTreeMap<Run, Option<u8>>,
    caught_up: bool,
    /// The first page is whole.
    page: bool,
    /// What came of it until then.
    first: BTreeMap<Run, Part>,
    /// What the environment has refused, to be said once.
    refusals: BTreeSet<String>,
    shown: usize,
    /// When waiting for what is known to exist ends.
    deadline: Option<Instant>,
    /// Runs that are known to be over and lack their last event.
    over_since: BTreeMap<Run, Instant>,
    /// When the state machine was asked last.
    asked: Option<Instant>,
}

impl Showing {
    async fn run<W: Write>(
        mut self,
        mut sights: mpsc::Receiver<Seen>,
        screen: &mut Screen<W>,
    ) -> Result<End> {
        loop {
            // What is gathered is written when nothing more is at hand.
            let sight = match sights.try_recv() {
                Ok(sight) => sight,
                Err(_) => {
                    screen.flush()?;
                    if let Some(exit) = self.is_over().await? {
                        let has_run = self.shown > 0 || !self.runs.is_empty();
                        return Ok(End::Over(Followed { exit, has_run }));
                    }
                    match tokio::time::timeout(self.pause(), sights.recv()).await {
                        Ok(Some(sight)) => sight,
                        Ok(None) => return Ok(End::Unwatched),
                        Err(_) => continue,
                    }
                }
            };
            self.show(sight, screen)?;
        }
    }

    /// How long to wait for the next sight before looking whether it is over.
    fn pause(&self) -> Duration {
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        left.map_or(LOOK, |left| left.clamp(Duration::from_millis(10), LOOK))
    }

    fn show<W: Write>(&mut self, sight: Seen, screen: &mut Screen<W>) -> Result<()> {
        match sight {
            Seen::Output(Output::Show(line)) => {
                self.take(line.run.clone(), Item::Event(line), screen)?;
            }
            Seen::Output(Output::ShowRaw(raw)) => {
                self.take(raw.run.clone(), Item::Raw(raw), screen)?;
            }
            Seen::Output(Output::Lost { run, from, to }) => {
                self.take(run, Item::Missing { from, to }, screen)?;
            }
            Seen::Output(Output::Refused { code, message }) => {
                if !self.page || code == ErrorCode::Forbidden {
                    return Err(anyhow!(message)).context("the lines cannot be read");
                }
                if self.refusals.insert(message.clone()) {
                    say(&format!("note: the environment refuses a request: {message}"));
                }
            }
            Seen::Page if !self.page => {
                self.page = true;
                for (run, part) in std::mem::take(&mut self.first) {
                    for item in part.in_order() {
                        self.put(&run, &item, screen)?;
                    }
                }
                self.deadline = Some(Instant::now() + SETTLE);
                let waits = !matches!(self.until, Until::CaughtUp);
                if waits && self.shown == 0 && self.runs.is_empty() {
                    let name = &self.workstream;
                    say(&format!("note: `{name}` has no run yet; waiting for its first line"));
                }
            }
            Seen::CaughtUp(is) => self.caught_up = is,
            Seen::Runs(infos) => {
                for info in infos {
                    self.note(info, screen)?;
                }
            }
            Seen::Task { run, status, reason: Some(reason) } if self.wants(&run) => {
                say(&format!("note: the task of {run} is {status}: {reason}"));
            }
            Seen::Disconnected => say("note: the connection is gone; connecting again"),
            Seen::Error(message) => say(&format!("note: the environment says: {message}")),
            Seen::Connected | Seen::Page | Seen::Output(_) | Seen::Task { .. } => {}
        }
        Ok(())
    }

    /// Shows what came, or keeps it until the first page is whole.
    fn take<W: Write>(&mut self, run: Run, item: Item, screen: &mut Screen<W>) -> Result<()> {
        if !self.wants(&run) {
            return Ok(());
        }
        match self.page {
            true => self.put(&run, &item, screen),
            false => {
                self.first.entry(run).or_default().take(item);
                Ok(())
            }
        }
    }

    fn put<W: Write>(&mut self, run: &Run, item: &Item, screen: &mut Screen<W>) -> Result<()> {
        screen.item(run, item)?;
        self.shown += usize::from(!matches!(item, Item::Missing { .. }));
        if let Item::Event(line) = item
            && line.kind == kind::RUN_END
        {
            self.ended.insert(run.clone(), exit_of(&line.json));
        }
        Ok(())
    }

    /// Says it when a run fails: its own lines do not.
    fn note<W: Write>(&mut self, info: RunInfo, screen: &mut Screen<W>) -> Result<()> {
        let before = self.runs.insert(info.run.clone(), info.clone());
        let changed = before.is_none_or(|before| before.state != info.state);
        let failed = info.state == RunState::Failed && !self.ended.contains_key(&info.run);
        // On the first page, failures of long ago are history.
        let recent = self.page || self.runs.keys().next_back() == Some(&info.run);
        if changed && failed && recent && self.wants(&info.run) {
            screen.state(&info.run, info.state, info.reason.as_deref())?;
        }
        Ok(())
    }

    fn wants(&self, run: &Run) -> bool {
        match &self.until {
            Until::RunOver(only) => run == only,
            Until::ExecutionOver(_, Some(ulid)) => run.ulid() >= ulid.as_str(),
            _ => true,
        }
    }

    /// `Some` with the last exit code when there is nothing to wait for.
    async fn is_over(&mut self) -> Result<Option<Option<u8>>> {
        if !self.page {
            return Ok(None);
        }
        match &self.until {
            Until::Stopped => Ok(None),
            Until::CaughtUp => {
                let over = self.caught_up || self.deadline.is_some_and(|at| Instant::now() >= at);
                if over && !self.caught_up {
                    say("note: some lines have not arrived yet; -f waits for them");
                }
                Ok(over.then_some(None))
            }
            Until::RunOver(run) => {
                let run = run.clone();
                Ok(self.run_over(&run))
            }
            Until::ExecutionOver(_, ulid) => {
                let ulid = ulid.clone();
                let newest = self.runs.keys().chain(self.ended.keys()).max().cloned();
                match (newest.filter(|run| self.wants(run)), ulid) {
                    (Some(newest), _) => self.execution_over(&newest).await,
                    // It may end before its first run begins.
                    (None, Some(ulid)) => self.ask_execution(ulid).await,
                    (None, None) => Ok(None),
                }
            }
        }
    }

    /// The run's exit code once it is over and its last line was shown, or had time to arrive.
    fn run_over(&mut self, run: &Run) -> Option<Option<u8>> {
        let exit = match self.ended.get(run) {
            Some(exit) => *exit,
            None => {
                let info = self.runs.get(run).filter(|info| info.state.is_over())?;
                info.exit.and_then(|exit| u8::try_from(exit).ok())
            }
        };
        let since = *self.over_since.entry(run.clone()).or_insert_with(Instant::now);
        (self.caught_up || since.elapsed() >= LAST_LINES).then_some(exit)
    }

    async fn execution_over(&mut self, newest: &Run) -> Result<Option<Option<u8>>> {
        let Some(exit) = self.run_over(newest) else { return Ok(None) };
        let is_final =
            exit.and_then(|exit| RunExit::from_code(exit.into())).is_some_and(RunExit::is_final);
        // Whoever follows one execution wants its end: by then it is settled what it has cost.
        if is_final && matches!(&self.until, Until::ExecutionOver(_, None)) {
            return Ok(Some(exit));
        }
        // The state machine decides whether it starts again.
        let own = self.ask_execution(newest.ulid().to_owned()).await?;
        Ok(own.map(|own| own.or(exit)))
    }

    async fn ask_execution(&mut self, ulid: String) -> Result<Option<Option<u8>>> {
        let Until::ExecutionOver(ends, _) = &self.until else { return Ok(None) };
        if self.asked.is_some_and(|at| at.elapsed() < LOOK) {
            return Ok(None);
        }
        self.asked = Some(Instant::now());
        ends.of(&self.workstream, &ulid).await
    }
}

fn exit_of(json: &str) -> Option<u8> {
    Envelope::parse(json)?.exit
}
