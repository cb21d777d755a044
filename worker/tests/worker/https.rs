//! A repository over https that wants a credential: git's own server behind TLS.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::{
    harness::{Fixture, processes_with, progress, write},
    lfs, submodules,
    tls::{self, Request, serve_git},
};

const TOKEN: &str = "hunter2-git-token-0123456789";
/// A name as the public internet has them; only the worker under test is told that it is this machine.
pub const HOST: &str = "git.example";

/// What the server demands.
#[derive(Clone)]
struct Rules {
    /// `user:password`; without it the answer is 401.
    login: String,
    may_push: bool,
    /// Sends every request elsewhere.
    elsewhere: Option<String>,
    /// How many of the next requests with a credential it answers as GitHub does when there are
    /// too many: with this status, and the reason as plain text.
    busy: Arc<Mutex<(u32, &'static str)>>,
    /// Where it keeps content of LFS: the URL of a server; without it there is no LFS.
    lfs: Arc<Mutex<Option<String>>>,
}

impl Rules {
    fn strict() -> Self {
        Self {
            login: format!("x:{TOKEN}"),
            may_push: true,
            elsewhere: None,
            busy: Arc::default(),
            lfs: Arc::default(),
        }
    }
}

/// A request: its first line, and what it said in `Authorization`.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Serves [`HOST`] on a free port, which it returns. Its certificate is added to those that the worker
/// trusts, and the worker finds the name on this machine.
pub fn listen(
    fixture: &mut Fixture,
    answer: impl Fn(&Request, &mut dyn Write) -> std::io::Result<()> + Send + Sync + 'static,
) -> u16 {
    let hosts = fixture.path("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 {HOST}\n")).unwrap();
    fixture.hosts = Some(hosts);
    let (port, certificate) = tls::serve(HOST, answer);
    let file = fixture.path("certificate.pem");
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, known + &certificate).unwrap();
    fixture.set("SSL_CERT_FILE", file.to_str().unwrap());
    port
}

/// Serves the fixture's remote; returns its URL and what was asked.
fn serve(fixture: &mut Fixture, rules: Rules) -> (String, Seen) {
    let (seen, root) = (Seen::default(), fixture.dir.path().to_path_buf());
    let log = Arc::clone(&seen);
    let answer = move |request: &Request, mut stream: &mut dyn Write| {
        answer(request, &mut stream, &rules, &root, &log)
    };
    let port = listen(fixture, answer);
    (format!("https://{HOST}:{port}/remote.git"), seen)
}

fn answer(
    request: &Request,
    stream: &mut impl Write,
    rules: &Rules,
    root: &Path,
    log: &Seen,
) -> std::io::Result<()> {
    let authorization = Some(request.field("authorization")).filter(|text| !text.is_empty());
    log.lock().unwrap().push((request.line.clone(), authorization.clone()));
    if authorization.is_some() {
        // At this moment git runs with the credential.
        assert_eq!(processes_with(TOKEN), 0, "the token is in an argument list");
        assert_eq!(processes_with(&STANDARD.encode(&rules.login)), 0);
    }

    let (method, target, body) = (request.method(), request.target(), &request.body);
    if let Some(elsewhere) = &rules.elsewhere {
        let to = format!("{elsewhere}{}", target.trim_start_matches("/remote.git"));
        let text = format!(
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        return stream.write_all(text.as_bytes());
    }
    if let Some(oid) = target.strip_prefix("/objects/") {
        return serve_content(stream, method, &content_of(root, oid), body);
    }
    if target.starts_with("/public.git/") {
        return serve_git(stream, request, root);
    }
    let wanted = format!("Basic {}", STANDARD.encode(&rules.login));
    let busy = {
        let mut busy = rules.busy.lock().unwrap();
        let now = authorization.is_some() && busy.0 > 0;
        busy.0 -= u32::from(now);
        now.then_some(busy.1)
    };
    if let Some(status) = busy {
        let why = "You have exceeded a secondary rate limit. Please wait a few minutes.\n";
        let length = why.len();
        return write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{why}"
        );
    }
    let status = if authorization.as_deref() != Some(wanted.as_str()) {
        "401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\""
    } else if target.contains("git-receive-pack") && !rules.may_push {
        "403 Forbidden"
    } else if target.contains("/info/lfs/") {
        match rules.lfs.lock().unwrap().as_deref() {
            Some(server) if target == "/remote.git/info/lfs/objects/batch" => {
                return serve_batch(stream, body, server, root);
            }
            _ => "404 Not Found",
        }
    } else {
        return serve_git(stream, request, root);
    };
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes())
}

pub fn content_of(root: &Path, oid: &str) -> PathBuf {
    root.join("remote.git/lfs/objects").join(&oid[..2]).join(&oid[2..4]).join(oid)
}

/// git-lfs, docs/api/batch.md: where each object comes from, or goes.
pub fn serve_batch(
    stream: &mut impl Write,
    body: &[u8],
    server: &str,
    root: &Path,
) -> std::io::Result<()> {
    let request: Value = serde_json::from_slice(body)?;
    let operation = request["operation"].as_str().unwrap();
    let object = |object: &Value| {
        let oid = object["oid"].as_str().unwrap();
        let mut answer = json!({"oid": oid, "size": object["size"]});
        if content_of(root, oid).exists() == (operation == "download") {
            answer["actions"] = json!({operation: {"href": format!("{server}/objects/{oid}")}});
        } else if operation == "download" {
            answer["error"] = json!({"code": 404, "message": "there is no such object"});
        }
        answer
    };
    let objects: Vec<Value> = request["objects"].as_array().unwrap().iter().map(object).collect();
    let text = json!({"transfer": "basic", "objects": objects}).to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.git-lfs+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// git-lfs, docs/api/basic-transfers.md.
pub fn serve_content(
    stream: &mut impl Write,
    method: &str,
    path: &Path,
    body: &[u8],
) -> std::io::Result<()> {
    let mut content = Vec::new();
    if method == "PUT" {
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, body)?;
    } else {
        content = std::fs::read(path)?;
    }
    let length = content.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(&content)
}

/// A fixture whose remote is asked over https, with a token.
fn fixture(rules: Rules) -> (Fixture, Seen) {
    let mut fixture = Fixture::new();
    let (url, seen) = serve(&mut fixture, rules);
    let token = json!({"host": HOST, "username": "x", "token": TOKEN});
    fixture.set(env::REPO, url).set(env::GIT_TOKEN, token.to_string());
    fixture.set(env::ALLOW_FILE_REPO, "");
    (fixture, seen)
}

#[track_caller]
pub fn refused(fixture: &mut Fixture, text: &str) {
    fixture.counted_calls(json!([[write("a", "a")]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (20, 0), "{done:#?}");
    assert!(done.text().contains(text), "{text}: {}", done.text());
    assert!(done.text().contains("hint: "), "{}", done.text());
}

#[test]
fn work_is_pushed_with_a_token_that_the_agent_never_has() {
    let (mut fixture, seen) = fixture(Rules::strict());
    let fetch = "git -c http.sslCAInfo=$SSL_CERT_FILE fetch origin 2>&1; env; cat .git/config";
    fixture.calls(json!([[write("a", "1"), {"run": ["sh", "-c", fetch]}], [progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert!(done.text().contains("could not read Username"), "{}", done.text());
    assert!(!done.text().contains("[redacted]"), "the agent saw a secret");
    fixture.assert_no_secret_anywhere("after a run with a token");
    let seen = seen.lock().unwrap();
    let with = seen.iter().filter(|(_, authorization)| authorization.is_some()).count();
    // The agent's own, once; git's without its being asked is none.
    assert_eq!(seen.len() - with, 1, "{seen:#?}");
    assert!(seen.iter().any(|(line, _)| line.starts_with("POST /remote.git/git-receive-pack")));
}

#[test]
fn what_a_new_execution_begins_with_is_pushed_with_the_token() {
    let (mut fixture, _) = fixture(Rules::strict());
    fixture.seed("ralph/docs", &[("PROGRESS.md", "## Status: COMPLETE\n")]);
    fixture.seed("main", &[("base", "new\n")]);
    fixture.calls(json!([[{"run": ["sh", "-c", "env; cat .git/config"]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("`main` is merged into `ralph/docs`"), "{done:#?}");
    assert!(!done.text().contains("[redacted]"), "the agent saw a secret");
    assert_eq!(fixture.file("ralph/docs", "base").as_deref(), Some("new\n"));
    fixture.assert_no_secret_anywhere("after a merge with a token");
}

#[test]
fn a_wrong_token_ends_the_run_before_any_money_is_spent() {
    let (mut fixture, _) = fixture(Rules { login: "x:another".to_owned(), ..Rules::strict() });
    refused(&mut fixture, "`ralph keys set git-token`");
}

#[test]
fn a_repository_that_needs_a_credential_says_so() {
    let (mut fixture, _) = fixture(Rules::strict());
    fixture.set(env::GIT_TOKEN, "{}");
    refused(&mut fixture, "needs a credential");
}

#[test]
fn a_token_that_may_only_read_is_found_out_at_the_start() {
    let (mut fixture, _) = fixture(Rules { may_push: false, ..Rules::strict() });
    refused(&mut fixture, "error: 403");
    // Also where the run would push before its agent starts.
    fixture.seed("ralph/docs", &[("PROGRESS.md", "## Status: COMPLETE\n")]);
    refused(&mut fixture, "error: 403");
    let output = fixture.command().arg("validate").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("can be read") && text.contains("error: git push failed"), "{text}");
}

/// As on GitHub: the content is on another server, which must not see the credential; and the
/// repository cannot send it to a third one.
#[test]
fn content_of_lfs_comes_and_goes_without_the_token() {
    let rules = Rules::strict();
    let (mut fixture, seen) = fixture(rules.clone());
    let (content, asked) = serve(&mut fixture, Rules::strict());
    let (third, third_asked) = serve(&mut fixture, Rules::strict());
    let content = content.trim_end_matches("/remote.git").to_owned();
    *rules.lfs.lock().unwrap() = Some(content);
    let config = format!("[lfs]\n\turl = {third}/info/lfs\n\tpushurl = {third}/info/lfs\n");
    lfs::keep(&fixture.remote(), "content of old.bin");
    let old = lfs::pointer("content of old.bin");
    fixture.seed("main", &[lfs::ATTRIBUTES, ("old.bin", &old), (".lfsconfig", &config)]);
    let look = "cat old.bin; git -c http.sslCAInfo=$SSL_CERT_FILE lfs fetch --all 2>&1; env";
    fixture.calls(json!([[{"run": ["sh", "-c", look]}, write("new.bin", "new"), progress(true)]]));
    let output = fixture.command().arg("validate").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("can be read") && asked.lock().unwrap().is_empty(), "{said}");
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("content of old.bin"), "{}", done.text());
    assert!(!done.text().contains("[redacted]"), "the agent saw a secret");
    assert_eq!(fixture.file("ralph/docs", "new.bin"), Some(lfs::pointer("new")));
    let kept = std::fs::read_to_string(lfs::kept(&fixture.remote(), "new")).unwrap();
    assert_eq!(kept, "new");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "{asked:#?}");
    assert!(asked.iter().all(|(_, authorization)| authorization.is_none()), "{asked:#?}");
    let third_asked = third_asked.lock().unwrap();
    assert!(third_asked.iter().all(|(_, authorization)| authorization.is_none()));
    let seen = seen.lock().unwrap();
    let batches = seen.iter().filter(|(line, with)| line.contains("/info/lfs/") && with.is_some());
    assert_eq!(batches.count(), 2, "{seen:#?}");
    fixture.assert_no_secret_anywhere("after a run with LFS and a token");
}

#[test]
fn what_lfs_does_not_take_is_withheld_until_it_does() {
    let rules = Rules::strict();
    let (mut fixture, _) = fixture(rules.clone());
    fixture.seed("main", &[lfs::ATTRIBUTES]);
    let flag = fixture.path("go").display().to_string();
    let wait = format!("while ! test -e {flag}; do sleep 0.05; done");
    fixture.calls(json!([
        [write("new.bin", "new"), write("a", "1")],
        [{"text": "prompt was: {prompt}"}, {"run": ["sh", "-c", wait]}, write("b", "2"), progress(true)],
    ]));
    let mut running = fixture.spawn();
    running.until_text("`new.bin` is not pushed: it cannot be stored in LFS: batch response");
    running.until_text("These files were not committed");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_eq!(fixture.file("ralph/docs", "new.bin"), None);
    let url = fixture.env[env::REPO].trim_end_matches("/remote.git").to_owned();
    *rules.lfs.lock().unwrap() = Some(url);
    std::fs::write(flag, "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    assert_eq!(fixture.file("ralph/docs", "new.bin"), Some(lfs::pointer("new")));
    assert!(lfs::kept(&fixture.remote(), "new").is_file());
}

#[test]
fn submodules_are_fetched_without_the_token() {
    let (mut fixture, seen) = fixture(Rules::strict());
    submodules::repository(&fixture, "public", "p", &[]);
    submodules::repository(&fixture, "private", "q", &[]);
    let modules = [("a", "../public.git"), ("b", "../private.git")];
    submodules::link(&fixture, "remote.git", "t", &modules);
    fixture.calls(json!([[{"run": ["sh", "-c", "cat a/p; ls b"]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    assert!(text.contains("content of p"), "{text}");
    assert!(text.contains("submodule `b` is not fetched: it is not public"), "{text}");
    let seen = seen.lock().unwrap();
    for name in ["/public.git", "/private.git"] {
        let mut asked = seen.iter().filter(|(line, _)| line.contains(name)).peekable();
        assert!(asked.peek().is_some(), "{name}: {seen:#?}");
        assert!(asked.all(|(_, authorization)| authorization.is_none()), "{name}: {seen:#?}");
    }
}

/// The remote has had too many requests before the run, and again at its push.
#[test]
fn a_limit_of_requests_is_not_a_refused_token() {
    for status in ["403 Forbidden", "429 Too Many Requests"] {
        let rules = Rules::strict();
        let (mut fixture, _) = fixture(rules.clone());
        let flag = fixture.path("go").display().to_string();
        let wait = format!("while ! test -e {flag}; do sleep 0.05; done");
        fixture.set(env::MAX_ITERATIONS, "1");
        fixture.calls(json!([[write("a", "1"), {"text": "working"}, {"run": ["sh", "-c", wait]}]]));
        *rules.busy.lock().unwrap() = (1, status);
        let mut running = fixture.spawn();
        running.until_text("the remote is asked again in 5 s");
        running.until_text("working");
        *rules.busy.lock().unwrap() = (1, status);
        std::fs::write(flag, "").unwrap();
        let done = running.wait();
        assert_eq!(done.exit(), 10, "{done:#?}");
        assert_eq!(rules.busy.lock().unwrap().0, 0, "the push was not refused");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
        assert!(done.text().contains("secondary rate limit"), "{}", done.text());
        assert!(!done.text().contains("needs a credential"), "{}", done.text());
    }
}

#[test]
fn a_token_does_not_follow_to_another_host() {
    let (mut fixture, seen) = fixture(Rules::strict());
    let rules = Rules { elsewhere: Some(fixture.env[env::REPO].clone()), ..Rules::strict() };
    let (url, first) = serve(&mut fixture, rules);
    fixture.set(env::REPO, url);
    refused(&mut fixture, "check RALPH_REPO");
    assert_eq!((first.lock().unwrap().len(), seen.lock().unwrap().len()), (1, 0));
}
