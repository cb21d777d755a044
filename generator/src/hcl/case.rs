//! Telling a module's test cases.
//!
//! The first test is the example of [`Published`](super::Published) as it stands. Each
//! [`validate`](super::Module::validate) makes one more: the value that it refuses is refused. A
//! module adds its own with [`Module::case`].

use hcl::expr::Expression;

use super::block::Block;
use super::cases::{Given, Run};
use super::expr::{Constant, Expr};
use super::flat::flat;
use super::module::{Check, Module};
use super::node::Node;
use super::resource::Reference;
use super::types::Bool;

/// A test case under construction.
pub struct Case<'m, M> {
    module: &'m mut Module<M>,
    run: Run,
}

impl<M> Module<M> {
    /// Begins a test case: `name` is an identifier, `about` the fact that it shows, a sentence. The
    /// module is made with the example's inputs and those that the case gives; say what holds then
    /// with [`Case::expect`], or who refuses it with [`Case::refused_by`].
    pub fn case(&mut self, name: &str, about: &str) -> Case<'_, M> {
        self.name(name);
        let run = Run { name: name.to_owned(), about: about.to_owned(), ..Run::default() };
        Case { module: self, run }
    }

    /// Gives an input a value in every test, in place of the example's: a file that exists, say.
    pub fn in_tests<T>(&mut self, input: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) {
        let given = self.given(input, value.into());
        self.tests.in_tests.push(given);
    }

    /// A literal for an input, `var.name` or `var.name.field`.
    pub(super) fn given<T>(&mut self, input: &Expr<M, T>, value: Expr<Constant, T>) -> Given {
        let path = input.node().path();
        let path = match path.split_first() {
            Some((root, names)) if root == "var" => names.to_vec(),
            _ => {
                let found = flat(&input.node().expression);
                self.fail(format!("a validation or a test needs an input, not `{found}`"));
                Vec::new()
            }
        };
        self.constant(&path.join("."), value.node());
        Given { path, value: value.into_node().expression }
    }
}

impl<M> Case<'_, M> {
    /// Gives an input a value other than the example's.
    pub fn with<T>(mut self, input: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) -> Self {
        let given = self.module.given(input, value.into());
        self.run.given.push(given);
        self
    }

    /// Gives what a resource or data source would answer: its export `name` is `value`, in each of its
    /// instances.
    pub fn knowing<T>(mut self, export: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) -> Self {
        let value = value.into().into_node();
        self.module.constant("knowing", &value);
        let mut path = export.node().path();
        let name = path.pop().unwrap_or_default();
        let is_data = path.first().is_some_and(|root| root == "data");
        let kind = if is_data { "override_data" } else { "override_resource" };
        let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        let target = Node::address(path.first().map_or("", String::as_str), &names);
        let values = Node::object([(name, value)]);
        self.run.inner.push(Block::new(kind, &[]).with("target", target).with("values", values));
        self
    }

    /// What holds after the module was made, and what to say when it does not.
    pub fn expect(mut self, holds: &Expr<M, Bool>, message: &str) -> Self {
        let assert = Block::new("assert", &[])
            .with("condition", holds.node().clone())
            .with("error_message", Expression::from(message));
        self.run.inner.push(assert);
        self
    }

    /// A precondition of this resource refuses the plan.
    pub fn refused_by(mut self, resource: &impl Reference<M>) -> Self {
        self.run.plan = true;
        self.run.failures.push(resource.handle().node().clone());
        self
    }

    /// This check warns.
    pub fn warned_by(mut self, check: &Check<M>) -> Self {
        self.run.failures.push(check.node().clone());
        self
    }
}

/// A case is added to the module when it is dropped.
impl<M> Drop for Case<'_, M> {
    fn drop(&mut self) {
        self.module.tests.cases.push(std::mem::take(&mut self.run));
    }
}
