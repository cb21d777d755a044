//! Expressions on one line, as `terraform fmt` would leave them.

use std::fmt::Write as _;

use hcl::expr::{
    Expression, ForExpr, ObjectKey, Operation, TemplateExpr, Traversal, TraversalOperator,
    UnaryOperator,
};

use super::escape;

/// A piece of a template.
#[derive(Clone)]
pub(super) enum Part {
    Literal(String),
    Value(Expression),
}

/// Prints a node on one line.
pub(super) fn flat(node: &Expression) -> String {
    let mut out = String::new();
    flat_into(&mut out, node);
    out
}

/// The same where fmt takes a leading `-` for a subtraction: after `${`, `=>` and `if`.
pub(super) fn guarded(node: &Expression) -> String {
    let text = flat(node);
    if text.starts_with('-') { format!("({text})") } else { text }
}

/// The text of a template between its quotes.
pub(super) fn template(parts: &[Part]) -> String {
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(text) => escape::quoted(&mut out, text, i + 1 < parts.len()),
            Part::Value(value) => {
                let _ = write!(out, "${{{}}}", guarded(value));
            }
        }
    }
    out
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
            escape::quoted(out, text, false);
            out.push('"');
        }
        Expression::TemplateExpr(template) => {
            if let TemplateExpr::QuotedString(text) = &**template {
                let _ = write!(out, "\"{text}\"");
            }
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
        Expression::Variable(variable) => out.push_str(variable.as_str()),
        Expression::Traversal(traversal) => traversal_into(out, traversal),
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
            TraversalOperator::FullSplat => out.push_str("[*]"),
            TraversalOperator::GetAttr(name) => {
                let _ = write!(out, ".{name}");
            }
            TraversalOperator::Index(index) => {
                out.push('[');
                flat_into(out, index);
                out.push(']');
            }
            TraversalOperator::AttrSplat | TraversalOperator::LegacyIndex(_) => {
                unreachable!("the model builds neither")
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
            let _ = write!(out, " {} ", binary.operator.as_str());
            flat_into(out, &binary.rhs_expr);
        }
    }
}

/// Keys outside ASCII are written as escapes: the column of `=` then counts plain characters.
pub(super) fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Identifier(name) => name.as_str().to_owned(),
        ObjectKey::Expression(Expression::String(text)) => {
            let mut quoted = String::from("\"");
            let mut escaped = String::new();
            escape::quoted(&mut escaped, text, false);
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
        _ => unreachable!("an object key that the model cannot build"),
    }
}

pub(super) fn for_head(each: &ForExpr) -> String {
    let mut text = String::from("for ");
    if let Some(key) = &each.key_var {
        let _ = write!(text, "{key}, ");
    }
    let _ = write!(text, "{} in {} : ", each.value_var, flat(&each.collection_expr));
    if let Some(key) = &each.key_expr {
        let _ = write!(text, "{} => ", flat(key));
    }
    text
}

pub(super) fn for_tail(each: &ForExpr) -> String {
    each.cond_expr.as_ref().map(|cond| format!(" if {}", guarded(cond))).unwrap_or_default()
}
