//! Every key of `ralph.toml`, once: what it may hold, what it is when absent, what it is for.
//! Reading, `docs/configuration.md` and the JSON schema all come from this table.

use super::monitoring::MONITORING;

mod table;

pub use table::{ENVIRONMENT, FILE, RETENTIONS};

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name within the table above it; empty for the file itself.
    pub name: &'static str,
    /// What it is about, a sentence.
    pub about: &'static str,
    /// Its own keys.
    pub keys: &'static [Key],
    /// Tables within it.
    pub sections: &'static [Section],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it is when absent.
    pub default: Default,
    /// What it is for, a sentence.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string of a form.
    Text(Form),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list of strings of a form.
    Texts(Form),
    /// Strings by name.
    TextMap,
    /// A whole number in a range.
    Integer(i64, i64),
    /// One of these whole numbers.
    OneOfIntegers(&'static [i64]),
    /// A number more than zero, up to this.
    Positive(f64),
    /// true or false.
    Bool,
}

/// The form of a string: a pattern (of JSON schema, anchored) and what it means in words.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The pattern.
    pub pattern: &'static str,
    /// In words, as in "expected …".
    pub words: &'static str,
}

/// What a key is when absent.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// The key must be given if its table is there.
    Required,
    /// Nothing: the key is left out on purpose.
    Unset,
    /// A string.
    Text(&'static str),
    /// A list.
    Texts(&'static [&'static str]),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// true or false.
    Bool(bool),
    /// Worked out from other keys, in words.
    Derived(&'static str),
}

impl Kind {
    /// In words, as in "expected …".
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Text(form) => form.words.to_owned(),
            Self::OneOf(values) => {
                values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(" or ")
            }
            Self::Texts(form) => format!("a list, each {}", form.words),
            Self::TextMap => "a table of strings".to_owned(),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::OneOfIntegers(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("one of {}", values.join(", "))
            }
            Self::Positive(high) => format!("a number more than 0, at most {high}"),
            Self::Bool => "true or false".to_owned(),
        }
    }
}
