//! A module's definition: its inputs, its outputs, its blocks, and how one module calls another.

use std::marker::PhantomData;

use hcl::expr::Expression;

use super::block::{Block, Entry, wrap};
use super::collect::is_left_out;
use super::expr::{Constant, Expr};
use super::module::Module;
use super::resource::Handle;

/// A module's definition: its inputs, its outputs, its blocks.
pub trait Definition: Sized + 'static {
    /// The folder under `modules/`, and the name of the call.
    const NAME: &'static str;
    /// One sentence on what the module makes.
    const ABOUT: &'static str;
    /// Made with [`inputs!`](crate::inputs).
    type Inputs<M>: InputSet<M>;
    /// Made with [`outputs!`](crate::outputs).
    type Outputs<M>: OutputSet<M>;

    /// Adds the module's blocks.
    fn build(module: &mut Module<Self>, inputs: Self::Inputs<Self>) -> Self::Outputs<Self>;
}

/// A module that others call: its folder has a README and tests, both from the same model.
pub trait Published: Definition {
    /// A call with every input that has no default. The README shows it, and every test starts from
    /// it; further tests are declared with [`Module::case`] and [`Module::validate`].
    fn example() -> Self::Inputs<Constant>;
}

/// A module's inputs.
pub trait InputSet<M> {
    #[doc(hidden)]
    fn declare(module: &mut Module<M>) -> Self;
    #[doc(hidden)]
    fn arguments(self, call: &mut Arguments<M>);
}

/// A module without inputs.
impl<M> InputSet<M> for () {
    fn declare(_: &mut Module<M>) -> Self {}
    fn arguments(self, _: &mut Arguments<M>) {}
}

/// A module without outputs.
impl<M> OutputSet<M> for () {
    fn of_call(_: &Handle<M>) -> Self {}
    fn declare(self, _: &mut Module<M>) {}
}

/// A module's outputs.
pub trait OutputSet<M> {
    #[doc(hidden)]
    fn of_call(call: &Handle<M>) -> Self;
    #[doc(hidden)]
    fn declare(self, module: &mut Module<M>);
}

/// The arguments of a call under construction.
pub struct Arguments<M>(Vec<Entry>, PhantomData<fn() -> M>);

impl<M> Arguments<M> {
    #[doc(hidden)]
    pub fn set<T>(&mut self, name: &str, value: Expr<M, T>) {
        if !is_left_out(value.node()) {
            self.0.push(Entry::Attribute(name.to_owned(), value.into_node()));
        }
    }
}

/// The arguments that a set of inputs stands for.
pub(in crate::hcl) fn arguments_of<M>(inputs: impl InputSet<M>) -> Vec<Entry> {
    let mut arguments = Arguments(Vec::new(), PhantomData);
    inputs.arguments(&mut arguments);
    arguments.0
}

/// The `module` block that calls a module with these arguments.
pub(in crate::hcl) fn call_block<D: Definition>(arguments: Vec<Entry>) -> Block {
    let mut block = Block::new("module", &[D::NAME])
        .with("source", Expression::from(format!("../../modules/{}", D::NAME)));
    if !arguments.is_empty() {
        block.entries.push(Entry::Gap);
    }
    block.entries.extend(arguments);
    block
}

/// A call whose outputs can be named before its inputs are given.
#[must_use = "a call needs its inputs: `call.with(module, inputs)`"]
pub struct Call<M, D: Definition> {
    handle: Handle<M>,
    definition: PhantomData<fn() -> D>,
}

impl<M, D: Definition> Call<M, D> {
    pub(in crate::hcl) fn new(handle: Handle<M>) -> Self {
        Self { handle, definition: PhantomData }
    }

    /// What the called module tells.
    pub fn outputs(&self) -> D::Outputs<M> {
        D::Outputs::of_call(&self.handle)
    }

    /// Gives the inputs and writes the `module` block.
    pub fn with(self, module: &mut Module<M>, inputs: D::Inputs<M>) {
        let mut block = call_block::<D>(arguments_of(inputs));
        block.comment = wrap(D::ABOUT);
        module.push(block);
        module.close_call(D::NAME);
    }
}
