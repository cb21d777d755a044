//! A line for a person: time, iteration, type, and what it says.

use std::{borrow::Cow, fmt::Write};

use anstyle::{AnsiColor, Style};
use ralph_protocol::event::{Details, kind, timestamp_text};

const DIM: Style = Style::new().dimmed();
const TYPE: Style = AnsiColor::Cyan.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();

/// Where the text of a line begins; further lines of the same text begin there too.
const MARGIN: &str = "                                    ";

/// How much of a text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it, over as many lines as it has.
    Whole,
    /// One line, cut off there.
    Line(usize),
}

/// Adds an event to `out`, styled; who writes it takes the styles out where they are not wanted.
pub fn event(out: &mut String, json: &str, extent: Extent) {
    let Some(details) = Details::parse(json) else {
        // From a newer worker, with a known field of another form.
        return text(out, json, Extent::Line(2_000));
    };
    let style = match &*details.level {
        "warn" => WARN,
        "error" => ERROR,
        _ if details.is_error => WARN,
        // Of a worker that is at work, one every few seconds.
        _ if details.kind == kind::SPEND => DIM,
        _ if details.exit == Some(0) => GOOD,
        _ => TYPE,
    };
    // hh:mm:ss.mmm
    let time = details.ts.get(11..23).unwrap_or_default();
    let _ = write!(
        out,
        "{DIM}{time:12}{DIM:#} {:>4} {style}{:<17}{style:#} ",
        details.iter, details.kind
    );
    if let Some([n, of]) = details.part {
        let _ = write!(out, "{DIM}[{n}/{of}]{DIM:#} ");
    }
    if !details.parent.is_empty() {
        let _ = write!(out, "{DIM}[subagent]{DIM:#} ");
    }
    match summary(&details) {
        Some(said) => text(out, &said, extent),
        None => text(out, &details.text, extent),
    }
}

/// Adds a raw line: what the container said beside the worker.
pub fn raw(out: &mut String, ts_ms: u64, said: &str, extent: Extent) {
    let ts = timestamp_text(ts_ms);
    let time = ts.get(11..23).unwrap_or_default();
    let _ = write!(out, "{DIM}{time:12}{DIM:#}    - {DIM}{:<17}{DIM:#} ", "raw");
    text(out, said, extent);
}

/// What a type without a text says; `None`: its text says it.
fn summary(details: &Details<'_>) -> Option<String> {
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1000.0);
    let end = |text: &str| if text.is_empty() { String::new() } else { format!(": {text}") };
    Some(match &*details.kind {
        kind::RUN_START => format!("{} on {}", details.repo, details.branch),
        kind::CLONE => {
            let branch = &details.branch;
            let on = if branch.is_empty() { String::new() } else { format!(" on {branch}") };
            format!("{}{on} in {}", details.commit, seconds(details.duration_ms))
        }
        kind::ITER_START => format!("iteration {}", details.iter),
        kind::AGENT_TOOL => format!("{} {}", details.name, details.text),
        kind::AGENT_RETRY => {
            let status = details.status.as_ref().map(|status| format!(" after {status}"));
            format!("again in {}{}", seconds(details.delay_ms), status.unwrap_or_default())
        }
        kind::LIMIT => {
            let status = details.status.as_ref().and_then(|s| s.as_str()).unwrap_or_default();
            let resets = details.resets_at.map(|at| format!(", resets {}", timestamp_text(at)));
            format!("{status}{}", resets.unwrap_or_default())
        }
        kind::KEY_ROTATE => {
            let to = if details.to.is_empty() { "none is left" } else { &details.to };
            format!("{} → {to}{}", details.from, end(&details.reason))
        }
        kind::CHECKPOINT => {
            let pushed = if details.pushed == Some(false) { ", not pushed" } else { "" };
            format!("{} → {}{pushed}", details.commit, details.branch)
        }
        kind::PULL_REQUEST => {
            format!("{}{}", details.url, if details.draft { " (draft)" } else { "" })
        }
        kind::ITER_END => {
            format!(
                "{}, ${:.4}, {}, {} turns {}",
                details.outcome,
                details.cost_usd,
                seconds(details.duration_ms),
                details.turns,
                details.commit
            )
        }
        kind::SPEND => spent(details.spent_usd, details.reserved_usd, details.execution_usd),
        kind::WAIT => format!("until {}{}", timestamp_text(details.until), end(&details.reason)),
        kind::INTERRUPT => details.signal.to_string(),
        kind::RUN_END => {
            let exit = details.exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string());
            let sum = details.spend.map(|spend| {
                format!(", {}", spent(spend.spent_usd, spend.reserved_usd, spend.execution_usd))
            });
            let sum = sum.unwrap_or_default();
            format!("{} (exit {exit}){sum}{}", details.reason, end(&details.text))
        }
        _ => return None,
    })
}

/// What a run has spent and reserved, and its execution with it, US dollars.
fn spent(run: f64, reserved: f64, execution: f64) -> String {
    let reserved =
        if reserved > 0.0 { format!("${reserved:.4} reserved, ") } else { String::new() };
    format!("${run:.4} of this run, {reserved}${execution:.4} of the execution")
}

/// Adds a text and the line's end. An agent's output must not drive the terminal: its escape
/// sequences are taken out, and other control characters become spaces.
fn text(out: &mut String, said: &str, extent: Extent) {
    let stripped = strip(said);
    match extent {
        Extent::Whole => {
            for (n, line) in stripped.trim_end().split('\n').enumerate() {
                if n > 0 {
                    out.push_str(MARGIN);
                }
                push_clean(out, line);
                end_line(out);
            }
        }
        Extent::Line(most) => {
            let cut = stripped.char_indices().nth(most).map_or(stripped.len(), |(at, _)| at);
            push_clean(out, &stripped[..cut]);
            end_line(out);
        }
    }
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches([' ', '\t']).len());
    out.push('\n');
}

fn strip(said: &str) -> Cow<'_, str> {
    if said.contains('\u{1b}') {
        return anstream::adapter::strip_str(said).to_string().into();
    }
    said.into()
}

fn push_clean(out: &mut String, line: &str) {
    if line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return out.push_str(line);
    }
    // A tab stays: it moves the cursor and nothing else.
    out.extend(line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rest: &str, extent: Extent) -> String {
        let json = format!(
            r#"{{"v":1,"ts":"2026-11-25T08:00:00.123Z","workstream":"w","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","seq":1,"iter":3,"level":"info",{rest}}}"#
        );
        let mut out = String::new();
        event(&mut out, &json, extent);
        anstream::adapter::strip_str(&out).to_string()
    }

    #[test]
    fn what_each_type_says() {
        for (rest, said) in [
            (
                r#""type":"run.start","attempt":1,"repo":"https://x/y","branch":"ralph/w","limits":{}"#,
                "run.start         https://x/y on ralph/w",
            ),
            (
                r#""type":"clone","commit":"abc","durationMs":1234"#,
                "clone             abc in 1.2 s",
            ),
            (
                r#""type":"clone","commit":"abc","durationMs":1234,"branch":"ralph/w.2""#,
                "clone             abc on ralph/w.2 in 1.2 s",
            ),
            (
                r#""type":"pull_request","url":"https://github.com/you/project/pull/7","number":7,"draft":true"#,
                "pull_request      https://github.com/you/project/pull/7 (draft)",
            ),
            (r#""type":"iter.start""#, "iter.start        iteration 3"),
            // Not JSON: shown as it is, and nothing panics.
            (r#""type":"agent.text","text":"hello"#, ""),
            (r#""type":"agent.text","text":"hello""#, "agent.text        hello"),
            (r#""type":"agent.text","part":[2,3],"text":"lo""#, "agent.text        [2/3] lo"),
            (
                r#""type":"agent.text","text":"I help","parent":"toolu_1""#,
                "agent.text        [subagent] I help",
            ),
            (
                r#""type":"agent.tool","id":"1","name":"Bash","text":"{\"command\":\"ls\"}""#,
                r#"agent.tool        Bash {"command":"ls"}"#,
            ),
            (
                r#""type":"agent.retry","attempt":1,"delayMs":500,"status":529"#,
                "agent.retry       again in 0.5 s after 529",
            ),
            (
                r#""type":"limit","status":"rejected","resetsAt":1700000000000"#,
                "limit             rejected, resets 2023-11-14T22:13:20.000Z",
            ),
            (
                r#""type":"key.rotate","from":"a","to":"b","reason":"401""#,
                "key.rotate        a → b: 401",
            ),
            (
                r#""type":"checkpoint","commit":"abc","branch":"ralph/w","pushed":false"#,
                "checkpoint        abc → ralph/w, not pushed",
            ),
            (
                r#""type":"iter.end","outcome":"ok","costUsd":0.5,"tokens":{},"turns":4,"durationMs":61000,"commit":"abc""#,
                "iter.end          ok, $0.5000, 61.0 s, 4 turns abc",
            ),
            (
                r#""type":"spend","spentUsd":1.2,"reservedUsd":0.3,"executionUsd":3.4,"tokens":{},"iterations":2"#,
                "spend             $1.2000 of this run, $0.3000 reserved, $3.4000 of the execution",
            ),
            (
                r#""type":"spend","spentUsd":0,"reservedUsd":0,"executionUsd":3.4,"tokens":{},"iterations":0"#,
                "spend             $0.0000 of this run, $3.4000 of the execution",
            ),
            (
                r#""type":"wait","until":1700000000000,"reason":"limit""#,
                "wait              until 2023-11-14T22:13:20.000Z: limit",
            ),
            (r#""type":"interrupt","signal":"SIGTERM""#, "interrupt         SIGTERM"),
            (
                r#""type":"run.end","reason":"complete","exit":0"#,
                "run.end           complete (exit 0)",
            ),
            (
                r#""type":"run.end","reason":"budget","exit":12,"text":"$4 are spent","spend":{"spentUsd":1.2,"reservedUsd":0,"executionUsd":4,"tokens":{},"iterations":2}"#,
                "run.end           budget (exit 12), $1.2000 of this run, $4.0000 of the execution: $4 are spent",
            ),
            (r#""type":"from.the.future","text":"new","x":[]"#, "from.the.future   new"),
        ] {
            if said.is_empty() {
                assert!(plain(rest, Extent::Whole).starts_with('{'), "{rest}");
                continue;
            }
            assert_eq!(plain(rest, Extent::Whole), format!("08:00:00.123    3 {said}\n"));
        }
    }

    #[test]
    fn a_text_of_several_lines_keeps_its_margin() {
        let said = plain(r#""type":"log","text":"one\n  two\r\nthree\n""#, Extent::Whole);
        assert_eq!(
            said,
            format!("08:00:00.123    3 log               one\n{MARGIN}  two\n{MARGIN}three\n")
        );
    }

    #[test]
    fn an_agents_output_does_not_drive_the_terminal() {
        for extent in [Extent::Whole, Extent::Line(100)] {
            let said = plain(
                r#""type":"log","text":"a\u001b[2Jb\u001b]0;title\u0007c\u0008d\u009b1me""#,
                extent,
            );
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
            assert!(said.contains("ab") && said.contains('d'), "{said:?}");
        }
    }

    #[test]
    fn one_line_is_cut_off() {
        let said = plain(r#""type":"log","text":"one\ntwo three""#, Extent::Line(6));
        assert_eq!(said, "08:00:00.123    3 log               one tw\n");
    }
}
