//! Modules: what a folder of HCL declares.

use std::collections::{BTreeMap, HashSet};
use std::marker::PhantomData;

use hcl::expr::{Expression, Variable};

use super::block::{Block, wrap};
use super::cases::Tests;
use super::error::Error;
use super::expr::Expr;
use super::flat::flat;
use super::node::{Bound, Node, ident, is_identifier};
use super::resource::{Draft, Each, EachEntry, Maybe, Reference, Resource};
use super::skip::Skip;
use super::types::{Any, Bool, Iterable, Number, Text};
use super::{print, resolve};

/// A folder of HCL under construction. Only the generator makes one, so that within a definition
/// there is one `Module<M>` and every `Expr<M, _>` belongs to it.
pub struct Module<M> {
    folder: String,
    file: String,
    pub(super) files: BTreeMap<String, Vec<Block>>,
    pub(super) open_calls: Vec<&'static str>,
    errors: Vec<Error>,
    skips: Vec<(String, &'static Skip)>,
    pub(super) tests: Tests,
    mark: PhantomData<fn() -> M>,
}

/// How every file of a folder begins.
pub(crate) struct Header(Vec<String>);

impl Header {
    pub(crate) fn new(lines: impl IntoIterator<Item = String>) -> Self {
        Self(lines.into_iter().collect())
    }

    fn hcl(&self) -> String {
        self.0.iter().map(|line| format!("# {line}\n")).collect()
    }

    /// As comments of Markdown.
    pub(crate) fn markdown(&self) -> String {
        self.0.iter().map(|line| format!("<!-- {line} -->\n")).collect()
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
            skips: Vec::new(),
            tests: Tests::default(),
            mark: PhantomData,
        }
    }

    /// Blocks added from here on go to this file.
    pub fn file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// Adds a resource or data source; what it hands out names the exports.
    pub fn add<R: Resource<M>>(&mut self, resource: R) -> R::Ref {
        R::Ref::from_handle(self.add_draft(resource.into_draft()))
    }

    /// Adds a resource that exists only if `condition` holds.
    pub fn add_if<R: Resource<M>>(
        &mut self,
        condition: &Expr<M, Bool>,
        resource: R,
    ) -> Maybe<M, R::Ref> {
        let mut draft = resource.into_draft();
        draft.repeat("count", condition.choose::<Number>(1, 0).into_node(), None);
        Maybe::from_handle(self.add_draft(draft))
    }

    /// Adds a resource for each entry of a map or set.
    pub fn add_each<C: Iterable, R: Resource<M>>(
        &mut self,
        entries: &Expr<M, C>,
        f: impl FnOnce(EachEntry<M, C::Item>) -> R,
    ) -> Each<M, R::Ref> {
        let each = Bound::from("each");
        let mut draft = f(EachEntry::new(&each)).into_draft();
        draft.repeat("for_each", entries.node().clone(), Some(each));
        Each::from_handle(self.add_draft(draft))
    }

    fn add_draft(&mut self, draft: Draft<M>) -> super::Handle<M> {
        self.name(draft.name());
        let schema = draft.schema();
        self.tests.schemas.insert((schema.kind, schema.name), schema);
        let (handle, skips) = (draft.handle(), draft.skips().to_vec());
        let (block, mistakes) = draft.into_block();
        self.skips.extend(skips.into_iter().map(|skip| (block.address(), skip)));
        mistakes.into_iter().for_each(|mistake| self.fail(mistake));
        self.push(block);
        handle
    }

    /// `locals { name = value }`; hands out `local.name`.
    pub fn local<T>(&mut self, name: &str, value: Expr<M, T>) -> Expr<M, T> {
        self.local_because(name, "", value)
    }

    /// A local with a comment above it.
    pub fn local_because<T>(&mut self, name: &str, why: &str, value: Expr<M, T>) -> Expr<M, T> {
        self.local_in("locals.tf", name, why, value)
    }

    /// A local beside the blocks that it belongs to, with a comment above it.
    pub fn local_here<T>(&mut self, name: &str, why: &str, value: Expr<M, T>) -> Expr<M, T> {
        self.local_in(&self.file.clone(), name, why, value)
    }

    fn local_in<T>(&mut self, file: &str, name: &str, why: &str, value: Expr<M, T>) -> Expr<M, T> {
        let items = self.items(file);
        if items.last().is_none_or(|block| block.kind() != "locals") {
            items.push(Block::new("locals", &[]));
        }
        if let Some(block) = items.last_mut() {
            if !why.is_empty() {
                block.note(wrap(why));
            }
            block.set(name, value.into_node());
        }
        Expr::new(Node::address("local", &[name]))
    }

    /// Declares an output. Modules declare theirs with [`fields!`](crate::fields); roots by hand.
    pub fn output<T>(&mut self, name: &str, description: &str, value: Expr<M, T>) {
        self.name(name);
        let block = Block::new("output", &[name])
            .with("description", Expression::from(description.trim()))
            .with("value", value.into_node());
        self.items("outputs.tf").push(block);
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
        self.push(Block::new("check", &[name]).nested(assert));
        Expr::new(Node::address("check", &[name]))
    }

    /// `path.root`: the folder of the root module.
    #[must_use]
    pub fn path_root(&self) -> Expr<M, Text> {
        Expr::new(Node::from(Variable::from(ident("path"))).attribute("root"))
    }

    pub(super) fn push(&mut self, block: Block) {
        self.items(&self.file.clone()).push(block);
    }

    pub(super) fn items(&mut self, file: &str) -> &mut Vec<Block> {
        self.files.entry(file.to_owned()).or_default()
    }

    /// Reports a mistake in the file that blocks go to.
    pub(super) fn fail(&mut self, what: impl Into<String>) {
        self.errors.push(Error::new(self.place(), what));
    }

    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    pub(super) fn name(&mut self, name: &str) {
        if !is_identifier(name) {
            self.fail(resolve::not_an_identifier(name));
        }
    }

    /// Reports a value that is not a literal where Terraform takes nothing else.
    pub(super) fn constant(&mut self, name: &str, node: &Node) {
        if !node.is_constant() {
            self.not_constant(name, flat(&node.expression));
        }
    }

    pub(super) fn not_constant(&mut self, name: &str, found: String) {
        self.fail(format!(
            "`{name}` is given `{found}`, which is not a literal\nhint: a default and a test's value can name nothing and call nothing"
        ));
    }

    /// Variables and outputs are looked up by name.
    pub(super) fn sort(&mut self) {
        for kind in ["variables.tf", "outputs.tf"] {
            if let Some(items) = self.files.get_mut(kind) {
                items.sort_by(|a, b| a.label().cmp(b.label()));
            }
        }
    }

    /// Checks that nothing is missing, declared twice or refers to nothing, and prints the files.
    pub(crate) fn finish(mut self, header: &Header) -> Result<Finished, Vec<Error>> {
        for call in &self.open_calls {
            let what = format!("the call of module `{call}` was never given its inputs");
            self.errors.push(Error::new(&self.folder, what));
        }
        self.sort();
        let mut declared = HashSet::new();
        for (file, blocks) in &self.files {
            for address in blocks.iter().flat_map(resolve::addresses) {
                if declared.contains(&address) {
                    let what = format!("`{address}` is there twice");
                    self.errors.push(Error::new(format!("{}/{file}", self.folder), what));
                } else {
                    declared.insert(address);
                }
            }
        }
        // A block is printed and dropped while it is still in the processor's cache.
        let mut files = Vec::new();
        for (file, blocks) in self.files {
            let path = format!("{}/{file}", self.folder);
            let mut text = header.hcl();
            for block in blocks {
                let mistakes = resolve::mistakes(&block, &declared);
                self.errors.extend(mistakes.into_iter().map(|what| Error::new(&path, what)));
                text.push('\n');
                text.push_str(&print::block(&block));
            }
            files.push((path, text));
        }
        if self.errors.is_empty() {
            Ok(Finished { files, skips: self.skips })
        } else {
            Err(self.errors)
        }
    }
}

/// What names a `check` block in a test.
pub type Check<M> = Expr<M, Any>;
