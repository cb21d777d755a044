//! What the run spends. Money is reserved before a request is sent and counted when its answer
//! has been read, and what is reserved is said on stdout first: whoever reads the log knows the most
//! that a run can have cost, wherever it was cut off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ralph_protocol::event::{Kind, Level, Spend, Tokens};
use tokio::sync::Notify;

use crate::{
    journal::Journal,
    machine::{Ledger, Usd},
};

/// Beyond what is reserved for requests, an event reserves for those that follow: the part of the
/// limit, and the most. Without it each small request would wait for an event of its own. A run that
/// is cut off counts for at most two of these more than it has reserved for requests.
const BLOCK_PART: u64 = 50;
const BLOCK_MOST: Usd = Usd::from_micros(500_000);

/// The run's account. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    /// The execution's.
    limit: Usd,
    state: Mutex<State>,
    /// A reservation has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    /// What earlier runs of the execution have used.
    before: Ledger,
    /// Of this run: what was counted, and what was reserved and never heard of again.
    spent: Usd,
    tokens: Tokens,
    iterations: u32,
    /// Reserved for requests under way.
    under_way: Usd,
    /// What the current attempt has used.
    attempt: Metered,
    /// What the newest event has said: spent and reserved together.
    said: Usd,
    /// What it has named as spent.
    said_spent: Usd,
    /// Its line in the journal.
    line: u64,
    /// It was said that requests wait for each other.
    waits: bool,
}

/// What an attempt has used, as the gateway saw it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metered {
    /// At the prices of models that are known.
    pub known: Usd,
    /// Of models without a known price, at the dearest. It stays reserved until the attempt is over
    /// and the agent has said what it cost.
    pub unknown: Usd,
    /// Tokens of both.
    pub tokens: Tokens,
}

/// Why nothing is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMoney {
    /// The cost limit is reached.
    OverBudget,
    /// Nobody reads stdout any more.
    Unheard,
}

impl Account {
    /// The account of a run whose execution may cost this much.
    #[must_use]
    pub fn new(limit: Usd, journal: Journal) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { journal, limit, state, ended: Notify::new() }) }
    }

    /// What earlier runs of the execution have used.
    pub fn begin(&self, before: Ledger) {
        self.shared.lock().before = before;
    }

    /// Reserves the most that a request can cost, and returns when that has been written to stdout.
    /// A request begins as long as what is spent and reserved stays below the limit, so that the
    /// limit is passed by less than one reservation; otherwise it waits for those before it.
    ///
    /// # Errors
    /// [`NoMoney`].
    pub async fn reserve(&self, most: Usd) -> Result<Reservation, NoMoney> {
        let (reservation, line) = loop {
            let ended = self.shared.ended.notified();
            {
                let mut state = self.shared.lock();
                if state.committed() < self.shared.left(&state) {
                    state.under_way = state.under_way.plus(most);
                    let account = self.clone();
                    let reservation = Reservation { account, most, sent: false };
                    break (reservation, self.shared.cover(&mut state));
                }
                if state.under_way == Usd::default() {
                    return Err(NoMoney::OverBudget);
                }
                if !std::mem::replace(&mut state.waits, true) {
                    let text = "the cost limit is near: requests to the model wait for each other";
                    self.shared.journal.log(Level::Info, text);
                }
            }
            ended.await;
        };
        if self.shared.journal.written(line).await {
            Ok(reservation)
        } else {
            Err(NoMoney::Unheard)
        }
    }

    /// Whether the limit is reached, without what is reserved for requests under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let state = self.shared.lock();
        state.spent.plus(state.attempt.unknown) >= self.shared.left(&state)
    }

    /// What was counted since the last attempt ended.
    #[must_use]
    pub fn metered(&self) -> Metered {
        self.shared.lock().attempt
    }

    /// Ends the attempt: what was metered in it has cost this much, all told.
    pub fn end_attempt(&self, metered: Metered, cost: Usd) {
        let mut state = self.shared.lock();
        state.spent = state.spent.plus(cost.minus(metered.known));
        // What was counted since the look at it is the next attempt's.
        state.attempt.known = state.attempt.known.minus(metered.known);
        state.attempt.unknown = state.attempt.unknown.minus(metered.unknown);
        state.attempt.tokens.subtract(metered.tokens);
    }

    /// Says what the run has used, and that nothing more is reserved than for requests under way.
    /// `iterations` are those of the execution that have ended.
    pub fn say(&self, iterations: u32) {
        let mut state = self.shared.lock();
        state.iterations = iterations.saturating_sub(state.before.iterations);
        let reserved = state.committed().minus(state.spent);
        self.shared.say(&mut state, reserved);
    }

    /// What the execution has used so far; what is reserved counts as spent.
    #[must_use]
    pub fn used(&self) -> Ledger {
        let state = self.shared.lock();
        Ledger {
            iterations: state.before.iterations.saturating_add(state.iterations),
            cost: state.before.cost.plus(state.committed()),
        }
    }

    /// What the run has used in the end: what is still reserved counts as spent.
    #[must_use]
    pub fn close(&self) -> Spend {
        let mut state = self.shared.lock();
        state.spent = state.committed();
        (state.under_way, state.attempt) = (Usd::default(), Metered::default());
        state.spend(Usd::default())
    }
}

impl Shared {
    /// The state, whatever a panicking thread did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this run may spend, all told.
    fn left(&self, state: &State) -> Usd {
        self.limit.minus(state.before.cost)
    }

    /// Makes sure that what is committed has been said; returns the line to wait for.
    fn cover(&self, state: &mut State) -> u64 {
        let committed = state.committed();
        if committed > state.said {
            self.say(state, committed.plus(self.block()).minus(state.spent));
        }
        state.line
    }

    /// Says what is left of a reservation that has ended, once that makes a difference.
    fn uncover(&self, state: &mut State) {
        // What is taken back must be said again before the next request: two events for each one that
        // cost nothing, without end.
        if self.journal.is_full() {
            self.cover(state);
            return;
        }
        let (committed, block) = (state.committed(), self.block());
        let too_much = state.said > committed.plus(block).plus(block);
        if too_much || state.spent > state.said_spent.plus(block) {
            self.say(state, committed.plus(block).minus(state.spent));
        }
    }

    fn block(&self) -> Usd {
        self.limit.part(BLOCK_PART).min(BLOCK_MOST)
    }

    fn say(&self, state: &mut State, reserved: Usd) {
        (state.said, state.said_spent) = (state.spent.plus(reserved), state.spent);
        state.line = self.journal.emit_at_once(Level::Debug, Kind::Spend(state.spend(reserved)));
    }
}

impl State {
    /// What the run has cost if nothing that is reserved comes back.
    fn committed(&self) -> Usd {
        self.spent.plus(self.under_way).plus(self.attempt.unknown)
    }

    fn spend(&self, reserved: Usd) -> Spend {
        Spend {
            spent_usd: self.spent.dollars(),
            reserved_usd: reserved.dollars(),
            execution_usd: self.before.cost.plus(self.spent).dollars(),
            tokens: self.tokens,
            iterations: self.iterations,
        }
    }
}

/// The most that one request can cost. One that was sent and is dropped without an answer that
/// could be read costs all of it.
pub struct Reservation {
    account: Account,
    most: Usd,
    sent: bool,
}

impl Reservation {
    /// Whether the service has the request, and may bill it.
    pub fn sent(&mut self, sent: bool) {
        self.sent = sent;
    }

    /// The answer says what it cost. Of a model without a known price that is a guess.
    pub fn count(mut self, cost: Usd, tokens: Tokens, known: bool) {
        self.end(cost, tokens, known);
    }

    fn end(&mut self, cost: Usd, tokens: Tokens, known: bool) {
        let most = std::mem::take(&mut self.most);
        self.sent = false;
        let mut state = self.account.shared.lock();
        state.under_way = state.under_way.minus(most);
        state.tokens.add(tokens);
        state.attempt.tokens.add(tokens);
        if known {
            state.spent = state.spent.plus(cost);
            state.attempt.known = state.attempt.known.plus(cost);
        } else {
            state.attempt.unknown = state.attempt.unknown.plus(cost);
        }
        self.account.shared.uncover(&mut state);
        drop(state);
        self.account.shared.ended.notify_waiters();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let cost = if self.sent { self.most } else { Usd::default() };
        if self.most > Usd::default() {
            self.end(cost, Tokens::default(), true);
        }
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
