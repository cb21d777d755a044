//! State machines as types: what of the Amazon States Language the project uses.
//! <https://states-language.net/spec.html>,
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>
//!
//! A [`Machine`] is checked before it is written ([`Machine::problems`]): every transition leads to
//! a state, every state is reached and reaches an end, every call of a service has a catch-all,
//! every variable that is read is assigned.

mod check;
mod code;
mod write;

pub use code::{Code, code};

use crate::hcl::Expr;
use crate::hcl::types::Any;

/// A state's name.
pub type Name = &'static str;

/// A state machine in module `M`.
pub struct Machine<M> {
    /// What it does, for the console.
    pub comment: &'static str,
    /// Where it begins.
    pub start: Name,
    /// The states in the order they are written.
    pub states: Vec<State<M>>,
}

/// A state.
pub struct State<M> {
    name: Name,
    comment: Option<&'static str>,
    kind: Kind<M>,
    assign: Vec<(&'static str, Value<M>)>,
    output: Option<Value<M>>,
}

/// What a state does.
enum Kind<M> {
    Pass(Name),
    Wait { field: &'static str, value: Code, next: Name },
    Choice { rules: Vec<Rule<M>>, default: Name },
    Task { call: Box<Call<M>>, retry: Vec<Retry>, catch: Vec<Catch>, next: Name },
    Succeed,
    Fail { error: Code, cause: Code },
}

/// A value in a definition.
pub enum Value<M> {
    /// A JSONata expression.
    Code(Code),
    /// What Terraform knows when it applies.
    Known(Expr<M, Any>),
    /// An object.
    Object(Vec<(&'static str, Self)>),
}

/// A way out of a Choice. It assigns nothing: the local cloud ignores that where a machine speaks
/// JSONPath unless a state says otherwise. The state it leads to does.
pub struct Rule<M> {
    condition: Code,
    output: Option<Value<M>>,
    next: Name,
}

/// What a Task calls.
enum Call<M> {
    Jsonata {
        resource: Expr<M, Any>,
        arguments: Value<M>,
    },
    Jsonpath {
        resource: Expr<M, Any>,
        parameters: Expr<M, Any>,
        timeout: &'static str,
        result: &'static str,
    },
}

/// When a Task is tried again.
pub struct Retry {
    errors: &'static [&'static str],
    attempts: u32,
}

/// Where an error of a Task leads. Like a [`Rule`], it assigns nothing.
pub struct Catch {
    errors: &'static [&'static str],
    output: Output,
    next: Name,
}

/// What a caught error leaves as the state's output.
enum Output {
    Code(Code),
    Path(&'static str),
}

/// All errors that can be caught.
pub const ANY_ERROR: &str = "States.ALL";

impl<M> State<M> {
    fn new(name: Name, kind: Kind<M>) -> Self {
        Self { name, comment: None, kind, assign: Vec::new(), output: None }
    }

    /// Does nothing but assign and shape.
    #[must_use]
    pub fn pass(name: Name, next: Name) -> Self {
        Self::new(name, Kind::Pass(next))
    }

    /// Waits some seconds.
    #[must_use]
    pub fn wait(name: Name, seconds: Code, next: Name) -> Self {
        Self::new(name, Kind::Wait { field: "Seconds", value: seconds, next })
    }

    /// Waits until a time, as ISO 8601.
    #[must_use]
    pub fn wait_until(name: Name, time: Code, next: Name) -> Self {
        Self::new(name, Kind::Wait { field: "Timestamp", value: time, next })
    }

    /// Goes where the first rule that holds leads, or else to `default`.
    #[must_use]
    pub fn choice(name: Name, rules: Vec<Rule<M>>, default: Name) -> Self {
        Self::new(name, Kind::Choice { rules, default })
    }

    /// Calls a service.
    #[must_use]
    pub fn task(name: Name, resource: Expr<M, Any>, arguments: Value<M>, next: Name) -> Self {
        let call = Box::new(Call::Jsonata { resource, arguments });
        Self::new(name, Kind::Task { call, retry: Vec::new(), catch: Vec::new(), next })
    }

    /// Calls a service with parameters in JSONPath, so that its time limit, too, can come from the
    /// input: `timeout` is a path in it; the result is put at the path `result`.
    #[must_use]
    pub fn timed_task(
        name: Name,
        resource: Expr<M, Any>,
        parameters: Expr<M, Any>,
        (timeout, result): (&'static str, &'static str),
        next: Name,
    ) -> Self {
        let call = Box::new(Call::Jsonpath { resource, parameters, timeout, result });
        Self::new(name, Kind::Task { call, retry: Vec::new(), catch: Vec::new(), next })
    }

    /// Ends well; the output is the input.
    #[must_use]
    pub fn succeed(name: Name) -> Self {
        Self::new(name, Kind::Succeed)
    }

    /// Ends badly.
    #[must_use]
    pub fn fail(name: Name, error: Code, cause: Code) -> Self {
        Self::new(name, Kind::Fail { error, cause })
    }

    /// Says what is not plain from the state itself.
    #[must_use]
    pub fn comment(mut self, comment: &'static str) -> Self {
        self.comment = Some(comment);
        self
    }

    /// Assigns a variable. All assignments of a state read the values from before it.
    #[must_use]
    pub fn assign(mut self, variable: &'static str, value: impl Into<Value<M>>) -> Self {
        self.assign.push((variable, value.into()));
        self
    }

    /// Sets the output.
    #[must_use]
    pub fn output(mut self, output: impl Into<Value<M>>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Tries a Task again after these errors, with waits of 2, 4, 8, … seconds. 0 attempts: never.
    ///
    /// # Panics
    /// When the state is no Task.
    #[must_use]
    pub fn retry(mut self, errors: &'static [&'static str], attempts: u32) -> Self {
        let Kind::Task { retry, .. } = &mut self.kind else { panic!("{} is no Task", self.name) };
        retry.push(Retry { errors, attempts });
        self
    }

    /// Says where an error of a Task leads. The first that matches counts.
    ///
    /// # Panics
    /// When the state is no Task.
    #[must_use]
    pub fn catch(mut self, new: Catch) -> Self {
        let Kind::Task { catch, .. } = &mut self.kind else { panic!("{} is no Task", self.name) };
        catch.push(new);
        self
    }
}

impl<M> Rule<M> {
    /// If `condition` holds, go to `next`.
    #[must_use]
    pub fn when(condition: Code, next: Name) -> Self {
        Self { condition, output: None, next }
    }

    /// Sets the output on this way; else it is the input.
    #[must_use]
    pub fn output(mut self, output: impl Into<Value<M>>) -> Self {
        self.output = Some(output.into());
        self
    }
}

impl Catch {
    /// These errors lead to `next`, with `output` as the state's output.
    #[must_use]
    pub fn of(errors: &'static [&'static str], output: Code, next: Name) -> Self {
        Self { errors, output: Output::Code(output), next }
    }

    /// In a state that speaks JSONPath: the error is put at this path of the input.
    #[must_use]
    pub fn at(errors: &'static [&'static str], path: &'static str, next: Name) -> Self {
        Self { errors, output: Output::Path(path), next }
    }
}

impl<M> From<Code> for Value<M> {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

macro_rules! known {
    ($($type:ty),*) => {$(
        impl<M> From<$type> for Value<M> {
            fn from(value: $type) -> Self { Self::Known(value.into()) }
        }
    )*};
}
known!(&str, String, bool, i32, u32, Expr<M, Any>);

/// An object of values.
pub fn fields<M, const N: usize>(fields: [(&'static str, Value<M>); N]) -> Value<M> {
    Value::Object(fields.into())
}
