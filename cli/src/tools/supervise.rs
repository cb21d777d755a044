//! `ralph supervise`: runs a program and lets nothing of it outlive the process that asked for it.
//!
//! Everything that the local cloud starts runs below one of these. The asker holds the other end of
//! standard input. When that closes, because the asker ended or was killed, the program is asked to
//! end, and killed if it does not. Once the program has ended, by itself or not, what it left
//! behind is killed too, in whatever process group or session it is: an agent's background jobs
//! would live on otherwise. What a supervisor leaves behind that is killed itself, its asker kills
//! (children.rs).

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    os::{fd::AsFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
#[cfg(target_os = "linux")]
use rustix::process::{WaitOptions, getpid, waitpid};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::unix::pipe::Receiver,
    process::Command,
    signal::unix::{SignalKind, signal},
};

use crate::args::SuperviseArgs;

/// How long a program may take to end once its asker is gone. A worker commits and pushes in it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the command that cleans up may take.
const AFTERWARDS: Duration = Duration::from_secs(20);
/// How long a supervisor may take to end once its asker is gone.
pub const LONGEST: Duration = Duration::from_secs(45);

/// What a supervisor reads from the pipe.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Handover {
    /// Variables that do not stand in the supervisor's own environment, which every process of the
    /// same user can read.
    pub secrets: BTreeMap<String, String>,
    /// The program's standard input.
    pub input: String,
    /// Kill the program at once when the asker is gone: nothing that it could still do is wanted.
    pub at_once: bool,
    /// A command that cleans up once the program has ended; empty: none.
    pub afterwards: Vec<String>,
}

/// Where the supervisors that this process starts say that they run.
static PIDS: OnceLock<PathBuf> = OnceLock::new();

/// Lets every supervisor that is started from now on say in a folder that it runs. Only the first
/// folder counts: a process has one scratch folder.
pub fn announce_in(pids: PathBuf) {
    let _ = PIDS.set(pids);
}

/// A command that runs `program` below a supervisor, to be started with
/// [`Group::spawn`](super::children::Group::spawn).
pub fn supervised(program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(this_program()?);
    command.arg("supervise");
    if let Some(pids) = PIDS.get() {
        command.arg("--pids").arg(pids);
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// The same for a command with its arguments, folder and changes of the environment.
pub fn supervised_copy(command: &Command) -> Result<Command> {
    let command = command.as_std();
    let mut below = supervised(command.get_program())?;
    below.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => below.env(name, value),
            None => below.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        below.current_dir(folder);
    }
    Ok(below)
}

/// This very program, also when its file was replaced since it started.
fn this_program() -> Result<PathBuf> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().context("this program does not know its own file")
}

/// `ralph supervise`. Ends with the program's exit code, or 128 and its signal.
pub async fn run(options: SuperviseArgs) -> Result<ExitCode> {
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        rustix::process::set_child_subreaper(Some(getpid()))?;
    }
    let _running = options.pids.as_deref().map(Running::say).transpose()?;
    let mut asker =
        BufReader::new(Receiver::from_owned_fd(std::io::stdin().as_fd().try_clone_to_owned()?)?);
    let mut line = String::new();
    asker.read_line(&mut line).await?;
    let handover: Handover =
        serde_json::from_str(&line).context("the asker went away before it said what to run")?;
    let (program, arguments) = options.command.split_first().context("there is no program")?;
    let mut signals = Signals::new()?;
    let mut ended = signal(SignalKind::child())?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(handover.secrets)
        .stdin(if handover.input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .spawn()
        .with_context(|| format!("{} cannot be started", Path::new(program).display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move { stdin.write_all(handover.input.as_bytes()).await });
    }
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let send = |signal| {
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    };
    let patience = if handover.at_once { Duration::ZERO } else { PATIENCE };
    let without_asker = async {
        let mut rest = [0; 64];
        // Nothing more is ever written; whatever ends the reading is the end.
        while asker.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        send(Signal::TERM);
        tokio::time::sleep(patience).await;
        send(Signal::KILL);
        std::future::pending::<()>().await;
    };
    tokio::pin!(without_asker);
    let mut signal = Signal::TERM;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = ended.recv() => reap_orphans(pid),
            () = signals.any() => {
                send(signal);
                // Who asks twice does not wait.
                signal = Signal::KILL;
            }
            () = &mut without_asker => {}
        }
    };
    if let Some((program, arguments)) = handover.afterwards.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = tokio::time::timeout(AFTERWARDS, command.status()).await;
    }
    kill_descendants();
    Ok(ExitCode::from(code_of(status)))
}

/// A program's exit code, or 128 and the signal that ended it, as shells and containers have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    fn new() -> Result<Self> {
        let of = |kind| signal(kind);
        Ok(Self([
            of(SignalKind::terminate())?,
            of(SignalKind::interrupt())?,
            of(SignalKind::hangup())?,
        ]))
    }

    async fn any(&mut self) {
        let [term, int, hup] = &mut self.0;
        tokio::select! { _ = term.recv() => {} _ = int.recv() => {} _ = hup.recv() => {} }
    }
}

/// Kills every process below this one, until there is none. Linux gives this process the orphans of
/// its descendants; elsewhere only the process group is known, which the asker kills.
fn kill_descendants() {
    #[cfg(target_os = "linux")]
    kill_children(|_| true);
}

/// Kills the children that `which` names. What they leave behind become children of this process,
/// and `which` is asked about them too.
#[cfg(target_os = "linux")]
pub fn kill_children(which: impl Fn(&Process) -> bool) {
    loop {
        let children: Vec<_> = children().filter(&which).collect();
        if children.is_empty() {
            return;
        }
        for child in children {
            let _ = kill_process(child.pid, Signal::KILL);
            // A child that somebody else in this process waits for is theirs.
            let _ = waitpid(Some(child.pid), WaitOptions::empty());
        }
    }
}

/// Lets go of the orphans that have ended: nobody else waits for them.
fn reap_orphans(program: Option<Pid>) {
    #[cfg(target_os = "linux")]
    for child in children().filter(|child| Some(child.pid) != program) {
        let _ = waitpid(Some(child.pid), WaitOptions::NOHANG);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = program;
}

/// A process, and the group it is in.
#[cfg(target_os = "linux")]
pub struct Process {
    pub pid: Pid,
    parent: Option<Pid>,
    /// `None` when it was made outside of this PID namespace: it has no id here then.
    pub group: Option<Pid>,
}

#[cfg(target_os = "linux")]
impl Process {
    /// From a folder of /proc; see proc_pid_stat(5).
    fn read(folder: &Path) -> Option<Self> {
        // The kernel says -1 of a process that is just being reaped.
        let number = |text: &str| Pid::from_raw(text.parse().ok().filter(|number| *number > 0)?);
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The second field, the name in brackets, may hold spaces and brackets.
        let (start, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(1).map(number);
        let pid = number(start.split_whitespace().next()?)?;
        Some(Self { pid, parent: fields.next()?, group: fields.next()? })
    }

    /// This process.
    pub fn this() -> Option<Self> {
        Self::read(Path::new("/proc/self"))
    }
}

/// The children of this process.
#[cfg(target_os = "linux")]
fn children() -> impl Iterator<Item = Process> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| Process::read(&entry.path()))
        .filter(|process| process.parent == Some(getpid()))
}

/// Says, as long as it lives, that this process runs: a locked file named like its id.
struct Running {
    file: PathBuf,
    _lock: File,
}

impl Running {
    fn say(pids: &Path) -> Result<Self> {
        fs::create_dir_all(pids)?;
        let file = pids.join(std::process::id().to_string());
        let lock = File::create(&file)?;
        lock.lock()?;
        Ok(Self { file, _lock: lock })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// The supervisors that still run, by the files they left in `pids`.
pub fn still_running(pids: &Path) -> Vec<Pid> {
    let files = fs::read_dir(pids).into_iter().flatten().flatten();
    files
        .filter(|entry| File::open(entry.path()).is_ok_and(|file| file.try_lock().is_err()))
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_is_just_being_reaped_has_no_group() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stat"), "17 (a (b) c) Z 4 -1 -1 0 -1\n").unwrap();
        let process = Process::read(folder.path()).unwrap();
        let ids = (process.pid.as_raw_pid(), process.parent.map(Pid::as_raw_pid), process.group);
        assert_eq!(ids, (17, Some(4), None));
    }

    #[test]
    fn a_program_that_a_signal_ended_has_a_containers_exit_code() {
        for (raw, code) in [(0, 0), (0x0c00, 12), (9, 137), (15, 143)] {
            assert_eq!(code_of(ExitStatus::from_raw(raw)), code, "{raw}");
        }
    }

    #[test]
    fn who_still_runs_is_known_by_the_lock_and_not_by_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1"), "").unwrap();
        assert!(still_running(folder.path()).is_empty());
        let running = Running::say(folder.path()).unwrap();
        assert_eq!(still_running(folder.path()), [rustix::process::getpid()]);
        drop(running);
        assert!(still_running(folder.path()).is_empty());
    }
}
