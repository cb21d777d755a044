//! Building what the commands drive: the worker, the Lambda zip, the page.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tokio::process::Command;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{
    project::Project,
    tools::{
        output,
        program::{cargo, find, run},
        python::{self, CARGO_LAMBDA},
        steps::{crates, say, step_with_log},
    },
};

/// What a local cloud runs, built for this machine in the development profile.
pub struct Programs {
    /// The loop in the container.
    pub worker: PathBuf,
    /// The scripted agent.
    pub agent: PathBuf,
    function: PathBuf,
}

/// Builds the worker, the scripted agent and the functions. Cargo is called in the project's folder
/// and without `-p`: it then resolves features for all packages, as it did for `ralph` and does for
/// the tests, and compiles no dependency again.
pub async fn programs(project: &Project) -> Result<Programs> {
    let mut cargo = cargo(&find("cargo")?);
    cargo.arg("build").current_dir(project.root());
    let [worker, agent, function] = ["ralph-loop-cloud", "ralph-scripted-agent", "ralph-lambda"]
        .map(|name| {
            cargo.args(["--bin", name]);
            project.target().join("debug").join(name)
        });
    run(&cargo, &programs_log(project)).await?;
    Ok(Programs { worker, agent, function })
}

/// Where cargo writes while [`programs`] runs.
pub fn programs_log(project: &Project) -> PathBuf {
    project.tools().join("build.log")
}

/// Where cargo writes while [`lambdas`] runs.
pub fn lambdas_log(project: &Project) -> PathBuf {
    project.tools().join("lambda-build.log")
}

impl Programs {
    /// Packs the functions into a folder, quickly rather than small.
    pub fn functions(&self, folder: &Path) -> Result<PathBuf> {
        let zip = folder.join("ralph-lambda.zip");
        pack(&self.function, &zip, 1)?;
        Ok(zip)
    }
}

/// `ralph build-lambdas`.
pub async fn lambdas_command() -> Result<()> {
    let project = Project::find()?;
    let zip = lambdas_step(&project).await?;
    let size = zip.metadata()?.len();
    output::print(format_args!("{} ({:.1} MB)\n", zip.display(), size as f64 / 1e6))
}

/// [`lambdas`] as a step.
pub async fn lambdas_step(project: &Project) -> Result<PathBuf> {
    let name = "Lambda functions (cargo-lambda)";
    step_with_log(name, &lambdas_log(project), crates, lambdas(project)).await
}

/// Builds the Lambda functions and packs them.
pub async fn lambdas(project: &Project) -> Result<PathBuf> {
    let bin = python::install(project, &CARGO_LAMBDA).await?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(bin.clone()).chain(std::env::split_paths(&path)))?;
    let architecture = project.architecture()?;
    let mut cargo = cargo(&bin.join("cargo-lambda"));
    cargo
        .args([
            "lambda",
            "build",
            "-p",
            "ralph-lambdas",
            "--bin",
            "ralph-lambda",
            "--profile",
            "lambda",
        ])
        .arg(if architecture == "arm64" { "--arm64" } else { "--x86-64" })
        .env("PATH", path)
        .current_dir(project.root());
    run(&cargo, &lambdas_log(project)).await?;
    let bootstrap = project.target().join("lambda/ralph-lambda/bootstrap");
    let zip = project.lambda_zip();
    pack(&bootstrap, &zip, SMALLEST)?;
    Ok(zip)
}

/// The functions as they are shipped, for the local cloud: what goes to AWS where this machine can
/// run that, else a build for this machine.
pub async fn lambdas_for_this_host(project: &Project) -> Result<PathBuf> {
    let architecture = project.architecture()?;
    let ours = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
    if std::env::consts::OS == "linux" && ours == architecture {
        return lambdas(project).await;
    }
    say(&format!(
        "note: this machine cannot run what goes to AWS (Linux on {architecture}); the local cloud gets a build for this machine",
    ));
    let mut cargo = cargo(&find("cargo")?);
    cargo.args(["build", "-p", "ralph-lambdas", "--bin", "ralph-lambda", "--profile", "lambda"]);
    cargo.current_dir(project.root());
    run(&cargo, &lambdas_log(project)).await?;
    let zip = project.lambda_zip().with_file_name("ralph-lambda-this-host.zip");
    pack(&project.target().join("lambda/ralph-lambda"), &zip, SMALLEST)?;
    Ok(zip)
}

/// What goes to AWS is packed once and loaded often.
const SMALLEST: i64 = 9;

/// Packs the binary as `bootstrap`. The same binary gives the same bytes: the time is fixed, so
/// that building unchanged sources again shows no change in a plan.
fn pack(bootstrap: &Path, zip: &Path, level: i64) -> Result<()> {
    let binary =
        fs::read(bootstrap).with_context(|| format!("{} is missing", bootstrap.display()))?;
    let folder = zip.parent().context("the zip has no folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut writer = ZipWriter::new(file.as_file_mut());
    writer.start_file("bootstrap", options)?;
    writer.write_all(&binary)?;
    writer.finish()?;
    file.persist(zip)?;
    Ok(())
}

/// Builds the page into `viewer/dist`.
pub async fn viewer(project: &Project) -> Result<()> {
    let npm = find("npm")?;
    let folder = project.root().join("viewer");
    let lock = fs::read(folder.join("package-lock.json"))
        .context("viewer/package-lock.json is missing")?;
    let stamp = folder.join("node_modules/.ralph-lock");
    if fs::read(&stamp).ok().as_ref() != Some(&lock) {
        let mut install = Command::new(&npm);
        install.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
        run(&install, &project.tools().join("npm.log")).await?;
        File::create(&stamp)?.write_all(&lock)?;
    }
    let mut build = Command::new(&npm);
    build.args(["run", "build"]).current_dir(&folder);
    run(&build, &project.tools().join("viewer-build.log")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_binary_gives_the_same_zip() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("binary");
        let mut zips = Vec::new();
        for name in ["a/x.zip", "b/x.zip"] {
            // Written again: only its bytes may count, not its time.
            fs::write(&binary, b"\x7fELF and so on").unwrap();
            let zip = folder.path().join(name);
            pack(&binary, &zip, SMALLEST).unwrap();
            zips.push(fs::read(zip).unwrap());
        }
        assert_eq!(zips[0], zips[1]);
    }
}
