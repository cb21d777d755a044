//! Reads the usual batch of CloudWatch Logs in one pass and in place. Almost every line is JSON inside
//! a JSON string, full of escapes. A string is never longer than its JSON, so each is unescaped where
//! it stands, and nothing is copied: in two thirds of a general reader's time.
//!
//! It knows strings, integers and lists of strings. At anything else, and at anything wrong, it gives
//! up, and the general reader decides.

use std::ops::Range;

/// The fields that matter, as places in the text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub message_type: Option<Range<usize>>,
    pub log_group: Range<usize>,
    pub log_stream: Range<usize>,
    pub entries: Vec<Place>,
}

/// Where a line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub timestamp: u64,
    pub message: Range<usize>,
}

/// Reads a batch; `None`: not the usual form. Either way `text` is JSON no more: only the places
/// hold what they held, without escapes. They are UTF-8 if the text was.
pub(crate) fn scan(text: &mut [u8]) -> Option<Scanned> {
    let mut scanner = Scanner { text, at: 0 };
    let mut seen = Scanned::default();
    let mut fields = 0u8;
    scanner.object(|scanner, key| {
        let bit = match &scanner.text[key] {
            b"messageType" => {
                seen.message_type = Some(scanner.string()?);
                1
            }
            b"logGroup" => {
                seen.log_group = scanner.string()?;
                2
            }
            b"logStream" => {
                seen.log_stream = scanner.string()?;
                4
            }
            b"logEvents" => {
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
    (scanner.at == scanner.text.len()).then_some(seen)
}

/// How many bytes are looked at together.
pub(crate) const WORD: usize = size_of::<u64>();

/// The byte in each place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// How many bytes of plain text a word begins with: up to a quote, a backslash or a control
/// character. (The usual test for a zero byte; its borrow can only mark bytes behind a true mark.)
pub(crate) fn plain(word: [u8; WORD]) -> usize {
    let word = u64::from_le_bytes(word);
    let zero = |word: u64| word.wrapping_sub(each(1)) & !word;
    let control = word.wrapping_sub(each(0x20)) & !word;
    let stops = control | zero(word ^ each(b'"')) | zero(word ^ each(b'\\'));
    (stops & each(0x80)).trailing_zeros() as usize / 8
}

/// The bytes from a place on; zeros, which end plain text, behind the last one.
pub(crate) fn word(text: &[u8], at: usize) -> [u8; WORD] {
    let rest = &text[at..];
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        word
    })
}

/// What an escape of one letter stands for; 0: there is none.
pub(crate) static ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let pairs = *b"\"\"\\\\//n\nt\tr\rb\x08f\x0c";
    let mut pair = 0;
    while pair < pairs.len() {
        escapes[pairs[pair] as usize] = pairs[pair + 1];
        pair += 2;
    }
    escapes
};

struct Scanner<'a> {
    text: &'a mut [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
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

    fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, Range<usize>) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.take(b':')?;
            self.space();
            field(self, key)?;
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

    fn entry(&mut self) -> Option<Place> {
        let (mut timestamp, mut message) = (None, None);
        self.object(|scanner, key| match &scanner.text[key] {
            b"timestamp" if timestamp.is_none() => {
                timestamp = Some(scanner.integer()?);
                Some(())
            }
            b"message" if message.is_none() => {
                message = Some(scanner.string()?);
                Some(())
            }
            b"timestamp" | b"message" => None,
            _ => scanner.skip(),
        })?;
        Some(Place { timestamp: timestamp?, message: message? })
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
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ends =
            matches!(rest.get(digits), Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
        let leads = digits > 1 && rest[0] == b'0';
        if !(1..=18).contains(&digits) || leads || !ends {
            return None;
        }
        self.at += digits;
        let value = |all: u64, digit: &u8| all * 10 + u64::from(digit - b'0');
        Some(rest[..digits].iter().fold(0, value))
    }

    /// Unescapes a string where it stands; gives its place.
    fn string(&mut self) -> Option<Range<usize>> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        let start = self.at;
        loop {
            let plain = plain(word(self.text, self.at));
            self.at += plain;
            if plain < WORD {
                break;
            }
        }
        // Behind this nothing moves until the first escape.
        let mut end = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 1,
                _ => return None,
            }
            let kind = self.peek()?;
            self.at += 1;
            if kind == b'u' {
                end += self.unicode()?.encode_utf8(&mut self.text[end..]).len();
            } else {
                self.text[end] = Some(ESCAPES[usize::from(kind)]).filter(|byte| *byte != 0)?;
                end += 1;
            }
            end = self.shift(end);
        }
        self.at += 1;
        Some(start..end)
    }

    /// Moves plain text from here to `end`; gives where it ends then.
    fn shift(&mut self, mut end: usize) -> usize {
        loop {
            let word = word(self.text, self.at);
            let plain = plain(word);
            if end + WORD <= self.at {
                // The whole word: what is no plain text of it is written over.
                self.text[end..end + WORD].copy_from_slice(&word);
            } else {
                // What stands behind `end` may not be read yet.
                self.text[end..end + plain].copy_from_slice(&word[..plain]);
            }
            self.at += plain;
            end += plain;
            if plain < WORD {
                return end;
            }
        }
    }

    /// The character of an escape by number, behind its `u`.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xe000).contains(&first) {
            return char::from_u32(first);
        }
        // A pair; a lone half is for the general reader.
        self.text[self.at..].starts_with(b"\\u").then(|| self.at += 2)?;
        let second = self.hex()?;
        let whole = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
        whole.then(|| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)))?
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let value = |all: u32, digit: &u8| Some(all << 4 | char::from(*digit).to_digit(16)?);
        let all = digits.iter().try_fold(0, value)?;
        self.at += 4;
        Some(all)
    }
}
