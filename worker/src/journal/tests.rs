use std::sync::mpsc;

use proptest::prelude::*;
use ralph_protocol::event::{Envelope, MAX_LINE, SPEND_EVERY, Spend};

use super::*;

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

/// A stdout that hands over what it gets.
struct Pipe(mpsc::Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stdout that takes one byte and then blocks until it is let go.
struct Blocked(mpsc::Receiver<()>, Vec<u8>, mpsc::Sender<Vec<u8>>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means the gate is open for good.
        let _ = self.0.recv();
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let _ = self.2.send(std::mem::take(&mut self.1));
        Ok(())
    }
}

fn journal(out: impl Write + Send + 'static, copy: Option<File>) -> Journal {
    let redactor = Redactor::new(["hunter2-hunter2"]);
    Journal::start("docs".parse().unwrap(), RUN.parse().unwrap(), redactor, out, copy).unwrap()
}

fn end() -> Kind {
    Kind::RunEnd {
        reason: ralph_protocol::exit::RunExit::Complete,
        exit: 0,
        text: None,
        spend: None,
    }
}

fn lines(receiver: &mpsc::Receiver<Vec<u8>>) -> Vec<String> {
    let bytes: Vec<u8> = receiver.try_iter().flatten().collect();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_copy_holds_the_same_bytes() {
    let (sender, receiver) = mpsc::channel();
    let file = tempfile::NamedTempFile::new().unwrap();
    let journal = journal(Pipe(sender), Some(open_copy(file.path()).unwrap()));
    journal.log(Level::Info, "one");
    journal.log(Level::Warn, "ü\u{1b}[31mred\u{1b}[0m");
    assert!(journal.finish(Level::Info, end()));
    let out: Vec<u8> = receiver.try_iter().flatten().collect();
    assert_eq!(out, std::fs::read(file.path()).unwrap());
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 3);
}

#[test]
fn nothing_follows_the_last_event() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    assert!(journal.finish(Level::Info, end()));
    journal.log(Level::Info, "late");
    assert!(journal.finish(Level::Info, end()));
    let lines = lines(&receiver);
    assert_eq!(lines.len(), 1);
    assert_eq!(Envelope::parse(&lines[0]).unwrap().kind, "run.end");
}

#[test]
fn a_blocked_stdout_delays_nothing_and_what_overflows_takes_no_seq() {
    let (open, gate) = mpsc::channel();
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Blocked(gate, Vec::new(), sender), None);
    let text = "x".repeat(1 << 20);
    // If emitting waited for stdout, this would never end.
    for _ in 0..10 {
        journal.log(Level::Info, text.clone());
    }
    drop(open);
    assert!(journal.finish(Level::Info, end()));
    let lines = lines(&receiver);
    let seqs: Vec<u64> = lines.iter().map(|l| Envelope::parse(l).unwrap().seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let said = lines.iter().filter(|l| l.contains("events were dropped")).count();
    assert_eq!(said, 1, "one event says how many were dropped");
    assert_eq!(Envelope::parse(lines.last().unwrap()).unwrap().kind, "run.end");
}

#[test]
fn a_reader_that_never_comes_back_costs_at_most_the_flush_timeout() {
    let (_open, gate) = mpsc::channel();
    let (sender, _receiver) = mpsc::channel();
    let journal = journal(Blocked(gate, Vec::new(), sender), None);
    let begun = Instant::now();
    assert!(!journal.finish(Level::Info, end()));
    assert!(begun.elapsed() < FLUSH_TIMEOUT + Duration::from_secs(2));
}

#[test]
fn a_secret_is_in_no_field() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    let secret = || "a hunter2-hunter2 b".to_owned();
    journal.emit(
        Level::Info,
        Kind::AgentTool { id: secret(), name: secret(), text: secret(), parent: Some(secret()) },
    );
    journal.emit(
        Level::Info,
        Kind::AgentToolResult {
            id: secret(),
            text: secret(),
            is_error: false,
            parent: Some(secret()),
        },
    );
    journal.emit(Level::Info, Kind::AgentText { text: secret(), parent: Some(secret()) });
    journal.emit(Level::Info, Kind::AgentStderr { text: secret() });
    journal.emit(
        Level::Info,
        Kind::KeyRotate { from: secret(), to: Some(secret()), reason: secret() },
    );
    journal.emit(Level::Info, Kind::Wait { until: 1, reason: secret() });
    journal.emit(Level::Info, Kind::Limit { status: secret(), resets_at: None });
    let text = Some(secret());
    let reason = ralph_protocol::exit::RunExit::Internal;
    assert!(journal.finish(Level::Error, Kind::RunEnd { reason, exit: 50, text, spend: None }));
    for line in lines(&receiver) {
        assert!(!line.contains("hunter2"), "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_line_is_short_enough_and_the_parts_make_the_text(
        texts in prop::collection::vec("(\\PC|[\\x00-\\x1f\"\\\\é漢🦀]){0,6000}", 1..4),
        factor in 1usize..4,
    ) {
        let (sender, receiver) = mpsc::channel();
        let journal = journal(Pipe(sender), None);
        let texts: Vec<String> = texts.into_iter().map(|t| t.repeat(factor)).collect();
        for text in &texts {
            let name = "n\u{1}".repeat(2_000);
            journal.emit(Level::Info, Kind::AgentTool { id: "\u{1}".repeat(5_000), name, text: text.clone(), parent: Some("\u{1}".repeat(5_000)) });
        }
        prop_assert!(journal.finish(Level::Info, end()));
        let lines = lines(&receiver);
        let mut whole = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            prop_assert!(line.len() <= MAX_LINE);
            let event: Event = serde_json::from_str(line).unwrap();
            prop_assert_eq!(event.seq, index as u64 + 1);
            if let Kind::AgentTool { text, .. } = event.kind {
                match event.part {
                    Some([n, _]) if n > 1 => whole.last_mut().map(|w: &mut String| w.push_str(&text)).unwrap(),
                    _ => whole.push(text),
                }
            }
        }
        prop_assert_eq!(whole, texts);
    }
}

#[test]
fn a_panic_of_the_workers_own_is_an_event_without_its_secret() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    journal.emit_in_panic("panicked at src/x.rs:1:1:\nhunter2-hunter2 is wrong".to_owned());
    assert!(journal.finish(Level::Error, end()));
    let first = lines(&receiver).remove(0);
    assert!(first.contains(r#""level":"error","type":"log""#), "{first}");
    assert!(first.contains("src/x.rs") && !first.contains("hunter2"), "{first}");
}

#[test]
fn a_burst_waits_for_a_writer_that_gets_on_and_not_for_one_that_is_stuck() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = "x".repeat(5_000);
    let burst = |journal: &Journal| {
        let begun = Instant::now();
        for _ in 0..4_000 {
            journal.log(Level::Info, &*line);
            runtime.block_on(journal.settle());
        }
        begun.elapsed()
    };
    // 20 MB, more than the queue holds.
    let (sender, receiver) = mpsc::channel();
    let quick = journal(Pipe(sender), None);
    burst(&quick);
    assert!(quick.finish(Level::Info, end()));
    assert_eq!(lines(&receiver).len(), 4_001, "something was dropped");

    let (let_go, gate) = mpsc::channel();
    let (sender, _receiver) = mpsc::channel();
    let stuck = journal(Blocked(gate, Vec::new(), sender), None);
    assert!(burst(&stuck) < Duration::from_secs(10), "it waited for a writer that is stuck");
    drop(let_go);
}

#[test]
fn the_newest_spend_is_never_far_from_the_end() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    journal.emit_at_once(Level::Debug, Kind::Spend(Spend { spent_usd: 1.5, ..Spend::default() }));
    for _ in 0..300 {
        journal.log(Level::Info, "x".repeat(9_000));
    }
    journal.log(Level::Info, "y".repeat(1 << 20));
    assert!(journal.finish(Level::Info, end()));
    let lines = lines(&receiver);
    let mut since = 0;
    for line in &lines {
        since = if line.contains(r#""type":"spend""#) { 0 } else { since + line.len() + 1 };
        assert!(since <= SPEND_EVERY, "{since} bytes");
    }
    assert!(lines.iter().filter(|line| line.contains(r#""spentUsd":1.5"#)).count() > 10);
    assert!(lines.last().unwrap().contains("run.end"));
}
