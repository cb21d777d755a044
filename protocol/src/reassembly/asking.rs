//! When to ask for something again: growing distances with jitter.

use super::{ASK_AGAIN_MS, PATIENCE_MS};

/// A small generator (SplitMix64) for jitter: reproducible from its seed, no I/O.
#[derive(Debug, Clone)]
pub(super) struct Jitter(pub u64);

impl Jitter {
    /// `ms` ± 50 %.
    pub fn around(&mut self, ms: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ms / 2 + (z ^ (z >> 31)) % (ms + 1)
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
}

impl Asking {
    /// Begins at `now`; the first request is made when patience is over.
    pub fn begin(now: u64) -> Self {
        Self { since: now, tries: 0, next: now + PATIENCE_MS }
    }

    /// Whether overtaking no longer explains it.
    pub fn patience_over(&self, now: u64) -> bool {
        now >= self.since + PATIENCE_MS
    }

    /// A replay brought a part: the rest is asked for at once.
    pub fn progressed(&mut self, now: u64) {
        self.tries = 0;
        self.next = now;
    }

    /// Notes that it was asked for at `now`.
    pub fn asked(&mut self, now: u64, jitter: &mut Jitter) {
        let distance = ASK_AGAIN_MS[self.tries.min(ASK_AGAIN_MS.len() - 1)];
        self.tries += 1;
        self.next = now + jitter.around(distance);
    }
}
