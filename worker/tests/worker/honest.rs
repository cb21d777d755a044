//! What an honest agent does all day, under the filter that keeps it from the worker.

use std::path::Path;

use ralph_protocol::names::worker_env as env;
use serde_json::{Value, json};

use crate::{
    harness::{Fixture, progress},
    hostile,
};

/// Each is a script of bash that fails when something does not work. What may be missing on a
/// machine says so and is skipped; nothing else may.
const WORK: [(&str, &str); 14] = [
    ("job control", "set -m; sleep 60 & kill -STOP %1; kill -CONT %1; kill %1; gives 143 wait %1"),
    (
        "a group's end",
        "set -m; bash -c 'sleep 60 & kill -TERM 0' & gives 143 wait $!; \
         bash -c 'sleep 60 & kill -TERM -$$' & gives 143 wait $!",
    ),
    ("limits of its own", "ulimit -n 100; test $(ulimit -n) = 100; prlimit | grep -q NOFILE"),
    ("time limits", "gives 124 timeout 0.1 sleep 5"),
    (
        "priorities of its own",
        "nice true; ionice -c 3 true; renice -n 5 -p $$; chrt --batch 0 true; \
         sleep 60 & renice -n 5 -p $!; taskset -c -p 0 $!; kill $!",
    ),
    ("affinity", "taskset -c 0 true; taskset -p $$"),
    (
        "git",
        "git init -q there; cd there; git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x; \
         git gc -q; git clone -q . ../again; cd ..; rm -rf there again",
    ),
    ("make", "printf 'all: a b\\na b:\\n\\t@sleep 0.1\\n' | make -s -j2 -f -"),
    (
        "python",
        "python3 -c '
import os, resource, signal, subprocess, threading
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.sched_setaffinity(os.getpid(), os.sched_getaffinity(0))
# pthread_setaffinity_np names the thread.
def own():
    os.sched_setaffinity(threading.get_native_id(), os.sched_getaffinity(0))
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
thread = threading.Thread(target=own); thread.start(); thread.join()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.getrlimit(resource.RLIMIT_NOFILE)
child = subprocess.Popen([\"sleep\", \"60\"]); os.close(os.pidfd_open(child.pid))
child.terminate(); assert child.wait() == -signal.SIGTERM
child = subprocess.Popen([\"sleep\", \"60\"], start_new_session=True)
os.killpg(child.pid, signal.SIGKILL); assert child.wait() == -signal.SIGKILL
import multiprocessing
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
'",
    ),
    (
        "node",
        "node -e '
const { spawn } = require(\"child_process\"), { Worker } = require(\"worker_threads\"), os = require(\"os\");
os.setPriority(process.pid, 5); os.setPriority(0, 6);
new Worker(\"0\", { eval: true }).on(\"exit\", () => {
  const child = spawn(\"sleep\", [\"60\"]);
  child.on(\"exit\", (code, signal) => process.exit(signal === \"SIGTERM\" ? 0 : 1));
  child.kill();
});'",
    ),
    (
        "cargo",
        "mkdir crate; cd crate; cargo init -q --name it --vcs none; echo '#[test] fn it() {}' >> src/main.rs; \
         cargo test -q --offline; cd ..; rm -rf crate",
    ),
    (
        "a signal to its own parent and child",
        "trap 'echo > heard' USR1; sh -c 'kill -USR1 $PPID'; test -e heard; rm heard",
    ),
    ("an abort", "gives 134 sh -c 'kill -ABRT $$'"),
    (
        "a browser",
        "which chromium > /dev/null || { echo skipped: no chromium; exit 0; }; \
         chromium --headless --no-sandbox --disable-gpu --dump-dom 'data:text/html,<p>hello' 2>/dev/null | grep hello",
    ),
];

/// Begins each script; `gives` asserts a command's exit code.
const BEGIN: &str = r#"set -e
gives() { local want=$1 got=0; shift; "$@" || got=$?; test $got = $want; }
"#;

#[test]
fn what_an_honest_agent_does_works_under_the_filter() {
    let mut fixture = Fixture::new();
    let cargo = Path::new(env!("CARGO")).parent().unwrap();
    let steps = WORK.iter().map(|(_, script)| {
        // The toolchain's own programs: rustup's look for them in the agent's home.
        let script = format!("{BEGIN}PATH={}:$PATH\n{script}", cargo.display());
        json!({"run": ["bash", "-c", script]})
    });
    fixture.calls(json!([steps.chain([progress(true)]).collect::<Vec<Value>>()]));
    fixture.set(env::SILENCE_SECS, "120").set(env::ITERATION_TIMEOUT_SECS, "120");
    let done = fixture.spawn_contained().wait();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let results = done.of("agent.tool_result");
    for ((name, _), result) in WORK.iter().zip(&results) {
        assert_eq!(result["isError"], false, "{name}: {}", result["text"]);
    }
    assert_eq!(results.len(), WORK.len() + 1);
}

#[test]
fn an_agent_and_its_browser_can_make_namespaces() {
    // As a user that is not root, whom the kernel grants less.
    let script = "unshare --user true || { echo skipped; exit 0; }
        unshare --user --map-root-user --pid --fork bash -c 'sleep 60 & kill $!; wait $!'
        echo ended with $?
        which chromium || { echo '<p>skipped</p>'; exit 0; }
        chromium --headless --disable-gpu --dump-dom 'data:text/html,<p>hello'";
    let mut fixture = hostile::fixture();
    fixture.calls(json!([[{"run": ["sh", "-c", script]}, progress(true)]]));
    let done = hostile::ended(&fixture);
    assert_eq!(done.exit(), 0, "{done:#?}");
    let seen = done.of("agent.tool_result")[0]["text"].as_str().unwrap();
    let made = seen.contains("ended with 143") && seen.contains("</p>");
    assert!(made || seen == "skipped\n", "{seen}");
}
