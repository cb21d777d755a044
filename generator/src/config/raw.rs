//! The first level: what `ralph.toml` says. Every key is known, every value has the type and form
//! its key asks for, and each remembers its place. All mistakes are gathered, not only the first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Default, ENVIRONMENT, FILE, Form, Key, Kind, Section};
use super::problem::Problem;
use crate::nearest::nearest;

/// A value of its key's kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<(String, Range<usize>)>),
    TextMap(Vec<(String, String, Range<usize>)>),
    Integer(i64),
    Number(f64),
    Bool(bool),
}

/// What a table says: values by key, keys of inner tables as `table.key`.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) values: BTreeMap<String, (Value, Range<usize>)>,
    /// Inner tables that are there, with the places of their names.
    pub(super) inner: BTreeMap<String, Range<usize>>,
    /// Keys whose value was wrong: a rule across fields has nothing to say about them.
    pub(super) broken: Vec<String>,
    /// The table's own place.
    pub(super) span: Range<usize>,
}

impl Table {
    fn at(span: Range<usize>) -> Self {
        Self { values: BTreeMap::new(), inner: BTreeMap::new(), broken: Vec::new(), span }
    }
}

/// The whole file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) own: Table,
    /// Environments in the order of the file.
    pub(super) environments: Vec<(String, Table)>,
}

pub(super) fn read(text: &str) -> (File, Vec<Problem>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| Problem::new(error.message()).at(error.span().unwrap_or(0..0), "here"))
        .collect();
    let mut own = Table::at(0..0);
    let mut environments = Vec::new();
    let mut rest = Vec::new();
    for (key, value) in root.get_ref() {
        if key.get_ref() != "env" {
            rest.push((key, value));
        } else if let DeValue::Table(table) = value.get_ref() {
            for (name, env) in table {
                let span = name.span();
                let mut read = Table::at(span);
                match env.get_ref() {
                    DeValue::Table(table) => {
                        section(&ENVIRONMENT, "", entries(table), &mut read, &mut problems);
                    }
                    _ => problems.push(expected("a table, such as [env.dev]", env)),
                }
                environments.push((name.get_ref().to_string(), read));
            }
        } else {
            problems.push(expected("tables, such as [env.dev]", value));
        }
    }
    section(&FILE, "", rest, &mut own, &mut problems);
    // A file's order is the order of spans; the parser's map sorts by name.
    environments.sort_by_key(|(_, table)| table.span.start);
    (File { own, environments }, problems)
}

type Entry<'a> = (&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>);

fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    table.iter().collect()
}

fn section(
    section: &Section,
    prefix: &str,
    entries: Vec<Entry<'_>>,
    out: &mut Table,
    problems: &mut Vec<Problem>,
) {
    for (name, value) in entries {
        let text = name.get_ref().as_ref();
        if let Some(inner) = section.sections.iter().find(|inner| inner.name == text) {
            match value.get_ref() {
                DeValue::Table(table) => {
                    out.inner.insert(text.to_owned(), name.span());
                    let entries = table.iter().collect();
                    self::section(inner, &format!("{text}."), entries, out, problems);
                    for key in inner.keys {
                        if matches!(key.default, Default::Required)
                            && !table.keys().any(|own| own.get_ref() == key.name)
                        {
                            let problem = Problem::new(format!("{text} needs {}", key.name));
                            problems.push(problem.at(name.span(), "this table").hint(format!(
                                "{} = {}",
                                key.name,
                                key.kind.words()
                            )));
                        }
                    }
                }
                _ => problems.push(expected("a table", value)),
            }
        } else if let Some(key) = section.keys.iter().find(|key| key.name == text) {
            let path = format!("{prefix}{text}");
            let before = problems.len();
            match convert(key.kind, value, problems) {
                Some(read) if problems.len() == before => {
                    out.values.insert(path, (read, value.span()));
                }
                _ => out.broken.push(path),
            }
        } else {
            let table = matches!(value.get_ref(), DeValue::Table(_));
            problems.push(unknown(section, name, table));
        }
    }
}

fn unknown(section: &Section, name: &Spanned<std::borrow::Cow<'_, str>>, table: bool) -> Problem {
    let mut known: Vec<&str> = section.keys.iter().map(|key: &Key| key.name).collect();
    known.extend(section.sections.iter().map(|inner| inner.name));
    if section.name.is_empty() {
        known.push("env");
    }
    let problem =
        Problem::new(format!("unknown key `{}`", name.get_ref())).at(name.span(), "not a key here");
    problem.hint(match nearest(name.get_ref(), known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if section.name.is_empty() && table => {
            format!("an environment is a table of env: [env.{}]", name.get_ref())
        }
        None => format!("keys here are {}", known.join(", ")),
    })
}

fn expected(words: &str, value: &Spanned<DeValue<'_>>) -> Problem {
    let found = value.get_ref().type_str();
    Problem::new(format!("expected {words}")).at(value.span(), format!("found {found}"))
}

fn convert(kind: Kind, value: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Option<Value> {
    let wrong = || {
        let problem = expected(&kind.words(), value);
        let textual = matches!(kind, Kind::Text(_));
        match value.get_ref() {
            DeValue::String(_) => match kind {
                Kind::Texts(_) => problem.hint("a list stands in brackets: [\"…\"]"),
                Kind::TextMap | Kind::Text(_) | Kind::OneOf(_) => problem,
                _ => problem.hint("leave out the quotes"),
            },
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) if textual => {
                problem.hint("put it in quotes")
            }
            _ => problem,
        }
    };
    let result = match (kind, value.get_ref()) {
        (Kind::Text(form), DeValue::String(text)) => {
            matches(form, text).then(|| Value::Text(text.to_string()))
        }
        (Kind::OneOf(allowed), DeValue::String(text)) => {
            allowed.contains(&text.as_ref()).then(|| Value::Text(text.to_string()))
        }
        (Kind::Bool, DeValue::Boolean(value)) => Some(Value::Bool(*value)),
        (Kind::Integer(low, high), DeValue::Integer(number)) => {
            integer(number.as_str(), number.radix())
                .filter(|number| (low..=high).contains(number))
                .map(Value::Integer)
        }
        (Kind::OneOfIntegers(allowed), DeValue::Integer(number)) => {
            integer(number.as_str(), number.radix())
                .filter(|number| allowed.contains(number))
                .map(Value::Integer)
        }
        (Kind::Positive(high), DeValue::Integer(number)) => {
            let number = integer(number.as_str(), number.radix()).map(|number| number as f64);
            number.filter(|number| *number > 0.0 && *number <= high).map(Value::Number)
        }
        (Kind::Positive(high), DeValue::Float(number)) => {
            let number: Option<f64> = number.as_str().replace('_', "").parse().ok();
            number.filter(|number| *number > 0.0 && *number <= high).map(Value::Number)
        }
        (Kind::Texts(form), DeValue::Array(items)) => {
            let mut texts = Vec::new();
            for item in items.iter() {
                match item.get_ref() {
                    DeValue::String(text) if matches(form, text) => {
                        texts.push((text.to_string(), item.span()));
                    }
                    _ => problems.push(expected(form.words, item)),
                }
            }
            Some(Value::Texts(texts))
        }
        (Kind::TextMap, DeValue::Table(table)) => {
            let mut texts = Vec::new();
            for (key, item) in table {
                match item.get_ref() {
                    DeValue::String(text) => {
                        texts.push((key.get_ref().to_string(), text.to_string(), key.span()));
                    }
                    _ => problems.push(expected("a string", item)),
                }
            }
            texts.sort_by(|a: &(String, _, _), b| a.0.cmp(&b.0));
            Some(Value::TextMap(texts))
        }
        _ => {
            problems.push(wrong());
            return None;
        }
    };
    if result.is_none() {
        let problem = Problem::new(format!("expected {}", kind.words()));
        problems.push(problem.at(value.span(), "not allowed here"));
    }
    result
}

fn integer(text: &str, radix: u32) -> Option<i64> {
    i64::from_str_radix(&text.replace('_', ""), radix).ok()
}

fn matches(form: Form, text: &str) -> bool {
    thread_local! {
        /// Each pattern is compiled once, and only if some value asks for it.
        static COMPILED: RefCell<BTreeMap<&'static str, Regex>> = const { RefCell::new(BTreeMap::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        let pattern = compiled.entry(form.pattern).or_insert_with(|| {
            Regex::new(form.pattern).expect("a test compiles every pattern of the table")
        });
        pattern.is_match(text)
    })
}
