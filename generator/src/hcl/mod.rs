//! A typed model of Terraform's language, and the only place that knows hcl-rs.

mod block;
mod error;
mod expr;
pub mod func;
mod macros;
mod module;
mod name;
pub mod policy;
mod print;
mod resolve;
mod resource;
mod root;
mod template;
pub mod types;

pub use error::Error;
pub use expr::{Expr, map, object, tuple};
pub use module::{Arguments, Call, Definition, InputSet, Module, OutputSet, VariableType};
pub use resource::{
    Draft, Each, EachEntry, Handle, Maybe, Reference, Resource, Schema, constraint_of,
};
pub use template::{Part, arn_template, template, url_template};

/// What a module's file needs.
pub mod prelude {
    pub use super::policy::{Document, Principal, Statement};
    pub use super::types::*;
    pub use super::{
        Definition, Expr, Module, Reference, Resource, func, map, object, template, tuple,
    };
    pub use crate::{arn, inputs, outputs, text};
}
