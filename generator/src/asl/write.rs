//! A machine as the object that `jsonencode` turns into its definition.

use super::{Call, Catch, Code, Kind, Machine, Output, Retry, Rule, State, Value};
use crate::hcl::types::{Any, Json};
use crate::hcl::{Expr, func, object, tuple};

type Fields<M> = Vec<(String, Expr<M, Any>)>;

impl<M> Machine<M> {
    /// The definition.
    ///
    /// # Panics
    /// When the machine has [`problems`](Machine::problems): the model's author sees it on the
    /// first run.
    #[must_use]
    pub fn definition(self) -> Expr<M, Json> {
        let problems = self.problems();
        assert!(problems.is_empty(), "the state machine is wrong:\n{}", problems.join("\n"));
        let states = self.states.into_iter().map(|state| (state.name.to_owned(), written(state)));
        func::json_encode(object([
            ("Comment", self.comment.into()),
            ("StartAt", self.start.into()),
            ("States", object(states.collect::<Fields<M>>())),
        ]))
    }
}

fn written<M>(state: State<M>) -> Expr<M, Any> {
    let mut all = Fields::new();
    let mut add = |name: &str, value: Expr<M, Any>| all.push((name.to_owned(), value));
    let kind = match &state.kind {
        Kind::Pass(_) => "Pass",
        Kind::Wait { .. } => "Wait",
        Kind::Choice { .. } => "Choice",
        Kind::Task { .. } => "Task",
        Kind::Succeed => "Succeed",
        Kind::Fail { .. } => "Fail",
    };
    add("Type", kind.into());
    let jsonpath =
        matches!(&state.kind, Kind::Task { call, .. } if matches!(**call, Call::Jsonpath { .. }));
    if !jsonpath {
        add("QueryLanguage", "JSONata".into());
    }
    if let Some(comment) = state.comment {
        add("Comment", comment.into());
    }
    let mut next = None;
    match state.kind {
        Kind::Pass(to) => next = Some(to),
        Kind::Wait { field, value, next: to } => {
            add(field, value.quoted().into());
            next = Some(to);
        }
        Kind::Choice { rules, default } => {
            add("Choices", tuple(rules.into_iter().map(rule)));
            add("Default", default.into());
        }
        Kind::Task { call, retry, catch, next: to } => {
            match *call {
                Call::Jsonata { resource, arguments } => {
                    add("Resource", resource);
                    add("Arguments", value(arguments));
                }
                Call::Jsonpath { resource, parameters, timeout, result } => {
                    add("Resource", resource);
                    add("Parameters", parameters);
                    add("TimeoutSecondsPath", timeout.into());
                    add("ResultPath", result.into());
                }
            }
            if !retry.is_empty() {
                add("Retry", tuple(retry.into_iter().map(self::retry)));
            }
            add("Catch", tuple(catch.into_iter().map(self::catch)));
            next = Some(to);
        }
        Kind::Succeed => {}
        Kind::Fail { error, cause } => {
            add("Error", error.quoted().into());
            add("Cause", cause.quoted().into());
        }
    }
    if !state.assign.is_empty() {
        add("Assign", assigned(state.assign));
    }
    if let Some(output) = state.output {
        add("Output", value(output));
    }
    if let Some(next) = next {
        add("Next", next.into());
    }
    object(all)
}

fn value<M>(value: Value<M>) -> Expr<M, Any> {
    match value {
        Value::Code(code) => quoted(&code),
        Value::Known(known) => known,
        Value::Object(fields) => assigned(fields),
    }
}

fn assigned<M>(fields: Vec<(&'static str, Value<M>)>) -> Expr<M, Any> {
    object(fields.into_iter().map(|(name, field)| (name, value(field))))
}

fn quoted<M>(code: &Code) -> Expr<M, Any> {
    code.quoted().into()
}

fn texts<M>(texts: &[&'static str]) -> Expr<M, Any> {
    tuple(texts.iter().map(|text| (*text).into()))
}

fn rule<M>(rule: Rule<M>) -> Expr<M, Any> {
    let mut all = vec![("Condition", quoted(&rule.condition))];
    if let Some(output) = rule.output {
        all.push(("Output", value(output)));
    }
    all.push(("Next", rule.next.into()));
    object(all)
}

fn retry<M>(retry: Retry) -> Expr<M, Any> {
    let mut all =
        vec![("ErrorEquals", texts(retry.errors)), ("MaxAttempts", retry.attempts.into())];
    if retry.attempts > 0 {
        all.push(("IntervalSeconds", 2.into()));
        all.push(("BackoffRate", 2.into()));
        // Many executions that met the same trouble should not come back at the same moment.
        all.push(("JitterStrategy", "FULL".into()));
    }
    object(all)
}

fn catch<M>(catch: Catch) -> Expr<M, Any> {
    let mut all = vec![("ErrorEquals", texts(catch.errors))];
    match catch.output {
        Output::Code(code) => all.push(("Output", quoted(&code))),
        Output::Path(path) => all.push(("ResultPath", path.into())),
    }
    all.push(("Next", catch.next.into()));
    object(all)
}
