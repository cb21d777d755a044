//! `ralph demo`: the whole path once, and a comparison of what was written with what was shown.

mod printing;
mod report;
mod repository;
mod viewing;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::{
    ids::Run,
    names::{SecretName, output, worker_env},
    reassembly::{Client, Options},
};

use crate::{
    args::{Agent, DemoArgs},
    aws::{Aws, RunTask, Tasks},
    build,
    local::{self, Interrupt, Local, anthropic_keys},
    project::Project,
    target::Target,
    token::Minter,
    tools::program::find,
    watch::{Place, Reader},
};

use repository::Repository;

/// Numbers that are asked for again after the reconnect although they are held.
const OVERLAP: u64 = 40;
/// The comparison failed.
const COMPARISON_FAILED: u8 = 3;

/// A local cloud: one of the demo's own, or one that runs already.
enum Cloud {
    Own(Box<Local>),
    Joined(Target, PathBuf),
}

impl Cloud {
    fn target(&self) -> &Target {
        match self {
            Self::Own(local) => &local.target,
            Self::Joined(target, _) => target,
        }
    }

    fn scratch(&self) -> &Path {
        match self {
            Self::Own(local) => &local.scratch,
            Self::Joined(_, scratch) => scratch,
        }
    }

    async fn down(self) {
        if let Self::Own(local) = self {
            local.down().await;
        }
    }
}

pub async fn run(options: DemoArgs) -> Result<ExitCode> {
    let project = Project::find()?;
    check(&options)?;
    // Before anything slow: a wrong path is wrong at once.
    let own = match (&options.repo, &options.prompt) {
        (Some(folder), Some(prompt)) => Some(Repository::existing(folder, prompt).await?),
        _ => None,
    };
    let mut interrupt = Interrupt::new()?;
    let cloud = tokio::select! {
        cloud = cloud(&project, &options) => cloud?,
        () = interrupt.wait() => bail!("interrupted; nothing is left running"),
    };
    let result = tokio::select! {
        result = play(&project, &options, own, &cloud) => result,
        () = interrupt.wait() => Err(anyhow::anyhow!("interrupted; nothing is left running")),
    };
    cloud.down().await;
    let report = result?;
    println!("{report}");
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(COMPARISON_FAILED) })
}

/// What can be known to be wrong before anything is built.
fn check(options: &DemoArgs) -> Result<()> {
    find("git")?;
    if options.join.is_none() {
        for program in ["terraform", "python3", "cargo"] {
            find(program)?;
        }
    }
    if options.agent == Agent::Claude {
        find("claude")?;
        if std::env::var_os("ANTHROPIC_API_KEY").is_none() {
            bail!(
                "--agent claude needs a key\nhint: set ANTHROPIC_API_KEY; it reaches the worker, never the agent"
            );
        }
    }
    Ok(())
}

async fn cloud(project: &Project, options: &DemoArgs) -> Result<Cloud> {
    if let Some(scratch) = &options.join {
        let scratch = scratch.canonicalize().unwrap_or_else(|_| scratch.clone());
        return Ok(Cloud::Joined(Target::read(&scratch)?, scratch));
    }
    eprintln!("bringing up the local cloud:");
    let up = local::Options {
        scratch: project.tools().join("demo"),
        port: 0,
        anthropic_keys: anthropic_keys(options.agent == Agent::Claude),
        viewer: false,
    };
    Ok(Cloud::Own(Box::new(Local::up(project, up).await?)))
}

async fn play(
    project: &Project,
    options: &DemoArgs,
    own: Option<Repository>,
    cloud: &Cloud,
) -> Result<report::Report> {
    let target = cloud.target();
    let aws = Aws::connect(target).await;
    let repository = match own {
        Some(own) => own,
        None => Repository::new(&cloud.scratch().join("repositories")).await?,
    };
    let branch = options.workstream.default_branch();
    let tip = repository.tip(&branch).await;
    if options.agent == Agent::Claude {
        // A joined cloud was perhaps started without a key.
        let arn = target.secret_arn(SecretName::AnthropicKeys)?;
        aws.secrets().put(arn, &anthropic_keys(true)).await?;
    }
    let run = Run::new(ulid::Ulid::generate(), 1)?;
    let place = Place {
        url: target.websocket_url()?,
        minter: Minter::connect(target, &aws).await?,
        user: "demo".to_owned(),
    };
    let reader = match options.without_rules {
        true => Reader::Nothing(options.workstream.clone()),
        false => Reader::Rules(Box::new(Client::new(Options {
            overlap: OVERLAP,
            seed: run.started_ms(),
            ..Options::new(options.workstream.clone())
        }))),
    };
    let viewing = viewing::Viewing::start(
        place,
        options.workstream.clone(),
        run.clone(),
        reader,
        options.quiet,
    );
    viewing.caught_up().await?;

    let cluster = target.text(output::CLUSTER)?.to_owned();
    let tasks = aws.tasks();
    let task = RunTask {
        cluster: cluster.clone(),
        task_definition: target.text(output::TASK_DEFINITION)?.to_owned(),
        subnets: target.list(output::SUBNET_IDS)?,
        security_group: target.text(output::WORKER_SECURITY_GROUP_ID)?.to_owned(),
        environment: environment(project, options, &repository, &run).await?,
    };
    let task = tasks.run(task).await?;
    let shown = viewing.until_over(stopped(&tasks, &cluster, &task)).await?;
    let id = local::task_id(&task);
    let folder = cloud.scratch().join("tasks");
    let journal = local::journal(&folder, id);
    let journal = std::fs::read_to_string(&journal)
        .with_context(|| format!("the worker left no journal at {}", journal.display()))?;
    let commits = repository.commits(&tip, &branch).await?;
    Ok(report::compare(&journal, &run, shown, commits, branch))
}

/// Resolves when the task no longer runs.
async fn stopped(tasks: &Tasks, cluster: &str, task: &str) -> Result<()> {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if !tasks.running(cluster).await?.iter().any(|running| running == task) {
            return Ok(());
        }
    }
}

async fn environment(
    project: &Project,
    options: &DemoArgs,
    repository: &Repository,
    run: &Run,
) -> Result<BTreeMap<String, String>> {
    let mut environment: BTreeMap<&str, String> = BTreeMap::from([
        (worker_env::WORKSTREAM, options.workstream.to_string()),
        (worker_env::RUN, run.to_string()),
        (worker_env::ATTEMPT, run.attempt().to_string()),
        (worker_env::REPO, repository.url()),
        (worker_env::PROMPT_FILE, repository.prompt().to_owned()),
    ]);
    match options.agent {
        Agent::Scripted => {
            let worker = build::worker(project).await?;
            let scenario = project.root().join("worker/scenarios/demo.json");
            let command = format!("{} --scenario {}", quoted(&worker.agent), quoted(&scenario));
            environment.insert(worker_env::AGENT_COMMAND, command);
        }
        Agent::Claude => {
            environment.insert(worker_env::MAX_COST_USD, options.max_cost_usd.to_string());
        }
    }
    Ok(environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A path as one word of a command line.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
