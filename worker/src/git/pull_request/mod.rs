//! The pull request that offers the branch: opened after the first push, updated at the end of the
//! run, and never a second one for the same branch. What GitHub refuses costs a warning and nothing
//! else.
//!
//! The token is shown to GitHub's API by this process alone, and never while anything of the agent's
//! is running.

mod refusal;
mod text;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use axum::http::Method;
use ralph_protocol::{
    event::{Kind, Level},
    execution::PullRequest,
    exit::RunExit,
    ids::Workstream,
    link::log_url,
    secret::GitToken,
};
use serde_json::json;
use url::{Url, form_urlencoded};

use self::{
    refusal::{Found, GRANT, Opened, Pull, find, judge, may_write, opened, read},
    text::{Facts, Progress, part, replaced, title},
};
use super::{
    Checkout,
    github::{Answer, Api, Problem, Why, is_github, owner_and_name},
    run::GitError,
};
use crate::{
    config::Config,
    journal::now_ms,
    machine::{
        Ledger,
        policy::{END_BY_MS, PUSH_BY_MS},
    },
};

pub(super) use self::text::Verify;

/// Longest update at the end of a run, ms.
const END_MS: u64 = 20_000;

/// The same after a signal.
const HURRIED_MS: u64 = 5_000;

/// How many of a branch's pull requests are looked at, from the newest.
const LOOK: &str = "10";

/// What the run knows of its pull request.
pub(super) struct PullRequests {
    wanted: Option<PullRequest>,
    /// Where it is, or why there is none.
    place: Result<Place, &'static str>,
    workstream: Workstream,
    /// Where the run's lines can be read.
    log: Option<String>,
    /// When the execution began, ms since the epoch.
    since: u64,
    state: State,
    /// The execution has pushed something to the branch.
    pub(super) pushed: bool,
    warned: bool,
    /// What the verify command said about the newest work.
    pub(super) verify: Verify,
}

/// A repository on GitHub.
struct Place {
    api: Api,
    owner: String,
    name: String,
    /// The repository for a person, without a slash at its end.
    page: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was not looked for, or there was nothing to offer.
    Unknown,
    /// GitHub gave no answer that counts; it is asked once more at the end, but not before this.
    Later(Option<Instant>),
    /// It is there.
    Known { number: u64, draft: bool },
    /// There is none, and none is opened any more.
    Never,
}

/// What came of a request, or of several.
enum Shown {
    /// It is open; found, if it was not opened just now.
    Open { pull: Pull, found: bool },
    /// A person has closed it while the execution was under way.
    Closed(u64),
    /// There is nothing to open one for.
    NotYet,
}

/// Why there is none, and when GitHub may be asked again.
struct Refused {
    problem: Problem,
    not_before: Option<Instant>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, not_before: None }
    }
}

impl PullRequests {
    pub(super) fn new(config: &Config, git: &GitToken) -> Self {
        let log = config.log_url.as_deref();
        let log = log.map(|template| log_url(template, &config.workstream, &config.run));
        let verifies = config.verify_command.is_some();
        Self {
            wanted: config.pull_request,
            place: place(config.pull_request, git, &config.repo),
            workstream: config.workstream.clone(),
            log: log.filter(|link| ralph_protocol::link::is_link(link)),
            since: config.run.started_ms(),
            state: State::Unknown,
            pushed: false,
            warned: false,
            verify: if verifies { Verify::NotRun } else { Verify::Nothing },
        }
    }

    /// The work has changed since the verify command ran.
    pub(super) fn changed(&mut self) {
        if self.verify != Verify::Nothing {
            self.verify = Verify::NotRun;
        }
    }

    fn found(&mut self, pull: &Pull) {
        self.state = State::Known { number: pull.number, draft: pull.draft };
    }

    fn draft(&self) -> bool {
        self.wanted != Some(PullRequest::Ready)
    }

    /// Why there is none although the configuration asks for one.
    fn missing(&self) -> Option<&'static str> {
        let asked = matches!(self.wanted, Some(PullRequest::Draft | PullRequest::Ready));
        self.place.as_ref().err().filter(|_| asked).copied()
    }
}

/// Where pull requests of a repository are, or why there are none. A host that is not GitHub's own
/// is taken for GitHub Enterprise Server when it has a GitHub App, or when the configuration asks for
/// a pull request.
fn place(wanted: Option<PullRequest>, git: &GitToken, repo: &Url) -> Result<Place, &'static str> {
    if wanted == Some(PullRequest::None) {
        return Err("it is set to `none`");
    }
    let Some(host) = repo.host_str().filter(|_| repo.scheme() == "https") else {
        return Err("the repository is a folder and not on GitHub");
    };
    match git {
        GitToken::Public(_) => return Err("there is no credential to open one with"),
        GitToken::Token(_) if wanted.is_none() && !is_github(host) => {
            return Err("the repository's host is not known to be GitHub");
        }
        GitToken::Token(_) | GitToken::App(_) => {}
    }
    let Some((owner, name)) = owner_and_name(repo) else {
        return Err("the repository's URL does not name an owner and a repository on GitHub");
    };
    let port = repo.port().map(|port| format!(":{port}")).unwrap_or_default();
    let page = format!("https://{host}{port}/{owner}/{name}");
    Ok(Place { api: Api::of(host, repo.port()), owner, name, page })
}

impl Place {
    /// The page of a pull request. Made here: what GitHub says is not followed.
    fn link(&self, number: u64) -> String {
        format!("{}/pull/{number}", self.page)
    }

    /// The path of the pull requests, or of one of them.
    fn path(&self, number: Option<u64>) -> String {
        let number = number.map(|number| format!("/{number}")).unwrap_or_default();
        format!("/repos/{}/{}/pulls{number}", self.owner, self.name)
    }

    /// Asks, and keeps when GitHub may be asked again.
    async fn ask<T>(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&serde_json::Value>,
        meant: impl Fn(&Answer) -> Result<T, Problem>,
    ) -> Result<T, Refused> {
        let answer = self.api.ask(method, path, token, body).await?;
        meant(&answer).map_err(|problem| {
            let not_before = answer.retry_after().and_then(|wait| Instant::now().checked_add(wait));
            Refused { problem, not_before }
        })
    }

    /// What the branch has, and whether the token may open one, where GitHub says so.
    /// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests>
    async fn look(
        &self,
        token: &str,
        branch: &str,
        since: u64,
    ) -> Result<(Found, Option<bool>), Refused> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("head", &format!("{}:{branch}", self.owner))
            .append_pair("state", "all")
            .append_pair("sort", "created")
            .append_pair("direction", "desc")
            .append_pair("per_page", LOOK)
            .finish();
        let path = format!("{}?{query}", self.path(None));
        let meant = |answer: &Answer| Ok((read::<Vec<Pull>>(answer)?, may_write(answer)));
        let (list, may) = self.ask(Method::GET, &path, token, None, meant).await?;
        Ok((find(list, &self.owner, branch, since), may))
    }
}

impl Checkout {
    /// Says once why the run opens none although the configuration asks for one.
    pub(super) fn warn_without_pull_request(&self) {
        if let Some(why) = self.pulls.missing() {
            let text = format!(
                "no pull request is opened: {why}\nhint: `pull_request = \"none\"` asks for none"
            );
            self.journal.log(Level::Warn, text);
        }
    }

    /// After a push: opens the pull request, or finds the one there is. A signal ends it; then the end
    /// of the run does it.
    pub(super) async fn offer(&mut self) {
        self.pulls.pushed = true;
        if self.pulls.place.is_err() || self.pulls.state != State::Unknown {
            return;
        }
        if self.git.is_hurried() || !self.changes_anything().await || self.alone().await.is_err() {
            return;
        }
        let done = tokio::select! {
            biased;
            () = self.git.hurried() => return,
            done = self.show(Progress::GoingOn, true) => done,
        };
        self.take(done);
        self.tell();
    }

    /// The end of the run: the pull request says how it ended. `left` processes of the agent's could
    /// not be ended; `stop` gives it up.
    pub(crate) async fn tell_end(
        &mut self,
        exit: RunExit,
        used: Ledger,
        left: usize,
        stop: impl Future<Output = ()>,
    ) {
        if self.pulls.place.is_err() || self.pulls.state == State::Never || self.pushed.is_none() {
            return;
        }
        let most = self.git.hurried_by().map_or(END_MS, |by| {
            let end = by.saturating_add(END_BY_MS - PUSH_BY_MS);
            end.saturating_sub(now_ms()).min(HURRIED_MS)
        });
        if most > 0 && left == 0 && self.may_ask() {
            let most = Duration::from_millis(most);
            let verify = self.pulls.verify;
            let done = tokio::select! {
                biased;
                () = stop => Err(late("a signal came")),
                done = self.end(Progress::Ended { exit, used, verify }) => done,
                () = tokio::time::sleep(most) => {
                    Err(late(&format!("GitHub did not answer within {} s", most.as_secs())))
                }
            };
            self.take(done);
        }
        self.tell();
    }

    /// Whether GitHub does not want to be left alone.
    fn may_ask(&self) -> bool {
        !matches!(self.pulls.state, State::Later(Some(at)) if at > Instant::now())
    }

    /// Writes into the pull request that there is, or opens one that could not be opened before.
    async fn end(&mut self, progress: Progress) -> Result<Shown, Refused> {
        let number = match self.pulls.state {
            State::Known { number, .. } => number,
            _ => match self.show(progress, self.changes_anything().await).await? {
                Shown::Open { pull, found: true } => {
                    self.pulls.found(&pull);
                    pull.number
                }
                other => return Ok(other),
            },
        };
        let Ok(place) = &self.pulls.place else { return Ok(Shown::NotYet) };
        let Some(base) = self.merges_into() else { return Ok(Shown::NotYet) };
        let token = self.token().await?;
        let path = place.path(Some(number));
        // The newest text: a person may have changed it since.
        let pull: Pull = place.ask(Method::GET, &path, &token, None, read).await?;
        if !pull.is_open() {
            return Ok(Shown::Closed(number));
        }
        let body = pull.body.as_deref().unwrap_or_default();
        let new = replaced(body, &self.part(&base, progress)).filter(|new| new != body);
        if let Some(body) = new {
            // <https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request>
            let body = json!({ "body": body });
            let done = |answer: &Answer| {
                if answer.status.is_success() { Ok(()) } else { Err(judge(answer)) }
            };
            place.ask(Method::PATCH, &path, &token, Some(&body), done).await?;
        }
        Ok(Shown::Open { pull, found: true })
    }

    /// Finds the branch's pull request, or opens it if the branch changes anything.
    async fn show(&self, progress: Progress, changes: bool) -> Result<Shown, Refused> {
        let (Ok(place), Some(base)) = (&self.pulls.place, self.merges_into()) else {
            return Ok(Shown::NotYet);
        };
        let token = self.token().await?;
        match place.look(&token, &self.branch, self.pulls.since).await?.0 {
            Found::Open(pull) => return Ok(Shown::Open { pull, found: true }),
            Found::ClosedMeanwhile(number) => return Ok(Shown::Closed(number)),
            // What is on the branch was offered before.
            Found::ClosedBefore if !self.pulls.pushed => return Ok(Shown::NotYet),
            Found::ClosedBefore | Found::Nothing if !changes => return Ok(Shown::NotYet),
            Found::ClosedBefore | Found::Nothing => {}
        }
        // <https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request>
        let body = json!({
            "title": title(&self.pulls.workstream, &self.branch),
            "head": self.branch,
            "base": base,
            "body": self.part(&base, progress),
            "draft": self.pulls.draft(),
        });
        let path = place.path(None);
        match place.ask(Method::POST, &path, &token, Some(&body), opened).await? {
            Opened::Open(pull) => Ok(Shown::Open { pull, found: false }),
            Opened::NoCommits => Ok(Shown::NotYet),
            // Opened in this moment, or by a request whose answer was lost.
            Opened::Exists(problem) => {
                match place.look(&token, &self.branch, self.pulls.since).await?.0 {
                    Found::Open(pull) => Ok(Shown::Open { pull, found: true }),
                    _ => Err(problem.into()),
                }
            }
        }
    }

    /// The branch that the work is offered to; `None` when there is none but the work's own.
    fn merges_into(&self) -> Option<String> {
        let base = self.base.as_ref().or(self.default.as_ref())?;
        (*base != self.branch).then(|| base.clone())
    }

    /// Whether what the remote holds differs from what the base had when the branch left it: commits
    /// that only say what the run has used are not worth a person's time. Yes, when nobody knows.
    async fn changes_anything(&self) -> bool {
        let Some(base) = self.merges_into() else { return false };
        // As downloaded: the agent can move the checkout's own reference.
        let create = format!("create refs/remotes/origin/{base} ");
        let origin = String::from_utf8_lossy(&self.origin);
        let Some(base) = origin.lines().find_map(|line| line.strip_prefix(&create)) else {
            return true;
        };
        let Ok(from) = self.git.text(&self.dir, ["merge-base", base, &self.known]).await else {
            return true;
        };
        match (self.tree_of(&from).await, self.tree_of(&self.known).await) {
            (Ok(from), Ok(to)) => from != to,
            _ => true,
        }
    }

    fn part(&self, base: &str, progress: Progress) -> String {
        part(&Facts {
            workstream: &self.pulls.workstream,
            run: &self.run,
            branch: &self.branch,
            base,
            log: self.pulls.log.as_deref(),
            progress,
        })
    }

    /// What GitHub's API wants to see.
    async fn token(&self) -> Result<String, Refused> {
        let none = || Problem::new(Why::Other, "there is no credential", "");
        let credential = self.credential.as_ref().ok_or_else(none)?;
        match credential.login().await {
            Ok(login) => Ok(login.token.expose().to_owned()),
            Err(GitError::NoToken { why, text, hint }) => Err(Problem { why, text, hint }.into()),
            Err(error) => Err(Problem::new(Why::Other, error.to_string(), "").into()),
        }
    }

    /// Keeps what came of it, and says what a person should know.
    fn take(&mut self, done: Result<Shown, Refused>) {
        let Ok(place) = &self.pulls.place else { return };
        let (level, text) = match done {
            Ok(Shown::NotYet) => return,
            Ok(Shown::Open { pull, .. }) => {
                self.pulls.found(&pull);
                return;
            }
            Ok(Shown::Closed(number)) => {
                let link = place.link(number);
                if !matches!(self.pulls.state, State::Known { .. }) {
                    self.pulls.state = State::Never;
                }
                (Level::Info, format!("{link} is closed: it stays as it is, and none is opened"))
            }
            Err(Refused { problem, not_before }) => {
                let Problem { why, text, hint } = problem;
                let what = match self.pulls.state {
                    State::Known { number, .. } => {
                        format!("{} is not updated", place.link(number))
                    }
                    _ => {
                        let passes = why.passes();
                        self.pulls.state =
                            if passes { State::Later(not_before) } else { State::Never };
                        "no pull request is opened".to_owned()
                    }
                };
                // One is enough, whatever the second reason is.
                let first = !std::mem::replace(&mut self.pulls.warned, true);
                let level = if first { Level::Warn } else { Level::Info };
                let hint = if hint.is_empty() { hint } else { format!("\nhint: {hint}") };
                (level, format!("{what}: {text}{hint}"))
            }
        };
        self.journal.log(level, text);
    }

    /// Says where the pull request is.
    fn tell(&self) {
        if let (State::Known { number, draft }, Ok(place)) = (self.pulls.state, &self.pulls.place) {
            let kind = Kind::PullRequest { url: place.link(number), number, draft };
            self.journal.emit(Level::Info, kind);
        }
    }

    /// What a run would do about a pull request, for a person; the error says why it could not. Asks
    /// GitHub without changing anything there.
    pub(crate) async fn plan_of_pull_request(&self) -> Result<String, String> {
        let place = match &self.pulls.place {
            Ok(place) => place,
            Err(why) if self.pulls.missing().is_some() => {
                return Err(format!("no pull request can be opened: {why}"));
            }
            Err(why) => return Ok(format!("no pull request would be opened: {why}")),
        };
        let Some(base) = self.merges_into() else {
            return Ok("no pull request would be opened: there is no branch to merge into".into());
        };
        let refused = |Refused { problem: Problem { text, hint, .. }, .. }: Refused| {
            format!("no pull request can be opened: {text}\nhint: {hint}")
        };
        let token = self.token().await.map_err(refused)?;
        let look = place.look(&token, &self.branch, self.pulls.since).await;
        let (found, may) = look.map_err(refused)?;
        let is_app = self.credential.as_ref().is_some_and(super::Credential::is_app);
        Ok(match found {
            Found::Open(pull) => format!("a run would update {}", place.link(pull.number)),
            Found::ClosedMeanwhile(number) => {
                format!("no pull request would be opened: {} is closed", place.link(number))
            }
            _ if may == Some(false) => {
                return Err(format!(
                    "no pull request can be opened: the token's scopes do not allow it\nhint: {GRANT}"
                ));
            }
            Found::ClosedBefore | Found::Nothing => {
                let kind = if self.pulls.draft() { "a draft of a" } else { "a" };
                let may = match may {
                    _ if is_app => "the GitHub App's token may do that",
                    Some(_) => "the token's scopes allow that",
                    None => "GitHub says only then whether this token may do that",
                };
                format!(
                    "a run would open {kind} pull request from `{}` into `{base}`; {may}",
                    self.branch
                )
            }
        })
    }
}

/// There was no time for it.
fn late(text: &str) -> Refused {
    Problem::new(Why::Silence, text, "nothing has to be done; the next run tries again").into()
}

#[cfg(test)]
mod tests {
    use ralph_protocol::link::is_link;

    use super::*;

    #[test]
    fn where_pull_requests_are() {
        use PullRequest::{Draft, None as Never, Ready};
        let public = GitToken::parse("{}").unwrap();
        let token = GitToken::parse(r#"{"host":"h","username":"x","token":"t"}"#);
        let token = token.unwrap();
        let app = serde_json::from_str(
            r#"{"appId":1,"installationId":1,"privateKey":"","host":"git.example"}"#,
        );
        let app = GitToken::App(app.unwrap());
        let github = "https://github.com/you/project";
        let other = "https://git.example:8443/you/project.git";
        let there = Ok("https://git.example:8443/you/project/pull/7");
        for (wanted, git, repo, found) in [
            (None, &token, github, Ok("https://github.com/you/project/pull/7")),
            (Some(Ready), &token, github, Ok("https://github.com/you/project/pull/7")),
            (None, &token, "https://o.ghe.com/a/b", Ok("https://o.ghe.com/a/b/pull/7")),
            (None, &token, other, Err("not known to be GitHub")),
            (Some(Draft), &token, other, there),
            (None, &app, other, there),
            (Some(Never), &app, other, Err("`none`")),
            (Some(Never), &public, "file:///r", Err("`none`")),
            (None, &public, github, Err("no credential")),
            (Some(Draft), &public, github, Err("no credential")),
            (Some(Draft), &public, "file:///r", Err("is a folder")),
            (Some(Draft), &token, "https://h/project", Err("does not name an owner")),
            (Some(Draft), &token, "https://h/a/b/c", Err("does not name an owner")),
            (None, &token, "https://github.com/a/b%27", Err("does not name an owner")),
        ] {
            let place = place(wanted, git, &repo.parse().unwrap());
            match (place.map(|place| place.link(7)), found) {
                (Ok(link), Ok(expected)) => {
                    assert_eq!(link, expected);
                    assert!(is_link(&link), "{link}");
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (found, expected) => panic!("{wanted:?} {repo}: {found:?}, not {expected:?}"),
            }
        }
    }
}
