//! The connections table, as `ralph` uses it: where the runs of a workstream stand, which execution
//! holds it, and the request that it stop.

use std::collections::HashMap;

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use ralph_protocol::{
    execution::MAX_DURATION_SECS,
    ids::{Run, Workstream},
    table::{self, RunState, attribute},
};
use ulid::Ulid;

use super::explain;

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
}

/// Runs of an execution that are looked at: the newest may have nothing to tell yet.
const NEWEST: i32 = 5;

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

/// Reads a row; `None` for one that is not ours.
fn row(item: &HashMap<String, AttributeValue>) -> Option<RunRow> {
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
