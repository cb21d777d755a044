//! Processes of this machine, as /proc shows them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A process; another one that gets its number later began at another time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: i32,
    began: String,
    parent: i32,
    /// Its arguments, separated by spaces.
    pub command: String,
}

impl Process {
    pub fn send(&self, signal: Signal) {
        // It may have ended in the meantime.
        let _ = kill_process(Pid::from_raw(self.pid).expect("a process"), signal);
    }

    pub fn runs(&self) -> bool {
        read(self.pid).is_some_and(|now| now.began == self.began)
    }

    pub fn parent(&self) -> Option<Self> {
        read(self.parent)
    }

    pub fn is_supervisor(&self) -> bool {
        self.command.starts_with("/proc/self/exe supervise ")
    }

    /// Whether it works in a folder, or its command line or environment names it.
    fn names(&self, folder: &Path) -> bool {
        let place = PathBuf::from(format!("/proc/{}", self.pid));
        let in_folder = fs::read_link(place.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let name = folder.as_os_str().as_bytes();
        let holds = |text: &[u8]| text.windows(name.len()).any(|part| part == name);
        in_folder
            || holds(self.command.as_bytes())
            || fs::read(place.join("environ")).is_ok_and(|text| holds(&text))
    }
}

/// A process that runs; one that has ended and waits for its parent does not.
fn read(pid: i32) -> Option<Process> {
    let place = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(place.join("stat")).ok()?;
    // proc_pid_stat(5). The second field, the name in brackets, may hold spaces and brackets.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields[0], "Z" | "X") {
        return None;
    }
    let command = fs::read(place.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    Some(Process { pid, began: fields[19].to_owned(), parent: fields[1].parse().ok()?, command })
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The processes that a folder belongs to: they work in it, or name it.
pub fn of(folder: &Path) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).expect("a number");
    all().into_iter().filter(|process| process.pid != own && process.names(folder)).collect()
}

/// Everything below a process.
pub fn below(pid: u32) -> Vec<Process> {
    let all = all();
    let mut parents = BTreeSet::from([i32::try_from(pid).expect("a number")]);
    let mut found = Vec::new();
    loop {
        let next: Vec<_> = all
            .iter()
            .filter(|process| parents.contains(&process.parent) && !parents.contains(&process.pid))
            .cloned()
            .collect();
        if next.is_empty() {
            return found;
        }
        parents.extend(next.iter().map(|process| process.pid));
        found.extend(next);
    }
}

/// Asks until `ready` gives something.
pub fn until<T>(what: &str, seconds: u64, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until no process of a folder is left.
pub fn none_of(folder: &Path) {
    let mut left = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        left = of(folder);
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("still there: {left:#?}");
}
