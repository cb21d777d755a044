//! State machines as types: the part of the Amazon States Language that the project uses. A machine only
//! carries data from one state to the next, so a state is its fields and the states it leads to.
//! <https://states-language.net/spec.html>

use std::collections::BTreeSet;

use crate::hcl::types::{Any, Json};
use crate::hcl::{Expr, func, object, tuple};

/// A state's name.
pub type Name = &'static str;

/// A state machine in module `M`. It speaks JSONPath.
pub struct Machine<M> {
    /// What it does, for the console.
    pub comment: &'static str,
    /// The states in the order they are written. It begins with the first.
    pub states: Vec<State<M>>,
}

/// A state.
pub struct State<M> {
    name: Name,
    fields: Vec<(&'static str, Expr<M, Any>)>,
    leads_to: Vec<Name>,
}

impl<M> State<M> {
    fn new(name: Name, kind: &'static str) -> Self {
        Self { name, fields: vec![("Type", kind.into())], leads_to: Vec::new() }
    }

    /// Calls a service.
    #[must_use]
    pub fn task(name: Name, resource: Expr<M, Any>, parameters: Expr<M, Any>) -> Self {
        Self::new(name, "Task").with("Resource", resource).with("Parameters", parameters)
    }

    /// Goes where the text at the path `variable` leads, or else to `default`.
    #[must_use]
    pub fn choice<const N: usize>(
        name: Name,
        variable: &'static str,
        ways: [(&'static str, Name); N],
        default: Name,
    ) -> Self {
        let rules = ways.map(|(text, to)| {
            object([
                ("Variable", variable.into()),
                ("StringEquals", text.into()),
                ("Next", to.into()),
            ])
        });
        let mut state =
            Self::new(name, "Choice").with("Choices", tuple(rules)).with("Default", default);
        state.leads_to = ways.map(|(_, to)| to).into();
        state.leads_to.push(default);
        state
    }

    /// Waits for the number of seconds at the path `seconds`.
    #[must_use]
    pub fn wait(name: Name, seconds: &'static str) -> Self {
        Self::new(name, "Wait").with("SecondsPath", seconds)
    }

    /// Ends well, with what stands at the path `output`.
    #[must_use]
    pub fn succeed(name: Name, output: &'static str) -> Self {
        Self::new(name, "Succeed").with("OutputPath", output)
    }

    /// Ends badly, with the texts at the paths `error` and `cause`.
    #[must_use]
    pub fn fail(name: Name, error: &'static str, cause: &'static str) -> Self {
        Self::new(name, "Fail").with("ErrorPath", error).with("CausePath", cause)
    }

    /// Sets a field.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: impl Into<Expr<M, Any>>) -> Self {
        self.fields.push((field, value.into()));
        self
    }

    /// Puts any error of a task at the path `at` of the input, and goes to `to`.
    #[must_use]
    pub fn catch(mut self, at: &'static str, to: Name) -> Self {
        self.leads_to.push(to);
        let all = object([
            ("ErrorEquals", tuple(["States.ALL".into()])),
            ("ResultPath", at.into()),
            ("Next", to.into()),
        ]);
        self.with("Catch", tuple([all]))
    }

    /// The state that follows.
    #[must_use]
    pub fn then(mut self, to: Name) -> Self {
        self.leads_to.push(to);
        self.with("Next", to)
    }
}

impl<M> Machine<M> {
    /// The definition.
    ///
    /// # Panics
    /// When a state leads to one that does not exist, or is never reached: the model's author sees
    /// it on the first run.
    #[must_use]
    pub fn definition(self) -> Expr<M, Json> {
        let start = self.states.first().map_or("", |state| state.name);
        let names: BTreeSet<Name> = self.states.iter().map(|state| state.name).collect();
        assert_eq!(names.len(), self.states.len(), "two states have one name");
        let targets: BTreeSet<Name> =
            self.states.iter().flat_map(|state| state.leads_to.iter().copied()).collect();
        let unknown: Vec<_> = targets.difference(&names).collect();
        assert!(unknown.is_empty(), "no such state: {unknown:?}");
        let lost: Vec<_> = names.difference(&targets).filter(|name| **name != start).collect();
        assert!(lost.is_empty(), "nothing leads to {lost:?}");
        let states = self.states.into_iter().map(|state| (state.name, object(state.fields)));
        func::json_encode(object([
            ("Comment", self.comment.into()),
            ("StartAt", start.into()),
            ("States", object(states.collect::<Vec<_>>())),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here;

    fn machine(to: Name) -> Machine<Here> {
        let states = vec![State::wait("A", "$.n").then(to), State::succeed("B", "$")];
        Machine { comment: "", states }
    }

    #[test]
    fn a_machine_whose_states_lead_to_each_other_is_written() {
        let _ = machine("B").definition();
    }

    #[test]
    #[should_panic(expected = "no such state: [\"C\"]")]
    fn a_state_that_does_not_exist_is_refused() {
        let _ = machine("C").definition();
    }

    #[test]
    #[should_panic(expected = "nothing leads to [\"B\"]")]
    fn a_state_that_is_never_reached_is_refused() {
        let _ = machine("A").definition();
    }
}
