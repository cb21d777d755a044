//! Reads the usual batch of CloudWatch Logs in one pass: three times as fast as a general reader,
//! because almost every line is JSON inside a JSON string, full of escapes.
//!
//! It knows strings, integers and lists of strings. At anything else, and at anything wrong, it gives
//! up, and the general reader decides.

use std::borrow::Cow;

use crate::payload::Entry;

/// The fields that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned<'a> {
    pub message_type: Option<Cow<'a, str>>,
    pub log_group: Cow<'a, str>,
    pub log_stream: Cow<'a, str>,
    pub entries: Vec<Entry<'a>>,
}

/// Reads a batch; `None`: not the usual form.
pub(crate) fn scan(text: &str) -> Option<Scanned<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut seen = Scanned::default();
    let mut fields = 0u8;
    scanner.object(|scanner, key| {
        let bit = match key {
            "messageType" => {
                seen.message_type = Some(scanner.string()?);
                1
            }
            "logGroup" => {
                seen.log_group = scanner.string()?;
                2
            }
            "logStream" => {
                seen.log_stream = scanner.string()?;
                4
            }
            "logEvents" => {
                scanner.list(|scanner| {
                    seen.entries.push(scanner.entry()?);
                    Some(())
                })?;
                8
            }
            _ => return scanner.skip(),
        };
        // A field that comes twice is for the general reader to judge.
        let first = fields & bit == 0;
        fields |= bit;
        first.then_some(())
    })?;
    scanner.space();
    (scanner.at == text.len()).then_some(seen)
}

/// Bytes at which plain text ends: a quote, a backslash, a control character.
static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        stops[byte] = byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize;
        byte += 1;
    }
    stops
};

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes a byte after white space.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.take(b':')?;
            self.space();
            field(self, &key)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.space();
            element(self)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let (mut timestamp, mut message) = (None, None);
        self.object(|scanner, key| match key {
            "timestamp" if timestamp.is_none() => {
                timestamp = Some(scanner.integer()?);
                Some(())
            }
            "message" if message.is_none() => {
                message = Some(scanner.string()?);
                Some(())
            }
            "timestamp" | "message" => None,
            _ => scanner.skip(),
        })?;
        Some(Entry { timestamp: timestamp?, message: message? })
    }

    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'[' => self.list(|scanner| scanner.string().map(drop)),
            _ => self.integer().map(drop),
        }
    }

    /// Digits, as many as surely fit.
    fn integer(&mut self) -> Option<u64> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ends =
            matches!(rest.get(digits), Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
        let leads = digits > 1 && rest[0] == b'0';
        if !(1..=18).contains(&digits) || leads || !ends {
            return None;
        }
        let text = &self.text[self.at..self.at + digits];
        self.at += digits;
        text.parse().ok()
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let start = self.at;
        let end = self.plain()?;
        if self.text.as_bytes()[end] == b'"' {
            self.at = end + 1;
            return Some(Cow::Borrowed(&self.text[start..end]));
        }
        let mut out = String::with_capacity((end - start) * 2 + 256);
        let mut from = start;
        let mut end = end;
        loop {
            // Both ends are at ASCII bytes, so at the borders of characters.
            out.push_str(&self.text[from..end]);
            self.at = end + 1;
            if self.text.as_bytes()[end] == b'"' {
                return Some(Cow::Owned(out));
            }
            out.push(self.escape()?);
            from = self.at;
            end = self.plain()?;
        }
    }

    /// Where the next quote or backslash is. Control characters are none of JSON's.
    fn plain(&self) -> Option<usize> {
        let rest = &self.text.as_bytes()[self.at..];
        let at = rest.iter().position(|byte| STOPS[usize::from(*byte)])?;
        (rest[at] >= 0x20).then_some(self.at + at)
    }

    /// The character of an escape, behind its backslash.
    fn escape(&mut self) -> Option<char> {
        let kind = self.peek()?;
        self.at += 1;
        Some(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first);
        }
        // A pair; a lone half is for the general reader.
        self.text.as_bytes()[self.at..].starts_with(b"\\u").then(|| self.at += 2)?;
        let second = self.hex()?;
        let whole = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
        whole.then(|| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)))?
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}
