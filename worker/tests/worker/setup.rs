//! What makes a checkout ready: when it runs, how it can end, and what it leaves.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use ralph_protocol::names::worker_env as env;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Done, Fixture, KEY, appears, git, processes_with, progress, run_id, write};

/// A step that runs shell commands in the checkout.
fn sh(script: &str) -> Value {
    json!({"run": ["sh", "-c", script]})
}

/// A worker whose agent completes at once, with this setup.
fn fixture(command: &str) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.set(env::SETUP_COMMAND, command);
    fixture.counted_calls(json!([[write("a", "1"), progress(true)]]));
    fixture
}

/// Commits `.ralph/setup` to a branch of the remote, as `make` puts it there.
fn seed(fixture: &Fixture, branch: &str, make: impl FnOnce(&Path)) {
    let clone = tempfile::tempdir_in(fixture.dir.path()).unwrap();
    git(clone.path(), &["clone", "-q", fixture.remote().to_str().unwrap(), "."]);
    git(clone.path(), &["checkout", "-q", "-B", branch, &format!("origin/{branch}")]);
    fs::create_dir_all(clone.path().join(".ralph")).unwrap();
    make(&clone.path().join(".ralph/setup"));
    git(clone.path(), &["add", "-A"]);
    git(clone.path(), &["commit", "-q", "-m", "setup"]);
    git(clone.path(), &["push", "-q", "origin", branch]);
}

fn script(text: &str) -> impl FnOnce(&Path) {
    move |path| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Texts of what setup said, with their levels: first what it said on standard output, since two pipes
/// have no order.
fn said(done: &Done) -> Vec<(&str, &str)> {
    let events = done.of("setup").into_iter();
    let texts = events.map(|e| (e["level"].as_str().unwrap(), e["text"].as_str().unwrap()));
    let mut texts: Vec<_> = texts.collect();
    texts.sort_by_key(|(level, _)| *level);
    texts
}

/// The run's last sentence.
fn sentence(done: &Done) -> &str {
    done.events.last().unwrap()["text"].as_str().unwrap_or_default()
}

fn position(done: &Done, what: impl Fn(&Value) -> bool) -> usize {
    done.events.iter().position(what).unwrap_or_else(|| panic!("not there: {done:#?}"))
}

fn has_text(text: &str) -> impl Fn(&Value) -> bool {
    move |event| event["text"].as_str().is_some_and(|t| t.contains(text))
}

#[test]
fn setup_runs_once_before_the_first_iteration_as_the_agent_would() {
    let command =
        "echo one; echo two >&2; echo x >> ../count; env > ../env; git log -1 --format=%s > ../log";
    let mut fixture = fixture(command);
    fixture.counted_calls(json!([[write("a", "1")], [write("b", "1"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 2), "{done:#?}");
    assert_eq!(said(&done), [("info", "one"), ("warn", "two")]);
    let begins = position(&done, has_text("setup: `echo one; "));
    let ends = position(&done, has_text("setup took "));
    let setup = position(&done, |event| event["type"] == "setup");
    let first = position(&done, |event| event["type"] == "iter.start");
    assert!(begins < setup && setup < ends && ends < first, "{done:#?}");
    let folder = fixture.path("work").join(run_id(1));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("count"), "x\n");
    assert_eq!(read("log"), "somebody else's commit\n");
    let variables = read("env");
    assert!(variables.contains(&format!("HOME={}", folder.join("home").display())), "{variables}");
    for name in ["ANTHROPIC_", "RALPH_", "hunter2"] {
        assert!(!variables.contains(name), "{name} in {variables}");
    }
}

#[test]
fn the_repositorys_own_setup_is_that_of_the_branch_the_work_starts_from() {
    let mut fixture = Fixture::new();
    seed(&fixture, "main", script("#!/bin/sh\necho of main in $PWD\n"));
    fixture.set(env::MAX_ITERATIONS, "1");
    // The agent breaks its own: that is not what the next run starts with.
    fixture.calls(json!([[
        {"write": {"path": ".ralph/setup", "text": "#!/bin/sh\nexit 1\n", "executable": true}}
    ]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    let checkout = fixture.path("work").join(run_id(1)).join("checkout");
    assert_eq!(said(&done), [("info", format!("of main in {}", checkout.display()).as_str())]);
    assert!(done.text().contains("setup: .ralph/setup of main"), "{done:#?}");
    assert!(fixture.file("ralph/docs", ".ralph/setup").unwrap().contains("exit 1"));
    // The next execution goes on with the branch, from a base of its own.
    fixture.set(env::RUN, "01M8ZZZZZZ0000000000000000-0001");
    assert!(fixture.run().text().contains("setup: .ralph/setup of main"));
    fixture.seed("next", &[]);
    seed(&fixture, "next", script("echo without a first line\n"));
    fixture.set(env::RUN, "01M9ZZZZZZ0000000000000000-0001").set(env::BASE, "next");
    let done = fixture.run();
    assert!(done.text().contains("setup: .ralph/setup of next"), "{done:#?}");
    assert_eq!(said(&done), [("info", "without a first line")]);
    // Whoever ordered the run knows better.
    fixture.set(env::RUN, "01MAZZZZZZ0000000000000000-0001").set(env::SETUP_COMMAND, "echo own");
    assert_eq!(said(&fixture.run()), [("info", "own")]);
}

#[test]
fn without_a_base_the_setup_is_that_of_the_first_commit() {
    let mut fixture = Fixture::empty();
    fixture.seed("ralph/docs", &[("PROMPT.md", "Go.\n")]);
    seed(&fixture, "ralph/docs", script("#!/bin/sh\necho of the branch\n"));
    fixture.counted_calls(json!([[progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(said(&done), [("info", "of the branch")]);
    assert!(done.text().contains("setup: .ralph/setup of ralph/docs"), "{done:#?}");
}

#[test]
fn a_setup_that_cannot_be_run_is_named_once_and_the_run_goes_on() {
    type Make = fn(&Path);
    let cases: [(Make, &str); 3] = [
        (
            |path| fs::write(path, "#!/bin/sh\necho ran\n").unwrap(),
            "it is not executable\nhint: `git update-index --chmod=+x .ralph/setup`, and commit that",
        ),
        (|path| symlink("/bin/echo", path).unwrap(), "it is a link\nhint: make it a file"),
        (
            |path| {
                fs::create_dir(path).unwrap();
                fs::write(path.join("x"), "").unwrap();
            },
            "it is not a file",
        ),
    ];
    for (make, says) in cases {
        let mut fixture = Fixture::new();
        seed(&fixture, "main", make);
        fixture.counted_calls(json!([[write("a", "1")], [progress(true)]]));
        let done = fixture.run();
        assert_eq!((done.exit(), fixture.count()), (0, 2), "{done:#?}");
        assert_eq!(said(&done), []);
        let warned: Vec<&Value> =
            done.of("log").into_iter().filter(|event| event["level"] == "warn").collect();
        let [warning] = warned[..] else { panic!("{says}: {done:#?}") };
        let text = warning["text"].as_str().unwrap();
        assert!(text.starts_with(".ralph/setup of main is not run: "), "{text}");
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn a_setup_that_fails_ends_the_run_before_anything_is_spent() {
    let cases = [
        ("echo first; echo last; exit 3", vec!["exit status: 3", "its last lines:\nfirst\nlast"]),
        ("echo why >&2; exit 4", vec!["exit status: 4\nits last lines:\nwhy"]),
        ("kill -9 $$", vec!["signal: 9"]),
        ("no-such-program --now", vec!["exit status: 127", "no-such-program"]),
        ("seq 1000; false", vec!["its last lines:\n981\n982\n", "999\n1000"]),
        ("exit 'x", vec!["exit status: 2"]),
    ];
    for (command, says) in cases {
        let fixture = fixture(command);
        let done = fixture.run();
        assert_eq!((done.exit(), fixture.count()), (30, 0), "{done:#?}");
        let text = sentence(&done);
        assert!(text.starts_with(&format!("setup failed: `{command}`: ")), "{text}");
        for said in says {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert_eq!(done.settled(), (0.0, 0));
        assert_eq!(done.of("iter.start").len(), 0);
    }
    // One that no program can read.
    let mut fixture = Fixture::new();
    seed(&fixture, "main", script("#!/no/such/interpreter\n"));
    fixture.counted_calls(json!([[]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (30, 0), "{done:#?}");
    assert!(sentence(&done).contains(".ralph/setup of main: exit status: 127"), "{done:#?}");
}

#[test]
fn a_setup_that_cannot_work_is_refused_before_it_runs() {
    let huge = format!("#!/bin/sh\necho ran\n{}", "#\n".repeat(3 << 20));
    for (content, why) in [
        ("#!/bin/sh\r\necho ran\r\n", "its first line ends in CR LF"),
        (huge.as_str(), "it is larger than 4 MiB"),
    ] {
        let mut fixture = Fixture::new();
        seed(&fixture, "main", script(content));
        fixture.counted_calls(json!([[progress(true)]]));
        let done = fixture.run();
        assert_eq!((done.exit(), fixture.count()), (30, 0), "{done:#?}");
        let says = format!(".ralph/setup of main: {why}");
        assert!(sentence(&done).contains(&says), "{done:#?}");
        assert!(sentence(&done).contains("\nhint: "), "{done:#?}");
        let output = fixture.command().arg("validate").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("error: setup failed: {says}")), "{text}");
    }
}

#[test]
fn a_setup_that_hangs_is_stopped_by_its_own_time_limit() {
    for stubborn in ["", "trap '' TERM; "] {
        let mut fixture = fixture(&format!("{stubborn}echo begun; while :; do sleep 976101; done"));
        fixture.set(env::SETUP_TIMEOUT_SECS, "3");
        let done = fixture.run();
        assert_eq!((done.exit(), fixture.count()), (30, 0), "{done:#?}");
        let text = sentence(&done);
        assert!(text.contains("it took longer than 3 s and was stopped\nhint: "), "{text}");
        assert!(text.contains("RALPH_SETUP_TIMEOUT_SECS") && text.ends_with("begun"), "{text}");
        assert_eq!(processes_with("976101"), 0);
    }
}

#[test]
fn a_setup_that_says_too_much_leaves_room_for_the_agent() {
    // Lines, and one that never ends.
    let command = "yes 'a line of setup' | head -c 30000000; head -c 60000000 /dev/zero; echo end";
    let mut fixture = fixture(command);
    fixture.set(env::MAX_LOG_MB, "1");
    fixture.counted_calls(json!([[
        sh("until [ -e ../measured ]; do sleep 0.05; done"),
        {"lines": {"count": 300, "template": format!("{} {{n}}", "x".repeat(1_000))}},
        progress(true)
    ]]));
    let mut running = fixture.spawn();
    running.until(|event| event["type"] == "iter.start");
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = most.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(kilobytes < 100_000, "{kilobytes} kB of memory");
    fs::write(fixture.path("work").join(run_id(1)).join("measured"), "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let says: Vec<&Value> = done.events.iter().filter(|e| has_text("what setup says")(e)).collect();
    let [text] = says[..] else { panic!("{says:#?}") };
    assert!(text["text"].as_str().unwrap().contains("of the 1 MB that the run may log"), "{text}");
    let setup: usize = done.of("setup").iter().map(|event| event.to_string().len() + 1).sum();
    assert!((200_000..=250_000).contains(&setup), "{setup} bytes");
    assert_eq!(done.of("agent.text").len(), 300);
}

#[test]
fn what_setup_leaves_running_is_ended_before_the_agent_starts() {
    for start in [Fixture::spawn, Fixture::spawn_contained] {
        // One of them has left setup's group before setup ends.
        let fixture = fixture(
            "setsid sh -c ': > ../left; exec sleep 976102' & (sleep 976103 &) & sleep 976104 &
             until [ -e ../left ]; do sleep 0.02; done",
        );
        let mut running = start(&fixture);
        running.until(|event| event["type"] == "iter.start");
        let done = running.wait();
        assert_eq!((done.exit(), fixture.count()), (0, 1), "{done:#?}");
        let ended = position(&done, has_text("processes that setup left running were ended: "));
        let first = position(&done, |event| event["type"] == "iter.start");
        assert!(ended < first, "{done:#?}");
        let left = ["976102", "976103", "976104"].map(processes_with);
        assert_eq!(left, [0, 0, 0]);
    }
}

#[test]
fn a_signal_during_setup_ends_the_run_at_once() {
    let fixture = fixture("trap '' TERM; setsid sleep 976105 & : > ../begun; sleep 976106");
    let running = fixture.spawn();
    appears(&fixture.path("work").join(run_id(1)).join("begun"));
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!((done.exit(), fixture.count()), (75, 0), "{done:#?}");
    assert_eq!(done.settled(), (0.0, 0));
    assert_eq!((processes_with("976105"), processes_with("976106")), (0, 0));
}

#[test]
fn the_duration_limit_ends_setup_too() {
    let mut fixture = fixture("sleep 976107");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let begun: ralph_protocol::ids::Run = run_id(1).parse().unwrap();
    let limit = now - begun.started_ms() / 1000 + 5;
    fixture.set(env::MAX_DURATION_SECS, limit.to_string());
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (11, 0), "{done:#?}");
    assert_eq!(processes_with("976107"), 0);
}

#[test]
fn work_that_is_complete_needs_setup_only_for_the_verify_command() {
    let mut fixture = fixture("echo made > ../made");
    fixture.seed_own("ralph/docs", &[("PROGRESS.md", "## Status: COMPLETE\n")]);
    let made = fixture.path("work").join(run_id(1)).join("made");
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count(), made.exists()), (0, 0, false), "{done:#?}");
    fixture.set(env::VERIFY_COMMAND, "test -f ../made");
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count(), made.exists()), (0, 0, true), "{done:#?}");
}

#[test]
fn a_run_that_can_do_no_iteration_runs_no_setup() {
    let mut fixture = fixture("echo ran");
    fixture.set(env::ITERATIONS_DONE, "5").set(env::SPENT_USD, "1");
    let done = fixture.run();
    assert_eq!((done.exit(), said(&done).len()), (10, 0), "{done:#?}");
}

#[test]
fn what_an_execution_has_used_before_stays_counted_when_setup_fails() {
    let mut fixture = fixture("exit 1");
    fixture.set(env::ITERATIONS_DONE, "2").set(env::SPENT_USD, "1.5");
    let done = fixture.run();
    assert_eq!(done.exit(), 30, "{done:#?}");
    assert_eq!(done.spend().unwrap()["executionUsd"], json!(1.5));
    assert_eq!(done.settled(), (0.0, 0));
}

/// Makes, changes, removes and stages files.
const LEAVES: &str = "mkdir -p .venv/bin deps && echo 1 > .venv/bin/python && echo 1 > deps/lock && \
    echo changed >> README.md && rm gone.txt && echo staged > staged.txt && git add staged.txt";

/// A remote with what [`LEAVES`] changes.
fn leaving() -> Fixture {
    let fixture = fixture(LEAVES);
    fixture.seed("main", &[("gone.txt", "1\n")]);
    fixture
}

fn files(fixture: &Fixture, commit: &str) -> Vec<String> {
    let files = fixture.remote_git(&["ls-tree", "-r", "--name-only", commit]);
    files.lines().map(str::to_owned).collect()
}

#[test]
fn what_setup_leaves_in_the_tree_is_neither_work_nor_progress() {
    let mut fixture = leaving();
    fixture.counted_calls(json!([[{"text": "nothing to do"}]]));
    let done = fixture.run();
    assert_eq!((done.exit(), done.outcomes().len()), (13, 3), "{done:#?}");
    assert_eq!(files(&fixture, "ralph/docs"), ["PROMPT.md", "README.md", "gone.txt"]);
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("A project.\n"));
    let checkout = fixture.path("work").join(run_id(1)).join("checkout");
    assert!(checkout.join(".venv/bin/python").exists() && !checkout.join("gone.txt").exists());
}

#[test]
fn what_the_agent_changes_or_commits_of_it_is_its_work() {
    let mut fixture = leaving();
    fixture.calls(json!([
        // Of the same size; and one that setup had removed.
        [write("deps/lock", "2\n"), write("gone.txt", "back\n")],
        [sh("git add -f .venv && git commit -q -m 'the agent: own' && echo 2 > .venv/bin/pip")],
        [write("README.md", "New.\n"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let after = |iteration: usize| {
        files(&fixture, done.of("iter.end")[iteration]["commit"].as_str().unwrap())
    };
    assert_eq!(after(0), ["PROMPT.md", "README.md", "deps/lock", "gone.txt"]);
    let with =
        [".venv/bin/pip", ".venv/bin/python", "PROMPT.md", "README.md", "deps/lock", "gone.txt"];
    assert_eq!(after(1), with);
    let second = done.of("iter.end")[1]["commit"].as_str().unwrap();
    assert_eq!(fixture.file(second, "README.md").as_deref(), Some("A project.\n"));
    for (path, text) in [("deps/lock", "2\n"), ("gone.txt", "back\n"), ("README.md", "New.\n")] {
        assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text), "{path}");
    }
    assert_eq!(fixture.file("ralph/docs", "staged.txt"), None);
}

#[test]
fn what_setup_left_stays_apart_when_others_push_and_when_git_breaks() {
    let mut fixture = leaving();
    let remote = fixture.remote();
    let push = format!(
        "rm -rf ../other && git clone -q -b ralph/docs {0} ../other && cd ../other && echo 1 > theirs && \
         git add -A && git -c user.name=x -c user.email=x@x commit -q -m theirs && git push -q",
        remote.display()
    );
    fixture.counted_calls(json!([
        [write("a", "1")],
        [write("b", "1"), sh(&push)],
        [write("c", "1")],
        [write("d", "1"), sh("rm -rf .git")],
        [write("e", "1"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("the checkout has a new `.git`"), "{done:#?}");
    let expected =
        ["PROGRESS.md", "PROMPT.md", "README.md", "a", "b", "c", "d", "e", "gone.txt", "theirs"];
    assert_eq!(files(&fixture, "ralph/docs"), expected);
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("A project.\n"));
}

#[test]
fn of_files_that_setup_and_others_changed_the_checkout_has_theirs() {
    let mut fixture = leaving();
    // One that setup changed, one that it removed, and one that it made.
    let push = format!(
        "git clone -q -b ralph/docs {0} ../other && cd ../other && \
         echo theirs | tee -a README.md gone.txt staged.txt && git add . && \
         git -c user.name=x -c user.email=x@x commit -q -m theirs && git push -q",
        fixture.remote().display()
    );
    let show = "tail -qn 1 README.md gone.txt staged.txt; cat deps/lock";
    fixture.counted_calls(json!([
        [write("a", "1")],
        [write("b", "1"), sh(&push)],
        [write("c", "1"), sh(show), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let expected =
        ["PROGRESS.md", "PROMPT.md", "README.md", "a", "b", "c", "gone.txt", "staged.txt"];
    assert_eq!(files(&fixture, "ralph/docs"), expected);
    assert!(done.text().contains("theirs\ntheirs\ntheirs\n1\n"), "{done:#?}");
    let warned = done.of("log").into_iter().filter(|event| event["level"] == "warn").count();
    assert_eq!(warned, 0, "{done:#?}");
    let branches = fixture.remote_git(&["branch", "--format=%(refname:short)"]);
    assert_eq!(branches.lines().collect::<Vec<_>>(), ["main", "ralph/docs"]);
}

#[test]
fn a_repository_that_setup_makes_is_named_to_the_agent_that_works_in_it() {
    let mut fixture = fixture(
        "git init -q lib && cd lib && mkdir src && echo 1 > src/a && git add . && \
         git -c user.name=x -c user.email=x@x commit -q -m lib",
    );
    fixture.calls(json!([
        [write("a", "1"), write("lib/src/a", "2")],
        [{"text": "prompt was: {prompt}"}, progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let prompt = done.of("agent.text")[0]["text"].as_str().unwrap();
    assert!(prompt.contains("`lib` is not pushed: it is a repository of its own"), "{prompt}");
}

#[test]
fn a_secret_that_setup_prints_is_redacted() {
    let secret = "hunter2-database-password";
    for (command, code) in [("echo $DB; echo $DB >&2", 0), ("echo $DB; exit 1", 30)] {
        let mut fixture = fixture(command);
        fixture.set("RALPH_AGENT_SECRET_DB", secret);
        // The harness looks for it in every line.
        let done = fixture.run();
        assert_eq!(done.exit(), code, "{done:#?}");
        assert!(said(&done).iter().all(|(_, text)| *text == "[redacted]"), "{done:#?}");
        assert_eq!(sentence(&done).contains("[redacted]"), code == 30, "{done:#?}");
    }
    // A key of the worker's own, which setup does not have.
    let done = fixture(&format!("echo {KEY}")).run();
    assert_eq!(said(&done), [("info", "[redacted]")]);
}

#[test]
fn a_dry_run_says_which_setup_would_run() {
    let output = |fixture: &Fixture| {
        let output = fixture.command().arg("--dry-run").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut fixture = fixture("touch ../ran");
    let said = output(&fixture);
    assert!(said.contains("ok: setup is `touch ../ran`, for at most 1800 s"), "{said}");
    fixture.set(env::SETUP_COMMAND, "").set(env::SETUP_TIMEOUT_SECS, "60");
    let said = output(&fixture);
    assert!(said.contains("ok: there is no setup"), "{said}");
    seed(&fixture, "main", script("#!/bin/sh\n"));
    let said = output(&fixture);
    assert!(said.contains("ok: setup is .ralph/setup of main, for at most 60 s"), "{said}");
    seed(&fixture, "main", |path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    });
    // Without the mode, nothing has changed but that.
    let said = output(&fixture);
    assert!(said.contains("note: .ralph/setup of main is not run: it is not executable"), "{said}");
}
