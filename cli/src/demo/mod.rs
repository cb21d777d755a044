//! `ralph demo`: the whole path once, and a comparison of what was written with what was shown.

mod report;
mod repository;
mod viewing;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::{
    event::Envelope,
    execution::{Limits, Order, Reuse},
    ids::{Run, Workstream},
    names::SecretName,
    reassembly::{Client, Options},
};
use ulid::Ulid;

use crate::{
    args::{Agent, DemoArgs},
    aws::{Aws, Executions, Status},
    local::{self, Interrupt, Local, anthropic_keys},
    logs,
    project::Project,
    target::Target,
    tools::{
        invocation::ralph_there,
        program::find,
        steps::{print, say, step},
    },
    watch::Reader,
};

pub use report::compare;
pub use repository::Repository;
pub use viewing::Viewing;

/// Numbers that are asked for again after the reconnect although they are held.
const OVERLAP: u64 = 40;
/// How often the execution is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the state machine may take to see that its task has ended.
const END: Duration = Duration::from_secs(60);
/// How long it may take until it is known that the cloud is gone.
const GONE: Duration = Duration::from_secs(3);
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
            Self::Own(local) => local.scratch(),
            Self::Joined(_, scratch) => scratch,
        }
    }

    /// Resolves when the cloud ends while it is needed, with the reason.
    async fn failed(&mut self) -> anyhow::Error {
        match self {
            Self::Own(local) => local.failed().await,
            Self::Joined(target, scratch) => {
                local::refuses(target.endpoint.as_deref().unwrap_or_default()).await;
                anyhow::anyhow!("the local cloud with {} has ended", scratch.display())
            }
        }
    }

    /// What an interrupt means.
    fn interrupted(&self, workstream: &Workstream) -> anyhow::Error {
        match self {
            Self::Own(_) => anyhow::anyhow!("interrupted; nothing is left running"),
            Self::Joined(..) => anyhow::anyhow!(
                "interrupted; the workstream goes on if it was started\nhint: `{}` ends it",
                ralph_there(&format!("stop {workstream}"))
            ),
        }
    }

    async fn down(self, interrupt: &mut Interrupt) -> Result<()> {
        match self {
            Self::Own(local) => local.down(interrupt).await,
            Self::Joined(..) => Ok(()),
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
    let mut branch = options.workstream.default_branch();
    if let Some(own) = &own {
        branch = own.newest(branch).await?;
        own.check_free(&branch).await?;
    }
    let mut interrupt = Interrupt::new()?;
    let mut cloud = cloud(&project, &options, &mut interrupt).await?;
    let prepared = tokio::select! {
        prepared = prepare(&project, &options, own, &branch, cloud.scratch()) => prepared,
        () = interrupt.wait() => Err(cloud.interrupted(&options.workstream)),
    };
    let (result, lent) = match prepared {
        Ok((repository, own)) => {
            let result =
                attend(&project, &options, &repository, &branch, &mut cloud, &mut interrupt).await;
            (result, own.map(|own| (own, repository)))
        }
        Err(error) => (Err(error), None),
    };
    // If nobody waits for the workers, the next demo takes back what they push.
    cloud.down(&mut interrupt).await?;
    // Whatever came of it: workers push what they have when they are asked to end.
    let mut taken = Ok(());
    if let Some((own, copy)) = lent {
        taken = own.take_back(&copy, &branch).await;
    }
    if let (Err(_), Err(error)) = (&result, &taken) {
        say(&format!("note: {error:#}"));
    }
    let report = result?;
    print(&report.to_string());
    taken?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(COMPARISON_FAILED) })
}

/// The repository that the worker gets; and the person's own, if that is only a copy of it: an agent in
/// a container does not get what a person's git runs in.
async fn prepare(
    project: &Project,
    options: &DemoArgs,
    own: Option<Repository>,
    branch: &str,
    scratch: &Path,
) -> Result<(Repository, Option<Repository>)> {
    match own {
        Some(own) if options.containers => {
            let copies = local::copies(project)?;
            let copy = own.copy(&copies, branch);
            Ok((step("copy of the repository (git)", copy).await?, Some(own)))
        }
        Some(own) => Ok((own, None)),
        None => Ok((Repository::new(&local::repositories(scratch)).await?, None)),
    }
}

/// Plays the demo as long as its cloud stands and nobody interrupts it.
async fn attend(
    project: &Project,
    options: &DemoArgs,
    repository: &Repository,
    branch: &str,
    cloud: &mut Cloud,
    interrupt: &mut Interrupt,
) -> Result<report::Report> {
    let (target, scratch) = (cloud.target().clone(), cloud.scratch().to_owned());
    tokio::select! {
        result = play(project, options, repository, branch, &target, &scratch) => match result {
            // Perhaps because the cloud has ended, which is known a moment later.
            Err(error) => Err(tokio::time::timeout(GONE, cloud.failed()).await.unwrap_or(error)),
            report => report,
        },
        error = cloud.failed() => Err(error),
        () = interrupt.wait() => {
            say("stopping …");
            Err(cloud.interrupted(&options.workstream))
        }
    }
}

/// What can be known to be wrong before anything is built.
fn check(options: &DemoArgs) -> Result<()> {
    // The scripted agent writes files that nobody wants: a person's repository gets them only when
    // that person asks.
    if options.repo.is_some() && options.agent.is_none() {
        bail!(
            "--repo needs --agent, because the agent commits to a branch of your repository\nhint: `--agent claude` works on the prompt; `--agent scripted` ignores it and commits sample files"
        );
    }
    if options.containers && options.agent() == Agent::Scripted && !cfg!(target_os = "linux") {
        bail!(
            "the scripted agent is a program of this machine, which a container cannot run\nhint: `--agent claude`, or leave --containers out"
        );
    }
    find("git")?;
    if options.join.is_none() {
        for program in ["terraform", "python3", "cargo"] {
            find(program)?;
        }
    }
    if options.agent() == Agent::Claude {
        // The image has its own.
        if !options.containers {
            find("claude")?;
        }
        if std::env::var_os("ANTHROPIC_API_KEY").is_none() {
            bail!(
                "--agent claude needs a key\nhint: set ANTHROPIC_API_KEY; it reaches the worker, never the agent"
            );
        }
    }
    Ok(())
}

async fn cloud(project: &Project, options: &DemoArgs, interrupt: &mut Interrupt) -> Result<Cloud> {
    if let Some(scratch) = &options.join {
        let scratch = scratch.canonicalize().unwrap_or_else(|_| scratch.clone());
        return Ok(Cloud::Joined(Target::read(&scratch)?, scratch));
    }
    say("bringing up the local cloud:");
    let up = local::Options {
        environment: options.env.clone(),
        scratch: project.tools().join("demo"),
        port: 0,
        anthropic_keys: anthropic_keys(options.agent() == Agent::Claude),
        release: options.release,
        containers: options.containers,
        fresh: options.fresh,
        management_base: None,
        empty: false,
        viewer: false,
    };
    Ok(Cloud::Own(Box::new(Local::up(project, up, interrupt).await?)))
}

async fn play(
    project: &Project,
    options: &DemoArgs,
    repository: &Repository,
    branch: &str,
    target: &Target,
    scratch: &Path,
) -> Result<report::Report> {
    let aws = Aws::connect(target).await?;
    let tip = repository.tip(branch).await?;
    if options.agent() == Agent::Claude {
        // A joined cloud was perhaps started without a key.
        let arn = target.secret_arn(SecretName::AnthropicKeys)?;
        aws.secrets().put(arn, &anthropic_keys(true)).await?;
    }
    match options.agent() {
        Agent::Scripted => {
            let command = local::agents::scripted(project).await?;
            local::agents::set(scratch, &options.workstream, &command)?;
        }
        Agent::Claude => local::agents::unset(scratch, &options.workstream)?,
    }
    let ulid = Ulid::generate();
    let run = Run::new(ulid, 1)?;
    let place = logs::place(target, &aws).await?;
    let reader = match options.without_rules {
        true => Reader::Nothing(options.workstream.clone()),
        false => Reader::Rules(Box::new(Client::new(Options {
            overlap: OVERLAP,
            seed: Some(run.started_ms()),
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

    let executions = aws.executions(target)?;
    let order = order(options, repository);
    executions.start(ulid, &order).await?;
    let ended = over(&executions, &options.workstream, ulid);
    let shown = viewing.until_over(ended).await?;
    let written = written(&local::tasks(scratch), &options.workstream)?;
    let commits = repository.commits(&tip, branch).await?;
    let report = report::compare(&written, &ulid.to_string(), shown, commits, branch.to_owned());
    // The workstream is free for the next demo once its execution is over.
    match tokio::time::timeout(END, over(&executions, &options.workstream, ulid)).await {
        Ok(result) => result?,
        Err(_) => say("note: the execution is not over yet"),
    }
    Ok(report)
}

/// What the execution is asked to do.
fn order(options: &DemoArgs, repository: &Repository) -> Order {
    let max_cost_usd = (options.agent() == Agent::Claude).then_some(options.max_cost_usd);
    Order {
        prompt_file: Some(repository.prompt().to_owned()),
        limits: Limits { max_cost_usd, ..Limits::default() },
        // The demo looks for the work there.
        reuse: Some(Reuse::Continue),
        ..Order::new(options.workstream.clone(), repository.url())
    }
}

/// Resolves when the execution is over.
async fn over(executions: &Executions, workstream: &Workstream, ulid: Ulid) -> Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        let execution = executions.find(workstream, ulid).await?;
        if execution.is_some_and(|execution| execution.status != Status::Running) {
            return Ok(());
        }
    }
}

/// What the workers of a workstream wrote, by their own journals.
fn written(tasks: &Path, workstream: &Workstream) -> Result<String> {
    let mut written = String::new();
    for task in std::fs::read_dir(tasks).context("no task was started")?.flatten() {
        let journal = task.path().join(local::JOURNAL);
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        let ours = |line: &str| Envelope::parse(line).is_some_and(|e| e.workstream == *workstream);
        if text.lines().next().is_some_and(ours) {
            written.push_str(&text);
        }
    }
    if written.is_empty() {
        bail!(
            "no worker left a journal in {}\nhint: `{}` and the cloud's log say why",
            tasks.display(),
            ralph_there("ps -a")
        );
    }
    Ok(written)
}
