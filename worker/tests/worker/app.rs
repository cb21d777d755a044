//! A GitHub App as credential: GitHub's API and git's own server under one name, behind TLS. The API
//! checks each JWT and hands out tokens, and git's server takes no others.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ralph_protocol::names::worker_env as env;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::{
    github::{self, say},
    harness::{Done, Fixture, appears, processes_with, progress, write},
    https::{HOST, content_of, listen, refused, serve_batch, serve_content},
    lfs,
    tls::{Request, serve_git},
};

const APP: u64 = 123_456;
const INSTALLATION: u64 = 7_890;

/// What `openssl` makes of its input.
fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}");
    output.stdout
}

/// What the API does and has done.
pub struct Github {
    /// The key of the App, as DER.
    public: Vec<u8>,
    /// A line of the private key, which nothing but the worker may ever hold.
    line: String,
    /// How long a token is good, seconds.
    lifetime: u64,
    /// How far the API's clock is ahead of this machine's, seconds.
    ahead: u64,
    /// Answers the next requests for a token with this in its place; so many of them.
    instead: (u32, &'static str, Value),
    /// What the installation may do.
    permissions: Value,
    /// Says nothing to a request for a token.
    silent: bool,
    /// Every token so far. Only the last one is good, and none after `revoked` of them.
    tokens: Vec<String>,
    revoked: usize,
    /// The bodies of the requests for a token.
    asked: Vec<Value>,
    /// The target of each request of git and git-lfs, and the status that it got.
    served: Vec<(String, u16)>,
    pub pulls: github::Shared,
}

pub type Shared = Arc<Mutex<Github>>;

pub fn of(shared: &Shared) -> MutexGuard<'_, Github> {
    shared.lock().unwrap()
}

/// A fixture whose git-token is an App's.
pub fn fixture() -> (Fixture, Shared) {
    let mut fixture = Fixture::new();
    let pem = openssl(&["genrsa", "-traditional", "2048"], b"");
    let text = String::from_utf8(pem.clone()).unwrap();
    let github = Github {
        public: openssl(&["rsa", "-RSAPublicKey_out", "-outform", "DER"], &pem),
        line: text.lines().nth(5).unwrap().to_owned(),
        lifetime: 3600,
        ahead: 0,
        instead: (0, "", Value::Null),
        permissions: json!({"contents": "write", "metadata": "read", "pull_requests": "write"}),
        silent: false,
        tokens: Vec::new(),
        revoked: 0,
        asked: Vec::new(),
        served: Vec::new(),
        pulls: github::Shared::default(),
    };
    let shared = Arc::new(Mutex::new(github));
    let (api, root) = (Arc::clone(&shared), fixture.dir.path().to_path_buf());
    let port =
        listen(&mut fixture, move |request, mut stream| answer(&api, request, &mut stream, &root));
    std::fs::create_dir(fixture.path("you")).unwrap();
    std::os::unix::fs::symlink("../remote.git", fixture.path("you/project.git")).unwrap();
    let secret = json!({
        "appId": APP, "installationId": INSTALLATION.to_string(), "privateKey": text, "host": HOST,
    });
    fixture.set(env::REPO, format!("https://{HOST}:{port}/you/project"));
    fixture.set(env::GIT_TOKEN, secret.to_string()).set(env::ALLOW_FILE_REPO, "");
    (fixture, shared)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn answer(
    shared: &Shared,
    request: &Request,
    stream: &mut impl Write,
    root: &Path,
) -> std::io::Result<()> {
    let line = of(shared).line.clone();
    assert_eq!(processes_with(&line), 0, "the private key is in an argument list");
    let target = request.target();
    if let Some(path) = target.strip_prefix("/api/v3").filter(|path| path.starts_with("/repos/")) {
        let (pulls, token) = {
            let github = of(shared);
            (github.pulls.clone(), github.tokens.last().cloned())
        };
        return github::serve(&pulls, &token.unwrap(), path, request, stream, root);
    }
    if let Some(path) = target.strip_prefix("/api/v3") {
        return api(shared, path, request, stream);
    }
    if let Some(oid) = target.strip_prefix("/objects/") {
        return serve_content(stream, request.method(), &content_of(root, oid), &request.body);
    }
    let (good, last) = {
        let github = of(shared);
        let last = github.tokens.last().cloned().unwrap_or_default();
        let basic = format!("Basic {}", STANDARD.encode(format!("x-access-token:{last}")));
        let fresh = github.tokens.len() > github.revoked;
        (fresh && request.field("authorization") == basic, last)
    };
    assert!(last.is_empty() || processes_with(&last) == 0, "a token is in an argument list");
    of(shared).served.push((target.to_owned(), if good { 200 } else { 401 }));
    if !good {
        return say(stream, "401 Unauthorized", "www-authenticate: Basic realm=\"GitHub\"\r\n", "");
    }
    if target.ends_with("/info/lfs/objects/batch") {
        let server = format!("https://{}", request.field("host"));
        return serve_batch(stream, &request.body, &server, root);
    }
    // The name on GitHub has no `.git`; the folder has.
    serve_git(stream, &request.under("/you/project/", "/you/project.git/"), root)
}

/// The claims of a JWT that is signed as it must be.
fn claims(github: &Github, request: &Request) -> Value {
    let authorization = request.field("authorization");
    let jwt = authorization.strip_prefix("Bearer ").expect("a bearer token");
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &github.public)
        .verify(signed.as_bytes(), &signature)
        .expect("the App's signature");
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| {
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(read(header)["alg"], "RS256");
    read(claims)
}

/// `/app/installations/<id>` and the tokens below it.
fn api(
    shared: &Shared,
    path: &str,
    request: &Request,
    stream: &mut impl Write,
) -> std::io::Result<()> {
    let mut github = of(shared);
    let claims = claims(&github, request);
    let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(iat <= now() - 59 && exp > now() && exp <= now() + 600, "{claims}");
    assert_eq!(claims["iss"], APP.to_string());
    assert_eq!(request.field("accept"), "application/vnd.github+json");
    assert_eq!(request.field("x-github-api-version"), "2022-11-28");
    assert!(request.field("user-agent").starts_with("ralph-loop-cloud/"));
    let installation = format!("/app/installations/{INSTALLATION}");
    if request.method() == "GET" && path == installation {
        let body = json!({"permissions": github.permissions}).to_string();
        return say(stream, "200 OK", "", &body);
    }
    assert_eq!(
        (request.method(), path),
        ("POST", format!("{installation}/access_tokens").as_str())
    );
    github.asked.push(serde_json::from_slice(&request.body).unwrap());
    if github.silent {
        drop(github);
        // Longer than anybody waits.
        std::thread::sleep(Duration::from_secs(120));
        return Ok(());
    }
    if github.instead.0 > 0 {
        github.instead.0 -= 1;
        let (_, status, body) = github.instead.clone();
        let elsewhere = "location: /elsewhere\r\n";
        return say(stream, status, elsewhere, &body.to_string());
    }
    // Of no well-known form: only who has learned it can find it.
    let token = format!("hunter2-token-{:04}-of-an-installation", github.tokens.len());
    let date = UNIX_EPOCH + Duration::from_secs(now() + github.ahead);
    let until = (now() + github.ahead + github.lifetime) * 1000;
    let body = json!({
        "token": token, "expires_at": ralph_protocol::event::timestamp_text(until),
        "permissions": github.permissions, "repository_selection": "selected",
    });
    github.tokens.push(token);
    let date = format!("date: {}\r\n", httpdate::fmt_http_date(date));
    say(stream, "201 Created", &date, &body.to_string())
}

/// A call of the agent that works until the test lets it go on.
fn until_told(fixture: &Fixture, then: &[Value]) -> Value {
    let go = fixture.path("go").display().to_string();
    let wait = format!("while ! test -e {go}; do sleep 0.05; done");
    let first = [json!({"text": "working"}), json!({"run": ["sh", "-c", wait]})];
    Value::from([&first, then].concat())
}

fn go(fixture: &Fixture) {
    std::fs::write(fixture.path("go"), "").unwrap();
}

/// Nothing of the private key is in an event.
#[track_caller]
fn no_key(done: &Done, github: &Github) {
    assert!(!format!("{done:?}").contains(&github.line), "a line of the private key");
}

#[test]
fn a_run_works_with_tokens_that_an_app_gets_for_its_repository_alone() {
    let (mut fixture, github) = fixture();
    fixture.seed("main", &[lfs::ATTRIBUTES]);
    fixture.calls(json!([
        [write("a", "1"), {"run": ["sh", "-c", "env; cat .git/config"]}, write("new.bin", "new")],
        [write("b", "2"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    assert_eq!(fixture.file("ralph/docs", "new.bin"), Some(lfs::pointer("new")));
    assert!(lfs::kept(&fixture.remote(), "new").is_file());
    assert!(!done.text().contains("[redacted]"), "the agent saw a secret");
    fixture.assert_no_secret_anywhere("after a run with an App");
    let github = of(&github);
    no_key(&done, &github);
    // Once for the run, and no more than is needed.
    let permissions = json!({"contents": "write", "pull_requests": "write"});
    assert_eq!(github.asked, [json!({"repositories": ["project"], "permissions": permissions})]);
    let pushed =
        |(target, status): &(String, u16)| target.contains("receive-pack") && *status == 200;
    assert!(github.served.iter().any(pushed), "{:#?}", github.served);
    let unknown = github.served.iter().filter(|(_, status)| *status == 401).count();
    assert_eq!(unknown, 0, "{:#?}", github.served);
}

#[test]
fn a_token_is_renewed_before_it_expires_by_the_servers_clock() {
    // How long a token is good, how far the server's clock is ahead, whether one is enough.
    for (lifetime, ahead, once) in
        [(3600, 0, true), (3600, 7200, true), (590, 0, false), (590, 7200, false)]
    {
        let (mut fixture, github) = fixture();
        of(&github).lifetime = lifetime;
        of(&github).ahead = ahead;
        fixture.calls(json!([[write("a", "1")], [write("b", "2"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
        let github = of(&github);
        assert_eq!(github.asked.len() == 1, once, "{lifetime} {ahead}: {}", github.asked.len());
        // The server takes the newest one only, and has refused none.
        assert!(github.served.iter().all(|(_, status)| *status == 200), "{:#?}", github.served);
    }
}

#[test]
fn a_token_that_the_remote_refuses_is_replaced_once_for_git_and_for_lfs() {
    for files in [&[("a", "1")][..], &[("a", "1"), ("new.bin", "new")]] {
        let (mut fixture, github) = fixture();
        fixture.seed("main", &[lfs::ATTRIBUTES]);
        let files: Vec<Value> = files.iter().map(|(path, text)| write(path, text)).collect();
        let call = until_told(&fixture, &[&files[..], &[progress(true)]].concat());
        fixture.calls(json!([call]));
        let mut running = fixture.spawn();
        running.until_text("working");
        let revoked = of(&github).tokens.len();
        of(&github).revoked = revoked;
        go(&fixture);
        let done = running.wait();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
        assert_eq!(lfs::kept(&fixture.remote(), "new").is_file(), files.len() > 1, "{done:#?}");
        let github = of(&github);
        assert_eq!((revoked, github.tokens.len()), (1, 2));
        let refused = github.served.iter().filter(|(_, status)| *status == 401).count();
        assert!(refused > 0, "the old token was not refused: {:#?}", github.served);
    }
}

#[test]
fn a_remote_that_refuses_each_token_ends_the_run_before_any_money_is_spent() {
    let (mut fixture, github) = fixture();
    of(&github).revoked = usize::MAX;
    refused(&mut fixture, "`ralph keys set git-token`");
    assert_eq!(of(&github).tokens.len(), 2);
}

#[test]
fn an_app_that_gets_no_token_ends_the_run_before_any_money_is_spent() {
    let parts = "There is at least one repository that does not exist or is not accessible to the parent installation.";
    let rights = "The permissions requested are not granted to this installation.";
    for (status, message, permissions, found) in [
        ("401 Unauthorized", "A JSON web token could not be decoded", None, "the machine's clock"),
        ("404 Not Found", "Not Found", None, "check `installationId`"),
        ("403 Forbidden", "This installation has been suspended", None, "is suspended"),
        ("422 Unprocessable Entity", parts, None, "under Repository access"),
        (
            "422 Unprocessable Entity",
            rights,
            Some(json!({"contents": "read", "pull_requests": "write"})),
            "grant `contents`: write on",
        ),
    ] {
        let (mut fixture, github) = fixture();
        of(&github).instead = (u32::MAX, status, json!({"message": message}));
        if let Some(permissions) = permissions {
            of(&github).permissions = permissions;
        }
        refused(&mut fixture, found);
        let output = fixture.command().arg("validate").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_ne!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("error: the GitHub App 123456 gets no token: "), "{text}");
        assert!(text.contains(message) && text.contains(found), "{text}");
        // Asked once each, and never sent elsewhere.
        assert_eq!(of(&github).asked.len(), 2, "{status}");
        assert!(of(&github).served.is_empty());
    }
}

#[test]
fn a_redirect_of_the_api_is_not_followed() {
    let (mut fixture, github) = fixture();
    of(&github).instead = (u32::MAX, "307 Temporary Redirect", Value::Null);
    refused(&mut fixture, "GitHub answered 307");
    let github = of(&github);
    assert_eq!((github.asked.len(), github.served.len()), (1, 0));
}

#[test]
fn an_api_in_trouble_is_asked_again() {
    let (mut fixture, github) = fixture();
    of(&github).instead = (1, "503 Service Unavailable", Value::Null);
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("GitHub answered 503"), "{}", done.text());
    assert!(done.text().contains("the remote is asked again in 5 s"), "{}", done.text());
}

#[test]
fn a_signal_finds_an_expired_token_and_the_work_is_pushed_with_a_new_one() {
    let (mut fixture, github) = fixture();
    of(&github).lifetime = 590;
    let call = until_told(&fixture, &[]);
    fixture.calls(json!([[write("a", "1")], call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    std::fs::write(fixture.path("work").join(checkout(&fixture)).join("b"), "2").unwrap();
    let before = of(&github).tokens.len();
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    assert!(of(&github).tokens.len() > before);
}

#[test]
fn a_signal_does_not_wait_for_an_api_that_says_nothing() {
    let (mut fixture, github) = fixture();
    of(&github).lifetime = 590;
    let call = until_told(&fixture, &[]);
    fixture.calls(json!([[write("a", "1")], call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    std::fs::write(fixture.path("work").join(checkout(&fixture)).join("b"), "2").unwrap();
    of(&github).silent = true;
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    assert!(done.text().contains("did not answer within 15 s"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

/// The checkout below the folder for them.
fn checkout(fixture: &Fixture) -> String {
    format!("{}/checkout", fixture.env[env::RUN])
}

#[test]
fn a_token_is_redacted_and_not_pushed_wherever_the_agent_has_it_from() {
    let (mut fixture, github) = fixture();
    let file = fixture.path("token");
    let leak = format!(
        "cat {0}; printf x-access-token:$(cat {0}) | base64 -w 20; cp {0} leak.txt; echo fine > ok.txt",
        file.display()
    );
    let call = until_told(&fixture, &[json!({"run": ["sh", "-c", leak]}), progress(true)]);
    fixture.calls(json!([call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    std::fs::write(&file, of(&github).tokens.last().unwrap()).unwrap();
    go(&fixture);
    appears(&fixture.path("work").join(checkout(&fixture)).join("ok.txt"));
    let done = running.wait();
    std::fs::remove_file(file).unwrap();
    // The harness has looked for the token in every line.
    assert!(done.text().contains("[redacted]"), "{}", done.text());
    assert!(done.text().contains("`leak.txt` is not pushed: it holds a credential"), "{done:#?}");
    let basic = STANDARD.encode(format!("x-access-token:{}", of(&github).tokens[0]));
    assert!(!done.text().replace('\n', "").contains(&basic[24..40]), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "ok.txt").as_deref(), Some("fine\n"));
    assert_eq!(fixture.file("ralph/docs", "leak.txt"), None);
    fixture.assert_no_secret_in_the_remote("after a leak");
}

#[test]
fn the_lines_of_the_private_key_are_redacted() {
    let (mut fixture, github) = fixture();
    let line = of(&github).line.clone();
    fixture
        .calls(json!([[{"text": format!("key: {line}")}, write("leak", &line), progress(true)]]));
    let done = fixture.run();
    no_key(&done, &of(&github));
    assert!(done.text().contains("key: [redacted]"), "{}", done.text());
    assert!(done.text().contains("`leak` is not pushed: it holds a credential"), "{done:#?}");
}

#[test]
fn validate_says_what_the_app_gets() {
    let (fixture, github) = fixture();
    let output = fixture.command().arg("validate").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let repo = &fixture.env[env::REPO];
    let expected =
        format!("ok: the GitHub App 123456 gets a token for {repo}, good for 59 minutes");
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("ok: `ralph/docs` can be pushed to"), "{text}");
    assert_eq!(of(&github).asked.len(), 1);
}

#[test]
fn a_key_that_is_not_an_rsa_key_is_refused_before_anything_else() {
    let (mut fixture, github) = fixture();
    let ec = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    let mut secret: Value = serde_json::from_str(&fixture.env[env::GIT_TOKEN]).unwrap();
    secret["privateKey"] = String::from_utf8(ec).unwrap().into();
    fixture.set(env::GIT_TOKEN, secret.to_string()).counted_calls(json!([[write("a", "a")]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (30, 0), "{done:#?}");
    let text = done.text();
    assert!(text.contains("RALPH_GIT_TOKEN: `privateKey` is not an RSA key\nhint: "), "{text}");
    assert!(of(&github).asked.is_empty());
}
