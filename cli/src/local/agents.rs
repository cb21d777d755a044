//! Which agent works on a workstream in the local cloud, where it is not the task definition's.
//!
//! The state machine's input names no agent: on AWS it is the environment's. Here a file beside the
//! tasks names a command for a workstream, and the stand-in for Fargate sets it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ralph_protocol::ids::Workstream;

use crate::{build, project::Project, tools::invocation::quoted};

/// Stands for every workstream that has no file of its own. No workstream has this name.
const EVERY: &str = "*";

fn file(tasks: &Path, workstream: &str) -> PathBuf {
    tasks.join("agents").join(workstream)
}

/// Lets a command be the agent of a workstream's tasks from now on.
pub fn set(scratch: &Path, workstream: &Workstream, command: &str) -> Result<()> {
    write(scratch, workstream.as_str(), command)
}

/// Lets a command be the agent of every workstream that none was set for.
pub fn set_for_all(scratch: &Path, command: &str) -> Result<()> {
    write(scratch, EVERY, command)
}

fn write(scratch: &Path, name: &str, command: &str) -> Result<()> {
    let file = file(&super::tasks(scratch), name);
    let folder = file.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(&file, command).with_context(|| format!("{} cannot be written", file.display()))
}

/// Leaves the agent of a workstream's tasks to the task definition again.
pub fn unset(scratch: &Path, workstream: &Workstream) -> Result<()> {
    match fs::remove_file(file(&super::tasks(scratch), workstream.as_str())) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The command that was set for a workstream; `tasks` is where the stand-in keeps its tasks.
pub fn of(tasks: &Path, workstream: &str) -> Option<String> {
    let workstream: Workstream = workstream.parse().ok()?;
    let read = |name| fs::read_to_string(file(tasks, name)).ok();
    read(workstream.as_str()).or_else(|| read(EVERY))
}

/// The command of the scripted agent: three iterations on a small list of tasks.
pub async fn scripted(project: &Project) -> Result<String> {
    let programs = build::programs(project).await?;
    let scenario = project.root().join("worker/scenarios/demo.json");
    Ok(format!("{} --scenario {}", quoted(&programs.agent), quoted(&scenario)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workstream_has_the_agent_that_was_set_for_it() {
        let scratch = tempfile::tempdir().unwrap();
        let docs: Workstream = "docs".parse().unwrap();
        set(scratch.path(), &docs, "agent --x").unwrap();
        let tasks = crate::local::tasks(scratch.path());
        assert_eq!(of(&tasks, "docs").as_deref(), Some("agent --x"));
        assert_eq!(of(&tasks, "other"), None);
        assert_eq!(of(&tasks, "../agents/docs"), None);
        unset(scratch.path(), &docs).unwrap();
        unset(scratch.path(), &docs).unwrap();
        assert_eq!(of(&tasks, "docs"), None);
        set_for_all(scratch.path(), "agent --all").unwrap();
        set(scratch.path(), &docs, "agent --x").unwrap();
        assert_eq!(of(&tasks, "docs").as_deref(), Some("agent --x"));
        assert_eq!(of(&tasks, "other").as_deref(), Some("agent --all"));
    }
}
