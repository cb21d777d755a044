//! The connections table, as `ralph` uses it: the list of workstreams, where the runs of a workstream
//! stand, which execution holds it, and the request that it stop.

use std::collections::HashMap;

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::AttributeValue};
use ralph_protocol::{
    execution::MAX_DURATION_SECS,
    ids::{Run, Workstream},
    index::{WorkstreamInfo, WorkstreamState, merge},
    table::{self, RunState, attribute},
};
use ulid::Ulid;

use super::explain;

type Item = HashMap<String, AttributeValue>;

/// Reads and writes the rows of a workstream.
#[derive(Clone)]
pub struct Runs {
    client: Client,
    table: String,
}

/// A run as the table knows it.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub run: Run,
    /// ARN of the execution that started it.
    pub execution: Option<String>,
    pub state: RunState,
    /// Latest event time, ms since the epoch; 0 before the first event.
    pub last_ts: u64,
    /// Its log stream, once it has one.
    pub stream: Option<String>,
    pub reason: Option<String>,
    pub exit: Option<i64>,
    /// Until when it waits, ms since the epoch.
    pub wait_until: Option<u64>,
    /// What the execution has cost, this run and those before it, US dollars.
    pub spent_usd: Option<f64>,
    /// Link of the pull request with its work.
    pub pull_request: Option<String>,
}

/// Runs of an execution that are looked at: the newest may have nothing to tell yet.
const NEWEST: i32 = 5;
/// How often the list is told again where somebody else has told it something meanwhile.
const LIST_TRIES: u32 = 8;

impl Runs {
    pub(super) fn new(config: &SdkConfig, table: &str) -> Self {
        Self { client: Client::new(config), table: table.to_owned() }
    }

    /// The newest runs of an execution, newest first; none before its first.
    pub async fn newest(&self, workstream: &Workstream, ulid: Ulid) -> Result<Vec<RunRow>> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", table::PK)
            .expression_attribute_names("#sk", table::SK)
            .expression_attribute_values(":pk", AttributeValue::S(table::workstream(workstream)))
            .expression_attribute_values(
                ":sk",
                AttributeValue::S(format!("{}{ulid}-", table::RUN_PREFIX)),
            )
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(NEWEST);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the workstream's runs cannot be read", &error))?;
        Ok(answer.items().iter().filter_map(row).collect())
    }

    /// The execution that holds a workstream: its ARN and its ULID.
    pub async fn lease(&self, workstream: &Workstream) -> Result<Option<(String, Ulid)>> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(table::PK, AttributeValue::S(table::workstream(workstream)))
            .key(table::SK, AttributeValue::S(table::LEASE.to_owned()))
            .consistent_read(true);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the workstream's lease cannot be read", &error))?;
        Ok(answer.item().and_then(|item| {
            let text = |name| item.get(name)?.as_s().ok();
            Some((text(attribute::EXECUTION)?.clone(), text(attribute::ULID)?.parse().ok()?))
        }))
    }

    /// The list of workstreams. `now_ms` is in ms since the epoch.
    pub async fn list(&self, now_ms: u64) -> Result<Vec<WorkstreamInfo>> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", table::PK)
            .expression_attribute_values(":pk", AttributeValue::S(table::INDEX.to_owned()))
            .consistent_read(true);
        let items: Vec<_> = request
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| explain("the workstreams cannot be listed", &error))?;
        let live = items.iter().filter(|item| expires_at(item) > now_ms / 1000);
        Ok(live.filter_map(info).collect())
    }

    /// A workstream's row in the list. `now_ms` is in ms since the epoch.
    pub async fn listed(
        &self,
        workstream: &Workstream,
        now_ms: u64,
    ) -> Result<Option<WorkstreamInfo>> {
        let row = self.list_row(workstream).await?;
        Ok(row.filter(|row| expires_at(row) > now_ms / 1000).as_ref().and_then(info))
    }

    async fn list_row(&self, workstream: &Workstream) -> Result<Option<Item>> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(table::PK, AttributeValue::S(table::INDEX.to_owned()))
            .key(table::SK, AttributeValue::S(table::workstream(workstream)))
            .consistent_read(true);
        let answer = request
            .send()
            .await
            .map_err(|error| explain("the list of workstreams cannot be read", &error))?;
        Ok(answer.item)
    }

    /// Tells the list that an execution was stopped while none of the functions ran, which would tell it.
    /// Without a row of that execution there is nothing to correct. `now_ms` is in ms since the epoch.
    pub async fn list_as_stopped(
        &self,
        workstream: &Workstream,
        ulid: Ulid,
        reason: &str,
        now_ms: u64,
    ) -> Result<()> {
        for _ in 0..LIST_TRIES {
            let Some(mut item) = self.list_row(workstream).await? else { return Ok(()) };
            let Some(held) = info(&item).filter(|held| held.run.ulid() == ulid.to_string()) else {
                return Ok(());
            };
            let state = WorkstreamState::Stopped;
            let stopped = WorkstreamInfo {
                reason: Some(reason.to_owned()),
                ..WorkstreamInfo::new(workstream.clone(), held.run.clone(), state, now_ms)
            };
            let json = serde_json::to_string(&merge(held, stopped))?;
            let read = item.insert(attribute::INFO.to_owned(), AttributeValue::S(json));
            // Only onto the row that was read.
            let request = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("#info = :read")
                .expression_attribute_names("#info", attribute::INFO)
                .set_expression_attribute_values(
                    read.map(|read| HashMap::from([(":read".to_owned(), read)])),
                );
            match request.send().await {
                Ok(_) => return Ok(()),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(PutItemError::is_conditional_check_failed_exception) => {}
                Err(error) => {
                    return Err(explain("the list of workstreams cannot be written", &error));
                }
            }
        }
        Ok(())
    }

    /// Asks for an execution to stop: no run follows the one that runs now. `now_ms` is in ms since
    /// the epoch.
    pub async fn request_stop(
        &self,
        workstream: &Workstream,
        execution: &str,
        now_ms: u64,
    ) -> Result<()> {
        let expires_at = now_ms / 1000 + MAX_DURATION_SECS;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(table::PK, AttributeValue::S(table::workstream(workstream)))
            .item(table::SK, AttributeValue::S(table::STOP.to_owned()))
            .item(attribute::EXECUTION, AttributeValue::S(execution.to_owned()))
            .item(attribute::REQUESTED_AT, AttributeValue::N(now_ms.to_string()))
            .item(table::EXPIRES_AT, AttributeValue::N(expires_at.to_string()));
        request
            .send()
            .await
            .map_err(|error| explain("the request to stop cannot be written", &error))?;
        Ok(())
    }
}

/// Reads a row of the list; `None` for one that is not ours, or of a version that this one cannot read.
fn info(item: &Item) -> Option<WorkstreamInfo> {
    serde_json::from_str(item.get(attribute::INFO)?.as_s().ok()?).ok()
}

/// When a row may go, seconds since the epoch: DynamoDB deletes late.
fn expires_at(item: &Item) -> u64 {
    let value = item.get(table::EXPIRES_AT).and_then(|value| value.as_n().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
}

/// Reads a row; `None` for one that is not ours.
fn row(item: &Item) -> Option<RunRow> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let digits = |name: &str| item.get(name).and_then(|value| value.as_n().ok());
    let positive = |name: &str| digits(name).and_then(|value| value.parse::<u64>().ok());
    Some(RunRow {
        run: text(table::SK)?.strip_prefix(table::RUN_PREFIX)?.parse().ok()?,
        execution: text(attribute::EXECUTION).cloned(),
        state: RunState::parse(text(attribute::STATE)?)?,
        last_ts: positive(attribute::LAST_TS).unwrap_or(0),
        stream: text(attribute::STREAM).cloned(),
        reason: text(attribute::REASON).cloned(),
        exit: digits(attribute::EXIT).and_then(|value| value.parse().ok()),
        wait_until: positive(attribute::WAIT_UNTIL),
        spent_usd: digits(attribute::SPENT_USD).and_then(|value| value.parse().ok()),
        pull_request: text(attribute::PULL_REQUEST).cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_the_functions_write_it() {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let n = |number: i64| AttributeValue::N(number.to_string());
        let mut item = HashMap::from([
            ("pk".to_owned(), s("WS#docs")),
            ("sk".to_owned(), s("RUN#01ARZ3NDEKTSV4RRFFQ69G5FAV-0002")),
            ("state".to_owned(), s("waiting")),
            ("lastTs".to_owned(), n(1_700_000_000_000)),
            ("exit".to_owned(), n(76)),
            ("waitUntil".to_owned(), n(1_700_000_900_000)),
            ("spentUsd".to_owned(), AttributeValue::N("3.75".to_owned())),
        ]);
        let read = row(&item).unwrap();
        assert_eq!((read.run.attempt(), read.state, read.exit), (2, RunState::Waiting, Some(76)));
        assert_eq!((read.wait_until, read.spent_usd), (Some(1_700_000_900_000), Some(3.75)));
        item.insert("sk".to_owned(), s("LEASE"));
        assert!(row(&item).is_none());
    }
}
