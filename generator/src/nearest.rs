//! The nearest name, for "did you mean".

/// The candidate that is fewest edits away, if that is at most half of its length.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let best = candidates.into_iter().map(|other| (distance(name, other), other)).min()?;
    (best.0 * 2 <= best.1.chars().count()).then_some(best.1)
}

/// Edits between two names: insertions, removals, replacements.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let names = ["region", "worker", "network"];
        assert_eq!(nearest("regoin", names), Some("region"));
        assert_eq!(nearest("netwrk", names), Some("network"));
        assert_eq!(nearest("xyz", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
