//! GitHub's REST API: one request, one answer. Redirects are not followed, so that a token is shown
//! to the API's host alone.

use std::{
    sync::OnceLock,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use ralph_protocol::secret::GITHUB;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::gateway::{self, Client};

/// How long GitHub may take for one answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Largest answer that is read: ten pull requests with the longest texts that GitHub takes.
pub(super) const MAX_ANSWER: usize = 4 << 20;

/// How much of what GitHub says goes into an error, characters.
const SAID: usize = 300;

/// <https://docs.github.com/en/rest/about-the-rest-api/api-versions>
const API_VERSION: &str = "2022-11-28";

pub(super) const HOST: &str =
    "check `host` in the secret git-token, and that the task can reach it";
pub(super) const LATER: &str = "start again later";
const CERTIFICATES: &str = "the image needs the certificates of public authorities";

/// What kind of problem GitHub has with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is not allowed.
    Denied,
    /// There were too many requests.
    Limited,
    /// GitHub itself is in trouble.
    Trouble,
    /// Nobody answers.
    Silence,
    /// Something else.
    Other,
}

impl Why {
    /// Whether the same request can go well later.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Limited | Self::Trouble | Self::Silence)
    }
}

/// A problem with a request: its kind, what happened, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) why: Why,
    pub(super) text: String,
    pub(super) hint: String,
}

impl Problem {
    pub(super) fn new(why: Why, text: impl Into<String>, hint: &str) -> Self {
        Self { why, text: text.into(), hint: hint.to_owned() }
    }
}

/// The API of one host.
pub(super) struct Api {
    /// Without a slash at its end.
    url: String,
    client: OnceLock<Client>,
}

/// An answer, read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Api {
    /// The API of the host that has a repository on this port.
    pub(super) fn of(host: &str, port: Option<u16>) -> Self {
        Self { url: api_of(host, port), client: OnceLock::new() }
    }

    /// Asks with a token or a JWT.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Problem> {
        let odd = |text: String| Problem::new(Why::Other, text, HOST);
        let silent = |text: String| Problem::new(Why::Silence, text, HOST);
        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let client = gateway::client().map_err(|error| {
                    Problem::new(Why::Other, format!("no certificates: {error}"), CERTIFICATES)
                })?;
                self.client.get_or_init(|| client)
            }
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {bearer}"))
            .map_err(|error| odd(error.to_string()))?;
        bearer.set_sensitive(true);
        // What is searched for says nothing to a person.
        let url = format!("{}{}", self.url, path.split('?').next().unwrap_or_default());
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::USER_AGENT, concat!("ralph-loop-cloud/", env!("CARGO_PKG_VERSION")))
            .header("x-github-api-version", API_VERSION);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|error| odd(error.to_string()))?;
        let whole = async {
            let answer = client.request(request).await.map_err(|error| {
                silent(format!("{url} cannot be reached: {}", gateway::causes(&error)))
            })?;
            let (head, body) = answer.into_parts();
            let body = to_bytes(Body::new(body), MAX_ANSWER).await.map_err(|error| {
                silent(format!("GitHub's answer cannot be read: {}", gateway::causes(&error)))
            })?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_vec() })
        };
        tokio::time::timeout(PATIENCE, whole).await.unwrap_or_else(|_| {
            Err(silent(format!("{url} did not answer within {} s", PATIENCE.as_secs())))
        })
    }
}

impl Answer {
    /// Its content; `None` when it has another shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What GitHub says about an error, on one line: the message, and what is wrong with which field.
    pub(super) fn said(&self) -> String {
        let said: Value = self.json().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let wrong = |error: &Value| match error.get("message") {
            Some(message) => text(message),
            // `{"resource": …, "field": "base", "code": "invalid"}`
            None if error.is_object() => {
                format!("{} {}", text(&error["field"]), text(&error["code"])).trim().to_owned()
            }
            None => text(error),
        };
        let errors = said["errors"].as_array().into_iter().flatten().map(wrong);
        let parts = [text(&said["message"])].into_iter().chain(errors);
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(": ").chars().filter(|c| !c.is_control()).take(SAID).collect()
    }

    /// The problem, when it passes by itself: too many requests
    /// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>), or GitHub
    /// in trouble.
    pub(super) fn passing(&self, said: &str) -> Option<Problem> {
        let words = said.to_ascii_lowercase();
        let limited = self.headers.contains_key(header::RETRY_AFTER)
            || self.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0")
            || ["rate limit", "abuse detection"].iter().any(|sign| words.contains(sign));
        let (why, what) = match self.status.as_u16() {
            429 => (Why::Limited, "GitHub has had too many requests".to_owned()),
            403 if limited => (Why::Limited, "GitHub has had too many requests".to_owned()),
            500..=599 => (Why::Trouble, format!("GitHub answered {}", self.status)),
            _ => return None,
        };
        Some(Problem::new(why, with(&what, said), LATER))
    }

    /// How long GitHub wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let secs = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(secs))
    }

    /// The time at which it was made, ms since the epoch.
    pub(super) fn date_ms(&self) -> Option<u64> {
        let date = self.headers.get(header::DATE)?.to_str().ok()?;
        let since = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }
}

/// What happened, and what GitHub says about it.
pub(super) fn with(what: &str, said: &str) -> String {
    if said.is_empty() { what.to_owned() } else { format!("{what} ({said})") }
}

/// Whether a host belongs to GitHub: github.com, or Enterprise Cloud with data residency.
/// <https://docs.github.com/en/enterprise-cloud@latest/admin/data-residency/about-github-enterprise-cloud-with-data-residency>
pub(super) fn is_github(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == GITHUB || host.ends_with(".ghe.com")
}

/// Where a host has its API: GitHub's own on a host of its own, Enterprise Server beside the
/// repositories, on their port. Without a slash at its end.
fn api_of(host: &str, port: Option<u16>) -> String {
    let host = host.to_ascii_lowercase();
    if is_github(&host) {
        return format!("https://api.{host}");
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("https://{host}{port}/api/v3")
}

/// A repository's owner and name.
pub(super) fn owner_and_name(repo: &Url) -> Option<(String, String)> {
    let mut parts = repo.path().split('/').filter(|part| !part.is_empty());
    let (owner, name, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
    let name = name.strip_suffix(".git").unwrap_or(name);
    // GitHub takes no others, and a link holds them as they are.
    let plain = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        !matches!(part, "" | "." | "..") && part.bytes().all(allowed)
    };
    (plain(owner) && plain(name)).then(|| (owner.to_owned(), name.to_owned()))
}

#[cfg(test)]
impl Answer {
    /// An answer with these header fields.
    pub(super) fn new(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        let field = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), value.parse().unwrap())
        };
        let headers = headers.iter().map(field).collect();
        Self { status, headers, body: body.to_string().into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn where_a_host_has_its_api() {
        for (host, port, expected) in [
            ("github.com", None, "https://api.github.com"),
            ("GitHub.com", None, "https://api.github.com"),
            ("octo.ghe.com", None, "https://api.octo.ghe.com"),
            ("git.example", None, "https://git.example/api/v3"),
            ("git.example", Some(8443), "https://git.example:8443/api/v3"),
            ("github.com.example", None, "https://github.com.example/api/v3"),
            ("ghe.com.example", None, "https://ghe.com.example/api/v3"),
        ] {
            assert_eq!(api_of(host, port), expected);
        }
    }

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        for (repo, expected) in [
            ("https://h/you/p", Some(("you", "p"))),
            ("https://h/you/p.git", Some(("you", "p"))),
            ("https://h:1/You/my.p_x-1.git/", Some(("You", "my.p_x-1"))),
            ("https://h/p", None),
            ("https://h/a/b/c", None),
            ("https://h/you/.git", None),
            ("https://h/you/a%20b", None),
            ("https://h/you/a(b)", None),
            ("https://h/", None),
        ] {
            let found = owner_and_name(&repo.parse().unwrap());
            let found = found.as_ref().map(|(owner, name)| (owner.as_str(), name.as_str()));
            assert_eq!(found, expected, "{repo}");
        }
    }

    #[test]
    fn what_github_says_is_cut_and_has_one_line() {
        let invalid = json!({"resource": "PullRequest", "field": "base", "code": "invalid"});
        let custom = json!({"resource": "PullRequest", "code": "custom", "message": "No commits"});
        for (body, said) in [
            (json!({"message": "Not Found"}), "Not Found"),
            (json!({"message": "Failed", "errors": [invalid]}), "Failed: base invalid"),
            (json!({"message": "Failed", "errors": [custom]}), "Failed: No commits"),
            (json!({"message": "a\nb", "errors": ["x\u{1b}"]}), "ab: x"),
            (json!({"message": 7, "errors": {"a": 1}}), ""),
            (json!([1]), ""),
        ] {
            assert_eq!(Answer::new(422, &[], &body).said(), said);
        }
        let long = json!({"message": "x".repeat(10_000)});
        assert_eq!(Answer::new(422, &[], &long).said().len(), SAID);
    }

    #[test]
    fn which_refusals_pass() {
        let none: &[(&'static str, &str)] = &[];
        for (status, headers, message, why) in [
            (403, none, "You have exceeded a secondary rate limit", Some(Why::Limited)),
            (403, &[("x-ratelimit-remaining", "0")], "", Some(Why::Limited)),
            (403, &[("retry-after", "60")], "", Some(Why::Limited)),
            (403, &[("x-ratelimit-remaining", "10")], "Forbidden", None),
            (429, none, "", Some(Why::Limited)),
            (502, none, "rate limit", Some(Why::Trouble)),
            (401, none, "", None),
            (404, none, "rate limit", None),
            (422, none, "", None),
        ] {
            let answer = Answer::new(status, headers, &json!({"message": message}));
            let found = answer.passing(&answer.said()).map(|problem| problem.why);
            assert_eq!(found, why, "{status} {message}");
        }
    }
}
