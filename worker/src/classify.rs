//! How an attempt ended, decided from what the agent and the service say in their own channels:
//! the result line, `assistant.error`, `rate_limit_event`, `api_retry`, the exit status. Never
//! from the text of a tool, which anybody can write.

use std::time::Duration;

use crate::{
    agent::stream::{ResultLine, Transcript},
    machine::Outcome,
};

/// Why the worker stopped the agent itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// A signal or the duration limit.
    ByRequest,
    /// The iteration's time was over.
    TooLong,
    /// It said nothing for too long.
    Silent,
    /// Every key is refused.
    NoKey,
    /// It gave its result, had nothing under way, and neither ended nor said anything.
    Lingered,
}

/// What the gateway knows: it saw the service's own answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateway {
    /// The agent has sent it a request.
    pub asked: bool,
    /// It refused a request because the cost limit is reached.
    pub over_budget: bool,
    /// Every key is refused (authentication or billing).
    pub no_key: bool,
    /// Every key that works is limited until then, ms since the epoch.
    pub limited_until: Option<u64>,
}

/// Everything known about an attempt's end.
#[derive(Debug, Clone)]
pub struct End<'a> {
    /// What stdout said.
    pub transcript: &'a Transcript,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Why the worker stopped it, if it did.
    pub stopped: Option<Stopped>,
    /// Something went on in the background when it was stopped. The agent ends that first, so its
    /// stream does not show it in the end.
    pub with_tasks: bool,
    /// What the gateway knows.
    pub gateway: Gateway,
    /// How it began.
    pub start: Start,
}

/// What tells a program that refuses to start from one that fails at its work.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// No attempt of the run before it has begun its work.
    pub is_first: bool,
    /// The command asks for stream-json.
    pub wants_json: bool,
    /// How long the program ran.
    pub took: Duration,
    /// The end of what it wrote.
    pub last_words: String,
}

/// Longest that a program takes to look at its arguments and refuse them.
const REFUSES_WITHIN: Duration = Duration::from_secs(10);

/// The outcome.
#[must_use]
pub fn classify(end: &End) -> Outcome {
    if let Some(outcome) = by_stop(end) {
        return outcome;
    }
    let transcript = end.transcript;
    // An agent that died in a turn has said nothing about it, whatever it said before.
    let died = transcript.open_turns > 0 && end.code != Some(0);
    match transcript.result.as_ref().filter(|_| !died) {
        Some(result) if result.is_good() => Outcome::Ok,
        Some(result) => by_result(result, end),
        None => without_result(end),
    }
}

/// A stop cuts an agent off, unless it had given its last result. Then one that it did not cause
/// itself leaves a good end good.
fn by_stop(end: &End) -> Option<Outcome> {
    let cut_off = end.with_tasks || end.transcript.under_way();
    let result = end.transcript.result.as_ref().filter(|_| !cut_off);
    match (end.stopped?, result) {
        (Stopped::ByRequest, None) => Some(Outcome::Interrupted),
        (Stopped::NoKey, None) => Some(no_key("")),
        (Stopped::ByRequest | Stopped::NoKey, Some(_)) => None,
        (Stopped::TooLong, None) => {
            Some(Outcome::Timeout("the iteration took too long and was stopped".to_owned()))
        }
        (Stopped::Silent, None) => {
            Some(Outcome::Timeout("the agent said nothing for too long and was stopped".to_owned()))
        }
        // Something more began while it was being stopped.
        (Stopped::Lingered, None) => Some(Outcome::Timeout(
            "the agent went on after its result when it was already being stopped".to_owned(),
        )),
        (_, Some(result)) => result.is_good().then_some(Outcome::Partial),
    }
}

fn by_result(result: &ResultLine, end: &End) -> Outcome {
    if end.gateway.over_budget {
        return Outcome::Budget;
    }
    match result.subtype.as_str() {
        // The budget given to one call is what the run has left.
        "error_max_budget_usd" => return Outcome::Budget,
        "error_max_turns" => return Outcome::Partial,
        _ => {}
    }
    failure(end, &result.text, result.api_error_status)
}

fn without_result(end: &End) -> Outcome {
    if end.gateway.over_budget {
        return Outcome::Budget;
    }
    if !end.transcript.speaks_json {
        return match end.code {
            Some(0) => Outcome::Ok,
            Some(126 | 127) => {
                Outcome::Configuration("the agent's program cannot be run".to_owned())
            }
            Some(code) if refused(code, end) => Outcome::Configuration(format!(
                "the agent refuses to start (code {code})\nhint: check RALPH_AGENT_COMMAND\n{}",
                end.start.last_words
            )),
            code => crash(code),
        };
    }
    if end.transcript.assistant_error.is_some() || end.gateway.no_key {
        return failure(end, "", None);
    }
    crash(end.code)
}

/// The next attempt would end in the same way: the program was told to write stream-json, and ended at
/// once by itself without a line of it and without a request, and so did each before it. Codes from 128
/// on are a shell's names for signals.
fn refused(code: i32, end: &End) -> bool {
    let by_itself = end.stopped.is_none() && code < 128;
    let Start { is_first, wants_json, took, .. } = end.start;
    by_itself && is_first && wants_json && !end.gateway.asked && took < REFUSES_WITHIN
}

fn crash(code: Option<i32>) -> Outcome {
    Outcome::Crash(match code {
        Some(code) => format!("the agent ended with code {code} and no result"),
        None => "the agent was killed by a signal and gave no result".to_owned(),
    })
}

fn no_key(text: &str) -> Outcome {
    Outcome::NoKey(format!("the service refuses every key\nhint: `ralph keys set`\n{text}"))
}

/// A failure of the service, by its status first, then by the name the agent gives it.
fn failure(end: &End, text: &str, status: Option<u16>) -> Outcome {
    let text: String = text.chars().take(500).collect();
    let transcript = end.transcript;
    let name = transcript.assistant_error.as_deref().unwrap_or_default();
    if end.gateway.no_key {
        return no_key(&text);
    }
    let limited = transcript.limit.as_ref().filter(|limit| limit.status == "rejected");
    match (status, name) {
        (Some(401 | 403), _) | (_, "authentication_failed" | "oauth_org_not_allowed") => {
            Outcome::NoKey(format!("the service refuses the key: {text}\nhint: `ralph keys set`"))
        }
        (Some(402), _) | (_, "billing_error") => {
            Outcome::NoKey(format!("the key's account cannot pay: {text}\nhint: `ralph keys set`"))
        }
        (Some(404), _) | (_, "model_not_found") => {
            Outcome::Configuration(format!("the service does not know the model: {text}"))
        }
        // The gateway knows every key's limit, the agent only that of the answer it was shown.
        (Some(429), _) | (_, "rate_limit") => Outcome::RateLimited(
            end.gateway.limited_until.or(limited.and_then(|limit| limit.resets_at)),
        ),
        (Some(500..), _) | (_, "overloaded" | "server_error" | "unknown" | "max_output_tokens") => {
            Outcome::Transient(format!("the service failed: {text}"))
        }
        (Some(400), _) | (_, "invalid_request") => {
            Outcome::Crash(format!("the service refused the request: {text}"))
        }
        _ if limited.is_some() => Outcome::RateLimited(limited.and_then(|limit| limit.resets_at)),
        // No status: the request never got an answer.
        (None, "") if transcript.retry_status.is_some() => {
            Outcome::Transient(format!("the service failed: {text}"))
        }
        _ => Outcome::Crash(format!("the agent ended with an error: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str], code: Option<i32>, stopped: Option<Stopped>) -> &'static str {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.take(line.as_bytes());
        }
        let end = End { code, stopped, ..end_of(&transcript, Gateway::default()) };
        classify(&end).name()
    }

    const OK: &str = r#"{"type":"result","subtype":"success","is_error":false}"#;
    const INIT: &str = r#"{"type":"system","subtype":"init"}"#;
    const TASK: &str =
        r#"{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b1"}]}"#;
    const NO_TASK: &str = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[]}"#;

    fn api(status: u16) -> String {
        format!(
            r#"{{"type":"result","subtype":"success","is_error":true,"api_error_status":{status},"result":"API Error"}}"#
        )
    }

    fn named(error: &str) -> String {
        format!(r#"{{"type":"assistant","error":"{error}","message":{{"content":[]}}}}"#)
    }

    #[test]
    fn outcomes() {
        use Stopped::{ByRequest, Lingered, NoKey, Silent, TooLong};
        let error = r#"{"type":"result","subtype":"success","is_error":true,"result":"x"}"#;
        let limit =
            r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":9}}"#;
        let warning = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":9}}"#;
        let echoed = r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"429 rate limit, authentication_failed"}]}}"#;
        type Case<'a> = (&'a [&'a str], Option<i32>, Option<Stopped>, &'a str);
        let cases: &[Case] = &[
            (&[INIT, OK], Some(0), None, "ok"),
            (&[INIT, OK], Some(1), None, "ok"),
            (&[INIT, OK], None, Some(Lingered), "partial"),
            (&[INIT, OK], None, Some(TooLong), "partial"),
            (&[INIT, &api(529)], None, Some(Lingered), "transient"),
            (&[INIT, OK], None, Some(ByRequest), "ok"),
            // A task in the background, and the turn that its end begins.
            (&[INIT, TASK, OK], None, Some(Silent), "timeout"),
            (&[INIT, TASK, OK], None, Some(TooLong), "timeout"),
            (&[INIT, TASK, OK], None, Some(ByRequest), "interrupted"),
            (&[INIT, TASK, OK, NO_TASK], None, Some(Lingered), "partial"),
            (&[INIT, TASK, OK, NO_TASK, INIT], None, Some(Lingered), "timeout"),
            (&[INIT, TASK, OK, NO_TASK, INIT], None, Some(Silent), "timeout"),
            (&[INIT, TASK, OK, NO_TASK, INIT], None, Some(ByRequest), "interrupted"),
            (&[INIT, TASK, OK, NO_TASK, INIT], None, None, "crash"),
            (&[INIT, TASK, OK, NO_TASK, INIT, OK], None, Some(Lingered), "partial"),
            (&[INIT, TASK, OK, NO_TASK, INIT, OK], Some(0), None, "ok"),
            (&[INIT, TASK, OK, NO_TASK, INIT, &api(529)], Some(1), None, "transient"),
            // Results that were held back until a helper had ended.
            (&[INIT, TASK, NO_TASK, INIT, OK, OK], Some(0), None, "ok"),
            (&[INIT, TASK, NO_TASK, INIT, OK], None, Some(Silent), "timeout"),
            (&[INIT, INIT, OK], Some(0), None, "ok"),
            (&[INIT, warning, OK], Some(0), None, "ok"),
            (&[INIT, echoed, OK], Some(0), None, "ok"),
            (&[INIT, echoed], Some(1), None, "crash"),
            (&[INIT], Some(143), Some(ByRequest), "interrupted"),
            (&[INIT], None, Some(TooLong), "timeout"),
            (&[INIT], None, Some(Silent), "timeout"),
            (&[INIT], Some(143), Some(NoKey), "noKey"),
            (&["plain"], Some(143), Some(NoKey), "noKey"),
            (&[INIT, OK], None, Some(NoKey), "ok"),
            (&[INIT, TASK, OK], None, Some(NoKey), "noKey"),
            (&[INIT], Some(0), None, "crash"),
            (&[INIT], None, None, "crash"),
            (&[], Some(0), None, "ok"),
            (&["plain"], Some(0), None, "ok"),
            (&["plain"], Some(2), None, "crash"),
            (&[], Some(127), None, "configuration"),
            (&[INIT, &api(401)], Some(1), None, "noKey"),
            (&[INIT, &api(403)], Some(1), None, "noKey"),
            (&[INIT, &api(402)], Some(1), None, "noKey"),
            (&[INIT, &api(404)], Some(1), None, "configuration"),
            (&[INIT, &api(429)], Some(1), None, "limit"),
            (&[INIT, &api(500)], Some(1), None, "transient"),
            (&[INIT, &api(529)], Some(1), None, "transient"),
            (&[INIT, &api(529)], Some(0), None, "transient"),
            (&[INIT, &named("billing_error"), error], Some(1), None, "noKey"),
            (&[INIT, &named("overloaded"), error], Some(1), None, "transient"),
            (&[INIT, &named("model_not_found"), error], Some(1), None, "configuration"),
            (&[INIT, &named("rate_limit"), error], Some(1), None, "limit"),
            (&[INIT, &named("rate_limit")], Some(1), None, "limit"),
            (&[INIT, limit, error], Some(1), None, "limit"),
            (&[INIT, error], Some(1), None, "crash"),
            (
                &[INIT, r#"{"type":"result","subtype":"error_max_turns","is_error":true}"#],
                Some(1),
                None,
                "partial",
            ),
            (
                &[INIT, r#"{"type":"result","subtype":"error_max_budget_usd","is_error":true}"#],
                Some(1),
                None,
                "budget",
            ),
            (
                &[INIT, r#"{"type":"result","subtype":"error_during_execution","is_error":true}"#],
                Some(1),
                None,
                "crash",
            ),
        ];
        for (lines, code, stopped, expected) in cases {
            assert_eq!(
                outcome(lines, *code, *stopped),
                *expected,
                "{lines:?} {code:?} {stopped:?}"
            );
        }
    }

    #[test]
    fn a_limit_lasts_as_long_as_the_service_says() {
        let mut transcript = Transcript::default();
        transcript.take(br#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1700000000}}"#);
        transcript.take(api(429).as_bytes());
        let end = end_of(&transcript, Gateway::default());
        assert_eq!(classify(&end), Outcome::RateLimited(Some(1_700_000_000_000)));
    }

    #[test]
    fn the_gateway_outranks_the_agent() {
        let mut transcript = Transcript::default();
        transcript.take(api(400).as_bytes());
        let over_budget = Gateway { over_budget: true, ..Gateway::default() };
        assert_eq!(classify(&end_of(&transcript, over_budget)), Outcome::Budget);
        transcript.take(br#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1700000000}}"#);
        transcript.take(api(429).as_bytes());
        let other = Gateway { limited_until: Some(7), ..Gateway::default() };
        assert_eq!(classify(&end_of(&transcript, other)), Outcome::RateLimited(Some(7)));
        let no_key = Gateway { no_key: true, ..Gateway::default() };
        assert_eq!(classify(&end_of(&transcript, no_key)).name(), "noKey");
    }

    fn end_of(transcript: &Transcript, gateway: Gateway) -> End<'_> {
        End {
            transcript,
            code: Some(1),
            stopped: None,
            with_tasks: false,
            gateway,
            start: Start::default(),
        }
    }

    #[test]
    fn what_is_ended_in_the_background_was_under_way() {
        use Stopped::{ByRequest, NoKey, Silent, TooLong};
        let mut transcript = Transcript::default();
        for line in [INIT, TASK, OK, NO_TASK] {
            transcript.take(line.as_bytes());
        }
        for (stopped, expected) in [
            (ByRequest, "interrupted"),
            (NoKey, "noKey"),
            (Silent, "timeout"),
            (TooLong, "timeout"),
        ] {
            let end = end_of(&transcript, Gateway::default());
            let end = End { stopped: Some(stopped), with_tasks: true, code: None, ..end };
            assert_eq!(classify(&end).name(), expected);
        }
    }

    #[test]
    fn a_program_that_refuses_to_start_is_told_from_one_that_fails() {
        let asked = || Gateway { asked: true, ..Gateway::default() };
        let silent = Gateway::default;
        type Case<'a> = (&'a [&'a str], Option<i32>, bool, Gateway, u64, &'a str);
        let cases: &[Case] = &[
            (&[], Some(1), true, silent(), 1, "configuration"),
            (&["error: unknown option"], Some(1), true, silent(), 1, "configuration"),
            // A program that need not speak stream-json may fail as it likes.
            (&[], Some(1), false, silent(), 1, "crash"),
            // It was at work.
            (&[INIT], Some(1), true, silent(), 1, "crash"),
            (&[], Some(1), true, asked(), 1, "crash"),
            (&[], Some(1), true, silent(), 11, "crash"),
            // It did not refuse: it was killed.
            (&[], None, true, silent(), 1, "crash"),
            (&[], Some(137), true, silent(), 1, "crash"),
            (&[], Some(0), true, silent(), 1, "ok"),
        ];
        for (lines, code, wants_json, gateway, seconds, expected) in cases {
            let mut transcript = Transcript::default();
            lines.iter().for_each(|line| drop(transcript.take(line.as_bytes())));
            let start = Start {
                is_first: true,
                wants_json: *wants_json,
                took: Duration::from_secs(*seconds),
                last_words: "unknown option `--x`".to_owned(),
            };
            let mut end = End { code: *code, start, ..end_of(&transcript, gateway.clone()) };
            let outcome = classify(&end);
            assert_eq!(outcome.name(), *expected, "{lines:?} {code:?} {seconds} s");
            let says = outcome.text().unwrap_or_default().contains("unknown option `--x`");
            assert_eq!(says, *expected == "configuration");
            // What has worked before is not wrong now.
            end.start.is_first = false;
            assert_ne!(classify(&end).name(), "configuration");
        }
    }
}
