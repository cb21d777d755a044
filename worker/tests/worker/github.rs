//! A stand-in of GitHub's REST API for pull requests, which the end-to-end tests of `ralph` use too. It checks each request as GitHub does, keeps
//! what it was asked, and refuses what a test lets it refuse.

use std::{
    fs,
    io::Write,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::tls::Request;

pub const OWNER: &str = "you";
pub const NAME: &str = "project";

/// How a request goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// It is answered like this: status, header fields, body.
    Answer(&'static str, &'static str, String),
    /// It is done, and the answer never comes.
    Lost,
    /// Nothing is done and nothing is answered.
    Silent,
}

/// What the API has and has been asked.
#[derive(Default)]
pub struct Pulls {
    /// Every pull request, the oldest first.
    pub list: Vec<Value>,
    /// Method, path without the query, and body of each request.
    pub asked: Vec<(String, String, Value)>,
    /// What the next requests of a method get; so many of them.
    pub faults: Vec<(&'static str, u32, Fault)>,
}

pub type Shared = Arc<Mutex<Pulls>>;

pub fn of(shared: &Shared) -> MutexGuard<'_, Pulls> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Pulls {
    /// How many requests of this method there were.
    pub fn count(&self, method: &str) -> usize {
        self.asked.iter().filter(|(m, ..)| m == method).count()
    }

    /// Adds one, and returns its number.
    pub fn add(&mut self, branch: &str, base: &str, title: &str, body: &Value, draft: bool) -> u64 {
        let number = 7 + self.list.len() as u64;
        self.list.push(json!({
            "number": number, "state": "open", "draft": draft, "title": title, "body": body,
            // Nobody should follow it.
            "html_url": "https://elsewhere.example/pull/1", "closed_at": null,
            "head": {"ref": branch, "label": format!("{OWNER}:{branch}")},
            "base": {"ref": base, "label": format!("{OWNER}:{base}")},
        }));
        number
    }

    pub fn close(&mut self, number: u64, at_ms: u64) {
        let pull = self.find(number).unwrap();
        pull["state"] = "closed".into();
        pull["closed_at"] = ralph_protocol::event::timestamp_text(at_ms).into();
    }

    pub fn find(&mut self, number: u64) -> Option<&mut Value> {
        self.list.iter_mut().find(|pull| pull["number"] == number)
    }

    fn fault(&mut self, method: &str) -> Option<Fault> {
        let (_, left, fault) =
            self.faults.iter_mut().find(|(of, left, _)| *of == method && *left > 0)?;
        *left -= 1;
        Some(fault.clone())
    }
}

/// Whether the arguments or the environment of a process hold this.
fn is_seen(secret: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .flat_map(|entry| [entry.path().join("cmdline"), entry.path().join("environ")])
        .filter_map(|file| fs::read(file).ok())
        .any(|bytes| memchr::memmem::find(&bytes, secret.as_bytes()).is_some())
}

pub fn say(stream: &mut impl Write, status: &str, fields: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Answers a request whose path below the API is `path`. `token` is the only one that is good, and
/// `root` has the repository.
pub fn serve(
    shared: &Shared,
    token: &str,
    path: &str,
    request: &Request,
    stream: &mut impl Write,
    root: &Path,
) -> std::io::Result<()> {
    assert_eq!(request.field("authorization"), format!("Bearer {token}"));
    assert_eq!(request.field("accept"), "application/vnd.github+json");
    assert_eq!(request.field("x-github-api-version"), "2022-11-28");
    assert!(request.field("user-agent").starts_with("ralph-loop-cloud/"));
    // As git gets it, too: none runs now.
    let basic = STANDARD.encode(format!("x:{token}"));
    assert!(!is_seen(token) && !is_seen(&basic), "a process shows the token");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let method = request.method();
    let fault = {
        let mut pulls = of(shared);
        pulls.asked.push((method.to_owned(), path.to_owned(), body.clone()));
        pulls.fault(method)
    };
    match fault {
        Some(Fault::Answer(status, fields, body)) => return say(stream, status, fields, &body),
        // Longer than anybody waits.
        Some(Fault::Silent) => {
            std::thread::sleep(Duration::from_secs(120));
            return Ok(());
        }
        Some(Fault::Lost) => {
            act(shared, method, path, query, &body, root);
            return Ok(());
        }
        None => {}
    }
    let (status, body) = act(shared, method, path, query, &body, root);
    say(stream, status, "", &body.to_string())
}

fn act(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    body: &Value,
    root: &Path,
) -> (&'static str, Value) {
    let mut pulls = of(shared);
    let rest = path.strip_prefix(&format!("/repos/{OWNER}/{NAME}/pulls"));
    let number = rest.and_then(|rest| rest.strip_prefix('/')).map(|text| text.parse().unwrap());
    let missing = ("404 Not Found", json!({"message": "Not Found"}));
    match (method, rest, number) {
        ("GET", Some(""), None) => ("200 OK", list(&pulls, query)),
        ("POST", Some(""), None) => create(&mut pulls, body, root),
        ("GET", Some(_), Some(number)) => match pulls.find(number) {
            Some(pull) => ("200 OK", pull.clone()),
            None => missing,
        },
        ("PATCH", Some(_), Some(number)) => {
            let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["body"], "nothing else is changed");
            match pulls.find(number) {
                Some(pull) => {
                    pull["body"] = body["body"].clone();
                    ("200 OK", pull.clone())
                }
                None => missing,
            }
        }
        _ => missing,
    }
}

/// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests>
fn list(pulls: &Pulls, query: &str) -> Value {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let field =
        |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    // GitHub shows every one when the filter has no colon.
    let head = field("head").filter(|head| head.contains(':'));
    let state = field("state").unwrap_or("open");
    let most: usize = field("per_page").map_or(30, |text| text.parse().unwrap());
    assert_eq!((field("sort"), field("direction")), (Some("created"), Some("desc")));
    let found = pulls.list.iter().rev().filter(|pull| {
        head.is_none_or(|head| pull["head"]["label"] == head)
            && (state == "all" || pull["state"] == state)
    });
    found.take(most).cloned().collect()
}

fn failed(error: &Value) -> (&'static str, Value) {
    let body = json!({"message": "Validation Failed", "errors": [error], "status": "422"});
    ("422 Unprocessable Entity", body)
}

/// <https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request>
fn create(pulls: &mut Pulls, body: &Value, root: &Path) -> (&'static str, Value) {
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}"));
    let (head, base, title) = (text("head"), text("base"), text("title"));
    assert!(title.chars().count() <= 256 && text("body").chars().count() <= 65_536);
    let git = |args: &[&str]| {
        Command::new("git").arg("-C").arg(root.join("remote.git")).args(args).output().unwrap()
    };
    for (field, branch) in [("head", head), ("base", base)] {
        let name = format!("refs/heads/{branch}");
        if !git(&["show-ref", "--verify", "-q", &name]).status.success() {
            let error = json!({"resource": "PullRequest", "field": field, "code": "invalid"});
            return failed(&error);
        }
    }
    let custom = |message: String| {
        failed(&json!({"resource": "PullRequest", "code": "custom", "message": message}))
    };
    let same = |pull: &Value| {
        pull["state"] == "open" && pull["head"]["ref"] == head && pull["base"]["ref"] == base
    };
    if pulls.list.iter().any(same) {
        return custom(format!("A pull request already exists for {OWNER}:{head}."));
    }
    let new = git(&["rev-list", "-1", &format!("refs/heads/{base}..refs/heads/{head}")]);
    if new.stdout.is_empty() {
        return custom(format!("No commits between {base} and {head}"));
    }
    let draft = body["draft"].as_bool().unwrap_or_default();
    let number = pulls.add(head, base, title, &body["body"], draft);
    ("201 Created", pulls.find(number).unwrap().clone())
}
