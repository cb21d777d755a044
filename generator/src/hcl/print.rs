//! Canonical bytes: what `terraform fmt` would write, without asking it.
//!
//! `terraform fmt` never moves a line break; given the breaks, it decides spaces, indentation and
//! the column of `=`. So the printer chooses the breaks and puts the spaces, and [`lines`] does
//! the rest by fmt's own rules.

mod lines;

use std::fmt::Write as _;

use hcl::expr::{
    BinaryOperator, Expression, ForExpr, FuncCall, ObjectKey, Operation, Traversal,
    TraversalOperator, UnaryOperator,
};

use super::block::{Block, Entry, Item};
use super::name::plain;
use super::template::{escape_into, escape_sigils, parts_of, print_into};
pub(in crate::hcl) use lines::Lines;

/// A list or call longer than this is broken over lines.
const WIDTH: usize = 100;

/// Prints a file.
pub(in crate::hcl) fn file(items: &[Item]) -> String {
    let mut out = Lines::default();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.blank();
        }
        match item {
            Item::Comment(lines) => comment(&mut out, lines),
            Item::Block(block) => print_block(&mut out, block),
        }
    }
    out.finish()
}

fn comment(out: &mut Lines, lines: &[String]) {
    for line in lines {
        let text = if line.is_empty() { "#".to_owned() } else { format!("# {line}") };
        out.comment(&text);
    }
}

fn print_block(out: &mut Lines, block: &Block) {
    comment(out, &block.comment);
    out.push(&block.kind);
    for label in &block.labels {
        out.push(&format!(" \"{label}\""));
    }
    out.push(" ");
    out.open("{");
    if block.entries.is_empty() {
        out.close("}");
        out.newline();
        return;
    }
    out.newline();
    let mut previous: Option<&Entry> = None;
    for entry in &block.entries {
        let gap = match (previous, entry) {
            (None, _) => false,
            (Some(Entry::Gap), _) | (_, Entry::Gap) => false,
            (Some(Entry::Block(_)), _) | (_, Entry::Block(_)) => true,
            _ => false,
        };
        if gap {
            out.blank();
        }
        match entry {
            Entry::Gap => out.blank(),
            Entry::Comment(lines) => comment(out, lines),
            Entry::Block(block) => print_block(out, block),
            Entry::Attribute(name, value) => {
                out.push(name);
                out.assign();
                match value {
                    Expression::String(text) if reads_as_heredoc(text) => heredoc(out, text),
                    value => value_into(out, value),
                }
                out.newline();
            }
        }
        previous = Some(entry);
    }
    out.close("}");
    out.newline();
}

/// A text of whole lines, the whole value of an attribute, is easier to read as a heredoc. Anywhere
/// else a heredoc is a trap: Terraform rejects one inside a call or a list.
fn reads_as_heredoc(text: &str) -> bool {
    let whole_lines = text.ends_with('\n') && text.matches('\n').count() > 1;
    whole_lines && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

fn heredoc(out: &mut Lines, text: &str) {
    // The delimiter must not be one of the lines.
    let numbered = (1..).map(|n| format!("EOT{n}"));
    let free = |delimiter: &String| !text.lines().any(|line| line.trim() == delimiter);
    let delimiter = std::iter::once("EOT".to_owned()).chain(numbered).find(free);
    let mut body = String::new();
    escape_sigils(&mut body, text);
    out.heredoc(&delimiter.unwrap_or_default(), &body);
}

/// Prints a value where line breaks are allowed.
fn value_into(out: &mut Lines, node: &Expression) {
    // Everything else has one form only.
    let may_break = match node {
        Expression::Array(items) => !items.is_empty(),
        Expression::FuncCall(call) => {
            !call.args.is_empty() && !call.expand_final && parts_of(call).is_none()
        }
        Expression::ForExpr(_) => true,
        _ => false,
    };
    let breaks = may_break && (holds_object(node) || out.width() + flat_len(node) > WIDTH);
    match node {
        Expression::Array(items) if breaks => {
            out.open("[");
            out.newline();
            for item in items {
                value_into(out, item);
                out.push(",");
                out.newline();
            }
            out.close("]");
        }
        Expression::Object(object) if !object.is_empty() => {
            out.open("{");
            out.newline();
            for (key, value) in object {
                out.push(&key_text(key));
                out.assign();
                value_into(out, value);
                out.newline();
            }
            out.close("}");
        }
        Expression::FuncCall(call) if breaks => call_into(out, call),
        Expression::ForExpr(each) if breaks => for_into(out, each),
        other => out.balanced(&flat(other)),
    }
}

fn call_into(out: &mut Lines, call: &FuncCall) {
    out.push(call.name.name.as_str());
    out.open("(");
    let (last, init) = call.args.split_last().expect("a call without arguments is flat");
    let hugs = !init.iter().any(holds_object)
        && matches!(last, Expression::Object(_) | Expression::Array(_));
    if hugs {
        for arg in init {
            out.balanced(&flat(arg));
            out.push(", ");
        }
        value_into(out, last);
    } else {
        out.newline();
        for arg in &call.args {
            value_into(out, arg);
            out.push(",");
            out.newline();
        }
    }
    out.close(")");
}

fn for_into(out: &mut Lines, each: &ForExpr) {
    let (open, close) = if each.key_expr.is_some() { ("{", "}") } else { ("[", "]") };
    out.open(open);
    out.newline();
    out.balanced(&for_head(each));
    if flat(&each.value_expr).starts_with('-') {
        out.balanced(&guarded(&each.value_expr));
    } else {
        value_into(out, &each.value_expr);
    }
    out.balanced(&for_tail(each));
    out.newline();
    out.close(close);
}

fn for_head(each: &ForExpr) -> String {
    let mut text = String::from("for ");
    if let Some(key) = &each.key_var {
        let _ = write!(text, "{}, ", plain(key.as_str()));
    }
    let _ =
        write!(text, "{} in {} : ", plain(each.value_var.as_str()), flat(&each.collection_expr));
    if let Some(key) = &each.key_expr {
        let _ = write!(text, "{} => ", flat(key));
    }
    text
}

fn for_tail(each: &ForExpr) -> String {
    let mut text = String::new();
    if each.grouping {
        text.push_str("...");
    }
    if let Some(cond) = &each.cond_expr {
        let _ = write!(text, " if {}", flat(cond));
    }
    text
}

/// Whether a node reads better broken: it holds an object that is not empty.
fn holds_object(node: &Expression) -> bool {
    match node {
        Expression::Object(object) => !object.is_empty(),
        Expression::Array(items) => items.iter().any(holds_object),
        Expression::FuncCall(call) if parts_of(call).is_some() => false,
        Expression::FuncCall(call) => call.args.iter().any(holds_object),
        Expression::ForExpr(each) => holds_object(&each.value_expr),
        _ => false,
    }
}

/// Whether a node holds an object anywhere.
pub(in crate::hcl) fn holds_braces(node: &Expression) -> bool {
    match node {
        Expression::Object(object) => !object.is_empty(),
        Expression::Array(items) => items.iter().any(holds_braces),
        Expression::FuncCall(call) => call.args.iter().any(holds_braces),
        Expression::Parenthesis(inner) => holds_braces(inner),
        Expression::Conditional(c) => {
            [&c.cond_expr, &c.true_expr, &c.false_expr].into_iter().any(holds_braces)
        }
        Expression::Operation(operation) => match &**operation {
            Operation::Unary(unary) => holds_braces(&unary.expr),
            Operation::Binary(binary) => {
                holds_braces(&binary.lhs_expr) || holds_braces(&binary.rhs_expr)
            }
        },
        Expression::ForExpr(each) => {
            let inner = each.key_expr.iter().chain([&each.collection_expr, &each.value_expr]);
            inner.chain(&each.cond_expr).any(holds_braces)
        }
        Expression::Traversal(traversal) => {
            let index = |operator: &TraversalOperator| match operator {
                TraversalOperator::Index(index) => holds_braces(index),
                _ => false,
            };
            holds_braces(&traversal.expr) || traversal.operators.iter().any(index)
        }
        _ => false,
    }
}

fn flat_len(node: &Expression) -> usize {
    flat(node).chars().count()
}

/// Prints a node on one line.
pub(in crate::hcl) fn flat(node: &Expression) -> String {
    let mut out = String::new();
    flat_into(&mut out, node);
    out
}

/// The same where fmt takes a leading `-` for a subtraction: after `${` and `=>`.
pub(in crate::hcl) fn guarded(node: &Expression) -> String {
    let text = flat(node);
    if text.starts_with('-') { format!("({text})") } else { text }
}

fn flat_into(out: &mut String, node: &Expression) {
    match node {
        Expression::Null => out.push_str("null"),
        Expression::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Expression::Number(value) => {
            let _ = write!(out, "{value}");
        }
        Expression::String(text) => {
            out.push('"');
            escape_into(out, text, false);
            out.push('"');
        }
        Expression::Array(items) => list(out, "[", items, "]"),
        Expression::Object(object) if object.is_empty() => out.push_str("{}"),
        Expression::Object(object) => {
            out.push_str("{ ");
            for (i, (key, value)) in object.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                let _ = write!(out, "{} = ", key_text(key));
                flat_into(out, value);
            }
            out.push_str(" }");
        }
        Expression::Variable(variable) => out.push_str(plain(variable.as_str())),
        Expression::Traversal(traversal) => traversal_into(out, traversal),
        Expression::FuncCall(call) if parts_of(call).is_some() => print_into(out, &call.args),
        Expression::FuncCall(call) => {
            out.push_str(call.name.name.as_str());
            let close = if call.expand_final { "...)" } else { ")" };
            list(out, "(", &call.args, close);
        }
        Expression::Parenthesis(inner) => {
            out.push('(');
            flat_into(out, inner);
            out.push(')');
        }
        Expression::Conditional(conditional) => {
            flat_into(out, &conditional.cond_expr);
            out.push_str(" ? ");
            flat_into(out, &conditional.true_expr);
            out.push_str(" : ");
            flat_into(out, &conditional.false_expr);
        }
        Expression::Operation(operation) => operation_into(out, operation),
        Expression::ForExpr(each) => {
            let object = each.key_expr.is_some();
            out.push_str(if object { "{ " } else { "[" });
            out.push_str(&for_head(each));
            out.push_str(&guarded(&each.value_expr));
            out.push_str(&for_tail(each));
            out.push_str(if object { " }" } else { "]" });
        }
        _ => unreachable!("an expression that the model cannot build"),
    }
}

fn list(out: &mut String, open: &str, items: &[Expression], close: &str) {
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        flat_into(out, item);
    }
    out.push_str(close);
}

fn traversal_into(out: &mut String, traversal: &Traversal) {
    flat_into(out, &traversal.expr);
    for operator in &traversal.operators {
        match operator {
            TraversalOperator::AttrSplat => out.push_str(".*"),
            TraversalOperator::FullSplat => out.push_str("[*]"),
            TraversalOperator::GetAttr(name) => {
                let _ = write!(out, ".{}", name.as_str());
            }
            TraversalOperator::Index(index) => {
                out.push('[');
                flat_into(out, index);
                out.push(']');
            }
            TraversalOperator::LegacyIndex(index) => {
                let _ = write!(out, ".{index}");
            }
        }
    }
}

fn operation_into(out: &mut String, operation: &Operation) {
    match operation {
        Operation::Unary(unary) => {
            out.push_str(match unary.operator {
                UnaryOperator::Neg => "-",
                UnaryOperator::Not => "!",
            });
            flat_into(out, &unary.expr);
        }
        Operation::Binary(binary) => {
            flat_into(out, &binary.lhs_expr);
            let _ = write!(out, " {} ", operator_text(binary.operator));
            flat_into(out, &binary.rhs_expr);
        }
    }
}

fn operator_text(operator: BinaryOperator) -> &'static str {
    operator.as_str()
}

/// Keys outside ASCII are written as escapes: the column of `=` then counts plain characters.
pub(in crate::hcl) fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Identifier(name) => name.as_str().to_owned(),
        ObjectKey::Expression(Expression::String(text)) => {
            let mut quoted = String::from("\"");
            let mut escaped = String::new();
            escape_into(&mut escaped, text, false);
            for c in escaped.chars() {
                match (c.is_ascii(), c as u32) {
                    (true, _) => quoted.push(c),
                    (false, code @ ..=0xffff) => {
                        let _ = write!(quoted, "\\u{code:04x}");
                    }
                    (false, code) => {
                        let _ = write!(quoted, "\\U{code:08x}");
                    }
                }
            }
            quoted.push('"');
            quoted
        }
        ObjectKey::Expression(other) => format!("({})", flat(other)),
        _ => unreachable!("an object key that the model cannot build"),
    }
}
