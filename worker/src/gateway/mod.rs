//! The way from the agent to the model: a server on 127.0.0.1 that adds the real key, so that the
//! agent never holds one. It fails over between keys, meters what is used, and refuses once the
//! cost limit is reached.

mod body;
pub mod keys;
pub mod meter;
pub mod price;
mod proxy;
mod request;

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ralph_protocol::{event::Level, secret::AnthropicKeys};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use url::Url;

pub(crate) use proxy::{Client, causes, client};

use crate::{
    account::{Account, Metered, Reservation},
    agent::command::Endpoint,
    classify,
    journal::{Journal, now_ms},
};

/// Most requests under way at a time; more wait.
const MAX_UNDER_WAY: u32 = 16;

/// Most bytes of requests that are held at a time; more wait. In KiB, the unit of the permits.
const MAX_HELD_KIB: u32 = 96 << 10;

/// At the end of an attempt: how long to wait for answers that were cut off to be counted.
const SETTLE: Duration = Duration::from_millis(500);

/// The same at the end of the run. After a signal the run is over by second 105, of 120 that it has.
const LAST_ANSWERS: Duration = Duration::from_secs(15);

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
    account: Account,
    state: Mutex<State>,
    /// Every key is refused, and no request of this run can be answered any more.
    no_key: watch::Sender<bool>,
    under_way: Arc<Semaphore>,
    /// A permit for each KiB of a request.
    held: Arc<Semaphore>,
}

pub(crate) struct State {
    keys: keys::KeyRing,
    /// The key the agent must show; `None` between attempts.
    dummy: Option<String>,
    /// The agent of this attempt has sent a request.
    asked: bool,
    /// A request of this attempt was refused because the limit is reached.
    over_budget: bool,
    /// Models whose prices are not known here, each reported once.
    unknown: BTreeSet<String>,
}

impl Gateway {
    /// Starts to listen on a free port of 127.0.0.1. Must be called inside the runtime.
    ///
    /// # Errors
    /// When no port can be had or the system has no certificates.
    pub async fn start(
        upstream: Url,
        keys: AnthropicKeys,
        account: Account,
        journal: Journal,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = State {
            keys: keys::KeyRing::new(keys),
            dummy: None,
            asked: false,
            over_budget: false,
            unknown: BTreeSet::new(),
        };
        let shared = Arc::new(Shared {
            upstream,
            client: proxy::client()?,
            journal,
            account,
            state: Mutex::new(state),
            no_key: watch::Sender::new(false),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY as usize)),
            held: Arc::new(Semaphore::new(MAX_HELD_KIB as usize)),
        });
        tokio::spawn(proxy::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, url })
    }

    /// Opens access for one attempt. What was open before is closed.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn open(&self) -> io::Result<Lease> {
        let mut random = [0u8; 24];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let dummy_key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let dummy_key = format!("ralph-gateway-{dummy_key}");
        let mut state = self.shared.lock();
        state.dummy = Some(dummy_key.clone());
        state.asked = false;
        state.over_budget = false;
        drop(state);
        let endpoint = Endpoint { url: self.url.clone(), dummy_key };
        Ok(Lease { shared: Arc::clone(&self.shared), endpoint })
    }

    /// Waits, at most [`LAST_ANSWERS`], for answers that nobody reads any more, so that they cost what
    /// they cost and not what was reserved for them.
    pub async fn finish(&self) {
        let all = self.shared.under_way.acquire_many(MAX_UNDER_WAY);
        drop(tokio::time::timeout(LAST_ANSWERS, all).await);
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

    /// Becomes true when every key is refused.
    #[must_use]
    pub fn no_key(&self) -> watch::Receiver<bool> {
        self.shared.no_key.subscribe()
    }

    /// Closes the access and says what was used and what the service said. Call it when the agent
    /// is gone: most answers it no longer reads are then over. Others are the next attempt's.
    pub async fn close(self) -> (Metered, classify::Gateway) {
        self.shared.lock().dummy = None;
        let all = self.shared.under_way.acquire_many(MAX_UNDER_WAY);
        drop(tokio::time::timeout(SETTLE, all).await);
        let state = self.shared.lock();
        let verdict = classify::Gateway {
            asked: state.asked,
            over_budget: state.over_budget,
            no_key: *self.shared.no_key.borrow(),
            limited_until: state.keys.limited_until(now_ms()),
        };
        (self.shared.account.metered(), verdict)
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

    /// The service refuses this key.
    pub(crate) fn refuse(&self, number: usize) {
        let mut state = self.lock();
        state.keys.refuse(number);
        self.no_key.send_replace(state.keys.none_left());
    }
}

impl Shared {
    /// Counts what an answer has cost. One that cannot be read costs what was reserved for it.
    pub(crate) fn book(&self, reservation: Reservation, meter: meter::Meter) {
        let Some((model, used)) = meter.finish() else { return };
        // An answer that failed before it began names no model.
        let known = used == price::Used::default() || price::is_known(&model);
        reservation.count(price::estimate(&model, used), used.tokens, known);
        if !known && self.lock().unknown.insert(model.clone()) {
            let text = format!(
                "no prices are known for model `{model}`; until the agent says what it cost, it counts as the dearest"
            );
            self.journal.log(Level::Warn, text);
        }
    }
}
