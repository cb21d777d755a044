//! When to ask for something again: growing distances with jitter.

use super::{ASK_AGAIN_MS, LOST_AFTER_MS, PATIENCE_MS};

/// Random numbers (SplitMix64) for jitter: reproducible from the seed, no I/O. Without a seed each is
/// the middle.
#[derive(Debug, Clone)]
pub(super) struct Jitter(pub Option<u64>);

impl Jitter {
    /// The next one.
    pub fn draw(&mut self) -> Drawn {
        let Some(state) = &mut self.0 else { return Drawn(None) };
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Drawn(Some(z ^ (z >> 31)))
    }
}

/// A random number. What is scheduled with the same one, over the same distance, is due together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn(Option<u64>);

impl Drawn {
    /// From 0 to `ms`.
    pub fn up_to(self, ms: u64) -> u64 {
        self.0.map_or(ms / 2, |number| number % (ms + 1))
    }

    /// `ms` ± 50 %.
    fn around(self, ms: u64) -> u64 {
        ms / 2 + self.up_to(ms)
    }
}

/// The schedule of requests for one thing.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// When the thing was first missed.
    pub since: u64,
    /// How often it was asked for.
    pub tries: usize,
    /// When to ask next.
    pub next: u64,
    /// Where an incomplete answer stopped, for [`Range::after`](crate::message::Range::after).
    pub after: Option<u64>,
    /// An answer said that it will not come: one reading from the start must confirm it.
    pub settled: bool,
    /// Its run was read from the start for it.
    pub all: bool,
}

impl Asking {
    /// Begins at `now`; the first request is made when patience is over.
    pub fn begin(now: u64) -> Self {
        Self {
            since: now,
            tries: 0,
            next: now + PATIENCE_MS,
            after: None,
            settled: false,
            all: false,
        }
    }

    /// Begins at `now`, for something that all clients miss at the same moment.
    pub fn begin_apart(now: u64, drawn: Drawn) -> Self {
        Self { next: now + PATIENCE_MS + drawn.up_to(PATIENCE_MS), ..Self::begin(now) }
    }

    /// Whether overtaking no longer explains it.
    pub fn patience_over(&self, now: u64) -> bool {
        now >= self.since.saturating_add(PATIENCE_MS)
    }

    /// Whether CloudWatch Logs would serve it by `now` if it had it.
    pub fn is_old(&self, now: u64) -> bool {
        now >= self.since.saturating_add(LOST_AFTER_MS)
    }

    /// Asks at once: the last answer brought a part, or raised a doubt.
    pub fn at_once(&mut self, now: u64) {
        self.tries = 0;
        self.next = now;
    }

    /// Asks at `now`: from where the last answer stopped, or else from `ts`; from the start of the run
    /// once it can be given up.
    pub fn ask(&mut self, now: u64, ts: u64, drawn: Drawn) -> (u64, Option<u64>) {
        if !self.all && (self.settled || self.is_old(now)) {
            self.all = true;
            // That reading began later.
            self.after = None;
        }
        let distance = ASK_AGAIN_MS[self.tries.min(ASK_AGAIN_MS.len() - 1)];
        self.tries += 1;
        self.next = now + drawn.around(distance);
        (if self.all { 0 } else { ts }, self.after)
    }
}
