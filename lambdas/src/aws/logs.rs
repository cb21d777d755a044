use aws_sdk_cloudwatchlogs::{Client, operation::get_log_events::GetLogEventsError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::unavailable;
use crate::ports::{LogEntry, LogPage, LogQuery, Logs, LogsError};

/// The workers' log group.
#[derive(Debug, Clone)]
pub struct LogGroup {
    client: Client,
    group: String,
}

impl LogGroup {
    /// The group with this name.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, group: String) -> Self {
        Self { client: Client::new(config), group }
    }
}

impl Logs for LogGroup {
    async fn read(&self, query: &LogQuery) -> Result<LogPage, LogsError> {
        let bound = |time: Option<u64>| time.map(|time| i64::try_from(time).unwrap_or(i64::MAX));
        let answer = self
            .client
            .get_log_events()
            .log_group_name(&self.group)
            .log_stream_name(&query.stream)
            .set_start_time(bound(query.from))
            .set_end_time(bound(query.until))
            .start_from_head(query.oldest_first)
            .set_limit(query.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .set_next_token(query.token.clone())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let service = error.as_service_error();
                if service.is_some_and(GetLogEventsError::is_resource_not_found_exception) {
                    return Ok(LogPage::default());
                }
                if service.and_then(ProvideErrorMetadata::code) == Some("ThrottlingException") {
                    return Err(LogsError::Throttled);
                }
                return Err(unavailable("logs GetLogEvents")(error).into());
            }
        };
        let next = match query.oldest_first {
            true => answer.next_forward_token,
            false => answer.next_backward_token,
        };
        let ms = |time: Option<i64>| time.and_then(|ms| u64::try_from(ms).ok());
        let entries = answer.events.unwrap_or_default().into_iter().map(|event| LogEntry {
            timestamp: ms(event.timestamp).unwrap_or(0),
            // Without a time it counts as one that was taken just now.
            ingested: ms(event.ingestion_time).unwrap_or(u64::MAX),
            message: event.message.unwrap_or_default(),
        });
        // The service says "no more" by giving the token back that it was given. An empty page with
        // another token is not the end.
        Ok(LogPage {
            entries: entries.collect(),
            next: next.filter(|next| Some(next) != query.token.as_ref()),
        })
    }
}
