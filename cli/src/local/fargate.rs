//! Plays Fargate: runs the tasks that are started in the local cloud as processes.
//!
//! A task gets what Fargate would give it: the task definition's environment, its secrets by
//! value, the run's overrides, stdout and stderr in its log stream, and SIGTERM when it is stopped.
//! What it does not get is a container: no image, no read-only root, no user of its own.

use std::{
    collections::BTreeMap, fs, os::unix::process::ExitStatusExt, path::PathBuf, process::Stdio,
    sync::Arc, time::Duration,
};

use anyhow::{Context, Result};
use ralph_protocol::names::worker_env;
use rustix::process::Signal;
use tokio::{process::Command, sync::watch, task::JoinSet};

use super::{PATIENCE, agents};
use crate::{
    aws::{Aws, LogWriter, Secrets, TaskSpec, Tasks},
    tools::children::Group,
};

mod events;
mod shipping;

use events::{End, Events, Whose};

/// How often the cluster is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How long stopping everything may take: tasks get their stop time-out even when the cloud itself
/// is gone.
const LONGEST_STOP: Duration = Duration::from_secs(150);

/// What every task needs.
struct Shared {
    tasks: Tasks,
    secrets: Secrets,
    logs: LogWriter,
    events: Events,
    cluster: String,
    worker: PathBuf,
    folder: PathBuf,
}

/// The stand-in, running.
pub struct Fargate {
    stop: watch::Sender<bool>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Fargate {
    /// Watches a cluster and runs its tasks with `worker`, each in a folder of its own.
    pub fn start(
        aws: &Aws,
        environment: &str,
        cluster: String,
        worker: PathBuf,
        folder: PathBuf,
    ) -> Self {
        let shared = Arc::new(Shared {
            tasks: aws.tasks(),
            secrets: aws.secrets(),
            logs: aws.logs(),
            events: Events::new(aws.functions(), environment),
            cluster,
            worker,
            folder,
        });
        let (stop, stopped) = watch::channel(false);
        let watcher = tokio::spawn(watch_cluster(shared, stopped));
        Self { stop, watcher }
    }

    /// Stops every task as StopTask would, and the watching.
    pub async fn stop(&mut self) {
        let _ = self.stop.send(true);
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

async fn watch_cluster(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut known: BTreeMap<String, watch::Sender<bool>> = BTreeMap::new();
    let mut running = JoinSet::new();
    while !*stopped.borrow() {
        match shared.tasks.running(&shared.cluster).await {
            Ok(tasks) => {
                for task in &tasks {
                    if !known.contains_key(task) {
                        let (stop, stop_asked) = watch::channel(false);
                        known.insert(task.clone(), stop);
                        running.spawn(run_task(Arc::clone(&shared), task.clone(), stop_asked));
                    }
                }
                // A task that is no longer meant to run was stopped by somebody.
                for (task, stop) in &known {
                    if !tasks.contains(task) {
                        let _ = stop.send(true);
                    }
                }
            }
            Err(error) => eprintln!("fargate stand-in: {error:#}"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.changed() => {}
        }
    }
    for stop in known.values() {
        let _ = stop.send(true);
    }
    while running.join_next().await.is_some() {}
}

async fn run_task(shared: Arc<Shared>, task: String, stop: watch::Receiver<bool>) {
    let spec = shared.tasks.spec(&shared.cluster, &task).await;
    let variable = |name: &str| spec.as_ref().ok()?.environment.get(name).cloned();
    let (workstream, run) = (variable(worker_env::WORKSTREAM), variable(worker_env::RUN));
    // As ARNs go: arn:…:task/<cluster>/<id> runs in arn:…:cluster/<cluster>.
    let cluster = task.rsplit_once('/').map(|(front, _)| front.replacen(":task/", ":cluster/", 1));
    let whose = Whose {
        arn: &task,
        cluster: cluster.as_deref().unwrap_or(&shared.cluster),
        workstream: workstream.as_deref(),
        run: run.as_deref(),
    };
    let played = match spec {
        Ok(spec) => play(&shared, &whose, spec, stop).await,
        Err(error) => Err(error),
    };
    let end = played.unwrap_or_else(|error| {
        eprintln!("fargate stand-in: task {}: {error:#}", id_of(&task));
        let reason = format!("the stand-in for Fargate failed: {error:#}");
        End { code: "TaskFailedToStart", reason, exit: None }
    });
    // Stopped already, if somebody stopped it.
    let _ = shared.tasks.stop(&shared.cluster, &task, &end.reason).await;
    shared.events.tell(&whose, Some(&end)).await;
}

async fn play(
    shared: &Shared,
    whose: &Whose<'_>,
    spec: TaskSpec,
    mut stop: watch::Receiver<bool>,
) -> Result<End> {
    let task = whose.arn;
    let id = id_of(task);
    let folder = shared.folder.join(id);
    let workspace = folder.join("workspace");
    fs::create_dir_all(&workspace)?;
    let stream = format!("{}/{}/{id}", spec.log_prefix, ralph_protocol::names::CONTAINER);
    shared.logs.create_stream(&spec.log_group, &stream).await?;

    let mut command = Command::new(&shared.worker);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", &folder)
        .envs(&spec.environment)
        .env(worker_env::JOURNAL, folder.join(JOURNAL))
        .env(worker_env::ALLOW_FILE_REPO, "1")
        .env(worker_env::WORKDIR, &workspace)
        .current_dir(&workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let workstream = spec.environment.get(worker_env::WORKSTREAM);
    if let Some(agent) = workstream.and_then(|name| agents::of(&shared.folder, name)) {
        command.env(worker_env::AGENT_COMMAND, agent);
    }
    for (name, arn) in &spec.secrets {
        let value = shared.secrets.get(arn).await?;
        let value = value.with_context(|| format!("the secret for {name} has no value"))?;
        command.env(name, value);
    }
    let mut worker = Group::spawn(&mut command)?;
    let stdout = worker.child().stdout.take().context("the worker has no stdout")?;
    let stderr = worker.child().stderr.take().context("the worker has no stderr")?;
    let shipper = shipping::Shipper::start(shared.logs.clone(), spec.log_group, stream);
    let readers = [shipper.read(stdout), shipper.read(stderr)];
    shared.events.tell(whose, None).await;

    let mut code = "EssentialContainerExited";
    let status = tokio::select! {
        status = worker.wait() => status?,
        () = asked(&mut stop) => {
            code = "UserInitiated";
            worker.signal_leader(Signal::TERM);
            match tokio::time::timeout(Duration::from_secs(spec.stop_timeout), worker.wait()).await {
                Ok(status) => status?,
                Err(_) => worker.stop(PATIENCE).await.context("the worker cannot be ended")?,
            }
        }
    };
    // A grandchild that outlives the worker must not hold its log stream open.
    worker.stop(Duration::ZERO).await;
    for mut reader in readers {
        // A process in a group of its own may hold the pipe open for ever.
        if tokio::time::timeout(PATIENCE, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    shipper.finish().await?;
    let exit = status.code().map_or_else(|| status.to_string(), |code| code.to_string());
    fs::write(folder.join("exit"), exit)?;
    let reason = match code {
        "UserInitiated" => "Task stopped by user",
        _ => "Essential container in task exited",
    };
    // As a container's exit code tells of a signal.
    let exit = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(End { code, reason: reason.to_owned(), exit })
}

async fn asked(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await;
}

/// The last part of a task's ARN.
fn id_of(task: &str) -> &str {
    task.rsplit('/').next().unwrap_or(task)
}

/// Where a task's worker writes its own copy of every event, in the task's folder.
pub const JOURNAL: &str = "journal.jsonl";
