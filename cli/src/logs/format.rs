//! A line for a person: time, iteration, type, and what it says.

use std::{borrow::Cow, fmt::Write};

use anstyle::{AnsiColor, Style};
use ralph_protocol::event::timestamp_text;
use serde::Deserialize;

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

/// The fields of an event that a person is shown. Others are in `--json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(default)]
    iter: u32,
    #[serde(borrow, default)]
    level: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    part: Option<[u32; 2]>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    repo: Cow<'a, str>,
    #[serde(borrow, default)]
    branch: Cow<'a, str>,
    #[serde(borrow, default)]
    commit: Cow<'a, str>,
    #[serde(borrow, default)]
    outcome: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(default)]
    status: Option<serde_json::Value>,
    #[serde(borrow, default)]
    from: Cow<'a, str>,
    #[serde(borrow, default)]
    to: Cow<'a, str>,
    #[serde(borrow, default)]
    signal: Cow<'a, str>,
    #[serde(default)]
    is_error: bool,
    #[serde(default)]
    pushed: Option<bool>,
    #[serde(default)]
    cost_usd: f64,
    #[serde(default)]
    spent_usd: Option<f64>,
    #[serde(default)]
    duration_ms: u64,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    turns: u32,
    #[serde(default)]
    until: u64,
    #[serde(default)]
    resets_at: Option<u64>,
    #[serde(default)]
    exit: Option<u8>,
}

/// Adds an event to `out`, styled; who writes it takes the styles out where they are not wanted.
pub fn event(out: &mut String, json: &str, extent: Extent) {
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(json) else {
        // From a newer worker, with a known field of another form.
        return text(out, json, Extent::Line(2_000));
    };
    let kind = match &*fields.level {
        "warn" => WARN,
        "error" => ERROR,
        _ if fields.is_error => WARN,
        _ if fields.exit == Some(0) => GOOD,
        _ => TYPE,
    };
    // hh:mm:ss.mmm
    let time = fields.ts.get(11..23).unwrap_or_default();
    let _ =
        write!(out, "{DIM}{time:12}{DIM:#} {:>4} {kind}{:<17}{kind:#} ", fields.iter, fields.kind);
    if let Some([n, of]) = fields.part {
        let _ = write!(out, "{DIM}[{n}/{of}]{DIM:#} ");
    }
    match summary(&fields) {
        Some(said) => text(out, &said, extent),
        None => text(out, &fields.text, extent),
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
fn summary(fields: &Fields<'_>) -> Option<String> {
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1000.0);
    let end = |text: &str| if text.is_empty() { String::new() } else { format!(": {text}") };
    Some(match &*fields.kind {
        "run.start" => format!("{} on {}", fields.repo, fields.branch),
        "clone" => format!("{} in {}", fields.commit, seconds(fields.duration_ms)),
        "iter.start" => format!("iteration {}", fields.iter),
        "agent.tool" => format!("{} {}", fields.name, fields.text),
        "agent.retry" => {
            let status = fields.status.as_ref().map(|status| format!(" after {status}"));
            format!("again in {}{}", seconds(fields.delay_ms), status.unwrap_or_default())
        }
        "limit" => {
            let status = fields.status.as_ref().and_then(|s| s.as_str()).unwrap_or_default();
            let resets = fields.resets_at.map(|at| format!(", resets {}", timestamp_text(at)));
            format!("{status}{}", resets.unwrap_or_default())
        }
        "key.rotate" => {
            let to = if fields.to.is_empty() { "none is left" } else { &fields.to };
            format!("{} → {to}{}", fields.from, end(&fields.reason))
        }
        "checkpoint" => {
            let pushed = if fields.pushed == Some(false) { ", not pushed" } else { "" };
            format!("{} → {}{pushed}", fields.commit, fields.branch)
        }
        "iter.end" => {
            let spent = fields.spent_usd.map(|usd| format!(" of ${usd:.4} so far"));
            format!(
                "{}, ${:.4}{}, {}, {} turns {}",
                fields.outcome,
                fields.cost_usd,
                spent.unwrap_or_default(),
                seconds(fields.duration_ms),
                fields.turns,
                fields.commit
            )
        }
        "wait" => format!("until {}{}", timestamp_text(fields.until), end(&fields.reason)),
        "interrupt" => fields.signal.to_string(),
        "run.end" => {
            let exit = fields.exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string());
            format!("{} (exit {exit}){}", fields.reason, end(&fields.text))
        }
        _ => return None,
    })
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
            (r#""type":"iter.start""#, "iter.start        iteration 3"),
            // Not JSON: shown as it is, and nothing panics.
            (r#""type":"agent.text","text":"hello"#, ""),
            (r#""type":"agent.text","text":"hello""#, "agent.text        hello"),
            (r#""type":"agent.text","part":[2,3],"text":"lo""#, "agent.text        [2/3] lo"),
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
                r#""type":"iter.end","outcome":"ok","costUsd":0.5,"spentUsd":1.5,"tokens":{},"turns":4,"durationMs":61000,"commit":"abc""#,
                "iter.end          ok, $0.5000 of $1.5000 so far, 61.0 s, 4 turns abc",
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
