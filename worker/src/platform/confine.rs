//! What the agent, and everything that it starts, may not do to the worker: the rights and the
//! system calls that a process gives up for good before it becomes the agent's program.
//!
//! Both run as one user, so the kernel lets either change and signal the other. A filter
//! (`seccomp(2)`) sees numbers only: the call's and its arguments'. It refuses with EPERM what names
//! the worker by the id of its process or of one of its threads, by its group, or by its user:
//!
//! * limits: `prlimit64` of any process but the caller's own
//! * scheduling: `sched_set*`, `setpriority`, `ioprio_set`. Others stay allowed: glibc names the
//!   threads of its own process
//! * signals: kill, also of -1, which spares the first process of a namespace and nothing else
//!   (kill(2)); `tkill`, `tgkill` and `rt_*sigqueueinfo`; joining the worker's group, to be signalled
//!   with it; `pidfd_open`; `F_SETSIG`, by which a file's readiness becomes a signal of one's choice
//!   to another process (else it is SIGIO, which nobody handles and process 1 therefore never gets)
//!
//! `pidfd_send_signal` is missing altogether, as in an old kernel, because its file can be
//! `/proc/1`; callers then use kill.
//!
//! Not refused, because they ask for the right to trace, which nobody has on a process that is
//! not dumpable (see [`super::guard`]): ptrace, `process_vm_*`, `process_madvise`, `pidfd_getfd`,
//! `move_pages`, `migrate_pages`, `kcmp`, `get_robust_list`, `perf_event_open`, prctl's
//! `PR_SCHED_CORE`, and the files in `/proc/1/ns`. Nor is clone with an exit signal: the kernel resets
//! it when an orphan becomes the first process's child. A user namespace stays possible, because
//! browsers make one: it gives no right over a process outside of it, and in a PID namespace below
//! the worker's the worker has no id at all. The same ids cannot be signalled there either.
//!
//! Another architecture's calls (`int 0x80`) end the process; those of x32 are refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    process::Command,
};

use rustix::{
    process::{Pid, getppid},
    thread::{
        CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    },
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

/// `fcntl(2)`, from Linux' `asm-generic/fcntl.h`: libc does not have it.
const F_SETSIG: i32 = 10;
/// `ioprio_set(2)`, from Linux' `linux/ioprio.h`.
const IOPRIO_WHO_PROCESS: i32 = 1;
/// The first number of x32's calls, which come with the architecture of `x86_64`; see "Pitfalls" in
/// <https://docs.kernel.org/userspace-api/seccomp_filter.html>.
const X32: u32 = 0x4000_0000;

/// Finds out whether the kernel takes the filter: on a thread, which ends with it.
///
/// # Errors
/// When it does not.
pub(super) fn probe() -> io::Result<()> {
    let tried = std::thread::spawn(|| filter(&BTreeSet::from([1]))).join();
    tried.unwrap_or_else(|_| Err(io::Error::other("its thread panicked"))).map_err(|error| {
        let hint = "the kernel, and the container's own filter, must allow seccomp(2)";
        io::Error::other(format!("it takes no filter of system calls: {error}\nhint: {hint}"))
    })
}

/// Gives up every capability and whatever could reach this process's parent, and becomes the
/// program. Returns only when that fails.
pub fn become_confined(words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = drop_capabilities().and_then(|()| filter(&threads_of_parent()?)) {
        return io::Error::other(format!("cannot confine it: {error}"));
    }
    Command::new(program).args(arguments).exec()
}

/// Ids of the worker's threads, its own among them, and 1.
fn threads_of_parent() -> io::Result<BTreeSet<i32>> {
    let parent = Pid::as_raw(getppid());
    let mut ids = BTreeSet::from([1]);
    for entry in fs::read_dir(format!("/proc/{parent}/task"))? {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(ids)
}

/// The ambient set follows from the others (capabilities(7)), and what a program could gain by
/// itself (as root, or by its file) is cut by the bounding set and by `no_new_privs`.
fn drop_capabilities() -> io::Result<()> {
    for one in CapabilitySet::all().iter() {
        // Without the right to, or unknown to this kernel.
        let _ = remove_capability_from_bounding_set(one);
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// Sets `no_new_privs` and the filter on this thread, for good.
fn filter(worker: &BTreeSet<i32>) -> io::Result<()> {
    apply_filter(&missing_calls()).map_err(io::Error::other)?;
    apply_filter(&refused_calls(worker).map_err(io::Error::other)?).map_err(io::Error::other)
}

fn refused_calls(worker: &BTreeSet<i32>) -> Result<BpfProgram, BackendError> {
    use SeccompCmpOp::{Eq, Ne};
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut refuse = |call, argument, is, value: i32| {
        // Of an argument that is an int the kernel ignores the upper half.
        let value = u64::from(value.cast_unsigned());
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
        rules.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
        Ok::<_, BackendError>(())
    };
    for id in worker {
        for call in [
            libc::SYS_kill,
            libc::SYS_tkill,
            libc::SYS_tgkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
            libc::SYS_pidfd_open,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setparam,
            libc::SYS_sched_setattr,
            libc::SYS_sched_setaffinity,
        ] {
            refuse(call, 0, Eq, *id)?;
        }
        refuse(libc::SYS_setpriority, 1, Eq, *id)?;
        refuse(libc::SYS_ioprio_set, 1, Eq, *id)?;
    }
    refuse(libc::SYS_kill, 0, Eq, -1)?;
    refuse(libc::SYS_prlimit64, 0, Ne, 0)?;
    refuse(libc::SYS_setpriority, 0, Ne, 0)?;
    refuse(libc::SYS_ioprio_set, 0, Ne, IOPRIO_WHO_PROCESS)?;
    refuse(libc::SYS_setpgid, 1, Eq, 1)?;
    refuse(libc::SYS_fcntl, 1, Eq, F_SETSIG)?;
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

/// In the kernel's own words, because the library compares a call's number for equality only.
fn missing_calls() -> BpfProgram {
    let number_offset = 0;
    let errno = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.cast_unsigned();
    let send_signal = libc::SYS_pidfd_send_signal as u32;
    [
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, number_offset),
        (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        (libc::BPF_RET | libc::BPF_K, 0, 0, errno(libc::EPERM)),
        (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, send_signal),
        (libc::BPF_RET | libc::BPF_K, 0, 0, errno(libc::ENOSYS)),
        (libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
    .map(|(code, jt, jf, k)| sock_filter { code: code as u16, jt, jf, k })
    .to_vec()
}
