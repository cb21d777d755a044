//! Whether PROGRESS.md says that the work is complete, or nearly says so; and what takes that back.

use std::{ops::Range, sync::LazyLock};

use pulldown_cmark::{Event, Parser, Tag};
use ralph_protocol::event::Level;
use regex::Regex;

use super::{Checkout, PROGRESS_FILE, prepare::committed};

/// The line that says so: alone, at the beginning of a line, where Markdown shows it.
const STATUS: &str = "## Status: COMPLETE";

/// What takes its place when there is a new task.
const REOPENED: &str = "## Status: IN PROGRESS";

/// Most characters of a line or a path that are shown.
const SHOWN: usize = 80;

/// Most files of the same name that are read.
const MAX_FILES: usize = 5;

/// The tree without files, which git knows without having it.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Completion {
    /// The work is complete.
    Complete,
    /// Something that a person would take for it: what the file does, in words.
    Near(String),
    /// Nothing of the kind.
    No,
}

/// Reads a progress file.
pub(super) fn read(text: &str) -> Completion {
    match scan(text) {
        (lines, _) if !lines.is_empty() => Completion::Complete,
        (_, near) => near.map_or(Completion::No, Completion::Near),
    }
}

/// The same progress file with every line that says so taken back; `None` when none does. The other
/// lines and all line endings stay as they are.
pub(super) fn reopened(bytes: &[u8]) -> Option<Vec<u8>> {
    let (lines, _) = scan(&String::from_utf8_lossy(bytes));
    if lines.is_empty() {
        return None;
    }
    let mut lines = lines.into_iter().peekable();
    let mut out = Vec::with_capacity(bytes.len() + REOPENED.len());
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // After a byte order mark, it is not at the beginning.
        let at = memchr::memmem::find(line, STATUS.as_bytes());
        match at.filter(|_| lines.next_if_eq(&number).is_some()) {
            Some(at) => {
                out.extend([&line[..at], REOPENED.as_bytes(), &line[at + STATUS.len()..]].concat());
            }
            None => out.extend(line),
        }
    }
    Some(out)
}

/// The numbers of the lines that say so, from 0, and what a person would take for such a line. What
/// stands in code and in HTML, comments above all, does not count: templates show the line there.
fn scan(text: &str) -> (Vec<usize>, Option<String>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parts = Parts::of(text);
    let (mut hidden, mut aside) = (parts.hidden.iter().peekable(), parts.aside.iter().peekable());
    let (mut complete, mut near) = (Vec::new(), None);
    let mut end = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let start = end;
        end += whole.len();
        while hidden.next_if(|part| part.range.end <= start).is_some() {}
        while aside.next_if(|range| range.end <= start).is_some() {}
        let line = whole.trim_end();
        match hidden.peek().filter(|part| part.range.start < end) {
            None if line == STATUS => complete.push(number),
            None => {
                let is_aside = aside.peek().is_some_and(|range| range.start < end);
                let alike = !is_aside && LOOKS_LIKE_IT.is_match(line);
                if near.is_none() && (alike || line.trim_start() == STATUS) {
                    let line: String = line.chars().take(SHOWN).collect();
                    near = Some(format!("says `{line}`"));
                }
            }
            Some(part) if line == STATUS && near.is_none() => {
                near = part.slip.map(|slip| format!("holds `{STATUS}` in {slip}"));
            }
            Some(_) => {}
        }
    }
    (complete, near)
}

impl Checkout {
    /// Whether PROGRESS.md at HEAD says that the work is complete, and what to tell the agent if it,
    /// or another file, only nearly does. The log says each such finding once.
    pub(super) async fn completion(&mut self) -> (bool, Option<String>) {
        let text = committed(&self.git, &self.dir, PROGRESS_FILE).await;
        let found = match text.as_deref().map(read) {
            Some(Completion::Complete) => return (true, None),
            Some(Completion::Near(says)) => Some(format!("{PROGRESS_FILE} {says}")),
            // Other folders may keep files of that name. Beside one that is in its place, only what
            // this run has written can be meant.
            Some(Completion::No) => self.elsewhere(&self.begin).await,
            None => self.elsewhere(EMPTY_TREE).await,
        };
        if found == self.near {
            return (false, found.as_deref().map(advice));
        }
        self.near = found;
        let Some(found) = &self.near else { return (false, None) };
        let text = format!("{found}, which does not end the run\nhint: {}", wanted());
        self.journal.log(Level::Warn, text);
        (false, Some(advice(found)))
    }

    /// Another file named like PROGRESS.md, in whatever case and folder, that says so and differs
    /// from what `since` has.
    async fn elsewhere(&self, since: &str) -> Option<String> {
        if self.git.is_hurried() {
            return None;
        }
        let like = format!(":(icase,glob)**/{PROGRESS_FILE}");
        let args = ["--no-literal-pathspecs", "diff-tree", "-r", "-z", "--name-only"];
        let args = args.into_iter().chain(["--diff-filter=d", since, "HEAD", "--", &like]);
        // What cannot be compared is not worth more than this advice is.
        let names = self.git.local(&self.dir, args).await.ok()?;
        let names = names.split(|byte| *byte == 0).filter_map(|name| str::from_utf8(name).ok());
        let others = names.filter(|name| !name.is_empty() && *name != PROGRESS_FILE);
        for name in others.take(MAX_FILES) {
            let text = committed(&self.git, &self.dir, name).await;
            if text.is_some_and(|text| read(&text) == Completion::Complete) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
                return Some(format!("`{shown}` holds `{STATUS}`"));
            }
        }
        None
    }
}

/// What ends the run.
fn wanted() -> String {
    format!(
        "the line must be exactly `{STATUS}`, outside of code blocks, comments and HTML, in {PROGRESS_FILE} in the repository's root"
    )
}

/// For the next prompt.
fn advice(found: &str) -> String {
    format!(
        "{found}, which does not count as complete. If all the work is done, {}. If it is not, go on with it.",
        wanted()
    )
}

/// The two words alone on a line, with whatever decoration, or with a remark after a dash, in brackets
/// or in a comment. What asks, quotes or offers a choice (`COMPLETE?`, `[ ]`, `|`) does not say it.
static LOOKS_LIKE_IT: LazyLock<Regex> = LazyLock::new(|| {
    let mark = r#"[^\p{L}\p{N}\[\](){}<>|?~`"']"#;
    let whose = r"(?:(?:overall|project|final)\s+)?";
    let remark = r"(?:\s[-–—(].*|<!--.*)?";
    let pattern = format!("(?i)^{mark}*{whose}status{mark}{{0,12}}`?completed?`?{mark}*{remark}$");
    Regex::new(&pattern).expect("a pattern that tests compile")
});

/// Lines that do not count.
struct Part {
    range: Range<usize>,
    /// What it is, if the line may stand there by mistake.
    slip: Option<&'static str>,
}

/// Where lines do not count, each in the order of the text.
#[derive(Default)]
struct Parts {
    /// Code, HTML and comments.
    hidden: Vec<Part>,
    /// Quotes and lists, whose items may each have a status.
    aside: Vec<Range<usize>>,
}

impl Parts {
    fn of(text: &str) -> Self {
        let mut parts = Self::default();
        for (event, range) in Parser::new(text).into_offset_iter() {
            // A comment may reach into what comes after it.
            let shown_from = parts.hidden.last().map_or(0, |part| part.range.end);
            let range = range.start.max(shown_from)..range.end;
            if range.is_empty() {
                continue;
            }
            match event {
                Event::Start(Tag::CodeBlock(_)) => {
                    let open = range.end == text.len() && !is_closed(&text[range.clone()]);
                    let slip = open.then_some("a code block that never ends");
                    parts.hidden.push(Part { range, slip });
                }
                Event::Start(Tag::HtmlBlock) => {
                    let comment = open_comment(text, &range);
                    let is_comment = text[range.clone()].starts_with("<!--");
                    let slip = (!is_comment).then_some("an HTML block");
                    parts.hidden.push(comment.unwrap_or(Part { range, slip }));
                }
                Event::InlineHtml(_) if text[range.clone()].contains('\n') => {
                    parts.hidden.push(Part { range, slip: None });
                }
                // One that a heading cuts off is text to Markdown. Whoever wrote it meant a comment.
                Event::Text(_) => parts.hidden.extend(open_comment(text, &range)),
                Event::Start(Tag::BlockQuote(_) | Tag::List(_))
                    if parts.aside.last().is_none_or(|last| last.end <= range.start) =>
                {
                    parts.aside.push(range);
                }
                _ => {}
            }
        }
        parts
    }
}

/// A comment that begins in this range and goes on after it.
fn open_comment(text: &str, range: &Range<usize>) -> Option<Part> {
    let bytes = text.as_bytes();
    // Text comes in pieces: one may begin with a comment's first character and end with it.
    let begin = range.clone().rev().find(|&at| bytes[at..].starts_with(b"<!--"))?;
    let escapes = bytes[..begin].iter().rev().take_while(|byte| **byte == b'\\').count();
    if escapes % 2 == 1 {
        return None;
    }
    // `<!-->` is a whole one.
    let end = text[begin + 2..].find("-->").map(|at| begin + 2 + at + 3);
    let slip = end.is_none().then_some("a comment that never ends");
    let end = end.unwrap_or(text.len());
    (end > range.end || slip.is_some()).then_some(Part { range: range.start..end, slip })
}

/// Whether a code block has a last line that closes it. One that is indented needs none.
fn is_closed(code: &str) -> bool {
    let is_fence = |line: &str| ["```", "~~~"].iter().any(|f| line.trim_start().starts_with(f));
    let mut lines = code.trim_end().lines();
    !lines.next().is_some_and(is_fence) || lines.next_back().is_some_and(is_fence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(text: &str) -> Completion {
        Completion::Near(text.to_owned())
    }

    #[test]
    fn what_counts_as_complete() {
        let cases = [
            "## Status: COMPLETE",
            "# Tasks\n\n## Status: COMPLETE\n",
            "x\r\n## Status: COMPLETE  \r\n",
            "\u{feff}## Status: COMPLETE\n",
            "```\ncode\n```\n## Status: COMPLETE",
            "```rust\n~~~\n```\n## Status: COMPLETE",
            "``` a`b\n## Status: COMPLETE",
            "a paragraph\n## Status: COMPLETE\nand more",
            "- a list\n## Status: COMPLETE",
            "> a quote\n## Status: COMPLETE",
            "<!-- a note -->\n## Status: COMPLETE",
            "<!-- ## Status: COMPLETE -->\n## Status: COMPLETE",
            "<!--\nseveral\nlines\n-->\n## Status: COMPLETE",
            "text <!-- a note --> text\n## Status: COMPLETE",
            "text <!-- a\nnote --> text\n## Status: COMPLETE",
            "<!-->\n## Status: COMPLETE",
            "`<!--` begins a comment\n## Status: COMPLETE",
            "\\<!-- is text\n## Status: COMPLETE",
            "<details>\n\n## Status: COMPLETE\n\n</details>",
            "## **Status: COMPLETE**\n## Status: COMPLETE",
        ];
        for text in cases {
            assert_eq!(read(text), Completion::Complete, "{text:?}");
        }
    }

    #[test]
    fn what_nearly_says_it_is_named() {
        for line in [
            "## **Status: COMPLETE**",
            "# Status: COMPLETE",
            "### Status: COMPLETE",
            "## Status: Complete",
            "## status: complete",
            "Status: COMPLETE",
            "**Status:** COMPLETE",
            "**Status**: Completed",
            "## Status: COMPLETE ✅",
            "## ✅ Status: COMPLETE",
            "## Status: ✅ COMPLETE",
            "## Status: COMPLETE.",
            "## Status: COMPLETE!",
            "## Status: COMPLETE ##",
            "## Status : COMPLETE",
            "## Status:COMPLETE",
            "##  Status: COMPLETE",
            "##Status: COMPLETE",
            " ## Status: COMPLETE",
            "## Status：COMPLETE",
            "## Status: COMPLETE - all tasks are done",
            "## Status: COMPLETE ✅ — all tests pass",
            "**Status:** COMPLETE (5 of 5 tasks)",
            "## Status: COMPLETE <!-- really -->",
            "## Status: `COMPLETE`",
            "## Overall Status: COMPLETE",
        ] {
            for text in [line.to_owned(), format!("# Tasks\r\n\r\n{line}\r\n\r\n- [x] all\r\n")] {
                assert_eq!(read(&text), near(&format!("says `{line}`")), "{text:?}");
            }
        }
        for (text, says) in [
            ("Status: COMPLETE\n---\n", "says `Status: COMPLETE`"),
            ("- all done\n\n  ## Status: COMPLETE\n", "says `  ## Status: COMPLETE`"),
            ("```\n## Status: COMPLETE", "in a code block that never ends"),
            ("x\n~~~\n```\n## Status: COMPLETE\n", "in a code block that never ends"),
            ("<!-- notes\n\n## Status: COMPLETE\n", "in a comment that never ends"),
            ("text <!-- notes\n## Status: COMPLETE\n", "in a comment that never ends"),
            ("<details>\n## Status: COMPLETE\n</details>", "in an HTML block"),
        ] {
            let found = read(text);
            assert!(
                matches!(&found, Completion::Near(t) if t.contains(says)),
                "{text:?} {found:?}"
            );
        }
        let long = format!("{}Status: complete", "*".repeat(1_000));
        let Completion::Near(says) = read(&long) else { panic!() };
        assert!(says.len() < 100, "{says}");
    }

    #[test]
    fn what_does_not_say_it() {
        for text in [
            "",
            "\u{0}\u{fffd}\u{0}",
            "## Status: NOT COMPLETE",
            "## Status: INCOMPLETE",
            "## Status: IN PROGRESS",
            "## Status: COMPLETE?",
            "## Status: [ ] COMPLETE",
            "## Status: IN PROGRESS | COMPLETE",
            "## Status: <COMPLETE>",
            "## Status: ~~COMPLETE~~",
            "## Status: COMPLETE when all boxes are checked",
            "## Status: COMPLETE, IN PROGRESS or BLOCKED",
            "## Status: COMPLETE-ish",
            "## Status: NOT COMPLETE (2 of 5 tasks)",
            "## Phase 1 Status: COMPLETE",
            "- [ ] Status: COMPLETE",
            "- task 1\n  Status: complete\n- task 2",
            "| task | status |\n|---|---|\n| 1 | complete |",
            "`## Status: COMPLETE`",
            "Write `## Status: COMPLETE` when done",
            "When all is done, the status is complete.",
            "> ## Status: COMPLETE",
            "```\n## Status: COMPLETE\n```",
            "~~~\n```\n## Status: COMPLETE\n~~~\n",
            "~~~~\n```\n~~~\n## Status: COMPLETE\n~~~~",
            "    ## Status: completed",
            "<!-- ## Status: COMPLETE -->",
            "<!--\n## Status: COMPLETE\n-->",
            "<!-- when done:\n\n## Status: COMPLETE\n\n-->\n# Tasks",
            "text <!-- when done:\n## Status: COMPLETE\n--> text",
            "text <!-- when done:\nStatus: COMPLETE\n--> text",
            "<div>\n<!-- when done:\n\n## Status: COMPLETE\n-->\n</div>",
            "<div><!--\n\n```\n-->\n## Status: COMPLETE\n```\n",
            "<pre>\n\n## Status: NOT COMPLETE\n</pre>",
        ] {
            assert_eq!(read(text), Completion::No, "{text:?}");
        }
    }

    #[test]
    fn a_status_is_taken_back_where_it_counts() {
        for (text, expected) in [
            ("## Status: COMPLETE", Some("## Status: IN PROGRESS")),
            ("\u{feff}## Status: COMPLETE\r\n", Some("\u{feff}## Status: IN PROGRESS\r\n")),
            (
                "# Tasks\r\n\r\n## Status: COMPLETE \t\r\n- [x] one\r\n",
                Some("# Tasks\r\n\r\n## Status: IN PROGRESS \t\r\n- [x] one\r\n"),
            ),
            (
                "```\n## Status: COMPLETE\n```\n## Status: COMPLETE\n\n## Status: COMPLETE\n",
                Some(
                    "```\n## Status: COMPLETE\n```\n## Status: IN PROGRESS\n\n## Status: IN PROGRESS\n",
                ),
            ),
            ("## **Status: COMPLETE**", None),
            ("<!--\n## Status: COMPLETE\n-->", None),
            ("", None),
        ] {
            let found = reopened(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
        // What is not text stays.
        let found = reopened(b"\xff\n## Status: COMPLETE\n\xfe").unwrap();
        assert_eq!(found, b"\xff\n## Status: IN PROGRESS\n\xfe");
    }

    proptest! {
        #[test]
        fn what_is_taken_back_does_not_count_any_more(
            text in "(\\PC|\n|\r|\u{feff}|<!--|-->|```|~~~|## Status: COMPLETE\r?\n|[-#>*`<\\\\ ]){0,60}",
        ) {
            let complete = read(&text) == Completion::Complete;
            let after = reopened(text.as_bytes());
            prop_assert_eq!(after.is_some(), complete);
            let after = after.unwrap_or_default();
            let after = String::from_utf8(after).unwrap();
            prop_assert!(read(&after) != Completion::Complete, "{:?}", after);
            if complete {
                prop_assert_eq!(after.matches('\r').count(), text.matches('\r').count());
                prop_assert_eq!(after.lines().count(), text.lines().count());
            }
        }

        #[test]
        fn what_is_hidden_never_counts(
            before in "([a-z# *.:-]{0,12}\n){0,4}",
            inside in "([a-zA-Z#:` *<>!\\[\\]-]{0,12}\n|## Status: COMPLETE\n){0,6}",
            after in "([a-z# *.:-]{0,12}\n){0,4}",
        ) {
            for (open, close) in [("~~~\n", "~~~\n"), ("<!--\n", "-->\n"), ("text <!--\n", "-->\n")] {
                let inside = if open == "~~~\n" { inside.clone() } else { inside.replace('>', "") };
                let text = format!("{before}\n{open}{inside}## Status: COMPLETE\n{close}{after}");
                prop_assert!(read(&text) != Completion::Complete, "{:?}", text);
            }
        }

        #[test]
        fn every_text_is_read(
            text in "(\\PC|\n|\r|\u{feff}|<!--|-->|```|~~~|## Status: COMPLETE|[-#>*`<\\\\ ]){0,60}",
        ) {
            let found = read(&text);
            if found == Completion::Complete {
                prop_assert!(text.contains(STATUS));
            }
        }
    }
}
