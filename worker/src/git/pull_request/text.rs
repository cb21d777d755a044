//! What a pull request says: only values of the worker's own, and none of them can mention a person,
//! close an issue or begin Markdown.

use ralph_protocol::{
    exit::RunExit,
    ids::{Run, Workstream},
};

use crate::machine::Ledger;

/// Between these two the worker writes; the rest belongs to people.
const BEGIN: &str = "<!-- ralph: begin -->";
const END: &str = "<!-- ralph: end -->";

/// Most characters of a value. GitHub takes 256 for a title.
const MAX_VALUE: usize = 120;

/// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/linking-a-pull-request-to-an-issue>
const CLOSING: [&str; 9] =
    ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

/// Has no width; a word that holds it is another word.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// From an ASCII mark to its wide twin, U+FF01 to U+FF5E.
const WIDE: u32 = 0xFEE0;

/// What the verify command said about the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) enum Verify {
    /// There is no such command.
    Nothing,
    /// It has not seen the newest work.
    NotRun,
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    GoingOn,
    /// It has ended.
    Ended {
        /// How.
        exit: RunExit,
        /// What the execution has used.
        used: Ledger,
        /// What the verify command said.
        verify: Verify,
    },
}

/// What a pull request is about.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) workstream: &'a Workstream,
    pub(super) run: &'a Run,
    pub(super) branch: &'a str,
    pub(super) base: &'a str,
    /// Where the run's lines can be read: a [link](ralph_protocol::link::is_link).
    pub(super) log: Option<&'a str>,
    pub(super) progress: Progress,
}

/// The title, which is never changed.
pub(super) fn title(workstream: &Workstream, branch: &str) -> String {
    format!("Work of workstream {} on {}", plain(workstream.as_str()), plain(branch))
}

/// The worker's part of the body.
pub(super) fn part(facts: &Facts<'_>) -> String {
    let code = |value: &str| format!("`{}`", plain(value));
    let mut lines = vec![
        format!("- Workstream: {}", code(facts.workstream.as_str())),
        format!("- Branch: {}, to merge into {}", code(facts.branch), code(facts.base)),
    ];
    match facts.progress {
        Progress::GoingOn => lines.push("- State: a run is going on".to_owned()),
        Progress::Ended { exit, used, verify } => {
            let verify = match verify {
                Verify::Nothing => "there is none",
                Verify::NotRun => "not run on the newest work",
                Verify::Passed => "passed",
                Verify::Failed => "failed",
            };
            lines.extend([
                format!("- Outcome: {}", exit.about()),
                format!("- Iterations of the execution: {}", used.iterations),
                // GitHub takes two dollar signs for mathematics.
                format!("- Cost of the execution: {:.2} US dollars", used.cost.dollars()),
                format!("- Verify command: {verify}"),
            ]);
        }
    }
    lines.push(format!("- Run: {}", code(facts.run.as_str())));
    if let Some(log) = facts.log {
        lines.push(format!("- [Log of the run](<{log}>)"));
    }
    format!(
        "{BEGIN}\nThe loop writes what stands here, again at the end of each run. Text outside of this part stays as it is.\n\n{}\n{END}",
        lines.join("\n")
    )
}

/// A body with a new part of the worker's in the place of the old one; `None` when a person has
/// taken the old one out.
pub(super) fn replaced(body: &str, part: &str) -> Option<String> {
    let begin = body.find(BEGIN)?;
    let end = begin + body[begin..].find(END)? + END.len();
    Some(format!("{}{part}{}", &body[..begin], &body[end..]))
}

/// A value that is safe in a title, in a text and in a code span, on one line: marks that GitHub or
/// Markdown reads become their wide twins, and a word that could close an issue is no longer one.
fn plain(value: &str) -> String {
    let mut clean: Vec<char> = value
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    if clean.len() > MAX_VALUE {
        clean.truncate(MAX_VALUE);
        clean.push('…');
    }
    let mut plain = String::new();
    let mut rest = clean.as_slice();
    while let Some(&c) = rest.first() {
        let word = rest.iter().take_while(|c| c.is_ascii_alphanumeric()).count();
        if word == 0 {
            let inside = plain.ends_with(char::is_alphanumeric)
                && rest.get(1).is_some_and(|next| next.is_alphanumeric());
            plain.push(twin(c, inside));
            rest = &rest[1..];
            continue;
        }
        let (text, after) = rest.split_at(word);
        let text: String = text.iter().collect();
        let is = |other: &&str| text.eq_ignore_ascii_case(other);
        let number = after.first() == Some(&'-');
        if CLOSING.iter().any(is) || (is(&"gh") && number) {
            plain.extend([c, ZERO_WIDTH_SPACE]);
            plain.push_str(&text[1..]);
        } else {
            plain.push_str(&text);
        }
        rest = after;
    }
    plain
}

/// What stands for a character that is not part of a word.
fn twin(c: char, inside_a_word: bool) -> char {
    match c {
        '-' | '.' | '/' | ',' | ' ' => c,
        '_' if inside_a_word => c,
        c if c.is_ascii_punctuation() => char::from_u32(c as u32 + WIDE).unwrap_or(' '),
        c => c,
    }
}

/// Control characters, and those that have no width or turn the direction of a text.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    use regex::Regex;

    use super::*;
    use crate::machine::Usd;

    #[test]
    fn what_a_value_becomes() {
        for (value, expected) in [
            ("ralph/docs", "ralph/docs"),
            ("ralph/docs.2", "ralph/docs.2"),
            ("my_branch-1", "my_branch-1"),
            ("_x_", "＿x＿"),
            ("fix#12@you", "f\u{200b}ix＃12＠you"),
            ("Fixes/12", "F\u{200b}ixes/12"),
            ("prefix/closet", "prefix/closet"),
            ("fi\u{200b}x", "f\u{200b}ix"),
            ("gh-7", "g\u{200b}h-7"),
            ("a/GH-7", "a/G\u{200b}H-7"),
            ("gh/7", "gh/7"),
            ("you/p#7", "you/p＃7"),
            ("https://h/i/7", "https：//h/i/7"),
            ("a`b`c", "a｀b｀c"),
            ("<b>&amp;", "＜b＞＆amp；"),
            ("[x](y)!*~|\\$", "［x］（y）！＊～｜＼＄"),
            ("a\nb\r\nc\u{2028}d\u{85}e", "a b  c d e"),
            ("a\u{1b}[31mb\u{202e}c", "a［31mbc"),
            ("größe/日本", "größe/日本"),
        ] {
            assert_eq!(plain(value), expected, "{value:?}");
        }
        assert_eq!(plain(&"x".repeat(500)).chars().count(), MAX_VALUE + 1);
    }

    /// The Markdown of one line that is text alone.
    fn is_text(line: &str) -> bool {
        Parser::new(line).all(|event| {
            matches!(
                event,
                Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) | Event::Text(_)
            )
        })
    }

    proptest! {
        #[test]
        fn no_value_mentions_a_person_closes_an_issue_or_begins_markdown(
            value in r"(\PC|[@#<>\[\]()`*_~!|\\&$:/\n\r. -]|\u{200b}|fix|CLOSES|resolved|gh-1|you|12){0,30}",
        ) {
            let plain = plain(&value);
            let word = Regex::new(r"[@#]\w").unwrap();
            let closing =
                Regex::new(r"(?i)(?:^|[^\p{L}\p{N}])(close[sd]?|fix(es|ed)?|resolve[sd]?|gh-\d+)(?:[^\p{L}\p{N}]|$)").unwrap();
            prop_assert!(!word.is_match(&plain), "{:?}", plain);
            // A zero-width space is not a letter: what is left of the word is another one.
            prop_assert!(!closing.is_match(&plain), "{:?}", plain);
            let ends_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            prop_assert!(!plain.contains(ends_line), "{:?}", plain);
            prop_assert!(is_text(&format!("a {plain} b")), "{:?}", plain);
            prop_assert!(!plain.contains('`'), "{:?}", plain);
            prop_assert!(title(&"docs".parse().unwrap(), &value).chars().count() <= 256);
        }

        #[test]
        fn a_persons_text_stays_as_it_is(before in r"(\PC|\n|\r){0,40}", after in r"(\PC|\n|\r){0,40}") {
            let body = format!("{before}{BEGIN}\r\nold\r\n{END}{after}");
            let new = format!("{BEGIN}new{END}");
            prop_assert_eq!(replaced(&body, &new), Some(format!("{before}{new}{after}")));
        }
    }

    #[test]
    fn a_body_without_its_two_comments_is_left_alone() {
        let part = format!("{BEGIN}new{END}");
        for (body, expected) in [
            ("", None),
            ("mine", None),
            ("<!-- ralph: begin --> mine", None),
            ("<!-- ralph: end --> <!-- ralph: begin -->", None),
            (
                "<!-- ralph: begin --><!-- ralph: end -->",
                Some("<!-- ralph: begin -->new<!-- ralph: end -->"),
            ),
            (
                "<!-- ralph: end -->a<!-- ralph: begin -->x<!-- ralph: end -->b<!-- ralph: end -->",
                Some(
                    "<!-- ralph: end -->a<!-- ralph: begin -->new<!-- ralph: end -->b<!-- ralph: end -->",
                ),
            ),
        ] {
            assert_eq!(replaced(body, &part).as_deref(), expected, "{body}");
        }
    }

    fn facts(progress: Progress) -> String {
        part(&Facts {
            workstream: &"docs".parse().unwrap(),
            run: &"01ARZ3NDEKTSV4RRFFQ69G5FAV-0002".parse().unwrap(),
            branch: "fix#12@you",
            base: "main",
            log: Some("https://logs.example.com/docs#r"),
            progress,
        })
    }

    #[test]
    fn what_is_said_while_a_run_goes_on() {
        let text = facts(Progress::GoingOn);
        assert_eq!(
            text,
            "<!-- ralph: begin -->\nThe loop writes what stands here, again at the end of each run. Text outside of this part stays as it is.\n\n- Workstream: `docs`\n- Branch: `f\u{200b}ix＃12＠you`, to merge into `main`\n- State: a run is going on\n- Run: `01ARZ3NDEKTSV4RRFFQ69G5FAV-0002`\n- [Log of the run](<https://logs.example.com/docs#r>)\n<!-- ralph: end -->"
        );
    }

    #[test]
    fn what_is_said_at_each_end() {
        let used = Ledger { iterations: 3, cost: Usd::from_dollars(1.234_567) };
        for exit in RunExit::ALL {
            for (verify, said) in [
                (Verify::Nothing, "there is none"),
                (Verify::NotRun, "not run on the newest work"),
                (Verify::Passed, "passed"),
                (Verify::Failed, "failed"),
            ] {
                let text = facts(Progress::Ended { exit, used, verify });
                for line in [
                    format!("\n- Outcome: {}\n", exit.about()),
                    "\n- Iterations of the execution: 3\n".to_owned(),
                    "\n- Cost of the execution: 1.23 US dollars\n".to_owned(),
                    format!("\n- Verify command: {said}\n"),
                ] {
                    assert!(text.contains(&line), "{line}: {text}");
                }
                assert!(!text.contains("going on"), "{text}");
                // A link and code, and nothing else of Markdown's.
                let odd = Parser::new(&text).find(|event| {
                    matches!(event, Event::Start(Tag::Emphasis | Tag::Strong | Tag::Heading { .. }))
                });
                assert_eq!(odd, None);
            }
        }
    }
}
