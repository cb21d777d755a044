//! Plays Fargate: runs the tasks that are started in the local cloud.
//!
//! A task gets what Fargate would give it: the task definition's environment, its secrets by
//! value, the run's overrides, stdout and stderr in its log stream, and SIGTERM when it is stopped. Its
//! end is reported with the worker's own exit code. It runs as a container of its image, or as a
//! process: without an image, a read-only root and a user of its own.

use std::{
    collections::BTreeMap,
    fs,
    ops::RangeInclusive,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::names::{Resources, worker_env};
use tokio::{process::Command, sync::watch, task::JoinSet};

use super::{PATIENCE, agents};
use crate::{
    aws::{self, Aws, LogWriter, TaskSpec, Tasks},
    tools::{
        children::Group,
        program::output,
        steps::say,
        supervise::{Handover, supervised},
    },
};

pub mod container;
mod events;
pub mod secrets;
mod shipping;

use container::{Container, Engine, Image};
use events::{End, Events, Whose};

/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long stopping everything may take: tasks get their stop time-out even when the cloud itself
/// is gone.
const LONGEST_STOP: Duration = Duration::from_secs(150);

/// The exit codes of `podman run` and `docker run` when the engine itself fails, or cannot start the
/// container's program. <https://docs.docker.com/reference/cli/docker/container/run/#exit-status>
const NOT_STARTED: RangeInclusive<i32> = 125..=127;

/// ECS's stop code and reason of a task that somebody stopped.
const STOPPED: (&str, &str) = ("UserInitiated", "Task stopped by user");
/// The same, of one that ended by itself.
const EXITED: (&str, &str) = ("EssentialContainerExited", "Essential container in task exited");

/// What every task needs.
struct Shared {
    tasks: Tasks,
    secrets: aws::Secrets,
    logs: LogWriter,
    events: Events,
    cluster: String,
    how: How,
    folder: PathBuf,
    /// The folders of repositories that containers may have.
    repositories: [PathBuf; 2],
}

/// How tasks run.
pub enum How {
    /// As processes of this machine, with this worker.
    Process(PathBuf),
    /// In containers of the task definition's image, and of this one where that is the worker's own.
    Container(Engine, Option<Image>),
}

/// Whether a task is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Nobody asked.
    No,
    /// Somebody called StopTask, or everything ends.
    Asked,
    /// The local cloud is gone: no end can be reported.
    CloudGone,
}

/// The stand-in, running.
pub struct Fargate {
    stop: watch::Sender<Stop>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Fargate {
    /// Watches an environment's cluster and runs its tasks, each in a folder of its own.
    pub fn start(
        aws: &Aws,
        names: &Resources,
        how: How,
        folder: PathBuf,
        repositories: [PathBuf; 2],
    ) -> Self {
        let shared = Arc::new(Shared {
            tasks: aws.tasks(),
            secrets: aws.secrets(),
            logs: aws.logs(),
            events: Events::new(aws.functions(), names),
            cluster: names.cluster(),
            how,
            folder,
            repositories,
        });
        let (stop, stopped) = watch::channel(Stop::No);
        let watcher = tokio::spawn(watch_cluster(shared, stopped));
        Self { stop, watcher }
    }

    /// Stops every task as StopTask would, and the watching. Without a cloud tasks still get their
    /// time, but their end is not reported.
    pub async fn stop(&mut self, cloud_is_gone: bool) {
        let _ = self.stop.send(if cloud_is_gone { Stop::CloudGone } else { Stop::Asked });
        if tokio::time::timeout(LONGEST_STOP, &mut self.watcher).await.is_err() {
            self.watcher.abort();
        }
    }
}

impl Drop for Fargate {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_cluster(shared: Arc<Shared>, mut stopped: watch::Receiver<Stop>) {
    let mut known: BTreeMap<String, watch::Sender<Stop>> = BTreeMap::new();
    let mut running = JoinSet::new();
    while *stopped.borrow() == Stop::No {
        match shared.tasks.running(&shared.cluster).await {
            Ok(tasks) => {
                for task in &tasks {
                    if !known.contains_key(task) {
                        let (stop, stop_asked) = watch::channel(Stop::No);
                        known.insert(task.clone(), stop);
                        running.spawn(run_task(Arc::clone(&shared), task.clone(), stop_asked));
                    }
                }
                // A task that is no longer meant to run was stopped by somebody.
                for (task, stop) in &known {
                    if !tasks.contains(task) {
                        let _ = stop.send(Stop::Asked);
                    }
                }
            }
            Err(error) => say(&format!("fargate stand-in: {error:#}")),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.changed() => {}
        }
    }
    let why = *stopped.borrow();
    for stop in known.values() {
        let _ = stop.send(why);
    }
    while running.join_next().await.is_some() {}
}

async fn run_task(shared: Arc<Shared>, task: String, mut stop: watch::Receiver<Stop>) {
    let spec = shared.tasks.spec(&shared.cluster, &task).await;
    let variable = |name: &str| spec.as_ref().ok()?.environment.get(name).cloned();
    let (workstream, run) = (variable(worker_env::WORKSTREAM), variable(worker_env::RUN));
    // As ARNs go: arn:…:task/<cluster>/<id> runs in arn:…:cluster/<cluster>.
    let cluster = task.rsplit_once('/').map(|(front, _)| front.replacen(":task/", ":cluster/", 1));
    let image = spec.as_ref().map(|spec| spec.image.clone()).unwrap_or_default();
    let whose = Whose {
        arn: &task,
        cluster: cluster.as_deref().unwrap_or(&shared.cluster),
        image: &image,
        workstream: workstream.as_deref(),
        run: run.as_deref(),
    };
    let played = match spec {
        Ok(spec) => play(&shared, &whose, spec, &mut stop).await,
        Err(error) => Err(error),
    };
    if *stop.borrow() == Stop::CloudGone {
        return;
    }
    let end = played.unwrap_or_else(|error| {
        say(&format!("fargate stand-in: task {}: {error:#}", id_of(&task)));
        End { code: "TaskFailedToStart", reason: format!("{error:#}"), exit: None }
    });
    if let Err(error) = shared.tasks.ended(&shared.cluster, &task, end.exit, &end.reason).await {
        say(&format!("fargate stand-in: {error:#}"));
    }
    shared.events.tell(&whose, Some(&end)).await;
}

async fn play(
    shared: &Shared,
    whose: &Whose<'_>,
    mut spec: TaskSpec,
    stop: &mut watch::Receiver<Stop>,
) -> Result<End> {
    let task = whose.arn;
    // From now on StopTask leaves its end to us.
    if shared.tasks.taken(&shared.cluster, task).await.is_err() {
        return Ok(End::new(STOPPED, None));
    }
    let id = id_of(task);
    let folder = shared.folder.join(id);
    fs::create_dir_all(&folder)?;
    let stream = format!("{}/{}/{id}", spec.log_prefix, ralph_protocol::names::CONTAINER);
    shared.logs.create_stream(&spec.log_group, &stream).await?;

    let mut handover = Handover::default();
    for (name, arn) in &spec.secrets {
        let value = secrets::read(&shared.secrets, name, arn).await?;
        handover.secrets.insert(name.clone(), value);
    }
    let workstream = spec.environment.get(worker_env::WORKSTREAM);
    let agent = workstream.and_then(|name| agents::of(&shared.folder, name));
    // A model is for the task definition's agent; the worker refuses one that no command takes.
    if agent.as_ref().is_some_and(|command| !command.contains("{model}")) {
        spec.environment.remove(worker_env::MODEL);
    }
    let mut command = match &shared.how {
        How::Process(worker) => process(worker, &spec, &folder, agent)?,
        How::Container(engine, image) => {
            let container = Container {
                engine,
                image: image.as_ref(),
                spec: &spec,
                id,
                folder: &folder,
                repositories: &shared.repositories,
                agent: agent.as_deref(),
            };
            handover.afterwards = container.removal();
            container.command(handover.secrets.keys()).await?
        }
    };
    let mut worker = Group::spawn(&mut command, &handover).await?;
    let stdout = worker.child().stdout.take().context("the worker has no stdout")?;
    let stderr = worker.child().stderr.take().context("the worker has no stderr")?;
    let shipper = shipping::Shipper::start(shared.logs.clone(), spec.log_group, stream);
    let readers = [shipper.read(stdout), shipper.read(stderr)];
    shared.events.tell(whose, None).await;

    let mut why = EXITED;
    let status = tokio::select! {
        status = worker.wait() => status?,
        () = asked(stop) => {
            why = STOPPED;
            worker.ask();
            match tokio::time::timeout(Duration::from_secs(spec.stop_timeout), worker.wait()).await {
                Ok(status) => status?,
                Err(_) => worker.stop(PATIENCE).await.context("the worker cannot be ended")?,
            }
        }
    };
    // A supervisor that was killed has not cleaned up.
    if status.code().is_none()
        && let Some((program, arguments)) = handover.afterwards.split_first()
    {
        let _ = output(Command::new(program).args(arguments)).await;
    }
    // Of standard error.
    let mut last = String::new();
    for mut reader in readers {
        // Where nobody finds it, a process in a group of its own may hold the pipe open for ever.
        match tokio::time::timeout(PATIENCE, &mut reader).await {
            Ok(line) => last = line?,
            Err(_) => reader.abort(),
        }
    }
    tokio::select! {
        // The worker has ended as it has, whatever became of its lines.
        shipped = shipper.finish() => if let Err(error) = shipped {
            say(&format!("fargate stand-in: {error:#}"));
        },
        Ok(_) = stop.wait_for(|stop| *stop == Stop::CloudGone) => {}
    }
    // A supervisor that was killed itself ends by a signal; otherwise it has the worker's code.
    let exit = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    if matches!(shared.how, How::Container(..))
        && exit.is_some_and(|exit| NOT_STARTED.contains(&exit))
    {
        bail!("CannotStartContainerError: {last}");
    }
    Ok(End::new(why, exit))
}

/// The worker as a process of this machine. It gets `SSL_CERT_FILE` from whoever started the local
/// cloud, so that it can reach a git host whose certificate is not a public authority's.
fn process(
    worker: &Path,
    spec: &TaskSpec,
    folder: &Path,
    agent: Option<String>,
) -> Result<Command> {
    let workspace = folder.join("workspace");
    fs::create_dir_all(&workspace)?;
    let mut command = supervised(worker)?;
    command
        .env_clear()
        .envs(
            ["PATH", "SSL_CERT_FILE"]
                .iter()
                .filter_map(|&name| Some((name, std::env::var_os(name)?))),
        )
        .env("HOME", folder)
        .envs(&spec.environment)
        .env(worker_env::JOURNAL, folder.join(JOURNAL))
        .env(worker_env::ALLOW_FILE_REPO, "1")
        .env(worker_env::WORKDIR, &workspace)
        .envs(agent.map(|agent| (worker_env::AGENT_COMMAND, agent)))
        .current_dir(&workspace)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

async fn asked(stop: &mut watch::Receiver<Stop>) {
    let _ = stop.wait_for(|&stop| stop != Stop::No).await;
}

/// The last part of a task's ARN.
fn id_of(task: &str) -> &str {
    task.rsplit('/').next().unwrap_or(task)
}

/// Where a task's worker writes its own copy of every event, in the task's folder.
pub const JOURNAL: &str = "journal.jsonl";
