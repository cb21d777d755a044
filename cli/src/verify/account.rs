//! A real account: an environment `verify` of its own, made from ralph.toml's dev, and removed at the
//! end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use ralph_protocol::{names::SecretName, secret::GitToken};
use tokio::process::Command;

use super::{
    agent,
    report::Report,
    steps::{self, Setup},
};
use crate::{
    args::VerifyArgs,
    aws::Aws,
    build, complaint,
    keys::signing_keys,
    preparation,
    project::{Description, Project},
    target::{DEFAULT_ENVIRONMENT, Target},
    tools::{
        engine,
        program::{cargo, find, foreground, run},
        steps::{resources, say, step, step_with_log},
        terraform::Terraform,
    },
    workstream::stop::everything,
};

/// The environment's name.
const NAME: &str = "verify";
/// What the scripted agent needs of a key: its presence.
const NO_KEY: &str = r#"{"keys":[{"id":"verify","value":"the-scripted-agent-needs-none"}]}"#;

/// Where to verify; everything that can be checked in advance has been.
pub struct Account {
    project: Project,
    description: Description,
    /// Keeps the generated tree and the state: what was made can be removed later, too.
    folder: PathBuf,
    terraform: Terraform,
    repo: String,
    git_token: String,
}

impl Account {
    /// Checks everything that costs nothing to check.
    pub async fn check(project: &Project, options: &VerifyArgs) -> Result<Self> {
        let mut description = Description::read(project, DEFAULT_ENVIRONMENT)?;
        // As `configuration` writes it.
        description.create_service_linked_role = false;
        preparation::expect_account(&Aws::in_region(&description.region).await, &description)
            .await?;
        let Some(repo) = options.repo.clone() else {
            bail!(
                "--repo is missing\nhint: an https repository with a README.md that the run may push a branch to"
            );
        };
        let Some(file) = &options.git_token_file else {
            bail!(
                "--git-token-file is missing\nhint: a file with the JSON that `ralph keys set git-token` takes"
            );
        };
        let git_token = fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        GitToken::parse(&git_token)
            .with_context(|| format!("{} is not a git token", file.display()))?;
        if ["docker", "podman", "buildah"].iter().all(|builder| find(builder).is_err()) {
            bail!(
                "no docker, podman or buildah is on PATH\nhint: the worker image must be built and pushed"
            );
        }
        find("aws").context("the AWS CLI logs in to the image registry")?;
        if !options.yes {
            bail!(
                "this creates an environment `{NAME}` on your account, runs it for some minutes and removes it\nhint: it costs a few cents; add --yes"
            );
        }
        let folder = project.tools().join("verify-aws");
        let root = generate(project, &folder).await?;
        let terraform = Terraform::new(root)?.env("TF_VAR_lambda_zip", project.lambda_zip());
        Ok(Self {
            project: project.clone(),
            description,
            folder,
            terraform,
            repo,
            git_token: git_token.trim().to_owned(),
        })
    }

    pub async fn verify(&self, report: &mut Report) -> Result<()> {
        build::lambdas_step(&self.project).await?;
        step("init", self.terraform.init(&self.folder.join("init.log"))).await?;
        let aws = Aws::in_region(&self.description.region).await;
        steps::account(&aws.prerequisites(), &self.description, report).await?;
        preparation::prepare(&aws, NAME, &self.description).await?;
        let log = self.folder.join("apply.log");
        let apply = || step_with_log("apply", &log, resources, self.terraform.apply(&log));
        if let Err(error) = apply().await {
            if !preparation::is_about_the_role(&fs::read_to_string(&log)?) {
                return Err(error);
            }
            preparation::pause_for_the_role().await?;
            apply().await?;
        }
        report.add("apply", "creates everything", "the same", "created", true);
        let changes = self.terraform.has_changes(&self.folder.join("plan.log")).await?;
        report.add(
            "a second plan",
            "changes nothing",
            "sees what the emulator reports wrongly",
            if changes { "there are changes: plan.log" } else { "no changes" },
            !changes,
        );
        let target = self.target().await?;
        self.set_secrets(&target).await?;
        self.push_image().await?;
        report.add(
            "the worker image",
            "is pushed under output worker_image",
            "is not used",
            "pushed",
            true,
        );
        let setup = Setup { target: &target, scratch: None, repo: self.repo.clone() };
        steps::run(&setup, report).await
    }

    /// As much of the environment as there is.
    async fn target(&self) -> Result<Target> {
        Ok(Target {
            environment: NAME.to_owned(),
            endpoint: None,
            key: None,
            viewer: None,
            outputs: self.terraform.outputs().await?,
        })
    }

    async fn set_secrets(&self, target: &Target) -> Result<()> {
        let secrets = Aws::connect(target).await?.secrets();
        let signing = serde_json::to_string(&signing_keys()?)?;
        for (name, value) in [
            (SecretName::WebsocketSigningKeys, signing.as_str()),
            (SecretName::AnthropicKeys, NO_KEY),
            (SecretName::GitToken, &self.git_token),
        ] {
            secrets.put(target.secret_arn(name)?, value).await?;
        }
        Ok(())
    }

    async fn push_image(&self) -> Result<()> {
        let mut push = Command::new(self.project.root().join("docker/push.sh"));
        push.arg(NAME)
            .env("RALPH_TERRAFORM_DIR", self.folder.join("terraform"))
            .env(engine::CHOICE, self.terraform.program());
        // It shows its own progress at the terminal.
        foreground(&mut push).await
    }

    /// Stops what runs, removes everything, and says whether it is gone.
    pub async fn destroy(&self, report: &mut Report) -> Result<()> {
        let gone = self.remove().await.with_context(|| {
            format!(
                "not everything is removed, and what is left costs money\nhint: again with `{}`",
                self.destroy_command()
            )
        });
        report.add(
            "destroy, once nothing runs",
            "removes everything that Terraform made",
            "is not tried",
            if gone.is_ok() { "removed" } else { "failed" },
            gone.is_ok(),
        );
        gone
    }

    async fn remove(&self) -> Result<()> {
        // What failed before the apply has made nothing, and may lack the init that a destroy needs.
        if self.terraform.is_empty().await.unwrap_or(false) {
            return Ok(());
        }
        let target = self.target().await?;
        let aws = Aws::in_region(&self.description.region).await;
        let stopped = everything(&aws, &target, "`ralph verify-aws`");
        // What still runs may yet end while the rest is removed.
        if let Err(error) = step("everything stopped", stopped).await {
            say(&format!("note: {}", complaint::text(&error)));
        }
        let log = self.folder.join("destroy.log");
        step_with_log("destroy", &log, resources, self.terraform.destroy(&log)).await
    }

    /// How a person removes it.
    pub fn destroy_command(&self) -> String {
        destroy_command(&self.terraform, &self.folder.join("terraform/envs").join(NAME))
    }
}

fn destroy_command(terraform: &Terraform, root: &Path) -> String {
    format!("{} -chdir={} destroy", terraform.name(), root.display())
}

/// Writes the environment from ralph.toml's dev, with the scripted agent, and gives its root module.
async fn generate(project: &Project, folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("terraform");
    let root = tree.join("envs").join(NAME);
    if root.join("terraform.tfstate").exists() {
        let state = fs::read_to_string(root.join("terraform.tfstate"))?;
        if state.contains("\"mode\": \"managed\"") {
            bail!(
                "the last verification left something on an account\nhint: `{}` removes it",
                destroy_command(&Terraform::new(&root)?, &root)
            );
        }
    }
    fs::create_dir_all(folder)?;
    let text = fs::read_to_string(project.root().join("ralph.toml"))?;
    let config = folder.join("ralph.toml");
    fs::write(&config, configuration(&text)?)?;
    let mut generator = cargo(&find("cargo")?);
    generator
        .args(["run", "--quiet", "--bin", "generator", "--", "--config"])
        .arg(&config)
        .arg("--out")
        .arg(&tree)
        .current_dir(project.root());
    step("environment written (generator)", run(&generator, &folder.join("generator.log"))).await?;
    Ok(root)
}

/// ralph.toml with one environment: dev's settings, its own name, the scripted agent.
fn configuration(text: &str) -> Result<String> {
    let mut config: toml::Table = text.parse().context("ralph.toml is not TOML")?;
    let environments = config.get_mut("env").and_then(toml::Value::as_table_mut);
    let environments = environments.context("ralph.toml has no environments")?;
    let mut dev = environments.remove("dev").context("ralph.toml has no environment dev")?;
    let table = dev.as_table_mut().context("dev is not a table")?;
    // Its state is kept here and removed with it.
    table.remove("state");
    // The role is the account's: `prepare` makes it if it is missing, and no destroy may take it from dev.
    table.remove("create_service_linked_role");
    let worker = table.entry("worker").or_insert_with(|| toml::Table::new().into());
    let worker = worker.as_table_mut().context("dev.worker is not a table")?;
    worker.insert("agent_command".to_owned(), agent::command().into());
    environments.clear();
    environments.insert(NAME.to_owned(), dev);
    Ok(toml::to_string(&config)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_dev_under_another_name_with_another_agent() {
        let text = include_str!("../../../ralph.toml");
        let text = &text.replace("[env.dev]\n", "[env.dev]\ncreate_service_linked_role = true\n");
        let config: toml::Table = configuration(text).unwrap().parse().unwrap();
        let environments = config["env"].as_table().unwrap();
        assert_eq!(environments.keys().collect::<Vec<_>>(), [NAME]);
        let dev: toml::Table = text.parse().unwrap();
        assert_eq!(environments[NAME]["region"], dev["env"]["dev"]["region"]);
        assert_eq!(dev["env"]["dev"]["create_service_linked_role"].as_bool(), Some(true));
        assert!(environments[NAME].get("create_service_linked_role").is_none(), "{config}");
        assert_eq!(
            environments[NAME]["worker"]["agent_command"].as_str(),
            Some(&*agent::command())
        );
    }
}
