//! A task's own image in a container of podman or docker, as the task definition describes it.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, lchown},
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
    tools::{
        program::{output, run},
        supervise::supervised,
    },
};

/// Where the worker's journal lies in a container. The agent, the same user, can write it too.
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

    /// Whether this machine has an image.
    async fn has(&self, image: &str) -> bool {
        let mut inspect = Command::new(self.program());
        inspect.args(&self.any[1..]).args(["image", "inspect", image]);
        output(&mut inspect).await.is_ok()
    }

    /// Looks for the image that an environment names itself: nothing here builds or pulls it.
    ///
    /// # Errors
    /// When it is not on this machine.
    pub async fn require(&self, image: &str) -> Result<()> {
        if !self.has(image).await {
            let engine = self.program();
            bail!(
                "image `{image}`, which ralph.toml names, is not on this machine\nhint: build it under this name with {engine} (docs/images.md), or run `{engine} pull {image}`"
            );
        }
        Ok(())
    }

    fn is_podman(&self) -> bool {
        self.program().ends_with("podman")
    }

    /// Lets a container's user write a file or folder of ours, with everything in it. Root gives it away.
    /// A rootless podman maps that user to this one (`docker/engine.sh`). Otherwise everybody may:
    /// nobody else enters the folders that it lies in.
    ///
    /// Only once: what is added later belongs to the container's user, and an agent may be at work in it.
    fn share(&self, path: &Path, (uid, gid): (u32, u32)) -> Result<()> {
        let about = path.symlink_metadata()?;
        if rustix::process::geteuid().is_root() {
            if about.uid() == uid {
                return Ok(());
            }
            return all_below(path, &|path| {
                lchown(path, Some(uid), Some(gid))
                    .with_context(|| format!("{} cannot change its owner", path.display()))
            });
        }
        if self.is_podman() || about.mode() & 0o777 == 0o777 {
            return Ok(());
        }
        all_below(path, &|path| {
            let mode = if path.is_dir() { 0o777 } else { 0o666 };
            Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
        })
    }
}

/// The worker's image, as it was built on this machine.
#[derive(Debug, Clone)]
pub struct Image {
    /// The task definition's name of it.
    pub named: String,
    /// The name that it was built under.
    pub built: &'static str,
}

/// One task's container.
pub struct Container<'a> {
    pub engine: &'a Engine,
    /// The image that was built here; `None` where the task definition has one of its own.
    pub image: Option<&'a Image>,
    /// What the task definition says.
    pub spec: &'a TaskSpec,
    /// The task's id.
    pub id: &'a str,
    /// The task's folder on this machine.
    pub folder: &'a Path,
    /// The folders of the repositories that it may have.
    pub repositories: &'a [PathBuf],
    /// The agent's command, where it is not the task definition's.
    pub agent: Option<&'a str>,
}

impl Container<'_> {
    fn name(&self) -> String {
        format!("ralph-{}", self.id)
    }

    /// The command that removes the container and its volumes, whatever became of it.
    pub fn removal(&self) -> Vec<String> {
        let mut words = self.engine.any.clone();
        words.extend(["rm", "--force", "--volumes"].map(str::to_owned));
        if self.engine.is_podman() {
            // It would wait for the stop time-out.
            words.extend(["--time", "0"].map(str::to_owned));
        }
        words.push(self.name());
        words
    }

    /// The command that runs it, below a supervisor. `secrets` are the names of the variables that the
    /// engine will find in its environment.
    ///
    /// # Errors
    /// As ECS reports them: when the image or the repository is not there.
    pub async fn command(&self, secrets: impl Iterator<Item = &String>) -> Result<Command> {
        let image = self.image().await?;
        let user = user(&self.spec.user)?;
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
        for Mount { path, read_only } in &self.spec.mounts {
            // A volume without a place on the host begins with what the image holds there, as on Fargate.
            let read_only = if *read_only { ",readonly" } else { "" };
            command.args(["--mount", &format!("type=volume,target={path}{read_only}")]);
        }
        let journal = self.folder.join(JOURNAL);
        File::create(&journal)?;
        self.engine.share(&journal, user)?;
        bind(&mut command, &journal, JOURNAL_INSIDE, "");
        if let Some(repository) = self.repository()? {
            self.engine.share(repository, user)?;
            bind(&mut command, repository, &repository.to_string_lossy(), "");
        }
        for file in self.agent.map(shell_words::split).transpose()?.unwrap_or_default() {
            // The scripted agent and its scenario.
            if file.starts_with('/') && Path::new(&file).is_file() {
                bind(&mut command, Path::new(&file), &file, ",readonly");
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
        let mut arguments = self.spec.entry_point.iter();
        if let Some(program) = arguments.next() {
            command.args(["--entrypoint", program]);
        }
        command.envs(&variables).arg(image).args(arguments);
        command.current_dir(self.folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// The image's name on this machine.
    async fn image(&self) -> Result<&str> {
        let named = &self.spec.image;
        let name =
            self.image.filter(|image| image.named == *named).map_or(&**named, |image| image.built);
        if !self.engine.has(name).await {
            bail!("CannotPullContainerError: image {name}: not found on this machine");
        }
        Ok(name)
    }

    /// The repository, where it is a folder of this machine.
    fn repository(&self) -> Result<Option<&Path>> {
        let repo = self.spec.environment.get(worker_env::REPO);
        let Some(folder) = repo.and_then(|url| url.strip_prefix("file://")).map(Path::new) else {
            return Ok(None);
        };
        // An agent in it could leave settings behind that run as whoever uses the repository next.
        // As it is written: `..` and links lead elsewhere.
        let is_plain = folder.canonicalize().is_ok_and(|real| real == folder);
        let is_ours = self.repositories.iter().any(|own| folder.parent() == Some(own));
        if !is_plain || !is_ours {
            bail!(
                "InvalidParameterException: {} is not in {}, and a container gets no other repository",
                folder.display(),
                self.repositories[0].display()
            );
        }
        Ok(Some(folder))
    }
}

/// A file or folder of this machine in a container.
fn bind(command: &mut Command, from: &Path, to: &str, options: &str) {
    let text = format!("type=bind,source={},target={to}{options}", from.display());
    command.arg("--mount").arg(text);
}

/// `uid:gid` of a container definition.
fn user(text: &str) -> Result<(u32, u32)> {
    text.split_once(':')
        .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
        .with_context(|| format!("the task definition's user is `{text}`, not two numbers"))
}

/// Does something with everything in a folder but links, which may lead anywhere, and then with the
/// folder itself.
fn all_below(path: &Path, act: &impl Fn(&Path) -> Result<()>) -> Result<()> {
    let kind = path.symlink_metadata()?.file_type();
    if kind.is_symlink() {
        return Ok(());
    }
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            all_below(&entry?.path(), act)?;
        }
    }
    act(path)
}

/// The name that [`build`] gives the image.
const BUILT: &str = "localhost/ralph-worker:local";

/// Builds the worker's image with an engine; its name.
pub async fn build(project: &Project, engine: &Engine) -> Result<&'static str> {
    let mut build = Command::new(project.root().join("docker/build.sh"));
    build.arg(BUILT).env("RALPH_BUILDER", engine.program()).current_dir(project.root());
    run(&build, &project.tools().join("image.log")).await?;
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

    #[test]
    fn links_of_an_agent_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        fs::create_dir(folder.path().join("refs")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("refs/link")).unwrap();
        let seen = std::cell::RefCell::new(Vec::new());
        let see = |path: &Path| {
            seen.borrow_mut().push(path.to_owned());
            Ok(())
        };
        all_below(folder.path(), &see).unwrap();
        assert_eq!(*seen.borrow(), [folder.path().join("refs"), folder.path().to_owned()]);
    }

    /// An engine that has every image, and a task as our HCL describes it.
    async fn arguments(image: &str, repo: &str) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let repositories = folder.path().join("repositories");
        fs::create_dir_all(repositories.join("a.git")).unwrap();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let engine =
            Engine { any: words(&["true"]), run: words(&["true", "run", "--ulimit", "x=1:1"]) };
        let environment = [
            (worker_env::WORKSTREAM, "docs".to_owned()),
            (worker_env::REPO, repo.replace("REPOSITORIES", &repositories.to_string_lossy())),
        ];
        let spec = TaskSpec {
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            secrets: [("RALPH_GIT_TOKEN".to_owned(), "arn".to_owned())].into(),
            log_group: "group".to_owned(),
            log_prefix: "worker".to_owned(),
            stop_timeout: 120,
            image: image.to_owned(),
            entry_point: words(&["/usr/local/bin/ralph-loop-cloud", "--x"]),
            user: format!("{}:{}", rustix::process::geteuid(), rustix::process::getegid()),
            read_only_root: true,
            dropped_capabilities: words(&["ALL"]),
            memory_mib: Some(2048),
            mounts: vec![Mount { path: "/workspace".to_owned(), read_only: false }],
        };
        let image = Image { named: "registry/worker:1".to_owned(), built: BUILT };
        let container = Container {
            engine: &engine,
            image: Some(&image),
            spec: &spec,
            id: "0123",
            folder: folder.path(),
            repositories: std::slice::from_ref(&repositories),
            agent: Some("/bin/sh '-c x' /no/such/file"),
        };
        assert_eq!(container.removal(), ["true", "rm", "--force", "--volumes", "ralph-0123"]);
        let command = container.command(spec.secrets.keys()).await?;
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let user = spec.user.clone();
        let folder = folder.path().to_string_lossy().into_owned();
        Ok(command
            .as_std()
            .get_args()
            .map(|word| text(word).replace(&folder, "FOLDER").replace(&user, "USER"))
            .collect())
    }

    #[tokio::test]
    async fn an_image_of_ones_own_must_be_on_this_machine() {
        let engine = |program: &str| Engine { any: vec![program.to_owned()], run: Vec::new() };
        engine("true").require("registry/own:1").await.unwrap();
        let error = engine("false").require("registry/own:1").await.unwrap_err().to_string();
        assert_eq!(
            error,
            "image `registry/own:1`, which ralph.toml names, is not on this machine\nhint: build it under this name with false (docs/images.md), or run `false pull registry/own:1`"
        );
    }

    #[tokio::test]
    async fn a_container_is_as_the_task_definition_says_and_no_value_is_an_argument() {
        let found = arguments("registry/worker:1", "file://REPOSITORIES/a.git").await.unwrap();
        let expected = "supervise -- true run --ulimit x=1:1 --rm --pull never --name ralph-0123 \
            --user USER --read-only --cap-drop ALL --stop-timeout 120 --memory 2048m \
            --mount type=volume,target=/workspace \
            --mount type=bind,source=FOLDER/journal.jsonl,target=/journal.jsonl \
            --mount type=bind,source=FOLDER/repositories/a.git,target=FOLDER/repositories/a.git \
            --mount type=bind,source=/bin/sh,target=/bin/sh,readonly \
            --env RALPH_AGENT_COMMAND --env RALPH_ALLOW_FILE_REPO --env RALPH_JOURNAL --env RALPH_REPO \
            --env RALPH_WORKSTREAM --env RALPH_GIT_TOKEN \
            --entrypoint /usr/local/bin/ralph-loop-cloud localhost/ralph-worker:local --x";
        assert_eq!(found.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[tokio::test]
    async fn another_image_keeps_its_name_and_a_repository_elsewhere_is_refused() {
        let found = arguments("registry/other:2", "https://example.com/a").await.unwrap();
        assert_eq!(found[found.len() - 2..], ["registry/other:2", "--x"]);
        for repo in [
            "file:///home/me/project",
            "file:///",
            "file://REPOSITORIES",
            "file://REPOSITORIES/../repositories/a.git",
            "file://REPOSITORIES/none.git",
        ] {
            let error = arguments("registry/worker:1", repo).await.unwrap_err().to_string();
            assert!(error.starts_with("InvalidParameterException: /"), "{error}");
        }
    }
}
