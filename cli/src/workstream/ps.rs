//! `ralph ps`: the workstreams that run, or ran. The facts come from the list of workstreams and from
//! the state machine's list of executions that run: one call each, and with `-a` a third for the newest
//! executions. More is asked only about what these do not agree on: an execution without a row, because
//! it has not begun, it was refused or an older version began it, and a row whose execution was stopped
//! before it could say so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, try_join};
use ralph_protocol::{
    event::timestamp_text,
    execution::{End, EndKind, Output, name},
    ids::Workstream,
    index::{WorkstreamInfo, WorkstreamState},
    link::is_link,
};
use serde::Serialize;

use crate::{
    args::PsArgs,
    aws::{Aws, Execution, Executions, RunRow, Runs, Status},
    table::Table,
    tools::{output, steps::say},
    watch::now_ms,
};

/// Workstreams asked about at the same time.
const AT_ONCE: usize = 8;
/// Most of a reason in the table; all of it is in `--json`.
const REASON_SHOWN: usize = 60;

/// A workstream as it is shown.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    workstream: String,
    execution: String,
    state: String,
    /// Starts of the worker in this execution.
    attempt: Option<u32>,
    run: Option<String>,
    /// Ms since the epoch.
    started_at: u64,
    /// Time of the newest line, ms since the epoch.
    last_line_at: Option<u64>,
    /// All attempts of the execution, US dollars; `null` where an older version made the rows.
    cost_usd: Option<f64>,
    exit: Option<i64>,
    reason: Option<String>,
    /// A link.
    pull_request: Option<String>,
}

pub async fn run(options: PsArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    let aws = Aws::connect(&target).await?;
    let executions = aws.executions(&target)?;
    let runs = aws.runs(&target)?;
    let newest = async {
        match options.all {
            true => executions.newest().await.map(Some),
            false => Ok(None),
        }
    };
    let (listed, running, newest) = try_join!(runs.list(now_ms()), executions.running(), newest)?;
    let asked = sorted_out(listed, running, newest)
        .into_iter()
        .map(|found| found.shown(&executions, &runs));
    let mut all: Vec<Shown> = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    all.sort_by(|a, b| a.workstream.cmp(&b.workstream));
    if options.json {
        let mut lines = String::new();
        for one in &all {
            lines += &serde_json::to_string(one)?;
            lines.push('\n');
        }
        return output::print(lines);
    }
    if all.is_empty() {
        say(if options.all { "nothing has run" } else { "nothing runs; -a shows what ran" });
        return Ok(());
    }
    table(&all, now_ms()).print()
}

/// An execution, before anything else is asked.
#[derive(Debug)]
enum Found {
    /// The row says all.
    Row(WorkstreamInfo),
    /// The list has no row of it, or one that is not its last.
    Unlisted(Execution),
    /// The row says that it goes on, and it does not run.
    Stale(WorkstreamInfo),
}

/// Chooses what is shown: what runs, whatever the list says; with the newest executions, newest first,
/// also what ran.
fn sorted_out(
    listed: Vec<WorkstreamInfo>,
    running: Vec<Execution>,
    newest: Option<Vec<Execution>>,
) -> Vec<Found> {
    let rows = listed.into_iter().map(|info| (info.workstream.clone(), info));
    let mut rows: BTreeMap<Workstream, WorkstreamInfo> = rows.collect();
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for execution in running {
        let ulid = execution.ulid.to_string();
        seen.insert(execution.workstream.clone());
        match rows.remove(&execution.workstream) {
            Some(info) if info.run.ulid() == ulid => found.push(Found::Row(info)),
            // The row of an execution that came later stays.
            Some(info) if info.run.ulid() > ulid.as_str() => {
                rows.insert(info.workstream.clone(), info);
                found.push(Found::Unlisted(execution));
            }
            _ => found.push(Found::Unlisted(execution)),
        }
    }
    if let Some(newest) = newest {
        for execution in newest {
            let ulid = execution.ulid.to_string();
            let row = rows.get(&execution.workstream);
            let told = row.is_some_and(|info| match info.run.ulid() == ulid {
                true => info.state.is_over(),
                false => info.run.ulid() > ulid.as_str(),
            });
            if !told && seen.insert(execution.workstream.clone()) {
                rows.remove(&execution.workstream);
                found.push(Found::Unlisted(execution));
            }
        }
        found.extend(rows.into_values().map(|info| match info.state.is_over() {
            true => Found::Row(info),
            false => Found::Stale(info),
        }));
    }
    found
}

impl Found {
    async fn shown(self, executions: &Executions, runs: &Runs) -> Result<Shown> {
        match self {
            Self::Row(info) => Ok(of_row(info)),
            Self::Unlisted(execution) => shown(execution, executions, runs).await,
            Self::Stale(info) => {
                let ulid = info.run.ulid().parse()?;
                match executions.find(&info.workstream, ulid).await? {
                    Some(execution) => shown(execution, executions, runs).await,
                    // AWS forgets an execution 90 days after its end.
                    None => Ok(Shown { state: "failed".to_owned(), ..of_row(info) }),
                }
            }
        }
    }
}

/// A workstream as its row in the list describes it.
fn of_row(info: WorkstreamInfo) -> Shown {
    let state = match (info.state, info.wait_until) {
        (WorkstreamState::Waiting, Some(until)) => waits(until),
        (WorkstreamState::Ending, _) => ending(info.exit, info.reason.as_deref()).to_owned(),
        (state, _) => state.as_str().to_owned(),
    };
    let begun = || info.run.ulid().parse().ok().map(|ulid| name(&info.workstream, ulid));
    Shown {
        execution: info.execution.clone().or_else(begun).unwrap_or_default(),
        workstream: info.workstream.to_string(),
        state,
        attempt: Some(info.run.attempt()),
        run: Some(info.run.to_string()),
        started_at: info.started_at,
        last_line_at: Some(info.last_ts).filter(|&ts| ts > 0),
        cost_usd: info.spent_usd,
        exit: info.exit,
        reason: info.reason,
        pull_request: info.pull_request,
    }
}

async fn shown(execution: Execution, executions: &Executions, runs: &Runs) -> Result<Shown> {
    let rows = runs.newest(&execution.workstream, execution.ulid).await?;
    let output = match execution.status {
        Status::Running => None,
        _ if execution.output().is_some() => execution.output(),
        _ => executions.find(&execution.workstream, execution.ulid).await?.and_then(|e| e.output()),
    };
    let newest = rows.first();
    let Standing { state, exit, reason } = standing(execution.status, output.as_ref(), newest);
    Ok(Shown {
        workstream: execution.workstream.to_string(),
        execution: execution.name().to_owned(),
        state,
        attempt: newest.map(|row| row.run.attempt()),
        run: newest.map(|row| row.run.to_string()),
        started_at: execution.ulid.timestamp_ms(),
        last_line_at: newest.map(|row| row.last_ts).filter(|&ts| ts > 0),
        cost_usd: cost(output.as_ref(), &rows),
        exit,
        reason,
        pull_request: output
            .and_then(|output| output.pull_request)
            .or_else(|| rows.iter().find_map(|row| row.pull_request.clone())),
    })
}

/// Where an execution stands. The exit code and the reason are of one end: the execution's own, or that
/// of its newest run.
#[derive(Debug, Default, PartialEq)]
struct Standing {
    state: String,
    exit: Option<i64>,
    reason: Option<String>,
}

fn standing(status: Status, output: Option<&Output>, newest: Option<&RunRow>) -> Standing {
    if let Some(output) = output {
        return Standing {
            state: output.outcome.as_str().to_owned(),
            exit: output.exit,
            reason: Some(output.reason.clone()),
        };
    }
    let state = match (status, newest) {
        (Status::Running, None) => "starting".to_owned(),
        (Status::Running, Some(row)) => running(row),
        (Status::Stopped, _) => "stopped".to_owned(),
        // It ended before it could say anything, perhaps after a run that ended well.
        (Status::Succeeded | Status::Failed, _) => {
            let reason = Some("the state machine failed; its last event says why".to_owned());
            return Standing { state: "failed".to_owned(), exit: None, reason };
        }
    };
    let (exit, reason) = newest.map(|row| (row.exit, row.reason.clone())).unwrap_or_default();
    Standing { state, exit, reason }
}

/// What an execution that runs does, by its newest run. What follows a run that is over is decided by
/// the same [`End::kind`].
fn running(row: &RunRow) -> String {
    if !row.state.is_over() {
        return row.state.as_str().to_owned();
    }
    match (ending(row.exit, row.reason.as_deref()), row.wait_until) {
        ("restarting", Some(until)) => waits(until),
        (state, _) => state.to_owned(),
    }
}

fn waits(until: u64) -> String {
    format!("waits until {}", &timestamp_text(until)[11..16])
}

/// What follows the end of a run, until that is decided.
fn ending(exit: Option<i64>, reason: Option<&str>) -> &'static str {
    let reason = reason.unwrap_or_default().to_owned();
    match (End { exit, reason, ..End::default() }).kind() {
        // What it has cost is being settled.
        EndKind::Final(_) => "ending",
        _ => "restarting",
    }
}

/// What the execution has cost, US dollars: at its end by its output, before it by the newest row
/// that says so.
fn cost(output: Option<&Output>, rows: &[RunRow]) -> Option<f64> {
    output.and_then(|output| output.spent_usd).or(rows.iter().find_map(|row| row.spent_usd))
}

fn table(all: &[Shown], now: u64) -> Table<7> {
    let mut table =
        Table::new(["workstream", "state", "attempt", "started", "last line", "cost", "reason"]);
    for one in all {
        let exit = one.exit.map(|exit| format!("exit {exit}"));
        let said = exit.into_iter().chain(one.reason.clone().filter(|reason| !reason.is_empty()));
        let mut reason = said.collect::<Vec<_>>().join(": ").replace(char::is_control, " ");
        if let Some((cut, _)) = reason.char_indices().nth(REASON_SHOWN) {
            reason.truncate(cut);
            reason.push('…');
        }
        table.row([
            one.workstream.clone(),
            one.state.clone(),
            one.attempt.map_or_else(|| "-".to_owned(), |attempt| attempt.to_string()),
            format!("{} ago", age(now, one.started_at)),
            one.last_line_at.map_or_else(|| "-".to_owned(), |at| format!("{} ago", age(now, at))),
            one.cost_usd.map_or_else(|| "-".to_owned(), |usd| format!("${usd:.2}")),
            reason,
        ]);
        // A link is long, and cut it leads nowhere: it has a line of its own.
        if let Some(link) = one.pull_request.as_deref().filter(|link| is_link(link)) {
            table.line(format!("  {link}"));
        }
    }
    table
}

/// How long ago: the largest unit, and the next.
fn age(now: u64, then: u64) -> String {
    let secs = now.saturating_sub(then) / 1000;
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3_600..86_400 => format!("{}h{:02}m", secs / 3_600, secs / 60 % 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (secs, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3_599, "59m59s"),
            (3_600, "1h00m"),
            (86_399, "23h59m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(age(1_000_000_000, 1_000_000_000 - secs * 1000), said);
        }
        // Clocks differ: a line from the future is new.
        assert_eq!(age(0, 5_000), "0s");
    }

    fn row(state: &str, wait_until: Option<u64>) -> RunRow {
        RunRow {
            run: "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap(),
            state: ralph_protocol::table::RunState::parse(state).unwrap(),
            execution: None,
            last_ts: 0,
            stream: None,
            reason: None,
            exit: None,
            wait_until,
            spent_usd: None,
            pull_request: None,
        }
    }

    #[test]
    fn the_cost_is_the_ledgers_number() {
        let rows = |spent: &[Option<f64>]| -> Vec<RunRow> {
            spent.iter().map(|&spent_usd| RunRow { spent_usd, ..row("running", None) }).collect()
        };
        let output = |spent: &str| {
            let text = format!(
                r#"{{"workstream":"w","outcome":"limit","exit":12,"reason":"","attempts":2,"run":null{spent}}}"#
            );
            Some(Output::parse(&text).unwrap())
        };
        for (output, rows, cost) in [
            (None, rows(&[]), None),
            (None, rows(&[None]), None),
            // The newest first: a run that has said nothing yet has spent nothing.
            (None, rows(&[Some(3.5), Some(2.0)]), Some(3.5)),
            (None, rows(&[None, Some(2.0)]), Some(2.0)),
            // At the end a killed run is settled, and its row may not follow.
            (output(r#","spentUsd":4.25,"iterations":3"#), rows(&[Some(3.5)]), Some(4.25)),
            (output(""), rows(&[Some(3.5)]), Some(3.5)),
        ] {
            assert_eq!(super::cost(output.as_ref(), &rows), cost, "{output:?} {rows:?}");
        }
    }

    #[test]
    fn what_an_execution_that_runs_does_follows_from_its_newest_run() {
        let until = Some(1_700_000_000_000);
        for (row, exit, said) in [
            (None, None, "starting"),
            (Some(row("starting", None)), None, "starting"),
            (Some(row("running", None)), None, "running"),
            (Some(row("failed", None)), None, "restarting"),
            (Some(row("failed", None)), Some(137), "restarting"),
            (Some(row("ended", None)), Some(75), "restarting"),
            (Some(row("ended", None)), Some(50), "restarting"),
            (Some(row("waiting", until)), Some(76), "waits until 22:13"),
            (Some(row("ended", None)), Some(0), "ending"),
            (Some(row("ended", None)), Some(12), "ending"),
            (Some(row("ended", None)), Some(20), "ending"),
            // It waited, and ended for another reason.
            (Some(row("waiting", until)), Some(30), "ending"),
        ] {
            let row = row.map(|row| RunRow { exit, reason: Some("why".into()), ..row });
            let stands = standing(Status::Running, None, row.as_ref());
            let reason = row.map(|_| "why".to_owned());
            assert_eq!(stands, Standing { state: said.into(), exit, reason }, "{exit:?}");
        }
    }

    const FIRST: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const SECOND: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

    fn listed(workstream: &str, ulid: &str, state: WorkstreamState) -> WorkstreamInfo {
        let run = format!("{ulid}-0002").parse().unwrap();
        WorkstreamInfo::new(workstream.parse().unwrap(), run, state, 0)
    }

    fn execution(workstream: &str, ulid: &str) -> Execution {
        let arn = format!("arn:aws:states:r:a:execution:m:{workstream}-{ulid}");
        Execution::begun(arn, workstream.parse().unwrap(), ulid.parse().unwrap())
    }

    #[test]
    fn what_runs_is_shown_and_only_what_is_not_known_is_asked_for() {
        use WorkstreamState::{Complete, Running};
        let rows = || {
            vec![
                listed("both", FIRST, Running),
                listed("over", FIRST, Complete),
                listed("stale", FIRST, Running),
                listed("again", FIRST, Complete),
                listed("redriven", SECOND, Complete),
                listed("refused", FIRST, Complete),
                listed("aborted", FIRST, Running),
                listed("busy", FIRST, Running),
            ]
        };
        let running = || {
            vec![
                execution("both", FIRST),
                execution("old", FIRST),
                execution("again", SECOND),
                execution("redriven", FIRST),
                execution("busy", FIRST),
            ]
        };
        let newest = || {
            vec![
                execution("busy", SECOND),
                execution("refused", SECOND),
                execution("refused", FIRST),
                execution("never", FIRST),
                execution("aborted", FIRST),
                execution("over", FIRST),
                execution("both", FIRST),
            ]
        };
        let said = |newest| -> Vec<String> {
            let found =
                sorted_out(rows(), running(), newest).into_iter().map(|found| match found {
                    Found::Row(info) => format!("row {}", info.workstream),
                    Found::Unlisted(execution) => format!("unlisted {}", execution.name()),
                    Found::Stale(info) => format!("stale {}", info.workstream),
                });
            found.collect()
        };
        let runs = [
            "row both".to_owned(),
            format!("unlisted old-{FIRST}"),
            format!("unlisted again-{SECOND}"),
            format!("unlisted redriven-{FIRST}"),
            "row busy".to_owned(),
        ];
        assert_eq!(said(None), runs);
        let more = [
            format!("unlisted refused-{SECOND}"),
            format!("unlisted never-{FIRST}"),
            format!("unlisted aborted-{FIRST}"),
            "row over".to_owned(),
            "row redriven".to_owned(),
            "stale stale".to_owned(),
        ];
        assert_eq!(said(Some(newest())), [&runs[..], &more].concat());
    }

    #[test]
    fn a_row_of_the_list_is_shown_as_it_is() {
        let until = Some(1_700_000_000_000);
        for (state, wait_until, exit, said) in [
            (WorkstreamState::Starting, None, None, "starting"),
            (WorkstreamState::Running, None, None, "running"),
            (WorkstreamState::Ending, None, Some(0), "ending"),
            (WorkstreamState::Ending, None, Some(12), "ending"),
            (WorkstreamState::Ending, None, Some(137), "restarting"),
            (WorkstreamState::Ending, None, None, "restarting"),
            (WorkstreamState::Waiting, until, Some(76), "waits until 22:13"),
            (WorkstreamState::Waiting, None, Some(76), "waiting"),
            (WorkstreamState::CannotStart, None, None, "cannotStart"),
            (WorkstreamState::Complete, None, Some(0), "complete"),
        ] {
            let link = Some("https://github.com/you/project/pull/7".to_owned());
            let row = WorkstreamInfo {
                wait_until,
                exit,
                spent_usd: Some(1.5),
                pull_request: link.clone(),
                ..listed("docs", FIRST, state)
            };
            let shown = of_row(row.clone());
            let expected = Shown {
                workstream: "docs".into(),
                execution: format!("docs-{FIRST}"),
                state: said.into(),
                attempt: Some(2),
                run: Some(format!("{FIRST}-0002")),
                started_at: 1_469_922_850_259,
                last_line_at: None,
                cost_usd: Some(1.5),
                exit,
                reason: None,
                pull_request: link,
            };
            assert_eq!(shown, expected, "{state:?}");
            let nightly = WorkstreamInfo { execution: Some("nightly".into()), ..row };
            assert_eq!(of_row(nightly).execution, "nightly");
        }
    }

    #[test]
    fn an_exit_code_and_its_reason_are_of_one_end() {
        let output = |outcome: &str, exit: &str| {
            let text = format!(
                r#"{{"workstream":"w","outcome":"{outcome}","exit":{exit},"reason":"own","attempts":2,"run":null}}"#
            );
            Output::parse(&text).unwrap()
        };
        let complete =
            RunRow { exit: Some(0), reason: Some("complete".into()), ..row("ended", None) };
        for (status, output, said) in [
            (Status::Succeeded, Some(output("blocked", "20")), ("blocked", Some(20), "own")),
            // Of the last run it knows no code; an earlier one's is another matter.
            (Status::Failed, Some(output("gaveUp", "null")), ("gaveUp", None, "own")),
            (Status::Succeeded, Some(output("stopped", "null")), ("stopped", None, "own")),
            (Status::Stopped, None, ("stopped", Some(0), "complete")),
            (
                Status::Failed,
                None,
                ("failed", None, "the state machine failed; its last event says why"),
            ),
        ] {
            let Standing { state, exit, reason } =
                standing(status, output.as_ref(), Some(&complete));
            assert_eq!((state.as_str(), exit, reason.as_deref()), (said.0, said.1, Some(said.2)));
        }
    }

    #[test]
    fn rows_of_the_table() {
        let one = |exit, reason: Option<&str>| Shown {
            workstream: "docs".into(),
            execution: "docs-x".into(),
            state: "limit".into(),
            attempt: Some(2),
            run: None,
            started_at: 0,
            last_line_at: Some(60_000),
            cost_usd: Some(1.234),
            exit,
            reason: reason.map(str::to_owned),
            pull_request: None,
        };
        let long = "é".repeat(REASON_SHOWN + 1);
        let link = |link: &str| Shown { pull_request: Some(link.into()), ..one(Some(0), None) };
        let url = "https://github.com/you/project/pull/7";
        assert_eq!(
            table(&[link(url), link("javascript:alert(1)")], 120_000).text(),
            format!(
                "workstream  state  attempt  started    last line  cost   reason\n\
                 docs        limit  2        2m00s ago  1m00s ago  $1.23  exit 0\n\
                 \x20 {url}\n\
                 docs        limit  2        2m00s ago  1m00s ago  $1.23  exit 0\n"
            )
        );
        for (exit, reason, said) in [
            (Some(12), Some("the cost\nlimit"), "exit 12: the cost limit"),
            (Some(12), Some(""), "exit 12"),
            (None, Some("why"), "why"),
            (None, Some(&long), &format!("{}…", &long[2..])),
        ] {
            assert_eq!(
                table(&[one(exit, reason)], 120_000).text(),
                format!(
                    "workstream  state  attempt  started    last line  cost   reason\n\
                     docs        limit  2        2m00s ago  1m00s ago  $1.23  {said}\n"
                )
            );
        }
    }
}
