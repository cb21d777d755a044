//! Outputs that came from elsewhere than this machine's state.
//!
//! Whoever can write them could name a socket, a secret or a registry of their own, and would be sent
//! tokens, keys and passwords.

use anyhow::{Result, anyhow, bail};
use ralph_protocol::{
    execution::check_variable,
    names::{Resources, SecretName, output},
};
use serde_json::Value;

use super::Target;

/// What API Gateway's and ECR's hosts end with, by partition.
/// <https://docs.aws.amazon.com/general/latest/gr/apigateway.html>
const SUFFIXES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];

const LOOK: &str = "hint: somebody has changed the outputs: look before you go on";

impl Target {
    /// Expects every output to be of this environment, of one account and of one region. What
    /// follows from the environment's name must be just that: the rest of the account may be somebody
    /// else's.
    pub(super) fn check(&self, account: &str, region: &str) -> Result<()> {
        for (name, value) in &self.outputs {
            check_printable(name, name)?;
            texts(value, &mut |text| check_printable(name, text))?;
        }
        let names = Resources::new(&self.environment);
        let (machine, own) = (self.text(output::STATE_MACHINE_ARN)?, names.state_machine());
        let found = machine.rsplit(':').next().unwrap_or_default();
        if found != own {
            bail!(
                "the outputs are not of environment `{}`: their state machine is `{found}`, not `{own}`\nhint: name their environment with --env",
                self.environment
            );
        }
        for (name, value) in &self.outputs {
            texts(value, &mut |text| match text.starts_with("arn:") {
                true => check_arn(name, text, account, region),
                false => Ok(()),
            })?;
        }
        for (name, own) in [
            (output::CLUSTER, names.cluster()),
            (output::CONNECTIONS_TABLE, names.table()),
            (output::LOG_GROUP, names.log_group()),
            (output::WEBSOCKET_STAGE, self.environment.clone()),
        ] {
            let found = self.text(name)?;
            if found != own {
                bail!("output `{name}` is `{found}`, not `{own}`\n{LOOK}");
            }
        }
        for secret in SecretName::ALL {
            check_secret(self.secret_arn(secret)?, &names.secret(secret))?;
        }
        check_socket(self, region)?;
        check_agent_secrets(self)?;
        let repository = self.text(output::ECR_REPOSITORY_URL)?;
        check_repository(repository, account, region, &names.ecr_repository())?;
        check_image(self.text(output::WORKER_IMAGE)?)
    }
}

/// Calls `check` with every text.
fn texts(value: &Value, check: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    match value {
        Value::String(text) => check(text),
        Value::Array(all) => all.iter().try_for_each(|value| texts(value, check)),
        Value::Object(all) => all.values().try_for_each(|value| texts(value, check)),
        _ => Ok(()),
    }
}

/// A name of AWS moves no cursor and hides nothing on a terminal.
fn check_printable(name: &str, text: &str) -> Result<()> {
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        bail!("output `{}` is not plain text\n{LOOK}", name.escape_default());
    }
    Ok(())
}

fn check_arn(name: &str, arn: &str, account: &str, region: &str) -> Result<()> {
    let parts: Vec<&str> = arn.split(':').collect();
    if parts.len() < 6 || parts[3] != region || parts[4] != account {
        bail!(
            "output `{name}` names `{arn}`, which is not in account {account} and region {region}\nhint: use credentials of the environment's account; if they are, somebody has changed the outputs: look before you go on"
        );
    }
    Ok(())
}

/// `ralph keys set` writes to it. Secrets Manager adds six characters to a secret's name.
fn check_secret(arn: &str, name: &str) -> Result<()> {
    let own = arn.starts_with("arn:")
        && arn
            .split_once(":secret:")
            .and_then(|(_, found)| found.strip_prefix(name)?.strip_prefix('-'))
            .is_some_and(|random| {
                random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric())
            });
    if !own {
        bail!(
            "output `{}` names `{arn}`, which is not secret `{name}`\n{LOOK}",
            output::SECRET_ARNS
        );
    }
    Ok(())
}

/// The host is the API's own, in this region, and the URL holds nothing else.
fn check_socket(target: &Target, region: &str) -> Result<()> {
    let url = target.text(output::WEBSOCKET_URL)?;
    let (api, stage) =
        (target.text(output::WEBSOCKET_API_ID)?, target.text(output::WEBSOCKET_STAGE)?);
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let expected = |suffix| url == format!("wss://{api}.execute-api.{region}.{suffix}/{stage}");
    if !plain(api) || !SUFFIXES.into_iter().any(expected) {
        bail!(
            "output `{}` is `{url}`, which is not a socket of API Gateway in {region}\n{LOOK}",
            output::WEBSOCKET_URL
        );
    }
    Ok(())
}

/// `just push-worker` logs in to its registry, and pushes to it alone.
fn check_repository(url: &str, account: &str, region: &str, repository: &str) -> Result<()> {
    let own = |suffix| url == format!("{account}.dkr.ecr.{region}.{suffix}/{repository}");
    if !SUFFIXES.into_iter().any(own) {
        bail!(
            "output `{}` is `{url}`, which is not repository `{repository}` of account {account} in {region}\n{LOOK}",
            output::ECR_REPOSITORY_URL
        );
    }
    Ok(())
}

/// It may be in any registry. `just push-worker` refuses one that is not in the environment's repository.
fn check_image(image: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
    if image.is_empty() || image.starts_with('-') || !image.bytes().all(plain) {
        bail!("output `{}` is `{image}`, which names no image\n{LOOK}", output::WORKER_IMAGE);
    }
    Ok(())
}

/// `ralph run` looks whether they have a value, and prints their names.
fn check_agent_secrets(target: &Target) -> Result<()> {
    let all = target.agent_secrets().map_err(|error| anyhow!("{error}\n{LOOK}"))?;
    for (name, arn) in all {
        let is_secret = arn.starts_with("arn:") && arn.split(':').nth(2) == Some("secretsmanager");
        if check_variable(&name).is_err() || !is_secret {
            bail!(
                "output `{}` names `{arn}` for `{}`, which is not a secret for a variable\n{LOOK}",
                output::AGENT_SECRETS,
                name.escape_default()
            );
        }
    }
    Ok(())
}
