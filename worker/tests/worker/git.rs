//! Branches that move, remotes that refuse, and checkouts that were left broken.

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{Fixture, cost, progress, run_id, write};

fn waiting(steps: serde_json::Value) -> (Fixture, crate::harness::Running) {
    let mut fixture = Fixture::new();
    let flag = fixture.path("go").display().to_string();
    let mut call = vec![
        json!({"text": "waiting"}),
        json!({"run": ["sh", "-c", format!("while ! test -e {flag}; do sleep 0.05; done")]}),
    ];
    call.extend(steps.as_array().unwrap().iter().cloned());
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.calls(json!([call]));
    let mut running = fixture.spawn();
    running.until_text("waiting");
    (fixture, running)
}

fn go(fixture: &Fixture) {
    std::fs::write(fixture.path("go"), "").unwrap();
}

#[test]
fn commits_pushed_meanwhile_are_kept() {
    let (fixture, running) = waiting(json!([write("a", "ours"), {"commit": "ours"}]));
    fixture.seed("ralph/docs", &[("b", "theirs")]);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("ours"));
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("theirs"));
}

#[test]
fn the_ledger_outlives_work_that_others_have_pushed_already() {
    let (fixture, running) = waiting(json!([write("a", "same"), cost(0.5)]));
    fixture.seed("ralph/docs", &[("a", "same")]);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 10, "{done:#?}");
    let format = "--format=%(trailers:key=Ralph-Cost-Usd,valueonly,separator=)";
    let log = fixture.remote_git(&["log", "-1", format, "ralph/docs"]);
    assert_eq!(log.trim(), "0.500000");
}

#[test]
fn what_is_withheld_does_not_stand_in_the_way_of_others_commits() {
    let key = crate::harness::KEY;
    let (fixture, running) = waiting(json!([write("README.md", key), write("a", "ours")]));
    fixture.seed("ralph/docs", &[("b", "theirs")]);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("ours"));
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("A project.\n"));
    let kept = fixture.path("work").join(run_id(1)).join("checkout/README.md");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), key, "the file stays in the tree");
    fixture.assert_no_secret_in_the_remote("withheld");
}

#[test]
fn a_conflict_goes_to_the_rescue_branch() {
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    fixture.seed("ralph/docs", &[("a", "theirs")]);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 21, "{done:#?}");
    let rescue = format!("ralph/rescue/{}", run_id(1));
    assert_eq!(fixture.file(&rescue, "a").as_deref(), Some("ours"));
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("theirs"));
    assert_eq!(done.of("checkpoint")[0]["branch"], json!(rescue));
}

#[test]
fn a_later_run_is_not_rebased_onto() {
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    let message = format!("theirs\n\nRalph-Run: {}\n", run_id(7));
    fixture.seed_message("ralph/docs", &[("b", "theirs")], &message);
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 21, "{done:#?}");
    assert!(done.text().contains("a later run"));
    assert_eq!(fixture.file("ralph/docs", "a"), None);
    assert_eq!(fixture.file(&format!("ralph/rescue/{}", run_id(1)), "a").as_deref(), Some("ours"));
}

#[test]
fn a_base_that_a_person_merges_meanwhile_may_hold_later_runs_of_others() {
    // As GitHub's button "Update branch" does.
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    fixture.seed("ralph/docs", &[("c", "a person's")]);
    let message = format!("theirs\n\nRalph-Run: {}\n", run_id(7));
    fixture.seed_message("main", &[("b", "theirs")], &message);
    fixture.merge("main", "ralph/docs");
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 10, "{done:#?}");
    for (path, text) in [("a", "ours"), ("b", "theirs"), ("c", "a person's")] {
        assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text));
    }
}

#[test]
fn a_remote_that_refuses_the_branch_gets_the_rescue_branch() {
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    fixture.hook("update", "#!/bin/sh\ncase $1 in refs/heads/ralph/rescue/*) exit 0;; esac\necho protected >&2\nexit 1\n");
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 21, "{done:#?}");
    assert!(done.text().contains("protected"), "{}", done.text());
    assert_eq!(fixture.file(&format!("ralph/rescue/{}", run_id(1)), "a").as_deref(), Some("ours"));
}

#[test]
fn a_remote_that_refuses_at_length_is_understood() {
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    let script = "case $1 in refs/heads/ralph/rescue/*) exit 0;; esac\n\
        for n in $(seq 200); do echo this branch is protected, and here is why >&2; done\nexit 1\n";
    fixture.hook("update", &format!("#!/bin/sh\n{script}"));
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 21, "{done:#?}");
    assert_eq!(fixture.file(&format!("ralph/rescue/{}", run_id(1)), "a").as_deref(), Some("ours"));
}

#[test]
fn work_that_a_remote_refuses_everywhere_is_lost_and_named() {
    let (fixture, running) = waiting(json!([write("a", "ours")]));
    fixture.hook("pre-receive", "#!/bin/sh\necho closed >&2\nexit 1\n");
    go(&fixture);
    let done = running.wait();
    assert_eq!(done.exit(), 22, "{done:#?}");
    let last = done.of("run.end")[0]["text"].as_str().unwrap();
    for said in ["closed", "ralph/rescue/", "lost with this machine", "`a`"] {
        assert!(last.contains(said), "{said}: {last}");
    }
}

/// Runs shell commands in the checkout, then expects one more good iteration.
fn survives(script: &str) -> (Fixture, crate::harness::Done) {
    let mut fixture = Fixture::new();
    fixture.calls(json!([
        [write("a", "1"), {"run": ["git", "add", "-A"]}],
        [{"run": ["sh", "-c", script]}],
        [write("last", "x"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "last").as_deref(), Some("x"));
    (fixture, done)
}

#[test]
fn stale_locks_are_removed() {
    survives(
        "echo 2 > a; touch .git/index.lock .git/HEAD.lock .git/refs/heads/ralph/docs.lock .git/config.lock",
    );
}

#[test]
fn an_unfinished_rebase_is_left() {
    let (fixture, done) = survives(
        "git checkout -q -b side && echo side > a && git commit -qam side && git checkout -q ralph/docs \
         && echo own > a && git commit -qam own; git rebase side",
    );
    assert!(done.text().contains("unfinished `git rebase`"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("own\n"));
}

#[test]
fn an_unfinished_merge_is_left() {
    let (_, done) = survives(
        "git checkout -q -b side && echo side > a && git commit -qam side && git checkout -q ralph/docs \
         && echo own > a && git commit -qam own; git merge side",
    );
    assert!(done.text().contains("unfinished `git merge`"), "{}", done.text());
}

#[test]
fn a_detached_head_keeps_its_commits() {
    let (fixture, done) =
        survives("git checkout -q --detach && echo 2 > d && git add d && git commit -qm detached");
    assert!(done.text().contains("left HEAD on no branch"));
    assert_eq!(fixture.file("ralph/docs", "d").as_deref(), Some("2\n"));
}

#[test]
fn rewritten_history_is_kept_as_a_new_commit() {
    let (fixture, _) = survives(
        "git reset -q --hard HEAD~1 && echo 2 > r && git add r && git commit -qm rewritten",
    );
    assert_eq!(fixture.file("ralph/docs", "r").as_deref(), Some("2\n"));
    let subjects = fixture.remote_git(&["log", "--format=%s", "ralph/docs"]);
    assert!(subjects.contains("checkpoint after 1 iteration"), "{subjects}");
}

#[test]
fn a_repository_inside_the_checkout_is_not_linked() {
    let (fixture, done) = survives(
        "mkdir in && cd in && git init -q && echo x > f && git add f \
         && git -c user.name=x -c user.email=x commit -qm x && echo 2 > ../a",
    );
    assert!(done.text().contains("a repository of its own"));
    assert!(!fixture.tree("ralph/docs").contains("160000"));
}

#[test]
fn a_repository_without_a_commit_does_not_stop_the_rest() {
    let (fixture, done) = survives("git init -q in && echo 2 > a");
    assert!(done.text().contains("a repository of its own"), "{}", done.text());
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2\n"));
}

#[test]
fn large_files_and_credentials_are_not_pushed_even_from_the_middle_of_history() {
    let mut fixture = Fixture::new();
    let key = crate::harness::KEY;
    let leak = format!(
        "echo {key} > leak.txt; git add -A; git commit -qm one; rm leak.txt; git commit -qam two"
    );
    fixture.calls(json!([
        [write("a", "1"), {"run": ["sh", "-c", leak]}],
        [write("b", "2"), {"run": ["sh", "-c", "head -c 60000000 /dev/zero > big.bin"]}],
        [{"text": "prompt was: {prompt}"}, write("c", key), write("d", "4"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    for said in [
        "`leak.txt` is not pushed: it holds",
        "`big.bin` is not pushed: it is larger",
        "`c` is not pushed",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.contains("These files were not committed"), "{text}");
    let files = fixture.remote_git(&["ls-tree", "-r", "--name-only", "ralph/docs"]);
    assert_eq!(files, "PROGRESS.md\nPROMPT.md\nREADME.md\na\nb\nd\n");
    let all = fixture.remote_git(&["log", "-p", "--all", "--text"]);
    assert!(!all.contains("hunter2"));
}

#[test]
fn what_is_withheld_is_withheld_under_each_of_its_names() {
    let mut fixture = Fixture::new();
    let key = crate::harness::KEY;
    // One content with two names, a known content with a bad name, and names that are not text.
    let odd = format!(
        "cp README.md {key}; printf {key} > 'odd\nname'; printf {key} > $(printf 'z\\377'); echo 1 > name"
    );
    fixture.calls(json!([
        [write("a/leak", key), write("b/leak", key), {"run": ["sh", "-c", odd]}],
        [write("c", "3"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(!done.text().contains("is broken"), "{}", done.text());
    let files = fixture.remote_git(&["ls-tree", "-r", "--name-only", "ralph/docs"]);
    assert_eq!(files, "PROGRESS.md\nPROMPT.md\nREADME.md\nc\nname\n");
    fixture.assert_no_secret_in_the_remote("withheld");
}

#[test]
fn a_file_that_was_put_right_later_is_pushed_as_it_is_now() {
    let mut fixture = Fixture::new();
    let key = crate::harness::KEY;
    let script = format!(
        "echo {key} > README.md; git commit -qam one; echo fixed > README.md; git commit -qam two; \
         git commit -q --allow-empty -m 'the key is {key}'"
    );
    fixture.calls(json!([[{"run": ["sh", "-c", script]}, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("fixed\n"));
    fixture.assert_no_secret_in_the_remote("put right");
}

#[test]
fn a_git_folder_that_no_longer_works_is_replaced() {
    for script in [
        "rm -rf .git",
        "rm -rf .git; echo 'gitdir: /nowhere' > .git",
        "rm -rf .git; ln -s /nowhere .git",
        "git config core.repositoryformatversion 99",
        "echo '[broken' > .git/config",
        "echo broken > .git/index",
        "find .git/objects -type f -delete",
    ] {
        let (fixture, done) = survives(&format!("echo 2 > a; {script}"));
        assert!(done.text().contains("has a new `.git`"), "{script}: {}", done.text());
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2\n"), "{script}");
    }
}

#[test]
fn a_checkout_that_says_its_files_are_elsewhere_is_not_believed() {
    for script in ["git config core.bare true", "git config core.worktree /tmp"] {
        let (fixture, _) = survives(&format!("echo 2 > a; {script}"));
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("2\n"), "{script}");
    }
}
