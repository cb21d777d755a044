//! JSONata expressions. <https://docs.jsonata.org/2.0.0/overview>

use std::collections::BTreeSet;

/// A JSONata expression, without the `{% %}` around it. Texts in it stand in single quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

/// A JSONata expression.
///
/// # Panics
/// When it holds `%}`, which would end it: the model's author sees it on the first run.
#[must_use]
pub fn code(text: impl Into<String>) -> Code {
    let text = text.into();
    assert!(!text.contains("%}"), "an expression cannot hold %}}: {text}");
    Code(text)
}

impl Code {
    /// As it stands in a definition.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{{% {} %}}", self.0)
    }

    /// The machine's variables that it reads: every `$name` that is no call of a function, no
    /// parameter or local variable of the expression itself, and not the reserved `$states`.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<&str> {
        let mut read = BTreeSet::new();
        let mut own: BTreeSet<&str> = BTreeSet::from(["states"]);
        for (name, rest) in self.names() {
            let rest = rest.trim_start();
            if rest.starts_with(":=") {
                own.insert(name);
            } else if !rest.starts_with('(') && !name.is_empty() {
                read.insert(name);
            }
        }
        for parameters in self.0.split("function(").skip(1) {
            let list = parameters.split(')').next().unwrap_or_default();
            own.extend(list.split(',').map(|name| name.trim().trim_start_matches('$')));
        }
        read.retain(|name| !own.contains(name));
        read
    }

    /// Every `$name` outside texts and regular expressions, with what follows it.
    fn names(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find(['\'', '$', '/']) {
            let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
            // A slash opens a regular expression where a value may begin, else it divides.
            let before = self.0[..self.0.len() - rest.len() + at].trim_end();
            let opens = before.is_empty() || before.ends_with([',', '(']);
            rest = match mark {
                b'$' => {
                    let end =
                        after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
                    found.push((&after[..end], &after[end..]));
                    &after[end..]
                }
                b'/' if !opens => after,
                quote => skip(after, quote),
            };
        }
        found
    }
}

/// What follows a text or a regular expression that ends with `quote`.
fn skip(text: &str, quote: u8) -> &str {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if byte == quote && !escaped {
            return &text[at + 1..];
        }
        escaped = byte == b'\\' && !escaped;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_that_an_expression_reads() {
        for (text, expected) in [
            ("$attempt + 1", vec!["attempt"]),
            ("$states.input.x", vec![]),
            ("$exists($states.input.x) ? $a : $b", vec!["a", "b"]),
            ("'costs $five' & $x", vec!["x"]),
            ("$contains($url, /^a$|b\\/$c/) and $d / 2 > $e", vec!["d", "e", "url"]),
            ("($n := $attempt + 1; $n & '')", vec!["attempt"]),
            ("$reduce($list, function($sum, $item) { $sum + $item })", vec!["list"]),
            ("[1][$ in $all]", vec!["all"]),
        ] {
            assert_eq!(code(text).variables().into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "cannot hold")]
    fn an_expression_cannot_end_itself() {
        let _ = code("'%}'");
    }
}
