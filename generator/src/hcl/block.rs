//! Structure: files hold items, blocks hold entries.

use hcl::expr::Expression;

/// What a file holds, in order.
#[derive(Clone)]
pub(in crate::hcl) enum Item {
    Comment(Vec<String>),
    Block(Block),
}

/// `kind "label" "label" { … }` with the comment above it.
#[derive(Clone)]
pub(in crate::hcl) struct Block {
    pub(in crate::hcl) kind: String,
    pub(in crate::hcl) labels: Vec<String>,
    pub(in crate::hcl) comment: Vec<String>,
    /// The `each` that is bound within.
    pub(in crate::hcl) each: Option<String>,
    pub(in crate::hcl) entries: Vec<Entry>,
}

/// What a block holds, in order.
#[derive(Clone)]
pub(in crate::hcl) enum Entry {
    Comment(Vec<String>),
    Attribute(String, Expression),
    Block(Block),
    /// A blank line.
    Gap,
}

impl Block {
    pub(in crate::hcl) fn new(kind: &str, labels: &[&str]) -> Self {
        Self {
            kind: kind.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            comment: Vec::new(),
            each: None,
            entries: Vec::new(),
        }
    }

    pub(in crate::hcl) fn with(mut self, name: &str, value: Expression) -> Self {
        self.entries.push(Entry::Attribute(name.to_owned(), value));
        self
    }

    pub(in crate::hcl) fn nest(mut self, block: Self) -> Self {
        self.entries.push(Entry::Block(block));
        self
    }

    /// How an error names the block: `aws_vpc.this`, `variable.region`, `lifecycle`.
    pub(in crate::hcl) fn address(&self) -> String {
        match (self.kind.as_str(), self.labels.join(".")) {
            ("resource", labels) => labels,
            (kind, labels) if labels.is_empty() => kind.to_owned(),
            (kind, labels) => format!("{kind}.{labels}"),
        }
    }

    pub(in crate::hcl) fn attribute(&self, name: &str) -> Option<&Expression> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Attribute(own, value) if own == name => Some(value),
            _ => None,
        })
    }
}

/// Breaks a comment's text into lines of at most 98 characters after `# `. A URL never breaks.
pub(in crate::hcl) fn wrap(text: &str) -> Vec<String> {
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
