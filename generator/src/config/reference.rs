//! `docs/configuration.md` and the JSON schema for editors, from the table of keys.

use std::fmt::Write as _;

use ralph_protocol::names::DEFAULT_AGENT_COMMAND;
use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind, Section};
use crate::tree::mark;

const SOURCE: &str = "generator/src/config/keys.toml";

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = format!("<!-- {} -->\n\n{}", mark(SOURCE), include_str!("introduction.md"));
    let environment = &KEYS.environment;
    page(&mut out, "At the top", &KEYS.file);
    page(&mut out, &format!("`[{}]`", environment.name), environment);
    for section in &environment.sections {
        page(&mut out, &format!("`[{}.{}]`", environment.name, section.name), section);
    }
    let command = include_str!("agent_command.md").replace("<command>", DEFAULT_AGENT_COMMAND);
    out + &command
}

fn page(out: &mut String, title: &str, section: &Section) {
    let _ = write!(out, "\n## {title}\n\n{}\n\n", section.about);
    out.push_str("| Key | What it is for | Allowed | Default |\n|---|---|---|---|\n");
    for key in &section.keys {
        let allowed = key.kind.words().replace('|', "\\|");
        let absent = if key.required { "required" } else { "none" };
        let absent = key.derived.as_deref().unwrap_or(absent);
        let default = key.default.as_ref().map_or(absent.to_owned(), |value| format!("`{value}`"));
        let _ = writeln!(out, "| `{}` | {} | {allowed} | {default} |", key.name, key.about);
    }
}

/// The JSON schema.
#[must_use]
pub fn schema() -> String {
    let mut schema = section_schema(&KEYS.file);
    schema["$comment"] = json!(mark(SOURCE));
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("ralph.toml");
    schema["required"] = json!(["env"]);
    schema["properties"]["env"] = json!({
        "description": KEYS.environment.about,
        "type": "object",
        "propertyNames": { "pattern": KEYS.environment_name.pattern },
        "additionalProperties": section_schema(&KEYS.environment),
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
    let required = section.keys.iter().filter(|key| key.required);
    let required: Vec<&str> = required.map(|key| key.name.as_str()).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = match &key.kind {
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
    if let Some(default) = &key.default {
        schema["default"] = default.clone();
    }
    schema
}
