//! The one door to AWS.

mod executions;
mod explain;
mod functions;
mod identity;
mod logs;
mod parameters;
mod prerequisites;
mod secrets;
mod table;
mod tasks;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use anyhow::Result;
use ralph_protocol::names::output;

use crate::target::{AccessKey, Target};

use explain::explain;

pub use executions::{Execution, Executions, Look, Status};
pub use functions::Functions;
pub use logs::{LogReader, LogWriter};
pub use parameters::{Parameter, Parameters};
pub use prerequisites::{Concurrency, Prerequisites};
pub use secrets::{Secrets, Seen};
pub use table::{RunRow, Runs};
pub use tasks::{Mount, TaskSpec, Tasks};

/// AWS's services in one region, or the local cloud's.
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// An environment's services: in its region, with the person's own credentials or the local
    /// cloud's.
    pub async fn connect(target: &Target) -> Result<Self> {
        Ok(Self::at(target.region()?, target.endpoint.as_deref(), target.key.as_ref()).await)
    }

    /// The services of a region, with the person's own credentials.
    pub async fn in_region(region: &str) -> Self {
        Self::at(region, None, None).await
    }

    /// The services of a region, elsewhere than the surroundings say, or with another key.
    pub async fn at(region: &str, endpoint: Option<&str>, key: Option<&AccessKey>) -> Self {
        // The region is always the environment's: a profile may name another, or none.
        let mut loader = loader().region(Region::new(region.to_owned()));
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(key) = key {
            let key = Credentials::new(&key.id, &key.secret, None, None, "local cloud");
            loader = loader.credentials_provider(key);
        }
        Self { config: loader.load().await }
    }

    /// The region that the surroundings name: `AWS_REGION`, or the profile's.
    pub async fn region_of_the_surroundings() -> Option<String> {
        loader().load().await.region().map(ToString::to_string)
    }

    /// The account of the credentials, twelve digits.
    pub async fn account(&self) -> Result<String> {
        identity::account(&self.config).await
    }

    pub fn prerequisites(&self) -> Prerequisites {
        Prerequisites::new(&self.config)
    }

    pub fn parameters(&self) -> Parameters {
        Parameters::new(&self.config)
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
