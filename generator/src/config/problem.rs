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
    let lines = Lines::of(text);
    let mut shown: Vec<String> = problems
        .iter()
        .map(|problem| renderer.render(&[group(name, text, &lines, problem)]))
        .collect();
    // The first line's `error: ` is written by whoever prints the whole.
    if let Some(first) = shown.first_mut() {
        *first = first.trim_start_matches("error: ").to_owned();
    }
    shown.join("\n\n")
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    /// The number of the line that holds a place, from 0.
    fn at(&self, place: usize) -> usize {
        self.0.partition_point(|start| *start <= place).saturating_sub(1)
    }
}

fn group<'a>(name: &'a str, text: &'a str, lines: &Lines, problem: &'a Problem) -> Group<'a> {
    let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
    let spans: Vec<Range<usize>> =
        problem.places.iter().map(|(span, _)| visible(text, span)).collect();
    let first = spans.iter().map(|span| span.start).min();
    let last = spans.iter().map(|span| span.end).max();
    if let (Some(first), Some(last)) = (first, last) {
        // Only the lines concerned: a look at the whole file for each problem is quadratic.
        let line = lines.at(first);
        let (from, to) = (lines.0[line], lines.0.get(lines.at(last) + 1).copied());
        let part = &text[from..to.unwrap_or(text.len())];
        let mut snippet = Snippet::source(part).path(name).line_start(line + 1);
        for (i, (span, (_, label))) in spans.iter().zip(&problem.places).enumerate() {
            let kind = if i == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let mut annotation = kind.span(span.start - from..span.end - from);
            if !label.is_empty() {
                annotation = annotation.label(label.as_str());
            }
            snippet = snippet.annotation(annotation);
        }
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
