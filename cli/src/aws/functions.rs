//! Lambda functions.

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use serde_json::Value;

use super::explain;

/// Calls functions.
#[derive(Clone)]
pub struct Functions(Client);

impl Functions {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Hands an event to a function and does not wait for its end, as EventBridge does.
    pub async fn notify(&self, function: &str, event: &Value) -> Result<()> {
        let call = self.0.invoke().function_name(function).invocation_type(InvocationType::Event);
        call.payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| explain(&format!("{function} cannot be called"), &error))?;
        Ok(())
    }
}
