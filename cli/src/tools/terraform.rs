//! Driving tofu or terraform.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::tools::{
    program::{find, foreground, heard, output, run_with},
    supervise::Handover,
};

/// tofu or terraform in a root module.
#[derive(Debug, Clone)]
pub struct Terraform {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, OsString)>,
    cleared: bool,
}

impl Terraform {
    /// For the root module in `folder`, as the person's own environment sets it up.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self {
            program: find("terraform")?,
            folder: folder.into(),
            environment: Vec::new(),
            cleared: false,
        })
    }

    /// The tool's name: `tofu` or `terraform`.
    pub fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Takes every AWS setting of the surroundings away: what runs must not reach an account.
    #[must_use]
    pub fn without_account(mut self) -> Self {
        self.cleared = true;
        self.env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("-chdir={}", self.folder.display())).args(arguments);
        if self.cleared {
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("AWS_") {
                    command.env_remove(name);
                }
            }
        }
        // A configuration that is named but does not exist is only good for a warning.
        if std::env::var_os("TF_CLI_CONFIG_FILE").is_some_and(|file| !Path::new(&file).exists()) {
            command.env_remove("TF_CLI_CONFIG_FILE");
        }
        command.envs([("CHECKPOINT_DISABLE", "1"), ("TF_IN_AUTOMATION", "1")]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn run(&self, command: &Command, log: &Path) -> Result<()> {
        // Without an account nothing is lost with what a killed one does not write down.
        run_with(command, log, &Handover { at_once: self.cleared, ..Handover::default() }).await
    }

    /// `init`, from a provider mirror on this machine if there is one.
    pub async fn init(&self, log: &Path) -> Result<()> {
        let mut command = self.command(&["init", "-input=false", "-no-color"]);
        if let Some(mirror) = mirror() {
            command.arg(format!("-plugin-dir={}", mirror.display()));
        }
        self.run(&command, log).await
    }

    /// `apply` without questions, its output in `log`.
    pub async fn apply(&self, log: &Path) -> Result<()> {
        self.run(&self.command(&["apply", "-auto-approve", "-input=false", "-no-color"]), log).await
    }

    /// `destroy` without questions, its output in `log`.
    pub async fn destroy(&self, log: &Path) -> Result<()> {
        let command = self.command(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
        self.run(&command, log).await
    }

    /// Whether a plan would change something; its output is in `log`.
    pub async fn has_changes(&self, log: &Path) -> Result<bool> {
        let plan = log.with_extension("plan");
        self.run(self.command(&["plan", "-input=false", "-no-color"]).arg("-out").arg(&plan), log)
            .await?;
        let shown = self.show_json(&plan).await?;
        let changes = shown["resource_changes"].as_array().into_iter().flatten();
        let none = serde_json::json!(["no-op"]);
        Ok(changes
            .filter(|change| change["mode"] == "managed")
            .any(|c| c["change"]["actions"] != none))
    }

    /// A plan without looking at what exists, in `file`, with its output in `log`.
    pub async fn plan_to(&self, file: &Path, log: &Path) -> Result<()> {
        let mut command =
            self.command(&["plan", "-input=false", "-no-color", "-refresh=false", "-lock=false"]);
        self.run(command.arg("-out").arg(file), log).await
    }

    /// A plan as JSON.
    pub async fn show_json(&self, file: &Path) -> Result<Value> {
        let text = output(self.command(&["show", "-json"]).arg(file)).await?;
        serde_json::from_str(&text).context("the plan is not JSON")
    }

    /// A command at the terminal.
    pub async fn foreground(&self, arguments: &[&str], rest: &[String]) -> Result<()> {
        foreground(self.command(arguments).args(rest)).await
    }

    /// A command at the terminal; when it fails, what it said on standard error, which was shown.
    pub async fn heard(&self, arguments: &[&str], rest: &[String]) -> Result<Result<(), String>> {
        heard(self.command(arguments).args(rest)).await
    }

    /// The root module's outputs.
    pub async fn outputs(&self) -> Result<BTreeMap<String, Value>> {
        let text = output(&mut self.command(&["output", "-json", "-no-color"])).await?;
        let all: BTreeMap<String, Value> =
            serde_json::from_str(&text).context("the outputs are not JSON")?;
        Ok(all.into_iter().map(|(name, mut output)| (name, output["value"].take())).collect())
    }
}

/// A filesystem mirror of providers in one of the usual places.
fn mirror() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut places = vec![
        home.join(".terraform.d/plugins"),
        home.join(".local/share/terraform/plugins"),
        PathBuf::from("/usr/local/share/terraform/plugins"),
        PathBuf::from("/usr/share/terraform/plugins"),
    ];
    let opt = fs::read_dir("/opt").into_iter().flatten().flatten().map(|entry| entry.path());
    places.extend(opt);
    places.into_iter().find(|place| {
        ["registry.terraform.io", "registry.opentofu.org"]
            .iter()
            .any(|registry| place.join(registry).join("hashicorp/aws").is_dir())
    })
}

/// Copies the generated tree without what Terraform left in it.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let working = text == ".terraform"
            || text == ".terraform.lock.hcl"
            || text.contains(".tfstate")
            || text.ends_with(".tfvars");
        if working {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
