//! A module's definition: its inputs, its outputs, its blocks, and how one module calls another.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use hcl::expr::Expression;

use super::block::{Block, wrap};
use super::cases::Variables;
use super::expr::{Constant, Expr};
use super::fields::{Fields, input};
use super::module::{Finished, Header, Module};
use super::node::Node;
use super::readme::Readme;

/// A module's definition: its inputs, its outputs, its blocks.
pub trait Definition: Sized + 'static {
    /// The folder under `modules/`, and the name of the call.
    const NAME: &'static str;
    /// One sentence on what the module makes.
    const ABOUT: &'static str;
    /// Made with [`fields!`](crate::fields).
    type Inputs<M>: Fields<M>;
    /// Made with [`fields!`](crate::fields).
    type Outputs<M>: Fields<M>;

    /// Adds the module's blocks.
    fn build(module: &mut Module<Self>, inputs: Self::Inputs<Self>) -> Self::Outputs<Self>;
}

/// A module that others call: its folder has a README and tests, both from the same model.
pub trait Published: Definition {
    /// A call with every input that has no default. The README shows it, and every test starts from
    /// it; further tests are declared with [`Module::case`] and [`Module::validate`].
    fn example() -> Self::Inputs<Constant>;
}

/// The `module` block that calls a module. Its arguments are looked up by name.
fn call_block<M, D: Definition>(inputs: D::Inputs<M>) -> Block {
    let source = Expression::from(format!("../../modules/{}", D::NAME));
    let mut arguments = inputs.into_each();
    arguments.sort_by(|(a, _), (b, _)| a.cmp(b));
    let block = Block::new("module", &[D::NAME]).with("source", source);
    arguments.into_iter().fold(block, |block, (name, value)| block.with(&name, value.into_node()))
}

/// A call whose outputs can be named before its inputs are given.
#[must_use = "a call needs its inputs: `call.with(module, inputs)`"]
pub struct Call<M, D>(PhantomData<fn() -> (M, D)>);

impl<M> Module<M> {
    /// Starts a call of another module.
    pub fn call<D: Definition>(&mut self) -> Call<M, D> {
        self.open_calls.push(D::NAME);
        Call(PhantomData)
    }
}

impl<M, D: Definition> Call<M, D> {
    /// The outputs of the called module.
    pub fn outputs(&self) -> D::Outputs<M> {
        let call = Node::address("module", &[D::NAME]);
        D::Outputs::from_each(|name| Expr::new(call.clone().attribute(name)))
    }

    /// Gives the inputs and writes the `module` block.
    pub fn with(self, module: &mut Module<M>, inputs: D::Inputs<M>) {
        let mut block = call_block::<M, D>(inputs);
        block.comment = wrap(D::ABOUT);
        module.push(block);
        module.open_calls.retain(|call| *call != D::NAME);
    }
}

impl<D: Definition> Module<D> {
    /// A module with its blocks.
    pub(crate) fn built() -> Self {
        let mut module = Self::new(&format!("modules/{}", D::NAME));
        module.versions();
        D::Inputs::<D>::fields().iter().for_each(|input| module.declare(input));
        let outputs = D::build(&mut module, D::Inputs::from_each(input)).into_each();
        let about: BTreeMap<String, String> =
            D::Outputs::<D>::fields().into_iter().map(|field| (field.name, field.about)).collect();
        for (name, value) in outputs {
            module.output(&name, &about[&name], value);
        }
        module
    }
}

impl<D: Published> Module<D> {
    /// Its files, with the README and the tests.
    pub(crate) fn published(mut self, header: &Header) -> Result<Finished, Vec<super::Error>> {
        self.sort();
        let mut example = Variables::new();
        for (name, value) in D::example().into_each() {
            self.constant(&name, value.node());
            example.push((name, value.into_node().expression));
        }
        example.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut inputs = D::Inputs::<D>::fields();
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        let readme = Readme {
            name: D::NAME,
            about: D::ABOUT,
            files: &self.files,
            inputs,
            example: call_block::<Constant, D>(D::example()),
            tests: &self.tests,
        };
        let readme = format!("{}\n{}", header.markdown(), readme.text());
        let tests = self.tests.items(example);
        self.files.insert(format!("tests/{}.tftest.hcl", D::NAME), tests);
        let mut finished = self.finish(header)?;
        finished.files.push((format!("modules/{}/README.md", D::NAME), readme));
        Ok(finished)
    }
}
