//! Performs the machine's effects and brings it events: one long operation at a time, signals and
//! the deadline beside it.

use std::{future::Future, pin::Pin, time::Duration};

use ralph_protocol::exit::RunExit;
use tokio::sync::{Mutex, mpsc, watch};

use crate::{
    account::Account,
    agent::{Runner, Stop},
    git::Workplace,
    journal::Journal,
    machine::{Effect, Event, Machine, Order, policy::END_BY_MS},
};

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub exit: RunExit,
    /// One sentence for a person.
    pub text: Option<String>,
}

/// Time.
pub trait Clock {
    /// Ms since the epoch.
    fn now(&self) -> u64;
    /// Sleeps until then, ms since the epoch.
    fn sleep_until(&self, at: u64) -> impl Future<Output = ()>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        crate::journal::now_ms()
    }

    async fn sleep_until(&self, at: u64) {
        tokio::time::sleep(Duration::from_millis(at.saturating_sub(self.now()))).await;
    }
}

/// What the driver works with.
pub struct Ports<'a, W, R, C> {
    /// Git.
    pub workplace: &'a Mutex<W>,
    /// The agent.
    pub runner: &'a R,
    /// Time.
    pub clock: &'a C,
    /// Tells a push by when it must be done, ms since the epoch.
    pub hurry: &'a watch::Sender<Option<u64>>,
    /// Where events go.
    pub journal: &'a Journal,
    /// What is spent.
    pub account: &'a Account,
}

type Operation<'a> = Pin<Box<dyn Future<Output = Event> + 'a>>;

/// Runs the machine to its end. `signals` carries the names of signals as they come.
pub async fn drive<W: Workplace, R: Runner, C: Clock>(
    mut machine: Machine,
    ports: &Ports<'_, W, R, C>,
    signals: &mut mpsc::Receiver<&'static str>,
) -> Ended {
    let (stop, stopped) = watch::channel(Stop::Run);
    let deadline = machine.terms.deadline;
    let mut overdue = false;
    let mut operation: Option<Operation<'_>> = None;
    let mut event = Event::Start;
    loop {
        let effects;
        (machine, effects) = machine.step(ports.clock.now(), event);
        for effect in effects {
            match effect {
                Effect::End { exit, text } => return Ended { exit, text },
                Effect::Emit(level, kind) => ports.journal.emit(level, kind),
                Effect::Iteration(n) => ports.journal.set_iteration(n),
                Effect::Earlier(ledger) => ports.account.begin(ledger),
                Effect::Spend(iterations) => ports.account.say(iterations),
                Effect::Hurry(by) => drop(ports.hurry.send_replace(Some(by))),
                Effect::StopAgent => drop(stop.send_replace(Stop::Term)),
                Effect::KillAgent => drop(stop.send_replace(Stop::Kill)),
                other => operation = begin(other, ports, stopped.clone()),
            }
        }
        let end_by = machine.draining.map(|since| since + END_BY_MS);
        event = tokio::select! {
            biased;
            Some(name) = signals.recv() => Event::Signal(name),
            () = ports.clock.sleep_until(deadline), if !overdue => {
                overdue = true;
                Event::Deadline
            }
            () = ports.clock.sleep_until(end_by.unwrap_or(u64::MAX / 2)), if end_by.is_some() => {
                let text = "stopped by a signal; the last checkpoint took too long".to_owned();
                return Ended { exit: RunExit::Interrupted, text: Some(text) };
            }
            done = perform(&mut operation) => {
                operation = None;
                done
            }
        };
    }
}

/// The running operation's event; never, when nothing runs.
async fn perform(operation: &mut Option<Operation<'_>>) -> Event {
    match operation {
        Some(operation) => operation.await,
        None => std::future::pending().await,
    }
}

fn begin<'a, W: Workplace, R: Runner, C: Clock>(
    effect: Effect,
    ports: &'a Ports<'_, W, R, C>,
    stop: watch::Receiver<Stop>,
) -> Option<Operation<'a>> {
    match effect {
        Effect::Prepare => {
            Some(Box::pin(async { Event::Prepared(ports.workplace.lock().await.prepare().await) }))
        }
        Effect::SetUp => {
            Some(Box::pin(async { Event::SetUp(ports.workplace.lock().await.set_up().await) }))
        }
        Effect::RunAgent(order) => Some(Box::pin(run_agent(order, ports, stop))),
        Effect::Save(order) => {
            Some(Box::pin(
                async move { Event::Saved(ports.workplace.lock().await.save(order).await) },
            ))
        }
        Effect::Verify => {
            Some(Box::pin(async { Event::Verified(ports.workplace.lock().await.verify().await) }))
        }
        Effect::Sleep(until) => Some(Box::pin(async move {
            ports.clock.sleep_until(until).await;
            Event::Woke
        })),
        // Done by the caller.
        Effect::Emit(..)
        | Effect::Iteration(_)
        | Effect::Earlier(_)
        | Effect::Spend(_)
        | Effect::Hurry(_)
        | Effect::StopAgent
        | Effect::KillAgent
        | Effect::End { .. } => None,
    }
}

async fn run_agent<W: Workplace, R: Runner, C: Clock>(
    order: Order,
    ports: &Ports<'_, W, R, C>,
    stop: watch::Receiver<Stop>,
) -> Event {
    let prompt = ports.workplace.lock().await.prompt().await;
    let prompt = match &order.note {
        Some(note) => format!("{prompt}\n\n{note}\n"),
        None => prompt,
    };
    Event::Attempted(ports.runner.run(order, prompt, stop).await)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
