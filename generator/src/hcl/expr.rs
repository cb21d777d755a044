//! Typed expressions.
//!
//! `Expr<M, T>` is an expression of type `T` that is valid inside module `M` and nowhere else. There
//! is no constructor from text: an expression is a literal, a reference that something declared
//! handed out, or made of such by the methods here and the functions in [`func`](super::func).

use std::marker::PhantomData;

use hcl::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, ForExpr, FuncCall, Operation, Traversal,
    TraversalOperator, UnaryOp, UnaryOperator, Variable,
};

use super::name::{Scope, ident};
use super::types::{Any, Arn, Bool, Configurable, List, Map, Number, Opt, Set, Text};

/// Stands for a module where there is none: `Expr<Constant, T>` is a literal. Nothing can be added
/// to it, so nothing can be referred to.
pub enum Constant {}

/// An expression of type `T` inside module `M`.
pub struct Expr<M, T> {
    node: Expression,
    mark: PhantomData<fn() -> (M, T)>,
}

impl<M, T> Clone for Expr<M, T> {
    fn clone(&self) -> Self {
        Self::from_node(self.node.clone())
    }
}

impl<M, T> Expr<M, T> {
    pub(in crate::hcl) fn from_node(node: Expression) -> Self {
        Self { node, mark: PhantomData }
    }

    pub(in crate::hcl) fn node(&self) -> &Expression {
        &self.node
    }

    pub(in crate::hcl) fn into_node(self) -> Expression {
        self.node
    }

    /// `self == other`
    pub fn equals(&self, other: impl Into<Self>) -> Expr<M, Bool> {
        binary(&self.node, BinaryOperator::Eq, &other.into().node)
    }

    /// `self != other`
    pub fn differs(&self, other: impl Into<Self>) -> Expr<M, Bool> {
        binary(&self.node, BinaryOperator::NotEq, &other.into().node)
    }

    /// The same value where only its reader knows the shape.
    pub fn any(&self) -> Expr<M, Any> {
        Expr::from_node(self.node.clone())
    }
}

/// What may stand as an operand without changing what it means: everything but operations,
/// conditionals and negative numbers, which get parentheses. hcl-rs drops them silently.
pub(in crate::hcl) fn operand(node: &Expression) -> Expression {
    match node {
        Expression::Operation(_) | Expression::Conditional(_) => {
            Expression::Parenthesis(Box::new(node.clone()))
        }
        Expression::Number(n) if n.as_f64().is_some_and(|n| n.is_sign_negative()) => {
            Expression::Parenthesis(Box::new(node.clone()))
        }
        _ => node.clone(),
    }
}

/// What may be followed by `.name` or `[0]`.
fn traversable(node: &Expression) -> Expression {
    match node {
        Expression::Variable(_)
        | Expression::Traversal(_)
        | Expression::FuncCall(_)
        | Expression::Parenthesis(_) => node.clone(),
        other => Expression::Parenthesis(Box::new(other.clone())),
    }
}

pub(in crate::hcl) fn traverse(
    node: &Expression,
    operators: impl IntoIterator<Item = TraversalOperator>,
) -> Expression {
    match traversable(node) {
        Expression::Traversal(mut traversal) => {
            traversal.operators.extend(operators);
            Expression::Traversal(traversal)
        }
        base => Traversal::new(base, operators).into(),
    }
}

pub(in crate::hcl) fn attribute(node: &Expression, name: &str) -> Expression {
    traverse(node, [TraversalOperator::GetAttr(ident(name))])
}

pub(in crate::hcl) fn path(root: &str, names: &[&str]) -> Expression {
    let operators = names.iter().map(|name| TraversalOperator::GetAttr(ident(name)));
    Traversal::new(Variable::from(ident(root)), operators).into()
}

pub(in crate::hcl) fn call<M, T>(name: &str, args: Vec<Expression>) -> Expr<M, T> {
    let mut builder = FuncCall::builder(ident(name));
    for arg in args {
        builder = builder.arg(arg);
    }
    Expr::from_node(builder.build().into())
}

fn binary<M, T>(left: &Expression, operator: BinaryOperator, right: &Expression) -> Expr<M, T> {
    let operation = BinaryOp::new(operand(left), operator, operand(right));
    Expr::from_node(Operation::Binary(operation).into())
}

impl<M> Expr<M, Bool> {
    /// `self && other`
    pub fn and(&self, other: impl Into<Self>) -> Self {
        binary(&self.node, BinaryOperator::And, &other.into().node)
    }

    /// `self || other`
    pub fn or(&self, other: impl Into<Self>) -> Self {
        binary(&self.node, BinaryOperator::Or, &other.into().node)
    }

    /// `!self`
    #[must_use]
    pub fn negate(&self) -> Self {
        let operation = UnaryOp::new(UnaryOperator::Not, operand(&self.node));
        Self::from_node(Operation::Unary(operation).into())
    }

    /// `self ? yes : no`
    pub fn choose<T>(&self, yes: impl Into<Expr<M, T>>, no: impl Into<Expr<M, T>>) -> Expr<M, T> {
        let (yes, no) = (yes.into(), no.into());
        // A conditional binds weakest: only another one inside it needs parentheses.
        let branch = |node: &Expression| match node {
            Expression::Conditional(_) => operand(node),
            other => other.clone(),
        };
        let (yes, no) = (branch(&yes.node), branch(&no.node));
        Expr::from_node(Conditional::new(branch(&self.node), yes, no).into())
    }
}

macro_rules! number_operations {
    ($($(#[$doc:meta])* $name:ident = $operator:ident -> $out:ident),* $(,)?) => {
        impl<M> Expr<M, Number> {$(
            $(#[$doc])*
            pub fn $name(&self, other: impl Into<Self>) -> Expr<M, $out> {
                binary(&self.node, BinaryOperator::$operator, &other.into().node)
            }
        )*}
    };
}
number_operations!(
    /// `self + other`
    plus = Plus -> Number,
    /// `self - other`
    minus = Minus -> Number,
    /// `self * other`
    times = Mul -> Number,
    /// `self / other`
    divided_by = Div -> Number,
    /// `self % other`
    modulo = Mod -> Number,
    /// `self < other`
    less = Less -> Bool,
    /// `self <= other`
    at_most = LessEq -> Bool,
    /// `self > other`
    greater = Greater -> Bool,
    /// `self >= other`
    at_least = GreaterEq -> Bool,
);

impl<M> Expr<M, Number> {
    /// `-self`
    #[must_use]
    pub fn negative(&self) -> Self {
        let operation = UnaryOp::new(UnaryOperator::Neg, operand(&self.node));
        Self::from_node(Operation::Unary(operation).into())
    }
}

impl<M, T> Expr<M, Opt<T>> {
    /// `null`
    #[must_use]
    pub fn null() -> Self {
        Self::from_node(Expression::Null)
    }

    /// `self == null`
    #[must_use]
    pub fn is_null(&self) -> Expr<M, Bool> {
        binary(&self.node, BinaryOperator::Eq, &Expression::Null)
    }

    /// `self != null`
    #[must_use]
    pub fn is_set(&self) -> Expr<M, Bool> {
        binary(&self.node, BinaryOperator::NotEq, &Expression::Null)
    }

    /// The value itself, where it is known not to be null.
    #[must_use]
    pub fn set(&self) -> Expr<M, T> {
        Expr::from_node(self.node.clone())
    }

    /// `self == null ? other : self`
    pub fn or_else(&self, other: impl Into<Expr<M, T>>) -> Expr<M, T> {
        self.is_null().choose(other, Expr::from_node(self.node.clone()))
    }
}

impl<M, T> Expr<M, List<T>> {
    /// `self[index]`
    pub fn at(&self, index: impl Into<Expr<M, Number>>) -> Expr<M, T> {
        let index = index.into().into_node();
        Expr::from_node(traverse(&self.node, [TraversalOperator::Index(index)]))
    }

    /// `[for name in self : f(name)]`
    pub fn map<U>(&self, name: &str, f: impl FnOnce(Expr<M, T>) -> Expr<M, U>) -> Expr<M, List<U>> {
        let scope = Scope::new();
        let value = f(bound(scope, name));
        Expr::from_node(ForExpr::new(scope.ident(name), operand(&self.node), value.node).into())
    }

    /// `{ for index, name in self : key => value }` with `f(index, name) = (key, value)`
    pub fn to_map<U>(
        &self,
        (index, name): (&str, &str),
        f: impl FnOnce(Expr<M, Number>, Expr<M, T>) -> (Expr<M, Text>, Expr<M, U>),
    ) -> Expr<M, Map<U>> {
        let scope = Scope::new();
        let (key, value) = f(bound(scope, index), bound(scope, name));
        for_map(&self.node, (scope, index, name), (key, value), None)
    }

    /// [`Expr::to_map`] of nothing unless `condition` holds.
    pub fn to_map_if<U>(
        &self,
        (index, name): (&str, &str),
        f: impl FnOnce(Expr<M, Number>, Expr<M, T>) -> (Expr<M, Text>, Expr<M, U>),
        condition: &Expr<M, Bool>,
    ) -> Expr<M, Map<U>> {
        self.to_map_where((index, name), |index, name| (f(index, name), condition.clone()))
    }

    /// `{ for index, name in self : key => value if condition }` with
    /// `f(index, name) = ((key, value), condition)`
    pub fn to_map_where<U>(
        &self,
        (index, name): (&str, &str),
        f: impl FnOnce(Expr<M, Number>, Expr<M, T>) -> ((Expr<M, Text>, Expr<M, U>), Expr<M, Bool>),
    ) -> Expr<M, Map<U>> {
        let scope = Scope::new();
        let (entry, condition) = f(bound(scope, index), bound(scope, name));
        for_map(&self.node, (scope, index, name), entry, Some(&condition))
    }
}

impl<M, T> Expr<M, Map<T>> {
    /// `self["key"]`
    pub fn get(&self, key: impl Into<Expr<M, Text>>) -> Expr<M, T> {
        let key = key.into().into_node();
        Expr::from_node(traverse(&self.node, [TraversalOperator::Index(key)]))
    }

    /// `[for key, value in self : f(key, value)]`
    pub fn map<U>(
        &self,
        (key, value): (&str, &str),
        f: impl FnOnce(Expr<M, Text>, Expr<M, T>) -> Expr<M, U>,
    ) -> Expr<M, List<U>> {
        let scope = Scope::new();
        let item = f(bound(scope, key), bound(scope, value));
        let each = ForExpr::new(scope.ident(value), operand(&self.node), item.node);
        Expr::from_node(each.with_key_var(scope.ident(key)).into())
    }

    /// `{ for key, value in self : k => v }` with `f(key, value) = (k, v)`
    pub fn to_map<U>(
        &self,
        (key, value): (&str, &str),
        f: impl FnOnce(Expr<M, Text>, Expr<M, T>) -> (Expr<M, Text>, Expr<M, U>),
    ) -> Expr<M, Map<U>> {
        let scope = Scope::new();
        let (k, v) = f(bound(scope, key), bound(scope, value));
        for_map(&self.node, (scope, key, value), (k, v), None)
    }
}

fn bound<M, T>(scope: Scope, name: &str) -> Expr<M, T> {
    Expr::from_node(Variable::from(scope.ident(name)).into())
}

fn for_map<M, U>(
    collection: &Expression,
    (scope, first, second): (Scope, &str, &str),
    (key, value): (Expr<M, Text>, Expr<M, U>),
    condition: Option<&Expr<M, Bool>>,
) -> Expr<M, Map<U>> {
    let mut each = ForExpr::new(scope.ident(second), operand(collection), value.node)
        .with_key_var(scope.ident(first))
        .with_key_expr(operand(&key.node));
    if let Some(condition) = condition {
        each = each.with_cond_expr(condition.node.clone());
    }
    Expr::from_node(each.into())
}

impl<M, T> From<&Self> for Expr<M, T> {
    fn from(expr: &Self) -> Self {
        expr.clone()
    }
}

impl<M, T> From<Expr<M, T>> for Expr<M, Opt<T>> {
    fn from(expr: Expr<M, T>) -> Self {
        Self::from_node(expr.node)
    }
}

impl<M, T> From<Vec<Expr<M, T>>> for Expr<M, List<T>> {
    fn from(items: Vec<Expr<M, T>>) -> Self {
        Self::from_node(Expression::Array(items.into_iter().map(Expr::into_node).collect()))
    }
}

impl<M, T, const N: usize> From<[Expr<M, T>; N]> for Expr<M, List<T>> {
    fn from(items: [Expr<M, T>; N]) -> Self {
        Vec::from(items).into()
    }
}

impl<M, const N: usize> From<[&str; N]> for Expr<M, List<Text>> {
    fn from(items: [&str; N]) -> Self {
        Vec::from(items.map(Expr::from)).into()
    }
}

impl<M, T> From<Expr<M, List<T>>> for Expr<M, Set<T>> {
    fn from(list: Expr<M, List<T>>) -> Self {
        Self::from_node(list.node)
    }
}

macro_rules! literals {
    ($($rust:ty => $($hcl:ident),+);* $(;)?) => {$($(
        impl<M> From<$rust> for Expr<M, $hcl> {
            fn from(value: $rust) -> Self { Self::from_node(Expression::from(value)) }
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
        Self::from_node(Expression::from(value))
    }
}

impl<M, T: Configurable> Expr<M, T> {
    /// An id of something that exists already, as the configuration names it.
    #[must_use]
    pub fn from_configuration(id: &str) -> Self {
        Self::from_node(Expression::from(id))
    }
}

impl<M, T: Configurable> Expr<M, List<T>> {
    /// Ids as plain texts, where AWS asks for any.
    #[must_use]
    pub fn texts(&self) -> Expr<M, List<Text>> {
        Expr::from_node(self.node.clone())
    }
}

impl<M> Expr<M, Arn> {
    /// The account id inside an ARN.
    #[must_use]
    pub fn account(&self) -> Expr<M, Text> {
        let parts: Expr<M, List<Text>> =
            call("split", vec![Expression::from(":"), self.node.clone()]);
        parts.at(4)
    }
}
