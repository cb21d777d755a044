//! Cuts long texts into parts so that every line stays within the limit.

use ralph_protocol::event::{Kind, MAX_LINE};

use crate::redact::Redactor;

/// Most bytes, in JSON, of a field that is never cut into parts: names, ids, reasons.
pub const MAX_FIELD: usize = 2_000;

/// Room for everything in a line but the kind: time, ids, numbers, level, part, punctuation.
/// 27 + 48 + 31 + 20 + 10 digits and names; the rest is air.
const ENVELOPE: usize = 512;

/// An event, redacted, and where its long text is cut into lines.
pub(super) struct Prepared {
    /// Without its long text.
    kind: Kind,
    text: Option<Cut>,
}

struct Cut {
    text: String,
    /// Ends of the pieces.
    ends: Vec<usize>,
}

/// Redacts every text of the event and cuts its long one, if it has one.
pub(super) fn prepare(mut kind: Kind, redactor: &Redactor) -> Prepared {
    for field in fields_mut(&mut kind) {
        // In this order: a secret cut in two would not be recognised.
        redactor.redact(field);
        clip(field, MAX_FIELD);
    }
    let Some(text) = kind.text_mut() else { return Prepared { kind, text: None } };
    redactor.redact(text);
    let text = std::mem::take(text);
    // Serialising plain data does not fail; if it did, the guess is the largest possible.
    let fixed = serde_json::to_vec(&kind).map_or(MAX_LINE / 2, |bytes| bytes.len());
    let budget = MAX_LINE.saturating_sub(ENVELOPE + fixed).max(1_024);
    let ends = cut(&text, budget);
    Prepared { kind, text: Some(Cut { text, ends }) }
}

impl Prepared {
    /// What it says, without its long text.
    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Most bytes of its lines, newlines included.
    pub(super) fn most(&self) -> u64 {
        let lines = self.text.as_ref().map_or(1, |cut| cut.ends.len());
        (lines as u64).saturating_mul(MAX_LINE as u64 + 1)
    }

    /// Leaves the beginning of its long text.
    pub(super) fn shorten(&mut self) {
        if let Some(Cut { text, ends }) = &mut self.text {
            clip(text, MAX_FIELD);
            *ends = vec![text.len()];
        }
    }

    /// About how many bytes its lines take in the queue.
    pub(super) fn estimate(&self) -> usize {
        self.text
            .as_ref()
            .map_or(ENVELOPE + MAX_FIELD, |cut| ENVELOPE * cut.ends.len() + cut.text.len())
    }

    /// Hands on one line's worth after the other, with its number. All of them at once would
    /// double what a long text takes.
    pub(super) fn parts(self, mut each: impl FnMut(Kind, Option<[u32; 2]>)) {
        let Self { mut kind, text } = self;
        let Some(Cut { text, ends }) = text else { return each(kind, None) };
        if let [_] = ends.as_slice() {
            if let Some(slot) = kind.text_mut() {
                *slot = text;
            }
            return each(kind, None);
        }
        let of = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        let mut start = 0;
        for (n, end) in (1..=of).zip(ends) {
            let mut part = kind.clone();
            if let Some(slot) = part.text_mut() {
                text[start..end].clone_into(slot);
            }
            start = end;
            each(part, Some([n, of]));
        }
    }
}

/// Texts that are not cut: they are bounded instead.
fn fields_mut(kind: &mut Kind) -> Vec<&mut String> {
    match kind {
        Kind::AgentText { parent, .. } => parent.iter_mut().collect(),
        Kind::AgentTool { id, name, parent, .. } => {
            [id, name].into_iter().chain(parent.as_mut()).collect()
        }
        Kind::AgentToolResult { id, parent, .. } => {
            std::iter::once(id).chain(parent.as_mut()).collect()
        }
        Kind::Limit { status, .. } => vec![status],
        Kind::KeyRotate { from, to, reason } => {
            std::iter::once(from).chain(to.as_mut()).chain(std::iter::once(reason)).collect()
        }
        Kind::Wait { reason, .. } => vec![reason],
        Kind::IterEnd { outcome, .. } => vec![outcome],
        Kind::RunEnd { text: Some(text), .. } => vec![text],
        Kind::RunStart { repo, .. } => vec![repo],
        _ => Vec::new(),
    }
}

/// Shortens at a character boundary and shows that it did.
fn clip(text: &mut String, most: usize) {
    let Some(&end) = cut(text, most - '…'.len_utf8()).first() else { return };
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
}

/// Ends of pieces whose JSON form is at most `budget` bytes; at least one, cut between characters.
fn cut(text: &str, budget: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut used = 0;
    // A fast way over text that cannot be too long even if every byte were escaped.
    if text.len() * 6 > budget {
        for (index, c) in text.char_indices() {
            let width = escaped_width(c);
            if used + width > budget {
                ends.push(index);
                used = 0;
            }
            used += width;
        }
    }
    ends.push(text.len());
    ends
}

/// Bytes a character takes inside a JSON string as serde_json writes it.
fn escaped_width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}
