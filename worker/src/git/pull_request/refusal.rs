//! What GitHub's answers about pull requests mean.

use axum::http::StatusCode;
use ralph_protocol::event::timestamp_ms;
use serde::Deserialize;

use crate::git::github::{Answer, Problem, Why, with};

/// A pull request, as GitHub shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: bool,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    closed_at: Option<String>,
    head: Head,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Head {
    /// `<owner>:<branch>`; null where the owner's account is gone.
    label: Option<String>,
}

impl Pull {
    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    fn closed_ms(&self) -> u64 {
        self.closed_at.as_deref().and_then(timestamp_ms).unwrap_or_default()
    }
}

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// One that is open.
    Open(Pull),
    /// None is open, and the newest of them was closed while the execution was under way.
    ClosedMeanwhile(u64),
    /// None is open, and the newest was closed before.
    ClosedBefore,
    /// There is none.
    Nothing,
}

/// What is among a branch's pull requests, the newest of which comes first. `since` is the beginning
/// of the execution, ms since the epoch.
pub(super) fn find(list: Vec<Pull>, owner: &str, branch: &str, since: u64) -> Found {
    // GitHub shows all there are when it does not understand the filter.
    let ours = |pull: &Pull| {
        pull.head
            .label
            .as_deref()
            .and_then(|label| label.split_once(':'))
            .is_some_and(|(o, b)| o.eq_ignore_ascii_case(owner) && b == branch)
    };
    let mut ours: Vec<Pull> = list.into_iter().filter(ours).collect();
    if let Some(open) = ours.iter().position(Pull::is_open) {
        return Found::Open(ours.swap_remove(open));
    }
    match ours.first() {
        None => Found::Nothing,
        Some(pull) if pull.closed_ms() >= since => Found::ClosedMeanwhile(pull.number),
        Some(_) => Found::ClosedBefore,
    }
}

/// What became of the request to open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened {
    /// It is open.
    Open(Pull),
    /// There is one already.
    Exists(Problem),
    /// The branch holds no commit that the base does not have.
    NoCommits,
}

/// Reads the answer to the request to open a pull request.
pub(super) fn opened(answer: &Answer) -> Result<Opened, Problem> {
    if answer.status == StatusCode::CREATED {
        return read(answer).map(Opened::Open);
    }
    let said = answer.said();
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        if said.contains("No commits between") {
            return Ok(Opened::NoCommits);
        }
        if said.contains("A pull request already exists") {
            return Ok(Opened::Exists(judge(answer)));
        }
    }
    Err(judge(answer))
}

/// Reads an answer that should hold this.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, Problem> {
    if !answer.status.is_success() {
        return Err(judge(answer));
    }
    // Something on the way may have answered instead of GitHub.
    answer.json().ok_or_else(|| {
        Problem::new(Why::Trouble, "GitHub's answer is not what its API says", ELSEWHERE)
    })
}

/// Whether the scopes of a classic token let it open a pull request; `None` for other tokens, of which
/// GitHub says nothing. <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>
pub(super) fn may_write(answer: &Answer) -> Option<bool> {
    let scopes = answer.headers.get("x-oauth-scopes")?.to_str().ok()?;
    if scopes.is_empty() {
        return None;
    }
    let mut scopes = scopes.split(',').map(str::trim);
    Some(scopes.any(|scope| matches!(scope, "repo" | "public_repo")))
}

/// What a refusal means.
pub(super) fn judge(answer: &Answer) -> Problem {
    let said = answer.said();
    if let Some(passing) = answer.passing(&said) {
        return Problem { hint: PASSES.to_owned(), ..passing };
    }
    let problem = |what: &str, hint: &str| Problem::new(Why::Denied, with(what, &said), hint);
    match answer.status.as_u16() {
        401 => problem("GitHub does not accept the token", "`ralph keys set git-token`"),
        403 => problem("the token is not allowed to", GRANT),
        404 => problem("GitHub does not show the repository's pull requests to this token", GRANT),
        422 if said.contains("Draft pull requests are not supported") => problem(
            "the repository cannot have drafts",
            "set `pull_request = \"ready\"`, or `\"none\"`; GitHub's plan for the repository's owner decides who has drafts",
        ),
        422 if said.contains("base invalid") => problem(
            "there is no such branch to merge into",
            "check `base`, or set `pull_request = \"none\"`",
        ),
        300..=399 => problem(
            &format!("GitHub answered {}", answer.status),
            "the repository has moved: check `repo`",
        ),
        _ => problem(&format!("GitHub answered {}", answer.status), NONE),
    }
}

pub(super) const GRANT: &str = "give the token the permission `Pull requests`: read and write (a classic token: the scope `repo`), or set `pull_request = \"none\"`";
const NONE: &str = "`pull_request = \"none\"` opens none";
const PASSES: &str = "nothing has to be done; the next run tries again";
const ELSEWHERE: &str =
    "check `host` in the secret git-token, and what stands between the task and GitHub";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pull(number: u64, state: &str, label: impl Into<Value>, closed: &str) -> Pull {
        let label = label.into();
        serde_json::from_value(json!({
            "number": number, "state": state, "draft": true, "body": null,
            "closed_at": closed, "head": {"label": label, "ref": "x"},
        }))
        .unwrap()
    }

    #[test]
    fn what_a_look_finds() {
        const SINCE: u64 = 1_800_000_000_000; // 2027-01-15T08:00:00Z
        let (before, after) = ("2027-01-15T07:59:59Z", "2027-01-15T08:00:00Z");
        let open = |number| pull(number, "open", "you:ralph/docs", "");
        let closed = |number, at| pull(number, "closed", "you:ralph/docs", at);
        for (list, found) in [
            (vec![], Found::Nothing),
            (vec![open(7)], Found::Open(open(7))),
            (vec![closed(8, after), open(7)], Found::Open(open(7))),
            (vec![closed(8, after), closed(7, before)], Found::ClosedMeanwhile(8)),
            (vec![closed(8, before), closed(7, after)], Found::ClosedBefore),
            (vec![closed(8, "never")], Found::ClosedBefore),
            (vec![pull(7, "open", "You:ralph/docs", "")], {
                Found::Open(pull(7, "open", "You:ralph/docs", ""))
            }),
            (vec![pull(7, "open", "fork:ralph/docs", "")], Found::Nothing),
            (vec![pull(7, "open", "you:ralph/docs2", "")], Found::Nothing),
            (vec![pull(7, "open", "", ""), open(6)], Found::Open(open(6))),
            (vec![pull(7, "open", Value::Null, ""), open(6)], Found::Open(open(6))),
        ] {
            assert_eq!(find(list.clone(), "you", "ralph/docs", SINCE), found, "{list:?}");
        }
    }

    fn failed(message: &str) -> Value {
        let error = json!({"resource": "PullRequest", "code": "custom", "message": message});
        json!({"message": "Validation Failed", "errors": [error]})
    }

    #[test]
    fn what_an_answer_to_a_new_pull_request_means() {
        let exists = failed("A pull request already exists for you:ralph/docs.");
        let no_commits = failed("No commits between main and ralph/docs");
        let answer = Answer::new(422, &[], &exists);
        assert!(matches!(opened(&answer), Ok(Opened::Exists(_))));
        assert_eq!(opened(&Answer::new(422, &[], &no_commits)), Ok(Opened::NoCommits));
        let new = json!({"number": 7, "state": "open", "head": {"label": "you:x"}});
        let read = opened(&Answer::new(201, &[], &new));
        assert!(matches!(read, Ok(Opened::Open(Pull { number: 7, draft: false, .. }))), "{read:?}");
        for body in [json!("<html>"), json!({"number": "7"}), json!([])] {
            assert_eq!(opened(&Answer::new(201, &[], &body)).unwrap_err().why, Why::Trouble);
        }
    }

    #[test]
    fn what_the_scopes_of_a_token_allow() {
        for (headers, may) in [
            (&[][..], None),
            (&[("x-oauth-scopes", "repo")], Some(true)),
            (&[("x-oauth-scopes", "gist, public_repo")], Some(true)),
            (&[("x-oauth-scopes", "repo:status, gist")], Some(false)),
            (&[("x-oauth-scopes", "")], None),
        ] {
            assert_eq!(may_write(&Answer::new(200, headers, &json!([]))), may, "{headers:?}");
        }
    }

    #[test]
    fn what_a_refusal_means() {
        let base = json!({"resource": "PullRequest", "field": "base", "code": "invalid"});
        let base = json!({"message": "Validation Failed", "errors": [base]});
        let drafts = "Draft pull requests are not supported in this repository.";
        let said = |message: &str| json!({ "message": message });
        let limit = "You have exceeded a secondary rate limit.";
        let scope = "Resource not accessible by personal access token";
        for (status, body, passes, found) in [
            (401, said("Bad credentials"), false, ["not accept the token", "ralph keys set"]),
            (403, said(scope), false, [scope, "`Pull requests`: read and write"]),
            (404, said("Not Found"), false, ["does not show", "the scope `repo`"]),
            (403, said(limit), true, [limit, "nothing has to be done"]),
            (429, said(""), true, ["too many requests", "nothing has to be done"]),
            (422, base, false, ["no such branch to merge into (Validation", "check `base`"]),
            (422, failed(drafts), false, ["cannot have drafts", "`pull_request = \"ready\"`"]),
            (422, said(drafts), false, ["cannot have drafts", "`pull_request = \"ready\"`"]),
            (422, failed("odd"), false, ["422 Unprocessable", "`pull_request = \"none\"`"]),
            (301, said("Moved Permanently"), false, ["GitHub answered 301", "check `repo`"]),
            (500, said(""), true, ["GitHub answered 500", "nothing has to be done"]),
            (503, json!("<html>"), true, ["GitHub answered 503", "nothing has to be done"]),
        ] {
            let problem = judge(&Answer::new(status, &[], &body));
            let text = format!("{} | {}", problem.text, problem.hint);
            assert_eq!(problem.why.passes(), passes, "{text}");
            for part in found {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
