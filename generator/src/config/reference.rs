//! `docs/configuration.md` and the JSON schema for editors, from the table of keys.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::keys::{Default, ENVIRONMENT, FILE, Key, Kind, Section};
use crate::generate::MARK_TEXT;

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = format!(
        "<!-- {MARK_TEXT} -->\n\n# ralph.toml\n\n\
         Each table `[env.<name>]` becomes a folder under `terraform/envs` with `just gen`. A key that\n\
         is absent has its default. A mistake is shown with its line and what is allowed, and nothing\n\
         is written.\n\n\
         Editors that know JSON schema get completion and checks from a first line\n\
         `#:schema ./docs/ralph.schema.json`.\n"
    );
    for (section, prefix) in sections() {
        let title =
            if prefix.is_empty() { "At the top".to_owned() } else { format!("`[{prefix}]`") };
        let _ = write!(out, "\n## {title}\n\n{}\n\n", section.about);
        out.push_str("| Key | What it is for | Allowed | Default |\n|---|---|---|---|\n");
        for key in section.keys {
            let allowed = key.kind.words().replace('|', "\\|");
            let default = match default_words(key.default) {
                (text, true) => format!("`{text}`"),
                (text, false) => text,
            };
            let _ = writeln!(out, "| `{}` | {} | {allowed} | {default} |", key.name, key.about);
        }
    }
    out
}

/// Every section with its path.
fn sections() -> Vec<(&'static Section, String)> {
    let mut all = vec![(&FILE, String::new()), (&ENVIRONMENT, ENVIRONMENT.name.to_owned())];
    for section in ENVIRONMENT.sections {
        all.push((section, format!("{}.{}", ENVIRONMENT.name, section.name)));
    }
    all
}

/// A default in words, and whether it is a literal.
fn default_words(default: Default) -> (String, bool) {
    match default {
        Default::Required => ("required".to_owned(), false),
        Default::Unset => ("none".to_owned(), false),
        Default::Derived(words) => (words.to_owned(), false),
        other => (default_value(other).map(|value| value.to_string()).unwrap_or_default(), true),
    }
}

fn default_value(default: Default) -> Option<Value> {
    match default {
        Default::Required | Default::Unset | Default::Derived(_) => None,
        Default::Text(text) => Some(json!(text)),
        Default::Texts(texts) => Some(json!(texts)),
        Default::Integer(number) => Some(json!(number)),
        Default::Number(number) => Some(json!(number)),
        Default::Bool(value) => Some(json!(value)),
    }
}

/// The JSON schema.
///
/// # Panics
/// Never: the value is built here.
#[must_use]
pub fn schema() -> String {
    let mut root = object_schema(&FILE);
    let environments = json!({
        "description": ENVIRONMENT.about,
        "type": "object",
        "propertyNames": { "pattern": super::names::ENVIRONMENT },
        "additionalProperties": object_schema(&ENVIRONMENT),
        "minProperties": 1,
    });
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        properties.insert("env".to_owned(), environments);
    }
    let mut all = Map::new();
    all.insert("$comment".to_owned(), json!(MARK_TEXT));
    all.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    all.insert("title".to_owned(), json!("ralph.toml"));
    all.extend(root);
    all.insert("required".to_owned(), json!(["env"]));
    let mut text = serde_json::to_string_pretty(&Value::Object(all)).expect("a value of strings");
    text.push('\n');
    text
}

fn object_schema(section: &Section) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), key_schema(key));
    }
    for inner in section.sections {
        properties.insert(inner.name.to_owned(), Value::Object(object_schema(inner)));
    }
    let mut object = Map::new();
    object.insert("description".to_owned(), json!(section.about));
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    let required = section.keys.iter().filter(|key| matches!(key.default, Default::Required));
    let required: Vec<&str> = required.map(|key| key.name).collect();
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn key_schema(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern }),
        Kind::OneOf(values) => json!({ "enum": values }),
        Kind::Texts(form) => {
            json!({ "type": "array", "items": { "type": "string", "pattern": form.pattern } })
        }
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::OneOfIntegers(values) => json!({ "enum": values }),
        Kind::Positive(high) => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": high })
        }
        Kind::Bool => json!({ "type": "boolean" }),
    };
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), json!(key.about));
        if let Some(default) = default_value(key.default) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}
