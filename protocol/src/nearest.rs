//! The nearest name, for "did you mean".

/// The candidate that is fewest edits away, if that is at most half of its length.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |other| (strsim::levenshtein(name, other), other);
    let (edits, best) = candidates.into_iter().map(edits).min()?;
    (edits * 2 <= best.chars().count()).then_some(best)
}
