//! `docs/configuration.md` and the JSON schema for editors, from the table of keys.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::keys::{Default, ENVIRONMENT, FILE, Key, Kind, NAME, Section};
use crate::tree::mark;

const SOURCE: &str = "generator/src/config/keys.rs";

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = format!(
        "<!-- {} -->\n\n# ralph.toml\n\n\
         Each table `[env.<name>]` becomes a folder under `terraform/envs` with `just gen`. A key that\n\
         is absent has its default. A mistake is shown with its line and what is allowed, and nothing\n\
         is written. What may be a mistake, such as a region that is not on the generator's list, is a\n\
         warning.\n\n\
         Editors that know JSON schema get completion and checks from a first line\n\
         `#:schema ./docs/ralph.schema.json`.\n",
        mark(SOURCE)
    );
    page(&mut out, "At the top", &FILE);
    page(&mut out, &format!("`[{}]`", ENVIRONMENT.name), &ENVIRONMENT);
    for section in ENVIRONMENT.sections {
        page(&mut out, &format!("`[{}.{}]`", ENVIRONMENT.name, section.name), section);
    }
    out
}

fn page(out: &mut String, title: &str, section: &Section) {
    let _ = write!(out, "\n## {title}\n\n{}\n\n", section.about);
    out.push_str("| Key | What it is for | Allowed | Default |\n|---|---|---|---|\n");
    for key in section.keys {
        let allowed = key.kind.words().replace('|', "\\|");
        let default = match key.default {
            Default::Required => "required".to_owned(),
            Default::Unset => "none".to_owned(),
            Default::Derived(words) => words.to_owned(),
            Default::Value(value) => format!("`{}`", value()),
        };
        let _ = writeln!(out, "| `{}` | {} | {allowed} | {default} |", key.name, key.about);
    }
}

/// The JSON schema.
#[must_use]
pub fn schema() -> String {
    let mut schema = section_schema(&FILE);
    schema["$comment"] = json!(mark(SOURCE));
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("ralph.toml");
    schema["required"] = json!(["env"]);
    schema["properties"]["env"] = json!({
        "description": ENVIRONMENT.about,
        "type": "object",
        "propertyNames": { "pattern": NAME.pattern },
        "additionalProperties": section_schema(&ENVIRONMENT),
        "minProperties": 1,
    });
    format!("{schema:#}\n")
}

fn section_schema(section: &Section) -> Value {
    let keys = section.keys.iter().map(|key| (key.name.to_owned(), key_schema(key)));
    let inner = section.sections.iter().map(|inner| (inner.name.to_owned(), section_schema(inner)));
    let mut schema = json!({
        "description": section.about,
        "type": "object",
        "properties": keys.chain(inner).collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    let required = section.keys.iter().filter(|key| key.is_required());
    let required: Vec<&str> = required.map(|key| key.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = match key.kind {
        Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern }),
        Kind::Texts(form) => {
            json!({ "type": "array", "items": { "type": "string", "pattern": form.pattern } })
        }
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::OneOf(values) => json!({ "enum": values }),
        Kind::OneOfIntegers(values) => json!({ "enum": values }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Positive(high) => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": high })
        }
        Kind::Bool => json!({ "type": "boolean" }),
    };
    schema["description"] = json!(key.about);
    if let Some(default) = key.default.value() {
        schema["default"] = default;
    }
    schema
}
