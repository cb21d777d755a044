//! `ralph outputs`: what Terraform made, by name.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{args::OutputsArgs, tools::output::print};

pub async fn run(options: OutputsArgs) -> Result<()> {
    let outputs = options.target.resolve().await?.outputs;
    let Some(name) = &options.name else {
        return print(format!("{}\n", serde_json::to_string_pretty(&outputs)?));
    };
    let value = outputs.get(name).with_context(|| {
        let known: Vec<&str> = outputs.keys().map(String::as_str).collect();
        format!("there is no output `{name}`\nhint: there are {}", known.join(", "))
    })?;
    // As a shell wants it.
    match value {
        Value::String(text) => print(format!("{text}\n")),
        other => print(format!("{other}\n")),
    }
}
