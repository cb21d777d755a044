use std::sync::mpsc;

use proptest::prelude::*;
use ralph_protocol::event::{Envelope, MAX_LINE, SPEND_EVERY, Spend};
use serde_json::json;

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

/// A limit for these tests; the agent says more than ten times as much.
const LIMIT: u64 = 100_000;
const SAID: &str = "is not logged from here on";

/// What was written, as events, and its bytes.
fn events(receiver: &mpsc::Receiver<Vec<u8>>) -> (Vec<Event>, u64) {
    let lines = lines(receiver);
    let bytes = lines.iter().map(|line| line.len() as u64 + 1).sum();
    (lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect(), bytes)
}

fn text_of(event: &Event) -> &str {
    match &event.kind {
        Kind::Log { text } => text,
        _ => "",
    }
}

fn is_agents(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::AgentText { .. }
            | Kind::AgentTool { .. }
            | Kind::AgentToolResult { .. }
            | Kind::AgentStderr { .. }
            | Kind::AgentRetry { .. }
            | Kind::Setup { .. }
    )
}

fn agent_text(text: &str) -> Kind {
    serde_json::from_value(json!({"type": "agent.text", "text": text})).unwrap()
}

/// One of each that the agent can cause by what it writes.
fn agents() -> Vec<Kind> {
    let text = "x".repeat(1_000);
    let all = json!([
        {"type": "agent.text", "text": text},
        {"type": "agent.tool", "id": text, "name": text, "text": text},
        {"type": "agent.tool_result", "id": text, "text": text, "isError": false},
        {"type": "agent.stderr", "text": text},
        {"type": "setup", "text": text},
        {"type": "agent.retry", "attempt": 1, "delayMs": 1},
        {"type": "log", "text": "agent started"},
    ]);
    serde_json::from_value(all).unwrap()
}

#[test]
fn beyond_the_limit_one_line_says_so_and_only_the_workers_own_events_go_on() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    journal.limit_to(LIMIT);
    for _ in 0..400 {
        agents().into_iter().for_each(|kind| journal.emit_of_agent(Level::Info, kind));
        // A text of many lines is written whole, or not at all.
        journal.emit_of_agent(Level::Info, agent_text(&"y".repeat(40_000)));
    }
    assert!(journal.is_full());
    journal.emit(Level::Info, Kind::IterStart {});
    journal.log(Level::Warn, "the worker's own");
    let commit = || "c".repeat(40);
    journal.emit(
        Level::Info,
        Kind::Checkpoint { commit: commit(), branch: "b".to_owned(), pushed: true },
    );
    journal.emit_at_once(Level::Debug, Kind::Spend(Spend::default()));
    assert!(journal.finish(Level::Info, end()));
    let (events, bytes) = events(&receiver);
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    let at = events.iter().position(|event| text_of(event).contains(SAID)).unwrap();
    assert_eq!(events.iter().filter(|event| text_of(event).contains(SAID)).count(), 1);
    let said = &events[at];
    assert_eq!(said.level, Level::Warn);
    assert!(text_of(said).contains("of the 0.1 MB") && text_of(said).contains("max_log_mb"));
    assert!(events[..at].iter().any(|event| is_agents(&event.kind)));
    let after: Vec<_> = events[at + 1..].iter().map(|event| &event.kind).collect();
    assert!(
        matches!(
            after[..],
            [
                Kind::IterStart {},
                Kind::Log { .. },
                Kind::Checkpoint { .. },
                Kind::Spend(_),
                Kind::RunEnd { .. }
            ]
        ),
        "{after:?}"
    );
    assert!(bytes < LIMIT + 5_000, "{bytes} bytes");
    assert!(bytes > LIMIT / 2, "{bytes} bytes");
}

#[test]
fn what_the_agent_can_cause_beyond_the_limit_is_bounded() {
    type Flood = (&'static str, fn(&Journal));
    let floods: [Flood; 4] = [
        ("a usage limit", |journal| {
            let status = "rejected".repeat(100);
            journal.emit_of_agent(Level::Warn, Kind::Limit { status, resets_at: None });
        }),
        ("warnings", |journal| journal.log(Level::Warn, "z".repeat(50_000))),
        ("keys", |journal| {
            let (from, reason) = ("k".repeat(500), "r".to_owned());
            journal.emit(Level::Warn, Kind::KeyRotate { from, to: None, reason });
        }),
        ("panics", |journal| journal.emit_in_panic("panicked".repeat(500))),
    ];
    for (name, flood) in floods {
        let (sender, receiver) = mpsc::channel();
        let journal = journal(Pipe(sender), None);
        journal.limit_to(LIMIT);
        for _ in 0..2_000 {
            flood(&journal);
        }
        // What the agent reports leaves room for the worker's own words.
        let own = name == "a usage limit";
        journal.log(Level::Warn, "the worker's own");
        journal.emit(Level::Info, Kind::IterStart {});
        assert!(journal.finish(Level::Info, end()));
        let (events, bytes) = events(&receiver);
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
        assert!(bytes < LIMIT + RESERVE + 2 * MAX_LINE as u64, "{name}: {bytes} bytes");
        assert_eq!(events.iter().filter(|e| text_of(e).contains(SAID)).count(), 1, "{name}");
        assert_eq!(events.iter().any(|e| text_of(e) == "the worker's own"), own, "{name}");
        let last = &events[events.len() - 2..];
        assert!(matches!(last[0].kind, Kind::IterStart {}), "{name}: {last:?}");
    }
}

#[test]
fn what_counts_is_what_is_written() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    // Two lines before redaction, and one line afterwards.
    let text = "hunter2-hunter2 ".repeat(1_000);
    assert!(text.len() > MAX_LINE);
    journal.limit_to(MAX_LINE as u64 + 1);
    journal.emit_of_agent(Level::Info, agent_text(&text));
    assert!(journal.finish(Level::Info, end()));
    assert_eq!(events(&receiver).0.len(), 2, "the text and the end");
}

#[test]
fn setup_writes_a_quarter_of_the_limit_and_leaves_the_rest_to_the_agent() {
    let (sender, receiver) = mpsc::channel();
    let journal = journal(Pipe(sender), None);
    // A setup of which everything was written would leave the agent 100 KB.
    journal.limit_to(10 * LIMIT);
    for _ in 0..900 {
        journal.emit_of_setup(Level::Info, "x".repeat(1_000));
    }
    assert!(!journal.is_full());
    for _ in 0..900 {
        journal.emit_of_agent(Level::Info, agent_text(&"y".repeat(500)));
    }
    assert!(journal.finish(Level::Info, end()));
    let (events, _) = events(&receiver);
    let says: Vec<&str> = events.iter().map(text_of).filter(|text| text.contains(SAID)).collect();
    let [said] = says[..] else { panic!("{says:?}") };
    assert!(said.starts_with("what setup says") && said.contains("of the 1 MB"), "{said}");
    let setup = events.iter().filter(|event| matches!(event.kind, Kind::Setup { .. })).count();
    // Each takes 1,000 bytes and what is around it, and one line of the longest must fit.
    assert!((170..250).contains(&setup), "{setup} lines of setup");
    let agent = events.iter().filter(|event| matches!(event.kind, Kind::AgentText { .. })).count();
    assert_eq!(agent, 900);
}
