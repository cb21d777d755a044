//! Resources, data sources and nested blocks: what the macros [`resource!`](crate::resource),
//! [`data!`](crate::data) and [`nested!`](crate::nested) make typed builders of.

use std::marker::PhantomData;
use std::rc::Rc;

use hcl::expr::{Expression, TraversalOperator};
use hcl::structure::Structure;

use super::block::{Block, wrap};
use super::expr::{Expr, call};
use super::node::{Bound, Fact, Node, ident};
use super::schema::Schema;
use super::skip::Skip;
use super::types::{Bool, List, Map, Number, Text};

/// A block under construction, valid inside module `M`.
pub struct Draft<M> {
    schema: &'static Schema,
    block: Block,
    name: String,
    /// `count` or `for_each`, with the `each` that it binds.
    repeat: Option<(&'static str, Node, Option<Bound>)>,
    skips: Vec<&'static Skip>,
    depends_on: Vec<Node>,
    lifecycle: Block,
    /// What is wrong inside of it: within which nested block (none: itself), and what.
    mistakes: Vec<(String, String)>,
    mark: PhantomData<fn() -> M>,
}

impl<M> Draft<M> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(schema: &'static Schema, name: &str) -> Self {
        Self {
            schema,
            block: Block::new(schema.kind, &[schema.name, name]),
            name: name.to_owned(),
            repeat: None,
            skips: Vec::new(),
            depends_on: Vec::new(),
            lifecycle: Block::new("lifecycle", &[]),
            mistakes: Vec::new(),
            mark: PhantomData,
        }
    }

    #[doc(hidden)]
    pub fn set<T>(&mut self, name: &str, value: Expr<M, T>) {
        // An attribute that is a keyword of Rust is spelled `r#type` there.
        self.block.set(name.trim_start_matches("r#"), value.into_node());
    }

    #[doc(hidden)]
    pub fn nest(&mut self, name: &str, mut draft: Self) {
        draft.look_for_gaps();
        let optional = draft.schema.optional.iter().filter(|(_, kind)| kind() == "number");
        for (number, _) in optional.filter(|(number, _)| draft.block.attribute(number).is_none()) {
            let what = format!(
                "leaves out `{number}`\nhint: version 5 of the provider sends 0 for an optional number that is left out; set it"
            );
            draft.mistakes.push((String::new(), what));
        }
        let inside = |within: String| match within.as_str() {
            "" => name.to_owned(),
            _ => format!("{name}.{within}"),
        };
        self.mistakes.extend(draft.mistakes.into_iter().map(|(at, what)| (inside(at), what)));
        let mut block = draft.block;
        block.hcl.identifier = ident(name);
        block.hcl.labels.clear();
        self.block.nest(block);
    }

    /// Reports the required attributes that it lacks.
    fn look_for_gaps(&mut self) {
        let required = self.schema.required.iter().map(|(name, _)| name.trim_start_matches("r#"));
        let lacks = required.filter(|name| self.block.attribute(name).is_none());
        self.mistakes.extend(lacks.map(|name| (String::new(), format!("lacks `{name}`"))));
    }

    pub(super) fn handle(&self) -> Handle<M> {
        Handle::new(match self.schema.kind {
            "data" => Node::address("data", &[self.schema.name, &self.name]),
            _ => Node::address(self.schema.name, &[&self.name]),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(super) fn skips(&self) -> &[&'static Skip] {
        &self.skips
    }

    /// Makes it once for each entry of a map or list, or not at all.
    pub(super) fn repeat(&mut self, name: &'static str, value: Node, each: Option<Bound>) {
        self.repeat = Some((name, value, each));
    }

    /// The block, and what is wrong with it.
    pub(super) fn into_block(mut self) -> (Block, Vec<String>) {
        self.look_for_gaps();
        let address = self.block.address();
        let mistakes = self.mistakes.into_iter().map(|(within, what)| match within.as_str() {
            "" => format!("`{address}` {what}"),
            _ => format!("`{address}.{within}` {what}"),
        });
        let mistakes = mistakes.collect();
        let mut block = self.block;
        if let Some((name, value, each)) = self.repeat {
            let is_each = |used: &Bound| each.as_ref().is_some_and(|each| Rc::ptr_eq(each, used));
            block.facts.retain(|fact| !matches!(fact, Fact::Uses(used) if is_each(used)));
            let own = std::mem::take(&mut block.hcl.body.0);
            block.set(name, value);
            block.hcl.body.0.extend(own);
            block.notes.iter_mut().for_each(|(at, _)| *at += 1);
        }
        if !self.skips.is_empty() {
            let comments = self.skips.iter().map(|skip| skip.comment()).collect();
            block.notes.insert(0, (0, comments));
        }
        if !self.depends_on.is_empty() {
            block.set("depends_on", Node::of_all(self.depends_on, Expression::Array));
        }
        if !self.lifecycle.hcl.body.0.is_empty() {
            block.nest(self.lifecycle);
        }
        (block, mistakes)
    }
}

/// The address of a block that was added to module `M`.
pub struct Handle<M> {
    node: Node,
    mark: PhantomData<fn() -> M>,
}

impl<M> Handle<M> {
    fn new(node: Node) -> Self {
        Self { node, mark: PhantomData }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn attribute<T>(&self, name: &str) -> Expr<M, T> {
        Expr::new(self.node.clone().attribute(name))
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    fn splat(node: Node) -> Self {
        Self::new(node.then(TraversalOperator::FullSplat))
    }
}

/// What `add` hands out: the way to name what a block exports.
pub trait Reference<M>: Sized {
    #[doc(hidden)]
    fn from_handle(handle: Handle<M>) -> Self;
    #[doc(hidden)]
    fn handle(&self) -> &Handle<M>;
}

/// A resource or data source under construction in module `M`. The methods here go with every
/// resource type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not belong to module `{M}`",
    label = "built with references of another module",
    note = "values cross modules as outputs of one and inputs of the other"
)]
pub trait Resource<M>: Sized {
    /// What names its exports.
    type Ref: Reference<M>;

    #[doc(hidden)]
    fn draft(&mut self) -> &mut Draft<M>;
    #[doc(hidden)]
    fn into_draft(self) -> Draft<M>;

    /// A comment above the block: why it is there or looks odd, with a link where AWS forces it.
    #[must_use]
    fn why(mut self, text: &str) -> Self {
        self.draft().block.comment.extend(wrap(text));
        self
    }

    /// Checks of checkov that this block does not follow, from the table in [`crate::skips`].
    #[must_use]
    fn skip(mut self, skips: &[&'static Skip]) -> Self {
        self.draft().skips.extend(skips);
        self
    }

    /// A comment above the attribute or nested block that is set next.
    #[must_use]
    fn note(mut self, text: &str) -> Self {
        self.draft().block.note(wrap(text));
        self
    }

    /// Orders this block after another where no attribute says so.
    #[must_use]
    fn after(mut self, other: &impl Reference<M>) -> Self {
        let node = other.handle().node.clone();
        self.draft().depends_on.push(node);
        self
    }

    /// `lifecycle { create_before_destroy = true }`
    #[must_use]
    fn create_before_destroy(mut self) -> Self {
        self.draft().lifecycle.set("create_before_destroy", Expression::from(true));
        self
    }

    /// The blocks that `f` nests exist only if `condition` holds:
    /// `dynamic "name" { for_each = condition ? [1] : []; content { … } }`.
    #[must_use]
    fn only_if(mut self, condition: &Expr<M, Bool>, f: impl FnOnce(Self) -> Self) -> Self {
        let before = self.draft().block.hcl.body.0.len();
        let mut resource = f(self);
        let draft = resource.draft();
        for structure in draft.block.hcl.body.0.split_off(before) {
            let block = match structure {
                Structure::Attribute(attribute) => {
                    let what = format!(
                        "sets `{}` under a condition that only blocks can have\nhint: set it outside `only_if`, with `choose` if it depends on the condition",
                        attribute.key()
                    );
                    draft.mistakes.push((String::new(), what));
                    continue;
                }
                Structure::Block(block) => block,
            };
            let one: Expr<M, List<Number>> = [Expr::from(1)].into();
            let each = condition.choose::<List<Number>>(one, Vec::new());
            let mut content = Block::new("content", &[]);
            content.hcl.body = block.body;
            draft.block.nest(
                Block::new("dynamic", &[&block.identifier])
                    .with("for_each", each.into_node())
                    .nested(content),
            );
        }
        resource
    }

    /// `lifecycle { precondition { … } }`: refuses a plan with the message.
    #[must_use]
    fn precondition(
        mut self,
        condition: &Expr<M, Bool>,
        message: impl Into<Expr<M, Text>>,
    ) -> Self {
        let block = Block::new("precondition", &[])
            .with("condition", condition.node().clone())
            .with("error_message", message.into().into_node());
        self.draft().lifecycle.nest(block);
        self
    }
}

macro_rules! many {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<M, R>(Handle<M>, PhantomData<fn() -> R>);

        impl<M, R: Reference<M>> $name<M, R> {
            /// How many there are.
            #[must_use]
            pub fn count(&self) -> Expr<M, Number> {
                call("length", [self.0.node.clone()])
            }
        }

        impl<M, R: Reference<M>> Reference<M> for $name<M, R> {
            fn from_handle(handle: Handle<M>) -> Self {
                Self(handle, PhantomData)
            }
            fn handle(&self) -> &Handle<M> {
                &self.0
            }
        }
    )*};
}
many! {
    /// A resource that exists only under a condition: `count = condition ? 1 : 0`.
    Maybe;
    /// A resource for each entry of a map: `for_each`.
    Each;
}

impl<M, R: Reference<M>> Maybe<M, R> {
    /// The export where the condition is known to hold: `aws_vpc.this[0].id`.
    pub fn first<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, T> {
        let node = self.0.node.clone().index(Expression::from(0).into());
        f(&R::from_handle(Handle::new(node)))
    }

    /// The export as a list of none or one: `aws_vpc.this[*].id`.
    pub fn all<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, List<T>> {
        let all = R::from_handle(Handle::splat(self.0.node.clone()));
        Expr::new(f(&all).into_node())
    }
}

impl<M, R: Reference<M>> Each<M, R> {
    /// The export of the resource for one key.
    pub fn at<T>(
        &self,
        key: impl Into<Expr<M, Text>>,
        f: impl FnOnce(&R) -> Expr<M, T>,
    ) -> Expr<M, T> {
        let node = self.0.node.clone().index(key.into().into_node());
        f(&R::from_handle(Handle::new(node)))
    }

    /// The export of all, in the order of their keys: `values(aws_subnet.public)[*].id`.
    pub fn values<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, List<T>> {
        let values: Expr<M, List<T>> = call("values", [self.0.node.clone()]);
        let all = R::from_handle(Handle::splat(values.into_node()));
        Expr::new(f(&all).into_node())
    }

    /// The export of all by key: `{ for key, item in … : key => item.id }`.
    pub fn by_key<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, Map<T>> {
        let all: Expr<M, Map<T>> = Expr::new(self.0.node.clone());
        let export = |item: Expr<M, T>| f(&R::from_handle(Handle::new(item.into_node())));
        all.map_values(("key", "item"), export)
    }
}

/// `each` inside a resource that is made for each entry of a map of `T`.
pub struct EachEntry<M, T> {
    /// `each.key`
    pub key: Expr<M, Text>,
    /// `each.value`
    pub value: Expr<M, T>,
}

impl<M, T> EachEntry<M, T> {
    fn part<U>(each: &Bound, name: &str) -> Expr<M, U> {
        Expr::new(Node::bound(each).attribute(name))
    }

    pub(super) fn new(each: &Bound) -> Self {
        Self { key: Self::part(each, "key"), value: Self::part(each, "value") }
    }
}
