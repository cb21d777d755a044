//! Outputs that came from elsewhere than this machine's state.
//!
//! Whoever can write them could name a socket, a secret or a registry of their own, and would be sent
//! tokens, keys and passwords.

use anyhow::{Result, bail};
use ralph_protocol::names::{Resources, output};
use serde_json::Value;

use super::Target;

/// What API Gateway's and ECR's hosts end with, by partition.
/// <https://docs.aws.amazon.com/general/latest/gr/apigateway.html>
const SUFFIXES: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];

impl Target {
    /// Expects every output to be of this environment, of one account and of one region.
    pub(super) fn check(&self, account: &str, region: &str) -> Result<()> {
        let machine = self.text(output::STATE_MACHINE_ARN)?;
        let own = Resources::new(&self.environment).state_machine();
        let found = machine.rsplit(':').next().unwrap_or_default();
        if found != own {
            bail!(
                "the outputs are not of environment `{}`: their state machine is `{found}`, not `{own}`\nhint: name their environment with --env",
                self.environment
            );
        }
        for (name, value) in &self.outputs {
            arns(value, &mut |arn| check_arn(name, arn, account, region))?;
        }
        check_socket(self, region)?;
        check_registry(self.text(output::WORKER_IMAGE)?, account, region)
    }
}

/// Calls `check` with every text that is an ARN.
fn arns(value: &Value, check: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    match value {
        Value::String(text) if text.starts_with("arn:") => check(text),
        Value::Array(all) => all.iter().try_for_each(|value| arns(value, check)),
        Value::Object(all) => all.values().try_for_each(|value| arns(value, check)),
        _ => Ok(()),
    }
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

/// The host is the API's own, in this region, and the URL holds nothing else.
fn check_socket(target: &Target, region: &str) -> Result<()> {
    let url = target.text(output::WEBSOCKET_URL)?;
    let (api, stage) =
        (target.text(output::WEBSOCKET_API_ID)?, target.text(output::WEBSOCKET_STAGE)?);
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let expected = |suffix| url == format!("wss://{api}.execute-api.{region}.{suffix}/{stage}");
    if !plain(api) || !SUFFIXES.into_iter().any(expected) {
        bail!(
            "output `{}` is `{url}`, which is not a socket of API Gateway in {region}\nhint: somebody has changed the outputs: look before you go on",
            output::WEBSOCKET_URL
        );
    }
    Ok(())
}

/// `just push-worker` logs in to the registry.
fn check_registry(image: &str, account: &str, region: &str) -> Result<()> {
    let registry = image.split('/').next().unwrap_or_default();
    if !SUFFIXES
        .into_iter()
        .any(|suffix| registry == format!("{account}.dkr.ecr.{region}.{suffix}"))
    {
        bail!(
            "output `{}` is `{image}`, which is not in the registry of account {account} in {region}\nhint: somebody has changed the outputs: look before you go on",
            output::WORKER_IMAGE
        );
    }
    Ok(())
}
