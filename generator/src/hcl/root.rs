//! What only some folders have: versions, the provider.

use hcl::expr::Expression;

use super::block::Block;
use super::expr::{Constant, Expr, map, object};
use super::module::Module;
use super::types::{Any, Map, Text};

/// Terraform and OpenTofu from 1.6 on: the modules use nothing newer.
pub(super) const TERRAFORM: &str = ">= 1.6.0";
/// Majors 5 and 6 of the AWS provider: the modules use nothing that either warns about.
pub(super) const AWS_PROVIDER: &str = ">= 5.88.0, < 7.0.0";

impl<M> Module<M> {
    /// `versions.tf`: which tools and providers the folder works with.
    pub fn versions(&mut self) {
        let aws =
            object::<M, _>([("source", "hashicorp/aws".into()), ("version", AWS_PROVIDER.into())]);
        let providers = Block::new("required_providers", &[]).with("aws", aws.into_node());
        let block = Block::new("terraform", &[])
            .with("required_version", Expression::from(TERRAFORM))
            .nested(providers);
        self.items("versions.tf").push(block);
    }

    /// `backend.tf`: where the state is kept, and the version that knows how.
    pub fn backend(
        &mut self,
        kind: &str,
        requires: &str,
        settings: impl IntoIterator<Item = (&'static str, Expr<Constant, Any>)>,
    ) {
        let mut backend = Block::new("backend", &[kind]);
        for (name, value) in settings {
            self.constant(name, value.node());
            backend.set(name, value.into_node());
        }
        let block = Block::new("terraform", &[])
            .with("required_version", Expression::from(requires))
            .nested(backend);
        self.items("backend.tf").push(block);
    }

    /// `providers.tf`: the AWS provider with its region, and the tags every resource gets.
    pub fn aws_provider(
        &mut self,
        region: &Expr<M, Text>,
        tags: &[(String, String)],
        accounts: &[String],
    ) {
        let tags: Expr<M, Map<Text>> =
            map(tags.iter().map(|(key, value)| (key.as_str(), Expr::from(value.as_str()))));
        let mut block = Block::new("provider", &["aws"]).with("region", region.node().clone());
        if !accounts.is_empty() {
            let list = accounts.iter().map(|id| Expression::from(id.as_str())).collect();
            block.set("allowed_account_ids", Expression::Array(list));
        }
        let tags = Block::new("default_tags", &[]).with("tags", tags.into_node());
        self.items("providers.tf").push(block.nested(tags));
    }
}
