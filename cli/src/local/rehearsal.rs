//! `ralph local --empty`: an account with nothing in it, to rehearse a deployment in.
//!
//! Terraform and `ralph` reach it as they reach AWS, by their own environment variables. A file in the
//! scratch folder sets those; it holds the operator's key, and only its owner may read it.

use std::{fs::Permissions, io::Write, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Result;
use ralph_protocol::names::variable;

use super::{Interrupt, Local, agents, cloud::Cloud};
use crate::{
    project::Project,
    tools::{invocation::quoted, steps::print},
};

const FILE: &str = "account.sh";

/// Writes the file, and lets the scripted agent work: nobody pays for a rehearsal.
pub async fn prepare(project: &Project, cloud: &Cloud, zip: &Path, scratch: &Path) -> Result<()> {
    agents::set_for_all(scratch, &agents::scripted(project).await?)?;
    let endpoint = cloud.endpoint();
    let key = cloud.key();
    let variables = [
        ("AWS_ENDPOINT_URL".to_owned(), endpoint.clone()),
        ("AWS_ACCESS_KEY_ID".to_owned(), key.id.clone()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret.clone()),
        ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        terraform(variable::MANAGEMENT_BASE, format!("{endpoint}/_aws/execute-api")),
        // The functions as they are developed: what is shipped may be for another processor.
        terraform(variable::LAMBDA_ZIP, zip.display().to_string()),
        terraform(variable::ALLOW_FILE_REPOSITORIES, "true".to_owned()),
    ];
    let mut file = tempfile::NamedTempFile::new_in(scratch)?;
    writeln!(file, "# An empty account on this machine.\nunset AWS_PROFILE AWS_SESSION_TOKEN")?;
    for (name, value) in variables {
        writeln!(file, "export {name}={}", shell_words::quote(&value))?;
    }
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.persist(scratch.join(FILE))?;
    Ok(())
}

fn terraform(name: &str, value: String) -> (String, String) {
    (format!("TF_VAR_{name}"), value)
}

/// Says how to use it, and waits for the end.
pub async fn wait(local: &mut Local, interrupt: &mut Interrupt) -> Result<()> {
    let endpoint = local.target.endpoint.clone().unwrap_or_default();
    print(&format!("cloud   {endpoint}, an account with nothing in it"));
    print(&format!("use it  . {}", quoted(&local.scratch().join(FILE))));
    print("ready; Ctrl-C ends it");
    tokio::select! {
        error = local.failed() => Err(error),
        () = interrupt.wait() => Ok(()),
    }
}
