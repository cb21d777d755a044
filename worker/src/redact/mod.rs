//! Takes secrets out of text before anyone sees it.
//!
//! Known values are found in every form of [`forms`], also when colour codes or line breaks stand
//! between their characters; well-known shapes of keys are found by [`patterns`].

mod forms;
mod patterns;
mod view;

use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// How many of the values that were learned later are looked for, the last ones. They are tokens that
/// are good for an hour, and one is asked for every 50 minutes.
const LEARNED: usize = 4;

/// Finds secrets in text. Clones share what they learn.
#[derive(Clone)]
pub struct Redactor {
    /// The forms of the values that were known at the start.
    first: Arc<Vec<Vec<u8>>>,
    known: Arc<RwLock<Known>>,
    shapes: Regex,
    credentials: Regex,
}

/// What is looked for now.
#[derive(Default)]
struct Known {
    /// What was learned later, the last value at the end.
    later: Vec<String>,
    /// Every form of every value. A clone of it costs a counter.
    forms: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for these values. Values shorter than four bytes are not looked for: they would
    /// match everywhere and protect nothing.
    pub fn new<T: AsRef<str>>(secrets: impl IntoIterator<Item = T>) -> Self {
        Self::of(secrets.into_iter().flat_map(|secret| forms::of(secret.as_ref())).collect())
    }

    /// Looks for these texts too, but only as they are: each form of the many lines of a private key
    /// would make every search 50 times slower.
    #[must_use]
    pub fn and_verbatim(self, texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().map(String::into_bytes);
        Self::of(self.first.iter().cloned().chain(texts).collect())
    }

    fn of(first: Vec<Vec<u8>>) -> Self {
        let known = Known { later: Vec::new(), forms: automaton(first.iter()) };
        Self {
            first: Arc::new(first),
            known: Arc::new(RwLock::new(known)),
            shapes: patterns::well_known(),
            credentials: patterns::credentials(),
        }
    }

    /// Looks for this value too from now on, in every clone. Of such values only the last
    /// [`LEARNED`] are looked for.
    pub fn learn(&self, secret: &str) {
        let mut later = self.known.read().unwrap_or_else(PoisonError::into_inner).later.clone();
        if later.iter().any(|known| known == secret) {
            return;
        }
        later.push(secret.to_owned());
        later.drain(..later.len().saturating_sub(LEARNED));
        let forms: Vec<Vec<u8>> = later.iter().flat_map(|secret| forms::of(secret)).collect();
        // Made before the lock is taken: it takes milliseconds, and every event waits for the lock.
        let forms = automaton(self.first.iter().chain(&forms));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { later, forms };
    }

    fn known(&self) -> Option<AhoCorasick> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).forms.clone()
    }

    /// Replaces every secret by [`MARK`].
    pub fn redact(&self, text: &mut String) {
        let found = self.find(text);
        // From the end, so that earlier positions stay true.
        for range in found.into_iter().rev() {
            text.replace_range(range, MARK);
        }
    }

    /// Whether the text holds a known value, or a well-known provider's key. Keys and tokens that
    /// are ordinary in tests (PEM, JWT) do not count.
    #[must_use]
    pub fn finds_credential(&self, text: &str) -> bool {
        let known = self.known().is_some_and(|known| {
            // Encoded values are wrapped in lines.
            known.is_match(text)
                || (view::has_breaks(text)
                    && known.is_match(view::View::without_escapes_and_breaks(text).text()))
        });
        known || self.credentials.is_match(text)
    }

    /// Where the secrets are: sorted, apart from each other, on character boundaries.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let escapes = view::has_escapes(text);
        if let Some(known) = self.known() {
            if escapes || !view::has_breaks(text) {
                found.extend(known.find_iter(text).map(|m| m.range()));
            }
            if escapes || view::has_breaks(text) {
                let plain = view::View::without_escapes_and_breaks(text);
                found.extend(known.find_iter(plain.text()).map(|m| plain.original(m.range())));
            }
        }
        found.extend(self.shapes.find_iter(text).map(|m| m.range()));
        if escapes {
            let plain = view::View::without_escapes(text);
            found.extend(self.shapes.find_iter(plain.text()).map(|m| plain.original(m.range())));
        }
        merge(found)
    }
}

/// What finds these.
fn automaton<'a>(forms: impl Iterator<Item = &'a Vec<u8>>) -> Option<AhoCorasick> {
    let mut forms = forms.peekable();
    // Without any, the automaton would still be asked about each text.
    forms.peek()?;
    // It fails for too many or too long patterns: 2^31 states, which secrets of at most 64 KB cannot
    // reach.
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms).ok()
}

fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
