//! What git shows the remote: a token as it was set, or one that GitHub gives an App for an hour.
//!
//! An App's token is asked for when a git command needs one, kept, and asked for again before it
//! expires, or once after the remote refused it. Its private key and the JWTs that it signs stay in
//! this process and go to GitHub's API alone.

use std::{
    ffi::OsStr,
    path::Path,
    time::{Duration, Instant},
};

use axum::http::{Method, StatusCode};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ralph_protocol::{
    event::timestamp_ms,
    secret::{GitCredential, GitToken, GithubApp, Value},
};
use ring::{rand::SystemRandom, signature::RSA_PKCS1_SHA256};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use super::{
    Checkout,
    github::{Answer, Api, HOST, Problem, Why, owner_and_name, with},
    run::{GitError, Patience, first},
};
use crate::{journal::now_ms, machine::Failure, redact::Redactor};

/// The user that GitHub expects beside an installation's token.
const USERNAME: &str = "x-access-token";

/// A token with less time left is not used any more: a push may take that long.
const SPARE: Duration = Duration::from_secs(600);

/// What a token may do. GitHub has no smaller permission to push.
const PERMISSIONS: [(&str, &str); 2] = [("contents", "write"), ("pull_requests", "write")];

/// The clocks may differ by this much, seconds: what GitHub recommends for `iat`
/// (<https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>).
const LEEWAY_SECS: u64 = 60;

/// GitHub takes a JWT that expires at most 600 s ahead of its own clock.
const LIFETIME_SECS: u64 = 600 - LEEWAY_SECS;

/// What git shows one host.
pub struct Credential(Kind);

enum Kind {
    Token(GitCredential),
    App(Box<App>),
}

/// An installation of a GitHub App.
struct App {
    app: GithubApp,
    api: Api,
    /// The installation in GitHub's API.
    path: String,
    /// The only repository that tokens are for, without its owner.
    repository: String,
    redactor: Redactor,
    token: Mutex<Option<Token>>,
}

/// A token of an installation.
#[derive(Clone)]
struct Token {
    value: Value,
    /// When it expires. Counted from the answer's own date, so that the machine's clock does not
    /// matter.
    until: Instant,
}

/// GitHub's answer with a token.
#[derive(Deserialize)]
struct Created {
    token: Value,
    expires_at: String,
}

/// What GitHub knows about an installation.
#[derive(Deserialize)]
struct Installation {
    permissions: std::collections::BTreeMap<String, String>,
}

impl Credential {
    /// `None` for a public repository.
    #[must_use]
    pub fn new(token: &GitToken, repo: &Url, redactor: &Redactor) -> Option<Self> {
        let kind = match token {
            GitToken::Public(_) => return None,
            GitToken::Token(credential) => Kind::Token(credential.clone()),
            GitToken::App(app) => Kind::App(Box::new(App {
                api: Api::of(&app.host, repo.port()),
                path: format!("/app/installations/{}", app.installation_id),
                repository: owner_and_name(repo).map(|(_, name)| name).unwrap_or_default(),
                app: app.clone(),
                redactor: redactor.clone(),
                token: Mutex::default(),
            })),
        };
        Some(Self(kind))
    }

    /// User and token for the next git command, or question to GitHub's API.
    ///
    /// # Errors
    /// [`GitError::NoToken`].
    pub(super) async fn login(&self) -> Result<GitCredential, GitError> {
        match &self.0 {
            Kind::Token(credential) => Ok(credential.clone()),
            Kind::App(app) => Ok(GitCredential {
                host: app.app.host.clone(),
                username: USERNAME.to_owned(),
                token: app.token().await?.value,
            }),
        }
    }

    /// The remote refused this one. Whether there can be another.
    async fn forget(&self, refused: &GitCredential) -> bool {
        let Kind::App(app) = &self.0 else { return false };
        app.token.lock().await.take_if(|token| token.value == refused.token);
        true
    }

    /// Whether it is a GitHub App's.
    pub(super) fn is_app(&self) -> bool {
        matches!(self.0, Kind::App(_))
    }
}

impl Checkout {
    /// A git command that talks to the remote, from a repository of our own making.
    pub(super) async fn remote<A: AsRef<OsStr>>(
        &self,
        dir: &Path,
        patience: Patience,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        let args: Vec<A> = args.into_iter().collect();
        let run = async |credential: Option<&GitCredential>| {
            self.git.remote(dir, &self.repo, credential, patience, &args).await
        };
        self.logged_in(patience, &first(&args), run).await
    }

    /// Runs a command of this name with what the remote wants to see; once more when the remote does
    /// not know a token that it has given itself. The patience is for all of it.
    pub(super) async fn logged_in(
        &self,
        patience: Patience,
        name: &str,
        run: impl AsyncFn(Option<&GitCredential>) -> Result<Vec<u8>, GitError>,
    ) -> Result<Vec<u8>, GitError> {
        let Some(credential) = &self.credential else { return run(None).await };
        let whole = async {
            let login = credential.login().await?;
            match run(Some(&login)).await {
                Err(error) if error.is_unauthorized() && credential.forget(&login).await => {
                    run(Some(&credential.login().await?)).await
                }
                done => done,
            }
        };
        self.git.within(patience, name, whole).await
    }

    /// Gets a token if the credential is a GitHub App's, and says how good it is.
    pub(crate) async fn token_of_app(&self) -> Option<Result<String, Failure>> {
        let Kind::App(app) = &self.credential.as_ref()?.0 else { return None };
        let said = |token: Token| {
            let minutes = token.until.saturating_duration_since(Instant::now()).as_secs() / 60;
            format!(
                "the GitHub App {} gets a token for {}, good for {minutes} minutes",
                app.app.app_id, self.repo
            )
        };
        Some(app.token().await.map(said).map_err(Failure::from))
    }
}

impl App {
    /// The token there is, or a new one.
    async fn token(&self) -> Result<Token, GitError> {
        let mut kept = self.token.lock().await;
        let good = |token: &&Token| token.until > Instant::now() + SPARE;
        if let Some(token) = kept.as_ref().filter(good) {
            return Ok(token.clone());
        }
        let token = self.create().await?;
        // Before anybody else sees it.
        self.redactor.learn(token.value.expose());
        *kept = Some(token.clone());
        Ok(token)
    }

    /// <https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app>
    async fn create(&self) -> Result<Token, GitError> {
        let jwt = self.jwt(now_ms() / 1000)?;
        let permissions: serde_json::Map<_, _> =
            PERMISSIONS.iter().map(|(name, level)| ((*name).to_owned(), json!(level))).collect();
        let body = json!({"repositories": [self.repository], "permissions": permissions});
        let path = format!("{}/access_tokens", self.path);
        let answer = self.api.ask(Method::POST, &path, &jwt, Some(&body)).await;
        let answer = answer.map_err(|problem| self.problem(problem))?;
        let asked = Instant::now();
        if answer.status != StatusCode::CREATED {
            return Err(self.refused(&answer, &jwt).await);
        }
        let read = answer.json::<Created>().and_then(|created| {
            let expires = timestamp_ms(&created.expires_at)?;
            let left = expires.saturating_sub(answer.date_ms().unwrap_or_else(now_ms));
            let plain = created.token.expose().bytes().all(|byte| byte.is_ascii_graphic());
            let until = asked.checked_add(Duration::from_millis(left))?;
            plain.then_some(Token { value: created.token, until })
        });
        read.ok_or_else(|| {
            let text = "GitHub's answer holds no token that can be read";
            self.problem(Problem::new(Why::Other, text, HOST))
        })
    }

    /// What an answer without a token means.
    async fn refused(&self, answer: &Answer, jwt: &str) -> GitError {
        let granted = if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            // Which of the two reasons it is, and which permission.
            let asked = self.api.ask(Method::GET, &self.path, jwt, None).await;
            asked.ok().and_then(|answer| answer.json::<Installation>())
        } else {
            None
        };
        let lacking = granted.map(|granted| {
            let lacks = |name: &str| granted.permissions.get(name).is_none_or(|l| l != "write");
            PERMISSIONS.iter().map(|(name, _)| *name).filter(|name| lacks(name)).collect()
        });
        self.problem(judge(answer, lacking, now_ms()))
    }

    fn problem(&self, Problem { why, text, hint }: Problem) -> GitError {
        let text = format!("the GitHub App {} gets no token: {text}", self.app.app_id);
        GitError::NoToken { why, text, hint }
    }

    /// A JWT that proves to GitHub for some minutes that we are the App.
    fn jwt(&self, now_secs: u64) -> Result<String, GitError> {
        let problem = |text: &str| self.problem(Problem::new(Why::Other, text, KEY));
        let key = self.app.key().map_err(|error| problem(&error.to_string()))?;
        let text = unsigned(&self.app.app_id, now_secs);
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| problem("its private key cannot sign"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

const KEY: &str =
    "make a new private key on the App's settings page, and `ralph keys set git-token`";

/// A JWT's header and claims.
fn unsigned(app_id: &str, now_secs: u64) -> String {
    let claims = json!({
        "iat": now_secs.saturating_sub(LEEWAY_SECS),
        "exp": now_secs + LIFETIME_SECS,
        "iss": app_id,
    });
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// What an answer without a token means. `lacking` names the permissions that the installation does
/// not have, when that is known.
fn judge(answer: &Answer, lacking: Option<Vec<&'static str>>, now_ms: u64) -> Problem {
    let said = answer.said();
    let problem = |why, what: &str, hint: &str| Problem::new(why, with(what, &said), hint);
    if let Some(passing) = answer.passing(&said) {
        return passing;
    }
    let words = said.to_ascii_lowercase();
    match answer.status.as_u16() {
        401 => {
            let clock = answer.date_ms().map(|date| date.abs_diff(now_ms) / 1000);
            let clock = match clock {
                Some(secs) if secs > LEEWAY_SECS => {
                    format!("this machine's clock differs by {secs} s from GitHub's: set it right")
                }
                _ => "`appId` and `privateKey` must belong to the same App, and the key must still be on its settings page; the machine's clock must be right, too".to_owned(),
            };
            problem(
                Why::Denied,
                "GitHub does not accept its private key, or the machine's clock is wrong",
                &clock,
            )
        }
        404 => problem(
            Why::Denied,
            "GitHub knows no such installation of it",
            "check `installationId`, and that the App is still installed on the repository's owner",
        ),
        403 if words.contains("suspended") => problem(
            Why::Denied,
            "its installation is suspended",
            "an owner of the account ends the suspension in the settings, under GitHub Apps",
        ),
        403 => problem(
            Why::Denied,
            "GitHub forbids it",
            "check the App's installation, and the organisation's IP allow list",
        ),
        422 => {
            let permission = words.contains("permission");
            let (what, hint) = match lacking.as_deref() {
                Some([]) if !permission => {
                    ("its installation has no access to the repository", INSTALL.to_owned())
                }
                Some(names @ [_, ..]) => {
                    let names: Vec<String> =
                        names.iter().map(|name| format!("`{name}`: write")).collect();
                    (
                        "its installation lacks a permission",
                        format!(
                            "grant {} on the App's settings page, and accept the change in the installation",
                            names.join(" and ")
                        ),
                    )
                }
                _ if permission => ("its installation lacks a permission", GRANT.to_owned()),
                _ => (
                    "its installation has no access to the repository, or lacks a permission",
                    format!("{INSTALL}; {GRANT}"),
                ),
            };
            problem(Why::Denied, what, &hint)
        }
        _ => problem(Why::Other, &format!("GitHub answered {}", answer.status), HOST),
    }
}

const INSTALL: &str = "add the repository in the installation's settings, under Repository access";
const GRANT: &str = "grant `contents`: write and `pull_requests`: write on the App's settings page, and accept the change in the installation";

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_jwt_is_good_for_less_than_ten_minutes_and_began_a_minute_ago() {
        let text = unsigned("Iv1.abc", 1_000_000);
        let parts: Vec<serde_json::Value> = text
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT"}));
        assert_eq!(parts[1], json!({"iat": 999_940, "exp": 1_000_540, "iss": "Iv1.abc"}));
    }

    #[test]
    fn what_an_answer_without_a_token_means() {
        use Why::{Denied, Limited, Other, Trouble};
        const NOW: u64 = 1_800_000_000_000;
        let exact = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(NOW));
        let ahead = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(NOW + 120_000));
        let none: &[(&'static str, &str)] = &[];
        let both = || Some(PERMISSIONS.map(|(name, _)| name).to_vec());
        let parts = "There is at least one repository that does not exist or is not accessible to the parent installation.";
        let rights = "The permissions requested are not granted to this installation.";
        for (status, headers, message, lacking, why, found) in [
            (
                401,
                &[("date", exact.as_str())][..],
                "A JSON web token could not be decoded",
                None,
                Denied,
                &[
                    "private key",
                    "clock is wrong",
                    "(A JSON web token",
                    "must belong to the same App",
                ][..],
            ),
            (401, none, "", None, Denied, &["must belong to the same App"]),
            (
                401,
                &[("date", ahead.as_str())],
                "",
                None,
                Denied,
                &["this machine's clock differs by 120 s"],
            ),
            (404, none, "Not Found", None, Denied, &["no such installation", "`installationId`"]),
            (
                403,
                none,
                "This installation has been suspended",
                None,
                Denied,
                &["suspended", "ends the suspension"],
            ),
            (403, none, "an IP allow list", None, Denied, &["forbids it (an IP allow list)"]),
            (
                403,
                none,
                "You have exceeded a secondary rate limit",
                None,
                Limited,
                &["too many requests"],
            ),
            (403, &[("x-ratelimit-remaining", "0")], "", None, Limited, &["too many requests"]),
            (403, &[("retry-after", "60")], "", None, Limited, &["too many requests"]),
            (429, none, "", None, Limited, &["too many requests"]),
            (
                422,
                none,
                parts,
                Some(vec![]),
                Denied,
                &["no access to the repository (There is", "add the repository"],
            ),
            (
                422,
                none,
                rights,
                Some(vec!["pull_requests"]),
                Denied,
                &["lacks a permission", "grant `pull_requests`: write on"],
            ),
            (
                422,
                none,
                rights,
                both(),
                Denied,
                &["grant `contents`: write and `pull_requests`: write"],
            ),
            (422, none, rights, None, Denied, &["lacks a permission", "grant `contents`"]),
            (
                422,
                none,
                parts,
                None,
                Denied,
                &[
                    "no access to the repository, or lacks",
                    "add the repository",
                    "grant `contents`",
                ],
            ),
            (302, none, "", None, Other, &["GitHub answered 302", "check `host`"]),
            (500, none, "", None, Trouble, &["GitHub answered 500"]),
            (503, none, "", None, Trouble, &["GitHub answered 503"]),
        ] {
            let answer = Answer::new(status, headers, &json!({"message": message}));
            let problem = judge(&answer, lacking, NOW);
            let said = format!("{} | {}", problem.text, problem.hint);
            assert_eq!(problem.why, why, "{said}");
            for part in found {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}
