//! Posting a frame to one connection: a limit on each try, and more tries with jitter while there
//! is time.

use tokio::time::{Duration, Instant, sleep, timeout};

use crate::ports::{Clock, Post, PostError};

/// Longest single post. A healthy one takes some ten milliseconds.
pub const POST_LIMIT: Duration = Duration::from_millis(2_500);
/// Most tries of a frame.
pub const TRIES: u32 = 5;
/// The first pause is random up to this, each further one up to twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a frame is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until when.
    pub until: Instant,
    /// Whether an answer 429 does not count as one of [`TRIES`]: nobody else waits.
    pub outlasts_throttling: bool,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Tries beyond the first.
    pub retried: u32,
    /// Of these, answers 429.
    pub throttled: u32,
    /// The last try's result.
    pub result: Result<(), PostError>,
}

/// Posts a frame, again and again if need be, until it is delivered, cannot be, or patience ends.
///
/// A post that hangs is not tried again: the connection is slow, and the client asks for what it
/// lacks.
pub async fn deliver(
    post: &impl Post,
    connection: &str,
    frame: &[u8],
    Patience { until, outlasts_throttling }: Patience,
    clock: &impl Clock,
) -> Delivered {
    let mut tries = 0;
    let mut delivered = Delivered { retried: 0, throttled: 0, result: Ok(()) };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        delivered.result = match timeout(left.min(POST_LIMIT), post.post(connection, frame)).await {
            Ok(result) => result,
            Err(_) => {
                delivered.result = Err(PostError::TimedOut);
                return delivered;
            }
        };
        match &delivered.result {
            Ok(()) | Err(PostError::Gone | PostError::Refused(_) | PostError::TimedOut) => {
                return delivered;
            }
            Err(PostError::Throttled) => {
                delivered.throttled += 1;
                tries += u32::from(!outlasts_throttling);
            }
            Err(PostError::Failed(_)) => tries += 1,
        }
        let pause = pause(delivered.retried.min(TRIES), clock);
        if tries >= TRIES || Instant::now() + pause >= until {
            return delivered;
        }
        delivered.retried += 1;
        sleep(pause).await;
    }
}

/// A random pause before try number `n + 2`.
pub(crate) fn pause(n: u32, clock: &impl Clock) -> Duration {
    let most = FIRST_PAUSE * 2u32.saturating_pow(n.min(6));
    // Never nothing: a service that refused needs a moment.
    most.mul_f64(0.25 + 0.75 * f64::from(clock.random()) / f64::from(u32::MAX))
}
