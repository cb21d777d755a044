use aws_sdk_secretsmanager::Client;
use ralph_protocol::secret::SigningKeys;

use super::unavailable;
use crate::ports::{Keys, Unavailable};

/// The signing keys in Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretKeys {
    client: Client,
    arn: String,
}

impl SecretKeys {
    /// The secret with this ARN.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }
}

impl Keys for SecretKeys {
    async fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        const CALL: &str = "secretsmanager GetSecretValue";
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let answer = answer.map_err(unavailable(CALL))?;
        let text = answer.secret_string().unwrap_or_default();
        // The error says which shape is expected and holds no part of the value.
        SigningKeys::parse(text)
            .map_err(|error| Unavailable { call: CALL, problem: error.to_string() })
    }
}
