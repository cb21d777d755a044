//! CloudWatch Logs, as the awslogs driver writes to it.

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{
    Client, operation::create_log_stream::CreateLogStreamError, types::InputLogEvent,
};

use super::explain;

/// PutLogEvents takes at most this many bytes, counted with [`PER_EVENT`] for each event.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const MAX_BATCH_BYTES: usize = 1_048_576;
const PER_EVENT: usize = 26;
const MAX_BATCH_EVENTS: usize = 10_000;

/// Writes lines to log streams.
#[derive(Clone)]
pub struct LogWriter(Client);

impl LogWriter {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }

    /// Makes a stream; it may exist.
    pub async fn create_stream(&self, group: &str, stream: &str) -> Result<()> {
        let request = self.0.create_log_stream().log_group_name(group).log_stream_name(stream);
        match request.send().await {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(CreateLogStreamError::is_resource_already_exists_exception) =>
            {
                Err(explain("the log stream cannot be made", &error))
            }
            _ => Ok(()),
        }
    }

    /// Writes lines (time in ms since the epoch, text) in as many batches as the limits ask for.
    pub async fn put(&self, group: &str, stream: &str, lines: &[(i64, String)]) -> Result<()> {
        for batch in batches(lines) {
            let events: Vec<InputLogEvent> = batch
                .iter()
                .filter_map(|(ts, text)| {
                    InputLogEvent::builder().timestamp(*ts).message(text).build().ok()
                })
                .collect();
            let request = self.0.put_log_events().log_group_name(group).log_stream_name(stream);
            request
                .set_log_events(Some(events))
                .send()
                .await
                .map_err(|error| explain("lines cannot be written to the log group", &error))?;
        }
        Ok(())
    }
}

/// Reads log streams.
pub struct LogReader {
    client: Client,
    group: String,
}

impl LogReader {
    pub(super) fn new(config: &SdkConfig, group: &str) -> Self {
        Self { client: Client::new(config), group: group.to_owned() }
    }

    /// Every line of a stream, oldest first.
    pub async fn all(&self, stream: &str) -> Result<Vec<String>> {
        let (mut lines, mut token) = (Vec::new(), None);
        loop {
            let request = self
                .client
                .get_log_events()
                .log_group_name(&self.group)
                .log_stream_name(stream)
                .start_from_head(true)
                .set_next_token(token.clone());
            let answer = request
                .send()
                .await
                .map_err(|error| explain("the log stream cannot be read", &error))?;
            lines.extend(
                answer.events().iter().filter_map(|event| event.message()).map(str::to_owned),
            );
            // The same token again: the stream's end.
            if answer.next_forward_token == token {
                return Ok(lines);
            }
            token = answer.next_forward_token;
        }
    }
}

fn batches(lines: &[(i64, String)]) -> Vec<&[(i64, String)]> {
    let mut all = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, (_, text)) in lines.iter().enumerate() {
        let size = text.len() + PER_EVENT;
        if index > start && (bytes + size > MAX_BATCH_BYTES || index - start == MAX_BATCH_EVENTS) {
            all.push(&lines[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < lines.len() {
        all.push(&lines[start..]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_both_limits() {
        let lines: Vec<(i64, String)> =
            (0..25_000).map(|n| (n, "x".repeat((n as usize * 37) % 300))).collect();
        let all = batches(&lines);
        assert_eq!(all.concat(), lines);
        for batch in all {
            assert!(batch.len() <= MAX_BATCH_EVENTS);
            assert!(
                batch.iter().map(|(_, t)| t.len() + PER_EVENT).sum::<usize>() <= MAX_BATCH_BYTES
            );
        }
        assert!(batches(&[]).is_empty());
    }
}
