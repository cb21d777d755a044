//! Reads the head of the usual event in one pass, in some 0.6 of a general reader's time: a flat object
//! of strings and integers. At anything else, and at anything wrong, it gives up, and the general reader
//! decides.

use std::borrow::Cow;

use crate::{
    line::Head,
    scan::{ESCAPES, WORD, plain, word},
};

/// Reads an event that has every field of a head but `exit`, `reason` and `until`.
pub(crate) fn scan(line: &str) -> Option<Head<'_>> {
    let mut cursor = Cursor { line, at: 0 };
    let (mut v, mut seq) = (None, None);
    let (mut ts, mut workstream, mut run, mut kind) = (None, None, None, None);
    cursor.take(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.take(b':')?;
        match key.as_bytes() {
            b"v" if v.is_none() => v = Some(u8::try_from(cursor.integer()?).ok()?),
            b"seq" if seq.is_none() => seq = Some(cursor.integer()?),
            b"ts" if ts.is_none() => ts = Some(cursor.string()?),
            b"workstream" if workstream.is_none() => workstream = Some(cursor.string()?),
            b"run" if run.is_none() => run = Some(cursor.string()?),
            b"type" if kind.is_none() => kind = Some(cursor.string()?),
            // Fields of few events, and such as come twice.
            b"exit" | b"reason" | b"until" | b"v" | b"seq" | b"ts" | b"workstream" | b"run"
            | b"type" => return None,
            _ => cursor.skip()?,
        }
        if cursor.take(b',').is_none() {
            break;
        }
    }
    cursor.take(b'}')?;
    if !line[cursor.at..].bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        return None;
    }
    Some(Head {
        v: v?,
        ts: Cow::Borrowed(ts?),
        workstream: Cow::Borrowed(workstream?),
        run: Cow::Borrowed(run?),
        seq: seq?,
        kind: Cow::Borrowed(kind?),
        exit: None,
        reason: None,
        until: None,
    })
}

/// A place in JSON without white space.
struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Digits, as many as surely fit.
    fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value * 10 + u64::from(digit - b'0');
            self.at += 1;
            if self.at - start > 18 {
                return None;
            }
        }
        let digits = &self.line.as_bytes()[start..self.at];
        let leads = digits.len() > 1 && digits[0] == b'0';
        let ends = matches!(self.peek(), Some(b',' | b'}'));
        (!digits.is_empty() && !leads && ends).then_some(value)
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        self.skip_plain();
        self.take(b'"')?;
        Some(&self.line[start..self.at - 1])
    }

    /// A string or an integer that does not matter, but must be one.
    fn skip(&mut self) -> Option<()> {
        if self.take(b'"').is_none() {
            return self.integer().map(drop);
        }
        loop {
            self.skip_plain();
            if self.take(b'"').is_some() {
                return Some(());
            }
            self.take(b'\\')?;
            let kind = self.peek()?;
            self.at += 1;
            if kind == b'u' {
                let digits = self.line.as_bytes().get(self.at..self.at + 4)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 4;
            } else if ESCAPES[usize::from(kind)] == 0 {
                return None;
            }
        }
    }

    /// To the next quote, backslash or control character, or the end.
    fn skip_plain(&mut self) {
        loop {
            let plain = plain(word(self.line.as_bytes(), self.at));
            self.at += plain;
            if plain < WORD {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = concat!(
        r#"{"iter":3,"level":"info","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","seq":2,"#,
        r#""text":"TEXT","ts":"2026-01-02T03:04:05.678Z","type":"log","v":1,"workstream":"w"}"#,
    );

    fn general(line: &str) -> Option<Head<'_>> {
        serde_json::from_str(line).ok()
    }

    #[test]
    fn the_usual_event_is_scanned_and_the_rest_is_not() {
        for line in
            [LINE.to_owned(), LINE.replace("TEXT", r#"\u001b[1m\"\\ ok"#), LINE.to_owned() + "\r\n"]
        {
            assert_eq!(scan(&line), general(&line), "{line}");
            assert!(scan(&line).is_some(), "{line}");
        }
        for (part, other) in [
            ("\"v\":1", "\"v\":256"),
            ("\"v\":1", "\"v\":1,\"v\":1"),
            ("\"v\":1", "\"v\":1,\"exit\":0"),
            ("\"v\":1", "\"v\":1,\"usd\":0.1"),
            ("\"v\":1", "\"v\" :1"),
            ("\"seq\":2", "\"seq\":02"),
            ("\"seq\":2", "\"seq\":18446744073709551616"),
            ("\"seq\":2", "\"seq\":\"2\""),
            ("\"type\":\"log\"", "\"type\":\"lo\\u0067\""),
            ("TEXT", "\\x"),
            ("TEXT", "\t"),
            ("\"w\"}", "\"w\""),
            ("\"w\"}", "\"w\"}x"),
            ("\"w\"}", "\"w\",}"),
        ] {
            assert!(LINE.contains(part));
            assert_eq!(scan(&LINE.replace(part, other)), None, "{other}");
        }
        for line in ["", "{", "{}", "[]", "{\"v\":1}"] {
            assert_eq!(scan(line), None, "{line}");
        }
    }

    proptest! {
        /// Where the scanner reads an event, the general reader reads the same.
        #[test]
        fn both_readers_agree(
            text in r#"(\\u[0-9a-fD]{4}|\\[nt"\\/bfx]|[a-zä"{}:,]){0,12}"#,
            changes in prop::collection::vec((any::<prop::sample::Index>(), 32u8..127), 0..3),
        ) {
            let mut line = LINE.replace("TEXT", &text);
            for (at, byte) in changes {
                let at = at.index(line.len());
                if line.is_char_boundary(at) && line.is_char_boundary(at + 1) {
                    line.replace_range(at..=at, std::str::from_utf8(&[byte]).unwrap());
                }
            }
            if let Some(head) = scan(&line) {
                prop_assert_eq!(Some(head), general(&line), "{}", line);
            }
        }
    }
}
