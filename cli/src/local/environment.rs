//! The generated HCL, applied to the local cloud, or restored as it was applied before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use ralph_protocol::names::variable;

use super::{
    Options,
    cloud::{Cloud, Start},
    kept::{Kept, Outputs},
};
use crate::{
    project::{Description, Project},
    tools::{
        steps::{resources, say, step, step_with_log},
        terraform::{Terraform, copy_tree},
    },
};

/// Where state is kept: the one thing the local cloud adds to the generated HCL.
const OVERRIDE: &str = "terraform {\n  backend \"local\" {}\n}\n";

/// A copy of the HCL in the scratch folder.
pub struct Environment {
    terraform: Terraform,
    root: PathBuf,
    scratch: PathBuf,
    /// Where the functions post to; `None`: the local cloud itself.
    management_base: Option<String>,
    kept: Kept,
    /// Whether what is kept is not wanted.
    fresh: bool,
    /// What an earlier apply of the same HCL gave.
    outputs: Option<Outputs>,
}

impl Environment {
    /// Copies the HCL and looks whether the same was applied before.
    pub fn copy(
        project: &Project,
        description: &Description,
        options: &Options,
        scratch: &Path,
    ) -> Result<Self> {
        let tree = scratch.join("terraform");
        let root = tree.join("envs").join(&options.environment);
        copy_tree(&project.terraform(), &tree)?;
        fs::write(root.join("local_override.tf"), OVERRIDE)?;
        let kept = Kept::of(project, &options.environment, &tree, &format!("{description:?}"))?;
        let mut environment = Self {
            terraform: Terraform::new(&root)?.without_account(),
            root,
            scratch: scratch.to_owned(),
            management_base: options.management_base.clone(),
            kept,
            fresh: options.fresh,
            outputs: None,
        };
        if environment.is_kept() && !options.fresh {
            environment.outputs = environment.kept.read();
        }
        Ok(environment)
    }

    /// Whether what is made is kept for the next start. The server's own address is corrected then;
    /// another one's is not known.
    fn is_kept(&self) -> bool {
        self.management_base.is_none()
    }

    /// What can be done before the server runs.
    pub async fn prepare(&self) -> Result<()> {
        match self.outputs {
            Some(_) => Ok(()),
            None => self.init().await,
        }
    }

    async fn init(&self) -> Result<()> {
        let log = self.scratch.join("init.log");
        step("providers (init)", self.terraform.init(&log)).await
    }

    /// Starts the server with the environment in it.
    pub async fn make(mut self, start: Start, zip: &Path) -> Result<(Cloud, Outputs)> {
        if let Some(outputs) = self.outputs.take() {
            let restore = Some((self.kept.state(), zip.to_owned()));
            let cloud = Cloud::start(Start { restore, ..start.clone() });
            match step("environment restored, as it was applied before", cloud).await {
                Ok(cloud) => return Ok((cloud, outputs)),
                Err(error) => say(&format!("note: {error:#}\nnote: it is applied again")),
            }
            self.kept.forget();
            self.init().await?;
        }
        let save = self.kept.unfinished()?;
        let start = Start { save: Some(save.clone()), ..start };
        let cloud = step("local cloud started", Cloud::start(start)).await?;
        let (cloud, outputs) = self.apply(cloud, zip).await?;
        if self.is_kept() {
            if self.fresh {
                self.kept.forget();
            }
            // Before any secret has a value.
            if let Err(error) = cloud.save().and_then(|()| self.kept.write(&save, &outputs)) {
                say(&format!("note: {error:#}\nnote: the next start applies the HCL again"));
            }
        }
        Ok((cloud, outputs))
    }

    async fn apply(&self, mut cloud: Cloud, zip: &Path) -> Result<(Cloud, Outputs)> {
        let base = format!("{}/_aws/execute-api", cloud.endpoint());
        let variables = [
            (variable::LAMBDA_ZIP, zip.as_os_str().to_owned()),
            (variable::MANAGEMENT_BASE, self.management_base.clone().unwrap_or(base).into()),
            // The stand-in for Fargate can read this machine's files.
            (variable::ALLOW_FILE_REPOSITORIES, "true".into()),
            // Nothing is deployed, so production's lock has nothing to keep.
            (variable::CONFIRM_PRODUCTION, variable::CONFIRMATION.into()),
        ];
        let mut terraform = self.terraform.clone();
        for (name, value) in variables {
            terraform = terraform.env(&format!("TF_VAR_{name}"), value);
        }
        let terraform = terraform
            .env("AWS_ENDPOINT_URL", cloud.endpoint())
            .env("AWS_ACCESS_KEY_ID", &cloud.key().id)
            .env("AWS_SECRET_ACCESS_KEY", &cloud.key().secret);
        let log = self.scratch.join("apply.log");
        let apply =
            || step_with_log("environment created (apply)", &log, resources, terraform.apply(&log));
        if let Err(error) = apply().await {
            // Seen once in some fifteen applies: the provider repeats a request whose answer was
            // lost, and the server, which had done it, refuses the second. Nothing but a fresh
            // server helps; any other failure is a real one.
            if !error.to_string().contains("InvalidGroup.Duplicate") {
                return Err(error);
            }
            say("note: an answer of the local cloud was lost; it is started afresh, once");
            let _ = fs::remove_file(self.root.join("terraform.tfstate"));
            cloud = cloud.again().await?;
            apply().await?;
        }
        Ok((cloud, terraform.outputs().await?))
    }
}
