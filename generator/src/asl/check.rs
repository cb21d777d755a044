//! What must hold of a machine before it is written.

use std::collections::{BTreeMap, BTreeSet};

use super::{ANY_ERROR, Call, Catch, Code, Kind, Machine, Name, Output, Rule, State, Value};

impl<M> Machine<M> {
    /// Everything that is wrong; empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut ways: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for state in &self.states {
            if ways.insert(state.name, state.ways().into_iter().collect()).is_some() {
                problems.push(format!("{} is there twice", state.name));
            }
            problems.extend(state.problems());
        }
        if !ways.contains_key(self.start) {
            problems.push(format!("the start {} is no state", self.start));
        }
        for (from, targets) in &ways {
            let missing = targets.iter().filter(|to| !ways.contains_key(*to));
            problems.extend(missing.map(|to| format!("{from} leads to {to}, which is no state")));
        }
        let reached = reach(&ways, [self.start].into());
        let lost = ways.keys().filter(|name| !reached.contains(*name));
        problems.extend(lost.map(|name| format!("{name} is never reached")));
        let mut back: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (from, targets) in &ways {
            for to in targets {
                back.entry(*to).or_default().insert(*from);
            }
        }
        let ends = self.states.iter().filter(|state| state.is_end()).map(|state| state.name);
        let ending = reach(&back, ends.collect());
        let caught = ways.keys().filter(|name| !ending.contains(*name));
        problems.extend(caught.map(|name| format!("{name} never comes to an end")));
        problems.extend(self.unassigned());
        problems
    }

    fn unassigned(&self) -> Vec<String> {
        let assigned: BTreeSet<&str> =
            self.states.iter().flat_map(|state| &state.assign).map(|(name, _)| *name).collect();
        let mut problems = Vec::new();
        for state in &self.states {
            for code in state.codes() {
                let unknown = code.variables().into_iter().filter(|name| !assigned.contains(name));
                problems
                    .extend(unknown.map(|name| {
                        format!("{} reads ${name}, which nothing assigns", state.name)
                    }));
            }
        }
        problems
    }
}

/// Everything that can be reached from `from`, itself included.
fn reach<'a>(ways: &BTreeMap<Name, BTreeSet<Name>>, from: BTreeSet<&'a str>) -> BTreeSet<&'a str>
where
    Name: 'a,
{
    let mut reached = from.clone();
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        for to in ways.get(name).into_iter().flatten() {
            if reached.insert(to) {
                open.push(to);
            }
        }
    }
    reached
}

impl<M> State<M> {
    fn is_end(&self) -> bool {
        matches!(self.kind, Kind::Succeed | Kind::Fail { .. })
    }

    /// Where it can lead.
    fn ways(&self) -> Vec<Name> {
        match &self.kind {
            Kind::Pass(next) | Kind::Wait { next, .. } => vec![next],
            Kind::Choice { rules, default } => {
                rules.iter().map(|rule| rule.next).chain([*default]).collect()
            }
            Kind::Task { catch, next, .. } => {
                catch.iter().map(|catch| catch.next).chain([*next]).collect()
            }
            Kind::Succeed | Kind::Fail { .. } => Vec::new(),
        }
    }

    /// Every expression in it.
    fn codes(&self) -> Vec<&Code> {
        let mut all: Vec<&Code> = self.assign.iter().flat_map(|(_, value)| value.codes()).collect();
        all.extend(self.output.iter().flat_map(Value::codes));
        match &self.kind {
            Kind::Wait { value, .. } => all.push(value),
            Kind::Choice { rules, .. } => {
                all.extend(rules.iter().map(|rule: &Rule<M>| &rule.condition));
                all.extend(rules.iter().flat_map(|rule| &rule.output).flat_map(Value::codes));
            }
            Kind::Task { call, catch, .. } => {
                if let Call::Jsonata { arguments, .. } = &**call {
                    all.extend(arguments.codes());
                }
                all.extend(catch.iter().filter_map(|catch: &Catch| match &catch.output {
                    Output::Code(code) => Some(code),
                    Output::Path(_) => None,
                }));
            }
            Kind::Fail { error, cause } => all.extend([error, cause]),
            Kind::Pass(_) | Kind::Succeed => {}
        }
        all
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Kind::Task { catch, .. } = &self.kind
            && catch.last().is_none_or(|last| last.errors != [ANY_ERROR])
        {
            problems.push(format!("{} does not catch every error", self.name));
        }
        // On AWS all assignments of a state read the values from before it, in the local cloud each
        // sees those above it.
        for (name, value) in &self.assign {
            let others =
                |read: &str| read != *name && self.assign.iter().any(|(own, _)| *own == read);
            let mixed = value.codes().into_iter().flat_map(Code::variables).filter(|v| others(v));
            problems.extend(mixed.map(|read| {
                format!("{} assigns ${name} from ${read}, which it assigns as well", self.name)
            }));
        }
        problems
    }
}

impl<M> Value<M> {
    fn codes(&self) -> Vec<&Code> {
        match self {
            Self::Code(code) => vec![code],
            Self::Known(_) => Vec::new(),
            Self::Object(fields) => fields.iter().flat_map(|(_, value)| value.codes()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ANY_ERROR, Catch, Machine, Rule, State, code};

    struct Here;

    fn task(name: &'static str, next: &'static str) -> State<Here> {
        State::task(name, "arn".into(), code("{}").into(), next)
    }

    fn problems(states: Vec<State<Here>>) -> Vec<String> {
        Machine { comment: "", start: "A", states }.problems()
    }

    #[test]
    fn a_sound_machine_has_no_problem() {
        let caught = Catch::of(&[ANY_ERROR], code("{}"), "End");
        let states = vec![
            State::pass("A", "B").assign("x", code("1")),
            task("B", "C").catch(caught),
            State::choice("C", vec![Rule::when(code("$x = 1"), "A")], "End"),
            State::succeed("End"),
        ];
        assert_eq!(problems(states), Vec::<String>::new());
    }

    #[test]
    fn what_is_found_wrong() {
        let end = || State::succeed("End");
        for (states, expected) in [
            (vec![end()], "the start A is no state"),
            (vec![State::pass("A", "B"), end()], "A leads to B, which is no state"),
            (vec![State::pass("A", "End"), end(), end()], "End is there twice"),
            (vec![State::pass("A", "End"), State::pass("B", "End"), end()], "B is never reached"),
            (
                vec![
                    State::choice("A", vec![Rule::when(code("true"), "B")], "End"),
                    State::pass("B", "C"),
                    State::pass("C", "B"),
                    end(),
                ],
                "B never comes to an end",
            ),
            (vec![task("A", "End"), end()], "A does not catch every error"),
            (
                vec![task("A", "End").catch(Catch::of(&["E"], code("{}"), "End")), end()],
                "A does not catch every error",
            ),
            (
                vec![State::pass("A", "End").assign("x", code("$y")), end()],
                "A reads $y, which nothing assigns",
            ),
            (
                vec![State::pass("A", "End").assign("x", code("1")).assign("y", code("$x")), end()],
                "A assigns $y from $x, which it assigns as well",
            ),
        ] {
            let found = problems(states);
            assert!(found.iter().any(|problem| problem == expected), "{expected}: {found:?}");
        }
    }
}
