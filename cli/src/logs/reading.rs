//! Reading what was written and ending there: run by run, from the oldest.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use ralph_protocol::{
    ids::{Run, Workstream},
    message::{
        ClientMessage, ErrorCode, Frame, MAX_LIMIT, RawLine, ReadTo, RunInfo, SendLogs,
        ServerMessage,
    },
    reassembly::Line,
};
use tokio::time::{Instant, error::Elapsed, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::{
    screen::Screen,
    whole::{End, Item, Next, Whole},
};
use crate::{
    tools::invocation::ralph_there,
    watch::{Place, Socket, connect, encode},
};

/// How long an answer may take, and each of its frames after the one before: a slow link needs time
/// for a page. API Gateway's own limit is 29 s.
const ANSWER: Duration = Duration::from_secs(35);
/// Pause after a fault, or an answer without anything.
const PAUSE: Duration = Duration::from_secs(2);
/// Answers in a row that bring nothing new before reading gives up.
const TRIES: u32 = 8;
const NO_ANSWER: &str = "the environment gives no answer\nhint: its functions' log groups say why";

/// What to read.
pub struct Selection<'a> {
    pub workstream: &'a Workstream,
    /// This run alone.
    pub run: Option<&'a Run>,
    /// Lines from then on, ms since the epoch.
    pub since: Option<u64>,
}

/// An answer to one request, or as much of it as came.
#[derive(Default)]
struct Answer {
    runs: Vec<RunInfo>,
    events: Vec<String>,
    complete: bool,
    read_to: Option<ReadTo>,
    /// A frame could not be read: what was in it is lacking.
    damaged: bool,
    /// It broke off: when to ask again.
    broke_off: Option<Duration>,
}

impl Answer {
    /// How it ended for a run.
    fn end(&self, run: &Run) -> End {
        let read_to = self.read_to.as_ref().filter(|read_to| read_to.run == *run);
        match self.damaged || self.broke_off.is_some() {
            true => End::Broken,
            false if self.complete => End::Complete,
            false => End::Partial(read_to.map(|read_to| read_to.ts)),
        }
    }
}

/// What was read.
pub struct Read {
    /// The workstream has a run.
    pub has_run: bool,
    pub lines: usize,
}

/// Shows everything that is selected.
pub async fn read<W: Write>(
    place: &Place,
    selection: &Selection<'_>,
    screen: &mut Screen<W>,
) -> Result<Read> {
    let mut line = Connection { place, workstream: selection.workstream, socket: None, id: 0 };
    let infos = runs(&mut line, selection).await?;
    let mut read = Read { has_run: selection.run.is_some() || !infos.is_empty(), lines: 0 };
    let over_before = |info: &RunInfo| {
        selection.since.is_some_and(|since| info.state.is_over() && info.last_ts < since)
    };
    let wanted = infos.into_iter().filter(|info| !over_before(info)).map(|info| info.run);
    for run in selection.run.cloned().into_iter().chain(wanted) {
        read.lines += read_run(&mut line, selection, run, screen).await?;
    }
    Ok(read)
}

/// All runs, oldest first; none are asked for where the selection names one.
async fn runs(line: &mut Connection<'_>, selection: &Selection<'_>) -> Result<Vec<RunInfo>> {
    if selection.run.is_some() {
        return Ok(Vec::new());
    }
    // A page of one line: it is asked for because its answer lists the runs.
    let ask = SendLogs { limit: Some(1), ..SendLogs::new(selection.workstream.clone()) };
    let mut tries = 0;
    let mut infos = loop {
        let answer = line.ask(ask.clone()).await?;
        let Some(pause) = answer.broke_off else { break answer.runs };
        tries += 1;
        if tries == TRIES {
            bail!(NO_ANSWER);
        }
        sleep(pause).await;
    };
    infos.sort_by(|a, b| a.run.cmp(&b.run));
    infos.dedup_by(|a, b| a.run == b.run);
    Ok(infos)
}

async fn read_run<W: Write>(
    line: &mut Connection<'_>,
    selection: &Selection<'_>,
    run: Run,
    screen: &mut Screen<W>,
) -> Result<usize> {
    let mut whole = Whole::new(run.clone(), selection.since.unwrap_or(0));
    let mut range = whole.ask();
    let (mut count, mut tries, mut begun) = (0, 0, selection.since.is_none());
    loop {
        let ask = SendLogs {
            ranges: Some(vec![range]),
            limit: Some(MAX_LIMIT),
            ..SendLogs::new(selection.workstream.clone())
        };
        let answer = line.ask(ask).await?;
        let events: Vec<&str> = answer.events.iter().map(String::as_str).collect();
        if !begun && !events.is_empty() {
            whole.begin_at_first(&events);
            begun = true;
        }
        let (items, next) = whole.take(events, answer.end(&run));
        for item in &items {
            count += usize::from(show(screen, &run, item, selection.since.unwrap_or(0))?);
        }
        let mut pause = answer.broke_off;
        range = match next {
            Next::Done => break,
            Next::Ask(range) => {
                tries = 0;
                range
            }
            Next::AskLater(range) => {
                tries += 1;
                if tries == TRIES && answer.broke_off.is_some() {
                    bail!(NO_ANSWER);
                }
                if tries == TRIES {
                    bail!(
                        "the lines of {run} cannot be read to their end\nhint: has the run expired with the log group's retention? `{}` shows what is known",
                        ralph_there("ps -a")
                    );
                }
                pause = pause.or(Some(PAUSE));
                range
            }
        };
        if let Some(pause) = pause {
            screen.flush()?;
            sleep(pause).await;
        }
    }
    Ok(count)
}

/// `true` when it was wanted.
fn show<W: Write>(
    screen: &mut Screen<W>,
    run: &Run,
    item: &Item,
    since: u64,
) -> std::io::Result<bool> {
    match item {
        Item::Event(Line { ts, .. }) | Item::Raw(RawLine { ts, .. }) if *ts < since => Ok(false),
        wanted => screen.item(run, wanted).map(|()| true),
    }
}

/// A connection that is made again when it breaks.
struct Connection<'a> {
    place: &'a Place,
    workstream: &'a Workstream,
    socket: Option<Socket>,
    id: u64,
}

impl Connection<'_> {
    /// Asks once.
    ///
    /// # Errors
    /// When asking again does not help.
    async fn ask(&mut self, mut ask: SendLogs) -> Result<Answer> {
        ask.follow = Some(false);
        self.id += 1;
        ask.id = Some(self.id.to_string());
        let mut answer = Answer::default();
        if let Err(fault) = self.receive(&ask, &mut answer).await {
            // A connection that failed once is not trusted with the next request.
            self.socket = None;
            answer.broke_off = Some(fault.pause()?);
        }
        Ok(answer)
    }

    async fn receive(&mut self, ask: &SendLogs, answer: &mut Answer) -> Result<(), Fault> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => {
                let socket = timeout(ANSWER, connect(self.place, self.workstream)).await?;
                none.insert(socket.map_err(Fault::Final)?)
            }
        };
        let text = encode(&ClientMessage::SendLogs(ask.clone()));
        timeout(ANSWER, socket.send(Message::text(text)))
            .await?
            .map_err(|_| Fault::Passing(PAUSE))?;
        let mut due = Instant::now() + ANSWER;
        loop {
            let text = match timeout_at(due, socket.next()).await? {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Fault::Passing(PAUSE)),
                Some(Ok(_)) => continue,
            };
            match ServerMessage::parse(&text) {
                Frame::Message(ServerMessage::Logs(logs)) if logs.id == ask.id => {
                    answer.events.extend(logs.events.iter().map(|event| event.get().to_owned()));
                    due = Instant::now() + ANSWER;
                }
                Frame::Message(ServerMessage::Runs { runs, .. }) => answer.runs.extend(runs),
                Frame::Message(ServerMessage::CaughtUp { id, complete, read_to, .. })
                    if id == ask.id =>
                {
                    (answer.complete, answer.read_to) = (complete, read_to);
                    return Ok(());
                }
                Frame::Message(ServerMessage::Error {
                    id, code, message, retry_after_ms, ..
                }) if id == ask.id => {
                    return Err(Fault::of(code, message, retry_after_ms));
                }
                // API Gateway's own: the request did not get through.
                Frame::Gateway => return Err(Fault::Passing(PAUSE)),
                Frame::Unreadable => answer.damaged = true,
                // Of an earlier request, or of a newer server.
                Frame::Message(_) | Frame::Unknown => {}
            }
        }
    }
}

enum Fault {
    /// Gone after a while.
    Passing(Duration),
    /// Asking again does not help.
    Final(anyhow::Error),
}

impl From<Elapsed> for Fault {
    fn from(_: Elapsed) -> Self {
        Self::Passing(PAUSE)
    }
}

impl Fault {
    fn of(code: ErrorCode, message: String, retry_after_ms: Option<u64>) -> Self {
        match code {
            ErrorCode::Throttled | ErrorCode::Internal => {
                Self::Passing(retry_after_ms.map_or(PAUSE, Duration::from_millis))
            }
            ErrorCode::BadRequest | ErrorCode::Forbidden => Self::Final(anyhow::anyhow!(message)),
        }
    }

    fn pause(self) -> Result<Duration> {
        match self {
            Self::Passing(pause) => Ok(pause),
            Self::Final(error) => Err(error).context("the lines cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use serde_json::Value;
    use tokio::task::JoinHandle;

    use super::{super::screen::Form, *};
    use crate::watch::testing::{Gateway, Server};

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

    fn event(seq: u64) -> String {
        format!(
            r#"{{"v":1,"ts":"2026-11-25T08:00:00.000Z","workstream":"w","run":"{RUN}","seq":{seq},"type":"log"}}"#
        )
    }

    /// Sends lines as answers to a request.
    async fn send(server: &mut Server, ask: &Value, numbers: RangeInclusive<u64>, pause: Duration) {
        for seq in numbers {
            let (id, event) = (&ask["id"], event(seq));
            let frame = format!(
                r#"{{"type":"logs","id":{id},"workstream":"w","source":"replay","events":[{event}]}}"#
            );
            server.send(&frame).await;
            sleep(pause).await;
        }
    }

    /// Reads the run; the lines that were shown.
    fn reading(gateway: &Gateway) -> JoinHandle<Vec<String>> {
        let place = gateway.place();
        tokio::spawn(async move {
            let (workstream, run) = ("w".parse().unwrap(), RUN.parse().unwrap());
            let selection = Selection { workstream: &workstream, run: Some(&run), since: None };
            let mut shown = Vec::new();
            let mut screen = Screen::new(&mut shown, Form::Json);
            read(&place, &selection, &mut screen).await.unwrap();
            drop(screen);
            String::from_utf8(shown).unwrap().lines().map(str::to_owned).collect()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_as_long_as_its_frames_keep_coming() {
        let gateway = Gateway::open().await;
        let shown = reading(&gateway);
        let mut server = gateway.accept().await;
        let ask = server.next().await.unwrap();
        send(&mut server, &ask, 1..=5, Duration::from_secs(30)).await;
        server.caught_up(&ask).await;
        assert_eq!(server.next().await, None, "asked for once");
        assert_eq!(shown.await.unwrap(), [1, 2, 3, 4, 5].map(event));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_whose_frames_stop_coming_is_asked_for_again_from_there() {
        let gateway = Gateway::open().await;
        let shown = reading(&gateway);
        let mut silent = gateway.accept().await;
        let ask = silent.next().await.unwrap();
        send(&mut silent, &ask, 1..=2, Duration::ZERO).await;
        let silent_since = Instant::now();
        let mut server = gateway.accept().await;
        assert_eq!(silent_since.elapsed().as_secs(), (ANSWER + PAUSE).as_secs());
        let ask = server.next().await.unwrap();
        assert_eq!(ask["ranges"][0]["from"], 3);
        send(&mut server, &ask, 3..=4, Duration::ZERO).await;
        server.caught_up(&ask).await;
        assert_eq!(shown.await.unwrap(), [1, 2, 3, 4].map(event));
    }
}
