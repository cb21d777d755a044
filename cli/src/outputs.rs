//! `ralph outputs`: what Terraform made, by name.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{args::OutputsArgs, tools::steps::print};

pub async fn run(options: OutputsArgs) -> Result<()> {
    let outputs = options.target.resolve().await?.outputs;
    let Some(name) = &options.name else {
        print(&serde_json::to_string_pretty(&outputs)?);
        return Ok(());
    };
    let value = outputs.get(name).with_context(|| {
        let known: Vec<&str> = outputs.keys().map(String::as_str).collect();
        format!("there is no output `{name}`\nhint: there are {}", known.join(", "))
    })?;
    // As a shell wants it.
    match value {
        Value::String(text) => print(text),
        other => print(&other.to_string()),
    }
    Ok(())
}
