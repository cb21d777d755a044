//! Reading an event: borrowed from its line, so that a delivery of 18,000 of them stays cheap.

use std::borrow::Cow;

use serde::Deserialize;

use super::{MAX_SEQ, Spend, VERSION, kind, timestamp_ms};
use crate::{
    ids::{Run, Workstream},
    link::is_link,
};

/// What every reader needs of an event, whatever its type: unknown types and fields pass.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Envelope<'a> {
    /// Format version.
    pub v: u8,
    /// When, RFC 3339.
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    /// The workstream.
    pub workstream: Workstream,
    /// The run.
    pub run: Run,
    /// From 1 to [`MAX_SEQ`].
    pub seq: u64,
    /// The type's name, one of [`kind`](super::kind) or a newer worker's.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Exit code, in `run.end`.
    #[serde(default)]
    pub exit: Option<u8>,
    /// Why, in `run.end` and `wait`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when, ms since the epoch, in `wait`.
    #[serde(default)]
    pub until: Option<u64>,
}

impl<'a> Envelope<'a> {
    /// Reads a log line; `None` when it is not one of our events (a raw line, then).
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        // Cheap first look: most raw lines are not objects.
        if !line.trim_start().starts_with('{') {
            return None;
        }
        let envelope: Self = serde_json::from_str(line).ok()?;
        (envelope.v == VERSION && (1..=MAX_SEQ).contains(&envelope.seq)).then_some(envelope)
    }

    /// What the event says about what its run has used; `None` when it says nothing about it. `line` is
    /// the event's own; it is read again only where the type is one that can say so.
    #[must_use]
    pub fn spend(&self, line: &str) -> Option<Spend> {
        #[derive(Deserialize)]
        struct End {
            spend: Option<Spend>,
        }
        match self.kind.as_ref() {
            kind::SPEND => serde_json::from_str(line).ok(),
            kind::RUN_END => serde_json::from_str::<End>(line).ok()?.spend,
            _ => None,
        }
    }

    /// The link of the pull request that the event tells of; `None` when it tells of none. `line` as
    /// above.
    #[must_use]
    pub fn pull_request(&self, line: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Opened {
            url: String,
        }
        if self.kind != kind::PULL_REQUEST {
            return None;
        }
        serde_json::from_str(line).ok().map(|Opened { url }| url).filter(|url| is_link(url))
    }

    /// The event's time in ms since the epoch; `None` when `ts` is not RFC 3339.
    #[must_use]
    pub fn ts_ms(&self) -> Option<u64> {
        timestamp_ms(&self.ts)
    }
}

/// What a person is shown of an event: the fields of all types together, each absent or empty where
/// the type does not have it. Read apart from [`Envelope`], because whoever only passes events on
/// must not stumble over a field that a newer worker writes in another form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details<'a> {
    /// When, RFC 3339.
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    /// The iteration, 0 before the first.
    #[serde(default)]
    pub iter: u32,
    /// How much it matters: the text of a [`Level`](super::Level), or a newer worker's.
    #[serde(borrow, default)]
    pub level: Cow<'a, str>,
    /// The type's name, one of [`kind`](super::kind) or a newer worker's.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// `[n, of]` when a longer text was cut into parts.
    #[serde(default)]
    pub part: Option<[u32; 2]>,
    /// What was said.
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    /// Id of the tool call that started the subagent whose line this is; empty: the agent's own.
    #[serde(borrow, default)]
    pub parent: Cow<'a, str>,
    /// A tool's name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Link of a pull request.
    #[serde(borrow, default)]
    pub url: Cow<'a, str>,
    /// Whether a pull request is a draft.
    #[serde(default)]
    pub draft: bool,
    /// Repository.
    #[serde(borrow, default)]
    pub repo: Cow<'a, str>,
    /// Branch.
    #[serde(borrow, default)]
    pub branch: Cow<'a, str>,
    /// Commit.
    #[serde(borrow, default)]
    pub commit: Cow<'a, str>,
    /// How an iteration ended.
    #[serde(borrow, default)]
    pub outcome: Cow<'a, str>,
    /// Why.
    #[serde(borrow, default)]
    pub reason: Cow<'a, str>,
    /// A number in `agent.retry`, a text in `limit`.
    #[serde(default)]
    pub status: Option<serde_json::Value>,
    /// Id of the key that failed.
    #[serde(borrow, default)]
    pub from: Cow<'a, str>,
    /// Id of the next key.
    #[serde(borrow, default)]
    pub to: Cow<'a, str>,
    /// The signal's name.
    #[serde(borrow, default)]
    pub signal: Cow<'a, str>,
    /// Whether a tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// Whether a push succeeded.
    #[serde(default)]
    pub pushed: Option<bool>,
    /// Cost of an iteration, US dollars.
    #[serde(default)]
    pub cost_usd: f64,
    /// In `spend`: cost of the run, US dollars.
    #[serde(default)]
    pub spent_usd: f64,
    /// In `spend`: what the run may cost beyond that, US dollars.
    #[serde(default)]
    pub reserved_usd: f64,
    /// In `spend`: cost of the execution so far, US dollars.
    #[serde(default)]
    pub execution_usd: f64,
    /// In `run.end`.
    #[serde(default)]
    pub spend: Option<Spend>,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: u64,
    /// How long until the next try.
    #[serde(default)]
    pub delay_ms: u64,
    /// Turns the agent took.
    #[serde(default)]
    pub turns: u32,
    /// Until when, ms since the epoch.
    #[serde(default)]
    pub until: u64,
    /// When a limit resets, ms since the epoch.
    #[serde(default)]
    pub resets_at: Option<u64>,
    /// Exit code.
    #[serde(default)]
    pub exit: Option<u8>,
}

impl<'a> Details<'a> {
    /// Reads an event; `None` when it has one of these fields in another form.
    #[must_use]
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of a newer worker: a type, a field and a form of `text` that nobody knows yet.
    const NEW: &str = r#"{"v":1,"ts":"2023-11-14T22:13:20.123Z","workstream":"docs","run":"01ARZ3NDEKTSV4RRFFQ69G5FAV-0001","seq":7,"type":"from.the.future","x":{"y":[]},"text":{"html":"<b>"}}"#;

    #[test]
    fn readers_tolerate_unknown_types_and_fields() {
        let envelope = Envelope::parse(NEW).unwrap();
        assert_eq!((envelope.seq, envelope.ts_ms()), (7, Some(1_700_000_000_123)));
        assert_eq!(Details::parse(NEW), None, "who shows it says so");
        let known = NEW.replace(r#"{"html":"<b>"}"#, r#""b""#);
        let details = Details::parse(&known).unwrap();
        assert_eq!((&*details.kind, &*details.text, details.iter), ("from.the.future", "b", 0));
    }

    #[test]
    fn an_event_is_read_without_a_copy_of_its_texts() {
        let envelope = Envelope::parse(NEW).unwrap();
        assert!(matches!((envelope.ts, envelope.kind), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn what_a_run_has_used_is_read_from_the_two_types_that_say_so() {
        let spend = |kind: &str, rest: &str| {
            let line = NEW.replace("from.the.future", kind).replace(r#""x":{"y":[]}"#, rest);
            Envelope::parse(&line).unwrap().spend(&line).map(|spend| spend.spent_usd)
        };
        let inside = r#""spend":{"spentUsd":2.5}"#;
        assert_eq!(spend("spend", r#""spentUsd":1.5,"new":[]"#), Some(1.5));
        assert_eq!(spend("run.end", inside), Some(2.5));
        assert_eq!(spend("run.end", r#""spentUsd":1.5"#), None, "one that was refused at once");
        assert_eq!(spend("log", inside), None);
        assert_eq!(spend("spend", r#""spentUsd":"much""#), None);
    }

    #[test]
    fn a_pull_request_is_read_from_its_event_if_its_link_may_be_shown() {
        let read = |kind: &str, url: &str| {
            let line = NEW.replace("from.the.future", kind);
            let line = line.replace(r#""x":{"y":[]}"#, &format!(r#""url":{url}"#));
            Envelope::parse(&line).unwrap().pull_request(&line)
        };
        let link = "https://github.com/you/project/pull/7";
        assert_eq!(read("pull_request", &format!("{link:?}")).as_deref(), Some(link));
        assert_eq!(read("log", &format!("{link:?}")), None);
        assert_eq!(read("pull_request", r#""javascript:alert(1)""#), None);
        assert_eq!(read("pull_request", "7"), None);
    }

    #[test]
    fn white_space_around_an_event_does_not_matter() {
        assert_eq!(Envelope::parse(&format!(" {NEW}\r\n")), Envelope::parse(NEW));
    }

    #[test]
    fn what_is_not_our_event_is_a_raw_line() {
        for (part, other) in [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1", "\"v\":257"),
            ("\"v\":1", "\"v\":1,\"v\":1"),
            ("\"v\":1", "\"v\":1,\"exit\":256"),
            ("\"v\":1", "\"v\":1,\"reason\":1"),
            ("\"v\":1", "\"v\":1,\"until\":\"soon\""),
            ("\"seq\":7", "\"seq\":0"),
            ("\"seq\":7", "\"seq\":07"),
            ("\"seq\":7", "\"seq\":\"7\""),
            ("\"seq\":7", "\"seq\":18446744073709551616"),
            ("\"seq\":7,", ""),
            ("docs", "DOCS"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"),
            ("from.the.future", "\\x"),
            ("from.the.future", "\t"),
            ("\"<b>\"}}", "\"<b>\"}"),
            ("\"<b>\"}}", "\"<b>\"}},"),
        ] {
            assert!(NEW.contains(part), "{part}");
            let line = NEW.replacen(part, other, 1);
            assert_eq!(Envelope::parse(&line), None, "{line}");
        }
        for raw in ["", "panic at …", "{", "{}", "[]", "{\"v\":1}"] {
            assert_eq!(Envelope::parse(raw), None, "{raw}");
        }
    }
}
