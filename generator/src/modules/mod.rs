//! The modules: what is made.

pub mod fargate;
mod rules;
mod secrets;
pub mod vpc;
pub mod websocket;

use crate::hcl::prelude::*;

pub use fargate::Fargate;
pub use secrets::{Secrets, SecretsInputs};
pub use vpc::Vpc;
pub use websocket::Websocket;

fields! {
    /// What a module's roles have in common.
    pub struct Roles {
        /// Path of the IAM roles.
        path: Text = "/",
        /// ARN of the policy that is the roles' permissions boundary; null for none.
        permissions_boundary_arn: Opt<Arn>,
    }
}
