//! A typed model of Terraform's language, and the only place that knows hcl-rs.
//!
//! generator/README.md shows how a module is written.

mod block;
mod case;
mod cases;
mod definition;
mod error;
mod escape;
mod expr;
mod fields;
mod flat;
pub mod func;
mod macros;
mod module;
mod node;
pub mod policy;
mod print;
mod readme;
mod resolve;
mod resource;
mod root;
mod schema;
mod skip;
mod template;
pub mod types;

pub use case::Case;
pub use definition::{Call, Definition, Published};
pub use error::Error;
pub use expr::{Constant, Expr, IntoAny, empty, map, object, tuple};
pub use fields::{Field, FieldType, Fields};
pub use module::{Check, Module};
pub(crate) use module::{Finished, Header};
pub use resource::{Draft, Each, EachEntry, Handle, Maybe, Reference, Resource};
pub use schema::{Attributes, Exports, Schema, constraint_of};
pub use skip::Skip;
pub use template::{Part, template};

/// What a module's file needs.
pub mod prelude {
    pub use super::policy::{Document, Statement};
    pub use super::types::*;
    pub use super::{
        Constant, Definition, Expr, Module, Published, Reference, Resource, Skip, empty, func, map,
        object, tuple,
    };
    pub use crate::{arn, fields, object, text};
}
