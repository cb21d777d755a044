//! The ledger in commit trailers: for people, and for a worker that runs alone and is not told what
//! earlier attempts have used.

use std::path::Path;

use ralph_protocol::ids::Run;

use super::run::{Git, GitError};
use crate::{
    journal::now_ms,
    machine::{Ledger, Usd},
};

/// Trailer: the run that made the commit.
pub const RUN: &str = "Ralph-Run";
/// Trailer: iterations of the execution that had ended.
pub const ITERATION: &str = "Ralph-Iteration";
/// Trailer: what the execution had cost, US dollars, all attempts together.
pub const COST: &str = "Ralph-Cost-Usd";

/// A checkpoint's commit message.
pub(super) fn message(run: &Run, ledger: &Ledger, wip: bool) -> String {
    let what = if wip { "work in progress after" } else { "checkpoint after" };
    let n = ledger.iterations;
    let plural = if n == 1 { "" } else { "s" };
    with_trailers(&format!("{what} {n} iteration{plural}"), run, ledger)
}

/// The message of any commit of the worker's.
pub(super) fn with_trailers(what: &str, run: &Run, ledger: &Ledger) -> String {
    let (n, cost) = (ledger.iterations, ledger.cost.dollars());
    format!("ralph: {what}\n\n{RUN}: {run}\n{ITERATION}: {n}\n{COST}: {cost:.6}\n")
}

/// Whether one of the commits up to `head` is of this run's execution. 80 bits of its ULID are random,
/// so nobody could have written it before.
pub(super) async fn knows(git: &Git, dir: &Path, head: &str, run: &Run) -> Result<bool, GitError> {
    let line = format!("--grep={RUN}: {}-", run.ulid());
    let args = ["rev-list", "--max-count=1", "--fixed-strings", &line, head, "--"];
    Ok(!git.text(dir, args).await?.is_empty())
}

/// What the commits up to `head` say about this execution. Each trailer holds a running total, so
/// the largest one counts and a rebase or a lost commit cannot count anything twice.
pub(super) async fn read(git: &Git, dir: &Path, head: &str, run: &Run) -> Result<Ledger, GitError> {
    let format = format!(
        "--format=%(trailers:key={RUN},valueonly,separator=%x20)%x09%(trailers:key={ITERATION},valueonly,separator=%x20)%x09%(trailers:key={COST},valueonly,separator=%x20)"
    );
    let log = git.text(dir, ["log", &format, head, "--"]).await?;
    Ok(total(&log, run))
}

fn total(log: &str, run: &Run) -> Ledger {
    let mut ledger = Ledger::default();
    for line in log.lines() {
        let mut fields = line.split('\t').map(str::trim);
        let Some(Ok(other)) = fields.next().map(str::parse::<Run>) else { continue };
        if other.ulid() != run.ulid() {
            continue;
        }
        let iterations = fields.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let cost = fields.next().and_then(|text| text.parse().ok()).map(Usd::from_dollars);
        ledger.iterations = ledger.iterations.max(iterations);
        ledger.cost = ledger.cost.max(cost.unwrap_or_default());
    }
    ledger
}

/// How far the clock of another machine may be ahead, ms.
const AHEAD_MS: u64 = 3_600_000;

/// The runs that the trailers of some commits name; `range` is for `git log`. An agent can write any
/// trailer: one of a run that begins in the future is left out.
pub(super) async fn runs(git: &Git, dir: &Path, range: &[&str]) -> Result<Vec<Run>, GitError> {
    let format = format!("--format=%(trailers:key={RUN},valueonly,separator=%x20)");
    let log = git.text(dir, [&["log", &format], range, &["--"]].concat()).await?;
    let runs = log.lines().filter_map(|line| line.trim().parse::<Run>().ok());
    Ok(runs.filter(|run| run.started_ms() <= now_ms() + AHEAD_MS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_total_of_this_execution_counts() {
        let run: Run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap();
        let log = "\
01ARZ3NDEKTSV4RRFFQ69G5FAV-0001\t2\t0.300000
01ARZ3NDEKTSV4RRFFQ69G5FAV-0001\t3\t0.200000
01BX5ZZKBKACTAV9WEVGEMMVRZ-0001\t9\t9.000000
\t\t
not-a-run\t7\t7
01ARZ3NDEKTSV4RRFFQ69G5FAV-0002\tx\tNaN
01ARZ3NDEKTSV4RRFFQ69G5FAV-0002\t1\t-5";
        let ledger = total(log, &run);
        assert_eq!(ledger, Ledger { iterations: 3, cost: Usd::from_dollars(0.3) });
    }

    #[test]
    fn a_message_reads_back() {
        let run: Run = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap();
        let ledger = Ledger { iterations: 4, cost: Usd::from_dollars(1.234_567) };
        let message = message(&run, &ledger, false);
        let field = |name: &str| {
            let line = message.lines().find(|l| l.starts_with(name)).unwrap();
            line.split_once(": ").unwrap().1.to_owned()
        };
        let log = format!("{}\t{}\t{}", field(RUN), field(ITERATION), field(COST));
        assert_eq!(total(&log, &run), ledger);
    }
}
