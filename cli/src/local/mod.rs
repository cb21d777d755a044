//! The local cloud: the same HCL and the same Lambda binary on one machine.

pub mod agents;
mod cloud;
mod fargate;
pub mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::names::{SecretName, output, variable};

use crate::{
    args::LocalArgs,
    aws::Aws,
    build,
    keys::signing_keys,
    project::Project,
    target::{LOCAL_ENVIRONMENT, Target, default_scratch},
    token::Minter,
    tools::{
        python::{self, LOCAL_CLOUD},
        steps::{crates, resources, step, step_with_log},
        terraform::{Terraform, copy_tree},
    },
};

use cloud::Cloud;
pub use cloud::claim;
use fargate::Fargate;

pub use fargate::JOURNAL;

/// Where state is kept: the one thing the local cloud adds to the generated HCL.
const OVERRIDE: &str = "terraform {\n  backend \"local\" {}\n}\n";

const APPLY: &str = "environment created (apply)";

/// How the local cloud is brought up.
pub struct Options {
    pub scratch: PathBuf,
    pub port: u16,
    /// The text of the secret `anthropic-keys`.
    pub anthropic_keys: String,
    /// Also build the page.
    pub viewer: bool,
    /// Run the functions as they are shipped, not as they are developed.
    pub release: bool,
    /// Where the functions post to; `None`: the local cloud itself.
    pub management_base: Option<String>,
}

/// A local cloud that runs.
pub struct Local {
    pub target: Target,
    pub scratch: PathBuf,
    cloud: Cloud,
    fargate: Fargate,
}

impl Local {
    /// Builds what is needed, starts the cloud, applies the HCL and sets the secrets.
    pub async fn up(project: &Project, options: Options) -> Result<Self> {
        // Before anything slow: a port that is taken now will be taken then.
        cloud::claim(options.port, "--port")?;
        let scratch = clear(&options.scratch)?;
        let root = scratch.join("terraform/envs").join(LOCAL_ENVIRONMENT);
        copy_tree(&project.terraform(), &scratch.join("terraform"))?;
        fs::write(root.join("local_override.tf"), OVERRIDE)?;
        let terraform = Terraform::new(&root)?.without_account();
        let cloud = async {
            let bin =
                step("local cloud installed (pip)", python::install(project, &LOCAL_CLOUD)).await?;
            step("local cloud started", Cloud::start(&bin, &scratch, options.port)).await
        };
        let init_log = scratch.join("init.log");
        let init = step("providers (init)", terraform.init(&init_log));
        let programs = async {
            let (name, log) = ("worker and functions (cargo)", build::programs_log(project));
            let programs = step_with_log(name, &log, crates, build::programs(project)).await?;
            let zip = match options.release {
                true => {
                    let shipped = build::lambdas_for_this_host(project);
                    let name = "functions as shipped (cargo-lambda)";
                    step_with_log(name, &build::lambdas_log(project), crates, shipped).await?
                }
                false => programs.functions(&scratch)?,
            };
            anyhow::Ok((programs, zip))
        };
        let viewer = async {
            match options.viewer {
                true => step("viewer (npm)", build::viewer(project)).await,
                false => Ok(()),
            }
        };
        let (mut cloud, (), (programs, zip), ()) = tokio::try_join!(cloud, init, programs, viewer)?;

        let endpoint = cloud.endpoint();
        let management_base =
            options.management_base.unwrap_or_else(|| format!("{endpoint}/_aws/execute-api"));
        let terraform = terraform
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env(&format!("TF_VAR_{}", variable::LAMBDA_ZIP), zip)
            .env(&format!("TF_VAR_{}", variable::MANAGEMENT_BASE), management_base)
            // The stand-in for Fargate can read this machine's files.
            .env(&format!("TF_VAR_{}", variable::ALLOW_FILE_REPOSITORIES), "true");
        let apply_log = scratch.join("apply.log");
        let apply = || step_with_log(APPLY, &apply_log, resources, terraform.apply(&apply_log));
        let first = apply().await;
        if let Err(error) = first {
            // Seen once in some fifteen applies: the provider repeats a request whose answer was
            // lost, and the server, which had done it, refuses the second. Nothing but a fresh
            // server helps; any other failure is a real one.
            if !error.to_string().contains("InvalidGroup.Duplicate") {
                return Err(error);
            }
            eprintln!("note: an answer of the local cloud was lost; it is started afresh, once");
            cloud.stop().await;
            let _ = fs::remove_file(root.join("terraform.tfstate"));
            let bin = python::install(project, &LOCAL_CLOUD).await?;
            cloud = Cloud::start(&bin, &scratch, cloud.port()).await?;
            apply().await?;
        }
        let target = Target {
            environment: LOCAL_ENVIRONMENT.to_owned(),
            endpoint: Some(endpoint),
            viewer: None,
            outputs: terraform.outputs().await?,
        };
        let aws = Aws::connect(&target).await;
        let signing = serde_json::to_string(&signing_keys()?)?;
        for (name, value) in [
            (SecretName::WebsocketSigningKeys, signing.as_str()),
            (SecretName::AnthropicKeys, &options.anthropic_keys),
            (SecretName::GitToken, "{}"),
        ] {
            aws.secrets().put(target.secret_arn(name)?, value).await?;
        }
        let cluster = target.text(output::CLUSTER)?.to_owned();
        let fargate =
            Fargate::start(&aws, LOCAL_ENVIRONMENT, cluster, programs.worker, tasks(&scratch));
        Ok(Self { target, scratch, cloud, fargate })
    }

    /// Resolves when the cloud's server ends by itself, with the reason.
    pub async fn failed(&mut self) -> anyhow::Error {
        self.cloud.ended().await
    }

    /// Stops the tasks, then the cloud.
    pub async fn down(mut self) {
        Target::forget(&self.scratch);
        self.fargate.stop().await;
        self.cloud.stop().await;
    }
}

/// Where the stand-in for Fargate keeps its tasks.
pub fn tasks(scratch: &Path) -> PathBuf {
    scratch.join("tasks")
}

/// Empties a scratch folder of ours. Another folder's content is never deleted.
fn clear(scratch: &Path) -> Result<PathBuf> {
    const MARK: &str = ".ralph-scratch";
    let mark = scratch.join(MARK);
    let empty = fs::read_dir(scratch).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !mark.exists() {
        bail!(
            "{} holds files that are not ralph's\nhint: name an empty folder with --scratch",
            scratch.display()
        );
    }
    if let Ok(target) = Target::read(scratch)
        && target.endpoint.as_deref().is_some_and(cloud::is_alive)
    {
        bail!(
            "a local cloud already runs with {}\nhint: stop it with Ctrl-C, or name another folder with --scratch",
            scratch.display()
        );
    }
    if !empty {
        fs::remove_dir_all(scratch)
            .with_context(|| format!("{} cannot be emptied", scratch.display()))?;
    }
    fs::create_dir_all(scratch).with_context(|| format!("{} cannot be made", scratch.display()))?;
    fs::write(&mark, "ralph empties this folder when it starts a local cloud here\n")?;
    Ok(scratch.canonicalize()?)
}

/// `ralph local`.
pub async fn run(options: LocalArgs) -> Result<()> {
    let project = Project::find()?;
    cloud::claim(options.viewer_port, "--viewer-port")?;
    let scratch = options.scratch.clone().unwrap_or_else(|| default_scratch(&project));
    let up = Options {
        scratch,
        port: options.port,
        anthropic_keys: anthropic_keys(true),
        viewer: !options.no_viewer,
        release: options.release,
        management_base: options.management_base.clone(),
    };
    let mut interrupt = Interrupt::new()?;
    let mut local = tokio::select! {
        local = Local::up(&project, up) => local?,
        () = interrupt.wait() => bail!("interrupted; nothing is left running"),
    };
    let result = serve(&project, &options, &mut local, &mut interrupt).await;
    eprintln!("stopping …");
    local.down().await;
    result
}

async fn serve(
    project: &Project,
    options: &LocalArgs,
    local: &mut Local,
    interrupt: &mut Interrupt,
) -> Result<()> {
    let aws = Aws::connect(&local.target).await;
    let minter = Minter::connect(&local.target, &aws).await?;
    let page = (!options.no_viewer).then(|| project.viewer_dist());
    let server = server::bind(
        options.viewer_port,
        server::Site {
            page,
            websocket_url: local.target.websocket_url()?,
            workstreams: options.workstreams.clone(),
            minter,
        },
    )
    .await?;
    local.target.viewer = Some(server.address());
    local.target.write(&local.scratch)?;
    println!("cloud   {}", local.target.endpoint.as_deref().unwrap_or_default());
    println!("viewer  {}", server.address());
    println!("try     just demo --join {}", local.scratch.display());
    println!("ready; Ctrl-C ends it");
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

/// Ctrl-C or SIGTERM.
pub struct Interrupt {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
}

impl Interrupt {
    pub fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

/// How long a stopping process may take before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_never_emptied() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = clear(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not ralph's"), "{error}");
        assert!(folder.path().join("thesis.tex").exists());
    }

    #[test]
    fn a_scratch_folder_of_ours_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = clear(&folder.path().join("new")).unwrap();
        fs::write(scratch.join("old.log"), "x").unwrap();
        clear(&scratch).unwrap();
        assert!(!scratch.join("old.log").exists());
    }
}
