//! The scratch folder of a local cloud: who has it, and what somebody who was killed left in it.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::tools::{
    invocation::{quoted, ralph},
    steps::{print, step},
    supervise::{self, announce_in, still_running},
};

/// The file that makes a folder ours. Who runs a local cloud in the folder holds its lock.
const MARK: &str = ".ralph-scratch";
/// How long a local cloud may take to end once it is asked: its tasks get their stop time-out.
const LONGEST_STOP: Duration = Duration::from_secs(240);
const LOOK: Duration = Duration::from_millis(100);

/// A scratch folder, held.
pub struct Scratch {
    folder: PathBuf,
    /// The kernel lets go of it when this process ends, however it ends.
    _mark: File,
}

impl Scratch {
    /// Takes a folder and empties it. A folder with anything but ours in it is refused.
    ///
    /// # Errors
    /// When somebody else holds it, or it holds files that are not ralph's.
    pub async fn take(folder: &Path) -> Result<Self> {
        let empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
        if !empty && !folder.join(MARK).exists() {
            bail!(
                "{} holds files that are not ralph's\nhint: name an empty folder with --scratch",
                folder.display()
            );
        }
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        // Keys of this start, and a socket that asks for none, will lie in it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let folder = folder.canonicalize()?;
        let mut mark = open(&folder)?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "a local cloud already runs with {}{}\nhint: end it with Ctrl-C or `{}`, or name another folder with --scratch",
                folder.display(),
                named_soon(&mut mark)
                    .await
                    .map(|pid| format!(", process {pid}"))
                    .unwrap_or_default(),
                ralph(&format!("local --stop --scratch {}", quoted(&folder)))
            ),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        write(&mut mark, Some(std::process::id()))?;
        end_remains(&pids(&folder)).await?;
        for entry in fs::read_dir(&folder)?.flatten().filter(|entry| entry.file_name() != MARK) {
            let path = entry.path();
            let gone = match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            gone.with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        announce_in(pids(&folder));
        Ok(Self { folder, _mark: mark })
    }

    /// Its path, without links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until everything has ended that was started in the folder and let go of.
    pub async fn over(&self) {
        ended(&pids(&self.folder)).await;
    }
}

/// Where the supervisors of a local cloud say that they run.
fn pids(folder: &Path) -> PathBuf {
    folder.join("pids")
}

/// `ralph local --stop`: ends whoever holds a folder, and what was left in it.
pub async fn stop(folder: &Path) -> Result<()> {
    if !folder.join(MARK).exists() {
        bail!(
            "no local cloud has run with {}\nhint: name its folder with --scratch",
            folder.display()
        );
    }
    let mut mark = open(folder)?;
    let deadline = Instant::now() + LONGEST_STOP;
    let mut asked = None;
    while mark.try_lock().is_err() {
        if let Some(pid) = holder(&mut mark).filter(|&pid| asked != Some(pid)) {
            let _ = kill_process(pid, Signal::TERM);
            asked = Some(pid);
        }
        if Instant::now() > deadline {
            bail!(
                "the local cloud with {} does not end\nhint: kill {}, then run this again",
                folder.display(),
                asked.map_or_else(|| "its `ralph`".to_owned(), |pid| format!("process {pid}"))
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    // Another `--stop` must not ask a process that has ended: its number may be somebody else's now.
    write(&mut mark, None)?;
    let remains = end_remains(&pids(folder)).await?;
    print(if asked.is_some() || remains { "stopped" } else { "nothing ran" });
    Ok(())
}

fn open(folder: &Path) -> Result<File> {
    let mark = folder.join(MARK);
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&mark)
        .with_context(|| format!("{} cannot be opened", mark.display()))
}

fn write(mark: &mut File, process: Option<u32>) -> Result<()> {
    mark.set_len(0)?;
    mark.rewind()?;
    writeln!(mark, "ralph empties this folder when it starts a local cloud here")?;
    if let Some(process) = process {
        writeln!(mark, "process {process}")?;
    }
    Ok(())
}

/// The process that the mark names.
fn holder(mark: &mut File) -> Option<Pid> {
    let mut text = String::new();
    mark.rewind().ok()?;
    mark.read_to_string(&mut text).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("process "))?;
    Pid::from_raw(pid.parse().ok()?)
}

/// The process that the mark names: who has just taken the folder has not written it yet.
async fn named_soon(mark: &mut File) -> Option<Pid> {
    for _ in 0..10 {
        if let Some(pid) = holder(mark) {
            return Some(pid);
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

/// Waits for what somebody who was killed has left. Whether there was anything.
async fn end_remains(pids: &Path) -> Result<bool> {
    if still_running(pids).is_empty() {
        return Ok(false);
    }
    let name = "what an earlier local cloud here left behind has ended";
    step(name, async {
        ended(pids).await;
        Ok(true)
    })
    .await
}

/// Waits for supervisors that end by themselves, and makes those end that do not.
async fn ended(pids: &Path) {
    let start = Instant::now();
    loop {
        let remains = still_running(pids);
        if remains.is_empty() {
            return;
        }
        for pid in remains {
            let _ = match start.elapsed() {
                waited if waited > 2 * supervise::LONGEST => kill_process_group(pid, Signal::KILL),
                // The first asks, the second kills.
                waited if waited > supervise::LONGEST => kill_process(pid, Signal::TERM),
                _ => Ok(()),
            };
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_with_other_files_is_never_emptied() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = Scratch::take(folder.path()).await.err().unwrap().to_string();
        assert!(error.contains("not ralph's"), "{error}");
        assert!(folder.path().join("thesis.tex").exists());
    }

    #[tokio::test]
    async fn a_scratch_folder_of_ours_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let scratch = Scratch::take(&new).await.unwrap();
        fs::write(scratch.folder().join("old.log"), "x").unwrap();
        drop(scratch);
        let again = Scratch::take(&new).await.unwrap();
        assert!(!again.folder().join("old.log").exists());
    }

    #[tokio::test]
    async fn a_folder_that_somebody_holds_is_refused_from_the_first_instant() {
        let folder = tempfile::tempdir().unwrap();
        let first = Scratch::take(folder.path()).await.unwrap();
        fs::write(first.folder().join("state"), "x").unwrap();
        let error = Scratch::take(folder.path()).await.err().unwrap().to_string();
        let named = format!(", process {}\nhint: ", std::process::id());
        assert!(error.starts_with("a local cloud already runs with "), "{error}");
        assert!(error.contains(&named), "{error}");
        assert!(first.folder().join("state").exists());
    }
}
