//! Maps, objects and lists written out, and what stands for a value that is not there.

use hcl::expr::{Expression, Object, ObjectKey};

use super::expr::{Expr, call};
use super::name::ident;
use super::print::key_text;
use super::types::{Any, Collection, Map, Text};

/// A map written out. Keys are literals, in the order given.
pub fn map<M, T, K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Expr<M, T>)>,
) -> Expr<M, Map<T>> {
    Expr::from_node(braces(entries.into_iter().map(|(key, value)| (key.into(), value.into_node()))))
}

/// An object whose values have their own types each.
pub fn object<M, K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Expr<M, Any>)>,
) -> Expr<M, Any> {
    Expr::from_node(braces(entries.into_iter().map(|(key, value)| (key.into(), value.into_node()))))
}

/// A map whose keys are worked out: `{ (key) = value }`.
pub fn keyed<M, T>(
    entries: impl IntoIterator<Item = (Expr<M, Text>, Expr<M, T>)>,
) -> Expr<M, Map<T>> {
    let mut object: Object<ObjectKey, Expression> = Object::default();
    for (key, value) in entries {
        let key = match key.into_node() {
            // What can be seen to be a literal is a plain key, and is there once.
            Expression::String(text) => object_key(text),
            other => ObjectKey::Expression(other),
        };
        if let Some(twice) = object.contains_key(&key).then(|| key_text(&key)) {
            return call(TWICE, vec![Expression::from(twice)]);
        }
        object.insert(key, value.into_node());
    }
    Expr::from_node(Expression::Object(object))
}

/// What stands for an object that has a key twice: no function of Terraform's has this name, and
/// [`resolve`](super::resolve) reports it before anything is printed.
pub(in crate::hcl) const TWICE: &str = "key_is_there_twice";

pub(in crate::hcl) fn braces(entries: impl Iterator<Item = (String, Expression)>) -> Expression {
    let mut object: Object<ObjectKey, Expression> = Object::default();
    for (key, value) in entries {
        if object.insert(object_key(key.clone()), value).is_some() {
            return call::<(), Any>(TWICE, vec![Expression::from(key)]).into_node();
        }
    }
    Expression::Object(object)
}

/// Marks an input that its caller leaves to its default. It is not a value: anywhere except in a call
/// it is reported before anything is printed.
pub(in crate::hcl) const LEFT_OUT: &str = "input_is_left_out";

pub(in crate::hcl) fn is_left_out(node: &Expression) -> bool {
    matches!(node, Expression::FuncCall(call) if call.name.name.as_str() == LEFT_OUT)
}

impl<M, T> Expr<M, T> {
    /// What [`inputs!`](crate::inputs) gives an option that a caller does not name.
    #[doc(hidden)]
    #[must_use]
    pub fn left_out() -> Self {
        call(LEFT_OUT, Vec::new())
    }
}

/// Whether a node names nothing: Terraform takes no other as a variable's default or in a test.
pub(in crate::hcl) fn is_constant(node: &Expression) -> bool {
    match node {
        Expression::Null | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => {
            true
        }
        Expression::Array(items) => items.iter().all(is_constant),
        Expression::Object(object) => object.values().all(is_constant),
        _ => false,
    }
}

/// A collection of nothing: the usual default of a list or map.
#[must_use]
pub fn empty<M, C: Collection>() -> Expr<M, C> {
    Expr::from_node(C::empty())
}

/// A list whose values have their own types each.
pub fn tuple<M>(items: impl IntoIterator<Item = Expr<M, Any>>) -> Expr<M, Any> {
    Expr::from_node(Expression::Array(items.into_iter().map(Expr::into_node).collect()))
}

/// An identifier stays bare; anything else is quoted, so that `x:y` is a key and not a mistake.
fn object_key(key: String) -> ObjectKey {
    let reserved = ["null", "true", "false", "for"].contains(&key.as_str());
    if super::name::check(&key) && !reserved {
        ObjectKey::Identifier(ident(&key))
    } else {
        ObjectKey::Expression(Expression::String(key))
    }
}
