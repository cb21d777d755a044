//! The project: where things lie, and what `ralph.toml` says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use anyhow::{Context, Result, bail};

/// What an environment's table in `ralph.toml` says about it before it is applied.
#[derive(Debug, Deserialize)]
pub struct Description {
    /// Its region.
    #[serde(default = "default_region")]
    pub region: String,
    /// The account that the HCL insists on.
    pub account_id: Option<String>,
    /// Whether Terraform makes ECS's service-linked role.
    #[serde(default)]
    pub create_service_linked_role: bool,
    #[serde(default)]
    pub agent: Agent,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    websocket: Websocket,
    #[serde(default)]
    worker: Worker,
}

#[derive(Debug, Default, Deserialize)]
struct Worker {
    image: Option<String>,
}

/// What the agent gets.
#[derive(Debug, Default, Deserialize)]
pub struct Agent {
    /// ARNs of its secrets, by variable.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Websocket {
    push_logs_concurrency: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
struct Network {
    mode: Option<String>,
    zones: Option<Vec<String>>,
    vpc_id: Option<String>,
    #[serde(default)]
    subnet_ids: Vec<String>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

impl Description {
    /// Reads an environment's table in `ralph.toml`.
    pub fn read(project: &Project, environment: &str) -> Result<Self> {
        let mut toml = project.toml()?;
        let table = toml.get_mut("env").and_then(|all| all.as_table_mut()?.remove(environment));
        let table = table.with_context(|| {
            format!("ralph.toml has no environment `{environment}`\nhint: write terraform/ again with `just gen`")
        })?;
        table.try_into().context("ralph.toml is not as `just gen` takes it")
    }

    /// The image that its tasks run, if that is not the one that `just build-worker` builds.
    pub fn own_image(&self) -> Option<&str> {
        self.worker.image.as_deref()
    }

    /// Instances that are reserved for push-logs.
    pub fn push_logs_concurrency(&self) -> Option<i32> {
        self.websocket.push_logs_concurrency
    }

    /// The network that the HCL expects to find, for `cli/tools/local_cloud/network.py`; `None` where
    /// it makes its own.
    pub fn existing_network(&self) -> Option<serde_json::Value> {
        if matches!(self.network.mode.as_deref(), None | Some("create")) {
            return None;
        }
        let letters =
            self.network.zones.clone().unwrap_or_else(|| ["a", "b"].map(String::from).into());
        let zones: Vec<String> =
            letters.iter().map(|letter| format!("{}{letter}", self.region)).collect();
        Some(serde_json::json!({
            "zones": zones, "vpc_id": self.network.vpc_id, "subnet_ids": self.network.subnet_ids,
        }))
    }
}

/// The project's folder.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// Finds the project from the current folder upward.
    ///
    /// # Errors
    /// When no folder above holds `ralph.toml` and `terraform/`.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir().context("the current folder cannot be read")?;
        for folder in here.ancestors() {
            if folder.join("ralph.toml").is_file() && folder.join("terraform").is_dir() {
                return Ok(Self { root: folder.to_owned() });
            }
        }
        bail!(
            "no ralph.toml with a terraform folder beside it in {} or above\nhint: run this inside the project, after `just gen`",
            here.display()
        )
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tools the project installs for itself; ignored by git.
    pub fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    pub fn terraform(&self) -> PathBuf {
        self.root.join("terraform")
    }

    /// The root module of an environment.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn environment(&self, name: &str) -> Result<PathBuf> {
        let envs = self.terraform().join("envs");
        let folder = envs.join(name);
        if name.contains(['/', '.']) || !folder.is_dir() {
            let mut known: Vec<String> = std::fs::read_dir(&envs)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            known.sort();
            bail!("there is no environment `{name}`\nhint: known are {}", known.join(", "));
        }
        Ok(folder)
    }

    /// The zip of the Lambda functions.
    pub fn lambda_zip(&self) -> PathBuf {
        self.root.join("dist/ralph-lambda.zip")
    }

    /// `ralph.toml`, which `just gen` has checked.
    fn toml(&self) -> Result<toml::Table> {
        let file = self.root.join("ralph.toml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        text.parse().with_context(|| format!("{} is not TOML", file.display()))
    }

    /// The architecture of the functions and the worker's image: `x86_64` or `arm64`.
    pub fn architecture(&self) -> Result<String> {
        let value = self.toml()?.remove("architecture");
        Ok(value.and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or("x86_64".to_owned()))
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |dir| self.root.join(dir))
    }

    /// The built page.
    pub fn viewer_dist(&self) -> PathBuf {
        self.root.join("viewer/dist")
    }
}
