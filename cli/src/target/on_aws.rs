//! Finding the outputs of an environment on AWS: in the SSM parameter that Terraform writes, in a file,
//! or in the state of this checkout.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use ralph_protocol::names::{Resources, output};
use serde_json::Value;

use super::{Target, TargetArgs};
use crate::{
    aws::{Aws, Parameter},
    project::{Description, Project},
    tools::{
        invocation::{just, ralph},
        terraform::Terraform,
    },
};

type Outputs = BTreeMap<String, Value>;

pub(super) async fn resolve(args: &TargetArgs) -> Result<Target> {
    let environment = args.env.clone();
    let target = |outputs| Target {
        environment,
        endpoint: std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty()),
        key: None,
        viewer: None,
        outputs,
    };
    let (outputs, place) = match &args.outputs {
        Some(file) => (read(file)?, None),
        None => look_up(args).await?,
    };
    let target = target(outputs);
    let region = place.map_or_else(|| target.region().map(str::to_owned), Ok)?;
    let account = Aws::connect(&target).await?.account().await?;
    target.check(&account, &region)?;
    Ok(target)
}

fn read(file: &Path) -> Result<Outputs> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    parse(&text).with_context(|| {
        format!(
            "{} does not hold outputs\nhint: `{}` and `tofu output -json` print them",
            file.display(),
            ralph("outputs")
        )
    })
}

/// Outputs as the parameter holds them, or as Terraform prints them.
fn parse(text: &str) -> Result<Outputs> {
    let all: Outputs = serde_json::from_str(text)?;
    let plain = |mut output: Value| match output.get_mut("value") {
        Some(value) => value.take(),
        None => output,
    };
    Ok(all.into_iter().map(|(name, output)| (name, plain(output))).collect())
}

/// The outputs, and the region that the parameter with them is in: what it names is there, too.
async fn look_up(args: &TargetArgs) -> Result<(Outputs, Option<String>)> {
    let name = Resources::new(&args.env).outputs_parameter();
    // Whoever names a region means what is there, whatever this checkout says.
    let checkout = match args.region {
        Some(_) => None,
        None => Checkout::find(&args.env)?,
    };
    let region = match (&args.region, &checkout) {
        (Some(region), _) => region.clone(),
        (None, Some(checkout)) => checkout.region.clone(),
        (None, None) => Aws::region_of_the_surroundings().await.with_context(|| {
            format!(
                "the region in which to look for environment `{}` is not known\nhint: add --region, or set AWS_REGION; it is needed only until the environment is found",
                args.env
            )
        })?,
    };
    let aws = Aws::in_region(&region).await;
    let found = aws.parameters().get(&name).await.with_context(|| {
        format!("environment `{}` cannot be looked up in region {region}", args.env)
    })?;
    let checkout = match (found, checkout) {
        (Parameter::Value(text), _) => {
            let outputs = parse(&text);
            let outputs = outputs.with_context(|| format!("parameter {name} is not JSON"))?;
            return Ok((outputs, Some(region)));
        }
        (Parameter::Denied(error), None) => return Err(error),
        (Parameter::Missing, None) => {
            let account = aws.account().await?;
            bail!(
                "account {account} has no environment `{}` in {region}: there is no parameter {name}\nhint: --region names another region, AWS_PROFILE another account; `{}` in a checkout makes the environment",
                args.env,
                just(&format!("apply {}", args.env))
            );
        }
        (Parameter::Denied(error), Some(checkout)) => (checkout, Some(error)),
        (Parameter::Missing, Some(checkout)) => (checkout, None),
    };
    // An older version applied it, or this person may not read parameters: its state knows as much.
    let (checkout, denied) = checkout;
    let outputs = checkout.outputs().await;
    match (outputs, denied) {
        (Ok(outputs), _) if outputs.contains_key(output::WEBSOCKET_URL) => Ok((outputs, None)),
        (_, Some(denied)) => Err(denied),
        (Ok(_), None) => {
            let account = aws.account().await?;
            bail!(
                "{} has never been applied: account {account} has no parameter {name} in {region}, and its state here is empty\nhint: `{}` makes it; AWS_PROFILE names another account; --local is the local cloud",
                args.env,
                just(&format!("apply {}", args.env))
            )
        }
        (Err(error), None) => {
            let whose = match checkout.keeps_its_state_elsewhere() {
                true => "is elsewhere and",
                false => "in this checkout",
            };
            Err(error.context(format!(
                "the state of {} {whose} cannot be read, and there is no parameter {name} in {region}\nhint: with credentials that may read the state, `{}` writes the parameter",
                args.env,
                just(&format!("apply {}", args.env))
            )))
        }
    }
}

/// An environment in the checkout that this is run in.
struct Checkout {
    project: Project,
    environment: String,
    region: String,
}

impl Checkout {
    /// # Errors
    /// When this is a checkout, but has no such environment.
    fn find(environment: &str) -> Result<Option<Self>> {
        let Ok(project) = Project::find() else { return Ok(None) };
        project.environment(environment)?;
        let region = Description::read(&project, environment)?.region;
        Ok(Some(Self { project, environment: environment.to_owned(), region }))
    }

    fn folder(&self) -> Result<PathBuf> {
        self.project.environment(&self.environment)
    }

    /// Whether the state is in S3, not a file of this checkout.
    fn keeps_its_state_elsewhere(&self) -> bool {
        self.folder().is_ok_and(|folder| folder.join("backend.tf").is_file())
    }

    /// What the state holds. A state that is kept elsewhere needs `init` once.
    async fn outputs(&self) -> Result<Outputs> {
        let terraform = Terraform::new(self.folder()?)?;
        if let Ok(outputs) = terraform.outputs().await {
            return Ok(outputs);
        }
        terraform.init(&self.project.tools().join("init.log")).await?;
        terraform.outputs().await
    }
}
