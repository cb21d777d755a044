//! Takes secrets out of text before anyone sees it.
//!
//! Known values are found in every form of [`forms`], also when colour codes or line breaks stand
//! between their characters; well-known shapes of keys are found by [`patterns`].

mod forms;
mod patterns;
mod view;

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// Finds secrets in text.
#[derive(Clone)]
pub struct Redactor {
    known: Option<AhoCorasick>,
    shapes: Regex,
    credentials: Regex,
}

impl Redactor {
    /// A redactor for these values. Values shorter than four bytes are not looked for: they would
    /// match everywhere and protect nothing.
    pub fn new<T: AsRef<str>>(secrets: impl IntoIterator<Item = T>) -> Self {
        let forms: Vec<Vec<u8>> =
            secrets.into_iter().flat_map(|secret| forms::of(secret.as_ref())).collect();
        let known = (!forms.is_empty())
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms))
            // Too many or too long patterns for an automaton: 2^31 states, which secrets of at
            // most 64 KB cannot reach.
            .and_then(Result::ok);
        Self { known, shapes: patterns::well_known(), credentials: patterns::credentials() }
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
        let known = self.known.as_ref().is_some_and(|known| {
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
        if let Some(known) = &self.known {
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
