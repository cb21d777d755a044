//! What is known about a run: updates from its events, how they change its row, and the `runs`
//! frames that tell clients.

use ralph_protocol::{
    event::{Envelope, kind},
    exit::RunExit,
    ids::{Run, Workstream},
    index::{WorkstreamInfo, WorkstreamState},
    message::{MAX_FRAME, RunInfo, ServerMessage},
    table::RunState,
};

use crate::{
    frame,
    ports::{RunRow, RunUpdate},
};

/// Most bytes of a reason in a row; the rest is cut off.
pub const MAX_REASON: usize = 512;
/// Most US dollars in a row: DynamoDB takes no number of more than 38 digits.
const MAX_USD: f64 = 1e9;
/// Most runs that clients are told of: the newest ones. Older ones are reached by paging.
pub const MAX_RUNS: usize = 100;

/// Events that the list of workstreams tells of at once.
const NOTABLE: [&str; 5] =
    [kind::RUN_START, kind::ITER_END, kind::PULL_REQUEST, kind::WAIT, kind::RUN_END];

/// Gathers an update from events of one run.
#[derive(Debug, Default)]
pub struct Gathered {
    last_seq: u64,
    last_ts: u64,
    state: Option<RunState>,
    reason: Option<String>,
    exit: Option<i64>,
    spent_usd: Option<f64>,
    wait_until: Option<u64>,
    /// The newest one's `seq` and link: lines come in any order.
    pull_request: Option<(u64, String)>,
    notable: bool,
}

impl Gathered {
    /// Takes an event in, and the line that it was read from.
    pub fn add(&mut self, event: &Envelope<'_>, line: &str) {
        self.last_seq = self.last_seq.max(event.seq);
        self.last_ts = self.last_ts.max(event.ts_ms().unwrap_or(0));
        let spent = event.spend(line).map(|spend| spend.execution_usd.clamp(0.0, MAX_USD));
        self.spent_usd = larger(self.spent_usd, spent);
        if let Some(link) = event.pull_request(line)
            && self.pull_request.as_ref().is_none_or(|(seq, _)| *seq < event.seq)
        {
            self.pull_request = Some((event.seq, link));
        }
        self.notable |= NOTABLE.contains(&event.kind.as_ref());
        let state = match event.kind.as_ref() {
            kind::WAIT => {
                self.wait_until = event.until;
                self.reason.clone_from(&event.reason);
                RunState::Waiting
            }
            kind::RUN_END => {
                self.exit = event.exit.map(i64::from);
                self.reason.clone_from(&event.reason);
                // A worker that waits says so and ends; it is the waiting that matters.
                if event.exit == Some(RunExit::Waiting.code()) {
                    RunState::Waiting
                } else {
                    RunState::Ended
                }
            }
            _ => RunState::Running,
        };
        if self.state.is_none_or(|held| held.rank() < state.rank()) {
            self.state = Some(state);
        }
    }

    /// Whether an event was taken in that the list of workstreams must tell of at once.
    #[must_use]
    pub const fn is_notable(&self) -> bool {
        self.notable
    }

    /// The update; `None` when no event was taken in.
    #[must_use]
    pub fn update(self, stream: &str, expires_at: u64) -> Option<RunUpdate> {
        Some(RunUpdate {
            stream: Some(stream.to_owned()),
            last_seq: self.last_seq,
            last_ts: self.last_ts,
            state: self.state?,
            reason: self.reason.map(|reason| clip(&reason)),
            exit: self.exit,
            spent_usd: self.spent_usd,
            wait_until: self.wait_until,
            pull_request: self.pull_request.map(|(_, link)| link),
            expires_at,
        })
    }
}

/// The larger of two amounts that may not be known.
#[must_use]
pub fn larger(held: Option<f64>, new: Option<f64>) -> Option<f64> {
    held.into_iter().chain(new).reduce(f64::max)
}

/// A reason as long as a row takes it.
#[must_use]
pub fn clip(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON)].to_owned()
}

/// How an update changes a run's row. Deliveries come twice and out of order, so `lastSeq`, `lastTs`
/// and `spentUsd` only grow and `state` never goes back; what the worker itself says about its end stays.
///
/// The table does the same with conditional writes.
#[must_use]
pub fn merge(row: Option<RunRow>, run: &Run, update: &RunUpdate) -> RunRow {
    let mut row = row.unwrap_or_else(|| new_row(run));
    row.stream = row.stream.or_else(|| update.stream.clone());
    let info = &mut row.info;
    info.last_seq = info.last_seq.max(update.last_seq);
    info.last_ts = info.last_ts.max(update.last_ts);
    if info.state.rank() < update.state.rank() {
        info.state = update.state;
    }
    if update.reason.is_some() {
        info.reason.clone_from(&update.reason);
    }
    info.exit = update.exit.or(info.exit);
    info.spent_usd = larger(info.spent_usd, update.spent_usd);
    if update.pull_request.is_some() {
        info.pull_request.clone_from(&update.pull_request);
    }
    row.wait_until = update.wait_until.or(row.wait_until);
    row
}

fn new_row(run: &Run) -> RunRow {
    RunRow {
        info: RunInfo {
            run: run.clone(),
            attempt: run.attempt(),
            started_at: run.started_ms(),
            last_seq: 0,
            last_ts: 0,
            state: RunState::Starting,
            reason: None,
            exit: None,
            spent_usd: None,
            pull_request: None,
            raw: None,
        },
        stream: None,
        wait_until: None,
    }
}

/// Adds raw lines to the count in a run's row. Those of a delivery that comes twice count twice: the
/// number says whether there are any to ask for.
///
/// The table does the same with `ADD`.
#[must_use]
pub fn count_raw(row: Option<RunRow>, run: &Run, stream: &str, raw: u64) -> RunRow {
    let mut row = row.unwrap_or_else(|| new_row(run));
    row.stream.get_or_insert_with(|| stream.to_owned());
    row.info.raw = Some(row.info.raw.unwrap_or(0) + raw);
    row
}

/// How the state of a run's task, from ECS, changes the run's row. What the worker itself said about
/// its end, or ECS before, stays; the stream is added if it is not known yet.
///
/// The table does the same with conditional writes.
#[must_use]
pub fn merge_task(row: Option<RunRow>, run: &Run, update: &RunUpdate) -> RunRow {
    let lower = row.as_ref().is_none_or(|row| row.info.state.rank() < update.state.rank());
    match (row, lower) {
        (Some(mut row), false) => {
            row.stream = row.stream.or_else(|| update.stream.clone());
            row
        }
        (row, _) => merge(row, run, update),
    }
}

/// What an update says about the run's workstream, since `now`, ms since the epoch.
#[must_use]
pub fn workstream_info(
    workstream: &Workstream,
    run: &Run,
    update: &RunUpdate,
    now: u64,
) -> WorkstreamInfo {
    let state = match update.state {
        RunState::Starting => WorkstreamState::Starting,
        RunState::Waiting if update.exit.is_some() => WorkstreamState::Waiting,
        // A worker that does not end for a wait goes on after it, and the state never goes back.
        RunState::Running | RunState::Waiting => WorkstreamState::Running,
        // Whether the workstream's work is over, `decide` says.
        RunState::Ended | RunState::Failed => WorkstreamState::Ending,
    };
    WorkstreamInfo {
        last_ts: update.last_ts,
        wait_until: update.wait_until,
        spent_usd: update.spent_usd,
        pull_request: update.pull_request.clone(),
        reason: update.reason.clone(),
        exit: update.exit,
        ..WorkstreamInfo::new(workstream.clone(), run.clone(), state, now)
    }
}

/// `runs` messages: usually one, more when they do not fit into one frame. Always at least one, so
/// that a client hears that there are none.
#[must_use]
pub fn frames(workstream: &Workstream, mut runs: Vec<RunInfo>) -> Vec<Vec<u8>> {
    runs.sort_by(|a, b| a.run.cmp(&b.run));
    let whole =
        frame::message(&ServerMessage::Runs { workstream: workstream.clone(), runs: runs.clone() });
    if whole.len() <= MAX_FRAME || runs.len() < 2 {
        return vec![whole];
    }
    let second = runs.split_off(runs.len() / 2);
    let mut all = frames(workstream, runs);
    all.extend(frames(workstream, second));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002";

    fn line(seq: u64, rest: &str) -> String {
        format!(
            r#"{{"v":1,"ts":"2023-11-14T22:13:20.{seq:03}Z","workstream":"w","run":"{RUN}","seq":{seq},{rest}}}"#
        )
    }

    fn update(lines: &[String]) -> RunUpdate {
        let mut gathered = Gathered::default();
        for line in lines {
            gathered.add(&Envelope::parse(line).unwrap(), line);
        }
        gathered.update("s", 9).unwrap()
    }

    #[test]
    fn states_that_events_imply() {
        let start = line(1, r#""type":"run.start""#);
        let wait = line(2, r#""type":"wait","until":7,"reason":"limit""#);
        let end = |exit| line(3, &format!(r#""type":"run.end","reason":"x","exit":{exit}"#));
        for (lines, state, exit, until) in [
            (vec![start.clone()], RunState::Running, None, None),
            (vec![start.clone(), wait.clone()], RunState::Waiting, None, Some(7)),
            (vec![start.clone(), wait, end(76)], RunState::Waiting, Some(76), Some(7)),
            (vec![end(76)], RunState::Waiting, Some(76), None),
            (vec![end(0), start], RunState::Ended, Some(0), None),
            (vec![end(50)], RunState::Ended, Some(50), None),
        ] {
            let update = update(&lines);
            assert_eq!(
                (update.state, update.exit, update.wait_until),
                (state, exit, until),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_new_row_knows_attempt_and_start_from_the_run() {
        let row = merge(None, &RUN.parse().unwrap(), &update(&[line(5, r#""type":"log""#)]));
        assert_eq!((row.info.attempt, row.info.started_at), (2, 1_469_922_850_259));
        assert_eq!((row.info.last_seq, row.info.last_ts), (5, 1_700_000_000_005));
        assert_eq!(row.stream.as_deref(), Some("s"));
    }

    #[test]
    fn many_runs_take_several_frames() {
        let info = |n: u32| RunInfo {
            run: Run::new(RUN[..26].parse().unwrap(), n).unwrap(),
            attempt: n,
            started_at: 0,
            last_seq: 0,
            last_ts: 0,
            state: RunState::Failed,
            reason: Some("\u{1}".repeat(MAX_REASON)),
            exit: None,
            spent_usd: Some(0.1),
            pull_request: None,
            raw: None,
        };
        let infos: Vec<_> = (1..=30).rev().map(info).collect();
        let mut seen = Vec::new();
        for frame in frames(&"w".parse().unwrap(), infos) {
            assert!(frame.len() <= MAX_FRAME);
            match ServerMessage::read(std::str::from_utf8(&frame).unwrap()) {
                Some(ServerMessage::Runs { runs, .. }) => seen.extend(runs),
                other => panic!("{other:?}"),
            }
        }
        let attempts: Vec<_> = seen.iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, (1..=30).collect::<Vec<_>>());
        assert_eq!(frames(&"w".parse().unwrap(), Vec::new()).len(), 1);
    }

    #[test]
    fn the_last_pull_request_stays() {
        let told = |seq, n: u32| {
            let rest = format!(
                r#""type":"pull_request","url":"https://github.com/you/project/pull/{n}","number":{n},"draft":true"#
            );
            line(seq, &rest)
        };
        let run: Run = RUN.parse().unwrap();
        let log = line(4, r#""type":"log""#);
        let row = merge(None, &run, &update(&[told(2, 7), log.clone(), told(3, 8)]));
        assert_eq!(row.info.pull_request.as_deref(), Some("https://github.com/you/project/pull/8"));
        let reordered = merge(None, &run, &update(&[told(3, 8), told(2, 7)]));
        assert_eq!(reordered.info.pull_request, row.info.pull_request, "the last by its number");
        let later = merge(Some(row.clone()), &run, &update(&[log]));
        assert_eq!(later.info.pull_request, row.info.pull_request, "it never goes back to none");
        let script = line(5, r#""type":"pull_request","url":"javascript:alert(1)","number":1"#);
        let later = merge(Some(row.clone()), &run, &update(&[script]));
        assert_eq!(later.info.pull_request, row.info.pull_request, "what is not a link is dropped");
    }

    #[test]
    fn what_a_run_says_about_its_workstream() {
        let end = |exit| line(3, &format!(r#""type":"run.end","reason":"x","exit":{exit}"#));
        for (line, notable, state) in [
            (line(1, r#""type":"run.start""#), true, WorkstreamState::Running),
            (line(2, r#""type":"iter.end""#), true, WorkstreamState::Running),
            (line(2, r#""type":"spend","executionUsd":0.5"#), false, WorkstreamState::Running),
            (line(2, r#""type":"agent.text","text":"x""#), false, WorkstreamState::Running),
            (line(2, r#""type":"wait","until":7,"reason":"x""#), true, WorkstreamState::Running),
            (end(76), true, WorkstreamState::Waiting),
            (end(0), true, WorkstreamState::Ending),
            (end(75), true, WorkstreamState::Ending),
        ] {
            let mut gathered = Gathered::default();
            gathered.add(&Envelope::parse(&line).unwrap(), &line);
            assert_eq!(gathered.is_notable(), notable, "{line}");
            let update = gathered.update("s", 9).unwrap();
            let info = workstream_info(&"w".parse().unwrap(), &RUN.parse().unwrap(), &update, 5);
            assert_eq!((info.state, info.changed_at), (state, 5), "{line}");
            assert_eq!((info.exit, info.wait_until), (update.exit, update.wait_until), "{line}");
        }
    }

    proptest! {
        /// Any order of deliveries, each any number of times, ends in the same place.
        #[test]
        fn updates_converge(order in prop::collection::vec(0usize..4, 1..30)) {
            let all = [
                update(&[line(1, r#""type":"run.start""#), line(2, r#""type":"log""#)]),
                update(&[line(3, r#""type":"spend","executionUsd":0.5"#)]),
                update(&[line(4, r#""type":"spend","executionUsd":0.25"#), line(5, r#""type":"log""#)]),
                update(&[line(6, r#""type":"run.end","reason":"complete","exit":0,"spend":{"executionUsd":0.75}"#)]),
            ];
            let run: Run = RUN.parse().unwrap();
            let mut row: Option<RunRow> = None;
            for i in order.iter().copied().chain(0..4) {
                let next = merge(row.clone(), &run, &all[i]);
                if let Some(before) = row {
                    prop_assert!(next.info.last_seq >= before.info.last_seq);
                    prop_assert!(next.info.last_ts >= before.info.last_ts);
                    prop_assert!(next.info.state.rank() >= before.info.state.rank());
                    prop_assert!(next.info.spent_usd >= before.info.spent_usd);
                }
                row = Some(next);
            }
            let info = row.unwrap().info;
            prop_assert_eq!((info.last_seq, info.state, info.exit), (6, RunState::Ended, Some(0)));
            prop_assert_eq!(info.spent_usd, Some(0.75));
        }
    }
}
