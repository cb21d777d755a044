//! Modules: what a folder of HCL declares, and how one calls another.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use hcl::expr::Expression;

use super::block::{Block, Entry, Item, wrap};
use super::expr::{Expr, path};
use super::name;
use super::resource::{Draft, Each, EachEntry, Handle, Maybe, Reference, Resource};
use super::types::{Bool, Map, Text, Type};
use super::{Error, print, resolve};

/// A module's definition: what it is told, what it tells, what it makes.
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

/// What a module is told.
pub trait InputSet<M> {
    #[doc(hidden)]
    fn declare(module: &mut Module<M>) -> Self;
    #[doc(hidden)]
    fn arguments(self, call: &mut Arguments<M>);
}

/// A module that is told nothing.
impl<M> InputSet<M> for () {
    fn declare(_: &mut Module<M>) -> Self {}
    fn arguments(self, _: &mut Arguments<M>) {}
}

/// A module that tells nothing.
impl<M> OutputSet<M> for () {
    fn of_call(_: &Handle<M>) -> Self {}
    fn declare(self, _: &mut Module<M>) {}
}

/// What a module tells.
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
        self.0.push(Entry::Attribute(name.to_owned(), value.into_node()));
    }
}

/// A call whose outputs can be named before its inputs are given.
#[must_use = "a call needs its inputs: `call.with(module, inputs)`"]
pub struct Call<M, D: Definition> {
    handle: Handle<M>,
    definition: PhantomData<fn() -> D>,
}

impl<M, D: Definition> Call<M, D> {
    /// What the called module tells.
    pub fn outputs(&self) -> D::Outputs<M> {
        D::Outputs::of_call(&self.handle)
    }

    /// Gives the inputs and writes the `module` block.
    pub fn with(self, module: &mut Module<M>, inputs: D::Inputs<M>) {
        let mut arguments = Arguments(Vec::new(), PhantomData);
        inputs.arguments(&mut arguments);
        let mut block = Block::new("module", &[D::NAME])
            .with("source", Expression::from(format!("../../modules/{}", D::NAME)));
        block.comment = wrap(D::ABOUT);
        block.entries.push(Entry::Gap);
        block.entries.extend(arguments.0);
        module.push(block);
        module.open_calls.retain(|call| *call != D::NAME);
    }
}

/// A folder of HCL under construction. Only the generator makes one, so that within a definition
/// there is one `Module<M>` and every `Expr<M, _>` belongs to it.
pub struct Module<M> {
    folder: String,
    file: String,
    files: BTreeMap<String, Vec<Item>>,
    open_calls: Vec<&'static str>,
    errors: Vec<Error>,
    mark: PhantomData<fn() -> M>,
}

impl<M> Module<M> {
    pub(crate) fn new(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            file: "main.tf".to_owned(),
            files: BTreeMap::new(),
            open_calls: Vec::new(),
            errors: Vec::new(),
            mark: PhantomData,
        }
    }

    /// Blocks added from here on go to this file.
    pub fn file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// A comment between blocks: what the following ones are about.
    pub fn banner(&mut self, text: &str) {
        self.items(&self.file.clone()).push(Item::Comment(wrap(text)));
    }

    /// Adds a resource or data source; what it hands out names the exports.
    pub fn add<R: Resource<M>>(&mut self, resource: R) -> R::Ref {
        let draft = resource.into_draft();
        let handle = draft.handle();
        self.push_draft(draft);
        R::Ref::from_handle(handle)
    }

    /// Adds a resource that exists only if `condition` holds.
    pub fn add_if<R: Resource<M>>(
        &mut self,
        condition: &Expr<M, Bool>,
        resource: R,
    ) -> Maybe<M, R::Ref> {
        let mut draft = resource.into_draft();
        let count = condition.choose::<super::types::Number>(1, 0);
        draft.set_meta("count", count.into_node());
        let handle = draft.handle();
        self.push_draft(draft);
        Maybe::new(handle)
    }

    /// Adds a resource for each entry of `map`.
    pub fn add_each<T, R: Resource<M>>(
        &mut self,
        map: &Expr<M, Map<T>>,
        f: impl FnOnce(EachEntry<M, T>) -> R,
    ) -> Each<M, R::Ref> {
        let mut draft = f(EachEntry::new()).into_draft();
        draft.set_meta("for_each", map.node().clone());
        let handle = draft.handle();
        self.push_draft(draft);
        Each::from_handle(handle)
    }

    fn push_draft(&mut self, draft: Draft<M>) {
        self.name(draft.name());
        let (block, lacks) = draft.into_block();
        for attribute in lacks {
            self.errors.push(Error::Missing {
                place: self.place(),
                block: block.address(),
                attribute: attribute.to_owned(),
            });
        }
        self.push(block);
    }

    /// `locals { name = value }`; hands out `local.name`.
    pub fn local<T>(&mut self, name: &str, value: Expr<M, T>) -> Expr<M, T> {
        self.local_because(name, "", value)
    }

    /// A local with a comment above it.
    pub fn local_because<T>(&mut self, name: &str, why: &str, value: Expr<M, T>) -> Expr<M, T> {
        self.name(name);
        let items = self.items("locals.tf");
        if items.is_empty() {
            items.push(Item::Block(Block::new("locals", &[])));
        }
        if let Some(Item::Block(block)) = items.last_mut() {
            if !why.is_empty() {
                if !block.entries.is_empty() {
                    block.entries.push(Entry::Gap);
                }
                block.entries.push(Entry::Comment(wrap(why)));
            }
            block.entries.push(Entry::Attribute(name.to_owned(), value.into_node()));
        }
        Expr::from_node(path("local", &[name]))
    }

    /// Declares a variable. Modules declare theirs with [`inputs!`](crate::inputs); roots by hand.
    pub fn variable<T: VariableType>(&mut self, name: &str, description: &str) -> Expr<M, T> {
        self.name(name);
        let mut block = Block::new("variable", &[name])
            .with("description", Expression::from(description.trim()))
            .with("type", T::constraint());
        if T::NULLABLE {
            block = block.with("default", Expression::Null);
        } else {
            block = block.with("nullable", Expression::from(false));
        }
        self.items("variables.tf").push(Item::Block(block));
        Expr::from_node(path("var", &[name]))
    }

    /// Adds a `validation` to a variable: what holds, and what to say when it does not. The
    /// condition reads that variable alone (Terraform before 1.9 accepts nothing else).
    pub fn validate<T>(&mut self, variable: &Expr<M, T>, holds: &Expr<M, Bool>, message: &str) {
        let address = print::flat(variable.node());
        let validation = Block::new("validation", &[])
            .with("condition", holds.node().clone())
            .with("error_message", Expression::from(message));
        let name = address.trim_start_matches("var.");
        let block = self.items("variables.tf").iter_mut().find_map(|item| match item {
            Item::Block(block) if block.labels == [name] => Some(block),
            _ => None,
        });
        match block {
            Some(block) => block.entries.push(Entry::Block(validation)),
            None => self.errors.push(Error::NotAVariable { place: self.place(), address }),
        }
    }

    /// Declares an output. Modules declare theirs with [`outputs!`](crate::outputs); roots by hand.
    pub fn output<T>(&mut self, name: &str, description: &str, value: Expr<M, T>) {
        self.name(name);
        let block = Block::new("output", &[name])
            .with("description", Expression::from(description.trim()))
            .with("value", value.into_node());
        self.items("outputs.tf").push(Item::Block(block));
    }

    /// A `check` block: a warning on plan and apply, never an error.
    pub fn check(&mut self, name: &str, holds: &Expr<M, Bool>, message: impl Into<Expr<M, Text>>) {
        self.name(name);
        let assert = Block::new("assert", &[])
            .with("condition", holds.node().clone())
            .with("error_message", message.into().into_node());
        self.push(Block::new("check", &[name]).nest(assert));
    }

    /// `path.root`: the folder of the root module.
    #[must_use]
    pub fn path_root(&self) -> Expr<M, Text> {
        Expr::from_node(path("path", &["root"]))
    }

    /// Starts a call of another module.
    pub fn call<D: Definition>(&mut self) -> Call<M, D> {
        self.open_calls.push(D::NAME);
        let handle = Draft::<M>::new(&CALL, D::NAME).handle();
        Call { handle, definition: PhantomData }
    }

    pub(in crate::hcl) fn push(&mut self, block: Block) {
        self.items(&self.file.clone()).push(Item::Block(block));
    }

    pub(in crate::hcl) fn items(&mut self, file: &str) -> &mut Vec<Item> {
        self.files.entry(file.to_owned()).or_default()
    }

    fn place(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    fn name(&mut self, name: &str) {
        if !name::check(name) {
            self.errors.push(Error::Name { place: self.place(), name: name.to_owned() });
        }
    }

    /// Checks that nothing is missing, doubled or refers to nothing, and prints the files.
    pub(crate) fn finish(mut self, header: &str) -> Result<Vec<(String, String)>, Vec<Error>> {
        for call in &self.open_calls {
            self.errors
                .push(Error::OpenCall { place: self.folder.clone(), call: (*call).to_owned() });
        }
        for kind in ["variables.tf", "outputs.tf"] {
            if let Some(items) = self.files.get_mut(kind) {
                items.sort_by_key(|item| match item {
                    Item::Block(block) => block.labels.first().cloned(),
                    Item::Comment(_) => None,
                });
            }
        }
        self.errors.extend(resolve::check(&self.folder, &self.files));
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let folder = self.folder;
        let print = |(name, items): (String, Vec<Item>)| {
            (format!("{folder}/{name}"), format!("{header}\n{}", print::file(&items)))
        };
        Ok(self.files.into_iter().map(print).collect())
    }
}

static CALL: super::Schema = super::Schema {
    kind: "module",
    name: "module",
    required: &[],
    optional: &[],
    blocks: &[],
    exports: &[],
};

/// A type that a variable can have.
pub trait VariableType: Type {
    /// Whether null is a value; such a variable defaults to it.
    const NULLABLE: bool = false;
}

mod variable_types {
    use super::VariableType;
    use crate::hcl::types::*;

    impl<T: Type> VariableType for Opt<T> {
        const NULLABLE: bool = true;
    }
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
