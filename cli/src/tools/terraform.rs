//! Driving tofu or terraform.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Error, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::tools::{
    engine::{self, Engine},
    program::{find, foreground, heard, output, run_with, shown},
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

    /// The tool's file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The tool's name as a person types it: `tofu`, `terraform`, or what `RALPH_TERRAFORM` names.
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
        if let Some(name) = engine::unwanted() {
            command.env_remove(name);
        }
        command.envs([("CHECKPOINT_DISABLE", "1"), ("TF_IN_AUTOMATION", "1")]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn run(&self, command: &Command, log: &Path) -> Result<()> {
        // Without an account nothing is lost with what a killed one does not write down.
        run_with(command, log, &Handover { at_once: self.cleared, ..Handover::default() }).await
    }

    /// `init`: plain first, and from a provider mirror of this machine if the provider cannot be fetched.
    pub async fn init(&self, log: &Path) -> Result<()> {
        self.init_with(&[], log).await
    }

    async fn init_with(&self, arguments: &[String], log: &Path) -> Result<()> {
        // Before minutes are spent on what then turns out to be too old.
        self.run(&self.command(&["version"]), log).await.with_context(
            || match std::env::var_os(engine::CHOICE) {
                Some(_) => format!("what {} names does not run", engine::CHOICE),
                None => format!("{} does not run", self.program.display()),
            },
        )?;
        let engine = Engine::read(&fs::read_to_string(log)?);
        if let Some(engine) = &engine {
            engine.check(&self.name(), &self.folder).map_err(Error::msg)?;
        }
        let mut command = self.command(&["init", "-input=false", "-no-color"]);
        let Err(error) = self.run(command.args(arguments), log).await else { return Ok(()) };
        let said = fs::read_to_string(log)?;
        let hint = match engine.and_then(|engine| engine.mirror(&said, &self.folder)) {
            None => return Err(error),
            Some(Err(hint)) => hint,
            Some(Ok(mirror)) => {
                let log = log.with_extension("mirror.log");
                if self.run(command.arg(&mirror), &log).await.is_ok() {
                    return Ok(());
                }
                format!("`{mirror}` did not help: {}", log.display())
            }
        };
        // What went wrong first is what a person can change.
        bail!("{error:#}\nhint: {hint}")
    }

    /// Any command at the terminal; `init` as [`Terraform::init`] does it.
    pub async fn pass(&self, arguments: &[String]) -> Result<()> {
        let Some(("init", rest)) = arguments.split_first().map(|(word, rest)| (&**word, rest))
        else {
            return self.foreground(&[], arguments).await;
        };
        let folder = tempfile::tempdir()?;
        let done = self.init_with(rest, &folder.path().join("init.log")).await;
        if done.is_err() {
            // The error names the file.
            let _ = folder.keep();
        }
        done
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

    /// A command that only shows something.
    pub async fn shown(&self, arguments: &[&str], rest: &[String]) -> Result<()> {
        shown(self.command(arguments).args(rest)).await
    }

    /// The root module's outputs.
    pub async fn outputs(&self) -> Result<BTreeMap<String, Value>> {
        let text = output(&mut self.command(&["output", "-json", "-no-color"])).await?;
        let all: BTreeMap<String, Value> =
            serde_json::from_str(&text).context("the outputs are not JSON")?;
        Ok(all.into_iter().map(|(name, mut output)| (name, output["value"].take())).collect())
    }
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
