//! The way from the agent to the model: a server on 127.0.0.1 that adds the real key, so that the
//! agent never holds one. It fails over between keys, meters what is used, and refuses once the
//! cost limit is reached.

mod body;
pub mod keys;
pub mod meter;
pub mod price;
mod proxy;

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ralph_protocol::{
    event::{Level, Tokens},
    secret::AnthropicKeys,
};
use tokio::{net::TcpListener, sync::Semaphore};
use url::Url;

use crate::{
    agent::command::Endpoint,
    classify,
    journal::{Journal, now_ms},
    machine::Usd,
};

/// Most requests under way at a time; more wait. Each may still cost something when the limit is
/// reached, so this bounds by how much it is passed.
const MAX_UNDER_WAY: u32 = 16;

/// At the end of an attempt: how long to wait for answers that were cut off to be counted.
const SETTLE: Duration = Duration::from_millis(500);

/// Hands out one lease an attempt. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    url: String,
}

/// What the server's requests share.
pub(crate) struct Shared {
    upstream: Url,
    client: proxy::Client,
    journal: Journal,
    state: Mutex<State>,
    under_way: Arc<Semaphore>,
}

pub(crate) struct State {
    keys: keys::KeyRing,
    /// The key the agent must show; `None` between attempts.
    dummy: Option<String>,
    budget: Usd,
    /// Which lease is open, or was last.
    lease: u64,
    used: Metered,
    /// What was counted after its lease was closed: the next lease's.
    late: Metered,
    /// Models whose prices are not known here, each reported once.
    unknown: BTreeSet<String>,
}

/// What an attempt used, as the gateway saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metered {
    /// Estimated from tokens and list prices.
    pub cost: Usd,
    /// Tokens used.
    pub tokens: Tokens,
    /// What the service said about keys and limits.
    pub verdict: classify::Gateway,
}

impl Gateway {
    /// Starts to listen on a free port of 127.0.0.1. Must be called inside the runtime.
    ///
    /// # Errors
    /// When no port can be had or the system has no certificates.
    pub async fn start(upstream: Url, keys: AnthropicKeys, journal: Journal) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = State {
            keys: keys::KeyRing::new(keys),
            dummy: None,
            budget: Usd::default(),
            lease: 0,
            used: Metered::default(),
            late: Metered::default(),
            unknown: BTreeSet::new(),
        };
        let client = proxy::client()?;
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY as usize));
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { upstream, client, journal, state, under_way });
        tokio::spawn(proxy::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, url })
    }

    /// Opens access for one attempt that may cost this much. What was open before is closed.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn open(&self, budget: Usd) -> io::Result<Lease> {
        let mut random = [0u8; 24];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let dummy_key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let dummy_key = format!("ralph-gateway-{dummy_key}");
        let mut state = self.shared.lock();
        state.dummy = Some(dummy_key.clone());
        state.budget = budget;
        state.lease += 1;
        // With what was counted since the last lease was closed.
        let (used, late) = (std::mem::take(&mut state.used), std::mem::take(&mut state.late));
        state.used.add(used.tokens, used.cost);
        state.used.add(late.tokens, late.cost);
        drop(state);
        let endpoint = Endpoint { url: self.url.clone(), dummy_key };
        Ok(Lease { shared: Arc::clone(&self.shared), endpoint })
    }
}

/// Asks the service whether it accepts a key, with a request that costs nothing.
///
/// # Errors
/// A text for a person.
pub async fn probe(upstream: &Url, key: &ralph_protocol::secret::Value) -> Result<(), String> {
    let client = proxy::client().map_err(|error| format!("no certificates: {error}"))?;
    proxy::probe(&client, upstream, key.expose()).await
}

/// The agent's access during one attempt.
pub struct Lease {
    shared: Arc<Shared>,
    endpoint: Endpoint,
}

impl Lease {
    /// Where the agent sends its requests.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Closes the access and says what was used and what the service said. Call it when the agent
    /// is gone: answers it no longer reads are then over, and count.
    pub async fn close(self) -> Metered {
        self.shared.lock().dummy = None;
        let all = self.shared.under_way.acquire_many(MAX_UNDER_WAY);
        // What is later still counts for the next lease.
        drop(tokio::time::timeout(SETTLE, all).await);
        let mut state = self.shared.lock();
        let mut metered = std::mem::take(&mut state.used);
        metered.verdict.no_key = state.keys.none_left();
        metered.verdict.limited_until = state.keys.limited_until(now_ms());
        metered
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.dummy.as_ref() == Some(&self.endpoint.dummy_key) {
            state.dummy = None;
        }
    }
}

impl Shared {
    /// The state, whatever a panicking thread did.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Adds what a response cost to the lease it was for.
    pub(crate) fn book(&self, lease: u64, model: &str, used: price::Used) {
        if used == price::Used::default() {
            return;
        }
        let mut state = self.lock();
        let known = price::is_known(model) || !state.unknown.insert(model.to_owned());
        let metered = if lease == state.lease { &mut state.used } else { &mut state.late };
        metered.add(used.tokens, price::estimate(model, used));
        drop(state);
        if !known {
            let text = format!("no prices are known for model `{model}`; it counts as the dearest");
            self.journal.log(Level::Warn, text);
        }
    }
}

impl Metered {
    fn add(&mut self, tokens: Tokens, cost: Usd) {
        let sum = &mut self.tokens;
        sum.input += tokens.input;
        sum.output += tokens.output;
        sum.cache_read += tokens.cache_read;
        sum.cache_write += tokens.cache_write;
        self.cost = self.cost.plus(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    #[test]
    fn what_is_counted_after_an_attempt_is_the_next_ones() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001".parse().unwrap();
        let redactor = Redactor::new([""; 0]);
        let journal =
            Journal::start("w".parse().unwrap(), run, redactor, std::io::sink(), None).unwrap();
        let keys = AnthropicKeys::parse(r#"{"keys":[{"id":"a","value":"not-a-real-key"}]}"#);
        let million = Tokens { output: 1_000_000, ..Tokens::default() };
        let used = price::Used { tokens: million, ..price::Used::default() };
        let dollars = |metered: Metered| metered.cost.dollars();
        runtime.block_on(async {
            let url = "http://127.0.0.1:9".parse().unwrap();
            let gateway = Gateway::start(url, keys.unwrap(), journal).await.unwrap();
            let budget = Usd::from_dollars(100.0);
            let first = gateway.open(budget).unwrap();
            gateway.shared.book(1, "claude-haiku-4-5", used);
            assert_eq!(dollars(first.close().await), 5.0);
            // Before the next attempt begins, and while it is under way.
            gateway.shared.book(1, "claude-haiku-4-5", used);
            let second = gateway.open(budget).unwrap();
            gateway.shared.book(1, "claude-haiku-4-5", used);
            gateway.shared.book(2, "claude-haiku-4-5", used);
            assert_eq!(dollars(second.close().await), 10.0);
            assert_eq!(dollars(gateway.open(budget).unwrap().close().await), 5.0);
            assert_eq!(dollars(gateway.open(budget).unwrap().close().await), 0.0);
        });
    }
}
