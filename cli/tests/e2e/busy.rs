//! `just test-busy`: what makes the machine busy ends with the command.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::cloud::{root, stdout};

/// A command while the machine is busy, with its output as lines.
fn busy(script: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new("python3")
        .arg(root().join("cli/tools/busy.py"))
        .args(["sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines.map_while(Result::ok))
}

/// The processes whose parent is `pid`, and which run Python.
fn spinners(pid: u32) -> Vec<String> {
    let output = Command::new("ps").args(["-axo", "pid=,ppid=,args="]).output().expect("ps runs");
    let text = stdout(&output);
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[1] == pid.to_string() && row[2].contains("python"));
    ours.map(|row| row[0].to_owned()).collect()
}

fn runs(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "state=", "-p", pid]).output().expect("ps runs");
    !matches!(stdout(&output).trim(), "" | "Z")
}

#[test]
fn a_command_on_a_busy_machine_ends_with_its_own_exit_code() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15)] {
        let (mut child, _lines) = busy(script);
        assert_eq!(child.wait().expect("ends").code(), Some(code), "{script}");
    }
}

#[test]
fn nothing_keeps_the_machine_busy_when_the_command_is_over() {
    for (signal, to) in [("INT", "both"), ("TERM", "busy.py"), ("KILL", "busy.py")] {
        let (mut child, mut lines) = busy("echo $$; exec sleep 1000");
        let command = lines.next().expect("the command's process id");
        let spinners = spinners(child.id());
        let cores = std::thread::available_parallelism().expect("known").get();
        assert!(spinners.len() >= cores, "{spinners:?}");
        // As a terminal does with Ctrl-C.
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(child.id().to_string());
        if to == "both" {
            kill.arg(&command);
        }
        assert!(kill.status().expect("kill runs").success());
        child.wait().expect("ends");
        while spinners.iter().any(|pid| runs(pid)) {
            std::thread::yield_now();
        }
        let _ = Command::new("kill").args(["-KILL", &command]).stderr(Stdio::null()).status();
    }
}
