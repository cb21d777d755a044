//! Where things lie in the project.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

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
