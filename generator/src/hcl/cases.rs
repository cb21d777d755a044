//! A module's own tests as data: `tests/<module>.tftest.hcl`, run by `terraform test` with a mocked
//! provider, so with no account and no network.

use std::collections::BTreeMap;

use hcl::expr::{Expression, ObjectKey};

use super::block::{Block, wrap};
use super::node::{Fact, Node, ident};
use super::schema::Schema;

/// The values of variables, by name.
pub(super) type Variables = Vec<(String, Expression)>;

/// Everything that a test file is made of.
#[derive(Default)]
pub(super) struct Tests {
    pub(super) cases: Vec<Run>,
    /// One for each validation: the value that it refuses.
    pub(super) refusals: Vec<Run>,
    /// Values that every test gives in place of the example's.
    pub(super) in_tests: Vec<Given>,
    /// The types of the resources and data sources, by kind and name.
    pub(super) schemas: BTreeMap<(&'static str, &'static str), &'static Schema>,
}

/// A value for a variable, or for a field of one.
pub(super) struct Given {
    pub(super) path: Vec<String>,
    pub(super) value: Expression,
}

/// A test: what it gives, and what it expects.
#[derive(Default)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) about: String,
    /// Whether it ends with the plan.
    pub(super) plan: bool,
    pub(super) given: Vec<Given>,
    pub(super) inner: Vec<Block>,
    pub(super) failures: Vec<Node>,
}

impl Tests {
    /// The test file. The first test is the example as it stands.
    pub(super) fn items(&self, mut example: Variables) -> Vec<Block> {
        for given in &self.in_tests {
            given.set(&mut example, &Vec::new());
        }
        let mut items = vec![self.mocks()];
        if !example.is_empty() {
            items.push(variables(example.clone()));
        }
        let mut first = Block::new("run", &["example"]);
        first.comment = wrap("The example of the README, with the default of every other input.");
        items.push(first);
        items.extend(self.cases.iter().map(|run| run.block(&run.name, &example)));
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &self.refusals {
            let nth = count.entry(&run.name).or_default();
            *nth += 1;
            let name = match nth {
                1 => format!("refuses_{}", run.name),
                _ => format!("refuses_{}_{nth}", run.name),
            };
            items.push(run.block(&name, &example));
        }
        items
    }

    /// The mocked provider. What it makes up must look as AWS's does where the provider checks it.
    fn mocks(&self) -> Block {
        let mut provider = Block::new("mock_provider", &["aws"]);
        for ((kind, name), schema) in &self.schemas {
            let mocked = schema.exports.iter().filter_map(|(export, _, mock)| {
                Some((export.trim_start_matches("r#"), Node::from(mock()?)))
            });
            let mut mocked = mocked.peekable();
            if mocked.peek().is_some() {
                let kind = if *kind == "data" { "mock_data" } else { "mock_resource" };
                provider.nest(Block::new(kind, &[name]).with("defaults", Node::object(mocked)));
            }
        }
        provider
    }
}

impl Given {
    /// Puts the value among `all`; a field goes into the object that the example gives.
    fn set(&self, all: &mut Variables, example: &Variables) {
        let Some((name, fields)) = self.path.split_first() else { return };
        let at = all.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
            let given = example.iter().find(|(own, _)| own == name);
            let empty = || Expression::Object(hcl::expr::Object::default());
            all.push((name.clone(), given.map_or_else(empty, |(_, value)| value.clone())));
            all.len() - 1
        });
        match (fields.first(), &mut all[at].1) {
            (Some(field), Expression::Object(object)) => {
                object.insert(ObjectKey::Identifier(ident(field)), self.value.clone());
            }
            (_, value) => *value = self.value.clone(),
        }
    }
}

impl Run {
    fn block(&self, name: &str, example: &Variables) -> Block {
        let mut block = Block::new("run", &[name]);
        block.comment = wrap(&self.about);
        if self.plan {
            block.set("command", hcl::expr::Variable::from(ident("plan")));
        }
        if !self.failures.is_empty() {
            let failures = self.failures.iter().cloned();
            block.set("expect_failures", Node::of_all(failures, Expression::Array));
        }
        let mut given = Variables::new();
        for (i, one) in self.given.iter().enumerate() {
            if self.given[..i].iter().any(|before| before.path == one.path) {
                block.facts.push(Fact::Twice(format!("variable {}", one.path.join("."))));
            }
            one.set(&mut given, example);
        }
        if !given.is_empty() {
            block.nest(variables(given));
        }
        for inner in &self.inner {
            block.nest(inner.clone());
        }
        block
    }
}

fn variables(values: Variables) -> Block {
    values
        .into_iter()
        .fold(Block::new("variables", &[]), |block, (name, value)| block.with(&name, value))
}
