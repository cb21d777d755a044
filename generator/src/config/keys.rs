//! Every key of `ralph.toml`, as `keys.toml` describes it.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// The content of `keys.toml`.
pub static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let keys = toml::from_str(include_str!("keys.toml"));
    keys.unwrap_or_else(|error| panic!("config/keys.toml: {error}"))
});

/// Days that CloudWatch Logs accepts as a retention.
pub static RETENTIONS: LazyLock<&[i64]> = LazyLock::new(|| {
    let key = KEYS.environment.keys.iter().find(|key| key.name == "log_retention_days");
    match &key.expect("config/keys.toml describes log_retention_days").kind {
        Kind::OneOfIntegers(days) => days,
        other => panic!("config/keys.toml: log_retention_days is {}", other.words()),
    }
});

/// What the file may hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// AWS's regions.
    pub regions: Vec<String>,
    /// What an environment can be called.
    pub environment_name: Form,
    /// The file.
    pub file: Section,
    /// A table `[env.<name>]`.
    pub environment: Section,
}

/// A table of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its name within the table above it; empty for the file itself.
    pub name: String,
    /// What it is about, a sentence.
    pub about: String,
    /// Its own keys.
    pub keys: Vec<Key>,
    /// Tables within it.
    #[serde(default)]
    pub sections: Vec<Section>,
}

/// A key. Without a default it may be left out, unless it is required.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// What it is for, a sentence.
    pub about: String,
    /// What it may hold.
    pub kind: Kind,
    /// What it is when absent.
    pub default: Option<Value>,
    /// How it is worked out from other keys when absent.
    pub derived: Option<String>,
    /// Whether its table must have it.
    #[serde(default)]
    pub required: bool,
}

/// What a key may hold.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A string of a form.
    Text(Form),
    /// One of these strings.
    OneOf(Vec<String>),
    /// A list of strings of a form.
    Texts(Form),
    /// Strings by name.
    TextMap,
    /// A whole number in a range.
    Integer(i64, i64),
    /// One of these whole numbers.
    OneOfIntegers(Vec<i64>),
    /// A number more than zero, up to this.
    Positive(f64),
    /// true or false.
    Bool,
}

/// The form of a string.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// A pattern of JSON schema, anchored.
    pub pattern: String,
    /// In words, as in "expected …".
    pub words: String,
}

impl Section {
    /// The value of every key that has a default, by key and by table. A table that has a required
    /// key is absent unless the file has it.
    pub(super) fn defaults(&self) -> Value {
        let own = self.keys.iter().filter_map(|key| Some((key.name.clone(), key.default.clone()?)));
        let optional = |inner: &&Section| inner.keys.iter().any(|key| key.required);
        let inner = self.sections.iter().filter(|inner| !optional(inner));
        own.chain(inner.map(|inner| (inner.name.clone(), inner.defaults()))).collect()
    }
}

impl Form {
    pub(super) fn fits(&self, text: &str) -> bool {
        let pattern = Regex::new(&self.pattern);
        pattern.expect("a test compiles every pattern").is_match(text)
    }
}

impl Kind {
    /// Whether a key may hold a value that is neither a list nor a table.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Text(form) => value.as_str().is_some_and(|text| form.fits(text)),
            Self::OneOf(all) => {
                value.as_str().is_some_and(|text| all.iter().any(|one| one == text))
            }
            Self::Integer(low, high) => value.as_i64().is_some_and(|n| (*low..=*high).contains(&n)),
            Self::OneOfIntegers(all) => value.as_i64().is_some_and(|n| all.contains(&n)),
            Self::Positive(high) => value.as_f64().is_some_and(|n| n > 0.0 && n <= *high),
            Self::Bool => value.is_boolean(),
            Self::Texts(_) | Self::TextMap => false,
        }
    }

    /// In words, as in "expected …".
    pub(super) fn words(&self) -> String {
        let list = |all: Vec<String>, between| all.join(between);
        match self {
            Self::Text(form) => form.words.clone(),
            Self::OneOf(all) => list(all.iter().map(|one| format!("{one:?}")).collect(), " or "),
            Self::Texts(form) => format!("a list, each {}", form.words),
            Self::TextMap => "a table of strings".to_owned(),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::OneOfIntegers(all) => {
                format!("one of {}", list(all.iter().map(i64::to_string).collect(), ", "))
            }
            Self::Positive(high) => format!("a number more than 0, at most {high}"),
            Self::Bool => "true or false".to_owned(),
        }
    }
}
