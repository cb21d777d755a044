//! One start of the agent as a process: prompt on stdin, own group, cleared environment, timers,
//! and nothing left behind.

use std::{
    future::Future,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use ralph_protocol::event::{Kind, Level, Tokens};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStderr, ChildStdout},
    sync::watch,
    time::{sleep, sleep_until},
};

use super::{
    command,
    environment::Variables,
    lines::{LastLines, Source},
    stream::Transcript,
    sweep,
};
use crate::{
    account::Account,
    classify::{self, End, Start, Stopped},
    gateway::price,
    journal::Journal,
    machine::{Attempt, Order, Outcome, Usd, policy::AGENT_GRACE_MS},
    platform,
};

/// How urgently the agent is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stop {
    /// Not at all.
    #[default]
    Run,
    /// TERM, and KILL after the grace.
    Term,
    /// KILL.
    Kill,
}

/// Something that runs the agent once.
pub trait Runner {
    /// Runs it to its end. `stop` may ask for an earlier one at any time.
    fn run(
        &self,
        order: Order,
        prompt: String,
        stop: watch::Receiver<Stop>,
    ) -> impl Future<Output = Attempt>;
}

/// How long the agent may stay, and say nothing, after a result with nothing under way.
const LINGER: Duration = Duration::from_secs(10);

/// After the agent's end: how long to wait for more of what is still in the pipes.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

/// Runs the agent as a process.
pub struct Process {
    /// Command with placeholders.
    pub template: Vec<String>,
    /// Its working directory: the checkout.
    pub dir: PathBuf,
    /// Its home.
    pub home: PathBuf,
    /// Longest run.
    pub timeout: Duration,
    /// Longest silence.
    pub silence: Duration,
    /// Where its output goes.
    pub journal: Journal,
    /// What it spends.
    pub account: Account,
    /// Its environment without the way to the model.
    pub environment: Variables,
    /// How it reaches the model.
    pub gateway: crate::gateway::Gateway,
    /// An attempt of this run has begun its work, so the command is right.
    pub has_begun: AtomicBool,
}

impl Runner for Process {
    async fn run(&self, order: Order, prompt: String, mut stop: watch::Receiver<Stop>) -> Attempt {
        let begun = Instant::now();
        if *stop.borrow() != Stop::Run {
            // Asked for while the prompt was read: nothing is started any more.
            return Attempt { outcome: Outcome::Interrupted, ..no_start(String::new()) };
        }
        let lease = match self.gateway.open() {
            Ok(lease) => lease,
            Err(error) => return no_start(format!("the gateway cannot make a key: {error}")),
        };
        let words = command::fill(&self.template, &order, &self.home);
        let environment = self.environment.with_model(lease.endpoint());
        // Without it, programs that want a temporary folder fail in odd ways.
        let _ = std::fs::create_dir_all(self.home.join("tmp"));
        if let Err(error) = command::write_prompt(&self.template, &self.home, &prompt) {
            return no_start(format!("the prompt cannot be written to a file: {error}"));
        }

        let mut transcript = Transcript::default();
        // Those that are not stream-json.
        let mut last_words = LastLines::new(5);
        let (code, stopped, with_tasks) = match self.spawn(&words, environment) {
            Ok(child) => {
                let watched = Watched {
                    process: self,
                    transcript: &mut transcript,
                    last_words: &mut last_words,
                    stop: &mut stop,
                };
                watched.watch(child, prompt, begun, lease.no_key()).await
            }
            Err(error) => {
                self.journal.log(
                    Level::Error,
                    format!(
                        "cannot start the agent `{}`: {error}\nhint: check RALPH_AGENT_COMMAND",
                        words[0]
                    ),
                );
                (Some(127), None, false)
            }
        };
        let took = begun.elapsed();
        let (metered, gateway) = lease.close().await;
        if transcript.broken_lines > 0 {
            let text =
                format!("{} lines of the agent's output were broken", transcript.broken_lines);
            self.journal.log(Level::Warn, text);
        }
        let begins = transcript.speaks_json || gateway.asked;
        let start = Start {
            is_first: !self.has_begun.fetch_or(begins, Ordering::Relaxed),
            wants_json: command::wants_json(&self.template),
            took,
            last_words: last_words.text(),
        };
        let end = End { transcript: &transcript, code, stopped, with_tasks, gateway, start };
        let outcome = classify::classify(&end);
        let result = transcript.result.unwrap_or_default();
        let settled = price::settle(metered.known, metered.unknown, result.cost);
        if let Some(text) = settled.says {
            self.journal.log(Level::Warn, text);
        }
        self.account.end_attempt(metered, settled.cost);
        Attempt {
            outcome,
            cost: settled.cost,
            // The agent's own leave out those of its helpers.
            tokens: if metered.tokens == Tokens::default() {
                result.tokens
            } else {
                metered.tokens
            },
            turns: result.turns,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// An attempt that never began.
fn no_start(text: String) -> Attempt {
    Attempt {
        outcome: Outcome::Crash(text),
        cost: Usd::default(),
        tokens: Tokens::default(),
        turns: 0,
        duration_ms: 0,
    }
}

impl Process {
    fn spawn(&self, words: &[String], environment: Variables) -> std::io::Result<Child> {
        platform::confined(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(environment)
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// An agent that runs.
struct Watched<'a> {
    process: &'a Process,
    transcript: &'a mut Transcript,
    last_words: &'a mut LastLines,
    stop: &'a mut watch::Receiver<Stop>,
}

impl Watched<'_> {
    async fn watch(
        mut self,
        mut child: Child,
        prompt: String,
        begun: Instant,
        mut no_key: watch::Receiver<bool>,
    ) -> (Option<i32>, Option<Stopped>, bool) {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(mut stdin) = child.stdin.take() {
            // In a task: an agent that does not read its prompt must not block the reader.
            tokio::spawn(async move {
                // An agent that closes its stdin early has decided not to read it.
                let _ = stdin.write_all(prompt.as_bytes()).await;
            });
        }
        let mut stdout = Source::new(child.stdout.take());
        let mut stderr = Source::new(child.stderr.take());

        let too_long = begun + self.process.timeout;
        let mut heard = begun;
        let (mut stopped, mut with_tasks) = (None, false);
        let mut kill_at: Option<Instant> = None;
        let mut open = true;
        let status = loop {
            // With its result it has said that it is done, unless something is still under way.
            let lingers = self.transcript.result.is_some() && !self.transcript.under_way();
            let silence = if lingers { LINGER } else { self.process.silence };
            if stopped.is_none() {
                with_tasks = self.transcript.tasks > 0;
            }
            let timer = kill_at.unwrap_or_else(|| too_long.min(heard + silence));
            tokio::select! {
                status = child.wait() => break status.ok(),
                Some(lines) = stdout.read_after(&self.process.journal) => {
                    heard = Instant::now();
                    self.stdout(lines);
                }
                Some(lines) = stderr.read_after(&self.process.journal) => {
                    heard = Instant::now();
                    self.stderr(lines);
                }
                changed = self.stop.changed(), if open => {
                    // A sender that is gone asks for nothing more.
                    open = changed.is_ok();
                    let wanted = *self.stop.borrow();
                    if wanted != Stop::Run {
                        stopped.get_or_insert(Stopped::ByRequest);
                        let grace = if wanted == Stop::Kill { 0 } else { AGENT_GRACE_MS };
                        kill_at = Some(begin_end(group, grace));
                    }
                }
                // By itself the agent would try for minutes.
                Ok(_) = no_key.wait_for(|no_key| *no_key), if stopped.is_none() => {
                    stopped = Some(Stopped::NoKey);
                    kill_at = Some(begin_end(group, AGENT_GRACE_MS));
                }
                () = sleep_until(timer.into()) => {
                    if kill_at.is_some() {
                        signal(group, Signal::KILL);
                        // KILL cannot be refused; look again soon in case the group had moved on.
                        let _ = child.start_kill();
                        kill_at = Some(Instant::now() + Duration::from_secs(1));
                    } else {
                        stopped = Some(if Instant::now() >= too_long {
                            Stopped::TooLong
                        } else if lingers {
                            Stopped::Lingered
                        } else {
                            Stopped::Silent
                        });
                        if lingers {
                            let text = "the agent gave its result but did not end, and was stopped";
                            self.process.journal.log(Level::Warn, text);
                        }
                        kill_at = Some(begin_end(group, AGENT_GRACE_MS));
                    }
                }
            }
        };
        signal(group, Signal::KILL);
        sweep::sweep_after("the agent", &self.process.journal).await;
        self.drain(&mut stdout, &mut stderr).await;
        (code(status), stopped, with_tasks)
    }

    /// What was written before the end and not yet read.
    async fn drain(&mut self, stdout: &mut Source<ChildStdout>, stderr: &mut Source<ChildStderr>) {
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                lines = stdout.read_after(&self.process.journal), if out_open => match lines {
                    Some(lines) => self.stdout(lines),
                    None => out_open = false,
                },
                lines = stderr.read_after(&self.process.journal), if err_open => match lines {
                    Some(lines) => self.stderr(lines),
                    None => err_open = false,
                },
                // Only a process that outlived the sweep still holds a pipe.
                () = sleep(DRAIN) => break,
            }
        }
    }

    fn stdout(&mut self, lines: Vec<Vec<u8>>) {
        for line in lines {
            let events = self.transcript.take(&line);
            if !self.transcript.speaks_json {
                self.last_words.take(&line);
            }
            // It may be large, and its text lives on in the events.
            drop(line);
            for (level, kind) in events {
                self.process.journal.emit_of_agent(level, kind);
            }
        }
    }

    fn stderr(&mut self, lines: Vec<Vec<u8>>) {
        for line in lines {
            self.last_words.take(&line);
            let text = String::from_utf8_lossy(&line).into_owned();
            self.process.journal.emit_of_agent(Level::Warn, Kind::AgentStderr { text });
        }
    }
}

/// Asks the group to end; returns when to kill it.
pub(super) fn begin_end(group: Option<Pid>, grace_ms: u64) -> Instant {
    if grace_ms > 0 {
        signal(group, Signal::TERM);
    }
    Instant::now() + Duration::from_millis(grace_ms)
}

pub(super) fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // A group that is gone needs no signal.
        let _ = kill_process_group(group, signal);
    }
}

fn code(status: Option<ExitStatus>) -> Option<i32> {
    status.and_then(|status| status.code())
}
