//! Modules: what a folder of HCL declares, and how one calls another.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use hcl::expr::Expression;

use super::block::{Block, Entry, Item, wrap};
use super::case::{Check, Refused, Tests, Told};
use super::definition::{Call, Definition, Published, arguments_of, call_block};
use super::expr::{Expr, path};
use super::name::{self, Scope};
use super::readme::Readme;
use super::resource::{Draft, Each, EachEntry, Maybe, Reference, Resource, Schema};
use super::skip::Skip;
use super::types::{Bool, Map, Text};
use super::{Error, print, resolve};

/// A folder of HCL under construction. Only the generator makes one, so that within a definition
/// there is one `Module<M>` and every `Expr<M, _>` belongs to it.
pub struct Module<M> {
    folder: String,
    file: String,
    files: BTreeMap<String, Vec<Item>>,
    open_calls: Vec<&'static str>,
    errors: Vec<Error>,
    /// The types of the resources and data sources, by kind and name.
    schemas: BTreeMap<(&'static str, &'static str), &'static Schema>,
    skips: Vec<(String, &'static Skip)>,
    pub(in crate::hcl) cases: Vec<Told>,
    pub(in crate::hcl) refused: Vec<Refused>,
    pub(in crate::hcl) in_tests: Vec<(String, Expression)>,
    readme: Option<String>,
    mark: PhantomData<fn() -> M>,
}

/// How every file of a folder begins.
pub(crate) struct Header {
    lines: Vec<String>,
}

impl Header {
    pub(crate) fn new(lines: impl IntoIterator<Item = String>) -> Self {
        Self { lines: lines.into_iter().collect() }
    }

    fn hcl(&self) -> String {
        self.lines.iter().map(|line| format!("# {line}\n")).collect()
    }

    /// As comments of Markdown.
    pub(crate) fn markdown(&self) -> String {
        self.lines.iter().map(|line| format!("<!-- {line} -->\n")).collect()
    }
}

/// What a folder came to.
pub(crate) struct Finished {
    /// Paths and texts.
    pub(crate) files: Vec<(String, String)>,
    /// Which block skips which check.
    pub(crate) skips: Vec<(String, &'static Skip)>,
}

impl<M> Module<M> {
    pub(crate) fn new(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            file: "main.tf".to_owned(),
            files: BTreeMap::new(),
            open_calls: Vec::new(),
            errors: Vec::new(),
            schemas: BTreeMap::new(),
            skips: Vec::new(),
            cases: Vec::new(),
            refused: Vec::new(),
            in_tests: Vec::new(),
            readme: None,
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
        let scope = Scope::new();
        let mut draft = f(EachEntry::new(scope)).into_draft();
        draft.set_each(scope, map.node().clone());
        let handle = draft.handle();
        self.push_draft(draft);
        Each::from_handle(handle)
    }

    fn push_draft(&mut self, draft: Draft<M>) {
        self.name(draft.name());
        let schema = draft.schema();
        self.schemas.insert((schema.kind, schema.name), schema);
        let (skips, stray) = (draft.skips().to_vec(), draft.stray().to_vec());
        let (block, lacks) = draft.into_block();
        self.skips.extend(skips.into_iter().map(|skip| (block.address(), skip)));
        for (within, attribute) in lacks {
            let address = block.address();
            self.errors.push(Error::Missing {
                place: self.place(),
                block: if within.is_empty() { address } else { format!("{address}.{within}") },
                attribute: attribute.to_owned(),
            });
        }
        for attribute in stray {
            let (place, block) = (self.place(), block.address());
            self.errors.push(Error::Unconditional { place, block, attribute });
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

    /// Declares an output. Modules declare theirs with [`outputs!`](crate::outputs); roots by hand.
    pub fn output<T>(&mut self, name: &str, description: &str, value: Expr<M, T>) {
        self.name(name);
        let block = Block::new("output", &[name])
            .with("description", Expression::from(description.trim()))
            .with("value", value.into_node());
        self.items("outputs.tf").push(Item::Block(block));
    }

    /// A `check` block: a warning on plan and apply, never an error.
    pub fn check(
        &mut self,
        name: &str,
        holds: &Expr<M, Bool>,
        message: impl Into<Expr<M, Text>>,
    ) -> Check<M> {
        self.name(name);
        let assert = Block::new("assert", &[])
            .with("condition", holds.node().clone())
            .with("error_message", message.into().into_node());
        self.push(Block::new("check", &[name]).nest(assert));
        Check::new(path("check", &[name]))
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
        Call::new(handle)
    }

    pub(in crate::hcl) fn push(&mut self, block: Block) {
        self.items(&self.file.clone()).push(Item::Block(block));
    }

    pub(in crate::hcl) fn items(&mut self, file: &str) -> &mut Vec<Item> {
        self.files.entry(file.to_owned()).or_default()
    }

    pub(in crate::hcl) fn close_call(&mut self, name: &str) {
        self.open_calls.retain(|call| *call != name);
    }

    pub(in crate::hcl) fn fail(&mut self, error: Error) {
        self.errors.push(error);
    }

    pub(in crate::hcl) fn place(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    pub(in crate::hcl) fn name(&mut self, name: &str) {
        if !name::check(name) {
            self.errors.push(Error::Name { place: self.place(), name: name.to_owned() });
        }
    }

    /// Variables and outputs are looked up by name.
    fn sort(&mut self) {
        for kind in ["variables.tf", "outputs.tf"] {
            if let Some(items) = self.files.get_mut(kind) {
                items.sort_by_key(|item| match item {
                    Item::Block(block) => block.labels.first().cloned(),
                    Item::Comment(_) => None,
                });
            }
        }
    }

    /// Checks that nothing is missing, declared twice or refers to nothing, and prints the files.
    pub(crate) fn finish(mut self, header: &Header) -> Result<Finished, Vec<Error>> {
        for call in &self.open_calls {
            self.errors
                .push(Error::OpenCall { place: self.folder.clone(), call: (*call).to_owned() });
        }
        self.sort();
        self.errors.extend(resolve::check(&self.folder, &self.files));
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let folder = self.folder;
        let top = header.hcl();
        let print = |(name, items): (String, Vec<Item>)| {
            (format!("{folder}/{name}"), format!("{top}\n{}", print::file(&items)))
        };
        let mut files: Vec<(String, String)> = self.files.into_iter().map(print).collect();
        if let Some(readme) = self.readme {
            let text = format!("{}\n{readme}", header.markdown());
            files.push((format!("{folder}/README.md"), text));
        }
        Ok(Finished { files, skips: self.skips })
    }
}

impl<D: Published> Module<D> {
    /// Adds the README and the tests. The module is complete but for them.
    pub(crate) fn publish(&mut self) {
        self.sort();
        // Null is the default wherever it is allowed.
        let mut example = arguments_of(D::example());
        example.retain(|entry| !matches!(entry, Entry::Attribute(_, Expression::Null)));
        for entry in &example {
            if let Entry::Attribute(name, value) = entry {
                self.constant(name, value);
            }
        }
        let readme = Readme {
            name: D::NAME,
            about: D::ABOUT,
            files: &self.files,
            example: call_block::<D>(example.clone()),
            cases: &self.cases,
            refused: &self.refused,
        };
        self.readme = Some(readme.text());
        let tests = Tests {
            example,
            in_tests: &self.in_tests,
            schemas: &self.schemas,
            cases: &self.cases,
            refused: &self.refused,
        };
        let items = tests.items();
        self.files.insert(format!("tests/{}.tftest.hcl", D::NAME), items);
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
