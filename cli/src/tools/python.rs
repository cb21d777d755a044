//! Virtual environments `.tools/venv-<tool>` with tools pinned by hash.

use std::{
    fs::{self, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::{
    project::Project,
    tools::program::{find, output, run},
};

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

/// Installs a set of tools unless that very set is installed, and gives the folder of its programs.
pub async fn install(project: &Project, requirements: &Requirements) -> Result<PathBuf> {
    let tools = project.tools();
    fs::create_dir_all(&tools)?;
    // One environment per set: two steps may install at the same time, and neither set's pins
    // constrain the other's.
    let venv = tools.join(format!("venv-{}", requirements.name));
    let bin = venv.join("bin");
    let stamp = venv.join("requirements.txt");
    // Two commands at once must not build the same environment over each other.
    let lock = fs::File::create(tools.join(format!("{}.lock", requirements.name)))?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            // Not a blocking wait: an interrupt must end it.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    if fs::read_to_string(&stamp).is_ok_and(|text| text == requirements.text) {
        return Ok(bin);
    }
    let python = python().await?;
    let log = tools.join(format!("{}.log", requirements.name));
    if venv.exists() {
        fs::remove_dir_all(&venv)
            .with_context(|| format!("{} cannot be replaced", venv.display()))?;
    }
    run(Command::new(python).args(["-m", "venv"]).arg(&venv), &log).await.context(
        "Python cannot make a virtual environment\nhint: on Debian and Ubuntu, `apt install python3-venv`",
    )?;
    let wanted = tools.join(format!("{}.txt", requirements.name));
    fs::write(&wanted, requirements.text)?;
    let mut pip = Command::new(bin.join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
    ])
    .arg(&wanted);
    run(&pip, &log).await?;
    // Written last: an environment that was cut off is made again.
    fs::write(&stamp, requirements.text)?;
    drop(lock);
    Ok(bin)
}

async fn python() -> Result<PathBuf> {
    let python = find("python3")?;
    let version = version_of(&python).await?;
    if version < (3, 10) {
        bail!(
            "{} is Python {}.{}\nhint: install Python 3.10 or later (python.org)",
            python.display(),
            version.0,
            version.1
        );
    }
    Ok(python)
}

async fn version_of(python: &Path) -> Result<(u32, u32)> {
    let script = "import sys; print(*sys.version_info[:2])";
    let text = output(Command::new(python).args(["-c", script])).await?;
    let mut parts = text.split_whitespace().map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("{} does not say its version", python.display()),
    }
}
