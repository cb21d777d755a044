//! The local cloud: the same HCL and the same Lambda binary on one machine.

pub mod agents;
mod cloud;
mod environment;
mod fargate;
mod kept;
mod rehearsal;
mod scratch;
pub mod server;
mod shown;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use ralph_protocol::names::{Resources, SecretName, output};

use crate::{
    args::LocalArgs,
    aws::Aws,
    build,
    keys::signing_keys,
    project::{Description, Project},
    target::{AccessKey, Target, default_scratch},
    token::Minter,
    tools::{
        invocation::{just, quoted, ralph, ralph_there},
        python::{self, LOCAL_CLOUD},
        steps::{crates, print, say, step, step_with_log},
    },
};

use cloud::{Cloud, Start};
pub use cloud::{claim, refuses};
use environment::Environment;
pub use fargate::JOURNAL;
use fargate::{
    Fargate, How,
    container::{self, Engine, Image},
};
use kept::Outputs;
use scratch::Scratch;
pub use shown::{Shown, add as show};

/// The server and its guard, in the project.
const STARTER: &str = "cli/tools/local_cloud";

/// How the local cloud is brought up.
pub struct Options {
    /// The environment to apply.
    pub environment: String,
    pub scratch: PathBuf,
    pub port: u16,
    /// The text of the secret `anthropic-keys`.
    pub anthropic_keys: String,
    /// Also build the page.
    pub viewer: bool,
    /// Run the functions as they are shipped, not as they are developed.
    pub release: bool,
    /// Apply the HCL even if the same was applied before.
    pub fresh: bool,
    /// Run tasks in containers of their image, not as processes.
    pub containers: bool,
    /// Where the functions post to; `None`: the local cloud itself.
    pub management_base: Option<String>,
    /// Apply nothing: the account is empty.
    pub empty: bool,
}

/// A local cloud that runs.
pub struct Local {
    pub target: Target,
    scratch: Scratch,
    cloud: Cloud,
    cloud_is_gone: bool,
    fargate: Fargate,
}

impl Local {
    /// Builds what is needed, makes the environment and sets the secrets. When that fails or is
    /// interrupted, nothing is left running.
    pub async fn up(
        project: &Project,
        options: Options,
        interrupt: &mut Interrupt,
    ) -> Result<Self> {
        // Before anything slow: what is wrong now will be wrong then.
        cloud::claim(options.port, "--port")?;
        project.environment(&options.environment)?;
        let description = Description::read(project, &options.environment)?;
        let engine = match options.containers {
            true => Some(Engine::find(project).await?),
            false => None,
        };
        if let (Some(engine), Some(own)) = (&engine, description.own_image()) {
            engine.require(own).await?;
        }
        if !options.empty {
            fargate::secrets::require(&description.agent, fargate::secrets::variable)?;
        }
        let scratch = tokio::select! {
            scratch = Scratch::take(&options.scratch) => scratch?,
            () = interrupt.wait() => bail!("interrupted before anything was started"),
        };
        let made = tokio::select! {
            made = Self::make(project, &description, engine, options, scratch.folder()) => made,
            () = interrupt.wait() => Err(anyhow!("interrupted; nothing is left running")),
        };
        match made {
            Ok((target, cloud, fargate)) => {
                Ok(Self { target, scratch, cloud, cloud_is_gone: false, fargate })
            }
            Err(error) => tokio::select! {
                () = scratch.over() => Err(error),
                () = interrupt.again() => Err(interrupted_twice(scratch.folder())),
            },
        }
    }

    async fn make(
        project: &Project,
        description: &Description,
        engine: Option<Engine>,
        options: Options,
        scratch: &Path,
    ) -> Result<(Target, Cloud, Fargate)> {
        let environment = match options.empty {
            true => None,
            false => Some(Environment::copy(project, description, &options, scratch)?),
        };

        let server = async {
            let name = "local cloud installed (pip)";
            Ok(step(name, python::install(project, &LOCAL_CLOUD)).await?.join("python"))
        };
        let functions = async {
            let (name, log) = ("worker and functions (cargo)", build::programs_log(project));
            let programs = step_with_log(name, &log, crates, build::programs(project)).await?;
            let zip = match options.release {
                true => {
                    let shipped = build::lambdas_for_this_host(project);
                    let name = "functions as shipped (cargo-lambda)";
                    step_with_log(name, &build::lambdas_log(project), crates, shipped).await?
                }
                false => programs.functions(scratch)?,
            };
            Ok((programs, zip))
        };
        let page = async {
            match options.viewer {
                true => step("viewer (npm)", build::viewer(project)).await,
                false => Ok(()),
            }
        };
        let image = async {
            let Some(engine) = engine.as_ref().filter(|_| description.own_image().is_none()) else {
                return Ok(None);
            };
            let name = format!("worker image ({})", engine.program());
            step(&name, container::build(project, engine)).await.map(Some)
        };
        let prepared = async {
            match &environment {
                Some(environment) => environment.prepare().await,
                None => Ok(()),
            }
        };
        let (python, (programs, zip), (), image, ()) =
            tokio::try_join!(server, functions, page, image, prepared)?;

        let key = AccessKey::generate()?;
        let start = Start {
            python,
            starter: project.root().join(STARTER),
            scratch: scratch.to_owned(),
            port: options.port,
            region: description.region.clone(),
            account: description.account_id.clone(),
            key: key.clone(),
            network: description.existing_network(),
            restore: None,
            save: None,
        };
        let (cloud, outputs) = match environment {
            Some(environment) => environment.make(start, &zip).await?,
            None => {
                let cloud = step("local cloud started", Cloud::start(start)).await?;
                rehearsal::prepare(project, &cloud, &zip, scratch).await?;
                (cloud, Outputs::new())
            }
        };
        let target = Target {
            environment: options.environment,
            endpoint: Some(cloud.endpoint()),
            key: Some(key.clone()),
            viewer: None,
            outputs,
        };
        let aws = Aws::at(&description.region, target.endpoint.as_deref(), Some(&key)).await;
        if !options.empty {
            set_secrets(&aws, &target, &options.anthropic_keys).await?;
        }
        let how = match engine {
            Some(engine) => {
                let named = || target.text(output::WORKER_IMAGE).map(str::to_owned);
                let image =
                    image.map(|built| Ok::<_, anyhow::Error>(Image { named: named()?, built }));
                How::Container(engine, image.transpose()?)
            }
            None => How::Process(programs.worker),
        };
        let given = [repositories(scratch), copies(project)?];
        let names = Resources::new(&target.environment);
        let fargate = Fargate::start(&aws, &names, how, tasks(scratch), given);
        Ok((target, cloud, fargate))
    }

    /// Its scratch folder.
    pub fn scratch(&self) -> &Path {
        self.scratch.folder()
    }

    /// Resolves when the cloud's server ends by itself, with the reason.
    pub async fn failed(&mut self) -> anyhow::Error {
        let reason = self.cloud.ended().await;
        self.cloud_is_gone = true;
        say("the local cloud has ended; its tasks are asked to end …");
        reason
    }

    /// Stops the tasks, then the cloud. A second interrupt leaves what still runs to its supervisors.
    pub async fn down(self, interrupt: &mut Interrupt) -> Result<()> {
        let Self { scratch, mut cloud, cloud_is_gone, mut fargate, .. } = self;
        Target::forget(scratch.folder());
        let stop = async {
            fargate.stop(cloud_is_gone).await;
            cloud.stop().await;
            scratch.over().await;
        };
        tokio::select! {
            () = stop => Ok(()),
            () = interrupt.again() => Err(interrupted_twice(scratch.folder())),
        }
    }
}

async fn set_secrets(aws: &Aws, target: &Target, anthropic_keys: &str) -> Result<()> {
    let signing = serde_json::to_string(&signing_keys()?)?;
    for (name, value) in [
        (SecretName::WebsocketSigningKeys, signing.as_str()),
        (SecretName::AnthropicKeys, anthropic_keys),
        (SecretName::GitToken, "{}"),
    ] {
        aws.secrets().put(target.secret_arn(name)?, value).await?;
    }
    Ok(())
}

fn interrupted_twice(scratch: &Path) -> anyhow::Error {
    anyhow!(
        "interrupted while it stopped\nhint: `{}` waits for what is left",
        ralph(&format!("local --stop --scratch {}", quoted(scratch)))
    )
}

/// Where the repositories of a local cloud are, which go with it.
pub fn repositories(scratch: &Path) -> PathBuf {
    scratch.join("repositories")
}

/// Where the copies of people's repositories are that containers work on. They outlive a local cloud.
pub fn copies(project: &Project) -> Result<PathBuf> {
    let folder = project.tools().join("copies");
    fs::create_dir_all(&folder)?;
    // What a container's user may write, nobody else may enter.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    Ok(folder.canonicalize()?)
}

/// Where the stand-in for Fargate keeps its tasks.
pub fn tasks(scratch: &Path) -> PathBuf {
    scratch.join("tasks")
}

/// `ralph local`.
pub async fn run(options: LocalArgs) -> Result<()> {
    let project = Project::find()?;
    let scratch = options.scratch.clone().unwrap_or_else(|| default_scratch(&project));
    if options.stop {
        return scratch::stop(&scratch).await;
    }
    cloud::claim(options.viewer_port, "--viewer-port")?;
    let up = Options {
        environment: options.env.clone(),
        scratch,
        port: options.port,
        anthropic_keys: anthropic_keys(true),
        viewer: !options.no_viewer && !options.empty,
        release: options.release,
        containers: options.containers,
        fresh: options.fresh,
        management_base: options.management_base.clone(),
        empty: options.empty,
    };
    let mut interrupt = Interrupt::new()?;
    let mut local = Local::up(&project, up, &mut interrupt).await?;
    let result = match options.empty {
        true => rehearsal::wait(&mut local, &mut interrupt).await,
        false => serve(&project, &options, &mut local, &mut interrupt).await,
    };
    say("stopping …");
    local.down(&mut interrupt).await.and(result)
}

async fn serve(
    project: &Project,
    options: &LocalArgs,
    local: &mut Local,
    interrupt: &mut Interrupt,
) -> Result<()> {
    let aws = Aws::connect(&local.target).await?;
    let minter = Minter::connect(&local.target, &aws).await?;
    let page = (!options.no_viewer).then(|| project.viewer_dist());
    let server = server::bind(
        options.viewer_port,
        server::Site {
            page,
            websocket_url: local.target.websocket_url()?,
            workstreams: Shown::with_added(options.workstreams.clone(), local.scratch()),
            minter,
        },
    )
    .await?;
    // Without a page it gives tokens alone, and its link opens nothing.
    local.target.viewer = (!options.no_viewer).then(|| server.link());
    local.target.write(local.scratch())?;
    print(&format!("cloud   {}", local.target.endpoint.as_deref().unwrap_or_default()));
    let what = if options.no_viewer { "tokens" } else { "viewer" };
    print(&format!("{what}  {}", server.link()));
    let joined = format!("demo --join {}", quoted(local.scratch()));
    print(&format!("try     {}", just(&joined)));
    print(&format!("run     {}", ralph_there("run demo file:///… --scripted")));
    print("ready; Ctrl-C ends it");
    tokio::select! {
        result = server.run() => result,
        error = local.failed() => Err(error),
        () = interrupt.wait() => Ok(()),
    }
}

/// The key in the environment where it is wanted, or a placeholder: the scripted agent needs none.
pub fn anthropic_keys(wanted: bool) -> String {
    let value = std::env::var("ANTHROPIC_API_KEY").ok().filter(|value| wanted && !value.is_empty());
    let keys = serde_json::json!({
        "keys": [{ "id": "local", "value": value.as_deref().unwrap_or("no-key-in-the-environment") }]
    });
    keys.to_string()
}

/// Ctrl-C, SIGTERM, or the end of the terminal.
pub struct Interrupt {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    hup: tokio::signal::unix::Signal,
}

impl Interrupt {
    /// Takes the signals over from now on.
    pub fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
            _ = self.hup.recv() => {}
        }
    }

    /// Waits for another one. A shell may tell twice that its terminal is gone.
    pub async fn again(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

/// How long a stopping process may take before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
