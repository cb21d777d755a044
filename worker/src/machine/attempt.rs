//! What follows from how an attempt ended.

use ralph_protocol::{
    event::{Kind, Level},
    exit::RunExit,
};

use super::{
    After, Attempt, Effect, Machine, Outcome, Usd,
    policy::{MAX_TRANSIENTS, UNKNOWN_LIMIT_MS, backoff_ms},
};

impl Machine {
    pub(super) fn attempted(&mut self, now: u64, attempt: Attempt, out: &mut Vec<Effect>) {
        self.ledger.cost = self.ledger.cost.plus(attempt.cost);
        if let Some(text) = attempt.outcome.text() {
            out.push(Effect::Emit(Level::Warn, Kind::Log { text: text.to_owned() }));
        }
        let outcome = attempt.outcome.clone();
        // `iter.end` names HEAD, which the checkpoint settles.
        self.open = Some(attempt);
        let before = self.ledger.iterations;
        let after = self.after(now, outcome);
        if self.ledger.iterations > before {
            // An agent that did nothing may not have read it.
            self.note = None;
        }
        out.push(Effect::Spend(self.ledger.iterations));
        self.save(after, out);
    }

    /// Failed attempts consume no iteration; the crash and stall counters bound them.
    fn after(&mut self, now: u64, outcome: Outcome) -> After {
        let end = |exit, text| After::End { exit, text: Some(text) };
        match outcome {
            // It was metered at the dearest prices, and cost less: an iteration that was cut short.
            Outcome::Budget
                if self.ledger.cost.plus(Usd::from_micros(10_000)) < self.terms.max_cost() =>
            {
                self.ledger.iterations += 1;
                After::Next { ok: false }
            }
            Outcome::Ok | Outcome::Partial => {
                self.ledger.iterations += 1;
                self.transients = 0;
                self.crashes = 0;
                After::Next { ok: outcome == Outcome::Ok }
            }
            Outcome::Transient(text) => {
                self.transients += 1;
                let wait = if self.transients > MAX_TRANSIENTS {
                    UNKNOWN_LIMIT_MS
                } else {
                    backoff_ms(self.transients)
                };
                After::Retry { at: now + wait, reason: text }
            }
            Outcome::RateLimited(until) => {
                self.transients += 1;
                // A limit that is over already, again and again, must not become a busy loop.
                let soonest = now + backoff_ms(self.transients);
                After::Retry {
                    at: until.unwrap_or(now + UNKNOWN_LIMIT_MS).max(soonest),
                    reason: "a usage limit of the model's service".to_owned(),
                }
            }
            Outcome::Timeout(text) | Outcome::Crash(text) => {
                self.crashes += 1;
                After::Retry { at: now + backoff_ms(self.crashes), reason: text }
            }
            Outcome::NoKey(text) => end(RunExit::NoKey, text),
            Outcome::Configuration(text) => end(RunExit::Configuration, text),
            Outcome::Budget => end(RunExit::Budget, self.limit_text(RunExit::Budget)),
            // The signal outranks the deadline: the next attempt finds the deadline itself.
            Outcome::Interrupted if self.draining.is_some() => {
                end(RunExit::Interrupted, "stopped by a signal; the work is pushed".to_owned())
            }
            Outcome::Interrupted => end(RunExit::Duration, self.limit_text(RunExit::Duration)),
        }
    }
}
