//! A push tries one place after the other: what was paid for ends up somewhere.

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::harness::{Done, Fixture, KEY, cost, progress, run_id, write};

/// A step that runs shell commands in the checkout.
fn sh(script: &str) -> Value {
    json!({"run": ["sh", "-c", script]})
}

fn rescue() -> String {
    format!("ralph/rescue/{}", run_id(1))
}

/// Plays these steps, then a call that says what its prompt was and completes.
fn then_complete(fixture: &mut Fixture, steps: Value) -> Done {
    fixture.calls(json!([
        steps,
        [{"text": "prompt was: {prompt}"}, write("last", "1"), progress(true)]
    ]));
    fixture.run()
}

/// A hook that refuses a push which changes a path; what it says comes after many other lines.
fn refuses(path: &str, says: &str) -> String {
    format!(
        "#!/bin/sh\nzero=0000000000000000000000000000000000000000\n\
         while read old new ref; do\n\
         [ $new = $zero ] && continue\n\
         base=$old; [ $old = $zero ] && base=main\n\
         if git log --format= --name-only $base..$new | grep -q '{path}'; then\n\
         i=0; while [ $i -lt 40 ]; do echo \"line $i of a banner\" >&2; i=$((i+1)); done\n\
         echo '{says}' >&2; exit 1\nfi\ndone\n"
    )
}

#[test]
fn what_the_remote_refuses_stays_out_and_the_rest_is_pushed() {
    let workflow = ".github/workflows/ci.yml";
    let cases = [
        (
            "refusing to allow a token to create or update workflow `.github/workflows/ci.yml` without `workflow` scope",
            json!([write("a", "1"), write(workflow, "on: push\n")]),
        ),
        (
            "changes below .github/workflows/ need a review",
            json!([write("a", "1"), write(workflow, "on: push\n"), {"commit": "own"}]),
        ),
    ];
    for (says, steps) in cases {
        let mut fixture = Fixture::new();
        fixture.hook("pre-receive", &refuses("^.github/workflows/", says));
        let done = then_complete(&mut fixture, steps);
        assert_eq!(done.exit(), 0, "{says}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{says}");
        assert_eq!(fixture.file("ralph/docs", "last").as_deref(), Some("1"), "{says}");
        assert_eq!(fixture.file("ralph/docs", workflow), None, "{says}");
        let prompt = done.of("agent.text")[0]["text"].as_str().unwrap().to_owned();
        assert!(prompt.contains("`.github/workflows/ci.yml`"), "{says}: {prompt}");
        assert!(prompt.contains("refused by the remote"), "{says}: {prompt}");
        assert!(done.text().contains(says), "{says}: {done:#?}");
        let kept = fixture.path("work").join(run_id(1)).join("checkout").join(workflow);
        assert!(kept.exists(), "{says}: the file stays in the tree");
    }
}

#[test]
fn what_a_remote_names_one_by_one_is_taken_out_one_by_one() {
    let mut fixture = Fixture::new();
    fixture.hook(
        "pre-receive",
        "#!/bin/sh\nwhile read old new ref; do for f in one.bin two.bin three.bin; do\n\
         git cat-file -e $new:$f 2>/dev/null && { echo \"File $f is too large\" >&2; exit 1; }\n\
         done; done; exit 0\n",
    );
    let steps = json!([
        write("one.bin", "1"),
        write("two.bin", "2"),
        write("three.bin", "3"),
        write("a", "1")
    ]);
    let done = then_complete(&mut fixture, steps);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let files = fixture.remote_git(&["ls-tree", "-r", "--name-only", "ralph/docs"]);
    assert_eq!(files, "PROGRESS.md\nPROMPT.md\nREADME.md\na\nlast\n");
}

#[test]
fn a_rescue_branch_has_a_name_that_can_exist() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    fixture.remote_git(&["branch", "ralph/rescue", "main"]);
    fixture.hook(
        "update",
        "#!/bin/sh\ncase $1 in refs/heads/ralph/docs) echo closed >&2; exit 1;; esac\n",
    );
    fixture.calls(json!([[write("a", "1"), cost(0.25)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 21, "{done:#?}");
    let branch = format!("ralph-rescue/{}", run_id(1));
    assert_eq!(fixture.file(&branch, "a").as_deref(), Some("1"));
    assert_eq!(done.of("checkpoint")[0]["branch"], json!(branch));
    assert!(done.of("run.end")[0]["text"].as_str().unwrap().contains(&branch));

    // The next attempt finds it there.
    std::fs::remove_file(fixture.remote().join("hooks/update")).unwrap();
    fixture.set(env::RUN, run_id(2));
    fixture.calls(json!([[write("never", "x")], [write("b", "2"), progress(true)]]));
    fixture.set(env::MAX_ITERATIONS, "3");
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("is taken up"), "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn a_branch_that_appears_in_the_way_leaves_the_rescue_branch() {
    let mut fixture = Fixture::new();
    fixture.set(env::BRANCH, "work/docs").set(env::MAX_ITERATIONS, "1");
    let remote = fixture.remote().display().to_string();
    fixture.calls(json!([[write("a", "1"), sh(&format!("git -C {remote} branch work main"))]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 21, "{done:#?}");
    assert_eq!(fixture.file(&rescue(), "a").as_deref(), Some("1"));
}

#[test]
fn the_rescue_branch_gets_what_the_remote_does_not_refuse() {
    let mut fixture = Fixture::new();
    fixture.set(env::MAX_ITERATIONS, "1");
    let hook = refuses("^bad.txt", "bad.txt is not wanted").replace(
        "while read old new ref; do\n",
        "while read old new ref; do\n[ $ref = refs/heads/ralph/docs ] && { echo closed >&2; exit 1; }\n",
    );
    fixture.hook("pre-receive", &hook);
    fixture.calls(json!([[write("a", "1"), write("bad.txt", "2")]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 21, "{done:#?}");
    assert_eq!(fixture.file(&rescue(), "a").as_deref(), Some("1"));
    assert_eq!(fixture.file(&rescue(), "bad.txt"), None);
}

#[test]
fn a_fetch_with_a_depth_stops_no_push() {
    for script in [
        "git fetch -q --depth=1 origin main",
        "git fetch -q --depth=1 origin main && git fetch -q --depth=1 origin ralph/docs",
    ] {
        let mut fixture = Fixture::new();
        fixture.seed("main", &[("more", "1")]);
        fixture.seed("ralph/docs", &[("b", "1")]);
        let done = then_complete(&mut fixture, json!([write("a", "1"), sh(script)]));
        assert_eq!(done.exit(), 0, "{script}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{script}");
        assert!(!done.text().contains("is broken"), "{script}: {done:#?}");
    }
}

#[test]
fn commits_whose_history_is_not_there_are_replaced_by_one() {
    let mut fixture = Fixture::new();
    let remote = fixture.remote().display().to_string();
    // Others push two commits; the agent fetches and merges the last one only.
    let others = format!(
        "git clone -q {remote} ../others && cd ../others && git config user.name x && git config user.email x@x \
         && echo 1 > m1 && git add -A && git commit -qm m1 && echo 2 > m2 && git add -A && git commit -qm m2 \
         && git push -q origin main"
    );
    let merge = "git fetch -q --depth=1 origin main && git -c user.name=x -c user.email=x@x merge -q --allow-unrelated-histories -m merge FETCH_HEAD";
    let done = then_complete(&mut fixture, json!([write("a", "1"), sh(&others), sh(merge)]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    for (path, text) in [("a", "1"), ("m2", "2\n"), ("last", "1")] {
        assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text), "{path}");
    }
}

/// A worker whose working folder is a volume of 40 MB.
fn on_a_small_volume(fixture: &Fixture) -> crate::harness::Running {
    let mut command = std::process::Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let start = "mount -t tmpfs -o size=40m ralph-test \"$0\" && mkdir \"$0\"/tmp && exec \"$@\"";
    command.args(["--mount", "sh", "-c", start]).arg(fixture.path("work"));
    command.env_clear().envs(&fixture.env).arg(crate::harness::WORKER);
    crate::harness::Running::new(command)
}

#[test]
fn a_full_disk_loses_no_work() {
    let junk = "head -c 60000000 /dev/urandom > junk.bin; true";
    let small = "i=0; while head -c 1000000 /dev/urandom > junk.$i; do i=$((i+1)); done; true";
    let ignored =
        "echo '*.o' > .gitignore; git add .gitignore; head -c 60000000 /dev/urandom > x.o; true";
    // What is free without the temporary file is not enough for the file that was changed.
    let changed = "echo '*.o' > .gitignore; git add .gitignore; head -c 6000000 /dev/urandom > $TMPDIR/t; \
                   head -c 3000000 /dev/urandom > README.md; head -c 60000000 /dev/urandom > x.o; true";
    for (what, script) in
        [("one file", junk), ("many files", small), ("ignored", ignored), ("changed", changed)]
    {
        let mut fixture = Fixture::new();
        let tmp = fixture.path("work/tmp").display().to_string();
        fixture.set("TMPDIR", tmp);
        fixture.calls(json!([
            [write("a", "paid for"), sh(script)],
            [{"text": "prompt was: {prompt}"}, write("last", "1"), progress(true)]
        ]));
        let done = on_a_small_volume(&fixture).wait();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("paid for"), "{what}");
        assert!(done.text().contains("the disk is full"), "{what}: {done:#?}");
        let prompt = done.of("agent.text")[0]["text"].as_str().unwrap().to_owned();
        assert!(prompt.contains("The disk was full"), "{what}: {prompt}");
    }
}

#[test]
fn on_a_full_disk_no_work_makes_room_for_what_setup_left() {
    let mut fixture = Fixture::new();
    let tmp = fixture.path("work/tmp").display().to_string();
    fixture.set("TMPDIR", tmp);
    let leave =
        "mkdir deps && for n in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/urandom > deps/$n; done";
    fixture.set(ralph_protocol::names::worker_env::SETUP_COMMAND, leave);
    let fill =
        "head -c 2000000 /dev/urandom > work.bin; head -c 60000000 /dev/urandom > $TMPDIR/t; true";
    fixture.calls(json!([[sh(fill)], [sh("ls deps | wc -l"), progress(true)]]));
    let done = on_a_small_volume(&fixture).wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("the disk is full"), "{done:#?}");
    assert!(
        fixture.remote_git(&["ls-tree", "-r", "-l", "ralph/docs"]).contains("2000000\twork.bin")
    );
    assert!(done.of("agent.tool_result").iter().any(|event| event["text"] == "9\n"), "{done:#?}");
}

#[test]
fn a_repository_that_is_larger_than_the_disk_says_so() {
    let fixture = Fixture::new();
    let clone = fixture.path("large");
    crate::harness::git(
        fixture.dir.path(),
        &["clone", "-q", fixture.remote().to_str().unwrap(), clone.to_str().unwrap()],
    );
    let status = std::process::Command::new("sh")
        .args(["-c", "head -c 45000000 /dev/urandom > large.bin"])
        .current_dir(&clone)
        .status()
        .unwrap();
    assert!(status.success());
    crate::harness::git(&clone, &["add", "-A"]);
    crate::harness::git(&clone, &["commit", "-qm", "large"]);
    crate::harness::git(&clone, &["push", "-q", "origin", "main"]);
    let done = on_a_small_volume(&fixture).wait();
    assert_eq!(done.exit(), 23, "{done:#?}");
    assert!(done.text().contains("storage_gib"), "{done:#?}");
}

#[test]
fn work_beside_the_branch_is_saved_and_the_agent_is_told() {
    let cases = [
        (
            "a branch",
            "git checkout -q -b side/x && echo 2 > s && git add s && git commit -qm side && git checkout -q ralph/docs",
            "side-x",
        ),
        ("a stash", "echo 2 > s && git add s && git stash -q", "stash-1"),
        (
            "a working tree",
            "git worktree add -q ../wt -b other && cd ../wt && echo 2 > s && git add s && git commit -qm x && echo 3 > t",
            "worktree-wt",
        ),
        (
            "a working tree without a branch",
            "git worktree add -q --detach ../wt && echo 2 > ../wt/s",
            "worktree-wt",
        ),
    ];
    for (what, script, name) in cases {
        let mut fixture = Fixture::new();
        let done = then_complete(&mut fixture, json!([write("a", "1"), sh(script)]));
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        let branch = format!("{}-{name}", rescue());
        assert_eq!(fixture.file(&branch, "s").as_deref(), Some("2\n"), "{what}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "s"), None, "{what}");
        let prompt = done.of("agent.text")[0]["text"].as_str().unwrap().to_owned();
        assert!(prompt.contains(&branch), "{what}: {prompt}");
        let uncommitted = (what == "a working tree").then_some("3\n");
        assert_eq!(fixture.file(&branch, "t").as_deref(), uncommitted, "{what}");
        // Once is enough.
        assert_eq!(rescued(&fixture), [branch], "{what}");
    }
}

/// Every rescue branch of the remote, below any prefix.
fn rescued(fixture: &Fixture) -> Vec<String> {
    let branches = fixture.remote_git(&["for-each-ref", "--format=%(refname:short)"]);
    branches.lines().filter(|name| name.contains("rescue")).map(str::to_owned).collect()
}

#[test]
fn every_branch_beside_the_work_is_saved_and_named_once() {
    let mut fixture = Fixture::new();
    // Two whose names become the same, after many that hold nothing new; more than one checkpoint
    // pushes.
    let script = "for i in $(seq 30); do git branch a$i; done; for b in b/1 b-1 $(seq 30); do \
         git checkout -q -b $b origin/main && echo $b > s && git add s && git commit -qm $b || exit 1; \
         done; git checkout -q ralph/docs";
    let tell = json!({"text": "prompt was: {prompt}"});
    fixture.calls(json!([
        [write("a", "1"), sh(script)],
        [tell, write("b", "2")],
        [tell, write("c", "3")],
        [tell, write("d", "4"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(rescued(&fixture).len(), 32, "{done:#?}");
    let prompts: Vec<_> = done.of("agent.text");
    let named = |name: &str| {
        let line = format!("the branch `{name}`");
        prompts.iter().filter(|p| p["text"].as_str().unwrap().contains(&line)).count()
    };
    for name in ["b/1", "b-1", "1", "30"] {
        assert_eq!(named(name), 1, "{name}: {done:#?}");
    }
}

#[test]
fn a_working_tree_that_goes_on_stays_on_one_branch() {
    let mut fixture = Fixture::new();
    fixture.calls(json!([
        [write("a", "1"), sh("git worktree add -q --detach ../wt && echo 1 > ../wt/s")],
        [sh("echo 2 > ../wt/s")],
        [write("b", "2")],
        [write("c", "3"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let branch = format!("{}-worktree-wt", rescue());
    assert_eq!(rescued(&fixture), std::slice::from_ref(&branch), "{done:#?}");
    assert_eq!(fixture.file(&branch, "s").as_deref(), Some("2\n"));
}

#[test]
fn what_the_remote_refused_is_pushed_when_it_is_right() {
    let secret = write("conf/keys.py", "BAD");
    let good = write("conf/keys.py", "good");
    for (what, first, second) in [
        ("in the next iteration", json!([secret]), json!([good])),
        (
            "in the next commit",
            json!([secret, {"commit": "one"}, good, {"commit": "two"}]),
            json!([]),
        ),
    ] {
        let mut fixture = Fixture::new();
        fixture.hook(
            "pre-receive",
            "#!/bin/sh\nwhile read old new ref; do for c in $(git rev-list $new --not --all); do\n\
             git show $c:conf/keys.py 2>/dev/null | grep -q BAD && \
             { echo 'a secret in conf/keys.py:1' >&2; exit 1; }\ndone; done; exit 0\n",
        );
        fixture.calls(json!([first, second, [write("last", "1"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        assert_eq!(
            fixture.file("ralph/docs", "conf/keys.py").as_deref(),
            Some("good"),
            "{what}: {done:#?}"
        );
        assert_eq!(rescued(&fixture), [""; 0], "{what}");
    }
}

#[test]
fn a_head_at_other_commits_takes_no_work_away() {
    let own = "git config user.name x; git config user.email x; echo 2 > own; git add own; git commit -qm own";
    for (what, script) in [
        ("at an older commit", format!("{own}; git checkout -q --detach origin/main")),
        ("on another branch", format!("{own}; git checkout -q -b other origin/main")),
        ("on no commit", format!("{own}; git checkout -q --orphan other")),
        (
            "with a commit of its own",
            format!(
                "{own}; git checkout -q --detach origin/main; echo 3 > third; git add third; git commit -qm third"
            ),
        ),
        (
            "with a file that is in the way",
            format!("{own}; git checkout -q --detach origin/main; echo mine > own"),
        ),
    ] {
        let mut fixture = Fixture::new();
        let steps = json!([sh(&script), write("loose", "1")]);
        fixture.calls(json!([[write("kept", "1")], steps, [write("last", "1"), progress(true)]]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        let everywhere = |path: &str, text: &str| {
            let beside = rescued(&fixture);
            let mut branches = beside.iter().map(String::as_str).chain(["ralph/docs"]);
            branches.any(|branch| fixture.file(branch, path).as_deref() == Some(text))
        };
        assert!(everywhere("own", "2\n"), "{what}: {done:#?}");
        assert!(everywhere("loose", "1"), "{what}: {done:#?}");
        if what == "with a commit of its own" {
            assert!(everywhere("third", "3\n"), "{what}: {done:#?}");
        }
        if what == "with a file that is in the way" {
            assert!(everywhere("own", "mine\n"), "{what}: {done:#?}");
        } else {
            assert_eq!(fixture.file("ralph/docs", "kept").as_deref(), Some("1"), "{what}");
        }
    }
}

#[test]
fn a_missing_index_removes_nothing() {
    let mut fixture = Fixture::new();
    let files: Vec<(String, String)> =
        (0..60).map(|n| (format!("lib/{n}"), format!("{n}\n"))).collect();
    let mut files: Vec<_> = files.iter().map(|(p, text)| (p.as_str(), text.as_str())).collect();
    files.push(("kept.log", "1"));
    fixture.seed("main", &files);
    fixture.seed("main", &[(".gitignore", "*.log\n")]);
    fixture.set(env::MAX_COMMIT_FILES, "50");
    let done = then_complete(&mut fixture, json!([sh("rm .git/index"), write("a", "1")]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
    assert_eq!(fixture.file("ralph/docs", "lib/59").as_deref(), Some("59\n"));
    assert_eq!(fixture.file("ralph/docs", "kept.log").as_deref(), Some("1"));
}

#[test]
fn work_beside_the_branch_is_looked_at_like_the_rest() {
    let mut fixture = Fixture::new();
    let script = format!(
        "git checkout -q -b side && echo {KEY} > leak && echo 1 > s && git add -A && git commit -qm side && git checkout -q ralph/docs"
    );
    let done = then_complete(&mut fixture, json!([write("a", "1"), sh(&script)]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    let branch = format!("{}-side", rescue());
    assert_eq!(fixture.file(&branch, "s").as_deref(), Some("1\n"));
    fixture.assert_no_secret_in_the_remote("side");
}

#[test]
fn a_branch_of_the_remote_is_not_work_beside_the_branch() {
    let mut fixture = Fixture::new();
    fixture.seed("other", &[("o", "1")]);
    let script = "git fetch -q origin other && git branch mine FETCH_HEAD && git fetch -q && git branch again origin/other";
    let done = then_complete(&mut fixture, json!([write("a", "1"), sh(script)]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.remote_git(&["branch", "--list", "ralph/rescue/*"]), "");
}

#[test]
fn a_commit_that_would_be_too_large_stays_small() {
    let files =
        "mkdir -p node_modules/x && for i in $(seq 60); do echo $i > node_modules/x/$i; done";
    let commit = format!("{files}; git add -A; git commit -qm all");
    let bytes = "mkdir -p out && for i in 1 2 3; do head -c 900000 /dev/urandom > out/$i.bin; done";
    for (what, script, folder) in [
        ("files", files, "node_modules/"),
        ("the agent's own commit", &commit, "node_modules/"),
        ("bytes", bytes, "out/"),
    ] {
        let mut fixture = Fixture::new();
        fixture.set(env::MAX_COMMIT_MB, "2").set(env::MAX_COMMIT_FILES, "50");
        let done = then_complete(&mut fixture, json!([write("a", "1"), sh(script)]));
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        let files = fixture.remote_git(&["ls-tree", "-r", "--name-only", "ralph/docs"]);
        assert_eq!(files, "PROGRESS.md\nPROMPT.md\nREADME.md\na\nlast\n", "{what}");
        let prompt = done.of("agent.text")[0]["text"].as_str().unwrap().to_owned();
        assert!(prompt.contains(&format!("`{folder}`")), "{what}: {prompt}");
        assert!(prompt.contains(".gitignore"), "{what}: {prompt}");
    }
}

#[test]
fn a_folder_that_is_moved_is_not_too_large() {
    let mut fixture = Fixture::new();
    let files: Vec<(String, String)> =
        (0..60).map(|n| (format!("lib/{n}"), format!("{n}\n"))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    fixture.seed("main", &files);
    fixture.set(env::MAX_COMMIT_FILES, "50");
    let done = then_complete(&mut fixture, json!([sh("mv lib vendor")]));
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "vendor/59").as_deref(), Some("59\n"));
    assert_eq!(fixture.file("ralph/docs", "lib/59"), None);
}

#[test]
fn what_is_withheld_for_its_size_is_not_taken_away_elsewhere() {
    for (what, script) in [
        ("moved, with new files", "mv lib new; for i in $(seq 60); do echo x$i > new/n$i; done"),
        ("taken out of the index", "git rm -rq --cached lib"),
    ] {
        let mut fixture = Fixture::new();
        let files: Vec<(String, String)> =
            (0..60).map(|n| (format!("lib/{n}"), format!("{n}\n"))).collect();
        let mut files: Vec<_> = files.iter().map(|(p, text)| (p.as_str(), text.as_str())).collect();
        files.push(("old", "1"));
        fixture.seed("main", &files);
        fixture.set(env::MAX_COMMIT_FILES, "50");
        let done = then_complete(&mut fixture, json!([sh(script), sh("rm old"), write("a", "1")]));
        assert_eq!(done.exit(), 0, "{what}: {done:#?}");
        assert_eq!(fixture.file("ralph/docs", "lib/59").as_deref(), Some("59\n"), "{what}");
        assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"), "{what}");
        assert_eq!(fixture.file("ralph/docs", "old"), None, "{what}");
    }
}

#[test]
fn an_iteration_that_only_leaves_what_stays_out_makes_no_progress() {
    let mut fixture = Fixture::new();
    fixture.counted_calls(json!([[write("leak", KEY)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 13, "{done:#?}");
}
