//! A module's own tests: `tests/<module>.tftest.hcl`, run by `terraform test` with a mocked provider,
//! so with no account and no network.
//!
//! The first case is the example of [`Published`](super::Published) as it stands. Each
//! [`validate`](super::Module::validate) makes one more: the value that it refuses is refused. A
//! module adds its own with [`Module::case`].

use std::collections::BTreeMap;

use hcl::expr::Expression;

use super::block::{Block, Entry, Item, wrap};
use super::collect::braces;
use super::expr::{Constant, Expr};
use super::module::Module;
use super::print;
use super::resource::{Reference, Schema};
use super::types::Bool;

/// A value that a validation refuses.
pub(in crate::hcl) struct Refused {
    pub(in crate::hcl) name: String,
    pub(in crate::hcl) about: String,
    pub(in crate::hcl) value: Expression,
    /// The variable.
    pub(in crate::hcl) by: Expression,
}

/// A case as it is told so far.
#[derive(Default)]
pub(in crate::hcl) struct Told {
    pub(in crate::hcl) name: String,
    pub(in crate::hcl) about: String,
    plan: bool,
    variables: Vec<Entry>,
    overrides: Vec<Block>,
    asserts: Vec<Block>,
    failures: Vec<Expression>,
}

/// A test case under construction.
pub struct Case<'m, M> {
    module: &'m mut Module<M>,
    told: Told,
}

impl<M> Module<M> {
    /// Begins a test case: `name` is an identifier, `about` the fact that it shows, a sentence. The
    /// module is made with the example's inputs and those that the case gives; say what holds then
    /// with [`Case::expect`], or who refuses it with [`Case::refused_by`].
    pub fn case(&mut self, name: &str, about: &str) -> Case<'_, M> {
        self.name(name);
        let told = Told { name: name.to_owned(), about: about.to_owned(), ..Told::default() };
        Case { module: self, told }
    }

    /// Gives an input a value in every test, in place of the example's: a file that exists, say.
    pub fn in_tests<T>(&mut self, variable: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) {
        let (name, value) = self.given(variable, value.into());
        self.in_tests.push((name, value));
    }

    fn given<T>(
        &mut self,
        variable: &Expr<M, T>,
        value: Expr<Constant, T>,
    ) -> (String, Expression) {
        let name = print::flat(variable.node()).trim_start_matches("var.").to_owned();
        self.name(&name);
        self.constant(&name, value.node());
        (name, value.into_node())
    }
}

impl<M> Case<'_, M> {
    /// Gives an input a value other than the example's.
    pub fn with<T>(mut self, variable: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) -> Self {
        let (name, value) = self.module.given(variable, value.into());
        self.told.variables.push(Entry::Attribute(name, value));
        self
    }

    /// Gives what a resource or data source would tell: its export `name` is `value`.
    pub fn knowing<T>(mut self, export: &Expr<M, T>, value: impl Into<Expr<Constant, T>>) -> Self {
        let value = value.into().into_node();
        self.module.constant("knowing", &value);
        let Expression::Traversal(traversal) = export.node() else { return self };
        let mut traversal = (**traversal).clone();
        let Some(hcl::expr::TraversalOperator::GetAttr(name)) = traversal.operators.pop() else {
            return self;
        };
        // The address is the block's, without an instance.
        traversal.operators.retain(|op| matches!(op, hcl::expr::TraversalOperator::GetAttr(_)));
        let target = Expression::from(traversal);
        let data = print::flat(&target).starts_with("data.");
        let values = braces([(name.as_str().to_owned(), value)].into_iter());
        let kind = if data { "override_data" } else { "override_resource" };
        self.told
            .overrides
            .push(Block::new(kind, &[]).with("target", target).with("values", values));
        self
    }

    /// What holds after the module was made, and what to say when it does not.
    pub fn expect(mut self, holds: &Expr<M, Bool>, message: &str) -> Self {
        let assert = Block::new("assert", &[])
            .with("condition", holds.node().clone())
            .with("error_message", Expression::from(message));
        self.told.asserts.push(assert);
        self
    }

    /// A precondition of this resource refuses the plan.
    pub fn refused_by(mut self, resource: &impl Reference<M>) -> Self {
        self.told.plan = true;
        self.told.failures.push(resource.handle().base().clone());
        self
    }

    /// This check warns.
    pub fn warned_by(mut self, check: &Check<M>) -> Self {
        self.told.failures.push(check.0.clone());
        self
    }
}

/// A case is added to the module when it is dropped.
impl<M> Drop for Case<'_, M> {
    fn drop(&mut self) {
        self.module.cases.push(std::mem::take(&mut self.told));
    }
}

/// What names a `check` block in a test.
pub struct Check<M>(pub(in crate::hcl) Expression, std::marker::PhantomData<fn() -> M>);

impl<M> Check<M> {
    pub(in crate::hcl) fn new(address: Expression) -> Self {
        Self(address, std::marker::PhantomData)
    }
}

/// Everything that a test file is made of.
pub(in crate::hcl) struct Tests<'a> {
    pub(in crate::hcl) example: Vec<Entry>,
    pub(in crate::hcl) in_tests: &'a [(String, Expression)],
    pub(in crate::hcl) schemas: &'a BTreeMap<(&'static str, &'static str), &'static Schema>,
    pub(in crate::hcl) cases: &'a [Told],
    pub(in crate::hcl) refused: &'a [Refused],
}

impl Tests<'_> {
    /// The test file.
    pub(in crate::hcl) fn items(&self) -> Vec<Item> {
        let mut items = vec![Item::Block(self.mocks())];
        let mut variables = Block::new("variables", &[]);
        variables.entries.clone_from(&self.example);
        for (name, value) in self.in_tests {
            let replaced = |entry: &Entry| matches!(entry, Entry::Attribute(own, _) if own == name);
            variables.entries.retain(|entry| !replaced(entry));
            variables.entries.push(Entry::Attribute(name.clone(), value.clone()));
        }
        if !variables.entries.is_empty() {
            items.push(Item::Block(variables));
        }
        let mut example = Block::new("run", &["example"]);
        example.comment = wrap("The example of the README, with the default of every other input.");
        items.push(Item::Block(example));
        items.extend(self.cases.iter().map(|told| Item::Block(told.block())));
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for refused in self.refused {
            let nth = count.entry(&refused.name).or_default();
            *nth += 1;
            items.push(Item::Block(refused.block(*nth)));
        }
        items
    }

    /// The mocked provider. What it makes up must look as AWS's does where the provider checks it.
    fn mocks(&self) -> Block {
        let mut provider = Block::new("mock_provider", &["aws"]);
        for ((kind, name), schema) in self.schemas {
            let mocked = schema.exports.iter().filter_map(|(export, _, mock)| {
                Some((export.trim_start_matches("r#").to_owned(), mock()?))
            });
            let mut mocked = mocked.peekable();
            if mocked.peek().is_some() {
                let kind = if *kind == "data" { "mock_data" } else { "mock_resource" };
                let block = Block::new(kind, &[name]).with("defaults", braces(mocked));
                provider = provider.nest(block);
            }
        }
        provider
    }
}

impl Told {
    fn block(&self) -> Block {
        let mut block = Block::new("run", &[&self.name]);
        block.comment = wrap(&self.about);
        if self.plan {
            block = block.with("command", super::expr::path("plan", &[]));
        }
        if !self.failures.is_empty() {
            block = block.with("expect_failures", Expression::Array(self.failures.clone()));
        }
        if !self.variables.is_empty() {
            let mut variables = Block::new("variables", &[]);
            variables.entries.clone_from(&self.variables);
            block = block.nest(variables);
        }
        for inner in self.overrides.iter().chain(&self.asserts) {
            block = block.nest(inner.clone());
        }
        block
    }
}

impl Refused {
    fn block(&self, nth: usize) -> Block {
        let name = match nth {
            1 => format!("refuses_{}", self.name),
            _ => format!("refuses_{}_{nth}", self.name),
        };
        let variables = Block::new("variables", &[]).with(&self.name, self.value.clone());
        let mut block = Block::new("run", &[&name])
            .with("command", super::expr::path("plan", &[]))
            .with("expect_failures", Expression::Array(vec![self.by.clone()]))
            .nest(variables);
        block.comment = wrap(&self.about);
        block
    }
}
