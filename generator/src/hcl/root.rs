//! What only some folders have: versions, the provider.

use hcl::expr::Expression;

use super::block::{Block, Entry, Item};
use super::collect::{map, object};
use super::expr::{Constant, Expr};
use super::module::Module;
use super::types::{Any, Map, Text};

/// Terraform and OpenTofu from 1.6 on: the modules use nothing newer.
const TERRAFORM: &str = ">= 1.6.0";
/// Majors 5 and 6 of the AWS provider: the modules use nothing that either warns about.
const AWS_PROVIDER: &str = ">= 5.88.0, < 7.0.0";

impl<M> Module<M> {
    /// `versions.tf`: which tools and providers the folder works with.
    pub fn versions(&mut self) {
        let aws =
            object::<M, _>([("source", "hashicorp/aws".into()), ("version", AWS_PROVIDER.into())]);
        let providers = Block::new("required_providers", &[]).with("aws", aws.into_node());
        let block = Block::new("terraform", &[])
            .with("required_version", Expression::from(TERRAFORM))
            .nest(providers);
        self.items("versions.tf").push(super::block::Item::Block(block));
    }

    /// Where the state is kept: a `backend` beside the versions, and the version that knows it. Comes
    /// after [`Module::versions`].
    pub fn backend(
        &mut self,
        kind: &str,
        needs: &str,
        settings: impl IntoIterator<Item = (&'static str, Expr<Constant, Any>)>,
    ) {
        let mut backend = Block::new("backend", &[kind]);
        for (name, value) in settings {
            self.constant(name, value.node());
            backend = backend.with(name, value.into_node());
        }
        if let Some(Item::Block(block)) = self.items("versions.tf").last_mut() {
            for entry in &mut block.entries {
                if let Entry::Attribute(name, value) = entry
                    && name == "required_version"
                {
                    *value = Expression::from(needs);
                }
            }
            block.entries.push(Entry::Block(backend));
        }
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
            block = block.with("allowed_account_ids", Expression::Array(list));
        }
        let tags = Block::new("default_tags", &[]).with("tags", tags.into_node());
        self.items("providers.tf").push(super::block::Item::Block(block.nest(tags)));
    }
}
