//! When to ping, and what the answer says.

use super::{PING_AFTER_MS, PING_AFTER_TASK_MS, PING_EVERY_MS};

/// When to ping: soon after catching up, which shows holes at the end, then every minute. The server
/// answers with `runs` for each workstream that the connection follows, then `pong`.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// When the next one is due; none before the first catching up, or without a connection.
    next: Option<u64>,
    caught_up_at: u64,
    sent: usize,
    /// Whether `runs` came since a ping that has no answer yet.
    heard: Option<bool>,
    /// When the subscription was last found to be forgotten.
    believed: Option<u64>,
}

impl Pings {
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    pub fn caught_up(&mut self, now: u64) {
        self.caught_up_at = now;
        self.sent = 0;
        self.next = Some(now + PING_AFTER_MS[0]);
    }

    /// A task changed its state: the answer to a ping says where its run stands now.
    pub fn task_changed(&mut self, now: u64) {
        self.next = self.next.map(|due| due.min(now + PING_AFTER_TASK_MS));
    }

    pub fn disconnected(&mut self) {
        self.next = None;
        self.heard = None;
    }

    /// Whether to send one now; it then counts as sent.
    pub fn take(&mut self, now: u64, subscribed: bool) -> bool {
        if self.next.is_none_or(|due| now < due) {
            return false;
        }
        self.sent += 1;
        let at = PING_AFTER_MS.get(self.sent).map(|after| self.caught_up_at + after);
        self.next = Some(at.filter(|&at| at > now).unwrap_or(now + PING_EVERY_MS));
        // A connection that is not known to follow yet says nothing by keeping silent.
        self.heard = subscribed.then_some(false);
        true
    }

    /// `runs` of the workstream came.
    pub fn heard(&mut self) {
        self.heard = self.heard.map(|_| true);
    }

    /// `pong` came: whether no `runs` preceded it, which is believed once a minute. (A server that cannot
    /// list the workstream would be asked for it without end.)
    pub fn forgotten(&mut self, now: u64) -> bool {
        let forgotten = self.heard.take() == Some(false);
        if !forgotten || self.believed.is_some_and(|at| now < at + PING_EVERY_MS) {
            return false;
        }
        self.believed = Some(now);
        true
    }
}
