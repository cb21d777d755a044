//! Literal text as HCL spells it.
//!
//! In a literal, `${` and `%{` are escaped by doubling their first character. HCL has no escape for
//! what that escape itself looks like: `$${` in a literal would lose a `$`. A `$` or `%` right
//! before an interpolation or an escape is therefore written as an interpolated string, `${"$"}`.

/// `literal` as it stands inside quotes. `followed` says that an interpolation comes next.
pub(super) fn quoted(out: &mut String, literal: &str, followed: bool) {
    escape(out, literal, followed, |out, c| match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push(c),
    });
}

/// `literal` as it stands inside a heredoc, where only template sequences mean anything.
pub(super) fn heredoc(out: &mut String, literal: &str) {
    escape(out, literal, false, String::push);
}

fn escape(out: &mut String, literal: &str, followed: bool, plain: fn(&mut String, char)) {
    let mut rest = literal;
    while let Some(c) = rest.chars().next() {
        if c != '$' && c != '%' {
            plain(out, c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        // A run of sigils and what it runs into decide together.
        let run = rest.bytes().take_while(|b| matches!(b, b'$' | b'%')).count();
        let opens = rest[run..].starts_with('{');
        let touches = opens || (run == rest.len() && followed);
        let before = if opens { run - 1 } else { run };
        for sigil in rest[..before].chars() {
            if touches {
                out.push_str(&format!("${{\"{sigil}\"}}"));
            } else {
                out.push(sigil);
            }
        }
        if opens {
            let sigil = &rest[before..run];
            out.push_str(sigil);
            out.push_str(sigil);
            out.push('{');
            rest = &rest[run + 1..];
        } else {
            rest = &rest[run..];
        }
    }
}
