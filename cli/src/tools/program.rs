//! Finding a program and running it to its end.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Error, Result, bail};
use rustix::process::Signal;
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use crate::tools::{
    cargo,
    children::Group,
    engine,
    output::ReaderLeft,
    supervise::{Handover, supervised_copy},
};

/// A program the project needs from the machine, with how to get it.
struct Needed {
    names: &'static [&'static str],
    hint: &'static str,
}

const NEEDED: [Needed; 5] = [
    Needed { names: &["python3", "python"], hint: "install Python 3.10 or later (python.org)" },
    Needed { names: &["cargo"], hint: "install Rust (rustup.rs)" },
    Needed { names: &["npm"], hint: "install Node.js with npm (nodejs.org)" },
    Needed { names: &["git"], hint: "install git (git-scm.com)" },
    Needed {
        names: &["claude"],
        hint: "install Claude Code: npm install -g @anthropic-ai/claude-code",
    },
];

/// A program on PATH; for `terraform` the tool that is used in its place.
pub fn find(name: &str) -> Result<PathBuf> {
    if name == "terraform" {
        return engine::program().map_err(Error::msg);
    }
    let needed = NEEDED.iter().find(|needed| needed.names.contains(&name));
    let names = needed.map_or(std::slice::from_ref(&name), |needed| needed.names);
    if let Some(file) = names.iter().find_map(|name| engine::on_path(Path::new(name))) {
        return Ok(file);
    }
    let hint = needed.map_or("put it on PATH", |needed| needed.hint);
    bail!("{} is not on PATH\nhint: {hint}", names.join(" or "))
}

/// `cargo`, with its progress also in a log.
pub fn cargo(program: &Path) -> Command {
    let mut command = Command::from(cargo::command(program));
    // How far it is (`steps::crates`).
    command.envs([("CARGO_TERM_PROGRESS_WHEN", "always"), ("CARGO_TERM_PROGRESS_WIDTH", "80")]);
    command
}

/// Runs a command to its end with its output in `log`; on failure the error ends with the log's
/// last lines.
pub async fn run(command: &Command, log: &Path) -> Result<()> {
    run_with(command, log, &Handover::default()).await
}

/// [`run`] with a handover of its own.
pub async fn run_with(command: &Command, log: &Path, handover: &Handover) -> Result<()> {
    let name = name_of(command);
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    // What is given up must not leave a compiler or a provider behind.
    let mut below = supervised_copy(command)?;
    below.stdout(file.try_clone()?).stderr(file);
    let status = Group::spawn(&mut below, handover).await?.wait().await?;
    if !status.success() {
        bail!(
            "{name} failed ({status})\n{}\nhint: the whole output is in {}",
            tail(log, 25),
            log.display()
        );
    }
    Ok(())
}

/// Runs a command and gives its standard output.
pub async fn output(command: &mut Command) -> Result<String> {
    let name = name_of(command);
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{name} cannot be started"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({})\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command that speaks with the person at the terminal.
pub async fn foreground(command: &mut Command) -> Result<()> {
    let status = status(command).await?;
    checked(command, status)
}

/// Runs a command that only shows something. Its reader may go away, as ours may.
pub async fn shown(command: &mut Command) -> Result<()> {
    let status = status(command).await?;
    if status.signal() == Some(Signal::PIPE.as_raw()) {
        bail!(ReaderLeft);
    }
    checked(command, status)
}

fn checked(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} failed ({status})", name_of(command));
    }
    Ok(())
}

async fn status(command: &mut Command) -> Result<ExitStatus> {
    let name = name_of(command);
    command.status().await.with_context(|| format!("{name} cannot be started"))
}

/// How often what a program says on standard error is passed on.
const PASS_ON: Duration = Duration::from_millis(100);

/// [`foreground`] for who must know what the command says on standard error, when it fails. It writes
/// to a file: a program that writes to a pipe ends with whoever reads it, and this one has a state to save.
pub async fn heard(command: &mut Command) -> Result<Result<(), String>> {
    let name = name_of(command);
    // The terminal sends Ctrl-C to the program, too, which then ends in order. It is waited for.
    let _interrupts = signal(SignalKind::interrupt())?;
    let mut file = tempfile::NamedTempFile::new()?;
    let spawned = command.stderr(file.reopen()?).spawn();
    let mut child = spawned.with_context(|| format!("{name} cannot be started"))?;
    let mut said = Vec::new();
    loop {
        let status = tokio::time::timeout(PASS_ON, child.wait()).await;
        let begin = said.len();
        file.read_to_end(&mut said)?;
        // Nobody has to read it.
        std::io::stderr().write_all(&said[begin..]).unwrap_or_default();
        if let Ok(status) = status {
            let success = status.with_context(|| format!("{name} cannot be waited for"))?.success();
            return Ok(if success {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&said).into_owned())
            });
        }
    }
}

fn name_of(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let first: Option<&OsStr> =
        command.get_args().find(|arg| !arg.to_string_lossy().starts_with('-'));
    let parts: Vec<_> = std::iter::once(program).chain(first).map(OsStr::to_string_lossy).collect();
    format!("`{}`", parts.join(" "))
}

/// The last lines of a file.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // Of a line that was drawn several times, what a terminal would show at the end.
    let all: Vec<&str> = text.lines().filter_map(|line| line.rsplit('\r').next()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let error = find("no-such-program-anywhere").unwrap_err().to_string();
        assert_eq!(error, "no-such-program-anywhere is not on PATH\nhint: put it on PATH");
    }
}
