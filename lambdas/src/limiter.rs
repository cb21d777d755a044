//! A limit on each connection's requests: a bucket of tokens that fills with time.
//!
//! Buckets live in one instance's memory, so a client that reaches several instances gets a little
//! more. It bounds what one client can make of reads and posts; the stage's own throttling bounds
//! them all.

use std::{cell::RefCell, collections::HashMap};

use tokio::time::{Duration, Instant};

/// Requests that may come at once: a connection that follows
/// [50 workstreams](ralph_protocol::token::MAX_WORKSTREAMS) asks once for each when it comes back, and
/// pings.
pub const BURST: u32 = 60;
/// Time after which one more may come.
pub const REFILL: Duration = Duration::from_millis(500);
/// Buckets kept. Full ones are dropped first: they say nothing.
const MAX_BUCKETS: usize = 10_000;

/// Buckets by connection.
#[derive(Debug, Default)]
pub struct Limiter {
    /// When the bucket will be full again.
    full_at: RefCell<HashMap<String, Instant>>,
}

impl Limiter {
    /// Takes a token of a connection's.
    ///
    /// # Errors
    /// There is none; in this time there will be.
    pub fn take(&self, connection: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut all = self.full_at.borrow_mut();
        if all.len() >= MAX_BUCKETS {
            all.retain(|_, full_at| *full_at > now);
        }
        let full_at = all.entry(connection.to_owned()).or_insert(now);
        let lacking = (*full_at).max(now) + REFILL;
        let most = now + REFILL * BURST;
        if lacking > most {
            return Err(lacking - most);
        }
        *full_at = lacking;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_each_refill() {
        let limiter = Limiter::default();
        for _ in 0..BURST {
            assert_eq!(limiter.take("a="), Ok(()));
        }
        assert_eq!(limiter.take("a="), Err(REFILL));
        assert_eq!(limiter.take("b="), Ok(()), "another connection's bucket");
        advance(REFILL / 2).await;
        assert_eq!(limiter.take("a="), Err(REFILL / 2));
        advance(REFILL / 2).await;
        assert_eq!(limiter.take("a="), Ok(()));
        assert_eq!(limiter.take("a="), Err(REFILL));
        advance(REFILL * BURST * 2).await;
        for _ in 0..BURST {
            assert_eq!(limiter.take("a="), Ok(()));
        }
        assert!(limiter.take("a=").is_err(), "no more than a burst is saved up");
    }
}
