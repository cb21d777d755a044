//! What a resource, data source or nested block takes and gives.

use hcl::expr::Expression;

use super::flat::flat;
use super::types::Type;

/// The description of a block type, for checks against the provider.
pub struct Schema {
    /// `resource`, `data` or `nested`.
    pub kind: &'static str,
    /// Such as `aws_vpc`; for a nested block, its name.
    pub name: &'static str,
    /// Attributes that must be set, each with its type constraint.
    pub required: Attributes,
    /// Attributes that may be set.
    pub optional: Attributes,
    /// Nested blocks.
    pub blocks: &'static [(&'static str, &'static Schema)],
    /// Attributes that can be referred to.
    pub exports: Exports,
}

/// Attributes by name, each with the text of its type constraint.
pub type Attributes = &'static [(&'static str, fn() -> String)];

/// What can be referred to by name, each with the text of its type constraint and what a mocked
/// provider answers in its place.
pub type Exports = &'static [(&'static str, fn() -> String, fn() -> Option<Expression>)];

/// The text of a type constraint.
#[must_use]
pub fn constraint_of<T: Type>() -> String {
    flat(&T::constraint())
}
