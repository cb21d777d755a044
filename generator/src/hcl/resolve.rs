//! Checks that every name that an expression of a folder uses is declared in that folder.

use std::collections::HashSet;

use super::block::Block;
use super::node::Fact;
use ralph_protocol::nearest::nearest;

/// What a block is called by others, or must not be there twice.
pub(super) fn addresses(block: &Block) -> Vec<String> {
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

/// What is wrong with a block, where others declare these addresses.
pub(super) fn mistakes(block: &Block, declared: &HashSet<String>) -> Vec<String> {
    block.facts.iter().filter_map(|fact| mistake(fact, block, declared)).collect()
}

fn mistake(fact: &Fact, block: &Block, declared: &HashSet<String>) -> Option<String> {
    let own = || block.address();
    Some(match fact {
        Fact::Refers(address) if declared.contains(&**address) => {
            // Terraform before 1.9 lets a validation name nothing else.
            let is_own = address.strip_prefix("var.") == Some(block.label());
            if block.kind() != "variable" || is_own {
                return None;
            }
            format!(
                "`{}` is validated by `{address}`\nhint: a validation names its own variable only; use a precondition of a resource",
                own()
            )
        }
        Fact::Refers(address) => {
            let near = nearest(address, declared.iter().map(String::as_str));
            let hint = near.map(|near| format!("\nhint: did you mean `{near}`?"));
            let hint = hint.unwrap_or_default();
            format!("`{}` refers to `{address}`, which nothing declares{hint}", own())
        }
        Fact::Uses(name) => format!("`{}` refers to `{name}`, which nothing declares", own()),
        Fact::Missing(input) => {
            format!("`{}` leaves out the input `{input}`, which has no default", own())
        }
        Fact::Name(name) => not_an_identifier(name),
        Fact::Twice(what) => format!("`{}: {what}` is there twice", own()),
        Fact::Shadowed(name) => format!(
            "in `{}`, `{name}` is bound again between where it is made and where it is used\nhint: give the inner `for` another name",
            own()
        ),
    })
}

pub(super) fn not_an_identifier(name: &str) -> String {
    format!(
        "`{name}` is not an identifier\nhint: letters, digits, `_` and `-`, not starting with a digit"
    )
}
