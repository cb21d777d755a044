//! What an agent's checkout may hold: files that never end, that nobody can read, that lead
//! elsewhere.

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{Fixture, KEY, cost, progress, run_id, write};

fn sh(script: &str) -> Value {
    json!({"run": ["sh", "-c", script]})
}

/// What git would wait for, or read for ever, with or without a write permission.
const TRAPS: [(&str, &str); 18] = [
    (
        "exclude file",
        "rm -f .git/info/exclude; mkdir -p .git/info; mkfifo -m 0200 .git/info/exclude; head -c 60000000 /dev/zero > big.bin",
    ),
    ("ignore file", "mkfifo .gitignore"),
    ("ignore file in a folder", "mkdir -p d/e; echo 1 > d/e/f; mkfifo d/e/.gitignore"),
    ("attributes file", "mkfifo .gitattributes"),
    ("index", "rm .git/index; mkfifo .git/index"),
    ("HEAD", "rm .git/HEAD; mkfifo .git/HEAD"),
    ("included settings", "mkfifo ../fifo; git config include.path $PWD/../fifo"),
    (
        "settings included on a condition",
        "mkfifo ../fifo; git config includeIf.gitdir:/.path $PWD/../fifo",
    ),
    ("endless file", "truncate -s 1T x"),
    ("endless ignore file", "truncate -s 1T .gitignore"),
    ("endless HEAD", "truncate -s 1T .git/HEAD"),
    ("packed references", "rm -f .git/packed-refs; mkfifo .git/packed-refs"),
    (
        "settings included on a condition that is not text",
        "mkfifo ../fifo; printf '[includeIf \"onbranch:[!\\377]*/**\"]\\n\\tpath = %s\\n' $PWD/../fifo >> .git/config",
    ),
    ("HEAD of a repository in the tree", "git init -q x; rm x/.git/HEAD; mkfifo x/.git/HEAD"),
    ("a repository in the tree that is elsewhere", "git init -q x; mkfifo x/.git/commondir"),
    (
        "HEAD of a repository that a file names",
        "git init -q --separate-git-dir=../y x; rm ../y/HEAD; mkfifo ../y/HEAD",
    ),
    (
        "a git folder elsewhere",
        "mv .git ../e; echo gitdir: $PWD/../e > .git; rm -rf ../e/info; mkdir ../e/info; mkfifo ../e/info/exclude",
    ),
    (
        "a part of the git folder elsewhere",
        "cp -r .git ../e; rm -rf ../e/info; mkdir ../e/info; mkfifo ../e/info/exclude; echo $PWD/../e > .git/commondir",
    ),
];

#[test]
fn no_file_keeps_a_checkpoint_waiting() {
    for (what, script) in TRAPS {
        let mut fixture = Fixture::new();
        fixture.calls(json!([
            [write("a", "1"), sh(script), cost(0.1)],
            [write("b", "2"), progress(true)]
        ]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{what}");
        assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"), "{what}");
    }
}

#[test]
fn no_file_keeps_the_worker_from_saving_the_work_after_a_signal() {
    for (what, script) in TRAPS {
        let mut fixture = Fixture::new();
        fixture.calls(json!([[write("a", "1"), sh(script), {"text": "waiting"}, "hang"]]));
        let mut running = fixture.spawn();
        running.until_text("waiting");
        running.term();
        let done = running.wait();
        assert_eq!(done.exit(), 75, "{what}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{what}: {done:#?}");
    }
}

#[test]
fn a_link_out_of_the_git_folder_is_not_written_through() {
    let mut fixture = Fixture::new();
    // Each of these was once written to, or is read by git.
    let script = "for f in info/exclude info/attributes FETCH_HEAD COMMIT_EDITMSG logs/HEAD; do \
                  mkdir -p .git/$(dirname $f); ln -sf /proc/self/fd/1 .git/$f; done";
    fixture.calls(json!([
        [write("a", "1"), write("leak", KEY), sh(script)],
        [write("b", "2"), progress(true)]
    ]));
    // The harness takes every line of stdout for an event.
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    fixture.assert_no_secret_in_the_remote("link");
}

#[test]
fn a_link_to_another_repository_that_is_named_like_a_credential_is_not_pushed() {
    let mut fixture = Fixture::new();
    let script = format!(
        "id=$(git rev-parse HEAD); git update-index --add --cacheinfo 160000,$id,{KEY}; git commit -qm link"
    );
    fixture.calls(json!([[sh(&script), write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    assert!(!fixture.tree("ralph/docs").contains("160000"));
    fixture.assert_no_secret_in_the_remote("link");
}

#[test]
fn no_setting_hides_a_link_to_another_repository() {
    let mut fixture = Fixture::new();
    let script = "printf '[submodule \"x\"]\\n\\tpath = sub\\n\\tignore = all\\n' > .gitmodules; git init -q sub; \
         git -C sub -c user.name=x -c user.email=x commit -q --allow-empty -m x; git add sub";
    fixture.calls(json!([[sh(script), write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(!fixture.tree("ralph/docs").contains("160000"), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
}

#[test]
fn names_that_are_not_text_hide_nothing() {
    let mut fixture = Fixture::new();
    let mark = fixture.path("mark").display().to_string();
    let script = format!(
        "printf '#!/bin/sh\\necho ran >> {mark}\\ncat\\n' > ../evil; chmod +x ../evil
         printf '[filter \"z\\377\"]\\n\\tclean = %s\\n\\trequired = true\\n' $PWD/../evil >> .git/config
         printf '* filter=z\\377\\n' > .gitattributes
         sub=$(printf 'sub\\377'); git init -q $sub; echo x > $sub/f
         git -C $sub add f; git -C $sub -c user.name=x -c user.email=x commit -qm x; rm -f {mark}"
    );
    fixture.calls(json!([[sh(&script), write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert!(!fixture.tree("ralph/docs").contains("160000"), "the repository is not linked");
    assert!(done.text().contains("a repository of its own"), "{done:#?}");
    assert!(!fixture.path("mark").exists(), "the filter ran");
}

#[test]
fn what_is_neither_a_file_nor_a_folder_is_left_where_it_is() {
    let mut fixture = Fixture::new();
    // A committed file that became a pipe, and a new pipe.
    let script = "rm README.md; mkfifo README.md; mkfifo pipe";
    fixture.calls(json!([[sh(script), write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "README.md").as_deref(), Some("A project.\n"));
    assert_eq!(fixture.file("ralph/docs", "pipe"), None);
    let checkout = fixture.path("work").join(run_id(1)).join("checkout");
    assert!(checkout.join("pipe").exists() && checkout.join("README.md").exists());
}

#[test]
fn no_folder_of_the_machine_is_searched_for_a_repository_that_claims_it() {
    let mut fixture = Fixture::new();
    let (outside, pipe) = (fixture.path("outside"), fixture.path("outside/pipe"));
    let script = format!(
        "mkdir -p {0} in; mkfifo {0}/pipe; echo 'gitdir: {0}' > in/.git; echo 1 > in/file",
        outside.display()
    );
    fixture.calls(json!([[sh(&script), write("a", "1")], [write("b", "2"), progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(pipe.exists(), "a file outside of the run's folder was removed");
    assert_eq!(fixture.file("ralph/docs", "in/file").as_deref(), Some("1\n"));
}

#[test]
fn a_store_that_was_touched_is_not_used_again() {
    let mut fixture = Fixture::new();
    let script = "for f in ../objects/pack/*.pack; do chmod u+w $f; : > $f; done";
    fixture.set(env::MAX_ITERATIONS, "2");
    fixture.calls(json!([[write("a", "1"), sh(script)], [write("b", "2")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 10, "{done:#?}");
    assert!(done.text().contains("objects were touched"), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
}
