//! Resources, data sources and nested blocks: what the macros [`resource!`](crate::resource),
//! [`data!`](crate::data) and [`nested!`](crate::nested) make typed builders of.

use std::marker::PhantomData;

use hcl::expr::{Expression, TraversalOperator, Variable};

use super::block::{Block, Entry, wrap};
use super::expr::{Expr, attribute, path, traverse};
use super::name::Scope;
use super::skip::Skip;
use super::types::{Bool, List, Map, Number, Text, Type};

/// What a resource, data source or nested block takes and gives, for checks against the provider.
pub struct Schema {
    /// `resource`, `data` or `nested`.
    pub kind: &'static str,
    /// Such as `aws_vpc`; for a nested block, its name.
    pub name: &'static str,
    /// Attributes that must be set, each with its type constraint.
    pub required: Attributes,
    /// Attributes that may be set.
    pub optional: Attributes,
    /// Nested blocks.
    pub blocks: &'static [(&'static str, &'static Schema)],
    /// Attributes that can be referred to.
    pub exports: Exports,
}

/// Attributes by name, each with the text of its type constraint.
pub type Attributes = &'static [(&'static str, fn() -> String)];

/// What can be referred to by name, each with the text of its type constraint and what a mocked
/// provider tells in its place.
pub type Exports = &'static [(&'static str, fn() -> String, fn() -> Option<Expression>)];

/// The text of a type constraint.
#[must_use]
pub fn constraint_of<T: Type>() -> String {
    super::print::flat(&T::constraint())
}

/// A block under construction, valid inside module `M`.
pub struct Draft<M> {
    schema: &'static Schema,
    name: String,
    meta: Option<(&'static str, Expression)>,
    scope: Option<Scope>,
    comment: Vec<String>,
    skips: Vec<&'static Skip>,
    entries: Vec<Entry>,
    depends_on: Vec<Expression>,
    lifecycle: Vec<Entry>,
    /// Required attributes that nested blocks lack, and attributes that a condition cannot hold.
    lacks: Vec<(String, &'static str)>,
    stray: Vec<String>,
    mark: PhantomData<fn() -> M>,
}

impl<M> Draft<M> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(schema: &'static Schema, name: &str) -> Self {
        Self {
            schema,
            name: name.to_owned(),
            meta: None,
            scope: None,
            comment: Vec::new(),
            skips: Vec::new(),
            entries: Vec::new(),
            depends_on: Vec::new(),
            lifecycle: Vec::new(),
            lacks: Vec::new(),
            stray: Vec::new(),
            mark: PhantomData,
        }
    }

    #[doc(hidden)]
    pub fn set<T>(&mut self, name: &str, value: Expr<M, T>) {
        // An attribute that is a keyword of Rust is spelled `r#type` there.
        let name = name.trim_start_matches("r#");
        self.entries.push(Entry::Attribute(name.to_owned(), value.into_node()));
    }

    #[doc(hidden)]
    pub fn nest(&mut self, name: &str, draft: Self) {
        let stray = draft.stray.iter().map(|inner| format!("{name}.{inner}")).collect::<Vec<_>>();
        let (mut block, lacks) = draft.into_block();
        block.kind = name.to_owned();
        block.labels.clear();
        let inner = |inner: String| {
            if inner.is_empty() { name.to_owned() } else { format!("{name}.{inner}") }
        };
        self.lacks.extend(lacks.into_iter().map(|(within, attribute)| (inner(within), attribute)));
        self.stray.extend(stray);
        self.entries.push(Entry::Block(block));
    }

    pub(in crate::hcl) fn handle(&self) -> Handle<M> {
        let names = [self.schema.name, &self.name];
        let base = match self.schema.kind {
            "data" => path("data", &names),
            _ => path(names[0], &names[1..]),
        };
        Handle { base, mark: PhantomData }
    }

    pub(in crate::hcl) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::hcl) fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(in crate::hcl) fn skips(&self) -> &[&'static Skip] {
        &self.skips
    }

    pub(in crate::hcl) fn set_meta(&mut self, name: &'static str, value: Expression) {
        self.meta = Some((name, value));
    }

    /// Makes one for each entry of a map: `each` of this scope is good within.
    pub(in crate::hcl) fn set_each(&mut self, scope: Scope, map: Expression) {
        self.scope = Some(scope);
        self.set_meta("for_each", map);
    }

    pub(in crate::hcl) fn stray(&self) -> &[String] {
        &self.stray
    }

    /// The block, and which required attributes it lacks: within which nested block (none: itself)
    /// and the attribute.
    pub(in crate::hcl) fn into_block(self) -> (Block, Vec<(String, &'static str)>) {
        let mut block = Block::new(self.schema.kind, &[self.schema.name, &self.name]);
        block.comment = self.comment;
        block.each = self.scope.map(|scope| scope.ident("each").to_string());
        if !self.skips.is_empty() {
            let comments = self.skips.iter().map(|skip| skip.comment()).collect();
            block.entries.push(Entry::Comment(comments));
        }
        if let Some((name, value)) = self.meta {
            block.entries.push(Entry::Attribute(name.to_owned(), value));
            block.entries.push(Entry::Gap);
        }
        block.entries.extend(self.entries);
        let lacks = self.schema.required.iter().map(|(name, _)| name.trim_start_matches("r#"));
        let lacks = lacks.filter(|name| block.attribute(name).is_none());
        let lacks = lacks.map(|name| (String::new(), name)).chain(self.lacks).collect();
        if !self.depends_on.is_empty() {
            block.entries.push(Entry::Gap);
            let list = Expression::Array(self.depends_on);
            block.entries.push(Entry::Attribute("depends_on".to_owned(), list));
        }
        if !self.lifecycle.is_empty() {
            let mut lifecycle = Block::new("lifecycle", &[]);
            lifecycle.entries = self.lifecycle;
            block.entries.push(Entry::Block(lifecycle));
        }
        (block, lacks)
    }
}

/// The address of a block that was added to module `M`.
pub struct Handle<M> {
    base: Expression,
    mark: PhantomData<fn() -> M>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { base: self.base.clone(), mark: PhantomData }
    }
}

impl<M> Handle<M> {
    #[doc(hidden)]
    #[must_use]
    pub fn attribute<T>(&self, name: &str) -> Expr<M, T> {
        Expr::from_node(attribute(&self.base, name))
    }

    pub(in crate::hcl) fn base(&self) -> &Expression {
        &self.base
    }

    fn then(&self, operator: TraversalOperator) -> Self {
        Self { base: traverse(&self.base, [operator]), mark: PhantomData }
    }
}

/// What `add` hands out: the way to name what a block exports.
pub trait Reference<M>: Sized {
    #[doc(hidden)]
    fn from_handle(handle: Handle<M>) -> Self;
    #[doc(hidden)]
    fn handle(&self) -> &Handle<M>;
}

/// A resource or data source under construction in module `M`. The methods here go with every resource type.
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
        self.draft().comment.extend(wrap(text));
        self
    }

    /// A check of checkov that this block does not follow, from the table in [`crate::skips`].
    #[must_use]
    fn skip(mut self, skip: &'static Skip) -> Self {
        self.draft().skips.push(skip);
        self
    }

    /// A comment above the attribute or nested block that is set next.
    #[must_use]
    fn note(mut self, text: &str) -> Self {
        self.draft().entries.push(Entry::Comment(wrap(text)));
        self
    }

    /// Orders this block after another where no attribute says so.
    #[must_use]
    fn after(mut self, other: &impl Reference<M>) -> Self {
        let base = other.handle().base.clone();
        self.draft().depends_on.push(base);
        self
    }

    /// `lifecycle { create_before_destroy = true }`
    #[must_use]
    fn create_before_destroy(mut self) -> Self {
        let entry = Entry::Attribute("create_before_destroy".to_owned(), Expression::from(true));
        self.draft().lifecycle.push(entry);
        self
    }

    /// The blocks that `f` nests exist only if `condition` holds:
    /// `dynamic "name" { for_each = condition ? [1] : []; content { … } }`.
    #[must_use]
    fn only_if(mut self, condition: &Expr<M, Bool>, f: impl FnOnce(Self) -> Self) -> Self {
        let before = self.draft().entries.len();
        let mut resource = f(self);
        let draft = resource.draft();
        for entry in &mut draft.entries[before..] {
            if let Entry::Attribute(name, _) = entry {
                draft.stray.push(name.clone());
            }
            if let Entry::Block(block) = entry {
                let one: Expr<M, List<Number>> = vec![Expr::from(1)].into();
                let each = condition.choose::<List<Number>>(one, Vec::new());
                let mut content = Block::new("content", &[]);
                content.entries = std::mem::take(&mut block.entries);
                let name = std::mem::replace(&mut block.kind, "dynamic".to_owned());
                block.labels = vec![name];
                block.entries.push(Entry::Attribute("for_each".to_owned(), each.into_node()));
                block.entries.push(Entry::Block(content));
            }
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
        self.draft().lifecycle.push(Entry::Block(block));
        self
    }
}

/// A resource that exists only under a condition: `count = condition ? 1 : 0`.
pub struct Maybe<M, R>(Handle<M>, PhantomData<fn() -> R>);

impl<M, R: Reference<M>> Maybe<M, R> {
    pub(in crate::hcl) fn new(handle: Handle<M>) -> Self {
        Self(handle, PhantomData)
    }

    /// The export where the condition is known to hold: `aws_vpc.this[0].id`.
    pub fn first<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, T> {
        f(&R::from_handle(self.0.then(TraversalOperator::Index(Expression::from(0)))))
    }

    /// The export, or null: `one(aws_vpc.this[*].id)`.
    pub fn one<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, super::types::Opt<T>> {
        super::expr::call("one", vec![self.all(f).into_node()])
    }

    /// The export as a list of none or one: `aws_vpc.this[*].id`.
    pub fn all<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, List<T>> {
        let item = f(&R::from_handle(self.0.then(TraversalOperator::FullSplat)));
        Expr::from_node(item.into_node())
    }
}

impl<M, R: Reference<M>> Maybe<M, R> {
    /// How many there are, none or one: `length(aws_vpc.this)`.
    #[must_use]
    pub fn count(&self) -> Expr<M, Number> {
        super::expr::call("length", vec![self.0.base.clone()])
    }
}

impl<M, R: Reference<M>> Reference<M> for Maybe<M, R> {
    fn from_handle(handle: Handle<M>) -> Self {
        Self::new(handle)
    }
    fn handle(&self) -> &Handle<M> {
        &self.0
    }
}

/// A resource for each entry of a map: `for_each`.
pub struct Each<M, R>(Handle<M>, PhantomData<fn() -> R>);

impl<M, R: Reference<M>> Each<M, R> {
    /// The export of the resource for one key.
    pub fn at<T>(
        &self,
        key: impl Into<Expr<M, Text>>,
        f: impl FnOnce(&R) -> Expr<M, T>,
    ) -> Expr<M, T> {
        let key = key.into().into_node();
        f(&R::from_handle(self.0.then(TraversalOperator::Index(key))))
    }

    /// The export of all, in the order of their keys: `[for key in sort(keys(…)) : …[key].id]`
    /// spelled `values(…)[*].id`.
    pub fn values<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, List<T>> {
        let values: Expr<M, List<T>> = super::expr::call("values", vec![self.0.base.clone()]);
        let base = traverse(values.node(), [TraversalOperator::FullSplat]);
        Expr::from_node(f(&R::from_handle(Handle { base, mark: PhantomData })).into_node())
    }

    /// The export of all by key: `{ for key, item in … : key => item.id }`.
    pub fn by_key<T>(&self, f: impl FnOnce(&R) -> Expr<M, T>) -> Expr<M, Map<T>> {
        let all: Expr<M, Map<super::types::Any>> = Expr::from_node(self.0.base.clone());
        all.to_map(("key", "item"), |key, item| {
            (key, f(&R::from_handle(Handle { base: item.into_node(), mark: PhantomData })))
        })
    }
}

impl<M, R: Reference<M>> Each<M, R> {
    /// How many there are: `length(aws_subnet.public)`.
    #[must_use]
    pub fn count(&self) -> Expr<M, Number> {
        super::expr::call("length", vec![self.0.base.clone()])
    }
}

impl<M, R: Reference<M>> Reference<M> for Each<M, R> {
    fn from_handle(handle: Handle<M>) -> Self {
        Self(handle, PhantomData)
    }
    fn handle(&self) -> &Handle<M> {
        &self.0
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
    pub(in crate::hcl) fn new(scope: Scope) -> Self {
        let each = Expression::from(Variable::from(scope.ident("each")));
        Self {
            key: Expr::from_node(attribute(&each, "key")),
            value: Expr::from_node(attribute(&each, "value")),
        }
    }
}
