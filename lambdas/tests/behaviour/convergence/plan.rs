//! What happens in a simulation: which lines are written, how CloudWatch delivers and serves them, what
//! the gateway does, when viewers come and go.

use proptest::prelude::*;
use ralph_lambdas::ports::PostError;
use ralph_protocol::{event::timestamp_text, ids::Run};
use serde_json::json;
use tokio::time::Duration;

use crate::{
    memory::{Fate, START},
    workers::{NEXT_RUN, RUN},
};

/// How long after the last trouble everything must be right: the longest silence that is asked
/// about, and the time until a line may be called lost, with room for asking again.
pub const HEALED_AFTER: Duration = Duration::from_secs(50 * 60);

/// What happens in a simulation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One or two runs, one after the other.
    pub runs: Vec<PlannedRun>,
    /// What becomes of posts, one after the other; then all arrive.
    pub posts: Vec<Fate>,
    /// Which reads are throttled; then none is.
    pub reads_throttled: Vec<bool>,
    /// How many reads a second the account has; `None`: any.
    pub reads_a_second: Option<u32>,
    /// From when the table is down, ms from the beginning, and for how long.
    pub table_down: Option<(u64, u64)>,
    /// The same for the gateway, and what it says.
    pub gateway_down: Option<(u64, u64, PostError)>,
    /// From when each read takes so long that one is all there is time for, and for how long.
    pub reads_slow: Option<(u64, u64)>,
    /// The viewers.
    pub viewers: Vec<PlannedViewer>,
}

/// A run, and what CloudWatch does with its lines.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    pub run: Run,
    pub stream: String,
    /// Whether it ends before the simulation does.
    pub ends: bool,
    /// How far CloudWatch's times are ahead of the worker's, ms.
    pub clock_ahead: i64,
    /// From which line on the worker's clock is off, and by how much, ms.
    pub clock_step: (u64, i64),
    /// When the first line is written, ms from the beginning.
    pub begins: u64,
    /// `seq` 1, 2, …
    pub lines: Vec<PlannedLine>,
    /// How many lines each delivery carries, in turn.
    pub batches: Vec<PlannedBatch>,
    /// Extra deliveries, cut differently from the others: first line's index, number of
    /// lines, and when, ms after the last of them.
    pub recut: Vec<(usize, usize, u64)>,
    /// How late what task-events records of the task's start and of its end is, ms.
    pub recorded_after: [u64; 2],
}

#[derive(Debug, Clone)]
pub struct PlannedLine {
    /// Ms after the line before.
    pub gap: u64,
    /// CloudWatch never has it.
    pub never: bool,
    /// Ms until a replay serves it.
    pub lag: u64,
    /// What else stands in the stream before it.
    pub before: Before,
}

/// A line that is not an event of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// A raw line.
    Raw,
    /// An event that names another workstream.
    Foreign,
}

#[derive(Debug, Clone)]
pub struct PlannedBatch {
    pub size: usize,
    /// When it is delivered, ms after its last line: each time once; nowhere: dropped.
    pub deliveries: Vec<u64>,
}

#[derive(Debug, Clone)]
pub struct PlannedViewer {
    /// Ms from the beginning.
    pub comes: u64,
    /// Lines of the first page.
    pub limit: u32,
    /// How long each connection lasts, ms, and how long the viewer then stays away; the last one
    /// stays.
    pub connections: Vec<(u64, u64)>,
    /// Whether API Gateway tells of its disconnects.
    pub disconnects_arrive: bool,
    /// How long each frame takes on its link, ms, and until when, ms from the beginning.
    pub slow_link: (u64, u64),
    /// When the page lets go of lines, ms from the beginning, and how many it keeps. Between them, and
    /// in the end, it asks for older ones.
    pub evictions: Vec<(u64, usize)>,
    /// Off: the viewer only listens, to see that this property can fail.
    pub asks_again: bool,
    pub seed: u64,
}

impl PlannedRun {
    /// When a line is written, ms from the beginning.
    pub fn written(&self, seq: u64) -> u64 {
        let lines = self.lines.iter().take(usize::try_from(seq).unwrap());
        self.begins + lines.map(|line| line.gap).sum::<u64>()
    }

    /// CloudWatch's time of a line.
    pub fn stamp(&self, seq: u64) -> u64 {
        (START + self.written(seq)).checked_add_signed(self.clock_ahead).unwrap()
    }

    /// What the stream holds for a line: it, and what stands before it.
    pub fn entries(&self, seq: u64) -> Vec<String> {
        let text = self.text(seq);
        let before = match self.lines[usize::try_from(seq).unwrap() - 1].before {
            Before::Nothing => return vec![text],
            Before::Raw => format!("raw before {seq} of {}", self.run),
            Before::Foreign => text.replacen(r#""workstream":"w""#, r#""workstream":"x""#, 1),
        };
        vec![before, text]
    }

    /// The highest number that CloudWatch has; 0 when it has none.
    fn last_held(&self) -> u64 {
        let held = (1..).zip(&self.lines).filter(|(_, line)| !line.never);
        held.map(|(seq, _)| seq).last().unwrap_or(0)
    }

    /// A line, as the run's worker writes it.
    pub fn text(&self, seq: u64) -> String {
        let (from, by) = self.clock_step;
        let off = if seq >= from { by } else { 0 };
        let ts = (START + self.written(seq)).checked_add_signed(off).unwrap();
        let mut event = json!({
            "v": 1, "ts": timestamp_text(ts), "workstream": "w",
            "run": self.run, "seq": seq, "iter": 0, "level": "info", "type": "log",
            "text": "x".repeat(usize::try_from(seq * 997 % 4_000).unwrap()),
        });
        if self.ends && seq == self.lines.len() as u64 {
            event["type"] = "run.end".into();
            event["reason"] = "complete".into();
            event["exit"] = 0.into();
        }
        event.to_string()
    }
}

impl Plan {
    /// When the last planned trouble is over.
    pub fn length(&self) -> Duration {
        let lines = self.runs.iter().map(|run| {
            let written: u64 = run.lines.iter().map(|line| line.gap + line.lag).sum();
            let delivered = run.batches.iter().flat_map(|batch| &batch.deliveries).copied();
            let recut = run.recut.iter().map(|(_, _, after)| *after);
            let late = delivered.chain(recut).chain(run.recorded_after).max();
            run.begins + written + late.unwrap_or(0)
        });
        let viewers = self.viewers.iter().map(|viewer| {
            let connected = viewer.connections.iter().map(|(on, off)| on + off).sum::<u64>();
            let evicted = viewer.evictions.iter().map(|(at, _)| *at).max().unwrap_or(0);
            (viewer.comes + connected).max(viewer.slow_link.1).max(evicted)
        });
        let gateway = self.gateway_down.as_ref().map(|(at, length, _)| (*at, *length));
        let down = [self.table_down, gateway, self.reads_slow].into_iter().flatten();
        let down = down.map(|(at, length)| at + length);
        Duration::from_millis(lines.chain(viewers).chain(down).max().unwrap_or(0))
    }

    fn keys(&self, wanted: impl Fn(&PlannedRun, u64, &PlannedLine) -> bool) -> Vec<(Run, u64)> {
        let keys = self.runs.iter().flat_map(|run| {
            let numbered = (1..).zip(&run.lines).filter(|(seq, line)| wanted(run, *seq, line));
            numbered.map(|(seq, _)| (run.run.clone(), seq)).collect::<Vec<_>>()
        });
        keys.collect()
    }

    /// What CloudWatch has in the end.
    pub fn held(&self) -> Vec<(Run, u64)> {
        self.keys(|_, _, line| !line.never)
    }

    /// What was written and never reached CloudWatch, except for a last line that only the worker ever
    /// had: nobody can know of that.
    pub fn known_lost(&self) -> Vec<(Run, u64)> {
        self.keys(|run, seq, line| line.never && seq < run.last_held())
    }

    /// A line as it was written; `None` when there is no such line.
    pub fn text(&self, run: &Run, seq: u64) -> Option<String> {
        let planned = self.runs.iter().find(|planned| planned.run == *run)?;
        (1..=planned.lines.len() as u64).contains(&seq).then(|| planned.text(seq))
    }

    /// When the delivery with a line first comes, when none is dropped.
    pub fn delivered(&self, run: &Run, seq: u64) -> u64 {
        let run = self.runs.iter().find(|planned| planned.run == *run).unwrap();
        let held: Vec<_> = (1..=run.lines.len() as u64)
            .flat_map(|seq| run.entries(seq).into_iter().map(move |_| seq))
            .collect();
        let mut rest = held.as_slice();
        for batch in run.batches.iter().cycle() {
            let (these, after) = rest.split_at(batch.size.min(rest.len()));
            if these.contains(&seq) && (!after.contains(&seq)) {
                return run.written(*these.last().unwrap()) + batch.deliveries[0];
            }
            rest = after;
        }
        unreachable!("every line is in a batch")
    }

    /// No trouble but for one delivery that never comes.
    pub fn with_a_dropped_delivery() -> Self {
        let line = PlannedLine { gap: 10, never: false, lag: 0, before: Before::Nothing };
        let batch = |deliveries| PlannedBatch { size: 3, deliveries };
        let run = PlannedRun {
            run: RUN.parse().unwrap(),
            stream: "s".into(),
            ends: true,
            clock_ahead: 0,
            clock_step: (1, 0),
            begins: 5_000,
            lines: vec![line; 9],
            batches: vec![batch(vec![10]), batch(vec![]), batch(vec![10])],
            recut: Vec::new(),
            recorded_after: [0, 0],
        };
        let viewer = PlannedViewer {
            comes: 0,
            limit: 1_000,
            connections: Vec::new(),
            disconnects_arrive: true,
            asks_again: true,
            slow_link: (0, 0),
            evictions: Vec::new(),
            seed: 1,
        };
        Self {
            runs: vec![run],
            posts: Vec::new(),
            reads_throttled: Vec::new(),
            reads_a_second: None,
            table_down: None,
            gateway_down: None,
            reads_slow: None,
            viewers: vec![viewer],
        }
    }
}

fn lines() -> impl Strategy<Value = Vec<PlannedLine>> {
    // Now and then a run is silent for longer than it takes to give a line up.
    let gap = prop_oneof![40 => 0u64..3_000, 1 => 300_000u64..900_000];
    let before =
        prop_oneof![8 => Just(Before::Nothing), 1 => Just(Before::Raw), 1 => Just(Before::Foreign)];
    let line = (gap, prop::bool::weighted(0.08), prop_oneof![Just(0), 0u64..30_000], before)
        .prop_map(|(gap, never, lag, before)| PlannedLine { gap, never, lag, before });
    prop::collection::vec(line, 1..30)
}

fn batches() -> impl Strategy<Value = Vec<PlannedBatch>> {
    let deliveries = prop_oneof![
        4 => (0u64..200).prop_map(|at| vec![at]),
        2 => (0u64..20_000).prop_map(|at| vec![at]),
        2 => prop::collection::vec(0u64..20_000, 2..4),
        1 => Just(Vec::new()),
    ];
    let batch =
        (1usize..8, deliveries).prop_map(|(size, deliveries)| PlannedBatch { size, deliveries });
    prop_oneof![
        9 => prop::collection::vec(batch, 1..12),
        // Not one delivery of the run arrives.
        1 => Just(vec![PlannedBatch { size: 5, deliveries: Vec::new() }]),
    ]
}

fn runs() -> impl Strategy<Value = Vec<PlannedRun>> {
    let recut = prop::collection::vec((0usize..30, 1usize..20, 0u64..40_000), 0..3);
    let recorded_after = prop::array::uniform2(prop_oneof![0u64..2_000, 0u64..60_000]);
    let clock_ahead = prop_oneof![Just(0), -30_000i64..30_000, -900_000i64..900_000];
    let by = prop_oneof![Just(-90_000), Just(86_400_000), -4_000_000i64..4_000_000];
    let clock_step = prop_oneof![2 => Just((1, 0)), 1 => (1u64..30, by)];
    let clocks = (clock_ahead, clock_step);
    let run = (lines(), batches(), 0u64..60_000, recut, recorded_after, clocks);
    let all = (prop::collection::vec(run, 1..3), prop::bool::weighted(0.8));
    all.prop_map(|(all, last_ends)| {
        let mut begins = 0;
        let count = all.len();
        let named = all.into_iter().zip([(RUN, "worker/worker/1"), (NEXT_RUN, "worker/worker/2")]);
        let planned = named.enumerate().map(|(i, (planned, (run, stream)))| {
            let (mut lines, batches, pause, recut, recorded_after, clocks) = planned;
            let (clock_ahead, clock_step) = clocks;
            let ends = last_ends || i + 1 < count;
            if !ends {
                // After a quarter of an hour nobody asks a silent run any more.
                lines.iter_mut().for_each(|line| line.gap %= 3_000);
            }
            begins += pause;
            let this = begins;
            begins += lines.iter().map(|line| line.gap).sum::<u64>();
            PlannedRun {
                run: run.parse().unwrap(),
                stream: stream.into(),
                ends,
                clock_ahead,
                clock_step,
                begins: this,
                lines,
                batches,
                recut,
                recorded_after,
            }
        });
        planned.collect()
    })
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => (0u64..300).prop_map(|ms| Fate::DeliverAfter(Duration::from_millis(ms))),
        1 => Just(Fate::Hang),
        1 => Just(Fate::DeliverAndHang),
        1 => Just(Fate::DeliverAndFail(PostError::Failed("500".into()))),
        1 => Just(Fate::Fail(PostError::Throttled)),
        1 => Just(Fate::Fail(PostError::Refused("413".into()))),
        1 => Just(Fate::Fail(PostError::Failed("500".into()))),
        1 => Just(Fate::Fail(PostError::Gone)),
        1 => Just(Fate::End),
    ];
    prop::collection::vec(fate, 0..60)
}

fn viewers() -> impl Strategy<Value = Vec<PlannedViewer>> {
    let connection = (
        prop_oneof![0u64..5_000, 0u64..90_000, Just(7_200_000)],
        prop_oneof![6 => 0u64..2_000, 6 => 0u64..120_000, 1 => Just(10_800_000)],
    );
    let viewer = (
        0u64..100_000,
        prop_oneof![Just(1_000u32), 1u32..12],
        prop::collection::vec(connection, 0..4),
        any::<bool>(),
        // Some links make an answer take longer than the time after which it is asked for again.
        prop_oneof![3 => Just((0, 0)), 1 => (0u64..25_000, 0u64..600_000)],
        prop_oneof![
            1 => Just(Vec::new()),
            1 => prop::collection::vec((0u64..200_000, 0usize..20), 1..6)
        ],
        any::<u64>(),
    )
        .prop_map(
            |(comes, limit, connections, disconnects_arrive, slow_link, mut evictions, seed)| {
                evictions.sort_unstable();
                PlannedViewer {
                    comes,
                    limit,
                    connections,
                    disconnects_arrive,
                    slow_link,
                    evictions,
                    asks_again: true,
                    seed,
                }
            },
        );
    prop::collection::vec(viewer, 1..3)
}

/// Plans.
pub fn plans() -> impl Strategy<Value = Plan> {
    let down = prop::option::weighted(0.2, (0u64..100_000, 0u64..30_000));
    let error = prop_oneof![
        Just(PostError::Failed("503".into())),
        Just(PostError::Throttled),
        Just(PostError::Refused("403".into())),
    ];
    let gateway_down = prop::option::weighted(0.2, (0u64..100_000, 0u64..30_000, error));
    let reads_slow = prop::option::weighted(0.2, (0u64..100_000, 0u64..900_000));
    let throttled = prop::collection::vec(prop::bool::weighted(0.3), 0..20);
    (runs(), fates(), throttled, (down, gateway_down, reads_slow), viewers()).prop_map(
        |(runs, posts, reads_throttled, (table_down, gateway_down, reads_slow), viewers)| Plan {
            runs,
            posts,
            reads_throttled,
            reads_a_second: None,
            table_down,
            gateway_down,
            reads_slow,
            viewers,
        },
    )
}

/// Plans without trouble, in which every delivery comes once and soon.
pub fn calm_plans() -> impl Strategy<Value = Plan> {
    (plans(), 0u64..200).prop_map(|(mut plan, after)| {
        for run in &mut plan.runs {
            run.clock_ahead = 0;
            run.clock_step = (1, 0);
            run.recut.clear();
            run.recorded_after = [0, 0];
            run.batches.iter_mut().for_each(|batch| batch.deliveries = vec![after]);
            for line in &mut run.lines {
                (line.never, line.lag) = (false, 0);
            }
        }
        for viewer in &mut plan.viewers {
            viewer.slow_link = (0, 0);
            viewer.evictions.clear();
        }
        plan.posts.clear();
        plan.reads_throttled.clear();
        (plan.table_down, plan.gateway_down, plan.reads_slow) = (None, None, None);
        plan
    })
}
