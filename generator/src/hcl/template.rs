//! Texts made of literals and expressions.

use super::expr::Expr;
use super::node::Node;
use super::types::{Arn, Interpolate, Text};

/// A piece of a template: literal text or an expression.
pub struct Part<M>(Expr<M, Text>);

impl<M> From<&str> for Part<M> {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl<M> From<String> for Part<M> {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl<M, T: Interpolate> From<&Expr<M, T>> for Part<M> {
    fn from(expr: &Expr<M, T>) -> Self {
        Self(Expr::new(expr.node().clone()))
    }
}

impl<M, T: Interpolate> From<Expr<M, T>> for Part<M> {
    fn from(expr: Expr<M, T>) -> Self {
        Self(Expr::new(expr.into_node()))
    }
}

fn join<M>(parts: Vec<Part<M>>) -> Node {
    Node::template(parts.into_iter().map(|part| part.0.into_node()))
}

/// A string made of literals and expressions.
#[must_use]
pub fn template<M>(parts: Vec<Part<M>>) -> Expr<M, Text> {
    Expr::new(join(parts))
}

/// An ARN made of literals and expressions.
#[must_use]
pub fn arn_template<M>(parts: Vec<Part<M>>) -> Expr<M, Arn> {
    Expr::new(join(parts))
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
