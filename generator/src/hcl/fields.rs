//! A module's inputs and outputs: types, defaults, variables and what they refuse.

use hcl::expr::{Expression, FuncCall};

use super::block::Block;
use super::cases::Run;
use super::expr::{Constant, Expr};
use super::flat::flat;
use super::module::Module;
use super::node::{Fact, Node, ident};
use super::types::{Any, Bool, Type};

/// A type that an input or output can have: an expression's, or a struct of
/// [`fields!`](crate::fields), which is one object in HCL.
pub trait FieldType {
    /// What the field of the Rust struct holds.
    type Value<M>;
    /// Whether null is a value.
    const NULLABLE: bool = false;
    /// The type constraint, as in `type = list(string)`.
    fn constraint() -> Expression;
    /// The fields of an object.
    #[must_use]
    fn fields() -> Vec<Field> {
        Vec::new()
    }
    /// The value that an expression stands for.
    #[doc(hidden)]
    fn read<M>(expr: Expr<M, Any>) -> Self::Value<M>;
    /// The expression that a value stands for; what an object leaves to its defaults is left out.
    #[doc(hidden)]
    fn write<M>(value: Self::Value<M>) -> Expr<M, Any>;
    /// A field's value when a caller leaves it out.
    #[doc(hidden)]
    fn initial<M>(field: &Field) -> Self::Value<M>;
}

impl<T: Type> FieldType for T {
    type Value<M> = Expr<M, T>;
    const NULLABLE: bool = T::NULLABLE;
    fn constraint() -> Expression {
        T::constraint()
    }
    fn read<M>(expr: Expr<M, Any>) -> Expr<M, T> {
        Expr::new(expr.into_node())
    }
    fn write<M>(value: Expr<M, T>) -> Expr<M, Any> {
        value.any()
    }
    fn initial<M>(field: &Field) -> Expr<M, T> {
        let mut node = Node::from(field.default.clone().unwrap_or(Expression::Null));
        node.facts.extend(field.default.is_none().then(|| Fact::Missing(field.name.clone())));
        Expr::new(node)
    }
}

/// An input or output, or a field of one that is an object.
#[derive(Clone)]
pub struct Field {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) constraint: Expression,
    pub(super) default: Option<Expression>,
    pub(super) fields: Vec<Self>,
    nullable: bool,
    /// A default that is not a literal.
    wrong: Option<String>,
}

impl Field {
    #[doc(hidden)]
    #[must_use]
    pub fn new<T: FieldType>(
        name: &str,
        about: &str,
        default: Option<Expr<Constant, Any>>,
    ) -> Self {
        let fields = T::fields();
        let all = || !fields.is_empty() && fields.iter().all(|field| field.default.is_some());
        let default = match default {
            Some(default) => Some(default.into_node()),
            // Null is a value, and an object whose fields all have a default is one.
            None if T::NULLABLE => Some(Expression::Null.into()),
            None => all().then(|| Node::object::<&str>([])),
        };
        let wrong = default.as_ref().filter(|node| !node.is_constant());
        let wrong = wrong.map(|node| flat(&node.expression));
        Self {
            name: name.to_owned(),
            about: about.trim().to_owned(),
            constraint: T::constraint(),
            default: default.map(|node| node.expression),
            fields,
            nullable: T::NULLABLE,
            wrong,
        }
    }

    /// What a caller writes for it: nothing where it gives the default.
    #[doc(hidden)]
    pub fn given<M>(&self, value: Expr<M, Any>) -> Option<(String, Expr<M, Any>)> {
        (self.default.as_ref() != Some(&value.node().expression))
            .then(|| (self.name.clone(), value))
    }

    /// `object({ name = type, … })` of fields.
    #[doc(hidden)]
    #[must_use]
    pub fn object(fields: &[Self]) -> Expression {
        let call = |name: &str, args| {
            let mut call = FuncCall::new(ident(name));
            call.args = args;
            Expression::from(call)
        };
        let fields = fields.iter().map(|field| {
            let constraint = field.constraint.clone();
            let of = match &field.default {
                None => constraint,
                Some(Expression::Null) => call("optional", vec![constraint]),
                Some(default) => call("optional", vec![constraint, default.clone()]),
            };
            (field.name.clone(), Node::from(of))
        });
        call("object", vec![Node::object(fields).expression])
    }

    /// The description; an object's fields are listed in it.
    fn description(&self) -> String {
        let about = &self.about;
        if self.fields.is_empty() {
            return about.clone();
        }
        let fields = self.fields.iter().map(|f| format!("- {}: {}\n", f.name, f.about));
        format!("{about}\n{}", fields.collect::<String>())
    }
}

/// A module's inputs, or its outputs. Made with [`fields!`](crate::fields).
pub trait Fields<M> {
    /// The fields, in the order of its declaration.
    fn fields() -> Vec<Field>;
    /// All, each read from an expression.
    #[doc(hidden)]
    fn from_each(field: impl Fn(&str) -> Expr<M, Any>) -> Self;
    /// All that differ from their default.
    #[doc(hidden)]
    fn into_each(self) -> Vec<(String, Expr<M, Any>)>;
}

/// A module without inputs, or without outputs.
impl<M> Fields<M> for () {
    fn fields() -> Vec<Field> {
        Vec::new()
    }
    fn from_each(_: impl Fn(&str) -> Expr<M, Any>) -> Self {}
    fn into_each(self) -> Vec<(String, Expr<M, Any>)> {
        Vec::new()
    }
}

/// `var.name`
pub(super) fn input<M>(name: &str) -> Expr<M, Any> {
    Expr::new(Node::address("var", &[name]))
}

impl<M> Expr<M, Any> {
    /// A field of an object.
    #[doc(hidden)]
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        Self::new(self.node().clone().attribute(name))
    }
}

impl<M> Module<M> {
    /// Declares a variable of a root. Modules declare theirs with [`fields!`](crate::fields).
    pub fn variable<T: Type>(&mut self, name: &str, about: &str) -> Expr<M, T> {
        self.declare(&Field::new::<T>(name, about, None));
        Expr::new(input::<M>(name).into_node())
    }

    /// Declares a variable of a root with a default.
    pub fn variable_or<T: Type>(
        &mut self,
        name: &str,
        about: &str,
        default: Expr<Constant, T>,
    ) -> Expr<M, T> {
        self.declare(&Field::new::<T>(name, about, Some(default.any())));
        Expr::new(input::<M>(name).into_node())
    }

    pub(super) fn declare(&mut self, input: &Field) {
        self.name(&input.name);
        for field in [input].into_iter().chain(&input.fields) {
            if let Some(found) = &field.wrong {
                self.not_constant(&field.name, found.clone());
            }
        }
        let mut block = Block::new("variable", &[&input.name])
            .with("description", Expression::from(input.description()))
            .with("type", input.constraint.clone());
        if let Some(default) = &input.default {
            block.set("default", default.clone());
        }
        if !input.nullable {
            block.set("nullable", Expression::from(false));
        }
        self.items("variables.tf").push(block);
    }

    /// Adds a `validation` to an input: what holds, what to say when it does not, and a value for
    /// which it does not, so that a test can show that it refuses one. The condition reads that
    /// input alone (Terraform before 1.9 accepts nothing else).
    ///
    /// The message says what the value must be: `must` follows `<input> must `.
    pub fn validate<T>(
        &mut self,
        input: &Expr<M, T>,
        holds: &Expr<M, Bool>,
        must: &str,
        refuses: impl Into<Expr<Constant, T>>,
    ) {
        let given = self.given(input, refuses.into());
        let message = format!("{} must {must}.", given.path.last().map_or("", String::as_str));
        let name = given.path.first().cloned().unwrap_or_default();
        let validation = Block::new("validation", &[])
            .with("condition", holds.node().clone())
            .with("error_message", Expression::from(message.as_str()));
        match self.items("variables.tf").iter_mut().find(|block| block.label() == name) {
            Some(block) => block.nest(validation),
            None => {
                let address = flat(&input.node().expression);
                return self.fail(format!("a validation needs a variable, not `{address}`"));
            }
        }
        self.tests.refusals.push(Run {
            name: given.path.join("_"),
            about: message,
            plan: true,
            given: vec![given],
            failures: vec![Node::address("var", &[&name])],
            ..Run::default()
        });
    }
}
