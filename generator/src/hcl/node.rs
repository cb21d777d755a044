//! Expressions without types: hcl-rs's tree, and what must hold where it is used.

use std::rc::Rc;

use hcl::Identifier;
use hcl::expr::{
    Expression, Object, ObjectKey, Operation, TemplateExpr, Traversal, TraversalOperator, Variable,
};

use super::flat::{self, Part};

/// An expression and what its surroundings owe it.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) expression: Expression,
    pub(super) facts: Vec<Fact>,
    /// The parts of a template, so that it can become part of another one.
    pub(super) parts: Vec<Part>,
}

/// What is known about an expression beside its text.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// It names the block with this address.
    Refers(Rc<str>),
    /// It uses what a `for` or a `for_each` around it binds.
    Uses(Bound),
    /// It stands for an input that nobody gave.
    Missing(String),
    /// A name in it is not an identifier.
    Name(String),
    /// An object in it has this key twice, or a block this attribute.
    Twice(String),
    /// A `for` in it binds a name again that stands for another value.
    Shadowed(Bound),
}

/// A name that a `for` or a `for_each` binds. Two that are called alike are still two.
pub(super) type Bound = Rc<str>;

impl<E: Into<Expression>> From<E> for Node {
    fn from(expression: E) -> Self {
        Self { expression: expression.into(), facts: Vec::new(), parts: Vec::new() }
    }
}

impl Node {
    /// An expression made of others.
    pub(super) fn of<const N: usize>(
        nodes: [Self; N],
        make: impl FnOnce([Expression; N]) -> Expression,
    ) -> Self {
        let mut facts = Vec::new();
        let expressions = nodes.map(|mut node| {
            facts.append(&mut node.facts);
            node.expression
        });
        Self { expression: make(expressions), facts, parts: Vec::new() }
    }

    /// An expression made of any number of others.
    pub(super) fn of_all(
        nodes: impl IntoIterator<Item = Self>,
        make: impl FnOnce(Vec<Expression>) -> Expression,
    ) -> Self {
        let mut facts = Vec::new();
        let take = |mut node: Self| {
            facts.append(&mut node.facts);
            node.expression
        };
        let expressions = nodes.into_iter().map(take).collect();
        Self { expression: make(expressions), facts, parts: Vec::new() }
    }

    /// The address of a block, such as `var.region`.
    pub(super) fn address(root: &str, names: &[&str]) -> Self {
        let mut node = Self::from(Variable::from(ident(root)));
        let mut address = root.to_owned();
        for name in names {
            node = node.attribute(name);
            address.push('.');
            address.push_str(name);
        }
        node.facts.push(Fact::Refers(address.into()));
        node
    }

    /// What `name` stands for inside of what binds it.
    pub(super) fn bound(name: &Bound) -> Self {
        let mut node = Self::from(Variable::from(ident(name)));
        node.facts.push(Fact::Uses(Rc::clone(name)));
        node
    }

    /// Ends the reach of names: what is inside has used them, what is outside cannot.
    pub(super) fn bind(&mut self, names: &[Bound]) {
        self.facts.retain_mut(|fact| {
            let hides = match fact {
                Fact::Uses(used) if names.iter().any(|name| Rc::ptr_eq(name, used)) => {
                    return false;
                }
                Fact::Uses(used) => names.iter().find(|name| *name == used),
                Fact::Refers(address) => {
                    let root = address.split('.').next();
                    names.iter().find(|name| Some(&***name) == root)
                }
                _ => None,
            };
            if let Some(name) = hides {
                *fact = Fact::Shadowed(Rc::clone(name));
            }
            true
        });
        let wrong = names.iter().filter(|name| !is_identifier(name));
        self.facts.extend(wrong.map(|name| Fact::Name(name.to_string())));
    }

    /// `self.name`
    pub(super) fn attribute(self, name: &str) -> Self {
        let mut node = self.then(TraversalOperator::GetAttr(ident(name)));
        if !is_identifier(name) {
            node.facts.push(Fact::Name(name.to_owned()));
        }
        node
    }

    /// `self[index]`
    pub(super) fn index(mut self, mut index: Self) -> Self {
        self.facts.append(&mut index.facts);
        self.then(TraversalOperator::Index(index.expression))
    }

    /// One step further.
    pub(super) fn then(mut self, operator: TraversalOperator) -> Self {
        self.parts.clear();
        self.expression = match self.expression {
            Expression::Traversal(mut traversal) => {
                traversal.operators.push(operator);
                Expression::Traversal(traversal)
            }
            base @ (Expression::Variable(_) | Expression::FuncCall(_)) => {
                Traversal::new(base, [operator]).into()
            }
            base => Traversal::new(Expression::Parenthesis(Box::new(base)), [operator]).into(),
        };
        self
    }

    /// The names of a reference, `a.b.c`; an index in it is left out.
    pub(super) fn path(&self) -> Vec<String> {
        match &self.expression {
            Expression::Traversal(traversal) => {
                let names = traversal.operators.iter().filter_map(|operator| match operator {
                    TraversalOperator::GetAttr(name) => Some(name.to_string()),
                    _ => None,
                });
                let root = match &traversal.expr {
                    Expression::Variable(root) => Some(root.to_string()),
                    _ => None,
                };
                root.into_iter().chain(names).collect()
            }
            _ => Vec::new(),
        }
    }

    /// `{ key = value, … }`, each key a literal.
    pub(super) fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let mut object: Object<ObjectKey, Expression> = Object::default();
        let mut facts = Vec::new();
        for (key, mut value) in entries {
            let key = key.into();
            facts.append(&mut value.facts);
            if object.insert(object_key(&key), value.expression).is_some() {
                facts.push(Fact::Twice(format!("key {key}")));
            }
        }
        Self { expression: Expression::Object(object), facts, parts: Vec::new() }
    }

    /// A string made of literals and expressions, as plain as it can be.
    pub(super) fn template(pieces: impl IntoIterator<Item = Self>) -> Self {
        let mut facts = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for mut piece in pieces {
            facts.append(&mut piece.facts);
            let inner = match piece.expression {
                Expression::String(text) => vec![Part::Literal(text)],
                // A template inside a template is part of it.
                Expression::TemplateExpr(_) => piece.parts,
                value => vec![Part::Value(value)],
            };
            for part in inner {
                match (parts.last_mut(), part) {
                    (_, Part::Literal(text)) if text.is_empty() => {}
                    // Literals that meet become one, so that escaping sees them whole.
                    (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
                    (_, part) => parts.push(part),
                }
            }
        }
        let expression = match &*parts {
            [] => Expression::from(""),
            [Part::Literal(text)] => Expression::from(text.as_str()),
            // `terraform fmt` unwraps a template that is only a reference.
            [Part::Value(value)] if !matches!(value, Expression::Number(_)) => value.clone(),
            _ => TemplateExpr::QuotedString(flat::template(&parts)).into(),
        };
        Self { expression, facts, parts }
    }

    /// Whether it names nothing and calls nothing: a default or a test's value can be nothing else.
    pub(super) fn is_constant(&self) -> bool {
        is_constant(&self.expression)
    }
}

fn is_constant(expression: &Expression) -> bool {
    match expression {
        Expression::Null | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => {
            true
        }
        Expression::Array(items) => items.iter().all(is_constant),
        Expression::Object(object) => object.values().all(is_constant),
        _ => false,
    }
}

/// How tightly an expression holds together: an operand that holds less than its operation needs
/// parentheses. <https://developer.hashicorp.com/terraform/language/expressions/operators>
pub(super) fn strength(expression: &Expression) -> u8 {
    match expression {
        Expression::Conditional(_) => 0,
        Expression::Operation(operation) => match &**operation {
            Operation::Unary(_) => 7,
            Operation::Binary(binary) => binary.operator.precedence(),
        },
        _ => 8,
    }
}

/// An operand that must hold at least so tightly. hcl-rs writes no parentheses of its own.
pub(super) fn operand(expression: Expression, least: u8) -> Expression {
    if strength(&expression) < least {
        Expression::Parenthesis(Box::new(expression))
    } else {
        expression
    }
}

/// An identifier, unchanged; hcl-rs would rename one that is wrong. A [`Fact`] or an error reports it,
/// and then nothing is printed.
pub(super) fn ident(name: &str) -> Identifier {
    Identifier::unchecked(name)
}

/// Whether HCL accepts `name` as an identifier. ASCII only: every name of ours is.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// An identifier stays bare; anything else is quoted, so that `x:y` is a key and not a mistake.
fn object_key(key: &str) -> ObjectKey {
    if is_identifier(key) && !["null", "true", "false", "for"].contains(&key) {
        ObjectKey::Identifier(ident(key))
    } else {
        ObjectKey::Expression(Expression::from(key))
    }
}
