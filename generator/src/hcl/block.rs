//! Blocks: hcl-rs's, with comments beside them.

use hcl::expr::Expression;
use hcl::structure::{Attribute, Structure};

use super::node::{Fact, Node, ident, is_identifier};

/// A block with its comments, and what its expressions need.
#[derive(Clone)]
pub(super) struct Block {
    /// Above the block.
    pub(super) comment: Vec<String>,
    /// Inside, each above the structure with this index.
    pub(super) notes: Vec<(usize, Vec<String>)>,
    pub(super) facts: Vec<Fact>,
    pub(super) hcl: hcl::Block,
}

impl Block {
    pub(super) fn new(kind: &str, labels: &[&str]) -> Self {
        let mut hcl = hcl::Block::new(ident(kind));
        hcl.labels = labels.iter().map(|label| (*label).into()).collect();
        Self { comment: Vec::new(), notes: Vec::new(), facts: Vec::new(), hcl }
    }

    /// Adds an attribute.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Node>) {
        let mut value = value.into();
        self.facts.append(&mut value.facts);
        if !is_identifier(name) {
            self.facts.push(Fact::Name(name.to_owned()));
        }
        if self.kind() != "locals" && self.attribute(name).is_some() {
            self.facts.push(Fact::Twice(format!("attribute {name}")));
        }
        self.push(Attribute { key: ident(name), expr: value.expression });
    }

    /// Adds a nested block.
    pub(super) fn nest(&mut self, mut block: Self) {
        self.facts.append(&mut block.facts);
        self.push(block.hcl);
    }

    fn push(&mut self, structure: impl Into<Structure>) {
        self.hcl.body.0.push(structure.into());
    }

    /// Adds a comment above what is added next.
    pub(super) fn note(&mut self, lines: Vec<String>) {
        self.notes.push((self.hcl.body.0.len(), lines));
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn nested(mut self, block: Self) -> Self {
        self.nest(block);
        self
    }

    pub(super) fn kind(&self) -> &str {
        self.hcl.identifier()
    }

    /// The first label of a block that has one.
    pub(super) fn label(&self) -> &str {
        self.hcl.labels.first().map_or("", |label| label.as_str())
    }

    /// How an error names the block: `aws_vpc.this`, `variable.region`, `lifecycle`.
    pub(super) fn address(&self) -> String {
        let labels = self.hcl.labels.iter().map(|label| label.as_str());
        let parts = std::iter::once(self.kind()).filter(|kind| *kind != "resource").chain(labels);
        parts.collect::<Vec<_>>().join(".")
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Expression> {
        self.hcl.body.attributes().find(|own| own.key() == name).map(Attribute::expr)
    }
}

/// Breaks a comment's text into lines of at most 98 characters after `# `. A URL never breaks.
pub(super) fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim().lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 98 {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
