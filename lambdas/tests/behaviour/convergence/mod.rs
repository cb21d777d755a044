//! Promise: what was written is what is shown. The real handlers and the real client rules, between
//! a CloudWatch, a gateway and a clock that do their worst for as long as the plan says; afterwards
//! each client has exactly the lines that CloudWatch has, once, in order, and calls lost exactly
//! what CloudWatch never had.
//!
//! `PROPTEST_CASES` says how many simulations run (256 unless it is set).

mod plan;
mod simulation;
mod viewer;

use std::{collections::BTreeSet, rc::Rc};

use proptest::prelude::*;
use ralph_lambdas::ports::PostError;
use tokio::{
    task::LocalSet,
    time::{Duration, sleep},
};

use self::{
    plan::{Before, HEALED_AFTER, Plan, PlannedBatch, PlannedLine, PlannedViewer},
    simulation::Simulation,
    viewer::Seen,
};
use crate::memory::Fate;

fn play(plan: &Plan) -> Vec<Seen> {
    play_and_count(plan).0
}

/// Also says when reads were asked for, ms from the beginning.
fn play_and_count(plan: &Plan) -> (Vec<Seen>, Vec<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let simulation = Rc::new(Simulation::new(plan));
        let back = plan.length() + HEALED_AFTER - BACK;
        simulation.back_at.set(u64::try_from(back.as_millis()).unwrap());
        simulation.begin(plan);
        let viewers: Vec<_> = plan
            .viewers
            .iter()
            .map(|v| tokio::task::spawn_local(viewer::watch(simulation.clone(), v.clone())))
            .collect();
        sleep(plan.length() + HEALED_AFTER).await;
        simulation.over.set(true);
        let mut seen = Vec::new();
        for viewer in viewers {
            seen.push(viewer.await.unwrap());
        }
        (seen, simulation.reads())
    })
}

/// How long before the end viewers that let go of lines go back to the beginning.
const BACK: Duration = Duration::from_secs(20 * 60);

/// What a viewer must have in the end.
fn check(plan: &Plan, seen: &Seen) {
    let mut shown = BTreeSet::new();
    for line in &seen.shown {
        assert!(
            shown.insert((line.run.clone(), line.seq)),
            "shown twice: {} {}",
            line.run,
            line.seq
        );
        assert_eq!(Some(&line.json), plan.text(&line.run, line.seq).as_ref(), "verbatim");
    }
    let above = |key: &(_, _)| seen.floor.as_ref().is_none_or(|floor| key >= floor);
    let held: BTreeSet<_> = plan.held().into_iter().filter(above).collect();
    let never: BTreeSet<_> = plan.known_lost().into_iter().filter(above).collect();
    let missing: Vec<_> = held.difference(&shown).collect();
    assert!(missing.is_empty(), "not shown: {missing:?}");
    assert!(shown.is_subset(&plan.held().into_iter().collect()), "shown, but never written");
    assert_eq!(seen.lost, never, "lost is what CloudWatch never had");
    let raw: BTreeSet<_> = seen.raw.iter().collect();
    assert_eq!(raw.len(), seen.raw.len(), "a raw line shown twice: {:?}", seen.raw);
    assert!(seen.caught_up, "knows that it is caught up");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_viewer_ends_with_exactly_what_was_written(plan in plan::plans()) {
        for seen in play(&plan) {
            check(&plan, &seen);
        }
    }
}

/// How late a line may be without trouble, ms. Nothing takes time there but the deliveries.
const AT_ONCE: u64 = 100;
/// How long a viewer that just came may lack what was delivered meanwhile, ms: followers are
/// remembered for a second, its second ping is 15 s after catching up, and then it asks.
const SETTLED: u64 = 25_000;

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: ProptestConfig::default().cases / 4,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    /// Without trouble nothing needs to be asked for: a viewer that has listened for a while gets
    /// each line with its delivery, and shows lines in their order.
    #[test]
    fn without_trouble_lines_come_at_once_and_in_order(plan in plan::calm_plans()) {
        for seen in play(&plan) {
            check(&plan, &seen);
            let mut last = None;
            for (line, at) in seen.shown.iter().zip(&seen.shown_at) {
                let key = (&line.run, line.seq);
                let delivered = plan.delivered(&line.run, line.seq);
                let heard = |&(from, to): &(u64, u64)| {
                    from + SETTLED < delivered && delivered + AT_ONCE < to
                };
                // A replay may have been faster.
                if seen.listening.iter().any(heard) && *at >= delivered {
                    assert!(*at <= delivered + AT_ONCE, "{key:?} came {} ms late", at - delivered);
                    assert!(last.is_none_or(|last| last < key), "{key:?} comes after {last:?}");
                    last = Some(key);
                }
            }
        }
    }
}

/// A line whose post failed after an hour of silence: only the run's row tells of it.
#[test]
fn what_only_the_server_knows_is_asked_for() {
    let mut plan = Plan::with_a_dropped_delivery();
    let run = &mut plan.runs[0];
    run.ends = false;
    run.batches = vec![PlannedBatch { size: 3, deliveries: vec![10] }];
    run.lines[8].gap = 3_600_000;
    let written = run.written(9);
    plan.gateway_down = Some((written, 1_000, PostError::Refused("403".into())));
    for seen in play(&plan) {
        check(&plan, &seen);
    }
}

/// Found by the property: a client whose first request after a cut is never answered must make it
/// again, or it stays connected and hears nothing.
#[test]
fn a_reconnect_that_is_never_answered_is_asked_again() {
    let mut plan = Plan::with_a_dropped_delivery();
    let run = &mut plan.runs[0];
    run.begins = 3_254;
    run.lines.truncate(1);
    run.batches.truncate(1);
    run.batches[0].deliveries = vec![0];
    plan.viewers[0].connections = vec![(1, 3_253)];
    // runs, runs, caughtUp; then the first answer on the second connection.
    plan.posts = vec![Fate::Deliver, Fate::Deliver, Fate::Deliver, Fate::Hang];
    for seen in play(&plan) {
        check(&plan, &seen);
    }
}

/// The property can fail: without the rules, a dropped delivery stays a hole.
#[test]
fn without_asking_again_lines_are_missing() {
    let plan = Plan::with_a_dropped_delivery();
    for seen in play(&plan) {
        check(&plan, &seen);
    }
    let mut deaf = plan.clone();
    deaf.viewers.iter_mut().for_each(|viewer| viewer.asks_again = false);
    let seen = play(&deaf);
    let shown: BTreeSet<_> = seen[0].shown.iter().map(|line| line.seq).collect();
    assert!(shown.len() < plan.held().len(), "{shown:?}");
}

/// What an account has: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>
const READS_A_SECOND: u32 = 25;

/// A deployment of the page, or API Gateway's two-hour cut: a hundred viewers come back at once.
#[test]
fn a_hundred_viewers_that_come_back_at_once_share_the_accounts_reads() {
    const AWAY: u64 = 500;
    let mut plan = Plan::with_a_dropped_delivery();
    let run = &mut plan.runs[0];
    run.lines = vec![PlannedLine { gap: 100, ..run.lines[0].clone() }; 400];
    run.batches = vec![PlannedBatch { size: 10, deliveries: vec![50] }];
    plan.reads_a_second = Some(READS_A_SECOND);
    let viewer = PlannedViewer { connections: vec![(20_000, AWAY)], ..plan.viewers[0].clone() };
    plan.viewers = (0..100).map(|seed| PlannedViewer { seed, ..viewer.clone() }).collect();
    let mut times = Vec::new();
    for seen in play(&plan) {
        check(&plan, &seen);
        times.push(seen.listening[1].0 - 20_000 - AWAY);
    }
    times.sort_unstable();
    let [half, all] = [times[49], times[99]];
    println!(
        "100 viewers at {READS_A_SECOND} reads a second: half after {half} ms, all after {all} ms"
    );
    // Two reads each, the second one to hear that there is no more, are eight seconds at least.
    assert!(all <= 30_000, "the last one waited for {all} ms");
}

/// A run ends, and a hundred viewers hear of it in the same millisecond. Nobody reads who holds all of
/// its lines; when a raw line did not reach them, they read one after the other.
#[test]
fn a_hundred_viewers_at_a_runs_end_read_only_what_they_lack_and_not_at_once() {
    let mut plan = Plan::with_a_dropped_delivery();
    let run = &mut plan.runs[0];
    run.lines = vec![PlannedLine { gap: 100, ..run.lines[0].clone() }; 60];
    // The raw line before line 11 has a delivery of its own.
    run.lines[10].before = Before::Raw;
    run.batches = [10, 1, 50].map(|size| PlannedBatch { size, deliveries: vec![50] }).to_vec();
    let (raw, end) = (run.written(11) + 50, run.written(60));
    plan.reads_a_second = Some(READS_A_SECOND);
    let viewer = plan.viewers[0].clone();
    plan.viewers = (0..100).map(|seed| PlannedViewer { seed, ..viewer.clone() }).collect();
    for (is_lost, most) in [(false, 0), (true, 300)] {
        if is_lost {
            plan.gateway_down = Some((raw - 10, 20, PostError::Refused("403".into())));
        }
        let (seen, reads) = play_and_count(&plan);
        for seen in seen {
            check(&plan, &seen);
            assert_eq!(seen.raw.len(), 1);
        }
        let reads: Vec<_> = reads.into_iter().filter(|at| *at >= end).collect();
        assert!(reads.len() <= most, "{} reads", reads.len());
        let last = reads.last().map_or(0, |last| last - end);
        println!("{} reads in {last} ms", reads.len());
        assert!(last <= 20_000, "the last one after {last} ms");
    }
}
