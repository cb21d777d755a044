//! A module's README, from the same blocks as its HCL.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hcl::expr::Expression;

use super::block::{Block, Entry, Item};
use super::case::{Refused, Told};
use super::print;

/// What a README is made of.
pub(in crate::hcl) struct Readme<'a> {
    pub(in crate::hcl) name: &'a str,
    pub(in crate::hcl) about: &'a str,
    pub(in crate::hcl) files: &'a BTreeMap<String, Vec<Item>>,
    pub(in crate::hcl) example: Block,
    pub(in crate::hcl) cases: &'a [Told],
    pub(in crate::hcl) refused: &'a [Refused],
}

impl Readme<'_> {
    /// The page, without its header.
    pub(in crate::hcl) fn text(self) -> String {
        let mut out = format!("# Module `{}`\n\n{}\n", self.name, self.about);
        let example = print::file(&[Item::Block(self.example.clone())]);
        let _ = write!(
            out,
            "\n## Example\n\nEvery input that has no default. `tests/{}.tftest.hcl` makes it.\n\n```hcl\n{example}```\n",
            self.name
        );
        self.needs(&mut out);
        self.inputs(&mut out);
        self.outputs(&mut out);
        self.resources(&mut out);
        self.tests(&mut out);
        out
    }

    fn blocks(&self, kind: &str) -> impl Iterator<Item = &Block> {
        let items = self.files.values().flatten();
        items.filter_map(move |item| match item {
            Item::Block(block) if block.kind == kind => Some(block),
            _ => None,
        })
    }

    fn needs(&self, out: &mut String) {
        for block in self.blocks("terraform") {
            let _ = write!(out, "\n## Needs\n\n");
            if let Some(Expression::String(version)) = block.attribute("required_version") {
                let _ = writeln!(out, "- Terraform or OpenTofu {version}");
            }
            let inner = block.entries.iter().filter_map(|entry| match entry {
                Entry::Block(inner) if inner.kind == "required_providers" => Some(inner),
                _ => None,
            });
            for entry in inner.flat_map(|inner| &inner.entries) {
                if let Entry::Attribute(_, Expression::Object(provider)) = entry {
                    let text: Vec<&str> = provider
                        .values()
                        .filter_map(|value| match value {
                            Expression::String(text) => Some(text.as_str()),
                            _ => None,
                        })
                        .collect();
                    let _ = writeln!(out, "- provider {}", text.join(" "));
                }
            }
        }
    }

    fn inputs(&self, out: &mut String) {
        let mut rows = self.blocks("variable").peekable();
        if rows.peek().is_none() {
            return;
        }
        out.push_str("\n## Inputs\n\n| Name | Type | Default | What it is |\n|---|---|---|---|\n");
        for block in rows {
            let code = |name: &str| match block.attribute(name) {
                Some(value) => format!("`{}`", cell(&print::flat(value))),
                None => "required".to_owned(),
            };
            let about = cell(&text_of(block, "description"));
            let name = &block.labels[0];
            let _ =
                writeln!(out, "| `{name}` | {} | {} | {about} |", code("type"), code("default"));
        }
    }

    fn outputs(&self, out: &mut String) {
        let mut rows = self.blocks("output").peekable();
        if rows.peek().is_none() {
            return;
        }
        out.push_str("\n## Outputs\n\n| Name | What it is |\n|---|---|\n");
        for block in rows {
            let about = cell(&text_of(block, "description"));
            let _ = writeln!(out, "| `{}` | {about} |", block.labels[0]);
        }
    }

    fn resources(&self, out: &mut String) {
        let mut rows: Vec<(String, &str)> = Vec::new();
        for kind in ["resource", "data"] {
            for block in self.blocks(kind) {
                let many = match (block.attribute("count"), block.attribute("for_each")) {
                    (Some(_), _) => "none or one",
                    (_, Some(_)) => "one for each",
                    _ => "one",
                };
                rows.push((block.address(), many));
            }
        }
        if rows.is_empty() {
            return;
        }
        rows.sort();
        out.push_str("\n## Resources\n\n| Address | How many |\n|---|---|\n");
        for (address, many) in rows {
            let _ = writeln!(out, "| `{address}` | {many} |");
        }
    }

    fn tests(&self, out: &mut String) {
        out.push_str(
            "\n## Tests\n\n`terraform init && terraform test` in this folder (Terraform 1.7 or OpenTofu 1.8, and later)\nshows with a mocked provider, so without an account:\n\n- the example can be made\n",
        );
        for told in self.cases {
            let _ = writeln!(out, "- {}", item(&told.about));
        }
        for refused in self.refused {
            let value = print::flat(&refused.value);
            let message = item(&refused.about);
            let _ = writeln!(out, "- `{}` refuses `{value}`: {message}", refused.name);
        }
    }
}

fn text_of(block: &Block, name: &str) -> String {
    match block.attribute(name) {
        Some(Expression::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A sentence as an item of a list.
fn item(text: &str) -> String {
    text.trim().trim_end_matches('.').replace('\n', " ")
}
