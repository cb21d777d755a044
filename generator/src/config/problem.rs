//! What is wrong with a file, shown where it is wrong.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A mistake, with the places it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where, and what to say there. The first place is the mistake's own.
    pub places: Vec<(Range<usize>, String)>,
    /// What is allowed, or what to do.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), places: Vec::new(), hint: None }
    }

    pub(super) fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.places.push((span, label.into()));
        self
    }

    /// At a place that may be a default and so stand nowhere.
    pub(super) fn at_given(self, span: Option<Range<usize>>, label: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, label),
            None => self,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The text of all problems, in the order of the file.
pub(super) fn render(name: &str, text: &str, problems: &[Problem]) -> String {
    let mut problems: Vec<&Problem> = problems.iter().collect();
    problems.sort_by_key(|problem| problem.places.first().map_or(0, |(span, _)| span.start));
    let renderer = Renderer::plain();
    let mut shown: Vec<String> =
        problems.iter().map(|problem| renderer.render(&[group(name, text, problem)])).collect();
    // The first line's `error: ` is written by whoever prints the whole.
    if let Some(first) = shown.first_mut() {
        *first = first.trim_start_matches("error: ").to_owned();
    }
    shown.join("\n\n")
}

fn group<'a>(name: &'a str, text: &'a str, problem: &'a Problem) -> Group<'a> {
    let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
    let mut snippet = Snippet::source(text).path(name);
    for (i, (span, label)) in problem.places.iter().enumerate() {
        let kind = if i == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mut annotation = kind.span(visible(text, span));
        if !label.is_empty() {
            annotation = annotation.label(label.as_str());
        }
        snippet = snippet.annotation(annotation);
    }
    if !problem.places.is_empty() {
        group = group.element(snippet);
    }
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    group
}

/// A caret needs a whole character to stand under; at the end of the file that is the last one.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len().saturating_sub(1)));
    let end = text.ceil_char_boundary(span.end.max(start + 1).min(text.len()));
    start..end.max(start)
}
