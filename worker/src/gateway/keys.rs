//! Which key to use: in the order of the secret, without those that are refused, and without
//! those that are limited until their limit is over.

use std::collections::BTreeSet;

use ralph_protocol::secret::{AnthropicKeys, Value};

/// The keys and what the service said about each.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: String,
    value: Value,
    state: KeyState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    Good,
    /// Until then, ms since the epoch.
    Limited(u64),
    Refused,
}

impl KeyRing {
    /// All keys, none of them tried.
    #[must_use]
    pub fn new(keys: AnthropicKeys) -> Self {
        let keys = keys.keys.into_iter();
        Self {
            keys: keys
                .map(|key| Key { id: key.id, value: key.value, state: KeyState::Good })
                .collect(),
        }
    }

    /// The first key that may be used now and was not `asked` yet: its number, id and value.
    #[must_use]
    pub fn usable(&self, now: u64, asked: &BTreeSet<usize>) -> Option<(usize, &str, &Value)> {
        self.keys.iter().enumerate().find_map(|(number, key)| {
            let usable = match key.state {
                KeyState::Good => true,
                KeyState::Limited(until) => until <= now,
                KeyState::Refused => false,
            };
            (usable && !asked.contains(&number)).then_some((number, key.id.as_str(), &key.value))
        })
    }

    /// The key is limited until then. A limit that several answers report ends with the latest.
    pub fn limit(&mut self, number: usize, until: u64) {
        if let Some(key) = self.keys.get_mut(number) {
            key.state = match key.state {
                KeyState::Refused => KeyState::Refused,
                KeyState::Limited(before) => KeyState::Limited(before.max(until)),
                KeyState::Good => KeyState::Limited(until),
            };
        }
    }

    /// The key is refused, for good.
    pub fn refuse(&mut self, number: usize) {
        if let Some(key) = self.keys.get_mut(number) {
            key.state = KeyState::Refused;
        }
    }

    /// The key worked.
    pub fn accept(&mut self, number: usize) {
        if let Some(key) = self.keys.get_mut(number)
            && matches!(key.state, KeyState::Limited(_))
        {
            key.state = KeyState::Good;
        }
    }

    /// Every key is refused.
    #[must_use]
    pub fn none_left(&self) -> bool {
        self.keys.iter().all(|key| key.state == KeyState::Refused)
    }

    /// When the first limit is over, if every key that is not refused is limited now.
    #[must_use]
    pub fn limited_until(&self, now: u64) -> Option<u64> {
        let mut earliest: Option<u64> = None;
        for key in &self.keys {
            match key.state {
                KeyState::Refused => {}
                KeyState::Limited(until) if until > now => {
                    earliest = Some(earliest.map_or(until, |other| other.min(until)));
                }
                KeyState::Good | KeyState::Limited(_) => return None,
            }
        }
        earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        let text = r#"{"keys":[{"id":"a","value":"1"},{"id":"b","value":"2"}]}"#;
        KeyRing::new(AnthropicKeys::parse(text).unwrap())
    }

    fn usable(ring: &KeyRing, now: u64) -> Option<String> {
        ring.usable(now, &BTreeSet::new()).map(|(_, id, _)| id.to_owned())
    }

    #[test]
    fn keys_are_tried_in_order_and_come_back_after_their_limit() {
        let mut ring = ring();
        assert_eq!(usable(&ring, 0).as_deref(), Some("a"));
        ring.limit(0, 100);
        assert_eq!(usable(&ring, 50).as_deref(), Some("b"));
        assert_eq!(ring.limited_until(50), None);
        ring.limit(1, 80);
        ring.limit(1, 70);
        assert_eq!(usable(&ring, 50), None);
        assert_eq!(ring.limited_until(50), Some(80));
        assert_eq!(usable(&ring, 80).as_deref(), Some("b"));
        assert_eq!(usable(&ring, 100).as_deref(), Some("a"));
    }

    #[test]
    fn a_refused_key_stays_refused() {
        let mut ring = ring();
        ring.refuse(0);
        ring.limit(0, 10);
        ring.accept(0);
        assert_eq!(usable(&ring, 1000).as_deref(), Some("b"));
        assert!(!ring.none_left());
        ring.limit(1, 10);
        assert_eq!(ring.limited_until(5), Some(10));
        ring.refuse(1);
        assert!(ring.none_left());
        assert_eq!((ring.limited_until(5), usable(&ring, 1000)), (None, None));
    }
}
