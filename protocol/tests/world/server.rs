//! The other side: runs that write, a CloudWatch that loses, delays and serves, and the functions' answers.

use std::collections::BTreeSet;

use ralph_protocol::{
    event::timestamp_text,
    ids::Run,
    message::{Range, SendLogs},
};
use serde_json::{Value, json};

use super::Random;

/// The time of day at the beginning, by AWS's clock.
const START: u64 = 1_700_000_000_000;
/// How far before a given time reading begins.
const CLOCKS_DIFFER: u64 = 60_000;
/// How old a line is whose neighbours will not come any more.
const SETTLED: u64 = 300_000;

/// A line of a stream.
struct Line {
    run: usize,
    /// 0: a raw line.
    seq: u64,
    json: String,
    /// CloudWatch's time.
    stamp: u64,
    /// From when on it is served, ms from the beginning; `None`: CloudWatch has lost it.
    served: Option<u64>,
}

struct Row {
    run: Run,
    /// Events and raw lines that it writes.
    length: u64,
    /// How far the worker's clock is off, and from which line on by how much more.
    skew: i64,
    jump: (u64, i64),
    ends: bool,
    written: u64,
    last_seq: u64,
    raw: u64,
    over: bool,
}

pub struct Server {
    rows: Vec<Row>,
    /// In the order of writing.
    log: Vec<Line>,
    moments: Vec<u64>,
    /// Of the runs' lines, in order.
    next: usize,
    known_at: u64,
}

impl Server {
    pub fn new(random: &mut Random) -> Self {
        let runs = 1 + random.below(3);
        let (mut rows, mut moments, mut at) = (Vec::new(), Vec::new(), random.below(60_000));
        for n in 1..=runs {
            let length = 1 + random.below(60);
            let skew = [0, 0, -5_000, 600_000, -600_000][random.below(5) as usize];
            let jump = [0, 0, -90_000, -3_600_000, 86_400_000][random.below(5) as usize];
            rows.push(Row {
                run: format!("01HF7YAT000000000000000000-{n:04}").parse().expect("a run"),
                length,
                skew,
                jump: (1 + random.below(length), jump),
                ends: n < runs || random.percent(70),
                written: 0,
                last_seq: 0,
                raw: 0,
                over: false,
            });
            for _ in 0..length {
                at += 1 + if random.percent(80) { random.below(500) } else { random.below(8_000) };
                moments.push(at);
            }
        }
        Self { rows, log: Vec::new(), moments, next: 0, known_at: 0 }
    }

    /// When lines are written.
    pub fn moments(&self) -> Vec<u64> {
        self.moments.clone()
    }

    /// Writes a line, and perhaps a raw one before it; gives their places.
    pub fn write(&mut self, now: u64, random: &mut Random) -> (usize, usize) {
        let row = self.next;
        let first = self.log.len();
        if random.percent(6) {
            let (run, stamp) = (&self.rows[row].run, START + now - 1);
            let text = format!("raw {}", self.log.len());
            let json = json!({"type": "raw", "run": run, "stream": "s", "ts": stamp, "text": text});
            self.push(row, 0, json.to_string(), stamp, Some(now));
        }
        let Row { run, length, skew, jump, ends, written, over, .. } = &mut self.rows[row];
        *written += 1;
        let seq = *written;
        let off = *skew + if seq >= jump.0 { jump.1 } else { 0 };
        let ts = (START + now).checked_add_signed(off).expect("a time");
        let kind = if seq == *length && *ends { "run.end" } else { "log" };
        let mut event = json!({
            "v": 1, "ts": timestamp_text(ts), "workstream": "w", "run": run, "seq": seq, "type": kind,
        });
        if kind == "run.end" {
            event["reason"] = json!("complete");
            event["exit"] = json!(0);
        }
        if seq == *length {
            // ECS says so, whether its last lines are delivered or not.
            *over = *ends;
            self.next += 1;
        }
        let lag = if random.percent(80) { 0 } else { random.below(90_000) };
        let served = (!random.percent(5)).then_some(now + lag);
        self.push(row, seq, event.to_string(), START + now, served);
        (first, self.log.len())
    }

    fn push(&mut self, run: usize, seq: u64, json: String, stamp: u64, served: Option<u64>) {
        self.log.push(Line { run, seq, json, stamp, served });
    }

    /// A delivery: the rows learn of it, and the frame goes to who follows.
    pub fn deliver(&mut self, first: usize, last: usize) -> String {
        for line in &self.log[first..last] {
            let row = &mut self.rows[line.run];
            row.last_seq = row.last_seq.max(line.seq);
            row.raw += u64::from(line.seq == 0);
        }
        let lines: Vec<&str> =
            self.log[first..last].iter().map(|line| line.json.as_str()).collect();
        logs(None, "live", &lines)
    }

    pub fn busy(id: Option<&str>) -> String {
        json!({
            "type": "error", "id": id, "workstream": "w", "code": "throttled", "message": "later",
            "retryAfterMs": 3_000,
        })
        .to_string()
    }

    fn runs(&self) -> String {
        // ECS says which tasks there are.
        let runs = self.rows.iter().filter(|row| row.written > 0).map(|row| {
            let state = if row.over { "ended" } else { "running" };
            let mut info = json!({
                "run": row.run, "attempt": 1, "startedAt": START, "lastSeq": row.last_seq,
                "lastTs": START, "state": state,
            });
            if row.raw > 0 {
                info["raw"] = json!(row.raw);
            }
            info
        });
        json!({"type": "runs", "workstream": "w", "runs": runs.collect::<Vec<_>>()}).to_string()
    }

    pub fn pong(&self, follows: bool) -> Vec<String> {
        let pong = json!({"type": "pong"}).to_string();
        if follows { vec![self.runs(), pong] } else { vec![pong] }
    }

    /// The frames of an answer that holds at most `room` lines.
    pub fn answer(&mut self, ask: &SendLogs, now: u64, room: usize) -> Vec<String> {
        self.known_at = now;
        let id = ask.id.as_deref();
        let mut end = json!({"type": "caughtUp", "id": id, "workstream": "w", "cursor": null});
        let lines = match &ask.ranges {
            Some(ranges) => self.ranges(ranges, now, room, &mut end),
            None => self.page(ask, now, room, &mut end),
        };
        let mut frames: Vec<String> =
            lines.chunks(7).map(|lines| logs(id, "replay", lines)).collect();
        frames.extend([self.runs(), end.to_string()]);
        frames
    }

    fn served(&self, line: &Line, now: u64) -> bool {
        line.served.is_some_and(|from| from <= now)
    }

    fn page(&self, ask: &SendLogs, now: u64, room: usize, end: &mut Value) -> Vec<&str> {
        let limit = ask.limit.unwrap_or(1_000) as usize;
        let mut lines = Vec::new();
        // A cursor is the place in the log where the page before ends, and whether it stays in the run.
        let (place, only) = match ask.before.as_deref().map(|text| text.split_once('/')) {
            Some(Some((place, only))) => (place.parse().expect("ours"), only.parse().ok()),
            _ => (
                self.log.len(),
                self.rows.iter().position(|row| Some(&row.run) == ask.run.as_ref()),
            ),
        };
        end["complete"] = json!(true);
        for at in (0..place).rev() {
            let line = &self.log[at];
            if !self.served(line, now) || only.is_some_and(|only| only != line.run) {
                continue;
            }
            if lines.len() == limit || lines.len() == room {
                let only = only.map_or("all".to_owned(), |only| only.to_string());
                end["complete"] = json!(lines.len() == limit);
                end["cursor"] = json!(format!("{}/{only}", at + 1));
                break;
            }
            lines.push(line.json.as_str());
        }
        lines.reverse();
        lines
    }

    fn ranges(&self, ranges: &[Range], now: u64, room: usize, end: &mut Value) -> Vec<&str> {
        let mut lines = Vec::new();
        let mut settled = true;
        end["complete"] = json!(true);
        for (n, row) in self.rows.iter().enumerate() {
            let ranges: Vec<&Range> = ranges.iter().filter(|range| range.run == row.run).collect();
            let begin = |range: &&Range| {
                range.after.unwrap_or_else(|| range.ts.saturating_sub(CLOCKS_DIFFER))
            };
            let Some(begin) = ranges.iter().map(begin).min() else { continue };
            let stream = || self.log.iter().filter(|line| line.run == n && self.served(line, now));
            for line in stream().filter(|line| line.stamp >= begin) {
                let holds = |range: &&Range| {
                    range.from <= line.seq && range.to.is_none_or(|to| line.seq <= to)
                };
                if line.seq > 0 && !ranges.iter().any(holds) {
                    continue;
                }
                if lines.len() == room {
                    end["complete"] = json!(false);
                    end["readTo"] = json!({"run": row.run, "ts": line.stamp});
                    return lines;
                }
                lines.push(line.json.as_str());
            }
            for range in ranges {
                let is_old = |line: &Line| {
                    range.to.is_some_and(|to| line.seq > to) && line.stamp + SETTLED <= START + now
                };
                settled &= stream().any(is_old);
            }
        }
        if settled {
            end["settled"] = json!(true);
        }
        lines
    }

    /// What CloudWatch has in the end.
    pub fn held(&self) -> BTreeSet<(Run, u64)> {
        let lines = self.log.iter().filter(|line| line.seq > 0 && line.served.is_some());
        lines.map(|line| (self.rows[line.run].run.clone(), line.seq)).collect()
    }

    /// Raw lines, by run and text, of runs that are over and whose rows count at least as many as there are.
    pub fn raw(&self) -> Vec<String> {
        let of = |n: usize| self.log.iter().filter(move |line| line.run == n && line.seq == 0);
        let rows = self.rows.iter().enumerate();
        let counted = rows.filter(|(n, row)| row.over && row.raw >= of(*n).count() as u64);
        counted.flat_map(|(n, _)| of(n).map(|line| line.json.clone())).collect()
    }

    /// What is known to exist.
    pub fn known(&self) -> Vec<(Run, u64)> {
        let rows = self.rows.iter();
        rows.flat_map(|row| (1..=row.last_seq).map(|seq| (row.run.clone(), seq))).collect()
    }
}

fn logs(id: Option<&str>, source: &str, lines: &[&str]) -> String {
    let id = id.map_or(String::new(), |id| format!(r#""id":"{id}","#));
    let events = lines.join(",");
    format!(r#"{{"type":"logs",{id}"workstream":"w","source":"{source}","events":[{events}]}}"#)
}
