//! The pull request that a run opens for its branch, with a GitHub App and with a plain token.

use std::{
    io::Write,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ralph_protocol::{exit::RunExit, ids::Run, names::worker_env as env};
use serde_json::{Value, json};

use crate::{
    app,
    github::{self, Fault, OWNER, Shared, of},
    harness::{Done, Fixture, cost, progress, run_id, write},
    https::{HOST, listen},
    tls::serve_git,
};

/// A fixture whose git-token is a GitHub App's.
fn with_app() -> (Fixture, Shared) {
    let (fixture, api) = app::fixture();
    let pulls = app::of(&api).pulls.clone();
    (fixture, pulls)
}

/// The same with a plain token, which asks for a draft: nobody knows that the host is GitHub.
fn with_token() -> (Fixture, Shared) {
    // No other test has it, whose processes could be seen.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let token = format!("hunter2-token-for-pull-requests-{count:04}");
    let mut fixture = Fixture::new();
    let pulls = Shared::default();
    let (api, root, good) =
        (Shared::clone(&pulls), fixture.dir.path().to_path_buf(), token.clone());
    let port = listen(&mut fixture, move |request, mut stream: &mut dyn Write| {
        if let Some(path) = request.target().strip_prefix("/api/v3") {
            return github::serve(&api, &good, path, request, &mut stream, &root);
        }
        let basic = format!("Basic {}", STANDARD.encode(format!("x:{good}")));
        if request.field("authorization") != basic {
            let ask = "www-authenticate: Basic realm=\"GitHub\"\r\n";
            return github::say(&mut stream, "401 Unauthorized", ask, "");
        }
        serve_git(&mut stream, &request.under("/you/project/", "/you/project.git/"), &root)
    });
    std::fs::create_dir(fixture.path("you")).unwrap();
    std::os::unix::fs::symlink("../remote.git", fixture.path("you/project.git")).unwrap();
    let secret = json!({"host": HOST, "username": "x", "token": token});
    fixture.set(env::REPO, format!("https://{HOST}:{port}/you/project"));
    fixture.set(env::GIT_TOKEN, secret.to_string()).set(env::ALLOW_FILE_REPO, "");
    fixture.set(env::PULL_REQUEST, "draft");
    (fixture, pulls)
}

fn link(fixture: &Fixture, number: u64) -> String {
    format!("{}/pull/{number}", fixture.env[env::REPO])
}

/// The warnings about pull requests.
fn warnings(done: &Done) -> Vec<&str> {
    let warnings = done.of("log").into_iter().filter(|event| event["level"] == "warn");
    let texts = warnings.filter_map(|event| event["text"].as_str());
    texts.filter(|text| text.contains("pull")).collect()
}

/// Methods in the order of the requests.
fn methods(shared: &Shared) -> String {
    let pulls = of(shared);
    pulls.asked.iter().map(|(method, ..)| method.as_str()).collect::<Vec<_>>().join(" ")
}

/// The body of the only pull request.
#[track_caller]
fn body(shared: &Shared) -> String {
    let pulls = of(shared);
    let [pull] = &pulls.list[..] else { panic!("{:#?}", pulls.list) };
    pull["body"].as_str().unwrap().to_owned()
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

#[test]
fn a_draft_is_opened_once_at_the_first_push_and_says_at_the_end_how_the_run_ended() {
    for (mut fixture, pulls) in [with_app(), with_token()] {
        fixture.set(env::LOG_URL, "https://logs.example.com/{workstream}/{run}");
        fixture.calls(json!([
            [write("a", "1"), cost(0.5)],
            [write("b", "2"), cost(0.25)],
            [write("c", "3"), progress(true), cost(0.25)],
        ]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(warnings(&done), [""; 0]);
        assert_eq!(methods(&pulls), "GET POST GET PATCH");
        let asked = of(&pulls).asked.clone();
        let new = &asked[1].2;
        assert_eq!(new["title"], "Work of workstream docs on ralph/docs");
        assert_eq!(
            (&new["head"], &new["base"], &new["draft"]),
            (&json!("ralph/docs"), &json!("main"), &json!(true))
        );
        let first = new["body"].as_str().unwrap();
        assert!(first.contains("- State: a run is going on\n"), "{first}");
        let last = body(&pulls);
        for line in [
            "- Workstream: `docs`\n- Branch: `ralph/docs`, to merge into `main`\n".to_owned(),
            "- Outcome: the work is complete\n".to_owned(),
            "- Iterations of the execution: 3\n- Cost of the execution: 1.00 US dollars\n"
                .to_owned(),
            "- Verify command: there is none\n".to_owned(),
            format!("- Run: `{}`\n", run_id(1)),
            format!("- [Log of the run](<https://logs.example.com/docs/{}>)\n", run_id(1)),
        ] {
            assert!(last.contains(&line), "{line}: {last}");
        }
        // Its link is made by the worker, after the first push and near the end.
        let events = done.of("pull_request");
        assert_eq!(events.len(), 2, "{done:#?}");
        for event in &events {
            assert_eq!(event["url"], link(&fixture, 7));
            assert_eq!((&event["number"], &event["draft"]), (&json!(7), &json!(true)));
        }
        assert_eq!((&events[0]["iter"], &events[1]["iter"]), (&json!(1), &json!(3)));
        assert_eq!(done.events[done.events.len() - 2]["type"], "pull_request");
        fixture.assert_no_secret_anywhere("after a pull request");
    }
}

#[test]
fn one_that_is_ready_is_opened_when_that_is_asked_for() {
    let (mut fixture, pulls) = with_token();
    fixture.set(env::PULL_REQUEST, "ready");
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(of(&pulls).list[0]["draft"], json!(false));
    assert_eq!(done.of("pull_request")[0]["draft"], json!(false));
}

#[test]
fn what_only_counts_iterations_is_not_offered() {
    let (mut fixture, pulls) = with_token();
    fixture.calls(json!([[{"text": "nothing"}], [write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let events = done.of("pull_request").into_iter();
    let iterations: Vec<u64> = events.map(|event| event["iter"].as_u64().unwrap()).collect();
    assert_eq!((iterations, methods(&pulls)), (vec![2, 2], "GET POST GET PATCH".to_owned()));
    let (mut fixture, none) = with_token();
    fixture.calls(json!([[{"text": "nothing"}]]));
    fixture.set(env::MAX_STALLS, "1");
    let done = fixture.run();
    assert_eq!((done.exit(), done.of("pull_request").len()), (13, 0), "{done:#?}");
    assert!(done.of("checkpoint").len() > 1, "{done:#?}");
    // Looked for at the end.
    assert_eq!(methods(&none), "GET");
}

#[test]
fn an_agent_that_moves_its_own_copy_of_the_base_hides_nothing() {
    let (mut fixture, pulls) = with_token();
    let hide = "git add -A; git commit -qm hidden; git update-ref refs/remotes/origin/main HEAD";
    fixture.calls(json!([[write("a", "1"), progress(true), {"run": ["sh", "-c", hide]}]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(of(&pulls).count("POST"), 1, "{done:#?}");
}

#[test]
fn a_later_attempt_and_a_later_execution_find_it() {
    let (mut fixture, pulls) = with_app();
    fixture.set(env::MAX_ITERATIONS, "1").calls(json!([[write("a", "1")]]));
    assert_eq!(fixture.run().exit(), 10);
    for (run, complete) in
        [(run_id(2), false), ("01M7ZZZZZZ0000000000000001-0001".to_owned(), true)]
    {
        fixture.set(env::RUN, run.clone()).set(env::MAX_ITERATIONS, "5");
        fixture.calls(json!([[write("b", &run)], [write("c", &run)], [progress(complete)]]));
        let done = fixture.run();
        assert!([0, 10].contains(&done.exit()), "{done:#?}");
        assert_eq!(warnings(&done), [""; 0]);
        let events = done.of("pull_request");
        assert!(!events.is_empty() && events.iter().all(|event| event["number"] == 7), "{done:#?}");
        let body = body(&pulls);
        assert!(body.contains(&format!("- Run: `{run}`\n")), "{body}");
        // The first attempt's is among them.
        assert!(complete || body.contains("- Iterations of the execution: 5\n"), "{body}");
    }
    let pulls = of(&pulls);
    assert_eq!((pulls.list.len(), pulls.count("POST")), (1, 1));
}

#[test]
fn work_that_was_never_offered_is_offered_at_the_end() {
    // Pushed by an attempt that was cut off before it could; or there is an old one, of other work.
    for old in [false, true] {
        let (mut fixture, pulls) = with_token();
        fixture.seed_own("ralph/docs", &[("a", "1"), ("PROGRESS.md", "## Status: COMPLETE\n")]);
        if old {
            of(&pulls).add("ralph/docs", "main", "t", &json!("old"), true);
            of(&pulls).close(7, started_ms() - 1_000);
        }
        fixture.counted_calls(json!([[write("a", "2")]]));
        let done = fixture.run();
        assert_eq!((done.exit(), fixture.count()), (0, 0), "{done:#?}");
        assert_eq!(methods(&pulls), "GET POST");
        let body = of(&pulls).list.last().unwrap()["body"].to_string();
        assert!(body.contains("- Outcome: the work is complete\\n"), "{body}");
        assert_eq!(done.of("pull_request").len(), 1);
    }
}

#[test]
fn rescued_work_that_is_taken_up_is_offered_beside_an_old_one() {
    let (mut fixture, pulls) = with_token();
    fixture.seed("ralph/docs", &[("a", "1")]);
    of(&pulls).add("ralph/docs", "main", "t", &json!("old"), true);
    of(&pulls).close(7, started_ms() - 1_000);
    let rescue = format!("ralph/rescue/{}", run_id(1));
    fixture.remote_git(&["branch", &rescue, "ralph/docs"]);
    fixture.seed_own(&rescue, &[("a", "2"), ("PROGRESS.md", "## Status: COMPLETE\n")]);
    fixture.set(env::RUN, run_id(2)).counted_calls(json!([[write("a", "3")]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 0), "{done:#?}");
    assert_eq!(methods(&pulls), "GET POST", "{done:#?}");
}

fn started_ms() -> u64 {
    run_id(1).parse::<Run>().unwrap().started_ms()
}

#[test]
fn one_that_a_person_closes_stays_closed() {
    // Before this attempt, but in this execution.
    let (mut fixture, pulls) = with_app();
    of(&pulls).add("ralph/docs", "main", "t", &json!("mine"), true);
    of(&pulls).close(7, started_ms() + 1_000);
    fixture.calls(json!([[write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!((warnings(&done), done.of("pull_request").len()), (vec![], 0));
    assert_eq!(done.text().matches("/pull/7 is closed: it stays as it is").count(), 1);
    assert_eq!((methods(&pulls), body(&pulls)), ("GET".to_owned(), "mine".to_owned()));

    // While the run goes on.
    let (mut fixture, pulls) = with_token();
    let call = until_told(&fixture, &[write("b", "2"), progress(true)]);
    fixture.calls(json!([[write("a", "1")], call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    let before = body(&pulls);
    of(&pulls).close(7, started_ms() + 1_000);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!((methods(&pulls), body(&pulls)), ("GET POST GET".to_owned(), before));
    assert_eq!(done.text().matches("/pull/7 is closed: it stays as it is").count(), 1);

    // Before the execution: that was about other work.
    let (mut fixture, pulls) = with_token();
    of(&pulls).add("ralph/docs", "main", "t", &json!("old"), true);
    of(&pulls).close(7, started_ms() - 1_000);
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let list = of(&pulls).list.clone();
    assert_eq!(
        (list.len(), &list[0]["body"], &list[1]["state"]),
        (2, &json!("old"), &json!("open"))
    );
    assert_eq!(done.of("pull_request")[0]["number"], 8);
}

#[test]
fn an_old_one_is_not_opened_again_by_a_run_that_adds_nothing() {
    let (mut fixture, pulls) = with_token();
    fixture.seed("ralph/docs", &[("a", "1")]);
    of(&pulls).add("ralph/docs", "main", "t", &json!("old"), true);
    of(&pulls).close(7, started_ms() - 1_000);
    fixture.set(env::SETUP_COMMAND, "false").counted_calls(json!([[write("a", "2")]]));
    let done = fixture.run();
    assert_eq!((fixture.count(), done.of("pull_request").len()), (0, 0), "{done:#?}");
    assert_eq!(methods(&pulls), "GET", "{done:#?}");
}

#[test]
fn an_answer_that_is_lost_makes_no_second_one() {
    for (mut fixture, pulls) in [with_app(), with_token()] {
        of(&pulls).faults = vec![("POST", 1, Fault::Lost)];
        fixture.calls(json!([[write("a", "1")], [write("b", "2"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        assert_eq!(warnings(&done).len(), 1, "{done:#?}");
        assert_eq!(methods(&pulls), "GET POST GET GET PATCH");
        assert!(body(&pulls).contains("- Outcome: the work is complete\n"));
        assert_eq!(done.of("pull_request").len(), 1);
    }
}

#[test]
fn one_that_is_opened_by_somebody_else_in_this_moment_is_found() {
    let (mut fixture, pulls) = with_token();
    of(&pulls).add("ralph/docs", "main", "theirs", &json!("theirs"), false);
    // As if it were not there yet.
    of(&pulls).faults = vec![("GET", 1, Fault::Answer("200 OK", "", "[]".to_owned()))];
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), warnings(&done)), (0, vec![]), "{done:#?}");
    assert_eq!(methods(&pulls), "GET POST GET GET");
    // A person's own text is theirs.
    assert_eq!(body(&pulls), "theirs");
    assert_eq!(done.of("pull_request")[0]["draft"], json!(false));
}

/// How a run ends, the calls and the variables that lead there, and what is said about verifying.
type Case = (RunExit, Value, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn each_end_is_told() {
    let until = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 4_000;
    let limited = json!([
        {"json": {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": until}}},
        {"result": {"is_error": true, "api_error_status": 429, "result": "limit"}},
        {"exit": 1},
    ]);
    let work = || json!([write("a", "1"), cost(0.5)]);
    let cases: [Case; 7] = [
        (RunExit::Complete, json!([[write("a", "1"), progress(true)]]), &[], "there is none"),
        (
            RunExit::Complete,
            json!([[write("a", "1"), progress(true)]]),
            &[(env::VERIFY_COMMAND, "true")],
            "passed",
        ),
        (
            RunExit::Iterations,
            json!([[write("a", "1"), progress(true)]]),
            &[(env::VERIFY_COMMAND, "false"), (env::MAX_ITERATIONS, "1")],
            "failed",
        ),
        (
            RunExit::Iterations,
            json!([[write("a", "1"), progress(true)], [write("b", "1"), progress(false)]]),
            &[(env::VERIFY_COMMAND, "false"), (env::MAX_ITERATIONS, "2")],
            "not run on the newest work",
        ),
        (RunExit::Budget, json!([work()]), &[(env::MAX_COST_USD, "0.4")], "there is none"),
        (RunExit::Stalled, json!([work(), []]), &[(env::MAX_STALLS, "1")], "there is none"),
        (RunExit::Waiting, json!([work(), limited]), &[], "there is none"),
    ];
    for (exit, calls, variables, verify) in cases {
        let (mut fixture, pulls) = with_token();
        fixture.counted_calls(calls);
        for (name, value) in variables {
            fixture.set(name, *value);
        }
        let done = fixture.run();
        assert_eq!(done.exit(), i32::from(exit.code()), "{done:#?}");
        let body = body(&pulls);
        assert!(body.contains(&format!("- Outcome: {}\n", exit.about())), "{exit:?}: {body}");
        assert!(body.contains(&format!("- Verify command: {verify}\n")), "{exit:?}: {body}");
        assert_eq!(of(&pulls).count("PATCH"), 1, "{exit:?}");
    }
}

#[test]
fn a_signal_is_told_too() {
    let (mut fixture, pulls) = with_app();
    let call = until_told(&fixture, &[]);
    fixture.calls(json!([[write("a", "1")], call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    running.term();
    let done = running.wait();
    assert_eq!(done.exit(), 75, "{done:#?}");
    let body = body(&pulls);
    assert!(body.contains("- Outcome: the worker was interrupted\n"), "{body}");
    assert_eq!(done.events[done.events.len() - 2]["type"], "pull_request");
}

#[test]
fn what_a_person_writes_stays() {
    let (mut fixture, pulls) = with_token();
    let call = until_told(&fixture, &[write("b", "2"), progress(true)]);
    fixture.calls(json!([[write("a", "1")], call]));
    let mut running = fixture.spawn();
    running.until_text("working");
    let mine = format!("Look at `a` first, @me!\r\n\r\n{}\r\n\r\nFixes #1", body(&pulls));
    let pull = of(&pulls).find(7).map(|pull| {
        pull["body"] = mine.as_str().into();
        pull["title"] = "A title of my own".into();
    });
    assert!(pull.is_some());
    go(&fixture);
    assert_eq!(running.wait().exit(), 0);
    let last = body(&pulls);
    assert!(last.starts_with("Look at `a` first, @me!\r\n\r\n<!-- ralph: begin -->"), "{last}");
    assert!(last.ends_with("<!-- ralph: end -->\r\n\r\nFixes #1"), "{last}");
    assert!(last.contains("the work is complete"), "{last}");
    assert_eq!(of(&pulls).list[0]["title"], "A title of my own");

    // Without the two comments all of it is a person's.
    for text in [json!("mine"), json!(""), Value::Null] {
        let (mut fixture, pulls) = with_token();
        of(&pulls).add("ralph/docs", "main", "t", &text, true);
        fixture.calls(json!([[write("a", "1"), progress(true)]]));
        let done = fixture.run();
        assert_eq!((done.exit(), warnings(&done)), (0, vec![]), "{done:#?}");
        assert_eq!(of(&pulls).list[0]["body"], text);
        assert_eq!(methods(&pulls), "GET GET");
    }
}

#[test]
fn a_refusal_costs_one_warning_and_nothing_else() {
    let said = |message: &str| json!({"message": message}).to_string();
    let unprocessable = "422 Unprocessable Entity";
    let error = json!({"resource": "PullRequest", "field": "base", "code": "invalid"});
    let base = json!({"message": "Validation Failed", "errors": [error]}).to_string();
    let scope = "Resource not accessible by personal access token";
    let limit = "You have exceeded a secondary rate limit";
    let drafts = "Draft pull requests are not supported in this repository.";
    let limited = "x-ratelimit-remaining: 0\r\n";
    let elsewhere = "location: /elsewhere\r\n";
    let huge = " ".repeat(5 << 20);
    // The request that is refused, with what; whether it may pass; what is said.
    let cases: Vec<(&str, &str, &str, String, bool, &str)> = vec![
        (
            "GET",
            "401 Unauthorized",
            "",
            said("Bad credentials"),
            false,
            "`ralph keys set git-token`",
        ),
        ("POST", "403 Forbidden", "", said(scope), false, "`Pull requests`: read and write"),
        ("GET", "404 Not Found", "", said("Not Found"), false, "`Pull requests`: read and write"),
        ("POST", unprocessable, "", base, false, "check `base`"),
        ("POST", unprocessable, "", said(drafts), false, "`pull_request = \"ready\"`"),
        ("GET", "307 Temporary Redirect", elsewhere, String::new(), false, "GitHub answered 307"),
        ("POST", "403 Forbidden", "", said(limit), true, "secondary rate limit"),
        ("GET", "403 Forbidden", limited, said(""), true, "too many requests"),
        ("GET", "429 Too Many Requests", "", said(""), true, "too many requests"),
        ("POST", "502 Bad Gateway", "", "<html>".to_owned(), true, "GitHub answered 502"),
        ("GET", "200 OK", "", "<html>".to_owned(), true, "not what its API says"),
        ("POST", "201 Created", "", "[]".to_owned(), true, "not what its API says"),
        ("GET", "200 OK", "", huge, true, "cannot be read"),
    ];
    for (method, status, fields, text, passes, found) in cases {
        let (mut fixture, pulls) = with_token();
        let fault = Fault::Answer(status, fields, text);
        of(&pulls).faults = vec![(method, u32::MAX, fault)];
        fixture.calls(json!([[write("a", "1"), cost(0.5)], [write("b", "2"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{status}: {done:#?}");
        let [warning] = warnings(&done)[..] else { panic!("{status}: {done:#?}") };
        assert!(warning.starts_with("no pull request is opened: "), "{warning}");
        assert!(warning.contains(found) && warning.contains("\nhint: "), "{found}: {warning}");
        assert_eq!(done.of("pull_request").len(), 0);
        // What cannot pass is not asked again.
        assert_eq!(of(&pulls).count(method), if passes { 2 } else { 1 }, "{status}");
        assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
        assert_eq!(done.settled(), (0.5, 2), "{status}");
    }
}

#[test]
fn what_passes_is_tried_once_more_at_the_end() {
    for (fields, opened) in [("", 1), ("retry-after: 1000\r\n", 0)] {
        let (mut fixture, pulls) = with_token();
        let fault = Fault::Answer("429 Too Many Requests", fields, "{}".to_owned());
        of(&pulls).faults = vec![("POST", 1, fault)];
        fixture.calls(json!([[write("a", "1")], [write("b", "2")], [progress(true)]]));
        let done = fixture.run();
        assert_eq!((done.exit(), warnings(&done).len()), (0, 1), "{done:#?}");
        assert_eq!(of(&pulls).list.len(), opened, "{fields}");
        assert_eq!(methods(&pulls), if opened > 0 { "GET POST GET POST" } else { "GET POST" });
    }
}

#[test]
fn an_update_that_is_refused_costs_one_warning() {
    let (mut fixture, pulls) = with_app();
    let fault = Fault::Answer("403 Forbidden", "", "{}".to_owned());
    of(&pulls).faults = vec![("PATCH", u32::MAX, fault)];
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let [warning] = warnings(&done)[..] else { panic!("{done:#?}") };
    assert!(warning.contains("/you/project/pull/7 is not updated: the token is not"), "{warning}");
    assert_eq!((done.of("pull_request").len(), of(&pulls).count("PATCH")), (2, 1));
}

#[test]
fn a_base_that_is_gone_costs_one_warning() {
    let (mut fixture, pulls) = with_token();
    fixture.seed("ralph/docs", &[("old", "1")]);
    fixture.set(env::BASE, "gone");
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let [warning] = warnings(&done)[..] else { panic!("{done:#?}") };
    assert!(warning.contains("no such branch to merge into (Validation Failed: base invalid)"));
    assert_eq!(of(&pulls).count("POST"), 1);
}

#[test]
fn a_signal_does_not_wait_for_an_api_that_says_nothing() {
    // At the first push, and at the end alone.
    for (method, at_first) in [("GET", true), ("PATCH", false)] {
        let (mut fixture, pulls) = with_token();
        of(&pulls).faults = vec![(method, u32::MAX, Fault::Silent)];
        let call = until_told(&fixture, &[]);
        fixture.calls(json!([[write("a", "1")], call]));
        let mut running = fixture.spawn();
        if at_first {
            let deadline = Instant::now() + Duration::from_secs(60);
            while of(&pulls).asked.is_empty() {
                assert!(Instant::now() < deadline, "nothing was asked");
                std::thread::sleep(Duration::from_millis(10));
            }
        } else {
            running.until_text("working");
        }
        let since = Instant::now();
        running.term();
        let done = running.wait();
        assert_eq!(done.exit(), 75, "{done:#?}");
        // Five seconds for the pull request; the rest is the checkpoint on a busy machine.
        assert!(since.elapsed() < Duration::from_secs(40), "{:?}", since.elapsed());
        let [warning] = warnings(&done)[..] else { panic!("{done:#?}") };
        assert!(warning.contains("GitHub did not answer within 5 s"), "{warning}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    }
}

#[test]
fn a_signal_during_the_update_at_the_end_gives_it_up() {
    let (mut fixture, pulls) = with_token();
    of(&pulls).faults = vec![("PATCH", u32::MAX, Fault::Silent)];
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let mut running = fixture.spawn();
    running.until(|event| event["type"] == "pull_request");
    let deadline = Instant::now() + Duration::from_secs(60);
    while of(&pulls).count("PATCH") == 0 {
        assert!(Instant::now() < deadline, "nothing was changed");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.term();
    let done = running.wait();
    // The work was complete before.
    assert_eq!(done.exit(), 0, "{done:#?}");
    let [warning] = warnings(&done)[..] else { panic!("{done:#?}") };
    assert!(warning.contains("is not updated: a signal came"), "{warning}");
}

#[test]
fn a_run_opens_none_where_it_is_told_so_or_cannot() {
    // An App, which would open one.
    let (mut fixture, pulls) = with_app();
    fixture.set(env::PULL_REQUEST, "none").calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), warnings(&done)), (0, vec![]), "{done:#?}");
    assert_eq!(methods(&pulls), "");
    // A token for a host that is not known to be GitHub.
    let (mut fixture, pulls) = with_token();
    fixture.set(env::PULL_REQUEST, "").calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), warnings(&done)), (0, vec![]), "{done:#?}");
    assert_eq!(methods(&pulls), "");
    // A folder.
    for (wanted, count) in [("", 0), ("none", 0), ("draft", 1), ("ready", 1)] {
        let mut fixture = Fixture::new();
        fixture.set(env::PULL_REQUEST, wanted).calls(json!([[write("a", "1"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{done:#?}");
        let warnings = warnings(&done);
        assert_eq!(warnings.len(), count, "{wanted}: {done:#?}");
        assert!(warnings.iter().all(|text| text.contains("is a folder and not on GitHub\nhint: ")));
        assert_eq!(done.of("pull_request").len(), 0);
    }
}

#[test]
fn no_value_can_mention_a_person_or_close_an_issue() {
    let (mut fixture, pulls) = with_app();
    let branch = "fix#12@you`<b>";
    fixture.set(env::BRANCH, branch).set(env::WORKSTREAM, "fixes");
    fixture.calls(json!([[write("a", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), warnings(&done)), (0, vec![]), "{done:#?}");
    let list = of(&pulls).list.clone();
    assert_eq!(list[0]["head"]["label"], format!("{OWNER}:{branch}"));
    let plain = "f\u{200b}ix＃12＠you｀＜b＞";
    assert_eq!(list[0]["title"], format!("Work of workstream f\u{200b}ixes on {plain}"));
    let body = body(&pulls);
    assert!(body.contains(&format!("- Branch: `{plain}`, to merge into `main`\n")), "{body}");
    assert!(!body.contains(['@', '#']), "{body}");
    // Found again by its real name.
    assert_eq!(methods(&pulls), "GET POST GET PATCH");
    fixture.set(env::RUN, run_id(2)).calls(json!([[write("b", "1"), progress(true)]]));
    assert_eq!(fixture.run().exit(), 0);
    assert_eq!(of(&pulls).list.len(), 1);
}

#[test]
fn validate_says_what_a_run_would_do_and_opens_none() {
    let validate = |fixture: &Fixture| {
        let output = fixture.command().arg("validate").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Nothing about it is a problem of the run's.
        let mut errors = text.lines().filter(|line| line.starts_with("error: "));
        assert!(!errors.any(|line| line.contains("pull")), "{text}");
        text
    };
    let (fixture, pulls) = with_app();
    let text = validate(&fixture);
    let would = "ok: a run would open a draft of a pull request from `ralph/docs` into `main`";
    assert!(text.contains(&format!("{would}; the GitHub App's token may do that")), "{text}");
    assert_eq!(methods(&pulls), "GET");
    let (mut fixture, pulls) = with_token();
    let text = validate(&fixture);
    assert!(text.contains(&format!("{would}; GitHub says only then")), "{text}");
    for (fields, found) in [
        ("x-oauth-scopes: gist, repo\r\n", format!("{would}; the token's scopes allow that")),
        (
            "x-oauth-scopes: gist\r\n",
            "note: no pull request can be opened: the token's scopes".to_owned(),
        ),
    ] {
        of(&pulls).faults = vec![("GET", 1, Fault::Answer("200 OK", fields, "[]".to_owned()))];
        let text = validate(&fixture);
        assert!(text.contains(&found), "{text}");
    }
    of(&pulls).add("ralph/docs", "main", "t", &json!(""), true);
    let text = validate(&fixture);
    assert!(text.contains(&format!("ok: a run would update {}", link(&fixture, 7))), "{text}");
    of(&pulls).faults = vec![("GET", 1, Fault::Answer("404 Not Found", "", "{}".to_owned()))];
    let text = validate(&fixture);
    assert!(text.contains("note: no pull request can be opened: GitHub does not show"), "{text}");
    fixture.set(env::PULL_REQUEST, "none");
    let text = validate(&fixture);
    assert!(text.contains("ok: no pull request would be opened: it is set to `none`"), "{text}");
    assert!(of(&pulls).asked.iter().all(|(method, ..)| method == "GET"));
    let mut fixture = Fixture::new();
    let scenario = fixture.calls(json!([[]])).set(env::PULL_REQUEST, "draft");
    let text = validate(scenario);
    assert!(text.contains("note: no pull request can be opened: the repository is"), "{text}");
}
