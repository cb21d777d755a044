//! `plan`, `apply` and `destroy` of an environment.

use std::{fs, path::Path};

use anyhow::{Result, bail};
use ralph_protocol::names::variable;
use serde_json::Value;

use crate::{
    args::{EnvironmentArgs, PlanArgs},
    project::Project,
    tools::{
        invocation::just,
        steps::step,
        terraform::{Terraform, copy_tree},
    },
};

/// No call to AWS: the provider would otherwise look up the account even for a plan.
const OFFLINE: &str = r#"provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

terraform {
  backend "local" {}
}
"#;

pub async fn plan(options: PlanArgs) -> Result<()> {
    let project = Project::find()?;
    let name = &options.environment.environment;
    let folder = project.environment(name)?;
    let logs = project.tools();
    if !options.offline {
        let terraform = Terraform::new(folder)?;
        step("init", terraform.init(&logs.join("init.log"))).await?;
        return terraform.shown(&["plan"], &options.environment.rest).await;
    }
    let scratch = tempfile::tempdir()?;
    let terraform = offline(&project, name, scratch.path())?;
    step("init", terraform.init(&logs.join("init.log"))).await?;
    terraform.shown(&["plan", "-refresh=false", "-lock=false"], &options.environment.rest).await
}

/// An environment in a scratch copy, with fake credentials.
fn offline(project: &Project, name: &str, scratch: &Path) -> Result<Terraform> {
    project.environment(name)?;
    let tree = scratch.join("terraform");
    copy_tree(&project.terraform(), &tree)?;
    let root = tree.join("envs").join(name);
    fs::write(root.join("offline_override.tf"), OFFLINE)?;
    Ok(Terraform::new(root)?
        .without_account()
        .env(&format!("TF_VAR_{}", variable::LAMBDA_ZIP), project.lambda_zip())
        // Nothing can be deployed offline, so prod's lock has nothing to keep.
        .env(&format!("TF_VAR_{}", variable::CONFIRM_PRODUCTION), variable::CONFIRMATION))
}

/// An environment's offline plan as JSON.
pub async fn offline_json(project: &Project, name: &str) -> Result<Value> {
    let scratch = tempfile::tempdir()?;
    let terraform = offline(project, name, scratch.path())?;
    step("init", terraform.init(&project.tools().join("init.log"))).await?;
    let file = scratch.path().join("plan");
    step("plan", terraform.plan_to(&file, &project.tools().join("plan.log"))).await?;
    terraform.show_json(&file).await
}

pub async fn apply(options: EnvironmentArgs) -> Result<()> {
    change(options, "apply").await
}

pub async fn destroy(options: EnvironmentArgs) -> Result<()> {
    change(options, "destroy").await
}

async fn change(options: EnvironmentArgs, command: &str) -> Result<()> {
    let project = Project::find()?;
    if options.environment == "prod" {
        bail!(
            "prod is not deployed yet: nobody has run it on an AWS account\nhint: use dev; terraform/envs/prod can be planned with `{}`",
            just("plan prod --offline")
        );
    }
    let terraform = Terraform::new(project.environment(&options.environment)?)?;
    step("init", terraform.init(&project.tools().join("init.log"))).await?;
    terraform.foreground(&[command], &options.rest).await
}
