//! `ralph ps`: the workstreams that run, or ran. The facts come from the state machine's list of
//! executions and from the run rows.

use std::collections::BTreeSet;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use ralph_protocol::{
    event::timestamp_text,
    execution::{End, EndKind, Output},
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
#[derive(Debug, Serialize)]
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
}

pub async fn run(options: PsArgs) -> Result<()> {
    let target = options.target.resolve().await?;
    let aws = Aws::connect(&target).await?;
    let executions = aws.executions(&target)?;
    let runs = aws.runs(&target)?;
    let found = match options.all {
        true => newest_of_each(executions.newest().await?),
        false => executions.running().await?,
    };
    let asked = found.into_iter().map(|execution| shown(execution, &executions, &runs));
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

/// The list is newest first.
fn newest_of_each(executions: Vec<Execution>) -> Vec<Execution> {
    let mut seen = BTreeSet::new();
    executions.into_iter().filter(|one| seen.insert(one.workstream.clone())).collect()
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
    let reason = row.reason.clone().unwrap_or_default();
    let kind = End { exit: row.exit, reason, ..End::default() }.kind();
    match (kind, row.wait_until) {
        // What it has cost is being settled.
        (EndKind::Final(_), _) => "ending".to_owned(),
        (_, Some(until)) => format!("waits until {}", &timestamp_text(until)[11..16]),
        (_, None) => "restarting".to_owned(),
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
        };
        let long = "é".repeat(REASON_SHOWN + 1);
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
