//! Reading a run from its beginning to its end, in order, in requests of bounded size: what is
//! shown does not have to be held. Lines behind a missing number are held until the run was read from the
//! start of its stream to its end without that number.

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

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything that was asked for and exists was sent.
    Complete,
    /// The server stopped early. `Some`: it has sent everything from before this time, ms since the
    /// epoch by CloudWatch's clock; `None`: it is of an older version, or has read nothing.
    Partial(Option<u64>),
    /// It broke off, or a part of it could not be read.
    Broken,
}

/// What to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for this.
    Ask(Range),
    /// An answer brought nothing new and was not the end: wait a little, then ask for this.
    AskLater(Range),
    Done,
}

/// A run that is being read.
#[derive(Debug)]
pub struct Whole {
    run: Run,
    /// The lowest number that was not shown.
    next: u64,
    /// Where reading begins, ms since the epoch; 0: at the start of the stream.
    ts: u64,
    /// Where it goes on instead: everything between there and `ts` was sent.
    after: Option<u64>,
    /// Whether everything from the start of the stream up to where reading goes on was sent.
    from_start: bool,
    /// The latest time of a line that was shown, ms since the epoch.
    shown_ts: u64,
    /// What came and is not shown yet: a number below it is missing.
    held: BTreeMap<u64, Line>,
    /// Raw lines have no number, and some are read again.
    raw: HashSet<RawLine>,
}

impl Whole {
    /// From `ts` on, ms since the epoch; 0: all of it. What was written before that time is not
    /// wanted, whatever its number.
    pub fn new(run: Run, ts: u64) -> Self {
        Self {
            run,
            next: 1,
            ts,
            after: None,
            from_start: ts == 0,
            shown_ts: ts,
            held: BTreeMap::new(),
            raw: HashSet::new(),
        }
    }

    /// What to ask for now.
    pub fn ask(&self) -> Range {
        let (run, after) = (self.run.clone(), self.after);
        Range { run, from: self.next, to: None, ts: self.ts, after }
    }

    /// Takes an answer: the events and raw lines of its frames, in order, and how it ended. Gives
    /// what to show now.
    pub fn take<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a str>,
        end: End,
    ) -> (Vec<Item>, Next) {
        let mut raws = Vec::new();
        let (mut came, mut grew) = (false, false);
        for json in events {
            match line(json) {
                Some(line) if line.run == self.run && line.seq >= self.next => {
                    came = true;
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
        let goes_on = match end {
            End::Complete if self.from_start || self.held.is_empty() => {
                while self.skip_hole(&mut items) {}
                return (merge(items, raws), Next::Done);
            }
            // The clock that stamped the lines may have been stepped back.
            End::Complete => self.begin_at_start(),
            End::Partial(Some(read_to)) => self.go_on_after(read_to) || grew,
            End::Partial(None) if grew => self.go_on_at_shown(),
            // Asked again, it brings the same: the rest lies behind what it may send at once.
            End::Partial(None) if came && self.from_start => {
                self.skip_hole(&mut items);
                self.go_on_at_shown()
            }
            End::Partial(None) if came => self.begin_at_start(),
            End::Partial(None) | End::Broken => grew,
        };
        let next = if goes_on { Next::Ask(self.ask()) } else { Next::AskLater(self.ask()) };
        (merge(items, raws), next)
    }

    /// Reads the stream from its start: what that does not bring is not stored.
    fn begin_at_start(&mut self) -> bool {
        (self.ts, self.after, self.from_start) = (0, None, true);
        true
    }

    /// Goes on where the server stopped; `false` when it has come no further.
    fn go_on_after(&mut self, read_to: u64) -> bool {
        let further = self.after < Some(read_to);
        self.after = self.after.max(Some(read_to));
        further
    }

    /// Goes on at what was shown: the best guess where the server does not say how far it has read.
    fn go_on_at_shown(&mut self) -> bool {
        if self.after.is_none() {
            (self.ts, self.from_start) = (self.shown_ts, false);
        }
        true
    }

    /// Gives up the numbers below the first line that is held; `false` when none is.
    fn skip_hole(&mut self, items: &mut Vec<Item>) -> bool {
        let Some((&first, _)) = self.held.first_key_value() else { return false };
        items.push(Item::Missing { from: self.next, to: first - 1 });
        self.next = first;
        self.show_contiguous(items);
        true
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
            self.shown_ts = self.shown_ts.max(line.ts);
            items.push(Item::Event(line));
        }
    }
}

/// Raw lines go before the first event that was written after them.
pub fn merge(items: Vec<Item>, mut raws: Vec<RawLine>) -> Vec<Item> {
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

    fn take(whole: &mut Whole, numbers: &[u64], end: End) -> (String, Next) {
        let events: Vec<String> = numbers.iter().map(|&seq| event(seq)).collect();
        let (items, next) = whole.take(events.iter().map(String::as_str), end);
        let said = items.iter().map(|item| match item {
            Item::Event(line) => line.seq.to_string(),
            Item::Raw(raw) => raw.text.clone(),
            Item::Missing { from, to } => format!("[{from}-{to}]"),
        });
        (said.collect::<Vec<_>>().join(" "), next)
    }

    /// `3@0`: numbers from 3 on, from the start of the stream; `3>50`: behind 50 ms; `later`: after a
    /// pause.
    fn asked(next: &Next) -> String {
        let range = |range: &Range| match range.after {
            Some(after) => format!("{}>{after}", range.from),
            None => format!("{}@{}", range.from, range.ts),
        };
        match next {
            Next::Ask(next) => range(next),
            Next::AskLater(next) => format!("later {}", range(next)),
            Next::Done => "done".to_owned(),
        }
    }

    #[test]
    fn answers_and_what_follows_from_them() {
        use End::{Broken, Complete, Partial};

        // An answer's numbers, how it ended, what is shown, and what is asked for next.
        type Answer = (&'static [u64], End, &'static str, &'static str);
        let all = 0;
        let cases: [(&str, u64, &[Answer]); 17] = [
            ("all at once", all, &[(&[1, 2, 3], Complete, "1 2 3", "done")]),
            (
                "in two",
                all,
                &[(&[1, 2], Partial(Some(50)), "1 2", "3>50"), (&[3], Complete, "3", "done")],
            ),
            ("out of order and twice", all, &[(&[2, 1, 2, 3, 1], Complete, "1 2 3", "done")]),
            (
                "late in the next answer",
                all,
                &[(&[1, 3], Partial(Some(50)), "1", "2>50"), (&[2], Complete, "2 3", "done")],
            ),
            (
                "holes that are there at the end",
                all,
                &[
                    (&[1, 4], Partial(Some(50)), "1", "2>50"),
                    (&[5], Partial(Some(60)), "", "2>60"),
                    (&[7], Complete, "[2-3] 4 5 [6-6] 7", "done"),
                ],
            ),
            ("nothing", all, &[(&[], Complete, "", "done")]),
            (
                "it has read on without a line of ours",
                all,
                &[
                    (&[1], Partial(Some(50)), "1", "2>50"),
                    (&[], Partial(Some(90)), "", "2>90"),
                    (&[], Partial(Some(90)), "", "later 2>90"),
                    (&[2], Complete, "2", "done"),
                ],
            ),
            (
                "what came before it broke off is kept",
                all,
                &[(&[1, 2], Broken, "1 2", "3@0"), (&[3], Complete, "3", "done")],
            ),
            (
                "it goes on where it stopped before it broke off",
                all,
                &[
                    (&[1], Partial(Some(50)), "1", "2>50"),
                    (&[3], Broken, "", "2>50"),
                    (&[], Broken, "", "later 2>50"),
                    (&[2, 3, 4], Complete, "2 3 4", "done"),
                ],
            ),
            (
                "what is lacking when it broke off is not missing",
                all,
                &[
                    (&[1, 3], Broken, "1", "2@0"),
                    (&[3], Broken, "", "later 2@0"),
                    (&[3], Broken, "", "later 2@0"),
                    (&[2, 3], Complete, "2 3", "done"),
                ],
            ),
            (
                "from a time on, a number is missing once the run was read from its start",
                20,
                &[
                    (&[1, 3], Complete, "1", "2@0"),
                    (&[3], Partial(Some(50)), "", "2>50"),
                    (&[4], Complete, "[2-2] 3 4", "done"),
                ],
            ),
            (
                "from a time on, a clock that was stepped back loses nothing",
                20,
                &[(&[1, 3], Complete, "1", "2@0"), (&[2, 3], Complete, "2 3", "done")],
            ),
            (
                "it broke off while it was read from its start",
                20,
                &[
                    (&[1, 3], Complete, "1", "2@0"),
                    (&[4], Broken, "", "2@0"),
                    (&[3, 4], Complete, "[2-2] 3 4", "done"),
                ],
            ),
            (
                "a server that does not say how far it has read",
                all,
                &[
                    (&[1, 2], Partial(None), "1 2", "3@2000"),
                    (&[], Partial(None), "", "later 3@2000"),
                    (&[3], Complete, "3", "done"),
                ],
            ),
            (
                "such a server, and a hole that stays",
                all,
                &[
                    (&[1, 3], Partial(None), "1", "2@1000"),
                    (&[3, 4], Partial(None), "", "2@1000"),
                    (&[3, 4], Partial(None), "", "2@0"),
                    (&[3, 4], Partial(None), "[2-2] 3 4", "5@4000"),
                    (&[5], Complete, "5", "done"),
                ],
            ),
            (
                "such a server, and a hole at the end",
                all,
                &[
                    (&[1], Partial(None), "1", "2@1000"),
                    (&[3], Complete, "", "2@0"),
                    (&[3], Complete, "[2-2] 3", "done"),
                ],
            ),
            (
                "a server that was throttled before it read anything",
                all,
                &[
                    (&[1, 3], Partial(Some(50)), "1", "2>50"),
                    (&[], Partial(None), "", "later 2>50"),
                    (&[2], Complete, "2 3", "done"),
                ],
            ),
        ];
        for (name, ts, answers) in cases {
            let mut whole = Whole::new(RUN.parse().unwrap(), ts);
            for (numbers, end, shown, next) in answers {
                let (said, then) = take(&mut whole, numbers, *end);
                assert_eq!((said.as_str(), asked(&then).as_str()), (*shown, *next), "{name}");
            }
        }
    }

    #[test]
    fn raw_lines_come_once_and_at_their_time() {
        let raw = |ts: u64, text: &str| {
            format!(r#"{{"type":"raw","run":"{RUN}","stream":"s","ts":{ts},"text":"{text}"}}"#)
        };
        let mut whole = Whole::new(RUN.parse().unwrap(), 0);
        let first = [raw(500, "before"), event(1), event(3), raw(2_500, "between")];
        let (items, _) = whole.take(first.iter().map(String::as_str), End::Broken);
        assert!(matches!(&items[..], [Item::Raw(_), Item::Event(_), Item::Raw(_)]), "{items:?}");
        let again = [raw(500, "before"), event(2), event(3), raw(9_000, "after")];
        let (items, _) = whole.take(again.iter().map(String::as_str), End::Complete);
        assert!(matches!(&items[..], [Item::Event(_), Item::Event(_), Item::Raw(_)]), "{items:?}");
    }

    #[test]
    fn a_reading_from_a_time_on_begins_where_it_begins() {
        let mut whole = Whole::new(RUN.parse().unwrap(), 20);
        let events = [event(7), event(8)];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        whole.begin_at_first(&events);
        let (items, next) = whole.take(events, End::Complete);
        assert_eq!((items.len(), next), (2, Next::Done));
    }
}
