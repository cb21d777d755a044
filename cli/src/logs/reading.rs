//! Reading what was written and ending there: run by run, from the oldest.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use ralph_protocol::{
    ids::{Run, Workstream},
    message::{ClientMessage, ErrorCode, Frame, MAX_LIMIT, RunInfo, SendLogs, ServerMessage},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    screen::Screen,
    whole::{Item, Next, Whole},
};
use crate::{
    tools::invocation::ralph_there,
    watch::{Place, Socket, connect, encode},
};

/// How long an answer may take; API Gateway's own limit is 29 s.
const ANSWER: Duration = Duration::from_secs(35);
/// Pause after a fault, or an answer without anything.
const PAUSE: Duration = Duration::from_secs(2);
/// Faults in a row before reading gives up.
const TRIES: u32 = 8;

/// What to read.
pub struct Selection<'a> {
    pub workstream: &'a Workstream,
    /// This run alone.
    pub run: Option<&'a Run>,
    /// Lines from then on, ms since the epoch.
    pub since: Option<u64>,
}

/// An answer to one request.
struct Answer {
    runs: Vec<RunInfo>,
    events: Vec<String>,
    complete: bool,
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
    let mut infos = line.ask(ask).await?.runs;
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
    let begin = run.started_ms().max(selection.since.unwrap_or(0));
    let mut whole = Whole::new(run.clone(), begin);
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
        let (items, next) = whole.take(events, answer.complete);
        for item in &items {
            count += usize::from(show(screen, &run, item, selection.since.unwrap_or(0))?);
        }
        range = match next {
            Next::Done => break,
            Next::Ask(range) => {
                tries = 0;
                range
            }
            Next::AskLater(range) => {
                tries += 1;
                if tries == TRIES {
                    bail!(
                        "the lines of {run} cannot be read to their end\nhint: has the run expired with the log group's retention? `{}` shows what is known",
                        ralph_there("ps -a")
                    );
                }
                tokio::time::sleep(PAUSE).await;
                range
            }
        };
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
        Item::Event(line) if line.ts >= since => screen.line(line)?,
        Item::Raw(raw) if raw.ts >= since => screen.raw(raw)?,
        Item::Missing { from, to } => screen.missing(run, *from, *to)?,
        Item::Event(_) | Item::Raw(_) => return Ok(false),
    }
    Ok(true)
}

/// A connection that is made again when it breaks.
struct Connection<'a> {
    place: &'a Place,
    workstream: &'a Workstream,
    socket: Option<Socket>,
    id: u64,
}

impl Connection<'_> {
    /// Asks until there is an answer.
    async fn ask(&mut self, mut ask: SendLogs) -> Result<Answer> {
        ask.follow = Some(false);
        let mut tries = 0;
        loop {
            self.id += 1;
            ask.id = Some(self.id.to_string());
            let pause = match tokio::time::timeout(ANSWER, self.ask_once(&ask)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(fault)) => fault.pause()?,
                Err(_) => PAUSE,
            };
            tries += 1;
            if tries == TRIES {
                bail!("the environment gives no answer\nhint: its functions' log groups say why");
            }
            // A connection that failed once is not trusted with the next request.
            self.socket = None;
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask_once(&mut self, ask: &SendLogs) -> Result<Answer, Fault> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(self.place, self.workstream).await.map_err(Fault::Final)?),
        };
        let text = encode(&ClientMessage::SendLogs(ask.clone()));
        socket.send(Message::text(text)).await.map_err(|_| Fault::Passing(PAUSE))?;
        let mut answer = Answer { runs: Vec::new(), events: Vec::new(), complete: false };
        loop {
            let text = match socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Fault::Passing(PAUSE)),
                Some(Ok(_)) => continue,
            };
            match ServerMessage::parse(&text) {
                Frame::Message(ServerMessage::Logs(logs)) if logs.id == ask.id => {
                    answer.events.extend(logs.events.iter().map(|event| event.get().to_owned()));
                }
                Frame::Message(ServerMessage::Runs { runs, .. }) => answer.runs.extend(runs),
                Frame::Message(ServerMessage::CaughtUp { id, complete, .. }) if id == ask.id => {
                    answer.complete = complete;
                    return Ok(answer);
                }
                Frame::Message(ServerMessage::Error {
                    id, code, message, retry_after_ms, ..
                }) if id == ask.id => {
                    return Err(Fault::of(code, message, retry_after_ms));
                }
                // API Gateway's own: the request did not get through.
                Frame::Gateway => return Err(Fault::Passing(PAUSE)),
                // Of an earlier request, or of a newer server.
                Frame::Message(_) | Frame::Unknown | Frame::Unreadable => {}
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
