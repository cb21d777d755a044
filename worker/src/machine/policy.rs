//! The numbers: limits, back-off, waits, and the timetable after a signal.

use ralph_protocol::{
    event::{Kind, Level},
    exit::RunExit,
};

use super::{After, Effect, Machine, Phase, Terms, Usd};

/// The agent gets this long between TERM and KILL.
pub const AGENT_GRACE_MS: u64 = 10_000;

/// After a signal, pushing to the branch is given up this much later and the rescue branch is
/// tried. Fargate kills 120 s after the signal; the agent is gone after 20 s, and 105 s are the end
/// of it all.
pub const PUSH_BY_MS: u64 = 70_000;

/// After a signal, what is not committed this much later stays out of the commit.
pub const COMMIT_BY_MS: u64 = 35_000;

/// How long pushing to the rescue branch may take.
pub const RESCUE_MS: u64 = 12_000;

/// After a signal, whatever still runs is abandoned this much later: 105 s, less what the end of
/// the process itself takes (a sweep, 2 s, the last answers, 15 s, and the flush, 5 s).
pub const END_BY_MS: u64 = 83_000;

/// Waits up to this long are sat out; longer ones end the task instead of paying for idle time.
pub const SHORT_WAIT_MS: u64 = 5 * 60_000;

/// How long a limit lasts when the service does not say.
pub const UNKNOWN_LIMIT_MS: u64 = 15 * 60_000;

/// Failures of the service in a row before the task gives way.
pub const MAX_TRANSIENTS: u32 = 7;

/// Failed pushes in a row before the run ends.
pub const MAX_PUSH_FAILURES: u32 = 6;

/// 5 s, doubled each time, at most 4 min.
pub(crate) const fn backoff_ms(failures: u32) -> u64 {
    let doublings = if failures > 7 { 6 } else { failures.saturating_sub(1) };
    let ms = 5_000 << doublings;
    if ms > 240_000 { 240_000 } else { ms }
}

impl Terms {
    /// The cost limit.
    #[must_use]
    pub fn max_cost(&self) -> Usd {
        Usd::from_dollars(self.limits.max_cost_usd)
    }
}

impl Machine {
    /// The limit that forbids another attempt.
    pub(super) fn limit(&self, now: u64) -> Option<RunExit> {
        if self.ledger.iterations >= self.terms.limits.max_iterations {
            Some(RunExit::Iterations)
        } else if self.ledger.cost >= self.terms.max_cost() {
            Some(RunExit::Budget)
        } else if self.overdue || now >= self.terms.deadline {
            Some(RunExit::Duration)
        } else if self.stalls > self.terms.limits.max_stalls
            || self.crashes > self.terms.limits.max_stalls
        {
            Some(RunExit::Stalled)
        } else {
            None
        }
    }

    pub(super) fn limit_text(&self, exit: RunExit) -> String {
        let limits = &self.terms.limits;
        match exit {
            RunExit::Iterations => {
                format!("the limit of {} iterations is reached", limits.max_iterations)
            }
            RunExit::Budget => format!(
                "the cost limit of ${} is reached: {} spent",
                limits.max_cost_usd, self.ledger.cost
            ),
            RunExit::Duration => {
                format!("the limit of {} seconds is reached", limits.max_duration_secs)
            }
            _ if self.crashes > limits.max_stalls => {
                format!("{} attempts in a row crashed or timed out", self.crashes)
            }
            _ => format!("{} iterations in a row made no progress", self.stalls),
        }
    }

    pub(super) fn signal(&mut self, now: u64, name: &'static str, out: &mut Vec<Effect>) {
        let again = self.draining.is_some();
        out.push(Effect::Emit(Level::Warn, Kind::Interrupt { signal: name.to_owned() }));
        if !again {
            self.draining = Some(now);
            out.push(Effect::Hurry(now + PUSH_BY_MS));
        }
        match self.phase.clone() {
            Phase::Running => out.push(if again { Effect::KillAgent } else { Effect::StopAgent }),
            // What is being saved is saved, but in time; `saved` sees the signal.
            Phase::Saving(_) => {}
            Phase::SavingLater(after) => self.save(after, out),
            Phase::Boot
            | Phase::Preparing
            | Phase::SettingUp { .. }
            | Phase::Verifying
            | Phase::Waiting
            | Phase::Ended(_) => {
                self.end_interrupted(out);
            }
        }
    }

    pub(super) fn end_interrupted(&mut self, out: &mut Vec<Effect>) {
        self.end(
            RunExit::Interrupted,
            Some("stopped by a signal; the work is pushed".to_owned()),
            out,
        );
    }

    pub(super) fn deadline(&mut self, out: &mut Vec<Effect>) {
        self.overdue = true;
        match self.phase.clone() {
            Phase::Running => out.push(Effect::StopAgent),
            Phase::Saving(_) | Phase::Boot => {}
            Phase::SavingLater(after) => self.save(after, out),
            Phase::Preparing
            | Phase::SettingUp { .. }
            | Phase::Verifying
            | Phase::Waiting
            | Phase::Ended(_) => {
                self.end_at_limit(RunExit::Duration, out);
            }
        }
    }

    /// Sits a short wait out, or ends the task and asks to be started again later.
    pub(super) fn wait(&mut self, now: u64, until: u64, reason: String, out: &mut Vec<Effect>) {
        if until >= self.terms.deadline {
            let text = format!("{reason} until after the duration limit");
            return self.end(RunExit::Duration, Some(text), out);
        }
        out.push(Effect::Emit(Level::Warn, Kind::Wait { until, reason: reason.clone() }));
        if until.saturating_sub(now) > SHORT_WAIT_MS {
            return self.end(RunExit::Waiting, Some(reason), out);
        }
        self.phase = Phase::Waiting;
        out.push(Effect::Sleep(until));
    }

    /// What follows when nothing stands against it.
    pub(super) fn proceed(&mut self, now: u64, after: After, out: &mut Vec<Effect>) {
        match after {
            After::End { exit, text } => self.end(exit, text, out),
            After::Next { .. } => self.next(now, out),
            After::Retry { at, reason } => match self.limit(now) {
                Some(exit) => self.end_at_limit(exit, out),
                None => self.wait(now, at, reason, out),
            },
        }
    }
}
