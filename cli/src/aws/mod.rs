//! The one door to AWS.

mod logs;
mod secrets;
mod tasks;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::target::Target;

pub use logs::LogWriter;
pub use secrets::Secrets;
pub use tasks::{RunTask, Tasks};

/// An environment's AWS services.
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// With the person's own credentials, or with the local cloud's.
    pub async fn connect(target: &Target) -> Self {
        // Later behaviour versions change retries and time-outs; a new one is a decision.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        );
        if let Some(endpoint) = &target.endpoint {
            loader = loader
                .endpoint_url(endpoint)
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "local cloud"));
        }
        Self { config: loader.load().await }
    }

    pub fn secrets(&self) -> Secrets {
        Secrets::new(&self.config)
    }

    pub fn tasks(&self) -> Tasks {
        Tasks::new(&self.config)
    }

    pub fn logs(&self) -> LogWriter {
        LogWriter::new(&self.config)
    }
}

/// An SDK error as one line with its cause: the SDK's own `Display` says only "service error".
pub(crate) fn explain<E>(what: &str, error: &E) -> anyhow::Error
where
    E: std::error::Error,
{
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&next);
        }
        source = error.source();
    }
    anyhow::anyhow!("{what}: {text}")
}
