//! Which environment a command speaks to: one on AWS, or the local cloud.

mod checks;
mod on_aws;

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use ralph_protocol::{
    ids::Workstream,
    names::{SecretName, output},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    project::Project,
    tools::{
        hex,
        invocation::{quoted, start_local},
    },
};

/// How a target is named on the command line.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// The environment on AWS
    #[arg(long, default_value = DEFAULT_ENVIRONMENT, conflicts_with_all = ["local", "scratch"])]
    pub env: String,
    /// The region to look the environment up in [default: ralph.toml's in a checkout, else AWS_REGION
    /// or the profile's]
    #[arg(long, conflicts_with_all = ["local", "scratch", "outputs"])]
    pub region: Option<String>,
    /// A file with the environment's outputs, as `ralph outputs` or `tofu output -json` prints them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "scratch"])]
    pub outputs: Option<PathBuf>,
    /// The local cloud that `ralph local` runs
    #[arg(long)]
    pub local: bool,
    /// The local cloud with this scratch folder
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// An environment with its outputs. Of a local cloud, `cloud.json` holds it, which only its owner reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub environment: String,
    /// Where the local cloud listens, or what AWS_ENDPOINT_URL names; `None`: AWS.
    pub endpoint: Option<String>,
    /// The operator's key in the local cloud.
    pub key: Option<AccessKey>,
    /// The page, when one is served: its link, with the secret that the server wants.
    pub viewer: Option<String>,
    /// The root module's outputs.
    pub outputs: BTreeMap<String, Value>,
}

/// The environment where none is named.
pub const DEFAULT_ENVIRONMENT: &str = "dev";

/// A key of the local cloud, made for one start of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// Twenty characters.
    pub id: String,
    /// Forty characters.
    pub secret: String,
}

impl AccessKey {
    /// A random one, of the form that AWS gives a user's.
    pub fn generate() -> Result<Self> {
        let digits = hex::random()?.to_ascii_uppercase();
        Ok(Self { id: format!("AKIA{}", &digits[..16]), secret: digits[16..56].to_owned() })
    }
}

const FILE: &str = "cloud.json";

/// The scratch folder of `ralph local` unless an option names another.
pub fn default_scratch(project: &Project) -> PathBuf {
    project.tools().join("local")
}

impl TargetArgs {
    /// The local cloud's scratch folder; `None` for an environment on AWS.
    pub fn scratch(&self) -> Option<PathBuf> {
        let default = || default_scratch(&Project::find().ok()?).into();
        self.scratch.clone().or_else(|| self.local.then(default).flatten())
    }

    /// How another command names the same target.
    pub fn words(&self) -> String {
        let mut words = match &self.scratch {
            Some(scratch) => format!(" --scratch {}", quoted(scratch)),
            None if self.local => " --local".to_owned(),
            None if self.env == DEFAULT_ENVIRONMENT => String::new(),
            None => format!(" --env {}", self.env),
        };
        if let Some(region) = &self.region {
            words += &format!(" --region {region}");
        }
        if let Some(file) = &self.outputs {
            words += &format!(" --outputs {}", quoted(file));
        }
        words
    }

    /// Finds the target's outputs.
    pub async fn resolve(&self) -> Result<Target> {
        if let Some(scratch) = &self.scratch {
            return Target::read(scratch);
        }
        if self.local {
            return Target::read(&default_scratch(&Project::find()?));
        }
        on_aws::resolve(self).await
    }
}

impl Target {
    /// What a running local cloud wrote about itself.
    pub fn read(scratch: &Path) -> Result<Self> {
        let file = scratch.join(FILE);
        if !file.exists() {
            bail!(
                "no local cloud runs in {}\nhint: start one with `{}`",
                scratch.display(),
                start_local()
            );
        }
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let target: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged", file.display()))?;
        target.expect_answer()?;
        Ok(target)
    }

    /// A local cloud that was killed leaves its file behind.
    fn expect_answer(&self) -> Result<()> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let address = endpoint.strip_prefix("http://").unwrap_or_default();
        TcpStream::connect(address).map(drop).with_context(|| {
            format!(
                "the local cloud at {endpoint} does not answer\nhint: start it again with `{}`",
                start_local()
            )
        })
    }

    /// Lets other commands of this user find this local cloud. Nobody else may read the file: it
    /// holds the page's secret.
    pub fn write(&self, scratch: &Path) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(scratch)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(scratch.join(FILE))?;
        Ok(())
    }

    /// Takes back what [`Target::write`] wrote.
    pub fn forget(scratch: &Path) {
        let _ = std::fs::remove_file(scratch.join(FILE));
    }

    /// An output that is a text.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.outputs
            .get(name)
            .and_then(Value::as_str)
            .with_context(|| format!("there is no output `{name}`"))
    }

    /// The environment's region, as its state machine's ARN has it.
    pub fn region(&self) -> Result<&str> {
        let arn = self.text(output::STATE_MACHINE_ARN)?;
        // It becomes a part of the hosts that requests go to.
        let plain = |region: &&str| {
            let label =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !region.is_empty() && region.bytes().all(label)
        };
        arn.split(':').nth(3).filter(plain).with_context(|| {
            format!(
                "output `{}` is not an ARN with a region\nhint: look at where the outputs come from before you go on",
                output::STATE_MACHINE_ARN
            )
        })
    }

    /// A secret's ARN.
    pub fn secret_arn(&self, secret: SecretName) -> Result<&str> {
        self.outputs
            .get(output::SECRET_ARNS)
            .and_then(|arns| arns[secret.as_str()].as_str())
            .with_context(|| format!("there is no secret `{}` in the outputs", secret.as_str()))
    }

    /// The agent's secrets: its variable, and the ARN as ECS takes it. An environment that an older version
    /// applied has none.
    pub fn agent_secrets(&self) -> Result<BTreeMap<String, String>> {
        let all = self.outputs.get(output::AGENT_SECRETS).cloned();
        let all = all.map(serde_json::from_value).transpose();
        let all = all.with_context(|| {
            format!("output `{}` is not a table of ARNs", output::AGENT_SECRETS)
        })?;
        Ok(all.unwrap_or_default())
    }

    /// Whether the model's service has an endpoint of its own.
    pub fn has_model_endpoint(&self) -> bool {
        self.outputs.get(output::MODEL_ENDPOINT) == Some(&Value::Bool(true))
    }

    /// The link that opens a workstream on the page, when one is served.
    pub fn link_to(&self, workstream: &Workstream) -> Option<String> {
        self.viewer.as_ref().map(|viewer| format!("{viewer}/w/{workstream}"))
    }

    /// Where a viewer connects, without the token.
    pub fn websocket_url(&self) -> Result<String> {
        let Some(endpoint) = &self.endpoint else {
            return self.text(output::WEBSOCKET_URL).map(str::to_owned);
        };
        // The local cloud tells APIs apart by path where the host name cannot be resolved.
        let api = self.text(output::WEBSOCKET_API_ID)?;
        let stage = self.text(output::WEBSOCKET_STAGE)?;
        Ok(format!("{}/_aws/execute-api/{api}/{stage}", endpoint.replacen("http", "ws", 1)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn target() -> Target {
        Target {
            key: None,
            environment: "dev".to_owned(),
            endpoint: None,
            viewer: Some("http://127.0.0.1:8080/#secret=abc".to_owned()),
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_link_leads_to_a_workstream_where_a_page_is_served() {
        let link = |target: Target| target.link_to(&"docs".parse().unwrap());
        assert_eq!(link(target()).unwrap(), "http://127.0.0.1:8080/#secret=abc/w/docs");
        assert_eq!(link(Target { viewer: None, ..target() }), None);
    }

    #[test]
    fn nobody_else_may_read_the_file_with_the_link() {
        let folder = tempfile::tempdir().unwrap();
        target().write(folder.path()).unwrap();
        let mode = folder.path().join(FILE).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Target::read(folder.path()).unwrap().viewer, target().viewer);
    }
}
