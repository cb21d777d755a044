//! How `ralph local` and the demo end, and what they refuse, before anything of theirs runs.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cloud::{cloud, ralph, stderr, stdout},
    commands::{FakeProject, WAITS},
    install::FakePython,
    processes::{self, Process, until},
};

/// A project whose start never gets past its first steps.
struct Starting {
    project: FakeProject,
    python: FakePython,
}

impl Starting {
    /// `cargo` is what its cargo does.
    fn new(cargo: &str) -> Self {
        let programs = [("cargo", cargo), ("terraform", WAITS), ("tofu", WAITS)];
        Self { project: FakeProject::new(&programs), python: FakePython::new() }
    }

    fn ralph(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.ralph(arguments, &self.python);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.ralph(arguments).spawn().expect("ralph starts")
    }

    /// Waits for the program of a step: `sleep` once the script has become it.
    fn cargo(of: &Child) -> Process {
        let runs = |process: &Process| {
            let is_script = process.command.contains("bin/cargo") && !process.is_supervisor();
            is_script || process.command.starts_with("sleep 60")
        };
        until("cargo", 60, || processes::below(of.id()).into_iter().find(runs))
    }

    fn folder(&self) -> PathBuf {
        self.project.path("").canonicalize().expect("a folder")
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("sent");
}

#[test]
fn of_two_starts_in_one_folder_one_is_refused_and_the_other_goes_on() {
    for arguments in [&["demo"][..], &["local", "--no-viewer"]] {
        let starting = Starting::new(WAITS);
        let mut both = [(); 2].map(|()| starting.start(arguments));
        let refused = until("a refusal", 60, || {
            both.iter_mut().position(|child| child.try_wait().expect("known").is_some())
        });
        let [one, two] = both;
        let (refused, mut other) = if refused == 0 { (one, two) } else { (two, one) };
        let refused = refused.wait_with_output().expect("ends");
        assert_eq!(refused.status.code(), Some(1));
        let text = stderr(&refused);
        assert!(
            text.contains(&format!("already runs with {}", starting.folder().display())),
            "{text}"
        );
        assert!(text.contains(&format!(", process {}\nhint: ", other.id())), "{text}");

        let cargo = Starting::cargo(&other);
        assert!(cargo.runs() && other.try_wait().expect("known").is_none());
        send(&other, Signal::INT);
        let other = other.wait_with_output().expect("ends");
        let text = stderr(&other);
        assert_eq!(other.status.code(), Some(1), "{text}");
        assert!(text.contains("interrupted; nothing is left running"), "{text}");
        assert_eq!(processes::of(&starting.folder()), [], "as it said");
    }
}

#[test]
fn stop_ends_the_one_that_runs_and_says_when_none_does() {
    let starting = Starting::new(WAITS);
    let stop = || starting.ralph(&["local", "--stop"]).output().expect("ralph runs");
    let never = stop();
    assert_eq!(never.status.code(), Some(1));
    assert!(stderr(&never).contains("no local cloud has run with "), "{}", stderr(&never));

    let mut local = starting.start(&["local", "--no-viewer"]);
    Starting::cargo(&local);
    let stopped = stop();
    assert_eq!(stdout(&stopped), "stopped\n", "{}", stderr(&stopped));
    assert!(local.wait().expect("ends").code().is_some(), "it ended in order");
    assert_eq!(processes::of(&starting.folder()), []);

    let again = stop();
    assert_eq!((again.status.code(), stdout(&again).as_str()), (Some(0), "nothing ran\n"));
}

#[test]
fn stop_waits_for_what_one_that_was_killed_left_behind() {
    // Ends when somebody says so, and leaves a process in a session of its own.
    let starting = Starting::new(
        "trap 'touch asked; while [ ! -e go ]; do sleep 0.1; done; exit' TERM\n\
         setsid sleep 600 &\nwhile :; do sleep 0.1; done",
    );
    let mut local = starting.start(&["local", "--no-viewer"]);
    Starting::cargo(&local);
    until("the process in its own session", 60, || {
        processes::below(local.id()).into_iter().find(|each| each.command == "sleep 600")
    });
    let below = processes::below(local.id());
    send(&local, Signal::KILL);
    local.wait().expect("ends");
    let asked = starting.project.path("asked");
    until("the supervisor's request", 60, || asked.exists().then_some(()));

    let mut stop = starting.start(&["local", "--stop"]);
    let mark = starting.project.path(".tools/local/.ralph-scratch");
    until("the folder to be held", 60, || {
        std::fs::File::open(&mark).expect("a mark").try_lock().is_err().then_some(())
    });
    assert!(stop.try_wait().expect("known").is_none(), "it waits");
    std::fs::write(starting.project.path("go"), "").expect("written");
    let stop = stop.wait_with_output().expect("ends");
    assert_eq!(stdout(&stop), "stopped\n", "{}", stderr(&stop));
    assert!(stderr(&stop).contains("left behind has ended"), "{}", stderr(&stop));
    // A supervisor lets go of its lock as the last thing that it does.
    until("the end of everything", 60, || (!below.iter().any(Process::runs)).then_some(()));
}

#[test]
fn a_start_that_nobody_reads_ends_as_any_other() {
    let starting = Starting::new(WAITS);
    for signal in [Signal::HUP, Signal::INT] {
        let mut local = starting.start(&["local", "--no-viewer"]);
        Starting::cargo(&local);
        // The terminal is gone, or `tee` has ended with the same Ctrl-C.
        drop((local.stdout.take(), local.stderr.take()));
        send(&local, signal);
        assert_eq!(local.wait().expect("ends").code(), Some(1));
        assert_eq!(processes::of(&starting.folder()), []);
    }
}

#[test]
fn what_a_supervisor_leaves_that_was_killed_is_ended_by_its_asker() {
    let starting = Starting::new("setsid sleep 600 &\nsleep 600 &\nexec sleep 600");
    let local = starting.start(&["local", "--no-viewer"]);
    let sleeping = until("three processes", 60, || {
        let below = processes::below(local.id()).into_iter();
        let sleeping: Vec<_> = below.filter(|each| each.command == "sleep 600").collect();
        (sleeping.len() == 3).then_some(sleeping)
    });
    let supervisor = |process: &Process| process.parent().filter(Process::is_supervisor);
    let supervisor = sleeping.iter().find_map(supervisor).expect("a supervisor");
    supervisor.send(Signal::KILL);
    let output = local.wait_with_output().expect("ends");
    assert!(stderr(&output).contains("`cargo build` failed (signal: 9"), "{}", stderr(&output));
    let left: Vec<_> = sleeping.into_iter().filter(Process::runs).collect();
    assert_eq!(left, []);
}

#[test]
fn a_supervised_program_that_ignores_a_request_is_killed_by_the_second() {
    let mut child = ralph(&[
        "supervise",
        "--",
        "sh",
        "-c",
        "trap '' TERM; echo ready; while :; do sleep 0.1; done",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .expect("ralph starts");
    let stdin = child.stdin.as_mut().expect("a pipe");
    std::io::Write::write_all(stdin, HANDOVER).expect("written");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("read"), "ready");
    let status = until("its end", 60, || {
        send(&child, Signal::TERM);
        child.try_wait().expect("known")
    });
    assert_eq!(status.code(), Some(128 + 9));
}

#[test]
fn a_supervisor_keeps_no_orphan_that_has_ended() {
    // Each shell leaves a process that ends later than the shell itself.
    let script =
        "for i in 1 2 3; do sh -c 'sleep 0.01 & exec true'; done; echo left; exec sleep 600";
    let mut child = ralph(&["supervise", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, HANDOVER).expect("written");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert_eq!(lines.next().expect("a line").expect("read"), "left");
    until("one child alone", 60, || {
        let ps =
            Command::new("ps").args(["-o", "pid=", "--ppid", &child.id().to_string()]).output();
        (stdout(&ps.expect("ps runs")).lines().count() == 1).then_some(())
    });
    drop(stdin);
    assert_eq!(child.wait().expect("ends").code(), Some(128 + 15));
}

/// A line that says nothing more than to run the program.
const HANDOVER: &[u8] = br#"{"secrets":{},"input":"","at_once":false,"afterwards":[]}
"#;

#[test]
fn a_demo_whose_worker_is_killed_follows_the_restart() {
    let scratch = cloud().scratch_text();
    let demo = ralph(&["demo", "--quiet", "--join", scratch, "--workstream", "killed-worker"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let tasks = cloud().scratch().join("tasks");
    // Midway: it has written, and goes on for seconds.
    let folder = until("the first lines", 120, || {
        let tasks = std::fs::read_dir(&tasks).ok()?.flatten().map(|task| task.path());
        tasks.into_iter().find(|task| {
            let journal = std::fs::read_to_string(task.join("journal.jsonl")).unwrap_or_default();
            journal.contains(r#""workstream":"killed-worker""#) && journal.lines().count() > 20
        })
    });
    let folder = folder.canonicalize().expect("a folder");
    let worker = processes::of(&folder)
        .into_iter()
        .find(|process| process.command.ends_with("ralph-loop-cloud") && !process.is_supervisor());
    worker.expect("the worker").send(Signal::KILL);
    let output = demo.wait_with_output().expect("ends");
    let text = stdout(&output);
    eprintln!("{text}");
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    assert!(text.contains("lost=0 "), "{text}");
    assert!(text.contains("attempts=2"), "{text}");
}
