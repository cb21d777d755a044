//! A task's own image in a container of podman or docker, as the task definition describes it.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::names::worker_env;
use tokio::process::Command;

use super::JOURNAL;
use crate::{
    aws::{Mount, TaskSpec},
    project::Project,
    tools::{program::output, supervise::supervised},
};

/// Where the worker's journal lies in a container: beside the volumes, which are the agent's.
const JOURNAL_INSIDE: &str = "/journal.jsonl";

/// The machine's container engine, by the rule of `docker/engine.sh`.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Program and arguments of any command.
    any: Vec<String>,
    /// Program and arguments that run a container.
    run: Vec<String>,
}

impl Engine {
    /// Asks which engine answers.
    ///
    /// # Errors
    /// When none does, with what was found.
    pub async fn find(project: &Project) -> Result<Self> {
        let script = project.root().join("docker/engine.sh");
        let lines = async |arguments: &[&str]| -> Result<Vec<String>> {
            let text = output(Command::new(&script).args(arguments)).await?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        Ok(Self { any: lines(&[]).await?, run: lines(&["run"]).await? })
    }

    /// The program's name.
    pub fn program(&self) -> &str {
        &self.any[0]
    }

    /// A command of the engine.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(&self.any[1..]).args(arguments);
        command
    }

    /// Gives a local image another name.
    pub async fn tag(&self, image: &str, name: &str) -> Result<()> {
        output(&mut self.command(&["tag", image, name])).await?;
        Ok(())
    }

    /// Whether the container's user is this one: `docker/engine.sh` asks a rootless podman for that.
    pub fn maps_users(&self) -> bool {
        self.program().ends_with("podman") && !is_root()
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One task's container.
pub struct Container<'a> {
    pub engine: &'a Engine,
    pub spec: &'a TaskSpec,
    pub id: &'a str,
    /// The task's folder on this machine.
    pub folder: &'a Path,
    /// The local cloud's scratch folder: what lies in it may change its owner.
    pub scratch: &'a Path,
    pub agent: Option<&'a str>,
}

impl Container<'_> {
    fn name(&self) -> String {
        format!("ralph-{}", self.id)
    }

    /// What removes the container, whatever became of it.
    pub fn removal(&self) -> Vec<String> {
        let mut words = self.engine.any.clone();
        words.extend(["rm".to_owned(), "--force".to_owned(), self.name()]);
        words
    }

    /// The command that runs it, below a supervisor. `secrets` are the names of the variables that the
    /// engine will find in its environment.
    ///
    /// # Errors
    /// As ECS reports them: when the image is not there.
    pub async fn command(&self, secrets: impl Iterator<Item = &String>) -> Result<Command> {
        let image = &self.spec.image;
        if output(&mut self.engine.command(&["image", "inspect", image])).await.is_err() {
            bail!("CannotPullContainerError: image {image}: not found on this machine");
        }
        let (uid, gid) = user(&self.spec.user)?;
        let owned = |path: &Path| give(path, uid, gid, self.engine);
        let mut command = supervised(self.engine.program())?;
        command.args(&self.engine.run[1..]).args(["--rm", "--pull", "never", "--name"]);
        command.arg(self.name()).args(["--user", &self.spec.user]);
        if self.spec.read_only_root {
            command.arg("--read-only");
        }
        for capability in &self.spec.dropped_capabilities {
            command.args(["--cap-drop", capability]);
        }
        command.args(["--stop-timeout", &self.spec.stop_timeout.to_string()]);
        if let Some(mib) = self.spec.memory_mib {
            command.args(["--memory", &format!("{mib}m")]);
        }
        for Mount { volume, path, read_only } in &self.spec.mounts {
            let host = self.folder.join(volume);
            fs::create_dir_all(&host)?;
            owned(&host)?;
            mount(&mut command, &host, path, *read_only);
        }
        let journal = self.folder.join(JOURNAL);
        File::create(&journal)?;
        owned(&journal)?;
        mount(&mut command, &journal, JOURNAL_INSIDE, false);
        let repo = self.spec.environment.get(worker_env::REPO);
        if let Some(repo) = repo.and_then(|url| url.strip_prefix("file://")) {
            if Path::new(repo).starts_with(self.scratch) {
                all_below(Path::new(repo), &owned)?;
            }
            mount(&mut command, Path::new(repo), repo, false);
        }
        for program in self.agent.into_iter().flat_map(|agent| agent.split(['\'', ' '])) {
            // The scripted agent and its scenario.
            if program.starts_with('/') && Path::new(program).is_file() {
                mount(&mut command, Path::new(program), program, true);
            }
        }
        let mut variables = self.spec.environment.clone();
        variables.insert(worker_env::JOURNAL.to_owned(), JOURNAL_INSIDE.to_owned());
        variables.insert(worker_env::ALLOW_FILE_REPO.to_owned(), "1".to_owned());
        if let Some(agent) = self.agent {
            variables.insert(worker_env::AGENT_COMMAND.to_owned(), agent.to_owned());
        }
        // By name alone: arguments can be read by others.
        for name in variables.keys().cloned().chain(secrets.cloned()) {
            command.args(["--env", &name]);
        }
        command.envs(&variables).arg(image);
        command.current_dir(self.folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }
}

fn mount(command: &mut Command, host: &Path, inside: &str, read_only: bool) {
    let mode = if read_only { ":ro" } else { "" };
    command.arg("--volume").arg(format!("{}:{inside}{mode}", host.display()));
}

/// `uid:gid` of a container definition.
fn user(text: &str) -> Result<(u32, u32)> {
    text.split_once(':')
        .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
        .with_context(|| format!("the task definition's user is `{text}`, not two numbers"))
}

/// Lets a container's user write a file or folder.
fn give(path: &Path, uid: u32, gid: u32, engine: &Engine) -> Result<()> {
    if engine.maps_users() {
        return Ok(());
    }
    if is_root() {
        return chown(path, Some(uid), Some(gid))
            .with_context(|| format!("{} cannot change its owner", path.display()));
    }
    // The scratch folder, which nobody else may enter, keeps it from others.
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// Does something with a folder and everything in it.
fn all_below(path: &Path, act: &impl Fn(&Path) -> Result<()>) -> Result<()> {
    act(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            all_below(&entry?.path(), act)?;
        }
    }
    Ok(())
}

/// The image that the build makes; the task definition's own name is given to it then.
const BUILT: &str = "localhost/ralph-worker:local";

/// Builds the worker's image with an engine; its name.
pub async fn build(project: &Project, engine: &Engine) -> Result<&'static str> {
    let mut build = Command::new(project.root().join("docker/build.sh"));
    build.arg(BUILT).env("RALPH_BUILDER", engine.program()).current_dir(project.root());
    let log: PathBuf = project.tools().join("image.log");
    crate::tools::program::run(&build, &log).await?;
    Ok(BUILT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_two_numbers() {
        assert_eq!(user("10001:10001").unwrap(), (10001, 10001));
        for wrong in ["root", "1", "1:x", ":"] {
            assert!(user(wrong).is_err(), "{wrong}");
        }
    }
}
