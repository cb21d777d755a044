//! `plan`, `apply` and `destroy` of an environment.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use ralph_protocol::names::{Resources, variable};
use serde_json::Value;

use crate::{
    args::{DestroyArgs, EnvironmentArgs, PlanArgs},
    aws::{Aws, Parameter},
    preparation,
    project::{Description, Project},
    target::Target,
    tools::{
        invocation::just,
        steps::{say, step},
        terraform::{Terraform, copy_tree},
    },
    workstream::stop::{Running, everything},
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
    let (name, rest) = options.environment.parts();
    let folder = project.environment(&name)?;
    let logs = project.tools();
    if !options.offline {
        let terraform = Terraform::new(folder)?;
        step("init", terraform.init(&logs.join("init.log"))).await?;
        expect_state(&project, &terraform, &name).await?;
        return terraform.shown(&["plan"], &rest).await;
    }
    let scratch = tempfile::tempdir()?;
    let terraform = offline(&project, &name, scratch.path())?;
    step("init", terraform.init(&logs.join("init.log"))).await?;
    terraform.shown(&["plan", "-refresh=false", "-lock=false"], &rest).await
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
    let (environment, rest) = options.parts();
    let (project, terraform) = deployed(&environment)?;
    let description = Description::read(&project, &environment)?;
    let aws = Aws::in_region(&description.region).await;
    preparation::expect_account(&aws, &description).await?;
    step("init", terraform.init(&project.tools().join("init.log"))).await?;
    expect_state(&project, &terraform, &environment).await?;
    // Last: it may make the role, and nothing is made for an apply that is refused.
    preparation::prepare(&aws, &environment, &description).await?;
    let mut result = terraform.heard(&["apply"], &rest).await?;
    if result.as_ref().is_err_and(|said| preparation::is_about_the_role(said)) {
        preparation::pause_for_the_role().await?;
        // It asks again before it makes what is missing, unless `-auto-approve` is among the arguments.
        result = terraform.heard(&["apply"], &rest).await?;
    }
    result.map_err(|_| anyhow!("`{} apply` failed", terraform.name()))
}

pub async fn destroy(options: DestroyArgs) -> Result<()> {
    let DestroyArgs { stop, environment } = options;
    let (environment, rest) = environment.parts();
    let (project, terraform) = deployed(&environment)?;
    step("init", terraform.init(&project.tools().join("init.log"))).await?;
    expect_state(&project, &terraform, &environment).await?;
    let target = Target {
        outputs: terraform.outputs().await?,
        environment,
        endpoint: None,
        key: None,
        viewer: None,
    };
    // Not the outputs' region: what is half destroyed has none.
    let region = Description::read(&project, &target.environment)?.region;
    let aws = Aws::in_region(&region).await;
    let recipe = format!("destroy {}", target.environment);
    if stop {
        step("everything stopped", everything(&aws, &target, "`ralph destroy --stop`")).await?;
    } else {
        let running = match Running::of(&aws, &target).await {
            // What was never applied needs no account.
            Err(_) if target.outputs.is_empty() => None,
            running => Some(running.with_context(|| {
                format!("nobody can tell whether {} is in use", target.environment)
            })?),
        };
        if let Some(running) = running.filter(|running| !running.is_empty()) {
            bail!(
                "{} is in use, by these {running}\nhint: `{}` ends them first; their workers commit and push what they have",
                target.environment,
                just(&format!("{recipe} --stop"))
            );
        }
    }
    terraform.foreground(&["destroy"], &rest).await?;
    say(&format!("note: {}", preparation::STAYS));
    Ok(())
}

/// Refuses to go on when this checkout's state is empty although the environment is there: Terraform would
/// make everything a second time, or remove nothing.
async fn expect_state(project: &Project, terraform: &Terraform, environment: &str) -> Result<()> {
    // A state that cannot be read is Terraform's to complain of.
    if !terraform.is_empty().await.unwrap_or(false) {
        return Ok(());
    }
    let region = Description::read(project, environment)?.region;
    let name = Resources::new(environment).outputs_parameter();
    // Who may not look is told by Terraform what is missing.
    let found = Aws::in_region(&region).await.parameters().get(&name).await;
    if matches!(found, Ok(Parameter::Value(_))) {
        bail!(
            "{environment} is deployed, as the parameter {name} in {region} shows, but its state is elsewhere: the one of this checkout is empty\nhint: work where it was deployed from, or keep the state in S3 (`state.bucket` in ralph.toml); if it is lost, remove what it made by hand, the parameter last"
        );
    }
    Ok(())
}

/// An environment that is on AWS, or will be.
fn deployed(environment: &str) -> Result<(Project, Terraform)> {
    if environment == "prod" {
        bail!(
            "prod is not deployed yet: nobody has run it on an AWS account\nhint: use dev; terraform/envs/prod can be planned with `{}`",
            just("plan prod --offline")
        );
    }
    let project = Project::find()?;
    let terraform = Terraform::new(project.environment(environment)?)?;
    Ok((project, terraform))
}
