//! The JSON schema refuses what the generator refuses, key by key, so that an editor is never wrong.

use ralph_generator::config::keys::{KEYS, Section};
use ralph_generator::config::{self, reference};
use regex::Regex;
use serde_json::Value;

use crate::support::SETTINGS;

/// Whether a value fits a schema. Knows the keywords that ours uses; any other is a failure.
fn fits(schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
        "$comment" | "$schema" | "title" | "description" | "default" => true,
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("a type that no test knows: {other}"),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "pattern" => value
            .as_str()
            .is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
        "exclusiveMinimum" => value.as_f64().is_none_or(|n| n > rule.as_f64().unwrap()),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(rule, item))),
        "properties" => value.as_object().is_none_or(|object| {
            let known = object.iter().filter_map(|(key, value)| Some((rule.get(key)?, value)));
            known.into_iter().all(|(rule, value)| fits(rule, value))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let known = &schema["properties"];
            let more = object.iter().filter(|(key, _)| known.get(key).is_none());
            more.into_iter().all(|(_, value)| match rule {
                Value::Bool(allowed) => *allowed,
                rule => fits(rule, value),
            })
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|object| object.keys().all(|key| fits(rule, &Value::from(key.as_str())))),
        "minProperties" => {
            value.as_object().is_none_or(|object| object.len() as u64 >= rule.as_u64().unwrap())
        }
        "required" => value.as_object().is_none_or(|object| {
            rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }),
        other => panic!("a keyword that no test knows: {other}"),
    })
}

/// Values of every type, and some that a key may want.
const VALUES: [&str; 27] = [
    "\"\"",
    "\"x\"",
    "\"a b\"",
    "\"arm64\"",
    "\"us-east-1\"",
    "\"us-east\"",
    "\"123456789012\"",
    "\"create\"",
    "\"10.0.0.0/16\"",
    "\"vpc-0123456789abcdef0\"",
    "\"two\\nlines\"",
    "\"Mine\"",
    "\"arn:aws:iam::123456789012:policy/x\"",
    "\"my-bucket\"",
    "0",
    "1",
    "-1",
    "7",
    "1024",
    "99999",
    "10000000",
    "0.5",
    "true",
    "[]",
    "[\"a\"]",
    "[1]",
    "{ a = 1 }",
];

fn keys(section: &Section, prefix: &str) -> Vec<String> {
    let own = section.keys.iter().map(|key| format!("{prefix}{}", key.name));
    let inner = section.sections.iter();
    own.chain(inner.flat_map(|inner| keys(inner, &format!("{prefix}{}.", inner.name)))).collect()
}

/// Whether the generator finds a mistake of the kind that a schema can see: not a rule of several
/// keys, and not one that needs arithmetic.
fn read(text: &str) -> bool {
    match config::parse("ralph.toml", text) {
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            let first =
                |kind: &str| text.starts_with(kind) || text.contains(&format!("error: {kind}"));
            !["expected", "unknown key", "state requires"].iter().any(|kind| first(kind))
        }
    }
}

#[test]
fn a_value_fits_the_schema_if_and_only_if_the_generator_reads_it() {
    let schema: Value = serde_json::from_str(&reference::schema()).unwrap();
    let (mut good, mut bad) = (0, 0);
    let in_environment = keys(&KEYS.environment, "").into_iter().map(|key| ("[env.dev]\n", key));
    let at_the_top = keys(&KEYS.file, "").into_iter().map(|key| ("", key));
    for (table, key) in at_the_top.chain(in_environment) {
        for value in VALUES {
            if key == "network.zones" && value.starts_with('[') {
                continue; // how many there must be is a rule, not a type
            }
            let text = match table {
                "" => format!("{key} = {value}\n[env.dev]\n"),
                table => format!("{table}{key} = {value}\n"),
            };
            let document: toml::Table = toml::from_str(&text).unwrap();
            let fits = fits(&schema, &serde_json::to_value(document).unwrap());
            assert_eq!(fits, read(&text), "{text}");
            *(if fits { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 50 && bad > 500, "{good} {bad}");
}

#[test]
fn a_whole_file_fits_the_schema_and_a_slip_does_not() {
    let schema: Value = serde_json::from_str(&reference::schema()).unwrap();
    let document = |text: &str| {
        let table: toml::Table = toml::from_str(text).unwrap();
        serde_json::to_value(table).unwrap()
    };
    assert!(fits(&schema, &document(SETTINGS)));
    for slip in ["x = 1\n", "[env.Dev]\n", "[env.a-]\n", "[env.x]\ny = 1\n", "[env.x.state]\n"] {
        assert!(!fits(&schema, &document(&format!("{slip}[env.dev]\n"))), "{slip}");
    }
    assert!(!fits(&schema, &document("")));
}
