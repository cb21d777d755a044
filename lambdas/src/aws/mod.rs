//! The only door to the AWS SDK and to the Lambda runtime.
//!
//! One HTTP client serves every SDK crate: TLS by ring, which costs a first call 1 to 4 ms where
//! the SDK's own default costs 50.

mod app;
mod executions;
mod keys;
mod logs;
mod machine;
mod notify;
mod post;
mod rows;
mod shutdown;
mod table;
mod workstreams;

use std::time::Duration;

use aws_config::{
    BehaviorVersion, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    environment::EnvironmentVariableRegionProvider,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata};

pub use self::{
    app::run, keys::SecretKeys, logs::LogGroup, machine::StateMachine, notify::SnsTopic,
    post::Management, table::Connections,
};
use crate::ports::Unavailable;

/// An idle connection is closed before the services close theirs: a frozen function would find a
/// dead one.
const IDLE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(5);

/// Configuration from the function's environment: region and credentials as Lambda sets them, and
/// `AWS_ENDPOINT_URL` where someone has.
pub async fn sdk_config() -> SdkConfig {
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .pool_idle_timeout(IDLE)
        .build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .region(EnvironmentVariableRegionProvider::new())
        .timeout_config(timeouts.build())
        // Each attempt has its time limit; watching throughput as well costs every call.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

fn unavailable<E>(call: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Unavailable
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| Unavailable { call, problem: problem(&error) }
}

/// The service's own code and words where it answered, else the chain of causes.
fn problem<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error.as_service_error().and_then(|service| Some((service.code()?, service.message()))) {
        Some((code, message)) => format!("{code}: {}", message.unwrap_or("no message")),
        None => DisplayErrorContext(error).to_string(),
    }
}
