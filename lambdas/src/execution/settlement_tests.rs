//! Each rule of a settlement as a row, and that it comes whatever the clock and the stream do.

use proptest::prelude::*;
use ralph_protocol::execution::{End, Used};

use super::*;

/// When the task stopped, ms since the epoch.
const STOPPED: u64 = 1_700_000_000_000;

fn ending() -> Ending {
    Ending::new(End { stopped_at: Some(STOPPED), ..End::default() }, STOPPED + 1_000)
}

fn tail(last_seq: u64, ended: bool) -> Tail {
    Tail { last_seq, ended, ..Tail::default() }
}

/// The waits after a stop for a stream that says these things in turn, and the last of them from then
/// on. The first read comes `after` seconds after the stop.
fn waits(after: u64, tails: &[Tail]) -> Vec<u64> {
    let (mut ending, mut now) = (ending(), STOPPED + after * 1000);
    let mut waits = Vec::new();
    for n in 0.. {
        let tail = tails.get(n).or(tails.last()).copied();
        let Some((next, seconds)) = pending(&ending, tail, now) else { break };
        waits.push(seconds);
        ending = next;
        now += seconds * 1000;
    }
    waits
}

#[test]
fn each_way_to_a_settlement() {
    let growing: Vec<Tail> = (1..100).map(|seq| tail(seq, false)).collect();
    for (what, after, tails, expected) in [
        ("the worker said its end", 0, &[tail(9, true)][..], vec![]),
        ("there is nothing to read", 0, &[], vec![]),
        ("its end comes late", 0, &[tail(1, false), tail(9, true)], vec![10]),
        ("nothing changes, from the start", 0, &[tail(1, false)], vec![10, 10, 10]),
        ("nothing is there at all", 0, &[Tail::default()], vec![10, 10, 10]),
        ("nothing changes, looked at late", 60, &[tail(1, false)], vec![20]),
        ("looked at after three minutes", 180, &[tail(1, false)], vec![]),
        (
            "it changes between the two reads",
            0,
            &[tail(1, false), tail(1, false), tail(1, false), tail(2, false)],
            vec![10, 10, 10, 10],
        ),
        ("it changes all the time", 0, &growing, vec![10, 10, 10, 10, 13, 17, 23, 31, 41, 15]),
        ("and was looked at just before the end", 179, &growing, vec![1]),
    ] {
        let waits = waits(after, tails);
        assert_eq!(waits, expected, "{what}");
    }
}

/// What was reserved or how many iterations ended can change without a new number of a line.
#[test]
fn two_reads_are_equal_when_they_say_the_same_of_everything() {
    let used = Used { micro_usd: 1, iterations: 0 };
    let before = Ending { tail: Some(tail(1, false)), waited: 40, ..ending() };
    assert!(pending(&before, Some(tail(1, false)), STOPPED).is_none());
    assert!(pending(&before, Some(Tail { used, ..tail(1, false) }), STOPPED).is_some());
    assert!(pending(&before, Some(tail(2, false)), STOPPED).is_some());
}

#[test]
fn a_stop_in_the_future_or_unknown_counts_from_the_first_look() {
    for stopped_at in [None, Some(u64::MAX)] {
        let ending = Ending::new(End { stopped_at, ..End::default() }, STOPPED);
        assert_eq!(ending.stopped_at, STOPPED);
    }
}

proptest! {
    /// Clocks that differ or go back, streams that say anything: never settled before its time, and
    /// always after eleven reads.
    #[test]
    fn a_settlement_comes_whatever_the_clock_and_the_stream_do(
        reads in prop::collection::vec((0u64..400_000, 0u64..3, prop::bool::weighted(0.1)), 11),
    ) {
        let mut ending = ending();
        let mut before: Option<Tail> = None;
        for (n, (later, seq, ended)) in reads.into_iter().enumerate() {
            let now = STOPPED - 100_000 + later;
            let read = tail(seq, ended);
            let since = (now.saturating_sub(STOPPED) / 1000).max(ending.waited);
            let allowed = ended || since >= 180 || since >= 30 && before == Some(read);
            match pending(&ending, Some(read), now) {
                None => {
                    prop_assert!(allowed);
                    return Ok(());
                }
                Some((next, seconds)) => {
                    prop_assert!(!allowed && (1..=60).contains(&seconds));
                    prop_assert!(seconds >= 10 || since + seconds == 180);
                    prop_assert!(next.waited == since + seconds && next.stopped_at == STOPPED);
                    prop_assert!(n < 10, "it is not settled");
                    (before, ending) = (Some(read), next);
                }
            }
        }
    }
}
