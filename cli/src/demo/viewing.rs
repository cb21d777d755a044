//! The demo's viewer: shows lines as they come, and drops its connection once midway.

use std::{
    future::Future,
    io::Write,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::{Context, Result, bail};
use ralph_protocol::{
    event::{Envelope, kind},
    exit::RunExit,
    ids::{Run, Workstream},
    reassembly::{Line, Output},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Duration, timeout},
};

use crate::{
    logs::format::{self, Extent},
    watch::{Ask, Place, Reader, Seen, channel, now_ms, watch as follow},
};

/// Lines after which the connection is dropped.
pub const DROP_AFTER: usize = 30;
/// How long the viewer may take to get what it lacks once the task is over.
const SETTLE: Duration = Duration::from_secs(45);
/// How long it waits for more when the last line that came is a run's last.
const CALM: Duration = Duration::from_secs(5);
/// How long the first connection may take.
const FIRST: Duration = Duration::from_secs(30);

/// A line and when it was shown, ms since the epoch.
#[derive(Debug)]
pub struct ShownLine {
    pub line: Line,
    pub at: u64,
}

/// What a viewer showed.
#[derive(Debug, Default)]
pub struct Shown {
    pub lines: Vec<ShownLine>,
    pub redelivered: u64,
    pub reconnects: u32,
    /// Numbers that the viewer showed as lost.
    pub given_up: u64,
    /// `run.end` was shown.
    pub ended: bool,
}

/// A viewer at work.
pub struct Viewing {
    task: JoinHandle<Result<Shown>>,
    caught_up: watch::Receiver<bool>,
    over: watch::Sender<bool>,
}

impl Viewing {
    pub fn start(
        place: Place,
        workstream: Workstream,
        run: Run,
        reader: Reader,
        quiet: bool,
    ) -> Self {
        let (caught_up_sender, caught_up) = watch::channel(false);
        let (over, is_over) = watch::channel(false);
        let task =
            tokio::spawn(view(place, workstream, run, reader, quiet, caught_up_sender, is_over));
        Self { task, caught_up, over }
    }

    /// Waits until the first page is complete.
    pub async fn caught_up(&self) -> Result<()> {
        let mut caught_up = self.caught_up.clone();
        match timeout(FIRST, caught_up.wait_for(|&is| is)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("the viewer ended before it was connected"),
            Err(_) => bail!("the viewer got no first page within {} seconds", FIRST.as_secs()),
        }
    }

    /// Views until the run's last line is shown, or until the task is over and what it left has
    /// been given time to arrive.
    pub async fn until_over(mut self, stopped: impl Future<Output = Result<()>>) -> Result<Shown> {
        tokio::select! {
            shown = &mut self.task => return shown.context("the viewer panicked")?,
            result = stopped => result?,
        }
        let _ = self.over.send(true);
        (&mut self.task).await.context("the viewer panicked")?
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether an execution ends with this line: its worker said so, and is not started again.
fn is_last(line: &Line) -> bool {
    let exit = || Envelope::parse(&line.json)?.exit;
    line.kind == kind::RUN_END
        && exit().and_then(|exit| RunExit::from_code(exit.into())).is_none_or(RunExit::is_final)
}

/// Columns of a line's text.
const WIDTH: usize = 100;

fn print(json: &str) {
    let mut text = String::new();
    format::event(&mut text, json, Extent::Line(WIDTH));
    // The demo goes on when its reader has gone away.
    let _ = anstream::stdout().write_all(text.as_bytes());
}

async fn view(
    place: Place,
    workstream: Workstream,
    run: Run,
    mut reader: Reader,
    quiet: bool,
    caught_up: watch::Sender<bool>,
    mut over: watch::Receiver<bool>,
) -> Result<Shown> {
    let (seen, mut sights) = channel();
    let (ask, mut asks) = mpsc::channel(1);
    let mut shown = Shown::default();
    let with_rules = matches!(reader, Reader::Rules(_));
    {
        let watching = follow(&place, &workstream, &mut reader, &seen, &mut asks);
        tokio::pin!(watching);
        let mut complete = false;
        let mut dropped = false;
        let at_end = AtomicBool::new(false);
        let give_up = async {
            let _ = over.wait_for(|&is| is).await;
            tokio::time::sleep(CALM).await;
            if !at_end.load(Relaxed) {
                tokio::time::sleep(SETTLE).await;
            }
        };
        tokio::pin!(give_up);
        loop {
            let sight = tokio::select! {
                result = &mut watching => {
                    result?;
                    bail!("the viewer stopped watching");
                }
                () = &mut give_up => break,
                sight = sights.recv() => sight.context("the viewer stopped watching")?,
            };
            match sight {
                Seen::Connected => {
                    if !with_rules {
                        caught_up.send_replace(true);
                    }
                }
                Seen::Disconnected => {
                    shown.reconnects += 1;
                    complete = false;
                }
                Seen::CaughtUp(is) => complete = is,
                Seen::Output(Output::CaughtUp) => {
                    caught_up.send_replace(true);
                }
                Seen::Output(Output::Show(line)) if line.run.ulid() == run.ulid() => {
                    if !quiet {
                        print(&line.json);
                    }
                    shown.ended |= is_last(&line);
                    at_end.store(line.kind == kind::RUN_END, Relaxed);
                    shown.lines.push(ShownLine { line, at: now_ms() });
                    if shown.lines.len() == DROP_AFTER && !dropped {
                        dropped = true;
                        let _ = ask.send(Ask::Drop).await;
                    }
                }
                Seen::Output(Output::Lost { run: of, from, to }) if of.ulid() == run.ulid() => {
                    shown.given_up += to - from + 1;
                }
                Seen::Output(_)
                | Seen::Page
                | Seen::Runs(_)
                | Seen::Task { .. }
                | Seen::Error(_) => {}
            }
            // Without rules nobody knows what is missing: the last line is the end. If the demo drops a
            // connection, that must have happened, however fast the lines came.
            if shown.ended && complete && (!dropped || shown.reconnects > 0) {
                break;
            }
        }
    }
    shown.redelivered = reader.redelivered();
    Ok(shown)
}
