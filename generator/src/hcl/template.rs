//! Templates, escaping and heredocs.
//!
//! In a literal, `${` and `%{` are escaped by doubling their first character. HCL has no escape for
//! what that escape itself looks like: `$${` in a literal would lose a `$`. A `$` or `%` right
//! before an interpolation or an escape is therefore written as an interpolated string, `${"$"}`.

use hcl::expr::{Expression, FuncCall};

use super::expr::{Expr, call};
use super::print::guarded;
use super::types::{Any, Arn, Interpolate, Text, Url};

/// How a template is held until it is printed: as a call of a function that Terraform does not
/// have, its parts as arguments, literals as strings. hcl-rs's own template is text already, which
/// every look inside would have to parse.
const TEMPLATE: &str = "template_of_parts";

/// The parts of a template.
pub(in crate::hcl) fn parts_of(call: &FuncCall) -> Option<&[Expression]> {
    (call.name.name.as_str() == TEMPLATE).then_some(&*call.args)
}

/// A piece of a template: literal text or an expression.
pub enum Part<M> {
    #[doc(hidden)]
    Literal(String),
    #[doc(hidden)]
    Value(Expr<M, Text>),
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
    let mut merged: Vec<Expression> = Vec::new();
    for part in parts {
        let node = match part {
            Part::Literal(text) => Expression::String(text),
            Part::Value(value) => value.into_node(),
        };
        match &node {
            // A template inside a template is part of it.
            Expression::FuncCall(call) if parts_of(call).is_some() => {
                call.args.iter().cloned().for_each(|inner| merge(&mut merged, inner));
            }
            _ => merge(&mut merged, node),
        }
    }
    // `terraform fmt` unwraps a template that is only an interpolation of a reference.
    match &*merged {
        [] => Expression::String(String::new()),
        [Expression::Number(_)] => call::<M, Any>(TEMPLATE, merged).into_node(),
        [_] => merged.remove(0),
        _ => call::<M, Any>(TEMPLATE, merged).into_node(),
    }
}

/// Adds a part; literals that meet become one, so that escaping sees them whole.
fn merge(merged: &mut Vec<Expression>, part: Expression) {
    match (merged.last_mut(), part) {
        (_, Expression::String(text)) if text.is_empty() => {}
        (Some(Expression::String(before)), Expression::String(text)) => before.push_str(&text),
        (_, part) => merged.push(part),
    }
}

/// A template as it stands, with its quotes.
pub(in crate::hcl) fn print_into(out: &mut String, parts: &[Expression]) {
    out.push('"');
    for (i, part) in parts.iter().enumerate() {
        if let Expression::String(literal) = part {
            escape_into(out, literal, i + 1 < parts.len());
        } else {
            out.push_str("${");
            out.push_str(&guarded(part));
            out.push('}');
        }
    }
    out.push('"');
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
