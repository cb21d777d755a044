//! What the operating system does to keep secrets from the agent, and its hands off the worker.
//! Linux only; elsewhere [`missing_guards`] says what is missing.

use std::{collections::BTreeMap, io};

use ralph_protocol::names::worker_env as env;
use tokio::process::Command;

#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
pub use confine::become_confined;

use crate::config::Environment;

/// The hidden command by which the worker starts the programs of the agent and of the repository.
pub const CONFINED: &str = "confined";

/// Says that the secrets are on stdin: set by the worker for its own second start.
const HANDED_OVER: &str = "RALPH_SECRETS_ON_STDIN";

/// Gives large blocks back to the system when they are freed: glibc otherwise keeps more and more
/// of them after the first (mallopt(3), M_MMAP_THRESHOLD). Read once, at a program's start.
#[cfg(target_os = "linux")]
const ALLOCATOR: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.mmap_threshold=131072:glibc.malloc.trim_threshold=131072:glibc.malloc.arena_max=1",
);

/// Whether a variable holds a secret. A name need not be text.
#[cfg(target_os = "linux")]
fn is_secret(name: &std::ffi::OsStr) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let name = name.as_bytes();
    [env::ANTHROPIC_KEYS, env::GIT_TOKEN].iter().any(|secret| name == secret.as_bytes())
        || name.starts_with(env::AGENT_SECRET.as_bytes())
}

/// The process's environment as text. Values that are not UTF-8 are read with replacements, so
/// that the check of the variable can refuse them.
#[must_use]
pub fn environment() -> Environment {
    Environment(
        std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect(),
    )
}

/// Makes this process unreadable for others of the same user: no ptrace, no `/proc/<pid>/mem`,
/// `environ` or `fd`, no core dump; and the parent of every orphan below it. Finds out whether
/// [`confined`] will work.
///
/// # Errors
/// When the kernel refuses; the worker must not go on then.
#[cfg(target_os = "linux")]
pub fn guard() -> io::Result<()> {
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, getpid, set_child_subreaper, set_dumpable_behavior,
        setrlimit,
    };
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The argument only says "on"; see prctl(2), PR_SET_CHILD_SUBREAPER.
    set_child_subreaper(Some(getpid()))?;
    confine::probe()
}

/// Elsewhere there is nothing to call.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn guard() -> io::Result<()> {
    Ok(())
}

/// The guards this system does not have; empty on Linux.
#[must_use]
pub const fn missing_guards() -> &'static [&'static str] {
    if cfg!(target_os = "linux") {
        &[]
    } else {
        &[
            "other processes of this user can read the worker's memory",
            "processes the agent detaches outlive it",
            "the agent can signal the worker and change its limits",
        ]
    }
}

/// A command that runs a program of the agent's or of the repository's. Whatever is untrusted is
/// started by it: this executable, as a process of its own, gives up its rights and becomes the
/// program. Between fork and exec that would be unsafe code. A program that cannot be started
/// ends with 127 or 126, as in a shell.
#[cfg(target_os = "linux")]
#[must_use]
pub fn confined(program: &str) -> Command {
    // Also when the file was replaced.
    let mut command = Command::new("/proc/self/exe");
    command.args([CONFINED, "--", program]);
    command
}

/// Elsewhere the program is started as it is.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn confined(program: &str) -> Command {
    Command::new(program)
}

/// Elsewhere nothing starts a program this way.
#[cfg(not(target_os = "linux"))]
pub fn become_confined(_: &[std::ffi::OsString]) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Takes the secrets out of the environment.
///
/// A variable stays readable in the memory the kernel shows as `/proc/<pid>/environ`, whatever a
/// program does to its own copy. So the worker starts itself again in the same process, without
/// the variables, with the secrets in an anonymous file as stdin; the second start reads it,
/// and its environment never held them.
///
/// Returns the whole environment, secrets included, for [`crate::config::read`].
///
/// # Errors
/// When the file or the second start fails.
#[cfg(target_os = "linux")]
pub fn take_secrets() -> io::Result<Environment> {
    use std::{
        fs::File,
        io::{Read, Seek, Write},
        os::unix::process::CommandExt,
    };

    let mut environment = environment();
    if environment.0.remove(HANDED_OVER).is_some() {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        // Closes the anonymous file.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let secrets: BTreeMap<String, String> = serde_json::from_str(&text)?;
        environment.0.extend(secrets);
        return Ok(environment);
    }
    let secrets: BTreeMap<&str, &str> = environment
        .0
        .iter()
        .filter(|(name, _)| is_secret(name.as_ref()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if secrets.is_empty() {
        return Ok(environment);
    }
    let memory = rustix::fs::memfd_create("secrets", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(serde_json::to_string(&secrets)?.as_bytes())?;
    file.rewind()?;
    rustix::stdio::dup2_stdin(&file)?;
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1)).env(HANDED_OVER, "1").env(ALLOCATOR.0, ALLOCATOR.1);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        again.env_remove(name);
    }
    Err(again.exec())
}

/// Elsewhere the environment stays as it is.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn take_secrets() -> io::Result<Environment> {
    Ok(environment())
}
