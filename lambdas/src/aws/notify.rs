//! Who is told when an execution ends: a topic of SNS, and the marks in the table.

use std::time::Duration;

use aws_sdk_sns::{Client, config::Builder};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use ralph_protocol::{
    execution::Progress,
    table::{self, EXPIRES_AT},
};

use super::{
    CONNECT,
    rows::{Item, key, n},
    table::{Connections, put_if},
    unavailable,
};
use crate::ports::{Told, Topic, Unavailable};

/// An execution waits for this: two tries fit into what the handler grants.
const ATTEMPT: Duration = Duration::from_secs(2);
const TRIES: u32 = 2;

/// A topic of SNS.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of this ARN.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, arn: String) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
        let config = Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(timeouts.build())
            .build();
        Self { client: Client::from_conf(config), arn }
    }
}

impl Topic for SnsTopic {
    async fn publish(&self, subject: &str, text: &str) -> Result<(), Unavailable> {
        let publish = self.client.publish().topic_arn(&self.arn).subject(subject).message(text);
        publish.send().await.map(|_| ()).map_err(unavailable("sns Publish"))
    }
}

fn told_key(progress: &Progress) -> Item {
    key(table::workstream(&progress.order.workstream), table::told(progress.ulid))
}

impl Told for Connections {
    async fn mark_told(&self, progress: &Progress, expires_at: u64) -> Result<bool, Unavailable> {
        let mut item = told_key(progress);
        item.insert(EXPIRES_AT.to_owned(), n(expires_at));
        put_if(self.put_new(item)).await
    }

    async fn take_back_told(&self, progress: &Progress) -> Result<(), Unavailable> {
        let delete = self.delete_row(told_key(progress)).send().await;
        delete.map(|_| ()).map_err(unavailable("dynamodb DeleteItem"))
    }
}
