//! What is wrong with a file, shown where it is wrong.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A mistake, with the places it is made of.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    /// What may be right, because AWS may have grown.
    pub(super) is_warning: bool,
    /// Where, and what to say there. The first place is the mistake's own.
    places: Vec<(Range<usize>, String)>,
    /// What is allowed, or what to do.
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_warning: false, places: Vec::new(), hint: None }
    }

    pub(super) fn warning(message: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::new(message) }
    }

    /// At a place; none is the place of a default.
    pub(super) fn at(
        mut self,
        place: impl Into<Option<Range<usize>>>,
        label: impl Into<String>,
    ) -> Self {
        self.places.extend(place.into().map(|place| (place, label.into())));
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The text of problems, in the order of the file.
pub(super) fn render(name: &str, text: &str, mut problems: Vec<Problem>) -> String {
    problems.sort_by_key(|problem| problem.places.first().map_or(0, |(place, _)| place.start));
    let after = text.match_indices('\n').map(|(at, _)| at + 1);
    let lines: Vec<usize> = std::iter::once(0).chain(after).collect();
    let renderer = Renderer::plain();
    let shown = problems.iter().map(|it| renderer.render(&[group(name, text, &lines, it)]));
    shown.collect::<Vec<_>>().join("\n\n")
}

/// A problem with the lines that it concerns; `lines` has the beginning of each.
fn group<'a>(name: &'a str, text: &'a str, lines: &[usize], problem: &'a Problem) -> Group<'a> {
    let level = if problem.is_warning { Level::WARNING } else { Level::ERROR };
    let mut group = Group::with_title(level.primary_title(problem.message.as_str()));
    let spans: Vec<Range<usize>> =
        problem.places.iter().map(|(span, _)| visible(text, span)).collect();
    let first = spans.iter().map(|span| span.start).min();
    let last = spans.iter().map(|span| span.end).max();
    if let (Some(first), Some(last)) = (first, last) {
        // Only these lines: a look at the whole file for each problem is quadratic.
        let number = |place: usize| lines.partition_point(|start| *start <= place);
        let (from, to) = (lines[number(first) - 1], lines.get(number(last)).copied());
        let part = &text[from..to.unwrap_or(text.len())];
        let mut snippet = Snippet::source(part).path(name).line_start(number(first));
        for (i, (span, (_, label))) in spans.iter().zip(&problem.places).enumerate() {
            let kind = if i == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let span = span.start - from..span.end - from;
            snippet = snippet.annotation(kind.span(span).label(label.as_str()));
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
