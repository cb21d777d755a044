//! Text without what a terminal does not show, and the way back to where it stood.

use std::ops::Range;

/// Whether the text holds terminal escape sequences.
pub(super) fn has_escapes(text: &str) -> bool {
    memchr::memchr(ESC, text.as_bytes()).is_some()
}

/// Whether the text has line breaks.
pub(super) fn has_breaks(text: &str) -> bool {
    memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some()
}

const ESC: u8 = 0x1b;

/// A shorter text and where its pieces come from.
pub(super) struct View {
    text: String,
    /// (position in `text`, position in the original) of each piece, in order.
    pieces: Vec<(usize, usize)>,
}

impl View {
    /// Without escape sequences.
    pub(super) fn without_escapes(text: &str) -> Self {
        Self::build(text, |bytes| memchr::memchr(ESC, bytes))
    }

    /// Without escape sequences and line breaks.
    pub(super) fn without_escapes_and_breaks(text: &str) -> Self {
        Self::build(text, |bytes| memchr::memchr3(ESC, b'\n', b'\r', bytes))
    }

    fn build(text: &str, next: impl Fn(&[u8]) -> Option<usize>) -> Self {
        let mut view = Self { text: String::with_capacity(text.len()), pieces: Vec::new() };
        let mut at = 0;
        while at < text.len() {
            let stop = next(&text.as_bytes()[at..]).map_or(text.len(), |offset| at + offset);
            if stop > at {
                view.pieces.push((view.text.len(), at));
                view.text.push_str(&text[at..stop]);
            }
            at = stop + skipped(&text[stop..]);
        }
        view
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The original range that a range of this text stands for, with what was skipped inside it.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.original_position(range.start);
        let last = range.end.saturating_sub(1).max(range.start);
        let end = self.original_position(last) + (range.end - last);
        start..end
    }

    fn original_position(&self, position: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= position);
        match piece.checked_sub(1).and_then(|index| self.pieces.get(index)) {
            Some((start, original)) => original + (position - start),
            None => position,
        }
    }
}

/// Length of the line break or escape sequence at the beginning of the text; 0 only for "".
fn skipped(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return 0 };
    let body = match first {
        '\u{1b}' => match chars.next() {
            Some((_, '[')) => 2,
            // A string sequence (title, link): only its opening is skipped, because its content
            // is text that must be searched too.
            Some((at, c)) => return at + c.len_utf8(),
            None => return 1,
        },
        other => return other.len_utf8(),
    };
    // CSI: parameters and intermediates, then one final byte (ECMA-48, 5.4).
    let rest = &text.as_bytes()[body..];
    let parameters = rest.iter().take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
    let finished = rest.get(parameters).is_some_and(|byte| (0x40..=0x7e).contains(byte));
    body + parameters + usize::from(finished)
}
