//! Cutting a long line into parts by the bytes its JSON takes, never inside a character and, where
//! it can be helped, never inside an ANSI escape sequence.

/// How far a cut moves back to spare an escape sequence. Longer ones (a hyperlink, an image) are
/// cut like text.
const LOOK_BACK: usize = 256;

/// Pieces of `text`, in order, whose JSON string (without quotes) has at most `room` bytes each.
/// Always at least one piece; an empty text is one empty piece. `room` below 6 counts as 6, the
/// longest escape of one character.
#[must_use]
pub fn parts(text: &str, room: usize) -> Vec<&str> {
    let room = room.max(6);
    let mut pieces = Vec::with_capacity(1);
    let mut rest = text;
    while let Some(cut) = cut(rest, room) {
        let (piece, tail) = rest.split_at(cut);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// Where to cut so that the first piece fits; `None` when all of it does.
fn cut(text: &str, room: usize) -> Option<usize> {
    // No character takes more than six times its bytes.
    if text.len() <= room / 6 {
        return None;
    }
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += encoded_len(character);
        if used > room {
            return Some(before_escape(text, at));
        }
    }
    None
}

/// Bytes that a character takes inside a JSON string, as serde_json writes it.
fn encoded_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// Moves a cut back to the start of the escape sequence it would fall into.
fn before_escape(text: &str, at: usize) -> usize {
    let head = &text.as_bytes()[..at];
    let window = at.saturating_sub(LOOK_BACK);
    let Some(escape) = head[window..].iter().rposition(|b| *b == 0x1b).map(|i| window + i) else {
        return at;
    };
    // A piece must not be empty.
    if escape == 0 || ends(&head[escape + 1..]) { at } else { escape }
}

/// Whether what follows an ESC is a whole sequence (and maybe more).
fn ends(after: &[u8]) -> bool {
    match after {
        [] => false,
        // CSI: parameters, then one byte of @ to ~.
        [b'[', parameters @ ..] => parameters.iter().any(|b| (0x40..=0x7e).contains(b)),
        // OSC: up to BEL. (Its other end, ESC \, begins with the ESC that was found.)
        [b']', text @ ..] => text.contains(&7),
        // Two bytes, with intermediates before the last one.
        bytes => bytes.iter().any(|b| (0x30..=0x7e).contains(b)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts() {
        for (text, room, expected) in [
            ("", 10, vec![""]),
            ("short", 10, vec!["short"]),
            ("0123456789ab", 10, vec!["0123456789", "ab"]),
            ("ääääää", 10, vec!["äääää", "ä"]),
            ("ääääää", 11, vec!["äääää", "ä"]),
            ("\"\"\"\"\"\"", 10, vec!["\"\"\"\"\"", "\""]),
            ("\u{1}\u{1}", 10, vec!["\u{1}", "\u{1}"]),
            // ESC alone takes six bytes of JSON.
            ("abc\u{1b}[31mred", 12, vec!["abc", "\u{1b}[31mre", "d"]),
            ("\u{1b}[38;2;255;0;0mred", 12, vec!["\u{1b}[38;2;", "255;0;0mred"]),
            ("\u{1b}[1mbold!", 12, vec!["\u{1b}[1mbol", "d!"]),
            ("abcd\u{1b}]0;title\u{7}x", 18, vec!["abcd", "\u{1b}]0;title", "\u{7}x"]),
        ] {
            assert_eq!(parts(text, room), expected, "{text:?} in {room}");
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_are_the_text(text in "(\\PC|[\u{0}-\u{1f}]|\u{1b}\\[[0-9;]{0,4}m){0,200}", room in 0usize..80) {
            let pieces = parts(&text, room);
            prop_assert_eq!(pieces.concat(), text.clone());
            for piece in &pieces {
                let json = serde_json::to_string(piece).unwrap();
                prop_assert!(json.len() - 2 <= room.max(6), "{} > {}", json.len() - 2, room);
                prop_assert!(!piece.is_empty() || pieces.len() == 1);
            }
        }
    }
}
