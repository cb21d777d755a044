use aws_sdk_apigatewaymanagement::{Client, config::Builder, primitives::Blob};
use aws_smithy_types::retry::RetryConfig;

use super::problem;
use crate::ports::{Post, PostError};

/// The WebSocket API's management endpoint.
#[derive(Debug, Clone)]
pub struct Management {
    client: Client,
}

impl Management {
    /// The endpoint `https://<api>.execute-api.<region>.amazonaws.com/<stage>`.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, endpoint: String) -> Self {
        // Tries are `delivery`'s own: it knows the time that is left.
        let config = Builder::from(config)
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config) }
    }
}

impl Post for Management {
    async fn post(&self, connection: &str, frame: &[u8]) -> Result<(), PostError> {
        let answer = self
            .client
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(frame))
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        // The status decides: a real 410 need not carry a body or a header that names its error.
        Err(match error.raw_response().map(|response| response.status().as_u16()) {
            Some(410) => PostError::Gone,
            Some(429) => PostError::Throttled,
            Some(status @ (400 | 403 | 413)) => {
                PostError::Refused(format!("{status} {}", problem(&error)))
            }
            _ => PostError::Failed(problem(&error)),
        })
    }
}
