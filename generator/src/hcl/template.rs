//! Templates, escaping and heredocs.
//!
//! In a literal, `${` and `%{` are escaped by doubling their first character. HCL has no escape for
//! what that escape itself looks like: `$${` in a literal would lose a `$`. A `$` or `%` right
//! before an interpolation or an escape is therefore written as an interpolated string, `${"$"}`.

use hcl::expr::{Expression, TemplateExpr};

use super::expr::Expr;
use super::print::guarded;
use super::types::{Arn, Interpolate, Text, Url};

/// A piece of a template: literal text or an expression.
pub enum Part<M> {
    #[doc(hidden)]
    Literal(String),
    #[doc(hidden)]
    Value(Expr<M, Text>),
    /// The inside of another template, already escaped.
    #[doc(hidden)]
    Template(String),
}

impl<M> From<&str> for Part<M> {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl<M> From<String> for Part<M> {
    fn from(text: String) -> Self {
        Self::Literal(text)
    }
}

impl<M, T: Interpolate> From<&Expr<M, T>> for Part<M> {
    fn from(expr: &Expr<M, T>) -> Self {
        Self::Value(Expr::from_node(expr.node().clone()))
    }
}

impl<M, T: Interpolate> From<Expr<M, T>> for Part<M> {
    fn from(expr: Expr<M, T>) -> Self {
        Self::Value(Expr::from_node(expr.into_node()))
    }
}

fn join<M>(parts: Vec<Part<M>>) -> Expression {
    let mut merged: Vec<Part<M>> = Vec::new();
    for part in parts {
        // A literal expression inside a template is text of the template.
        let part = match part {
            Part::Value(value) => match value.into_node() {
                Expression::String(text) => Part::Literal(text),
                // A template inside a template is part of it, unless its end would run into what
                // follows.
                Expression::TemplateExpr(inner) => match *inner {
                    TemplateExpr::QuotedString(text) if !text.ends_with(['$', '%']) => {
                        Part::Template(text)
                    }
                    other => {
                        Part::Value(Expr::from_node(Expression::TemplateExpr(Box::new(other))))
                    }
                },
                node => Part::Value(Expr::from_node(node)),
            },
            other => other,
        };
        match (merged.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => merged.push(part),
        }
    }
    // `terraform fmt` unwraps a template that is only an interpolation of a reference.
    if merged.len() == 1 {
        match merged.remove(0) {
            Part::Literal(text) => return Expression::String(text),
            Part::Value(value) if !matches!(value.node(), Expression::Number(_)) => {
                return value.into_node();
            }
            other => merged.push(other),
        }
    }
    let mut text = String::new();
    let mut parts = merged.into_iter().peekable();
    while let Some(part) = parts.next() {
        match part {
            Part::Literal(literal) => escape_into(&mut text, &literal, parts.peek().is_some()),
            Part::Template(inner) => text.push_str(&inner),
            Part::Value(value) => {
                text.push_str("${");
                text.push_str(&guarded(value.node()));
                text.push('}');
            }
        }
    }
    if text.is_empty() {
        return Expression::String(text);
    }
    Expression::TemplateExpr(Box::new(TemplateExpr::QuotedString(text)))
}

/// A string made of literals and expressions.
#[must_use]
pub fn template<M>(parts: Vec<Part<M>>) -> Expr<M, Text> {
    Expr::from_node(join(parts))
}

/// An ARN made of literals and expressions.
#[must_use]
pub fn arn_template<M>(parts: Vec<Part<M>>) -> Expr<M, Arn> {
    Expr::from_node(join(parts))
}

/// A URL made of literals and expressions.
#[must_use]
pub fn url_template<M>(parts: Vec<Part<M>>) -> Expr<M, Url> {
    Expr::from_node(join(parts))
}

/// A string from literals and expressions: `text!["a/", &name]`.
#[macro_export]
macro_rules! text {
    ($($part:expr),+ $(,)?) => { $crate::hcl::template(vec![$($crate::hcl::Part::from($part)),+]) };
}

/// An ARN from literals and expressions: `arn![&group, ":*"]`.
#[macro_export]
macro_rules! arn {
    ($($part:expr),+ $(,)?) => {
        $crate::hcl::arn_template(vec![$($crate::hcl::Part::from($part)),+])
    };
}

/// Writes `literal` as it stands inside quotes. `followed` says that an interpolation comes next.
pub(in crate::hcl) fn escape_into(out: &mut String, literal: &str, followed: bool) {
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

/// Writes `literal` as it stands inside a heredoc, where only template sequences mean anything.
pub(in crate::hcl) fn escape_sigils(out: &mut String, literal: &str) {
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
