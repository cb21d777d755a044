//! Typed expressions.
//!
//! `Expr<M, T>` is an expression of type `T` that is valid inside module `M` and nowhere else. There
//! is no constructor from text: an expression is a literal, a reference that something declared
//! handed out, or made of such by the methods here and the functions in [`func`](super::func).

use std::marker::PhantomData;
use std::rc::Rc;

use hcl::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, ForExpr, FuncCall, Operation, UnaryOp,
    UnaryOperator,
};

use super::node::{Bound, Node, ident, operand};
use super::types::{
    Any, Arn, Bool, Collection, Configurable, List, Map, Number, Opt, Text, Textual,
};

/// Stands for a module where there is none: `Expr<Constant, T>` is a literal. Nothing can be added
/// to it, so nothing can be referred to.
pub enum Constant {}

/// An expression of type `T` inside module `M`.
pub struct Expr<M, T> {
    node: Node,
    mark: PhantomData<fn() -> (M, T)>,
}

impl<M, T> Clone for Expr<M, T> {
    fn clone(&self) -> Self {
        Self::new(self.node.clone())
    }
}

impl<M, T> Expr<M, T> {
    pub(super) fn new(node: impl Into<Node>) -> Self {
        Self { node: node.into(), mark: PhantomData }
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    pub(super) fn into_node(self) -> Node {
        self.node
    }

    /// `self == other`
    pub fn equals(&self, other: impl Into<Self>) -> Expr<M, Bool> {
        binary(self, BinaryOperator::Eq, other.into())
    }

    /// `self != other`
    pub fn differs(&self, other: impl Into<Self>) -> Expr<M, Bool> {
        binary(self, BinaryOperator::NotEq, other.into())
    }

    /// The same value where only its reader knows the shape.
    pub fn any(&self) -> Expr<M, Any> {
        Expr::new(self.node.clone())
    }
}

pub(super) fn call<M, T>(name: &str, args: impl IntoIterator<Item = Node>) -> Expr<M, T> {
    Expr::new(Node::of_all(args, |args| {
        let mut call = FuncCall::new(ident(name));
        call.args = args;
        call.into()
    }))
}

/// Operations of one strength are read from the left, so the right operand must be stronger, unless the
/// operation is one whose order does not matter.
fn binary<M, T, U>(left: &Expr<M, U>, operator: BinaryOperator, right: Expr<M, U>) -> Expr<M, T> {
    let least = operator.precedence();
    let any_order = matches!(operator, BinaryOperator::And | BinaryOperator::Or);
    Expr::new(Node::of([left.node.clone(), right.node], |[left, right]| {
        let right = operand(right, if any_order { least } else { least + 1 });
        Operation::Binary(BinaryOp::new(operand(left, least), operator, right)).into()
    }))
}

impl<M> Expr<M, Bool> {
    /// `self && other`
    pub fn and(&self, other: impl Into<Self>) -> Self {
        binary(self, BinaryOperator::And, other.into())
    }

    /// `self || other`
    pub fn or(&self, other: impl Into<Self>) -> Self {
        binary(self, BinaryOperator::Or, other.into())
    }

    /// `!self`; what compares for equality is turned around instead.
    #[must_use]
    pub fn negate(&self) -> Self {
        Self::new(Node::of([self.node.clone()], |[inner]| {
            if let Expression::Operation(operation) = &inner
                && let Operation::Binary(binary) = &**operation
                && matches!(binary.operator, BinaryOperator::Eq | BinaryOperator::NotEq)
            {
                let mut turned = binary.clone();
                turned.operator = match binary.operator {
                    BinaryOperator::Eq => BinaryOperator::NotEq,
                    _ => BinaryOperator::Eq,
                };
                return Operation::Binary(turned).into();
            }
            Operation::Unary(UnaryOp::new(UnaryOperator::Not, operand(inner, 7))).into()
        }))
    }

    /// `self ? yes : no`
    pub fn choose<T>(&self, yes: impl Into<Expr<M, T>>, no: impl Into<Expr<M, T>>) -> Expr<M, T> {
        let nodes = [self.node.clone(), yes.into().node, no.into().node];
        Expr::new(Node::of(nodes, |[condition, yes, no]| {
            Conditional::new(operand(condition, 1), yes, no).into()
        }))
    }
}

macro_rules! number_operations {
    ($($(#[$doc:meta])* $name:ident = $operator:ident -> $out:ident),* $(,)?) => {
        impl<M> Expr<M, Number> {$(
            $(#[$doc])*
            pub fn $name(&self, other: impl Into<Self>) -> Expr<M, $out> {
                binary(self, BinaryOperator::$operator, other.into())
            }
        )*}
    };
}
number_operations!(
    /// `self + other`
    plus = Plus -> Number,
    /// `self * other`
    times = Mul -> Number,
    /// `self / other`
    divided_by = Div -> Number,
    /// `self % other`
    modulo = Mod -> Number,
    /// `self <= other`
    at_most = LessEq -> Bool,
    /// `self > other`
    greater = Greater -> Bool,
    /// `self >= other`
    at_least = GreaterEq -> Bool,
);

impl<M, T> Expr<M, Opt<T>> {
    /// `null`
    #[must_use]
    pub fn null() -> Self {
        Self::new(Expression::Null)
    }

    /// `self == null`
    #[must_use]
    pub fn is_null(&self) -> Expr<M, Bool> {
        self.equals(Self::null())
    }

    /// `self != null`
    #[must_use]
    pub fn is_set(&self) -> Expr<M, Bool> {
        self.differs(Self::null())
    }

    /// The value itself, where it is known not to be null.
    #[must_use]
    pub fn set(&self) -> Expr<M, T> {
        Expr::new(self.node.clone())
    }
}

impl<M, T> Expr<M, List<T>> {
    /// `self[index]`
    pub fn at(&self, index: impl Into<Expr<M, Number>>) -> Expr<M, T> {
        Expr::new(self.node.clone().index(index.into().node))
    }

    /// `[for name in self : f(name)]`
    pub fn map<U>(&self, name: &str, f: impl FnOnce(Expr<M, T>) -> Expr<M, U>) -> Expr<M, List<U>> {
        let name = Bound::from(name);
        let value = f(bound(&name));
        Expr::new(for_each(&self.node, (None, &name), (None, value.node), None))
    }

    /// `[for index, name in self : f(index, name)]`
    pub fn map_with<U>(
        &self,
        (index, name): (&str, &str),
        f: impl FnOnce(Expr<M, Number>, Expr<M, T>) -> Expr<M, U>,
    ) -> Expr<M, List<U>> {
        let (index, name) = (Bound::from(index), Bound::from(name));
        let value = f(bound(&index), bound(&name));
        Expr::new(for_each(&self.node, (Some(&index), &name), (None, value.node), None))
    }

    /// `[for name in self : value if condition]` with `f(name) = (value, condition)`
    pub fn map_where<U>(
        &self,
        name: &str,
        f: impl FnOnce(Expr<M, T>) -> (Expr<M, U>, Expr<M, Bool>),
    ) -> Expr<M, List<U>> {
        let name = Bound::from(name);
        let (value, only) = f(bound(&name));
        Expr::new(for_each(&self.node, (None, &name), (None, value.node), Some(only.node)))
    }

    /// `{ for name in self : key => value }` with `f(name) = (key, value)`
    pub fn to_map<U>(
        &self,
        name: &str,
        f: impl FnOnce(Expr<M, T>) -> (&'static str, Expr<M, U>),
    ) -> Expr<M, Map<U>> {
        let name = Bound::from(name);
        let (key, value) = f(bound(&name));
        let value = (Some(Expr::<M, Text>::from(key).node), value.node);
        Expr::new(for_each(&self.node, (None, &name), value, None))
    }

    /// `{ for index, name in self : key => value if condition }` with
    /// `f(index, name) = ((key, value), condition)`
    pub fn to_map_where<U>(
        &self,
        (index, name): (&str, &str),
        f: impl FnOnce(Expr<M, Number>, Expr<M, T>) -> ((Expr<M, Text>, Expr<M, U>), Expr<M, Bool>),
    ) -> Expr<M, Map<U>> {
        let (index, name) = (Bound::from(index), Bound::from(name));
        let ((key, value), only) = f(bound(&index), bound(&name));
        let value = (Some(key.node), value.node);
        Expr::new(for_each(&self.node, (Some(&index), &name), value, Some(only.node)))
    }
}

impl<M, T> Expr<M, Map<T>> {
    /// `[for key, value in self : f(key, value)]`
    pub fn map<U>(
        &self,
        (key, value): (&str, &str),
        f: impl FnOnce(Expr<M, Text>, Expr<M, T>) -> Expr<M, U>,
    ) -> Expr<M, List<U>> {
        let (key, value) = (Bound::from(key), Bound::from(value));
        let item = f(bound(&key), bound(&value));
        Expr::new(for_each(&self.node, (Some(&key), &value), (None, item.node), None))
    }

    /// `[for key, value in self : f(key, value) if condition]`
    pub fn map_where<U>(
        &self,
        (key, value): (&str, &str),
        f: impl FnOnce(Expr<M, Text>, Expr<M, T>) -> Expr<M, U>,
        condition: &Expr<M, Bool>,
    ) -> Expr<M, List<U>> {
        let (key, value) = (Bound::from(key), Bound::from(value));
        let item = (None, f(bound(&key), bound(&value)).node);
        let only = Some(condition.node.clone());
        Expr::new(for_each(&self.node, (Some(&key), &value), item, only))
    }

    /// `{ for key, value in self : key => f(value) }`
    pub fn map_values<U>(
        &self,
        (key, value): (&str, &str),
        f: impl FnOnce(Expr<M, T>) -> Expr<M, U>,
    ) -> Expr<M, Map<U>> {
        let (key, value) = (Bound::from(key), Bound::from(value));
        let item = (Some(Node::bound(&key)), f(bound(&value)).node);
        Expr::new(for_each(&self.node, (Some(&key), &value), item, None))
    }

    /// `{ for key, value in self : key => value if condition }`
    pub fn filter(&self, (key, value): (&str, &str), condition: &Expr<M, Bool>) -> Self {
        let (key, value) = (Bound::from(key), Bound::from(value));
        let item = (Some(Node::bound(&key)), Node::bound(&value));
        let only = Some(condition.node.clone());
        Self::new(for_each(&self.node, (Some(&key), &value), item, only))
    }
}

fn bound<M, T>(name: &Bound) -> Expr<M, T> {
    Expr::new(Node::bound(name))
}

/// `[for first, second in collection : value if only]`, or with a key `{ … : key => value … }`.
fn for_each(
    collection: &Node,
    (first, second): (Option<&Bound>, &Bound),
    (key, value): (Option<Node>, Node),
    only: Option<Node>,
) -> Node {
    let (has_key, has_condition) = (key.is_some(), only.is_some());
    let inner = [Some(value), key, only].into_iter().flatten();
    let mut each = Node::of_all(inner, |inner| {
        let mut inner = inner.into_iter();
        let value = inner.next().unwrap_or(Expression::Null);
        let mut each = ForExpr::new(ident(second), Expression::Null, value);
        each.key_var = first.map(|first| ident(first));
        each.key_expr = if has_key { inner.next().map(|key| operand(key, 1)) } else { None };
        each.cond_expr = if has_condition { inner.next() } else { None };
        each.into()
    });
    let names: Vec<Bound> = first.into_iter().chain([second]).map(Rc::clone).collect();
    each.bind(&names);
    Node::of([each, collection.clone()], |[each, collection]| match each {
        Expression::ForExpr(mut each) => {
            each.collection_expr = operand(collection, 1);
            Expression::ForExpr(each)
        }
        other => other,
    })
}

/// A map written out. Keys are literals, in the order given.
pub fn map<M, T, K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Expr<M, T>)>,
) -> Expr<M, Map<T>> {
    Expr::new(Node::object(entries.into_iter().map(|(key, value)| (key, value.node))))
}

/// What can be a value of an object or a list whose values have their own types each.
pub trait IntoAny<M> {
    /// The value.
    fn into_any(self) -> Expr<M, Any>;
}

impl<M, T> IntoAny<M> for Expr<M, T> {
    fn into_any(self) -> Expr<M, Any> {
        Expr::new(self.node)
    }
}

impl<M, T> IntoAny<M> for &Expr<M, T> {
    fn into_any(self) -> Expr<M, Any> {
        self.any()
    }
}

impl<M, const N: usize> IntoAny<M> for [Expr<M, Any>; N] {
    fn into_any(self) -> Expr<M, Any> {
        tuple(self)
    }
}

macro_rules! into_any {
    ($($rust:ty),*) => {$(
        impl<M> IntoAny<M> for $rust {
            fn into_any(self) -> Expr<M, Any> { self.into() }
        }
    )*};
}
into_any!(&str, String, bool, i32);

/// An object whose values have their own types each: `object! { name: "x", "a:b": &expr }`.
#[macro_export]
macro_rules! object {
    (@key $key:literal) => { $key };
    (@key $key:ident) => { stringify!($key) };
    ($($key:tt: $value:expr),* $(,)?) => {
        $crate::hcl::object([$((
            $crate::object!(@key $key),
            $crate::hcl::IntoAny::into_any($value),
        )),*])
    };
}

/// An object whose values have their own types each.
pub fn object<M, K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Expr<M, Any>)>,
) -> Expr<M, Any> {
    map(entries).any()
}

/// A list whose values have their own types each.
pub fn tuple<M>(items: impl IntoIterator<Item = Expr<M, Any>>) -> Expr<M, Any> {
    items.into_iter().collect::<Expr<M, List<Any>>>().any()
}

/// A collection of nothing: the usual default of a list or map.
#[must_use]
pub fn empty<M, C: Collection>() -> Expr<M, C> {
    Expr::new(C::empty())
}

impl<M, T> FromIterator<Expr<M, T>> for Expr<M, List<T>> {
    fn from_iter<I: IntoIterator<Item = Expr<M, T>>>(items: I) -> Self {
        Self::new(Node::of_all(items.into_iter().map(Expr::into_node), Expression::Array))
    }
}

impl<M, T> From<&Self> for Expr<M, T> {
    fn from(expr: &Self) -> Self {
        expr.clone()
    }
}

impl<M, T: Textual> From<Expr<M, T>> for Expr<M, Text> {
    fn from(expr: Expr<M, T>) -> Self {
        Self::new(expr.node)
    }
}

impl<M, T: Textual> From<&Expr<M, T>> for Expr<M, Text> {
    fn from(expr: &Expr<M, T>) -> Self {
        Self::new(expr.node.clone())
    }
}

impl<M, T> From<Expr<M, T>> for Expr<M, Opt<T>> {
    fn from(expr: Expr<M, T>) -> Self {
        Self::new(expr.node)
    }
}

impl<M, T> From<Vec<Expr<M, T>>> for Expr<M, List<T>> {
    fn from(items: Vec<Expr<M, T>>) -> Self {
        items.into_iter().collect()
    }
}

impl<M, T, const N: usize> From<[Expr<M, T>; N]> for Expr<M, List<T>> {
    fn from(items: [Expr<M, T>; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<M, const N: usize> From<[&str; N]> for Expr<M, List<Text>> {
    fn from(items: [&str; N]) -> Self {
        items.into_iter().map(Expr::from).collect()
    }
}

macro_rules! literals {
    ($($rust:ty => $($hcl:ident),+);* $(;)?) => {$($(
        impl<M> From<$rust> for Expr<M, $hcl> {
            fn from(value: $rust) -> Self { Self::new(Expression::from(value)) }
        }
    )+)*};
}
literals!(
    &str => Text, Any;
    String => Text, Any;
    bool => Bool, Any;
    i32 => Number, Any;
    i64 => Number, Any;
    u16 => Number, Any;
    u32 => Number, Any;
    u64 => Number, Any;
);

impl<M> From<f64> for Expr<M, Number> {
    /// # Panics
    /// When `value` is infinite or no number: HCL has no such value, and hcl-rs would write null.
    fn from(value: f64) -> Self {
        assert!(value.is_finite(), "{value} is not a number in HCL");
        Self::new(Expression::from(value))
    }
}

impl<M, T: Configurable> Expr<M, T> {
    /// An id of something that exists already, as the configuration names it.
    #[must_use]
    pub fn from_configuration(id: &str) -> Self {
        Self::new(Expression::from(id))
    }
}

impl<M, T: Configurable> Expr<M, List<T>> {
    /// Ids as plain texts, where AWS asks for any.
    #[must_use]
    pub fn texts(&self) -> Expr<M, List<Text>> {
        Expr::new(self.node.clone())
    }
}

impl<M> Expr<M, Arn> {
    /// The account id inside an ARN.
    #[must_use]
    pub fn account(&self) -> Expr<M, Text> {
        let colon = Node::from(Expression::from(":"));
        call::<M, List<Text>>("split", [colon, self.node.clone()]).at(4)
    }
}
