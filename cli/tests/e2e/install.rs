//! cli/tools/install.py: which virtual environment is whole, and which is made again.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::cloud::{root, stdout};

/// Makes what a virtual environment needs to be recognised as one.
const VENV: &str = "
import os, sys
for folder in ('bin', 'lib/__pycache__'):
    os.makedirs(os.path.join(sys.argv[1], folder))
os.symlink(sys.executable, os.path.join(sys.argv[1], 'bin/python'))
";

/// Installs a program and a module, and counts. With HOLD, a pipe, it waits until that is closed.
const PIP: &str = "
import os, pathlib, sys
if 'HOLD' in os.environ:
    open(os.environ['HOLD']).read()
here = pathlib.Path(__file__).parent
venv = pathlib.Path(sys.executable).parent.parent
(venv / 'bin/tool').write_text('#!%s\\n' % sys.executable)
(venv / 'lib/module.py').write_text('value = 1\\n')
with (here / 'installs').open('a') as installs:
    installs.write(sys.stdin.read())
";

/// Python whose modules `venv` and `pip` are a test's own, by PYTHONPATH.
pub struct FakePython {
    folder: tempfile::TempDir,
}

impl FakePython {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }.module("venv", VENV).module("pip", PIP)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn module(self, name: &str, text: &str) -> Self {
        fs::write(self.path().join(name).with_extension("py"), text).expect("written");
        self
    }

    /// How often pip installed.
    fn installs(&self) -> usize {
        let text = fs::read_to_string(self.path().join("installs")).unwrap_or_default();
        text.lines().count()
    }

    fn command(&self, venv: &Path, pins: &str) -> Command {
        let mut command = installer(venv, pins);
        command.env("PYTHONPATH", self.path());
        command
    }

    /// Installs a line of pins, and gives the folder of the programs.
    fn install(&self, venv: &Path) -> PathBuf {
        done(&mut self.command(venv, "tool==1\n"))
    }
}

fn installer(venv: &Path, pins: &str) -> Command {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(pins.as_bytes()).expect("written");
    std::io::Seek::rewind(&mut file).expect("at its start");
    let mut command = Command::new("python3");
    command.arg(root().join("cli/tools/install.py")).arg(venv).stdin(file);
    command
}

fn done(command: &mut Command) -> PathBuf {
    let output = command.stderr(Stdio::inherit()).output().expect("python3 runs");
    assert!(output.status.success());
    PathBuf::from(stdout(&output).trim())
}

/// A checkout's folder with its name, without symbolic links.
fn checkouts() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("a folder");
    (folder, path)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs").success());
}

#[test]
fn a_whole_environment_is_used_again() {
    let (_guard, folder) = checkouts();
    let python = FakePython::new();
    let venv = folder.join("a/.tools/venv-x");
    assert_eq!(python.install(&venv), venv.join("bin"));
    fs::write(venv.join("lib/__pycache__/module.pyc"), "compiled").expect("written");
    python.install(&venv);
    assert_eq!(python.installs(), 1);
    done(&mut python.command(&venv, "tool==2\n"));
    assert_eq!(python.installs(), 2, "other pins are installed");
}

#[test]
fn the_environment_of_a_copied_or_moved_checkout_is_made_again() {
    let (_guard, folder) = checkouts();
    let python = FakePython::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.join(name).join(".tools/venv-x"));
    let interpreter = |venv: &Path| fs::read_to_string(venv.join("bin/tool")).expect("a tool");
    python.install(&a);
    copy(&folder.join("a"), &folder.join("b"));
    python.install(&b);
    assert_eq!(interpreter(&b), format!("#!{}\n", b.join("bin/python").display()));
    python.install(&a);
    assert_eq!(python.installs(), 2, "the first is still whole");
    fs::rename(folder.join("a"), folder.join("c")).expect("moved");
    python.install(&c);
    assert_eq!(interpreter(&c), format!("#!{}\n", c.join("bin/python").display()));
    assert_eq!(python.installs(), 3);
}

#[test]
fn a_damaged_environment_is_made_again() {
    let (_guard, folder) = checkouts();
    let python = FakePython::new();
    let venv = folder.join("venv-x");
    python.install(&venv);
    let (tool, module) = (venv.join("bin/tool"), venv.join("lib/module.py"));
    let damages: [&dyn Fn(); 5] = [
        &|| File::options().write(true).open(&tool).and_then(|f| f.set_len(1)).expect("cut"),
        &|| File::options().write(true).open(&module).and_then(|f| f.set_len(0)).expect("cut"),
        &|| fs::remove_file(&module).expect("removed"),
        &|| fs::remove_dir_all(venv.join("lib")).expect("removed"),
        // The Python it was made with is gone.
        &|| {
            fs::remove_file(venv.join("bin/python")).expect("removed");
            std::os::unix::fs::symlink("/nonexistent", venv.join("bin/python")).expect("a link");
        },
    ];
    for (damage, number) in damages.iter().zip(2..) {
        damage();
        python.install(&venv);
        assert_eq!(python.installs(), number);
        assert_eq!(fs::read_to_string(&module).expect("a module"), "value = 1\n");
    }
}

#[test]
fn an_installation_that_was_cut_off_is_made_again_once_its_pip_has_ended() {
    let (_guard, folder) = checkouts();
    let python = FakePython::new();
    let venv = folder.join("venv-x");
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut first = python.command(&venv, "tool==1\n").env("HOLD", &pipe).spawn().expect("starts");
    // Opens as soon as pip reads from it.
    let hold = File::options().write(true).open(&pipe).expect("a pipe");
    first.kill().expect("killed");
    first.wait().expect("ends");
    let mut second = python.command(&venv, "tool==1\n").spawn().expect("starts");
    wait_for_the_lock(&second);
    drop(hold);
    assert!(second.wait().expect("ends").success());
    assert_eq!(python.installs(), 2);
}

#[test]
fn an_interrupt_ends_the_wait_for_another_installation() {
    let (_guard, folder) = checkouts();
    let lock = File::create(folder.join("venv-x.lock")).expect("a lock");
    lock.lock().expect("locked");
    let command = &mut FakePython::new().command(&folder.join("venv-x"), "");
    let mut waiting = command.spawn().expect("starts");
    wait_for_the_lock(&waiting);
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    assert_eq!(waiting.wait().expect("ends").signal(), Some(2));
}

/// Returns once the kernel lists the process as one that waits for a lock.
fn wait_for_the_lock(process: &Child) {
    let pid = process.id().to_string();
    let waits = |line: &str| line.contains("->") && line.split_whitespace().any(|word| word == pid);
    while !fs::read_to_string("/proc/locks").expect("/proc").lines().any(waits) {
        std::thread::yield_now();
    }
}

#[test]
fn a_program_of_a_copied_checkout_runs_with_its_own_python() {
    let (_guard, folder) = checkouts();
    let [a, b] = ["a", "b"].map(|name| folder.join(name).join(".tools/venv-x"));
    done(&mut installer(&a, "# nothing but pip\n"));
    copy(&folder.join("a"), &folder.join("b"));
    let pip = done(&mut installer(&b, "# nothing but pip\n")).join("pip");
    let output = Command::new(pip).arg("--version").output().expect("pip runs");
    let text = stdout(&output);
    assert!(text.contains(b.to_str().expect("UTF-8")), "{text}");
}
