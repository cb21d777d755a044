//! A module's README, from the same blocks as its HCL.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hcl::expr::Expression;

use super::block::Block;
use super::cases::Tests;
use super::fields::Field;
use super::flat::flat;
use super::print;
use super::root::{AWS_PROVIDER, TERRAFORM};

/// What a README is made of.
pub(super) struct Readme<'a> {
    pub(super) name: &'a str,
    pub(super) about: &'a str,
    pub(super) files: &'a BTreeMap<String, Vec<Block>>,
    pub(super) inputs: Vec<Field>,
    pub(super) example: Block,
    pub(super) tests: &'a Tests,
}

impl Readme<'_> {
    /// The page, without its header.
    pub(super) fn text(self) -> String {
        let (name, about) = (self.name, self.about);
        let example = print::block(&self.example);
        let mut out = format!(
            "# Module `{name}`\n\n{about}\n\n## Example\n\n\
             The inputs that are required. `tests/{name}.tftest.hcl` applies this call. From another repository's root,\n\
             `source` names a version: [docs/modules.md](../../../docs/modules.md).\n\n\
             ```hcl\n{example}```\n\n## Requirements\n\n\
             - Terraform or OpenTofu {TERRAFORM}\n- provider hashicorp/aws {AWS_PROVIDER}\n"
        );
        table(&mut out, "Inputs", "Name | Type | Default | What it is", self.inputs());
        let outputs = self.blocks("output").map(|block| {
            let about = match block.attribute("description") {
                Some(Expression::String(text)) => text,
                _ => "",
            };
            format!("`{}` | {}", block.label(), cell(about))
        });
        table(&mut out, "Outputs", "Name | What it is", outputs.collect());
        table(&mut out, "Resources", "Address | How many", self.resources());
        self.tests(&mut out);
        out
    }

    fn blocks(&self, kind: &str) -> impl Iterator<Item = &Block> {
        self.files.values().flatten().filter(move |block| block.kind() == kind)
    }

    /// A row for each input; an object's fields follow it.
    fn inputs(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for input in &self.inputs {
            let kind = if input.fields.is_empty() { None } else { Some("object".to_owned()) };
            rows.push(input.row("", kind));
            rows.extend(input.fields.iter().map(|field| field.row(&input.name, None)));
        }
        rows
    }

    fn resources(&self) -> Vec<String> {
        let mut rows: Vec<String> = ["resource", "data"]
            .into_iter()
            .flat_map(|kind| self.blocks(kind))
            .map(|block| {
                let many = match (block.attribute("count"), block.attribute("for_each")) {
                    (Some(_), _) => "none or one",
                    (_, Some(_)) => "one for each",
                    _ => "one",
                };
                format!("`{}` | {many}", block.address())
            })
            .collect();
        rows.sort();
        rows
    }

    fn tests(&self, out: &mut String) {
        out.push_str(
            "\n## Tests\n\n`terraform init && terraform test` in this folder (Terraform 1.7 or OpenTofu 1.8, and later)\nshow the following with a mocked provider, so without an account:\n\n- The example can be applied.\n",
        );
        for run in &self.tests.cases {
            let _ = writeln!(out, "- {}", run.about.trim().replace('\n', " "));
        }
        if !self.tests.refusals.is_empty() {
            out.push_str("- Each validation in `variables.tf` refuses a wrong value.\n");
        }
    }
}

impl Field {
    fn row(&self, of: &str, kind: Option<String>) -> String {
        let of = if of.is_empty() { String::new() } else { format!("{of}.") };
        let default = match &self.default {
            Some(value) => format!("`{}`", cell(&flat(value))),
            None => "required".to_owned(),
        };
        let kind = kind.unwrap_or_else(|| flat(&self.constraint));
        format!("`{of}{}` | `{}` | {default} | {}", self.name, cell(&kind), cell(&self.about))
    }
}

fn table(out: &mut String, title: &str, head: &str, rows: Vec<String>) {
    if !rows.is_empty() {
        let line = "---|".repeat(head.split(" | ").count());
        let _ = write!(out, "\n## {title}\n\n| {head} |\n|{line}\n");
        rows.iter().for_each(|row| out.push_str(&format!("| {row} |\n")));
    }
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
