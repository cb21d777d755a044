//! The first level: what `ralph.toml` says. Every key is known, every value has the type and form
//! its key asks for, and each remembers its place. All mistakes are gathered, not only the first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize as _;
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::keys::{Form, KEYS, Key, Kind, Section};
use super::problem::Problem;
use ralph_protocol::nearest::nearest;

/// A table of the file, with the tables in it. A path is `key`, `table` or `table.key`.
#[derive(Debug)]
pub(super) struct Table {
    /// Values by key and by table: the file's, else the default. A wrong value is null, so that
    /// rules about several keys do not judge it.
    pub(super) values: Value,
    /// The place of each value and table that the file has, and of each tag, by path.
    places: BTreeMap<String, Range<usize>>,
    /// The table's own place.
    pub(super) place: Range<usize>,
}

impl Table {
    fn new(section: &Section, place: Range<usize>) -> Self {
        Self { values: section.defaults(), places: BTreeMap::new(), place }
    }

    /// The value at a path; null if there is none or a wrong one.
    pub(super) fn get(&self, path: &str) -> &Value {
        path.split('.').fold(&self.values, |value, part| &value[part])
    }

    /// The string at a path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).as_str()
    }

    pub(super) fn set(&mut self, path: &str, value: Value) {
        *path.split('.').fold(&mut self.values, |value, part| &mut value[part]) = value;
    }

    /// Where the file has a path, even with a wrong value.
    pub(super) fn place(&self, path: &str) -> Option<Range<usize>> {
        self.places.get(path).cloned()
    }
}

/// The whole file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) own: Table,
    /// Environments in the order of the file.
    pub(super) environments: Vec<(String, Table)>,
}

/// Reads a file and what is wrong with each of its keys.
pub(super) fn read(text: &str) -> (File, Vec<Problem>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| Problem::new(error.message()).at(error.span().unwrap_or(0..0), "here"))
        .collect();
    let mut own = Table::new(&KEYS.file, 0..0);
    let mut environments = Vec::new();
    for (name, value) in root.get_ref() {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("env", DeValue::Table(table)) => environments.extend(table),
            ("env", _) => problems.push(expected("tables, such as [env.dev]", value)),
            _ => entry(&KEYS.file, "", name, value, &mut own, &mut problems),
        }
    }
    // A file's order is the order of places; the parser's map sorts by name.
    environments.sort_by_key(|(name, _)| name.span().start);
    let environments = environments.into_iter().map(|(name, value)| {
        let mut table = Table::new(&KEYS.environment, name.span());
        match value.get_ref() {
            DeValue::Table(entries) => {
                for (name, value) in entries {
                    entry(&KEYS.environment, "", name, value, &mut table, &mut problems);
                }
            }
            _ => problems.push(expected("a table, such as [env.dev]", value)),
        }
        (name.get_ref().to_string(), table)
    });
    let environments = environments.collect();
    (File { own, environments }, problems)
}

/// Reads a key, or a table in a table.
fn entry(
    section: &Section,
    prefix: &str,
    name: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    out: &mut Table,
    problems: &mut Vec<Problem>,
) {
    let text = name.get_ref().as_ref();
    let path = format!("{prefix}{text}");
    if let Some(key) = section.keys.iter().find(|key| key.name == text) {
        out.places.insert(path.clone(), value.span());
        if let (Kind::TextMap, DeValue::Table(table)) = (&key.kind, value.get_ref()) {
            out.places
                .extend(table.keys().map(|key| (format!("{path}.{}", key.get_ref()), key.span())));
        }
        out.set(&path, convert(key, value, problems));
        return;
    }
    let Some(inner) = section.sections.iter().find(|inner| inner.name == text) else {
        problems.push(unknown(section, name, matches!(value.get_ref(), DeValue::Table(_))));
        return;
    };
    let DeValue::Table(table) = value.get_ref() else {
        problems.push(expected("a table", value));
        return;
    };
    out.places.insert(path, name.span());
    for (name, value) in table {
        entry(inner, &format!("{text}."), name, value, out, problems);
    }
    for key in
        inner.keys.iter().filter(|key| key.required && table.get(key.name.as_str()).is_none())
    {
        let problem = Problem::new(format!("{text} requires {}", key.name));
        let hint = format!("add {}: {}", key.name, key.kind.words());
        problems.push(problem.at(name.span(), "this table").hint(hint));
    }
}

/// The value of a key; null and a problem if it is wrong.
fn convert(key: &Key, value: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Value {
    let before = problems.len();
    check(&key.name, &key.kind, value, problems);
    if problems.len() == before { plain(value) } else { Value::Null }
}

/// As JSON; null if JSON cannot hold it, such as a number of 50 digits.
fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    Value::deserialize(ValueDeserializer::from(value.clone())).unwrap_or(Value::Null)
}

fn check(name: &str, kind: &Kind, value: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) {
    let found = value.get_ref().type_str();
    let types: &[&str] = match kind {
        Kind::Text(_) | Kind::OneOf(_) => &["string"],
        Kind::Integer(..) | Kind::OneOfIntegers(_) => &["integer"],
        Kind::Positive(_) => &["integer", "float"],
        Kind::Bool => &["boolean"],
        Kind::Texts(_) | Kind::TextMap => &[],
    };
    match (kind, value.get_ref()) {
        (Kind::Texts(form), DeValue::Array(items)) => {
            let kind = Kind::Text(form.clone());
            items.iter().for_each(|item| check(name, &kind, item, problems));
        }
        (Kind::TextMap, DeValue::Table(table)) => {
            let kind = Kind::Text(Form { pattern: String::new(), words: "a string".to_owned() });
            table.values().for_each(|item| check(name, &kind, item, problems));
        }
        _ if types.contains(&found) && kind.accepts(&plain(value)) => {}
        (_, wrong) => {
            let mut problem = if types.contains(&found) {
                Problem::new(format!("expected {}", kind.words()))
                    .at(value.span(), "not allowed here")
            } else {
                expected(&kind.words(), value)
            };
            problem.hint = hint(name, kind, wrong);
            problems.push(problem);
        }
    }
}

/// What to write in place of a wrong value, if that is clear.
fn hint(name: &str, kind: &Kind, wrong: &DeValue<'_>) -> Option<String> {
    let write = |value: &dyn std::fmt::Display| Some(format!("write `{name} = {value}`"));
    let regions = || KEYS.regions.iter().map(String::as_str);
    let did_you_mean = |near: &str| format!("did you mean `{near}`?");
    match (kind, wrong) {
        (Kind::Text(_), DeValue::String(text)) if name == "region" => {
            nearest(text, regions()).map(did_you_mean).or_else(|| {
                let area = text.split_once('-')?.0;
                let there = regions().filter(|known| known.split('-').next() == Some(area));
                let there = there.collect::<Vec<_>>().join(", ");
                (!there.is_empty()).then(|| format!("regions of {area} are {there}"))
            })
        }
        (Kind::OneOf(all), DeValue::String(text)) => {
            nearest(text, all.iter().map(String::as_str)).map(did_you_mean)
        }
        (
            Kind::Text(_) | Kind::OneOf(_),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_),
        ) => Some("put it in quotes".to_owned()),
        (Kind::Texts(_), DeValue::String(_)) => {
            Some("a list stands in brackets: [\"…\"]".to_owned())
        }
        (Kind::Bool, DeValue::String(text)) => match &*text.to_lowercase() {
            "true" | "yes" | "on" => write(&true),
            "false" | "no" | "off" => write(&false),
            _ => Some("write true or false, without quotes".to_owned()),
        },
        (Kind::Integer(..) | Kind::OneOfIntegers(_) | Kind::Positive(_), DeValue::String(text)) => {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, unit) = text.split_at(end);
            let factor = match (name, &*unit.trim().to_lowercase()) {
                (_, "") | ("memory", "m" | "mb" | "mib") => 1,
                ("memory", "g" | "gb" | "gib") => 1024,
                _ => 0,
            };
            let number = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
            match number.filter(|number| kind.accepts(&json!(number))) {
                Some(number) => write(&number),
                None => Some("a number stands without quotes and unit".to_owned()),
            }
        }
        _ => None,
    }
}

fn expected(words: &str, value: &Spanned<DeValue<'_>>) -> Problem {
    let found = value.get_ref().type_str();
    Problem::new(format!("expected {words}")).at(value.span(), format!("found {found}"))
}

fn unknown(section: &Section, name: &Spanned<Cow<'_, str>>, table: bool) -> Problem {
    let top = section.name.is_empty();
    let names = section.keys.iter().map(|key| &key.name);
    let names = names.chain(section.sections.iter().map(|inner| &inner.name)).map(String::as_str);
    let known: Vec<&str> = names.chain(top.then_some("env")).collect();
    let hint = match nearest(name.get_ref(), known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if top && table => {
            format!("an environment is a table of env: [env.{}]", name.get_ref())
        }
        None => format!("keys here are {}", known.join(", ")),
    };
    let problem = Problem::new(format!("unknown key `{}`", name.get_ref()));
    problem.at(name.span(), "not a key here").hint(hint)
}
