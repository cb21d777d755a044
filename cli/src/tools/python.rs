//! Virtual environments `.tools/venv-<tool>` with tools pinned by hash. `cli/tools/install.py` makes
//! them, for `ralph` and for every script of this project.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;

use crate::{
    project::Project,
    tools::{
        children::Group,
        program::find,
        supervise::{Handover, supervised},
    },
};

const INSTALL: &str = include_str!("../../tools/install.py");

/// A set of tools: its name and the pinned requirements.
pub struct Requirements {
    name: &'static str,
    text: &'static str,
}

/// MiniStack, the local cloud.
pub const LOCAL_CLOUD: Requirements =
    Requirements { name: "local-cloud", text: include_str!("../../tools/local-cloud.txt") };
/// cargo-lambda with zig, its linker.
pub const CARGO_LAMBDA: Requirements =
    Requirements { name: "cargo-lambda", text: include_str!("../../tools/cargo-lambda.txt") };

/// Installs a set of tools unless it is installed whole, and gives the folder of its programs.
pub async fn install(project: &Project, requirements: &Requirements) -> Result<PathBuf> {
    let venv = project.tools().join(format!("venv-{}", requirements.name));
    let mut command = supervised(find("python3")?)?;
    command.args(["-c", INSTALL]).arg(&venv).stdout(Stdio::null()).stderr(Stdio::piped());
    let handover = Handover { input: requirements.text.to_owned(), ..Handover::default() };
    let mut group = Group::spawn(&mut command, &handover).await?;
    let mut said = String::new();
    group.child().stderr.take().context("no pipe")?.read_to_string(&mut said).await?;
    if !group.wait().await?.success() {
        bail!("{}", said.trim().trim_start_matches("error: "));
    }
    Ok(venv.join("bin"))
}
