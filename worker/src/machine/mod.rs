//! The loop as a pure state machine: `(state, event) → (state, effects)`. No I/O, no clock, no
//! randomness of its own; the [driver](crate::driver) performs the effects.
//!
//! ```text
//! Boot → Preparing → (SettingUp) → {Running → Saving → (Verifying)}* → Ended
//!                                    ↑ Waiting ↲
//! ```
//! A signal sets [`Machine::draining`]; each state then takes its shortest way to the end.

mod attempt;
pub mod policy;
mod saved;
mod types;

use ralph_protocol::{
    event::{Kind, Level, Limits},
    exit::RunExit,
};

pub use types::{
    Attempt, Effect, Event, Failure, Ledger, Order, Outcome, Prepared, Push, SaveOrder, Saved, Usd,
    Verdict,
};

/// What the machine must know of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Attempt of the execution, from 1.
    pub attempt: u32,
    /// Repository, for `run.start`.
    pub repo: String,
    /// Branch, for `run.start`; from the checkout on, the one that was chosen.
    pub branch: String,
    /// What bounds the run.
    pub limits: Limits,
    /// When the duration limit is reached, ms since the epoch.
    pub deadline: u64,
    /// Whether a verify command must pass before the work counts as complete.
    pub verifies: bool,
}

/// Where the machine is.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Nothing was done yet.
    Boot,
    /// The checkout is being made.
    Preparing,
    /// Setup runs. `complete`: PROGRESS.md says so already, and the verify command decides.
    SettingUp {
        /// Whether the verify command comes next, and not the agent.
        complete: bool,
    },
    /// The agent runs.
    Running,
    /// Work is committed and pushed; then this.
    Saving(After),
    /// The push failed for now; it is tried again, then this.
    SavingLater(After),
    /// The verify command runs.
    Verifying,
    /// Before the next attempt.
    Waiting,
    /// Over.
    Ended(RunExit),
}

/// What follows a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum After {
    /// The next iteration. `ok`: the agent ended well, so its work may count as complete.
    Next {
        /// Whether the agent ended well.
        ok: bool,
    },
    /// The same iteration again, not before this time, ms since the epoch.
    Retry {
        /// Not before.
        at: u64,
        /// Why, for `wait`.
        reason: String,
    },
    /// The end.
    End {
        /// How.
        exit: RunExit,
        /// One sentence for a person.
        text: Option<String>,
    },
}

/// The whole state.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// What was configured.
    pub terms: Terms,
    /// Where the machine is.
    pub phase: Phase,
    /// What this execution has used so far.
    pub ledger: Ledger,
    /// When the first signal came, ms since the epoch.
    pub draining: Option<u64>,
    /// The duration limit was reached while something ran.
    pub overdue: bool,
    /// Iterations in a row without progress.
    pub stalls: u32,
    /// Attempts in a row that failed for the service's reasons.
    pub transients: u32,
    /// Attempts in a row that crashed or timed out.
    pub crashes: u32,
    /// Pushes in a row that failed.
    pub push_failures: u32,
    /// Added to the next prompt.
    pub note: Option<String>,
    /// The attempt whose `iter.end` is still to be written.
    pub open: Option<Attempt>,
}

impl Machine {
    /// A machine that has done nothing.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            phase: Phase::Boot,
            ledger: Ledger::default(),
            draining: None,
            overdue: false,
            stalls: 0,
            transients: 0,
            crashes: 0,
            push_failures: 0,
            note: None,
            open: None,
        }
    }

    /// Takes one event at `now` (ms since the epoch).
    #[must_use]
    pub fn step(mut self, now: u64, event: Event) -> (Self, Vec<Effect>) {
        let mut out = Vec::new();
        match (self.phase.clone(), event) {
            (Phase::Ended(_), _) => {}
            (_, Event::Signal(name)) => self.signal(now, name, &mut out),
            (_, Event::Deadline) => self.deadline(&mut out),
            (_, Event::Broken(text)) => self.end(RunExit::Internal, Some(text), &mut out),
            (Phase::Boot, Event::Start) => self.start(now, &mut out),
            (Phase::Preparing, Event::Prepared(result)) => self.prepared(now, result, &mut out),
            (Phase::SettingUp { complete }, Event::SetUp(result)) => {
                self.set_up(now, complete, result, &mut out);
            }
            (Phase::Running, Event::Attempted(attempt)) => self.attempted(now, attempt, &mut out),
            (Phase::Saving(after), Event::Saved(saved)) => {
                self.saved(now, after, saved, &mut out);
            }
            (Phase::SavingLater(after), Event::Woke) => self.save(after, &mut out),
            (Phase::Verifying, Event::Verified(verdict)) => self.verified(now, verdict, &mut out),
            (Phase::Waiting, Event::Woke) => self.next(now, &mut out),
            // What was cancelled may still report.
            (_, Event::Start | Event::Prepared(_) | Event::SetUp(_) | Event::Attempted(_)) => {}
            (_, Event::Saved(_) | Event::Verified(_) | Event::Woke) => {}
        }
        (self, out)
    }

    fn start(&mut self, now: u64, out: &mut Vec<Effect>) {
        out.push(Effect::Emit(
            Level::Info,
            Kind::RunStart {
                attempt: self.terms.attempt,
                repo: self.terms.repo.clone(),
                branch: self.terms.branch.clone(),
                limits: self.terms.limits,
            },
        ));
        if now >= self.terms.deadline {
            return self.end_at_limit(RunExit::Duration, out);
        }
        self.phase = Phase::Preparing;
        out.push(Effect::Prepare);
    }

    fn prepared(&mut self, now: u64, result: Result<Prepared, Failure>, out: &mut Vec<Effect>) {
        let prepared = match result {
            Ok(prepared) => prepared,
            Err(Failure { exit, text }) => return self.end(exit, Some(text), out),
        };
        out.push(Effect::Emit(
            Level::Info,
            Kind::Clone {
                commit: prepared.commit,
                duration_ms: prepared.duration_ms,
                branch: Some(prepared.branch.clone()),
            },
        ));
        self.terms.branch = prepared.branch;
        self.note = prepared.note;
        self.ledger = prepared.ledger;
        out.push(Effect::Earlier(self.ledger));
        if self.ledger != Ledger::default() {
            let text = format!(
                "resuming after {} iterations and {} of this execution",
                self.ledger.iterations, self.ledger.cost
            );
            out.push(Effect::Emit(Level::Info, Kind::Log { text }));
        }
        let complete = prepared.complete;
        if complete && !self.terms.verifies {
            let text = "PROGRESS.md says that the work is complete; nothing was spent";
            return self.end(RunExit::Complete, Some(text.to_owned()), out);
        }
        if !prepared.has_setup {
            return self.set_up(now, complete, Ok(()), out);
        }
        if let Some(exit) = self.limit(now).filter(|_| !complete) {
            return self.end_at_limit(exit, out);
        }
        self.phase = Phase::SettingUp { complete };
        out.push(Effect::SetUp);
    }

    /// What follows when everything that the agent or the verify command wants is there.
    fn set_up(
        &mut self,
        now: u64,
        complete: bool,
        result: Result<(), Failure>,
        out: &mut Vec<Effect>,
    ) {
        if let Err(Failure { exit, text }) = result {
            return self.end(exit, Some(text), out);
        }
        if complete {
            // Written by an attempt that was ended before the command had passed, or by a person.
            self.phase = Phase::Verifying;
            return out.push(Effect::Verify);
        }
        self.next(now, out);
    }

    /// The next attempt, unless a limit forbids it.
    fn next(&mut self, now: u64, out: &mut Vec<Effect>) {
        if let Some(exit) = self.limit(now) {
            return self.end_at_limit(exit, out);
        }
        self.phase = Phase::Running;
        let iteration = self.ledger.iterations + 1;
        out.push(Effect::Iteration(iteration));
        out.push(Effect::Emit(Level::Info, Kind::IterStart {}));
        out.push(Effect::RunAgent(Order {
            iteration,
            note: self.note.clone(),
            budget: self.terms.max_cost().minus(self.ledger.cost),
        }));
    }

    fn save(&mut self, after: After, out: &mut Vec<Effect>) {
        self.phase = Phase::Saving(after);
        out.push(Effect::Save(SaveOrder {
            ledger: self.ledger,
            wip: self.draining.is_some() || self.overdue,
        }));
    }

    fn verified(&mut self, now: u64, verdict: Verdict, out: &mut Vec<Effect>) {
        match verdict {
            Verdict::Passed => self.end(RunExit::Complete, None, out),
            Verdict::Failed { tail } => {
                let text = format!("the verify command failed:\n{tail}");
                out.push(Effect::Emit(Level::Warn, Kind::Log { text: text.clone() }));
                self.add_note(&format!(
                    "PROGRESS.md says COMPLETE, but {text}\nFix that, then set the status again."
                ));
                self.next(now, out);
            }
        }
    }

    /// Adds to what the agent is told, beside what the checkpoint has to say.
    fn add_note(&mut self, text: &str) {
        let known = self.note.take().map(|note| note + "\n\n");
        self.note = Some(known.unwrap_or_default() + text);
    }

    fn end(&mut self, exit: RunExit, text: Option<String>, out: &mut Vec<Effect>) {
        self.phase = Phase::Ended(exit);
        out.push(Effect::End { exit, text });
    }

    fn end_at_limit(&mut self, exit: RunExit, out: &mut Vec<Effect>) {
        self.end(exit, Some(self.limit_text(exit)), out);
    }
}

#[cfg(test)]
mod tests;
