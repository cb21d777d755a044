//! Whose credentials these are.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_sts::Client;

use super::explain;

/// The account that the credentials are of, twelve digits. It needs no permission.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
pub(super) async fn account(config: &SdkConfig) -> Result<String> {
    let answer = Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| explain("the account cannot be looked up", &error))?;
    answer.account.context("AWS names no account")
}
