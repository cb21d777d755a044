//! Whether PROGRESS.md says that the work is complete.

/// The line that says so.
const STATUS: &str = "## Status: COMPLETE";

/// Whether the text holds the status line outside code fences. Fences are CommonMark's (spec 0.31,
/// section 4.5): three or more backticks or tildes, closed by at least as many of the same.
#[must_use]
pub fn is_complete(text: &str) -> bool {
    let mut fence: Option<(char, usize)> = None;
    for line in text.lines() {
        let line = line.trim_end();
        match (fence, fence_of(line)) {
            (None, Some((mark, length, _))) => fence = Some((mark, length)),
            (Some((mark, length)), Some((other, other_length, bare)))
                if mark == other && other_length >= length && bare =>
            {
                fence = None;
            }
            (None, None) if line == STATUS => return true,
            _ => {}
        }
    }
    false
}

/// The fence a line opens or closes: its mark, its length, and whether nothing follows it.
fn fence_of(line: &str) -> Option<(char, usize, bool)> {
    let text = line.trim_start_matches(' ');
    if line.len() - text.len() > 3 {
        return None;
    }
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = text.chars().take_while(|c| *c == mark).count();
    let rest = &text[length..];
    // A backtick fence's info string has no backtick; else it is a code span.
    let opens = length >= 3 && !(mark == '`' && rest.contains('`'));
    opens.then_some((mark, length, rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_complete() {
        let cases = [
            ("## Status: COMPLETE", true),
            ("# Tasks\n\n## Status: COMPLETE\n", true),
            ("x\r\n## Status: COMPLETE  \r\n", true),
            ("```\ncode\n```\n## Status: COMPLETE", true),
            ("```rust\n~~~\n```\n## Status: COMPLETE", true),
            ("`## Status: COMPLETE`", false),
            ("## Status: COMPLETE?", false),
            ("## Status: NOT COMPLETE", false),
            ("## status: complete", false),
            (" ## Status: COMPLETE", false),
            ("> ## Status: COMPLETE", false),
            ("Write `## Status: COMPLETE` when done", false),
            ("```\n## Status: COMPLETE\n```", false),
            ("~~~~\n```\n~~~\n## Status: COMPLETE\n~~~~", false),
            ("```\n## Status: COMPLETE", false),
            ("``` a`b\n## Status: COMPLETE", true),
            ("", false),
            ("\u{0}\u{fffd}\u{0}", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_complete(text), expected, "{text:?}");
        }
    }
}
