//! The way from the agent to the model: a server on 127.0.0.1 that adds the real key, so that the
//! agent never holds one. It fails over between keys, meters what is used, and refuses once the
//! cost limit is reached.

mod body;
pub mod keys;
pub mod meter;
pub mod price;
mod proxy;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ralph_protocol::{event::Tokens, secret::AnthropicKeys};
use tokio::net::TcpListener;
use url::Url;

use crate::{
    agent::command::Endpoint,
    classify,
    journal::{Journal, now_ms},
    machine::Usd,
};

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
}

pub(crate) struct State {
    keys: keys::KeyRing,
    /// The key the agent must show; `None` between attempts.
    dummy: Option<String>,
    budget: Usd,
    used: Metered,
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
            used: Metered::default(),
        };
        let client = proxy::client()?;
        let shared = Arc::new(Shared { upstream, client, journal, state: Mutex::new(state) });
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
        state.used = Metered::default();
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

    /// What was used so far, and what the service said.
    #[must_use]
    pub fn metered(&self) -> Metered {
        let state = self.shared.lock();
        let mut metered = state.used.clone();
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
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds what a response cost.
    pub(crate) fn add(&mut self, model: &str, tokens: Tokens) {
        let sum = &mut self.used.tokens;
        sum.input += tokens.input;
        sum.output += tokens.output;
        sum.cache_read += tokens.cache_read;
        sum.cache_write += tokens.cache_write;
        self.used.cost = self.used.cost.plus(price::estimate(model, tokens));
    }
}
