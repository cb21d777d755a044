//! Reading a run from its beginning to its end, in order, in requests of bounded size: what is
//! shown does not have to be held.

use std::collections::{BTreeMap, HashSet};

use ralph_protocol::{
    event::Envelope,
    ids::Run,
    message::{Range, RawLine},
    reassembly::Line,
};

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Event(Line),
    Raw(RawLine),
    /// These numbers are not there.
    Missing {
        from: u64,
        to: u64,
    },
}

/// What to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for this.
    Ask(Range),
    /// An answer brought nothing at all and was not the end: wait a little, then ask for this.
    AskLater(Range),
    Done,
}

/// A run that is being read.
#[derive(Debug)]
pub struct Whole {
    run: Run,
    /// The lowest number that was not shown.
    next: u64,
    /// A time at or before it, ms since the epoch.
    ts: u64,
    /// What came and is not shown yet: a number below it is missing.
    held: BTreeMap<u64, Line>,
    /// Raw lines have no number, and each request reads a minute of them again.
    raw: HashSet<RawLine>,
}

impl Whole {
    /// From `ts` on. What was written before that time is not wanted, whatever its number.
    pub fn new(run: Run, ts: u64) -> Self {
        Self { run, next: 1, ts, held: BTreeMap::new(), raw: HashSet::new() }
    }

    /// What to ask for now.
    pub fn ask(&self) -> Range {
        Range { run: self.run.clone(), from: self.next, to: None, ts: self.ts, after: None }
    }

    /// Takes an answer: the events and raw lines of its frames, in order, and whether it was
    /// complete. Gives what to show now.
    pub fn take<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a str>,
        complete: bool,
    ) -> (Vec<Item>, Next) {
        let mut raws = Vec::new();
        let mut grew = false;
        for json in events {
            match line(json) {
                Some(line) if line.run == self.run && line.seq >= self.next => {
                    // The first answer of a reading from a time on begins wherever it begins.
                    grew |= self.held.insert(line.seq, line).is_none();
                }
                Some(_) => {}
                None => {
                    if let Ok(raw) = serde_json::from_str::<RawLine>(json)
                        && raw.run == self.run
                        && self.raw.insert(raw.clone())
                    {
                        grew = true;
                        raws.push(raw);
                    }
                }
            }
        }
        let mut items = Vec::new();
        self.show_contiguous(&mut items);
        let stuck = items.is_empty();
        if complete || (stuck && !self.held.is_empty() && !grew) {
            // Asked again, the hole is still there; or nothing can fill it any more.
            while let Some((&first, _)) = self.held.first_key_value() {
                items.push(Item::Missing { from: self.next, to: first - 1 });
                self.next = first;
                self.show_contiguous(&mut items);
                if !complete {
                    break;
                }
            }
        }
        let items = merge(items, raws);
        let next = match (complete, items.is_empty() && !grew) {
            (true, _) => Next::Done,
            (false, true) => Next::AskLater(self.ask()),
            (false, false) => Next::Ask(self.ask()),
        };
        (items, next)
    }

    /// Begins at the first number that came: a reading from a time on has no business with those
    /// before it.
    pub fn begin_at_first(&mut self, events: &[&str]) {
        let first = events.iter().filter_map(|json| line(json)).map(|line| line.seq).min();
        self.next = first.unwrap_or(self.next);
    }

    fn show_contiguous(&mut self, items: &mut Vec<Item>) {
        while let Some(line) = self.held.remove(&self.next) {
            self.next += 1;
            self.ts = self.ts.max(line.ts);
            items.push(Item::Event(line));
        }
    }
}

/// Raw lines go before the first event that was written after them.
fn merge(items: Vec<Item>, mut raws: Vec<RawLine>) -> Vec<Item> {
    if raws.is_empty() {
        return items;
    }
    raws.sort_by_key(|raw| raw.ts);
    let mut raws = raws.into_iter().peekable();
    let mut merged = Vec::with_capacity(items.len());
    for item in items {
        if let Item::Event(line) = &item {
            while let Some(raw) = raws.next_if(|raw| raw.ts < line.ts) {
                merged.push(Item::Raw(raw));
            }
        }
        merged.push(item);
    }
    merged.extend(raws.map(Item::Raw));
    merged
}

fn line(json: &str) -> Option<Line> {
    let envelope = Envelope::parse(json)?;
    let ts = envelope.ts_ms().unwrap_or(0);
    let (run, seq, kind) = (envelope.run, envelope.seq, envelope.kind.into_owned());
    Some(Line { run, seq, ts, kind, json: json.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-0001";

    fn event(seq: u64) -> String {
        format!(
            r#"{{"v":1,"ts":"1970-01-01T00:00:{:02}.000Z","workstream":"w","run":"{RUN}","seq":{seq},"type":"log"}}"#,
            seq % 60
        )
    }

    fn take(whole: &mut Whole, numbers: &[u64], complete: bool) -> (String, Next) {
        let events: Vec<String> = numbers.iter().map(|&seq| event(seq)).collect();
        let (items, next) = whole.take(events.iter().map(String::as_str), complete);
        let said = items.iter().map(|item| match item {
            Item::Event(line) => line.seq.to_string(),
            Item::Raw(raw) => raw.text.clone(),
            Item::Missing { from, to } => format!("[{from}-{to}]"),
        });
        (said.collect::<Vec<_>>().join(" "), next)
    }

    fn from(next: &Next) -> u64 {
        match next {
            Next::Ask(range) | Next::AskLater(range) => range.from,
            Next::Done => 0,
        }
    }

    #[test]
    fn answers_and_what_follows_from_them() {
        // (answers as (numbers, complete), what is shown after each, next `from`; 0: done)
        type Answer = (&'static [u64], bool, &'static str, u64);
        let cases: [(&str, &[Answer]); 7] = [
            ("all at once", &[(&[1, 2, 3], true, "1 2 3", 0)]),
            ("in two", &[(&[1, 2], false, "1 2", 3), (&[3], true, "3", 0)]),
            ("out of order and twice", &[(&[2, 1, 2, 3, 1], true, "1 2 3", 0)]),
            ("late in the next answer", &[(&[1, 3], false, "1", 2), (&[2, 3], true, "2 3", 0)]),
            (
                "a hole that stays",
                &[
                    (&[1, 3], false, "1", 2),
                    (&[3, 4], false, "", 2),
                    (&[3, 4], false, "[2-2] 3 4", 5),
                    (&[5], true, "5", 0),
                ],
            ),
            ("holes at the end", &[(&[1, 4, 7], true, "1 [2-3] 4 [5-6] 7", 0)]),
            ("nothing", &[(&[], false, "", 1), (&[], true, "", 0)]),
        ];
        for (name, answers) in cases {
            let mut whole = Whole::new(RUN.parse().unwrap(), 0);
            for (numbers, complete, shown, next_from) in answers {
                let (said, next) = take(&mut whole, numbers, *complete);
                assert_eq!((said.as_str(), from(&next)), (*shown, *next_from), "{name}");
            }
        }
    }

    #[test]
    fn an_answer_without_anything_is_asked_for_later() {
        let mut whole = Whole::new(RUN.parse().unwrap(), 0);
        assert!(matches!(take(&mut whole, &[], false).1, Next::AskLater(_)));
        assert!(matches!(take(&mut whole, &[1], false).1, Next::Ask(_)));
    }

    #[test]
    fn raw_lines_come_once_and_at_their_time() {
        let raw = |ts: u64, text: &str| {
            format!(r#"{{"type":"raw","run":"{RUN}","stream":"s","ts":{ts},"text":"{text}"}}"#)
        };
        let mut whole = Whole::new(RUN.parse().unwrap(), 0);
        let first = [raw(500, "before"), event(1), event(3), raw(2_500, "between")];
        let (items, _) = whole.take(first.iter().map(String::as_str), false);
        assert!(matches!(&items[..], [Item::Raw(_), Item::Event(_), Item::Raw(_)]), "{items:?}");
        let again = [raw(500, "before"), event(2), event(3), raw(9_000, "after")];
        let (items, _) = whole.take(again.iter().map(String::as_str), true);
        assert!(matches!(&items[..], [Item::Event(_), Item::Event(_), Item::Raw(_)]), "{items:?}");
    }

    #[test]
    fn a_reading_from_a_time_on_begins_where_it_begins() {
        let mut whole = Whole::new(RUN.parse().unwrap(), 0);
        let events = [event(7), event(8)];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        whole.begin_at_first(&events);
        let (items, next) = whole.take(events, true);
        assert_eq!((items.len(), next), (2, Next::Done));
    }
}
