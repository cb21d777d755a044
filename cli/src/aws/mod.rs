//! The one door to AWS.

mod account;
mod executions;
mod functions;
mod logs;
mod secrets;
mod table;
mod tasks;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use anyhow::{Context, Result};
use ralph_protocol::names::output;

use crate::target::Target;

pub use account::{Account, Concurrency};
pub use executions::{Execution, Executions, Status};
pub use functions::Functions;
pub use logs::{LogReader, LogWriter};
pub use secrets::Secrets;
pub use table::{RunRow, Runs};
pub use tasks::{Mount, TaskSpec, Tasks};

/// An environment's AWS services.
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// With the person's own credentials, or with the local cloud's.
    pub async fn connect(target: &Target) -> Result<Self> {
        let mut loader = loader();
        if let Some(endpoint) = &target.endpoint {
            let key = target
                .key
                .as_ref()
                .context("this local cloud is of another version of ralph\nhint: start it again")?;
            let key = Credentials::new(&key.id, &key.secret, None, None, "local cloud");
            let region = Region::new(target.region()?.to_owned());
            loader = loader.endpoint_url(endpoint).region(region).credentials_provider(key);
        }
        Ok(Self { config: loader.load().await })
    }

    /// With the person's own credentials in a Region, before there is an environment.
    pub async fn of_region(region: &str) -> Self {
        Self { config: loader().region(Region::new(region.to_owned())).load().await }
    }

    pub fn account(&self) -> Account {
        Account::new(&self.config)
    }

    /// Whether the surroundings hold credentials of an account.
    pub async fn has_credentials() -> bool {
        let config = loader().load().await;
        match config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.is_ok(),
            None => false,
        }
    }

    pub fn secrets(&self) -> Secrets {
        Secrets::new(&self.config)
    }

    pub fn functions(&self) -> Functions {
        Functions::new(&self.config)
    }

    pub fn tasks(&self) -> Tasks {
        Tasks::new(&self.config)
    }

    pub fn logs(&self) -> LogWriter {
        LogWriter::new(&self.config)
    }

    /// Reads the workers' log group.
    pub fn log_reader(&self, target: &Target) -> Result<LogReader> {
        Ok(LogReader::new(&self.config, target.text(output::LOG_GROUP)?))
    }

    /// The executions of the environment's state machine.
    pub fn executions(&self, target: &Target) -> Result<Executions> {
        let machine = target.text(output::STATE_MACHINE_ARN)?;
        Ok(Executions::new(&self.config, machine, self.runs(target)?))
    }

    /// The runs in the environment's table.
    pub fn runs(&self, target: &Target) -> Result<Runs> {
        Ok(Runs::new(&self.config, target.text(output::CONNECTIONS_TABLE)?))
    }
}

fn loader() -> ConfigLoader {
    // Later behaviour versions change retries and time-outs; a new one is a decision.
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
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
