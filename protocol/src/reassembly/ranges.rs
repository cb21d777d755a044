//! A set of numbers as disjoint ranges.

use std::collections::BTreeMap;

/// A set of `u64`, kept as disjoint, non-adjacent inclusive ranges. Small as long as the numbers
/// are mostly contiguous, however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// First number of a range to its last.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// Whether a number is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &last)| last >= number)
    }

    /// Adds a number; `false` when it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        self.insert_range(number, number);
        true
    }

    /// Adds `first..=last`.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Swallow every range that overlaps or touches the new one.
        let from = self
            .ranges
            .range(..first)
            .next_back()
            .filter(|&(_, &end)| end >= first.saturating_sub(1))
            .map_or(first, |(&start, _)| start);
        let touching: Vec<u64> =
            self.ranges.range(from..=last.saturating_add(1)).map(|(&start, _)| start).collect();
        for start in touching {
            let end = self.ranges.remove(&start).unwrap_or(start);
            first = first.min(start);
            last = last.max(end);
        }
        self.ranges.insert(first, last);
    }

    /// Takes `first..=last` out.
    pub fn remove_range(&mut self, first: u64, last: u64) {
        let overlapping: Vec<(u64, u64)> = self
            .ranges
            .range(..=last)
            .filter(|&(_, &end)| end >= first)
            .map(|(&start, &end)| (start, end))
            .collect();
        for (start, end) in overlapping {
            self.ranges.remove(&start);
            if start < first {
                self.ranges.insert(start, first - 1);
            }
            if end > last {
                self.ranges.insert(last + 1, end);
            }
        }
    }

    /// The numbers of `first..=last` that are not in the set, as inclusive ranges in order.
    #[must_use]
    pub fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut next = first;
        let start =
            self.ranges.range(..=first).next_back().map_or(first, |(&start, _)| start.min(first));
        for (&from, &to) in self.ranges.range(start..=last.max(start)) {
            if to < next {
                continue;
            }
            if from > last {
                break;
            }
            if from > next {
                holes.push((next, from - 1));
            }
            next = to.saturating_add(1);
        }
        if next <= last {
            holes.push((next, last));
        }
        holes
    }

    /// The highest number.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.ranges.last_key_value().map(|(_, &last)| last)
    }

    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(&first, &last)| (first, last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(steps in proptest::collection::vec((any::<bool>(), 1u64..60, 0u64..8), 0..60)) {
            let mut ours = RangeSet::default();
            let mut model = BTreeSet::new();
            for (add, first, more) in steps {
                if add {
                    ours.insert_range(first, first + more);
                    model.extend(first..=first + more);
                } else {
                    ours.remove_range(first, first + more);
                    model.retain(|n| !(first..=first + more).contains(n));
                }
            }
            for n in 0..80 {
                prop_assert_eq!(ours.contains(n), model.contains(&n), "{}", n);
            }
            prop_assert_eq!(ours.len(), model.len() as u64);
            prop_assert_eq!(ours.max(), model.last().copied());
            let holes: Vec<u64> = ours.missing(5, 50).into_iter().flat_map(|(a, b)| a..=b).collect();
            let expected: Vec<u64> = (5..=50).filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(holes, expected);
            // Ranges never touch: each set has one form.
            let ranges: Vec<_> = ours.iter().collect();
            prop_assert!(ranges.windows(2).all(|w| w[0].1 + 1 < w[1].0));
        }
    }
}
