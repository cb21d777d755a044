//! The closed world: every name that an expression of a folder uses is declared in that folder.

use std::collections::{BTreeMap, HashSet};

use super::block::Block;
use super::error::Error;
use super::node::Fact;
use crate::nearest::nearest;

/// Every mistake in a folder's files: a reference to nothing, an address or an attribute twice.
pub(super) fn check(folder: &str, files: &BTreeMap<String, Vec<Block>>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut declared: HashSet<String> = HashSet::new();
    for (file, block) in blocks(files) {
        for name in addresses(block) {
            if declared.contains(&name) {
                errors.push(Error::Twice { place: format!("{folder}/{file}"), name });
            } else {
                declared.insert(name);
            }
        }
    }
    for (file, block) in blocks(files) {
        let place = || format!("{folder}/{file}");
        let mistakes = block.facts.iter().filter_map(|fact| mistake(fact, place, block, &declared));
        errors.extend(mistakes);
    }
    errors
}

fn blocks(files: &BTreeMap<String, Vec<Block>>) -> impl Iterator<Item = (&str, &Block)> {
    files.iter().flat_map(|(file, blocks)| blocks.iter().map(move |block| (file.as_str(), block)))
}

/// What other blocks call it, or what must not be there twice.
fn addresses(block: &Block) -> Vec<String> {
    match block.kind() {
        "locals" => {
            let names = block.hcl.body.attributes().map(|local| local.key());
            names.map(|name| format!("local.{name}")).collect()
        }
        "variable" => vec![format!("var.{}", block.label())],
        "resource" | "data" | "module" | "output" | "check" | "run" => vec![block.address()],
        _ => Vec::new(),
    }
}

/// The error that a fact makes, if it is one.
fn mistake(
    fact: &Fact,
    place: impl Fn() -> String,
    block: &Block,
    declared: &HashSet<String>,
) -> Option<Error> {
    if let Fact::Refers(address) = fact
        && block.kind() != "variable"
        && declared.contains(&**address)
    {
        return None;
    }
    let (place, own) = (place(), block.address());
    Some(match fact {
        Fact::Refers(address) if declared.contains(&**address) => {
            // Terraform before 1.9 lets a validation name nothing else.
            let variable = own.strip_prefix("variable.")?;
            if address.strip_prefix("var.") == Some(variable) {
                return None;
            }
            Error::Elsewhere { place, block: own, address: address.to_string() }
        }
        Fact::Refers(address) => {
            let near = nearest(address, declared.iter().map(String::as_str)).map(str::to_owned);
            Error::Dangling { place, block: own, address: address.to_string(), near }
        }
        Fact::Uses(name) => {
            Error::Dangling { place, block: own, address: name.to_string(), near: None }
        }
        Fact::Name(name) => Error::Name { place, name: name.clone() },
        Fact::Twice(what) => Error::Twice { place, name: format!("{own}: {what}") },
        Fact::Shadowed(name) => Error::Shadowed { place, block: own, name: name.to_string() },
    })
}
