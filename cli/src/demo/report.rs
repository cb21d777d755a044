//! The comparison of what the worker wrote with what the viewer showed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ralph_protocol::{event::Envelope, ids::Run, reassembly::PATIENCE_MS};

use super::viewing::{DROP_AFTER, Shown, ShownLine};

/// The demo's result.
#[derive(Debug)]
pub struct Report {
    emitted: usize,
    received: usize,
    /// Runs that wrote something.
    pub attempts: usize,
    lost: usize,
    duplicated: usize,
    altered: usize,
    /// Shown after a later line, sooner than the client's patience with a hole allows.
    out_of_order: usize,
    /// Shown after a later line, because the client had waited as long as it does and gone on.
    late: usize,
    redelivered: u64,
    reconnects: u32,
    given_up: u64,
    /// The last run's.
    pub exit: Option<u8>,
    /// Latencies from written to shown, ms, sorted.
    latencies: Vec<u64>,
    commits: Vec<String>,
    branch: String,
}

/// Compares what the workers of an execution wrote, a line each, with what was shown. `ulid` is the
/// execution's.
pub fn compare(
    written: &str,
    ulid: &str,
    shown: Shown,
    commits: Vec<String>,
    branch: String,
) -> Report {
    let written: BTreeMap<(Run, u64), &str> = written
        .lines()
        .filter_map(|line| {
            let envelope = Envelope::parse(line).filter(|event| event.run.ulid() == ulid)?;
            Some(((envelope.run, envelope.seq), line))
        })
        .collect();
    let exit = written.values().next_back().and_then(|line| Envelope::parse(line)?.exit);
    let mut seen: BTreeSet<(Run, u64)> = BTreeSet::new();
    let (mut duplicated, mut altered, mut out_of_order, mut late) = (0, 0, 0, 0);
    let mut latencies = Vec::new();
    for ShownLine { line, at } in &shown.lines {
        let id = (line.run.clone(), line.seq);
        if seen.contains(&id) {
            duplicated += 1;
            continue;
        }
        if written.get(&id) != Some(&line.json.as_str()) {
            altered += 1;
        }
        let latency = at.saturating_sub(line.ts);
        if seen.last().is_some_and(|last| id < *last) {
            *(if latency < PATIENCE_MS { &mut out_of_order } else { &mut late }) += 1;
        }
        seen.insert(id);
        latencies.push(latency);
    }
    latencies.sort_unstable();
    // Numbers have no holes: one that nobody wrote was lost before it could be read back.
    let mut last: BTreeMap<&Run, u64> = BTreeMap::new();
    for (run, seq) in written.keys() {
        last.insert(run, *seq);
    }
    let emitted = last.values().sum::<u64>() as usize;
    let unread = emitted - written.len();
    Report {
        emitted,
        received: seen.len(),
        attempts: last.len(),
        lost: unread + written.keys().filter(|id| !seen.contains(id)).count(),
        duplicated,
        altered,
        out_of_order,
        late,
        redelivered: shown.redelivered,
        reconnects: shown.reconnects,
        given_up: shown.given_up,
        exit,
        latencies,
        commits,
        branch,
    }
}

impl Report {
    /// Everything that was written was shown, once, in order and unchanged; the agent's work lies
    /// on the branch; and the connection was really dropped on the way, unless the run was too short
    /// for it.
    pub fn is_good(&self) -> bool {
        self.is_whole()
            && self.exit == Some(0)
            && (self.emitted < DROP_AFTER || self.reconnected())
            && !self.commits.is_empty()
    }

    /// No line was lost, duplicated, changed or out of order, whether or not the work succeeded. A line
    /// that the client stopped waiting for may be late.
    pub fn is_whole(&self) -> bool {
        self.emitted > 0
            && self.lost == 0
            && self.duplicated == 0
            && self.altered == 0
            && self.out_of_order == 0
    }

    /// The connection was dropped on the way, and an overlap came again.
    pub fn reconnected(&self) -> bool {
        self.reconnects > 0 && self.redelivered > 0
    }

    /// Milliseconds from written to shown, of that many percent of the lines at most.
    pub fn percentile(&self, percent: usize) -> u64 {
        let index = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "emitted={} received={} lost={} duplicated={} redelivered={}",
            self.emitted, self.received, self.lost, self.duplicated, self.redelivered
        )?;
        writeln!(
            f,
            "altered={} out_of_order={} late={} given_up={} reconnects={} exit={} attempts={}",
            self.altered,
            self.out_of_order,
            self.late,
            self.given_up,
            self.reconnects,
            self.exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string()),
            self.attempts,
        )?;
        writeln!(
            f,
            "latency from written to shown: p50={} ms p99={} ms",
            self.percentile(50),
            self.percentile(99)
        )?;
        write!(f, "{} has {} new commits", self.branch, self.commits.len())?;
        for commit in &self.commits {
            write!(f, "\n  {commit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ralph_protocol::reassembly::Line;

    use super::*;

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

    fn event(seq: u64) -> String {
        let (kind, exit) = if seq == 3 { ("run.end", r#","exit":0"#) } else { ("log", "") };
        format!(
            r#"{{"v":1,"ts":"2023-11-14T22:13:20.000Z","workstream":"w","run":"{RUN}","seq":{seq},"type":"{kind}"{exit}}}"#
        )
    }

    fn report(shown: &[u64]) -> Report {
        let run: Run = RUN.parse().unwrap();
        let journal: Vec<String> = (1..=3).map(event).collect();
        let lines = shown.iter().map(|&seq| ShownLine {
            line: Line { run: run.clone(), seq, ts: 1000, kind: "log".into(), json: event(seq) },
            at: 1000 + 10 * seq,
        });
        let shown = Shown { lines: lines.collect(), ..Shown::default() };
        compare(&journal.join("\n"), run.ulid(), shown, vec!["abc work".into()], "ralph/w".into())
    }

    #[test]
    fn what_counts_as_good() {
        for (shown, good, counts) in [
            (&[1, 2, 3][..], true, "received=3 lost=0 duplicated=0"),
            (&[1, 3], false, "received=2 lost=1 duplicated=0"),
            (&[1, 2, 2, 3], false, "received=3 lost=0 duplicated=1"),
            (&[2, 1, 3], false, "received=3 lost=0 duplicated=0"),
            (&[], false, "received=0 lost=3 duplicated=0"),
        ] {
            let report = report(shown);
            assert_eq!(report.is_good(), good, "{shown:?}");
            assert!(report.to_string().contains(counts), "{shown:?}: {report}");
        }
    }

    #[test]
    fn a_line_that_the_client_stopped_waiting_for_may_come_late() {
        let run: Run = RUN.parse().unwrap();
        let journal: Vec<String> = (1..=3).map(event).collect();
        for (waited, good) in [(PATIENCE_MS - 1, false), (PATIENCE_MS, true)] {
            let lines = [(2, 0), (3, 0), (1, waited)].map(|(seq, waited)| ShownLine {
                line: Line { run: run.clone(), seq, ts: 0, kind: "log".into(), json: event(seq) },
                at: waited,
            });
            let shown = Shown { lines: lines.into(), ..Shown::default() };
            let report = compare(&journal.join("\n"), run.ulid(), shown, vec![], String::new());
            assert_eq!(report.is_whole(), good, "{waited}: {report}");
        }
    }

    #[test]
    fn a_number_that_nobody_can_read_back_was_lost() {
        let run: Run = RUN.parse().unwrap();
        let written = [event(1), event(3)].join("\n");
        let report = compare(&written, run.ulid(), Shown::default(), vec![], String::new());
        assert_eq!((report.emitted, report.lost, report.attempts), (3, 3, 1));
    }

    #[test]
    fn a_line_that_was_changed_on_the_way_is_seen() {
        let run: Run = RUN.parse().unwrap();
        let json = event(1).replace("\"w\"", "\"x\"");
        let line = Line { run: run.clone(), seq: 1, ts: 0, kind: "log".into(), json };
        let shown = Shown { lines: vec![ShownLine { line, at: 0 }], ..Shown::default() };
        let report = compare(&event(1), run.ulid(), shown, vec![], String::new());
        assert_eq!(report.altered, 1);
    }
}
