//! A workstream that is used again: which branch a new execution works on, and what it begins with.

use std::{fs, path::Path};

use ralph_protocol::names::worker_env as env;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    harness::{Done, Fixture, KEY, appears, git, git_text, progress, write},
    lfs, submodules,
};

const BRANCH: &str = "ralph/docs";

/// A run of one of several executions.
fn run_of(execution: u32, attempt: u32) -> String {
    format!("01M7ZZZZZZ000000000000000{execution}-{attempt:04}")
}

/// Lets the fixture's next run be this one, whose agent makes these calls.
fn next(fixture: &mut Fixture, (execution, attempt): (u32, u32), calls: Value) {
    fixture.set(env::RUN, run_of(execution, attempt));
    let state = fixture.path(&format!("calls-{execution}"));
    fixture.scenario(json!({"state": state, "calls": calls}));
}

#[track_caller]
fn run(fixture: &mut Fixture, run: (u32, u32), calls: Value) -> Done {
    next(fixture, run, calls);
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    done
}

/// How often the agent was started in an execution.
fn starts(fixture: &Fixture, execution: u32) -> usize {
    let count = fs::read_to_string(fixture.path(&format!("calls-{execution}")));
    count.map_or(0, |text| text.trim().parse().unwrap())
}

/// An execution that writes a file and is complete.
#[track_caller]
fn work(fixture: &mut Fixture, execution: u32) -> Done {
    let file = format!("work-{execution}");
    run(fixture, (execution, 1), json!([[write(&file, "done\n"), progress(true)]]))
}

/// Steps that show the prompt, and what a command finds in the checkout.
fn look(command: &str) -> Value {
    json!([{"text": "prompt was: {prompt}"}, {"run": ["sh", "-c", command]}])
}

fn steps(parts: &[Value]) -> Value {
    let all = parts.iter().flat_map(|part| match part {
        Value::Array(steps) => steps.clone(),
        step => vec![step.clone()],
    });
    json!([all.collect::<Vec<_>>()])
}

/// A remote whose branch holds finished work, and whose base went on.
fn finished() -> Fixture {
    let mut fixture = Fixture::new();
    work(&mut fixture, 1);
    fixture.seed("main", &[("base", "new\n")]);
    fixture
}

/// Works in a clone of the remote, as a person would.
fn person(fixture: &Fixture, script: &str) {
    let clone = tempfile::tempdir_in(fixture.dir.path()).unwrap();
    git(clone.path(), &["clone", "-q", fixture.remote().to_str().unwrap(), "."]);
    let script = format!("set -e\n{script}\n");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(clone.path())
        .env("GIT_CONFIG_GLOBAL", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/worker/gitconfig"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

fn chosen(done: &Done) -> &str {
    done.of("clone")[0]["branch"].as_str().unwrap()
}

#[track_caller]
fn assert_says(done: &Done, texts: &[&str]) {
    for text in texts {
        assert!(done.text().contains(text), "{text}: {done:#?}");
    }
}

/// How many commits of a branch are merges.
fn merges(fixture: &Fixture, branch: &str) -> usize {
    fixture.remote_git(&["rev-list", "--merges", branch]).lines().count()
}

#[test]
fn a_new_execution_goes_on_upon_a_finished_branch() {
    let mut fixture = finished();
    fixture.set(env::PROMPT, "A new task.");
    let look =
        look("cat base PROGRESS.md; git status --porcelain; git diff HEAD origin/ralph/docs");
    let done = run(&mut fixture, (2, 1), steps(&[look, write("more", "2\n"), progress(true)]));
    assert_eq!((starts(&fixture, 2), chosen(&done)), (1, BRANCH), "{done:#?}");
    assert_says(
        &done,
        &[
            "the branch `ralph/docs` is finished, and new work goes on upon it: the status in PROGRESS.md is IN PROGRESS again; `main` is merged into `ralph/docs`",
            "prompt was: A new task.\n\nThe work that this branch held at first is complete",
            "new\n# Tasks\n\n## Status: IN PROGRESS\n",
        ],
    );
    assert!(!done.text().contains("diff --git"), "origin/ralph/docs is behind: {done:#?}");
    let files = fixture.remote_git(&["ls-tree", "--name-only", BRANCH]);
    assert_eq!(files, "PROGRESS.md\nPROMPT.md\nREADME.md\nbase\nmore\nwork-1\n");
    let subjects = fixture.remote_git(&["log", "--first-parent", "--format=%s", "-3", BRANCH]);
    assert_eq!(
        subjects,
        "ralph: checkpoint after 1 iteration\nralph: merge main into ralph/docs\nralph: checkpoint after 1 iteration\n"
    );
    let runs =
        ["log", "--first-parent", "-2", "--format=%(trailers:key=Ralph-Run,valueonly,separator=)"];
    let runs = fixture.remote_git(&[&runs[..], &[BRANCH]].concat());
    assert_eq!(runs, format!("{0}\n{0}\n", run_of(2, 1)));

    // Once more, this one has nothing to do.
    let done = run(&mut fixture, (2, 2), json!([["hang"]]));
    assert_says(&done, &["PROGRESS.md says that the work is complete; nothing was spent"]);
    assert_eq!((starts(&fixture, 2), done.settled().0), (1, 0.0));
}

#[test]
fn the_limits_and_the_money_of_a_new_execution_are_its_own() {
    let mut fixture = finished();
    fixture.set(env::MAX_ITERATIONS, "2");
    let call = |n: u32| json!([write("n", &n.to_string()), {"result": {"total_cost_usd": 0.25}}]);
    next(&mut fixture, (2, 1), json!([call(1), call(2)]));
    let done = fixture.run();
    assert_eq!((done.exit(), starts(&fixture, 2)), (10, 2), "{done:#?}");
    let spend = done.spend().unwrap();
    assert_eq!((&spend["executionUsd"], &spend["iterations"]), (&json!(0.5), &json!(2)));
}

#[test]
fn only_the_status_changes_in_progress_and_its_line_endings_stay() {
    let mut fixture = Fixture::new();
    let text = "\u{feff}# Tasks\r\n\r\n```\r\n## Status: COMPLETE\r\n```\r\n## Status: COMPLETE \r\n\r\n- [x] one\r\n## Status: COMPLETE\r\n";
    run(&mut fixture, (1, 1), json!([[write("PROGRESS.md", text)]]));
    fixture.set(env::MAX_ITERATIONS, "1");
    next(&mut fixture, (2, 1), json!([[write("a", "1")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    let expected = text
        .replace("COMPLETE \r\n", "IN PROGRESS \r\n")
        .replace("one\r\n## Status: COMPLETE", "one\r\n## Status: IN PROGRESS");
    assert_eq!(fixture.file(BRANCH, "PROGRESS.md"), Some(expected));
}

#[test]
fn a_conflict_is_left_to_the_agent() {
    let mut fixture = finished();
    let files: Vec<(String, String)> =
        (10..35).map(|n| (format!("file-{n}"), "one\n".to_owned())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    fixture.seed(BRANCH, &files);
    let theirs: Vec<(&str, &str)> = files.iter().map(|(path, _)| (*path, "two\n")).collect();
    fixture.seed("main", &theirs);
    let merge = "git merge -q -X ours origin/main && cat base";
    let call = steps(&[look(merge), write("more", "2\n"), progress(true)]);
    let done = run(&mut fixture, (2, 1), call);
    assert_says(
        &done,
        &[
            "`main` is not merged into `ralph/docs`: there are conflicts in `file-10`, ",
            "`origin/main` has changes that this branch does not have, and that conflict with it in `file-10`, ",
            "`file-29` and 5 more. Before anything else, run `git merge origin/main`",
            "\nnew\n",
        ],
    );
    assert_eq!(fixture.file(BRANCH, "more").as_deref(), Some("2\n"));
    assert_eq!(fixture.file(BRANCH, "file-10").as_deref(), Some("one\n"));
    assert_eq!(merges(&fixture, BRANCH), 1, "the agent's");
}

#[test]
fn what_the_agent_merges_of_the_base_is_not_withheld() {
    let mut fixture = Fixture::new();
    fixture.seed("main", &[lfs::ATTRIBUTES]);
    work(&mut fixture, 1);
    lfs::keep(&fixture.remote(), "content of new.bin");
    fixture.seed(
        "main",
        &[
            ("work-1", "theirs\n"),
            ("fixtures/key", KEY),
            ("new.bin", &lfs::pointer("content of new.bin")),
            ("many/1", "1"),
            ("many/2", "2"),
        ],
    );
    fixture.set(env::MAX_COMMIT_FILES, "2");
    // As where the remote wants a credential; and a file of the agent's own beside it.
    let merge = format!(
        "export GIT_LFS_SKIP_SMUDGE=1; git merge -q -X ours origin/main; echo {KEY} > leak; git add -A; git commit -qm leak"
    );
    let look = look("cat new.bin; rm leak");
    let calls = json!([[{"run": ["sh", "-c", merge]}], [look[0], look[1], progress(true)]]);
    let done = run(&mut fixture, (2, 1), calls);
    assert_says(&done, &["`leak` is not pushed: it holds", "content of new.bin"]);
    for theirs in ["`fixtures/key` is", "`many", "`new.bin` is"] {
        assert!(!done.text().contains(theirs), "{theirs}: {done:#?}");
    }
    assert_eq!(fixture.file(BRANCH, "fixtures/key").as_deref(), Some(KEY));
    assert_eq!(fixture.file(BRANCH, "many/2").as_deref(), Some("2"));
    assert_eq!(fixture.file(BRANCH, "leak"), None);
    let all = fixture.remote_git(&["log", "--all", "--format=", "--name-only", "--", "leak"]);
    assert_eq!(all, "");
    // It counts as merged, for the next execution and for the host.
    fixture.remote_git(&["merge-base", "--is-ancestor", "main", BRANCH]);
}

#[test]
fn an_agent_that_could_not_read_the_note_gets_it_again() {
    let mut fixture = finished();
    fixture.seed(BRANCH, &[("base", "ours\n")]);
    let call = json!([{"text": "prompt was: {prompt}"}, progress(true)]);
    let down = json!([{"result": {"is_error": true, "api_error_status": 529}}, {"exit": 1}]);
    let done = run(&mut fixture, (2, 1), json!([down, call]));
    assert_says(&done, &["Before anything else, run `git merge origin/main`"]);
}

#[test]
fn a_later_attempt_asks_for_the_merge_until_an_iteration_has_ended() {
    let mut fixture = finished();
    fixture.seed(BRANCH, &[("base", "ours\n")]);
    let interrupted = json!([[{"text": "waiting"}, "hang"]]);
    next(&mut fixture, (2, 1), interrupted);
    let mut running = fixture.spawn();
    running.until_text("waiting");
    running.term();
    assert_eq!(running.wait().exit(), 75);

    let shows = json!({"text": "prompt was: {prompt}"});
    fixture.set(env::MAX_ITERATIONS, "1");
    let state = fixture.path("calls-second");
    fixture.set(env::RUN, run_of(2, 2));
    fixture.scenario(json!({"state": state, "calls": [[shows, write("more", "2\n")]]}));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    let note = "Before anything else, run `git merge origin/main`";
    assert_says(&done, &[note]);

    // That one has heard it.
    fixture.set(env::MAX_ITERATIONS, "2").set(env::RUN, run_of(2, 3));
    let done = fixture.run();
    assert!(!done.text().contains(note), "{done:#?}");
}

#[test]
fn progress_that_the_base_has_changed_too_is_not_a_conflict() {
    let mut fixture = finished();
    // Another workstream's, which was merged.
    fixture.seed("main", &[("PROGRESS.md", "# Other\n\n## Status: COMPLETE\n")]);
    let look = look("cat PROGRESS.md base");
    let done = run(&mut fixture, (2, 1), steps(&[look, progress(true)]));
    assert_says(&done, &["# Tasks\n\n## Status: IN PROGRESS\nnew\n", "`main` is merged into"]);
    assert_eq!(merges(&fixture, BRANCH), 1);
}

#[test]
fn a_status_that_comes_with_the_base_does_not_count_either() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    next(&mut fixture, (1, 1), json!([[write("a", "1")]]));
    assert_eq!(fixture.run().exit(), 10);
    fixture.seed("main", &[("PROGRESS.md", "# Other\n\n## Status: COMPLETE\n")]);
    next(&mut fixture, (2, 1), json!([[write("b", "1")]]));
    let done = fixture.run();
    assert_eq!((done.exit(), starts(&fixture, 2)), (10, 1), "{done:#?}");
    assert_eq!(
        fixture.file(BRANCH, "PROGRESS.md").as_deref(),
        Some("# Other\n\n## Status: IN PROGRESS\n")
    );
}

#[test]
fn the_attributes_of_the_repository_hold_for_the_merge() {
    let mut fixture = Fixture::new();
    let attributes = "LOG merge=union\n*.lock -merge\n";
    fixture
        .seed("main", &[(".gitattributes", attributes), ("LOG", "1\n"), ("x.lock", "1\n\n\n2\n")]);
    work(&mut fixture, 1);
    fixture.seed(BRANCH, &[("LOG", "1\nours\n")]);
    fixture.seed("main", &[("LOG", "1\ntheirs\n")]);
    let done = work(&mut fixture, 2);
    assert_says(&done, &["`main` is merged into `ralph/docs`"]);
    assert_eq!(fixture.file(BRANCH, "LOG").as_deref(), Some("1\nours\ntheirs\n"));

    // Text would be merged.
    fixture.seed(BRANCH, &[("x.lock", "ours\n\n\n2\n")]);
    fixture.seed("main", &[("x.lock", "1\n\n\ntheirs\n")]);
    let done = work(&mut fixture, 3);
    assert_says(&done, &["there are conflicts in `x.lock`;"]);
}

#[test]
fn nothing_that_the_repository_names_runs_when_the_base_is_merged() {
    let mut fixture = Fixture::new();
    let planted = fixture.path("planted").display().to_string();
    let attributes = "* merge=evil filter=evil\n";
    let config = format!("[merge \"evil\"]\n\tdriver = touch {planted}\n");
    fixture.seed(
        "main",
        &[(".gitattributes", attributes), (".gitconfig", &config), ("a", "1\n\n\n2\n")],
    );
    work(&mut fixture, 1);
    fixture.seed(BRANCH, &[("a", "ours\n\n\n2\n")]);
    fixture.seed("main", &[("a", "1\n\n\ntheirs\n")]);
    work(&mut fixture, 2);
    assert_eq!(fixture.file(BRANCH, "a").as_deref(), Some("ours\n\n\ntheirs\n"));
    assert!(!Path::new(&planted).exists());
}

/// How a person gets the work of a branch into `main`.
const WAYS: [(&str, &str); 5] = [
    ("a merge commit", "git merge -q --no-ff -m merge origin/$B"),
    ("a fast-forward", "git merge -q --ff-only origin/$B"),
    ("a squash", "git merge -q --squash origin/$B; git commit -qm squash"),
    ("a rebase", "git cherry-pick HEAD..origin/$B --allow-empty >/dev/null"),
    (
        "a merge commit, with a commit on top",
        "git checkout -q -B own origin/$B; git commit -q --allow-empty -m fix; git push -q origin own:$B; \
         git checkout -q main; git merge -q --no-ff -m merge own",
    ),
];

#[test]
fn a_branch_that_is_merged_is_followed_by_another() {
    for (way, script) in WAYS {
        let mut fixture = Fixture::new();
        work(&mut fixture, 1);
        for (n, old, new) in [(2, BRANCH, "ralph/docs.2"), (3, "ralph/docs.2", "ralph/docs.3")] {
            person(&fixture, &format!("B={old}; {script}; git push -q origin main"));
            // What comes later hides nothing.
            fixture.seed("main", &[(&format!("later-{n}"), "x\n")]);
            let tip = fixture.remote_git(&["rev-parse", old]);
            let look = look("ls; cat PROGRESS.md");
            let call = steps(&[look, write(&format!("work-{n}"), "done\n"), progress(true)]);
            let done = run(&mut fixture, (n, 1), call);
            let says = format!(
                "`{old}` is merged into `main`; the work goes to `{new}`; the status in PROGRESS.md is IN PROGRESS again"
            );
            assert_says(&done, &[&says, "## Status: IN PROGRESS", "this prompt is a new task"]);
            assert_eq!((chosen(&done), starts(&fixture, n)), (new, 1), "{way}");
            let pushed = done.of("checkpoint");
            assert!(pushed.iter().all(|event| event["branch"] == new), "{way}: {done:#?}");
            assert_eq!(fixture.remote_git(&["rev-parse", old]), tip, "{way}");
            for work in [format!("work-{}", n - 1), format!("later-{n}"), format!("work-{n}")] {
                assert!(fixture.file(new, &work).is_some(), "{way}: {work}");
            }
        }
    }
}

#[test]
fn a_merge_is_recognised_whatever_became_of_progress() {
    for then in [
        "echo other > PROGRESS.md; git add -A; git commit -qm squash",
        "git commit -qm squash; echo other > PROGRESS.md; git commit -qam other",
        "git rm -qf PROGRESS.md; git commit -qm squash",
        "git commit -qm squash; git rm -q PROGRESS.md; git commit -qm remove",
    ] {
        let mut fixture = Fixture::new();
        work(&mut fixture, 1);
        let squash = "git merge -q --squash origin/ralph/docs";
        person(&fixture, &format!("{squash}; {then}; git push -q"));
        assert_eq!(chosen(&work(&mut fixture, 2)), "ralph/docs.2", "{then}");
    }
}

#[test]
fn a_branch_that_holds_nothing_but_progress_is_merged_when_the_base_has_it() {
    for (script, branch) in [
        (
            "git merge -q --squash origin/ralph/docs; git commit -qm squash; git push -q",
            "ralph/docs.2",
        ),
        (":", BRANCH),
        ("echo other > PROGRESS.md; git add -A; git commit -qm other; git push -q", BRANCH),
    ] {
        let mut fixture = Fixture::new();
        run(&mut fixture, (1, 1), json!([[progress(true)]]));
        person(&fixture, script);
        fixture.seed("main", &[("later", "x\n")]);
        assert_eq!(
            chosen(&run(&mut fixture, (2, 1), json!([[progress(true)]]))),
            branch,
            "{script}"
        );
    }
}

#[test]
fn a_branch_that_is_not_merged_goes_on() {
    for (what, script) in [
        ("nothing", ":"),
        (
            "one of two files",
            "git checkout -q origin/ralph/docs -- work-1; git commit -qm part; git push -q",
        ),
        (
            "merged, and then more was pushed",
            "git merge -q --no-ff -m merge origin/ralph/docs; git push -q; \
             git checkout -q ralph/docs; echo more > more; git add more; git commit -qm more; git push -q",
        ),
        (
            "only the progress of another",
            "echo x > PROGRESS.md; git add -A; git commit -qm x; git push -q",
        ),
    ] {
        let mut fixture = Fixture::new();
        work(&mut fixture, 1);
        fixture.seed(BRANCH, &[("second", "2\n")]);
        person(&fixture, script);
        assert_eq!(chosen(&work(&mut fixture, 2)), BRANCH, "{what}");
        assert!(!fixture.remote_git(&["branch"]).contains("docs.2"), "{what}");
    }
}

#[test]
fn a_branch_without_work_is_not_merged() {
    // Made by a person, and by an execution that left nothing but its ledger.
    for with_ledger in [false, true] {
        let mut fixture = Fixture::new();
        fixture.remote_git(&["branch", BRANCH, "main"]);
        if with_ledger {
            fixture.set(env::MAX_ITERATIONS, "1");
            next(&mut fixture, (1, 1), json!([[{"result": {"total_cost_usd": 0.25}}]]));
            assert_eq!(fixture.run().exit(), 10);
        }
        fixture.seed("main", &[("base", "new\n")]);
        let done = work(&mut fixture, 2);
        assert_eq!(chosen(&done), BRANCH);
        assert_eq!(fixture.file(BRANCH, "base").as_deref(), Some("new\n"));
    }
}

#[test]
fn a_branch_that_is_deleted_after_its_merge_is_made_again() {
    let mut fixture = Fixture::new();
    work(&mut fixture, 1);
    person(&fixture, "git merge -q origin/ralph/docs; git push -q origin main :ralph/docs");
    let done = work(&mut fixture, 2);
    assert_eq!((chosen(&done), starts(&fixture, 2)), (BRANCH, 1));
    assert_says(&done, &["the status in PROGRESS.md is IN PROGRESS again"]);
    assert!(fixture.file(BRANCH, "work-1").is_some() && fixture.file(BRANCH, "work-2").is_some());

    // The first one is deleted, and the second one goes on.
    fixture.remote_git(&["branch", "-m", BRANCH, "ralph/docs.2"]);
    assert_eq!(chosen(&work(&mut fixture, 3)), "ralph/docs.2");
    assert_eq!(fixture.remote_git(&["branch", "--list", BRANCH]), "");
}

#[test]
fn what_the_order_asks_for_is_done() {
    let mut fixture = finished();
    fixture.set(env::REUSE, "newBranch");
    let done = work(&mut fixture, 2);
    assert_says(&done, &["the work goes to the new branch `ralph/docs.2`"]);
    assert_eq!(fixture.file("ralph/docs.2", "work-1"), None, "it begins at the base");
    assert_eq!(fixture.file("ralph/docs.2", "base").as_deref(), Some("new\n"));

    person(&fixture, "git merge -q --no-ff -m merge origin/ralph/docs.2; git push -q");
    fixture.set(env::REUSE, "continue");
    let done = work(&mut fixture, 3);
    assert_eq!(chosen(&done), "ralph/docs.2");
    assert_says(&done, &["`main` is merged into `ralph/docs.2`"]);

    // A branch of another name has numbers too.
    fixture.set(env::REUSE, "newBranch").set(env::BRANCH, "mine");
    assert_eq!(chosen(&work(&mut fixture, 4)), "mine");
    assert_eq!(chosen(&work(&mut fixture, 5)), "mine.2");
}

#[test]
fn a_later_attempt_stays_on_the_branch_of_its_execution() {
    let mut fixture = finished();
    fixture.set(env::REUSE, "newBranch").set(env::MAX_ITERATIONS, "2");
    // Nothing but the agent's own commit, by a start that cost nothing and failed.
    let commit = "echo 1 > own; git add -A; git commit -qm own";
    next(
        &mut fixture,
        (2, 1),
        json!([[{"run": ["sh", "-c", commit]}, {"text": "waiting"}, "hang"]]),
    );
    let mut running = fixture.spawn();
    running.until_text("waiting");
    running.term();
    assert_eq!(running.wait().exit(), 75);
    assert_eq!(fixture.file("ralph/docs.2", "own").as_deref(), Some("1\n"));

    // Whatever becomes of the others.
    fixture.remote_git(&["branch", "ralph/docs.3", "main"]);
    fixture.seed("main", &[("later", "x\n")]);
    let done = run(&mut fixture, (2, 2), json!([[progress(true)]]));
    assert_eq!(chosen(&done), "ralph/docs.2");
    assert_eq!(fixture.file("ralph/docs.2", "later"), None, "nothing is merged meanwhile");
    let count = starts(&fixture, 2);
    let done = run(&mut fixture, (2, 3), json!([["hang"]]));
    assert_eq!((chosen(&done), starts(&fixture, 2)), ("ralph/docs.2", count));
    assert_says(&done, &["nothing was spent"]);

    // Also when somebody has merged it and deleted it.
    person(
        &fixture,
        "git merge -q --no-ff -m merge origin/ralph/docs.2; git push -q origin main :ralph/docs.2 :ralph/docs :ralph/docs.3",
    );
    let done = run(&mut fixture, (2, 4), json!([["hang"]]));
    assert_eq!(starts(&fixture, 2), count);
    assert_says(&done, &["nothing was spent"]);
}

#[test]
fn rescued_work_of_an_execution_is_taken_up_and_nothing_is_merged() {
    for reuse in ["continue", "newBranch"] {
        let mut fixture = finished();
        fixture.set(env::REUSE, reuse);
        let branch = if reuse == "continue" { BRANCH } else { "ralph/docs.2" };
        let (start, rescue) = match reuse {
            "continue" => (BRANCH, format!("ralph/rescue/{}", run_of(2, 1))),
            _ => ("main", format!("ralph/rescue/{}", run_of(2, 1))),
        };
        fixture.remote_git(&["branch", &rescue, start]);
        let message = format!("x\n\nRalph-Run: {}\nRalph-Iteration: 1\n", run_of(2, 1));
        fixture.seed_message(&rescue, &[("rescued", "1\n")], &message);
        let done = run(&mut fixture, (2, 2), json!([[progress(true)]]));
        assert_says(&done, &["is taken up"]);
        assert_eq!(chosen(&done), branch);
        assert_eq!(fixture.file(branch, "rescued").as_deref(), Some("1\n"));
        assert_eq!(merges(&fixture, branch), 0);
    }
}

#[test]
fn an_execution_that_is_killed_around_its_first_push_begins_once() {
    for hook in ["pre-receive", "update", "post-receive"] {
        let mut fixture = finished();
        let (begun, never) = (fixture.path("begun"), fixture.path("never"));
        let wait = format!("until test -e {}; do sleep 0.05; done", never.display());
        fixture.hook(hook, &format!("#!/bin/sh\ntouch {}\n{wait}\n", begun.display()));
        let call = json!([[write("more", "2\n"), progress(true)]]);
        next(&mut fixture, (2, 1), call.clone());
        let running = fixture.spawn_contained();
        appears(&begun);
        running.signal(Signal::KILL);
        running.wait();
        fixture.assert_nothing_runs(hook);
        fs::remove_file(fixture.remote().join("hooks").join(hook)).unwrap();

        let done = run(&mut fixture, (2, 2), call);
        assert_eq!((chosen(&done), starts(&fixture, 2)), (BRANCH, 1), "{hook}");
        assert_eq!(merges(&fixture, BRANCH), 1, "{hook}");
        assert_eq!(fixture.file(BRANCH, "base").as_deref(), Some("new\n"), "{hook}");
        assert_eq!(fixture.file(BRANCH, "more").as_deref(), Some("2\n"), "{hook}");
    }
}

#[test]
fn a_remote_that_takes_no_merge_gets_the_work_without_it() {
    let mut fixture = finished();
    let script = "#!/bin/sh\ntest -z \"$(git rev-list --merges $2..$3)\" && exit 0\necho no merges here >&2\nexit 1\n";
    fixture.hook("update", script);
    let look = look("cat PROGRESS.md; ls; git status --porcelain");
    let first = steps(&[look, write("more", "2\n")]);
    let done = run(&mut fixture, (2, 1), json!([first[0], [progress(true)]]));
    assert_eq!(starts(&fixture, 2), 2, "the old COMPLETE ends nothing");
    assert_says(
        &done,
        &[
            "the merge of `main` cannot be pushed, and the run goes on without: the remote rejected the push",
            "no merges here",
            "## Status: IN PROGRESS\nPROGRESS.md\nPROMPT.md\nREADME.md\nwork-1\n",
        ],
    );
    assert!(!done.text().contains("is merged into"), "{done:#?}");
    assert_eq!(fixture.file(BRANCH, "more").as_deref(), Some("2\n"));
    assert_eq!(fixture.file(BRANCH, "base"), None);
}

#[test]
fn what_others_push_in_that_moment_stays() {
    let mut fixture = finished();
    fixture.remote_git(&["branch", "theirs", BRANCH]);
    fixture.seed("theirs", &[("theirs", "1\n")]);
    let once = fixture.path("once");
    let script = format!(
        "#!/bin/sh\ntest -e {0} && exit 0\ntouch {0}\nunset GIT_QUARANTINE_PATH\n\
         git update-ref refs/heads/ralph/docs refs/heads/theirs\n",
        once.display()
    );
    fixture.hook("pre-receive", &script);
    let done = run(&mut fixture, (2, 1), json!([[write("more", "2\n")], [progress(true)]]));
    assert_eq!(starts(&fixture, 2), 2, "{done:#?}");
    assert_says(
        &done,
        &["cannot be pushed, and the run goes on without: the branch holds other work"],
    );
    for file in ["theirs", "more", "work-1"] {
        assert!(fixture.file(BRANCH, file).is_some(), "{file}");
    }
}

#[test]
fn what_the_base_holds_is_merged_whatever_it_is() {
    let mut fixture = finished();
    fixture
        .seed("main", &[("fixtures/key", KEY), ("many/1", "1"), ("many/2", "2"), ("many/3", "3")]);
    fixture.set(env::MAX_COMMIT_FILES, "2");
    let done = work(&mut fixture, 2);
    assert!(!done.text().contains("is not pushed"), "{done:#?}");
    assert_eq!(fixture.file(BRANCH, "fixtures/key").as_deref(), Some(KEY));
    assert_eq!(fixture.file(BRANCH, "many/3").as_deref(), Some("3"));
}

#[test]
fn large_files_and_submodules_of_the_base_are_there_after_the_merge() {
    let mut fixture = finished();
    lfs::keep(&fixture.remote(), "content of new.bin");
    fixture.seed("main", &[lfs::ATTRIBUTES, ("new.bin", &lfs::pointer("content of new.bin"))]);
    submodules::repository(&fixture, "lib", "l", &[]);
    submodules::link(&fixture, "remote.git", "t", &[("deps/lib", "../lib.git")]);
    let look = look("cat new.bin deps/lib/l; echo status=$(git status --porcelain)=");
    let done = run(&mut fixture, (2, 1), steps(&[look, write("own.bin", "own"), progress(true)]));
    assert_says(&done, &["content of new.bincontent of l\nstatus==\n"]);
    assert_eq!(fixture.file(BRANCH, "own.bin"), Some(lfs::pointer("own")));
    assert!(lfs::kept(&fixture.remote(), "own").is_file());
}

#[test]
fn a_setup_that_came_with_the_base_runs() {
    let mut fixture = finished();
    person(
        &fixture,
        "mkdir .ralph; printf '#!/bin/sh\\ncat base\\necho set up\\n' > .ralph/setup; chmod +x .ralph/setup; git add -A; git commit -qm setup; git push -q",
    );
    assert_says(&work(&mut fixture, 2), &["new\nset up"]);
}

#[test]
fn a_base_that_cannot_be_merged_stops_nothing() {
    let mut fixture = finished();
    fixture.remote_git(&["branch", "release", "main"]);
    fixture.set(env::BASE, "release");
    person(&fixture, "git push -q origin :release");
    let done = work(&mut fixture, 2);
    assert_eq!(chosen(&done), BRANCH);
    assert_says(
        &done,
        &["`release` is not merged into `ralph/docs`: the remote has no such branch"],
    );
    assert_eq!(fixture.file(BRANCH, "base"), None, "nor is the default branch");

    person(
        &fixture,
        "git checkout -q --orphan other; git commit -qm other; git push -q origin other:release",
    );
    let done = work(&mut fixture, 3);
    assert_says(
        &done,
        &["`release` is not merged into `ralph/docs`: git merge-tree failed", "unrelated"],
    );
    assert!(fixture.file(BRANCH, "work-3").is_some());
}

#[test]
fn validate_says_where_the_work_would_go_and_pushes_nothing() {
    let mut fixture = finished();
    next(&mut fixture, (2, 1), json!([["hang"]]));
    let validate = |fixture: &Fixture| {
        let output = fixture.command().arg("--dry-run").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let says = |text: &str, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
    };
    let refs = fixture.remote_git(&["show-ref"]);
    says(
        &validate(&fixture),
        &[
            "ok: the repository can be read; the work goes to `ralph/docs`",
            "ok: a run begins so: the branch `ralph/docs` is finished, and new work goes on upon it: the status in PROGRESS.md is IN PROGRESS again; `main` is merged into `ralph/docs`",
            "ok: `ralph/docs` can be pushed to",
        ],
    );
    fixture.set(env::REUSE, "newBranch");
    says(
        &validate(&fixture),
        &[
            "ok: a run begins so: the work goes to the new branch `ralph/docs.2`",
            "ok: `ralph/docs.2` can be pushed to",
            "on branch ralph/docs.2",
        ],
    );
    fixture.set(env::REUSE, "");
    assert_eq!(fixture.remote_git(&["show-ref"]), refs);
    fixture.seed("main", &[("work-1", "theirs\n")]);
    says(&validate(&fixture), &["note: the agent is told: ", "conflict with it in `work-1`."]);
    fixture.set(env::RUN, run_of(1, 2));
    says(
        &validate(&fixture),
        &["note: PROGRESS.md says that the work of this execution is complete"],
    );
}

#[test]
fn the_base_is_never_one_of_the_workstreams_branches() {
    let mut fixture = Fixture::new();
    fixture.remote_git(&["branch", "release.2", "main"]);
    fixture.set(env::BRANCH, "release").set(env::BASE, "release.2");
    let tip = fixture.remote_git(&["rev-parse", "release.2"]);
    assert_eq!(chosen(&work(&mut fixture, 1)), "release");
    fixture.set(env::REUSE, "newBranch");
    assert_eq!(chosen(&work(&mut fixture, 2)), "release.3");
    assert_eq!(fixture.remote_git(&["rev-parse", "release.2"]), tip);

    // Unless the order says that they are the same.
    fixture.set(env::REUSE, "").set(env::BRANCH, "release.2");
    assert_eq!(chosen(&work(&mut fixture, 3)), "release.2");
}

#[test]
fn a_workstream_has_a_last_branch() {
    let mut fixture = finished();
    fixture.remote_git(&["branch", "ralph/docs.9999", BRANCH]);
    fixture.set(env::REUSE, "newBranch");
    next(&mut fixture, (2, 1), json!([["hang"]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 30, "{done:#?}");
    assert_says(&done, &["there is a branch `ralph/docs.9999`", "hint: delete the branches of"]);
    fixture.set(env::REUSE, "continue");
    assert_eq!(chosen(&work(&mut fixture, 3)), "ralph/docs.9999");
}

#[test]
fn a_branch_in_the_way_of_the_next_one_is_named() {
    let mut fixture = finished();
    fixture.remote_git(&["branch", "ralph/docs.2/x", "main"]);
    fixture.set(env::REUSE, "newBranch");
    next(&mut fixture, (2, 1), json!([["hang"]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 30, "{done:#?}");
    assert_says(
        &done,
        &["`ralph/docs.2` cannot be made, because the repository has a branch `ralph/docs.2/x`"],
    );
}

#[test]
fn a_worker_that_runs_alone_follows_the_same_rules() {
    let mut fixture = finished();
    fixture.set(env::RUN, "");
    fixture.counted_calls(json!([[write("more", "2\n"), progress(true)]]));
    let done = fixture.run();
    assert_eq!((done.exit(), fixture.count()), (0, 1), "{done:#?}");
    assert_eq!(fixture.file(BRANCH, "base").as_deref(), Some("new\n"));
    let parents = git_text(&fixture.remote(), &["log", "-1", "--merges", "--format=%s", BRANCH]);
    assert_eq!(parents, "ralph: merge main into ralph/docs\n");
}

#[test]
fn a_progress_that_is_not_a_plain_file_stops_nothing() {
    for (what, script) in [
        ("a link", "rm -f PROGRESS.md; ln -s README.md PROGRESS.md"),
        ("a folder", "rm -f PROGRESS.md; mkdir PROGRESS.md; echo x > PROGRESS.md/x"),
        (
            "huge",
            "(echo '## Status: COMPLETE'; head -c 5000000 /dev/zero | tr '\\0' x) > PROGRESS.md",
        ),
    ] {
        // On the branch, and in the base beside a branch that has it as a file.
        for on in [BRANCH, "main"] {
            let mut fixture = finished();
            person(
                &fixture,
                &format!(
                    "git checkout -q {on}; {script}; git add -A; git commit -qm x; git push -q"
                ),
            );
            let call = json!([[
                {"run": ["sh", "-c", "rm -rf PROGRESS.md"]},
                write("more", "2\n"),
                progress(true)
            ]]);
            let done = run(&mut fixture, (2, 1), call);
            assert_eq!((starts(&fixture, 2), chosen(&done)), (1, BRANCH), "{what} on {on}");
            assert_eq!(fixture.file(BRANCH, "more").as_deref(), Some("2\n"), "{what} on {on}");
        }
    }
}
