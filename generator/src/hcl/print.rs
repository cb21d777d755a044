//! Canonical bytes: what `terraform fmt` would write, without asking it.
//!
//! `terraform fmt` never moves a line break; given the breaks, it decides spaces, indentation and
//! the column of `=`. So the printer chooses the breaks and puts the spaces, and [`lines`] does
//! the rest by fmt's own rules.

mod lines;

use hcl::expr::{Expression, ForExpr, FuncCall};
use hcl::structure::Structure;

use super::block::Block;
use super::escape;
use super::flat::{flat, for_head, for_tail, guarded, key_text};
use lines::Lines;

/// A list or call longer than this is broken over lines.
const WIDTH: usize = 100;

/// Prints a block. Blocks stand apart, so that the columns of one do not depend on another's.
pub(super) fn block(block: &Block) -> String {
    let mut out = Lines::default();
    comment(&mut out, &block.comment);
    print_block(&mut out, &block.hcl, &block.notes);
    out.finish()
}

fn comment(out: &mut Lines, lines: &[String]) {
    for line in lines {
        out.push(if line.is_empty() { "#" } else { "# " });
        out.push(line);
        out.newline();
    }
}

fn print_block(out: &mut Lines, block: &hcl::Block, notes: &[(usize, Vec<String>)]) {
    out.push(block.identifier());
    for label in &block.labels {
        out.push(&format!(" \"{}\"", label.as_str()));
    }
    out.push(" ");
    out.open("{");
    if block.body.0.is_empty() {
        out.close("}");
        out.newline();
        return;
    }
    out.newline();
    let mut notes = notes.iter().peekable();
    let mut previous = None;
    for (i, structure) in block.body.0.iter().enumerate() {
        let noted = notes.peek().is_some_and(|(at, _)| *at == i);
        if let Some(previous) = previous
            && (is_apart(block.identifier(), previous, structure)
                || noted && block.identifier() == "locals")
        {
            out.newline();
        }
        while let Some((_, lines)) = notes.next_if(|(at, _)| *at == i) {
            comment(out, lines);
        }
        match structure {
            Structure::Block(inner) => print_block(out, inner, &[]),
            Structure::Attribute(attribute) => {
                out.push(attribute.key());
                out.assign();
                match attribute.expr() {
                    Expression::String(text) if reads_as_heredoc(text) => heredoc(out, text),
                    value => value_into(out, value),
                }
                out.newline();
            }
        }
        previous = Some(structure);
    }
    out.close("}");
    out.newline();
}

/// Whether a blank line stands between two parts of a block: around nested blocks, and between a
/// block's own arguments and Terraform's.
fn is_apart(kind: &str, above: &Structure, below: &Structure) -> bool {
    match (above, below) {
        (Structure::Attribute(above), Structure::Attribute(below)) => {
            matches!(above.key(), "count" | "for_each")
                || (kind == "module" && above.key() == "source")
                || below.key() == "depends_on"
        }
        _ => true,
    }
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
    escape::heredoc(&mut body, text);
    out.heredoc(&delimiter.unwrap_or_default(), &body);
}

/// Prints a value where line breaks are allowed.
fn value_into(out: &mut Lines, node: &Expression) {
    // Everything else has one form only.
    let may_break = match node {
        Expression::Array(items) => !items.is_empty(),
        Expression::FuncCall(call) => !call.args.is_empty() && !call.expand_final,
        Expression::ForExpr(_) => true,
        _ => false,
    };
    let breaks = may_break && (holds_object(node) || out.width() + flat_len(node) > WIDTH);
    match node {
        Expression::Array(items) if breaks && items.iter().all(is_number) => numbers(out, items),
        Expression::Array(items) if breaks => {
            out.open("[");
            out.newline();
            for item in items {
                if is_small(item) {
                    out.push(&flat(item))
                } else {
                    value_into(out, item)
                }
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
        other => out.push(&flat(other)),
    }
}

fn is_number(node: &Expression) -> bool {
    matches!(node, Expression::Number(_))
}

/// Numbers are told apart at a glance: as many on a line as it holds.
fn numbers(out: &mut Lines, items: &[Expression]) {
    out.open("[");
    out.newline();
    let mut line = String::new();
    for item in items.iter().map(flat) {
        if line.len() + item.len() > WIDTH - 20 {
            out.push(std::mem::take(&mut line).trim_end());
            out.newline();
        }
        line = line + &item + ", ";
    }
    out.push(line.trim_end());
    out.newline();
    out.close("]");
}

fn call_into(out: &mut Lines, call: &FuncCall) {
    out.push(call.name.name.as_str());
    out.open("(");
    let (last, init) = call.args.split_last().expect("a call without arguments is flat");
    let hugs = !init.iter().any(holds_object)
        && matches!(last, Expression::Object(_) | Expression::Array(_));
    if hugs {
        for arg in init {
            out.push(&flat(arg));
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
    out.push(&for_head(each));
    if flat(&each.value_expr).starts_with('-') {
        out.push(&guarded(&each.value_expr));
    } else {
        value_into(out, &each.value_expr);
    }
    out.push(&for_tail(each));
    out.newline();
    out.close(close);
}

/// Whether a node reads better broken: it holds an object, unless that is a small one in a list.
fn holds_object(node: &Expression) -> bool {
    match node {
        Expression::Object(object) => !object.is_empty(),
        Expression::Array(items) => items.iter().any(|item| holds_object(item) && !is_small(item)),
        Expression::FuncCall(call) => call.args.iter().any(holds_object),
        Expression::ForExpr(each) => holds_object(&each.value_expr),
        _ => false,
    }
}

/// An object of one plain entry: among the items of a list it stays on its line.
fn is_small(node: &Expression) -> bool {
    match node {
        Expression::Object(object) if object.len() == 1 => !object.values().any(|value| {
            matches!(value, Expression::Object(_) | Expression::Array(_) | Expression::ForExpr(_))
                || holds_object(value)
        }),
        _ => false,
    }
}

fn flat_len(node: &Expression) -> usize {
    flat(node).chars().count()
}
