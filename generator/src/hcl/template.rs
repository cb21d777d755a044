//! Texts made of literals and expressions.

use super::expr::Expr;
use super::node::Node;
use super::types::{Interpolate, Text};

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

/// A string of some type made of literals and expressions.
#[must_use]
pub fn template<M, T: Interpolate>(parts: Vec<Part<M>>) -> Expr<M, T> {
    Expr::new(Node::template(parts.into_iter().map(|part| part.0.into_node())))
}

/// A string from literals and expressions: `text!["a/", &name]`.
#[macro_export]
macro_rules! text {
    ($($part:expr),+ $(,)?) => {
        $crate::hcl::template::<_, $crate::hcl::types::Text>(vec![$($crate::hcl::Part::from($part)),+])
    };
}

/// An ARN from literals and expressions: `arn![&group, ":*"]`.
#[macro_export]
macro_rules! arn {
    ($($part:expr),+ $(,)?) => {
        $crate::hcl::template::<_, $crate::hcl::types::Arn>(vec![$($crate::hcl::Part::from($part)),+])
    };
}
