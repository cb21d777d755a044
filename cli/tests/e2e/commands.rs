//! Commands that do not find what they require.

use std::{
    fs::Permissions,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    cloud::{cloud, ralph, root, stderr, stdout},
    install::FakePython,
    processes,
};

#[test]
fn a_taken_port_is_named_and_nothing_is_left_running() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let scratch = tempfile::tempdir().expect("a folder");
    let output = ralph(&["local", "--no-viewer", "--port", &port, "--scratch"])
        .arg(scratch.path())
        .output()
        .expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("port {port} is taken\nhint: ")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_missing_program_is_named_with_how_to_get_it() {
    // A PATH that holds git alone.
    let bin = tempfile::tempdir().expect("a folder");
    let git = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh runs");
    std::os::unix::fs::symlink(stdout(&git).trim(), bin.path().join("git")).expect("a link");
    let output = ralph(&["demo"]).env("PATH", bin.path()).output().expect("ralph runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("tofu or terraform is not on PATH\nhint: install OpenTofu"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn claude_is_needed_here_only_if_it_does_not_come_with_the_image() {
    let project = FakeProject::new(&[("cargo", ":"), ("terraform", ":"), ("python3", ":")]);
    let git = Command::new("sh").args(["-c", "command -v git"]).output().expect("sh runs");
    std::os::unix::fs::symlink(stdout(&git).trim(), project.path("bin/git")).expect("a link");
    for (more, said) in [
        (&[][..], "claude is not on PATH\nhint: install Claude Code"),
        (&["--containers"], "--agent claude needs a key\nhint: set ANTHROPIC_API_KEY"),
    ] {
        let output = ralph(&["demo", "--agent", "claude"])
            .args(more)
            .current_dir(project.folder.path())
            .env("PATH", project.path("bin"))
            .env_remove("ANTHROPIC_API_KEY")
            .output()
            .expect("ralph runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{more:?}: {}", stderr(&output));
    }
}

#[test]
fn a_second_local_cloud_in_the_same_folder_is_refused() {
    let output = ralph(&["local", "--no-viewer", "--scratch", cloud().scratch_text()])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("already runs"), "{}", stderr(&output));
}

#[test]
fn a_target_that_does_not_run_is_named() {
    let folder = tempfile::Builder::new().prefix("a folder").tempdir().expect("a folder");
    let output = ralph(&["token", "docs", "--scratch"]).arg(folder.path()).output().expect("runs");
    let hint = format!("hint: start one with `just local --scratch '{}'`", folder.path().display());
    assert!(stderr(&output).contains(&hint), "{}", stderr(&output));
}

#[test]
fn a_local_cloud_that_was_killed_is_named_with_how_to_start_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody listens at the port for discarded packets.
    let left = r#"{"environment":"dev","endpoint":"http://127.0.0.1:9","key":null,"viewer":null,"outputs":{}}"#;
    std::fs::write(folder.path().join("cloud.json"), left).expect("written");
    for words in [&["ps"][..], &["token", "docs"], &["keys", "list"]] {
        let output = ralph(words).arg("--scratch").arg(folder.path()).output().expect("runs");
        let text = stderr(&output);
        let again = format!("`just local --scratch {}`", folder.path().display());
        assert!(text.contains("the local cloud at http://127.0.0.1:9 does not answer"), "{text}");
        assert!(text.contains(&format!("\nhint: start it again with {again}")), "{text}");
        assert_eq!(output.status.code(), Some(1), "{text}");
    }
}

#[test]
fn prod_is_not_applied() {
    for command in ["apply", "destroy"] {
        let output = ralph(&[command, "prod"]).output().expect("runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("prod is not deployed yet"), "{}", stderr(&output));
    }
}

#[test]
fn both_environments_plan_offline_before_the_functions_are_built() {
    for environment in ["dev", "prod"] {
        let output = ralph(&["plan", environment, "--offline", "--", "-no-color"])
            .args(["-var", "lambda_zip=/nonexistent/ralph-lambda.zip"])
            .output()
            .expect("runs");
        let text = stdout(&output);
        assert!(output.status.success(), "{}\n{text}", stderr(&output));
        assert!(text.contains("to add, 0 to change, 0 to destroy"), "{text}");
        assert!(text.contains("just build-lambdas"), "{text}");
    }
}

#[test]
fn an_interrupt_leaves_nothing_running_and_nothing_but_the_scratch_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let scratch = folder.path().join("scratch");
    // With another base the HCL is always applied, which takes long enough to be interrupted.
    let base = ["--management-base", "http://127.0.0.1:1"];
    let mut child = ralph(&["local", "--no-viewer", "--scratch"])
        .arg(&scratch)
        .args(base)
        .stderr(Stdio::piped())
        .spawn()
        .expect("ralph starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let is_up = |line: String| line.contains("local cloud started") || line.contains("restored");
    let started = lines.any(|line| line.is_ok_and(is_up));
    assert!(started, "the local cloud did not start");
    let inside = scratch.canonicalize().expect("the scratch folder");
    assert!(!processes::of(&inside).is_empty(), "the local cloud runs in its scratch folder");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    let status = child.wait().expect("ends");
    assert_eq!(status.code(), Some(1));
    assert_eq!(processes::of(&inside), []);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_step_shows_that_it_runs_on_a_terminal_alone() {
    let plan = ralph(&["plan", "dev", "--offline", "--", "-no-color"]);
    let ralph = plan.get_program();
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"]).arg(ralph);
    terminal.args(plan.get_args()).current_dir(root()).env("TERM", "xterm");
    let terminal = terminal.stdin(Stdio::null()).output().expect("python3 runs");
    let elsewhere = { plan }.output().expect("ralph runs");
    let spins = |text: &str| text.contains(|c| ('\u{2800}'..='\u{28ff}').contains(&c));
    let (terminal, elsewhere) = (stdout(&terminal), stderr(&elsewhere));
    assert!(spins(&terminal) && terminal.contains("  done  "), "{terminal}");
    assert!(!spins(&elsewhere) && elsewhere.contains("  done  "), "{elsewhere}");
}

/// What starts the local cloud's server.
const STARTER: &str = "cli/tools/local_cloud/__main__.py";

/// A project folder of a test's own with fake programs on PATH.
pub struct FakeProject {
    folder: tempfile::TempDir,
}

impl FakeProject {
    pub fn new(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let project = Self { folder };
        std::fs::create_dir_all(project.path("terraform/envs/dev")).expect("made");
        std::fs::write(project.path("ralph.toml"), "[env.dev]\n").expect("written");
        let starter = project.path(STARTER);
        std::fs::create_dir_all(starter.parent().expect("a folder")).expect("made");
        std::fs::write(starter, "").expect("written");
        for (name, script) in programs {
            project.program(&format!("bin/{name}"), script);
        }
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn program(&self, name: &str, script: &str) {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("set");
    }

    /// `ralph` in it.
    pub fn ralph(&self, arguments: &[&str], python: &FakePython) -> Command {
        let path = std::env::var("PATH").expect("a PATH");
        let mut command = ralph(arguments);
        command
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("PYTHONPATH", python.path())
            .env_remove("CARGO_TARGET_DIR");
        command
    }

    fn local(&self, python: &FakePython) -> std::process::Output {
        let mut local = self.ralph(&["local", "--no-viewer", "--scratch", "scratch"], python);
        local.output().expect("ralph runs")
    }
}

/// Long enough to be waited for, and ended with the step it belongs to.
pub const WAITS: &str = "exec sleep 60";

#[test]
fn a_python_that_is_too_old_or_has_no_venv_is_named() {
    let project = FakeProject::new(&[("cargo", WAITS), ("terraform", WAITS), ("tofu", WAITS)]);
    let old = FakePython::new().module("sitecustomize", "import sys; sys.version_info = (3, 9)");
    let output = project.local(&old);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("is Python 3.9\nhint: install Python 3.10 or later"), "{text}");

    let bare = FakePython::new().module("venv", "raise SystemExit('ensurepip is missing')");
    let output = project.local(&bare);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("ensurepip is missing\nhint: on Debian"), "{text}");
    assert!(text.contains("apt install python3-venv"), "{text}");
    assert_eq!(processes::of(&project.path("")), []);
}

#[test]
fn a_program_that_fails_shows_its_last_lines_without_what_a_bar_overdrew() {
    let fails = r#"echo first; printf 'bar\rlast\n' >&2; exit 7"#;
    let project = FakeProject::new(&[("cargo", fails), ("terraform", WAITS), ("tofu", WAITS)]);
    let output = project.local(&FakePython::new());
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("`cargo build` failed (exit status: 7)\nfirst\nlast\nhint: "), "{text}");
}

#[test]
fn a_local_cloud_that_does_not_start_shows_its_last_words() {
    // Everything before it is done at once.
    let cargo = "mkdir -p target/debug && touch target/debug/ralph-lambda";
    let project = FakeProject::new(&[("cargo", cargo), ("terraform", ""), ("tofu", "")]);
    std::fs::write(project.path(STARTER), "print('no such luck', flush=True)\nexit(7)\n")
        .expect("written");
    let output = project.local(&FakePython::new());
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("the local cloud ended at its start (exit status: 7)\nno such luck"),
        "{text}"
    );
    assert_eq!(processes::of(&project.path("")), []);
}
