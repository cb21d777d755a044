//! Variables: their types, their defaults, what they refuse.

use hcl::expr::Expression;

use super::block::{Block, Entry, Item};
use super::case::Refused;
use super::collect::is_constant;
use super::expr::{Constant, Expr, path};
use super::module::Module;
use super::types::{Bool, Type};
use super::{Error, print};

impl<M> Module<M> {
    /// Declares a variable. Modules declare theirs with [`inputs!`](crate::inputs); roots by hand.
    pub fn variable<T: VariableType>(&mut self, name: &str, description: &str) -> Expr<M, T> {
        self.declare::<T>(name, description, T::NULLABLE.then_some(Expression::Null))
    }

    /// Declares a variable that a caller may leave out.
    pub fn variable_or<T: VariableType>(
        &mut self,
        name: &str,
        description: &str,
        default: Expr<Constant, T>,
    ) -> Expr<M, T> {
        self.constant(name, default.node());
        self.declare::<T>(name, description, Some(default.into_node()))
    }

    /// Declares a variable that a caller may leave out; it is null then.
    #[doc(hidden)]
    pub fn variable_or_null<T: NullableType>(
        &mut self,
        name: &str,
        description: &str,
    ) -> Expr<M, T> {
        self.variable(name, description)
    }

    fn declare<T: VariableType>(
        &mut self,
        name: &str,
        description: &str,
        default: Option<Expression>,
    ) -> Expr<M, T> {
        self.name(name);
        let mut block = Block::new("variable", &[name])
            .with("description", Expression::from(description.trim()))
            .with("type", T::constraint());
        if let Some(default) = default {
            block = block.with("default", default);
        }
        if !T::NULLABLE {
            block = block.with("nullable", Expression::from(false));
        }
        self.items("variables.tf").push(Item::Block(block));
        Expr::from_node(path("var", &[name]))
    }

    /// Adds a `validation` to a variable: what holds, what to say when it does not, and a value for
    /// which it does not, so that a test can show that it refuses one. The condition reads that
    /// variable alone (Terraform before 1.9 accepts nothing else).
    ///
    /// The message is a whole sentence that begins with a capital letter; Terraform before 1.2
    /// insisted, and users read it so.
    pub fn validate<T>(
        &mut self,
        variable: &Expr<M, T>,
        holds: &Expr<M, Bool>,
        message: &str,
        refuses: impl Into<Expr<Constant, T>>,
    ) {
        let address = print::flat(variable.node());
        let name = address.trim_start_matches("var.").to_owned();
        let refuses = refuses.into().into_node();
        self.constant(&name, &refuses);
        let validation = Block::new("validation", &[])
            .with("condition", holds.node().clone())
            .with("error_message", Expression::from(message));
        let block = self.items("variables.tf").iter_mut().find_map(|item| match item {
            Item::Block(block) if block.labels == [&*name] => Some(block),
            _ => None,
        });
        match block {
            Some(block) => block.entries.push(Entry::Block(validation)),
            None => {
                let place = self.place();
                self.fail(Error::NotAVariable { place, address });
                return;
            }
        }
        let by = variable.node().clone();
        self.refused.push(Refused { name, about: message.to_owned(), value: refuses, by });
    }

    /// Reports a value that is not a literal where Terraform takes nothing else.
    pub(in crate::hcl) fn constant(&mut self, name: &str, node: &Expression) {
        if !is_constant(node) {
            let place = self.place();
            self.fail(Error::NotConstant {
                place,
                name: name.to_owned(),
                found: print::flat(node),
            });
        }
    }
}

/// A type that a variable can have.
pub trait VariableType: Type {
    /// Whether null is a value; such a variable defaults to it.
    const NULLABLE: bool = false;
}

/// A type that null is a value of.
pub trait NullableType: VariableType {}

mod variable_types {
    use super::{NullableType, VariableType};
    use crate::hcl::types::*;

    impl<T: Type> VariableType for Opt<T> {
        const NULLABLE: bool = true;
    }
    impl<T: Type> NullableType for Opt<T> {}
    impl<T: Type> VariableType for List<T> {}
    impl<T: Type> VariableType for Map<T> {}
    macro_rules! plain {
        ($($type:ident),*) => {$(impl VariableType for $type {})*};
    }
    plain!(
        Text,
        Number,
        Bool,
        Arn,
        InvokeArn,
        Json,
        Url,
        VpcId,
        SubnetId,
        SecurityGroupId,
        RouteTableId,
        ApiId,
        RoleName,
        FunctionName
    );
}
