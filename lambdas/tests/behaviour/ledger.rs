//! What an execution costs: what its workers have said on their log streams, and nothing else.

use std::cell::RefCell;

use proptest::prelude::*;
use ralph_lambdas::{
    execution::ExecutionError,
    ports::{Clock, LogEntry, LogPage, LogQuery, Logs, LogsError},
};
use ralph_protocol::execution::{Next, Outcome, Step};
use serde_json::{Value, json};
use tokio::time::{Duration, advance};

use crate::{
    executions::{
        Cloud, arn, docs, ended, exits, output, raised, run_of, settles_in, stream_of, variable,
    },
    memory::START,
    workers::event_of,
};

fn line(step: &Step, seq: u64, said: Value) -> String {
    event_of("docs", &run_of(step), seq, said)
}

/// A `spend` of the step's run.
fn spend(step: &Step, seq: u64, spent: f64, reserved: f64, iterations: u32) -> String {
    let said = json!({
        "type": "spend", "spentUsd": spent, "reservedUsd": reserved, "executionUsd": 99.0,
        "tokens": {}, "iterations": iterations,
    });
    line(step, seq, said)
}

/// The `run.end` of the step's run.
fn end(step: &Step, seq: u64, spent: f64, iterations: u32) -> String {
    let spend = json!({"spentUsd": spent, "reservedUsd": 0, "iterations": iterations});
    line(step, seq, json!({"type": "run.end", "reason": "interrupted", "exit": 75, "spend": spend}))
}

impl Cloud {
    fn says(&self, step: &Step, text: impl Into<String>) {
        self.logs.put(&stream_of(step), START, text);
    }

    fn spent(&self, run: &str) -> Option<f64> {
        self.table.row("docs", run).unwrap().info.spent_usd
    }
}

/// What a run gets to know about the earlier ones.
fn told(step: &Step) -> (String, String) {
    (variable(step, "RALPH_SPENT_USD"), variable(step, "RALPH_ITERATIONS_DONE"))
}

fn are(usd: &str, iterations: &str) -> (String, String) {
    (usd.to_owned(), iterations.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_run_that_says_its_end_is_settled_at_once_and_the_next_is_told() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    assert_eq!(told(&first), are("0", "0"), "never from the commits");
    assert_eq!(cloud.spent(&run_of(&first)), Some(0.0));
    cloud.says(&first, spend(&first, 1, 0.5, 1.0, 0));
    cloud.says(&first, end(&first, 2, 1.25, 3));
    let second = cloud.try_decide(&ended(&first, Some(75), "SpotInterruption")).await.unwrap();
    assert_eq!(told(&second), are("1.25", "3"));
    assert_eq!(cloud.spent(&run_of(&first)), Some(1.25));
    assert_eq!(cloud.spent(&run_of(&second)), Some(1.25), "as long as it has said nothing");
    cloud.says(&second, end(&second, 1, 0.1, 1));
    let over = cloud.try_decide(&exits(&second, 0)).await.unwrap();
    let output = output(&over);
    assert_eq!((output.outcome, output.spent_usd), (Outcome::Complete, Some(1.35)));
    assert_eq!(output.iterations, Some(4));
    assert_eq!(cloud.spent(&run_of(&second)), Some(1.35));
}

/// `prlimit --pid 1 --cpu=1:1`: the worker is killed before it says or pushes anything more.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_costs_what_it_had_reserved_too() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.says(&first, spend(&first, 1, 0.25, 0.5, 0));
    cloud.says(&first, spend(&first, 2, 0.75, 1.5, 2));
    let mut step = exits(&first, 137);
    for _ in 0..3 {
        step = cloud.try_decide(&step).await.unwrap();
        assert_eq!(settles_in(&step), Some(10), "{step:?}");
        assert_eq!(cloud.spent(&run_of(&first)), Some(0.0), "not yet known");
        advance(Duration::from_secs(10)).await;
    }
    let pause = cloud.try_decide(&step).await.unwrap();
    assert!(matches!(pause.next, Next::Wait { seconds: 15, .. }), "{pause:?}");
    assert_eq!(cloud.spent(&run_of(&first)), Some(2.25));
    assert_eq!(told(&cloud.decide(&pause).await), are("2.25", "2"));
}

#[tokio::test(start_paused = true)]
async fn lines_that_come_late_are_counted() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.says(&first, spend(&first, 1, 0.25, 0.5, 0));
    let mut step = exits(&first, 137);
    for late in [None, Some(spend(&first, 5, 3.0, 0.5, 4)), None, Some(end(&first, 9, 3.25, 5))] {
        late.into_iter().for_each(|line| cloud.says(&first, line));
        step = cloud.try_decide(&step).await.unwrap();
        advance(Duration::from_secs(settles_in(&step).unwrap_or(15))).await;
    }
    assert_eq!(settles_in(&step), None, "the end is there");
    assert_eq!(told(&cloud.decide(&step).await), are("3.25", "5"));
}

/// The agent writes into its worker's lines, never into the stream.
#[tokio::test(start_paused = true)]
async fn nothing_but_an_event_of_the_run_says_what_it_has_used() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    let forged = end(&first, 900, 0.0, 0);
    cloud.says(&first, spend(&first, 1, 4.0, 1.0, 1));
    cloud.says(&first, line(&first, 2, json!({"type": "agent.text", "text": forged})));
    cloud.says(&first, line(&first, 3, json!({"type": "log", "spend": {"spentUsd": 0.5}})));
    cloud.says(&first, format!("a line that the agent could write: {forged}"));
    cloud.says(&first, forged.replace("\"docs\"", "\"api\""));
    cloud.says(&first, forged.replace("-0001", "-0002"));
    cloud.says(&first, line(&first, 4, json!({"type": "spend", "spentUsd": "0"})));
    let pause = cloud.decide(&exits(&first, 137)).await;
    assert_eq!(told(&cloud.decide(&pause).await), are("5", "1"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ran_costs_nothing_and_its_stream_is_not_read() {
    for failed in [
        |step: &Step| ended(step, None, "TaskFailedToStart"),
        |step: &Step| raised(step, "AmazonECS.Unknown", "no capacity"),
        |step: &Step| Step { ended: None, ..step.clone() },
    ] {
        let cloud = Cloud::default();
        let first = cloud.admit(&arn(1)).await;
        let waits = cloud.try_decide(&failed(&first)).await.unwrap();
        assert_eq!(settles_in(&waits), None);
        assert_eq!(told(&cloud.decide(&waits).await), are("0", "0"));
        assert_eq!(cloud.logs.reads.get(), 0);
    }
}

/// Step Functions ended the task itself, or its description did not come: the row has the stream.
#[tokio::test(start_paused = true)]
async fn an_end_without_a_description_is_settled_by_the_stream_in_the_row() {
    for error in ["States.Timeout", "States.TaskFailed"] {
        let cloud = Cloud::default();
        let first = cloud.admit(&arn(1)).await;
        let key = (docs(), run_of(&first).parse().unwrap());
        let stream = Some(stream_of(&first));
        cloud.table.runs.borrow_mut().get_mut(&key).unwrap().stream = stream;
        cloud.says(&first, end(&first, 7, 2.5, 6));
        let next = cloud.try_decide(&raised(&first, error, "")).await.unwrap();
        assert_eq!(settles_in(&next), None);
        assert_eq!(cloud.spent(&run_of(&first)), Some(2.5), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_says_nothing_costs_nothing() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.says(&first, line(&first, 1, json!({})));
    let pause = cloud.decide(&exits(&first, 139)).await;
    assert_eq!(told(&cloud.decide(&pause).await), are("0", "0"));
}

/// Step Functions repeats a call, and meanwhile more has arrived.
#[tokio::test(start_paused = true)]
async fn a_repeated_call_settles_nothing_again() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.says(&first, spend(&first, 1, 1.0, 1.0, 1));
    let asked = exits(&first, 137);
    let pause = cloud.decide(&asked).await;
    cloud.says(&first, end(&first, 9, 7.0, 9));
    let reads = cloud.logs.reads.get();
    assert_eq!(cloud.decide(&asked).await, pause);
    let second = cloud.decide(&pause).await;
    assert_eq!(cloud.decide(&pause).await, second);
    assert_eq!((told(&second), cloud.logs.reads.get()), (are("2", "1"), reads));
    assert_eq!(cloud.spent(&run_of(&first)), Some(2.0));
}

/// The logs could not be read for half an hour, and somebody redrove the execution the next day.
#[tokio::test(start_paused = true)]
async fn an_execution_that_is_redriven_is_settled_once() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    cloud.says(&first, spend(&first, 1, 1.0, 0.5, 1));
    let asked = ended(&first, Some(75), "SpotInterruption");
    cloud.logs.throttle.set(18);
    for _ in 0..18 {
        let failed = cloud.try_decide(&asked).await;
        assert!(matches!(failed, Err(ExecutionError::Logs(LogsError::Throttled))), "{failed:?}");
        advance(Duration::from_secs(100)).await;
    }
    advance(Duration::from_secs(3_600)).await;
    let second = cloud.decide(&asked).await;
    assert_eq!(told(&second), are("1.5", "1"));
    assert_eq!(cloud.decide(&asked).await, second);
}

#[tokio::test(start_paused = true)]
async fn the_sum_of_many_runs_is_the_sum_of_what_each_has_said() {
    let cloud = Cloud::default();
    let mut step = cloud.admit(&arn(1)).await;
    for n in 0..50 {
        assert_eq!(told(&step), are(&format!("{}", f64::from(n) / 10.0), &n.to_string()));
        cloud.says(&step, end(&step, 1, 0.1, 1));
        step = cloud.decide(&ended(&step, Some(75), "SpotInterruption")).await;
    }
    cloud.says(&step, end(&step, 1, 0.1, 1));
    let over = cloud.decide(&exits(&step, 12)).await;
    let output = output(&over);
    assert_eq!(
        (output.outcome, output.spent_usd, output.iterations),
        (Outcome::Limit, Some(5.1), Some(51))
    );
    assert!(serde_json::to_string(&step).unwrap().len() < 8_192);
}

/// A stream as pages, the newest first.
struct Pages {
    pages: Vec<Vec<String>>,
    reads: RefCell<Vec<Option<String>>>,
}

impl Pages {
    fn new(pages: Vec<Vec<String>>) -> Self {
        Self { pages, reads: RefCell::default() }
    }
}

impl Logs for Pages {
    async fn read(&self, query: &LogQuery) -> Result<LogPage, LogsError> {
        assert!(!query.oldest_first);
        self.reads.borrow_mut().push(query.token.clone());
        let n: usize = query.token.as_ref().map_or(0, |token| token.parse().unwrap());
        let entry =
            |text: &String| LogEntry { timestamp: START, ingested: START, message: text.clone() };
        let entries = self.pages[n].iter().map(entry).collect();
        Ok(LogPage { entries, next: (n + 1 < self.pages.len()).then(|| (n + 1).to_string()) })
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_word_is_found_behind_empty_pages_and_in_any_order() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    let pages = Pages::new(vec![
        vec![],
        vec![spend(&first, 8, 2.0, 0.0, 2), end(&first, 9, 3.0, 3), spend(&first, 7, 1.0, 5.0, 1)],
        vec![],
        vec![spend(&first, 2, 0.5, 0.5, 0)],
    ]);
    let next = cloud.decide_by(&ended(&first, Some(75), "SpotInterruption"), &pages).await.unwrap();
    assert_eq!(told(&next), are("3", "3"), "{next:?}");
    assert_eq!(pages.reads.borrow().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn no_more_of_a_tail_is_read_than_holds_the_newest_word() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    let long = |seq| line(&first, seq, json!({"text": "x".repeat(12_000)}));
    let mut newest: Vec<String> = (10..60).map(long).collect();
    newest.push(end(&first, 60, 1.0, 1));
    let pages = Pages::new(vec![newest, vec![spend(&first, 2, 9.0, 9.0, 9)]]);
    let next = cloud.decide_by(&ended(&first, Some(75), "SpotInterruption"), &pages).await.unwrap();
    assert_eq!((told(&next), pages.reads.borrow().len()), (are("1", "1"), 1));
}

/// Silence costs nothing, so what is not read must not count as silence.
#[tokio::test(start_paused = true)]
async fn a_stream_that_gives_only_empty_pages_is_an_error_and_no_silence() {
    let cloud = Cloud::default();
    let first = cloud.admit(&arn(1)).await;
    let pages = Pages::new(vec![vec![]; 51]);
    let failed = cloud.decide_by(&exits(&first, 137), &pages).await.unwrap_err().to_string();
    assert!(failed.contains("50 pages of worker/worker/"), "{failed}");
}

/// A run as a test plans it.
#[derive(Debug, Clone)]
struct Planned {
    /// Reports of it in millionths of a dollar, each with its iterations and how late it arrives, ms
    /// after the stop.
    reports: Vec<(u64, u64, u32, u64)>,
    /// It says its end, this late.
    ends: Option<u64>,
    /// 0: interrupted, 1: killed, 2: failed to start.
    kind: u8,
    /// How often each call is repeated.
    times: usize,
}

fn planned() -> impl Strategy<Value = Planned> {
    let late = || prop_oneof![4 => Just(0u64), 1 => 0u64..40_000, 1 => 0u64..400_000];
    let report = (0u64..2_000_000, 0u64..3_000_000, 0u32..3, late());
    (
        prop::collection::vec(report, 0..5),
        prop::option::of(late()),
        prop::sample::select(vec![0u8, 0, 1, 2]),
        1usize..3,
    )
        .prop_map(|(mut reports, ends, kind, times)| {
            // What was spent and how many iterations ended only grows.
            let (mut spent, mut iterations) = (0, 0);
            for report in &mut reports {
                spent += report.0;
                iterations += report.2;
                (report.0, report.2) = (spent, iterations);
            }
            Planned { reports, ends, kind, times }
        })
}

#[expect(clippy::cast_precision_loss, reason = "a few dollars")]
fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

impl Planned {
    /// Its lines, each with the time of its arrival and what it makes of the run: cost and iterations.
    fn lines(&self, step: &Step) -> Vec<(u64, String, u64, u32)> {
        let mut lines = Vec::new();
        let (mut last, mut iterations) = (0, 0);
        for (seq, (spent, reserved, ended, late)) in (1..).zip(&self.reports) {
            let text = spend(step, seq, usd(*spent), usd(*reserved), *ended);
            lines.push((*late, text, spent + reserved, *ended));
            (last, iterations) = (*spent, *ended);
        }
        if let Some(late) = self.ends {
            lines.push((late, end(step, 99, usd(last), iterations), last, iterations));
        }
        lines
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever ends however, whenever its lines arrive and however often a call is repeated: what the
    /// next run and the output are told is the sum over all runs of the newest word of each that had
    /// arrived when the run was settled, and nothing else; and that word is the last one wherever all
    /// arrive within ten seconds.
    #[test]
    fn the_ledger_counts_nothing_twice_and_forgets_nothing(
        runs in prop::collection::vec(planned(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::default();
            let mut step = cloud.admit(&arn(1)).await;
            let (mut micro, mut iterations) = (0, 0);
            for run in runs {
                assert_eq!(told(&step), are(&usd(micro).to_string(), &iterations.to_string()));
                let begun = step.clone();
                let mut lines = run.lines(&step);
                let stopped = cloud.clock.now_ms();
                step = match run.kind {
                    0 => ended(&step, Some(75), "SpotInterruption"),
                    1 => exits(&step, 137),
                    _ => {
                        lines.clear();
                        ended(&step, None, "TaskFailedToStart")
                    }
                };
                let settled_at = loop {
                    let now = cloud.clock.now_ms() - stopped;
                    for (late, text, ..) in &mut lines {
                        if *late <= now && !text.is_empty() {
                            cloud.says(&begun, std::mem::take(text));
                        }
                    }
                    let mut answers = Vec::new();
                    for _ in 0..run.times {
                        answers.push(cloud.try_decide(&step).await.unwrap());
                    }
                    assert!(answers.iter().all(|answer| *answer == answers[0]));
                    step = answers.remove(0);
                    let Some(seconds) = settles_in(&step) else { break now };
                    advance(Duration::from_secs(seconds)).await;
                };
                let arrived = lines.iter().rev().find(|(late, ..)| *late <= settled_at);
                if lines.iter().all(|(late, ..)| *late <= 10_000) {
                    assert_eq!(arrived, lines.last(), "it was settled too early");
                }
                if let Some((_, _, cost, ended)) = arrived {
                    (micro, iterations) = (micro + cost, iterations + ended);
                }
                assert_eq!(cloud.spent(&run_of(&begun)), Some(usd(micro)));
                while let Next::Wait { seconds, .. } = &step.next {
                    advance(Duration::from_secs(*seconds)).await;
                    step = cloud.try_decide(&step).await.unwrap();
                }
                if !matches!(step.next, Next::Run { .. }) {
                    break;
                }
            }
            if matches!(step.next, Next::Run { .. }) {
                step = cloud.decide(&ended(&step, None, "UserInitiated")).await;
            }
            let output = output(&step);
            assert_eq!((output.spent_usd, output.iterations), (Some(usd(micro)), Some(iterations)));
        });
    }
}
