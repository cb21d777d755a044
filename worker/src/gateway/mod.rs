//! The way from the agent to the model. The agent never holds a key.

use ralph_protocol::event::Tokens;

use crate::{agent::command::Endpoint, classify, machine::Usd};

/// Hands out one lease an attempt.
#[derive(Debug, Clone, Default)]
pub struct Gateway {}

/// The agent's access during one attempt.
#[derive(Debug, Default)]
pub struct Lease {
    endpoint: Option<Endpoint>,
}

/// What an attempt used, as the gateway saw it.
#[derive(Debug, Clone, Default)]
pub struct Metered {
    /// Estimated from tokens.
    pub cost: Usd,
    /// Tokens used.
    pub tokens: Tokens,
    /// What the service said about keys and limits.
    pub verdict: classify::Gateway,
}

impl Gateway {
    /// Opens access for one attempt that may cost this much.
    #[must_use]
    pub fn open(&self, _budget: Usd) -> Lease {
        Lease::default()
    }
}

impl Lease {
    /// Where the agent sends its requests.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Ends the access.
    pub async fn close(self) -> Metered {
        Metered::default()
    }
}
