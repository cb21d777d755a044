//! The comparison of what the worker wrote with what the viewer showed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ralph_protocol::{event::Envelope, ids::Run, reassembly::Line};

use super::viewing::DROP_AFTER;

/// A line and when it was shown, ms since the epoch.
#[derive(Debug)]
pub struct ShownLine {
    pub line: Line,
    pub at: u64,
}

/// What a viewer showed.
#[derive(Debug, Default)]
pub struct Shown {
    pub lines: Vec<ShownLine>,
    pub redelivered: u64,
    pub reconnects: u32,
    /// Numbers that the viewer showed as lost.
    pub given_up: u64,
    /// `run.end` was shown.
    pub ended: bool,
}

/// The demo's result.
#[derive(Debug)]
pub struct Report {
    emitted: usize,
    received: usize,
    lost: usize,
    duplicated: usize,
    altered: usize,
    out_of_order: usize,
    redelivered: u64,
    reconnects: u32,
    given_up: u64,
    exit: Option<u8>,
    /// Latencies from written to shown, ms, sorted.
    latencies: Vec<u64>,
    commits: Vec<String>,
    branch: String,
}

/// Compares the worker's own journal with what was shown.
pub fn compare(
    journal: &str,
    run: &Run,
    shown: Shown,
    commits: Vec<String>,
    branch: String,
) -> Report {
    let written: BTreeMap<u64, &str> = journal
        .lines()
        .filter_map(|line| Envelope::parse(line).filter(|e| e.run == *run).map(|e| (e.seq, line)))
        .collect();
    let exit = written.values().next_back().and_then(|line| Envelope::parse(line)?.exit);
    let mut seen = BTreeSet::new();
    let (mut duplicated, mut altered, mut out_of_order, mut last) = (0, 0, 0, 0);
    let mut latencies = Vec::new();
    for ShownLine { line, at } in &shown.lines {
        if !seen.insert(line.seq) {
            duplicated += 1;
            continue;
        }
        if written.get(&line.seq) != Some(&line.json.as_str()) {
            altered += 1;
        }
        if line.seq < last {
            out_of_order += 1;
        }
        last = last.max(line.seq);
        latencies.push(at.saturating_sub(line.ts));
    }
    latencies.sort_unstable();
    Report {
        emitted: written.len(),
        received: seen.len(),
        lost: written.keys().filter(|seq| !seen.contains(seq)).count(),
        duplicated,
        altered,
        out_of_order,
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
        self.emitted > 0
            && self.lost == 0
            && self.duplicated == 0
            && self.altered == 0
            && self.out_of_order == 0
            && self.exit == Some(0)
            && (self.emitted < DROP_AFTER || (self.reconnects > 0 && self.redelivered > 0))
            && !self.commits.is_empty()
    }

    fn percentile(&self, percent: usize) -> u64 {
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
            "altered={} out_of_order={} given_up={} reconnects={} exit={}",
            self.altered,
            self.out_of_order,
            self.given_up,
            self.reconnects,
            self.exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string()),
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
        compare(&journal.join("\n"), &run, shown, vec!["abc work".into()], "ralph/w".into())
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
    fn a_line_that_was_changed_on_the_way_is_seen() {
        let run: Run = RUN.parse().unwrap();
        let json = event(1).replace("\"w\"", "\"x\"");
        let line = Line { run: run.clone(), seq: 1, ts: 0, kind: "log".into(), json };
        let shown = Shown { lines: vec![ShownLine { line, at: 0 }], ..Shown::default() };
        let report = compare(&event(1), &run, shown, vec![], String::new());
        assert_eq!(report.altered, 1);
    }
}
