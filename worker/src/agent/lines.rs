//! Lines from a pipe, of any length.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::journal::Journal;

/// A line longer than this is handed on in pieces: memory is bounded whatever the agent writes.
pub const MAX_LINE: usize = 16 << 20;

/// Longest word that is kept whole where a long line is cut.
const MAX_WORD: usize = 64 << 10;

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes as they come and hands on every line that is whole, without its newline.
    pub fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(Vec<u8>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.pending.extend_from_slice(&bytes[..end]);
            line(std::mem::take(&mut self.pending));
            bytes = &bytes[end + 1..];
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > MAX_LINE {
            let rest = self.pending.split_off(word_end(&self.pending));
            line(std::mem::replace(&mut self.pending, rest));
        }
    }

    /// What was left without a newline.
    pub fn finish(self, line: impl FnOnce(Vec<u8>)) {
        if !self.pending.is_empty() {
            line(self.pending);
        }
    }
}

/// Where a long line may be cut: after the last space or quote near its end, so that no secret is
/// cut in two and then not recognised. Without one, at the end.
fn word_end(bytes: &[u8]) -> usize {
    let near = bytes.len().saturating_sub(MAX_WORD);
    let last = bytes[near..].iter().rposition(|byte| b" \t\"',;".contains(byte));
    last.map_or(bytes.len(), |at| near + at + 1)
}

/// A pipe that is read line by line. Nothing is read ahead: an agent that writes faster than its
/// lines are taken waits, and one line is in memory at a time.
#[derive(Debug)]
pub struct Source<P> {
    /// `None` after the end.
    pipe: Option<P>,
    lines: Lines,
    buffer: Vec<u8>,
}

impl<P: AsyncRead + Unpin> Source<P> {
    /// Reads this pipe; without one, it is at its end.
    pub fn new(pipe: Option<P>) -> Self {
        Self { pipe, lines: Lines::default(), buffer: vec![0; 64 << 10] }
    }

    /// Waits for bytes and returns the lines that are whole now, if any; `None` at the end. May be
    /// dropped at any time: nothing is lost.
    pub async fn read(&mut self) -> Option<Vec<Vec<u8>>> {
        let read = self.pipe.as_mut()?.read(&mut self.buffer).await.unwrap_or(0);
        let mut whole = Vec::new();
        if read == 0 {
            self.pipe = None;
            std::mem::take(&mut self.lines).finish(|line| whole.push(line));
        }
        self.lines.feed(&self.buffer[..read], |line| whole.push(line));
        Some(whole)
    }

    /// As [`Source::read`], once what came before is mostly written.
    pub async fn read_after(&mut self, journal: &Journal) -> Option<Vec<Vec<u8>>> {
        journal.settle().await;
        self.read().await
    }
}

/// The last lines of a program, for whoever must know why it failed or did not start.
#[derive(Debug)]
pub struct LastLines {
    most: usize,
    lines: VecDeque<String>,
}

impl LastLines {
    /// Longer lines are left out: in a part of one, a secret would not be recognised.
    const LONGEST: usize = 1_000;

    /// Keeps so many lines that are not blank.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, lines: VecDeque::new() }
    }

    /// Takes the next line.
    pub fn take(&mut self, line: &[u8]) {
        if line.len() > Self::LONGEST || line.trim_ascii().is_empty() {
            return;
        }
        self.lines.push_back(String::from_utf8_lossy(line).into_owned());
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    /// Leaves out lines from the beginning, until the others have at most so many bytes in JSON.
    #[must_use]
    pub fn within(mut self, most_bytes: usize) -> Self {
        let bytes = |line: &String| serde_json::Value::from(line.as_str()).to_string().len();
        while self.lines.iter().map(bytes).sum::<usize>() > most_bytes {
            self.lines.pop_front();
        }
        self
    }

    /// The lines, as they came.
    #[must_use]
    pub fn text(self) -> String {
        Vec::from(self.lines).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_lines_are_bounded_in_number_and_bytes() {
        let last = |lines: Vec<String>| {
            let mut last = LastLines::new(20);
            lines.iter().for_each(|line| last.take(line.as_bytes()));
            last
        };
        assert_eq!(last(vec![]).text(), "");
        let many = last((1..=100).map(|n| format!("line {n}")).collect()).text();
        assert!(many.starts_with("line 81\n") && many.ends_with("\nline 100"), "{many}");
        // As JSON writes it.
        let loud = (1..=20).map(|n| format!("\u{1b}[31m{n}{}", "\"".repeat(60)));
        let loud = last(loud.collect()).within(1_500).text();
        assert!(loud.len() < 1_500 && loud.contains("20\""), "{loud}");
        assert!(serde_json::Value::from(loud).to_string().len() <= 1_500);
        let lines = ["x".repeat(999), String::new(), "y".repeat(1_001), "last".to_owned()];
        assert_eq!(last(lines.into()).text(), format!("{}\nlast", "x".repeat(999)));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_words() {
        let mut text = vec![b'x'; MAX_LINE - 10];
        text.extend_from_slice(b" a-secret-that-would-be-cut-in-two");
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for chunk in text.chunks(64 << 10) {
            lines.feed(chunk, |line| got.push(line));
        }
        lines.finish(|line| got.push(line));
        let lengths: Vec<usize> = got.iter().map(Vec::len).collect();
        assert_eq!(lengths, [MAX_LINE - 9, 33]);
        assert_eq!(got[1], b"a-secret-that-would-be-cut-in-two");
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            text in prop::collection::vec(prop::sample::select(b"ab\n\r\xff".to_vec()), 0..200),
            sizes in prop::collection::vec(1usize..20, 1..40),
        ) {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            let mut rest = text.as_slice();
            let mut sizes = sizes.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                lines.feed(now, |line| got.push(line));
                rest = later;
            }
            lines.finish(|line| got.push(line));
            let mut expected: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(got, expected);
        }
    }
}
