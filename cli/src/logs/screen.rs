//! Where lines go: standard output, in large writes, styled or not.

use std::io::{self, BufWriter, Write};

use anstream::ColorChoice;
use ralph_protocol::{
    event::timestamp_text, ids::Run, message::RawLine, reassembly::Line, table::RunState,
};

use super::{
    format::{self, Extent},
    whole::Item,
};
use crate::tools::{output::Stdout, steps::say};

/// Bytes gathered before they are written when more is at hand.
const BUFFER: usize = 64 * 1024;

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text(Extent),
    /// As they were written.
    Json,
}

/// The screen. Its errors are those of standard output; a reader that went away is one of them.
pub struct Screen<W: Write> {
    out: BufWriter<W>,
    form: Form,
    /// The run whose lines came last: a heading says when it changes.
    run: Option<Run>,
    line: String,
}

/// Standard output, with or without styles.
pub fn stdout(form: Form, colour: ColorChoice) -> Screen<Stdout> {
    Screen::new(Stdout::new(colour), form)
}

impl<W: Write> Screen<W> {
    pub fn new(out: W, form: Form) -> Self {
        let out = BufWriter::with_capacity(BUFFER, out);
        Self { out, form, run: None, line: String::new() }
    }

    /// Shows an event.
    pub fn line(&mut self, line: &Line) -> io::Result<()> {
        match self.form {
            Form::Json => self.json(&line.json),
            Form::Text(extent) => {
                self.heading(&line.run)?;
                self.line.clear();
                format::event(&mut self.line, &line.json, extent);
                self.out.write_all(self.line.as_bytes())
            }
        }
    }

    /// Shows a raw line.
    pub fn raw(&mut self, raw: &RawLine) -> io::Result<()> {
        match self.form {
            Form::Json => {
                let json = serde_json::to_string(raw).unwrap_or_default();
                self.json(&json)
            }
            Form::Text(extent) => {
                self.heading(&raw.run)?;
                self.line.clear();
                format::raw(&mut self.line, raw.ts, &raw.text, extent);
                self.out.write_all(self.line.as_bytes())
            }
        }
    }

    /// Shows an event or a raw line of a run, or says that lines are missing.
    pub fn item(&mut self, run: &Run, item: &Item) -> io::Result<()> {
        match item {
            Item::Event(line) => self.line(line),
            Item::Raw(raw) => self.raw(raw),
            Item::Missing { from, to } => self.missing(run, *from, *to),
        }
    }

    /// Says that lines are missing.
    pub fn missing(&mut self, run: &Run, from: u64, to: u64) -> io::Result<()> {
        let count = to - from + 1;
        self.note(run, &format!("{count} lines lost ({from} to {to})"))
    }

    /// Says where a run stands whose own lines do not.
    pub fn state(&mut self, run: &Run, state: RunState, reason: Option<&str>) -> io::Result<()> {
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        self.note(run, &format!("{}{reason}", state.as_str()))
    }

    /// Says something about a run: between the lines for people, on standard error beside JSON,
    /// whose readers are programs.
    fn note(&mut self, run: &Run, said: &str) -> io::Result<()> {
        let clean: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match self.form {
            Form::Json => say(&format!("note: {run}: {clean}")),
            Form::Text(_) => {
                self.heading(run)?;
                writeln!(self.out, "--- {clean}")?;
            }
        }
        Ok(())
    }

    fn heading(&mut self, run: &Run) -> io::Result<()> {
        if self.run.as_ref() == Some(run) {
            return Ok(());
        }
        self.run = Some(run.clone());
        let started = timestamp_text(run.started_ms());
        let date = started.get(..10).unwrap_or_default();
        writeln!(self.out, "=== run {run} (execution of {date})")
    }

    fn json(&mut self, json: &str) -> io::Result<()> {
        self.out.write_all(json.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Writes what was gathered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use anstream::AutoStream;

    use super::*;

    fn line(attempt: u32, seq: u64) -> Line {
        let run: Run = format!("01ARZ3NDEKTSV4RRFFQ69G5FAV-{attempt:04}").parse().unwrap();
        let json = format!(
            r#"{{"v":1,"ts":"2026-11-25T08:00:00.000Z","workstream":"w","run":"{run}","seq":{seq},"iter":1,"level":"error","type":"log","text":"x"}}"#
        );
        Line { run, seq, ts: 0, kind: "log".into(), json }
    }

    fn shown(form: Form, colour: ColorChoice) -> String {
        let mut bytes = Vec::new();
        let mut screen = Screen::new(AutoStream::new(&mut bytes, colour), form);
        for line in [line(1, 1), line(1, 2), line(2, 1)] {
            screen.line(&line).unwrap();
        }
        screen.missing(&line(2, 1).run, 2, 4).unwrap();
        screen.flush().unwrap();
        drop(screen);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_run_has_its_heading() {
        let text = shown(Form::Text(Extent::Whole), ColorChoice::Never);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!(lines[0], "=== run 01ARZ3NDEKTSV4RRFFQ69G5FAV-0001 (execution of 2016-07-30)");
        assert!(lines[3].contains("-0002"));
        assert_eq!(lines[5], "--- 3 lines lost (2 to 4)");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn colours_are_there_when_they_are_wanted() {
        assert!(
            shown(Form::Text(Extent::Whole), ColorChoice::AlwaysAnsi)
                .contains("\u{1b}[1m\u{1b}[31m")
        );
    }

    #[test]
    fn json_is_what_was_written_and_nothing_else() {
        let text = shown(Form::Json, ColorChoice::AlwaysAnsi);
        let expected = [line(1, 1).json, line(1, 2).json, line(2, 1).json];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
