//! The connections table, as far as a person asks it: where the runs of a workstream stand.

use std::collections::HashMap;

use anyhow::Result;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use ralph_protocol::{
    ids::{Run, Workstream},
    table::{self, RunState, attribute},
};

use super::explain;

/// Reads run rows.
pub struct Runs {
    client: Client,
    table: String,
}

/// A run as the table knows it.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub run: Run,
    pub state: RunState,
    /// Latest event time, ms since the epoch; 0 before the first event.
    pub last_ts: u64,
    /// Its log stream, once it has one.
    pub stream: Option<String>,
    pub reason: Option<String>,
    pub exit: Option<i64>,
    /// Until when it waits, ms since the epoch.
    pub wait_until: Option<u64>,
}

/// Runs of an execution that are looked at: the newest may have nothing to tell yet.
const NEWEST: i32 = 5;

impl Runs {
    pub(super) fn new(config: &SdkConfig, table: &str) -> Self {
        Self { client: Client::new(config), table: table.to_owned() }
    }

    /// The newest runs of an execution, newest first; none before its first.
    pub async fn newest(&self, workstream: &Workstream, ulid: ulid::Ulid) -> Result<Vec<RunRow>> {
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
}

/// Reads a row; `None` for one that is not ours.
fn row(item: &HashMap<String, AttributeValue>) -> Option<RunRow> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let number =
        |name: &str| item.get(name).and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
    let positive = |name: &str| number(name).and_then(|value| u64::try_from(value).ok());
    Some(RunRow {
        run: text(table::SK)?.strip_prefix(table::RUN_PREFIX)?.parse().ok()?,
        state: RunState::parse(text(attribute::STATE)?)?,
        last_ts: positive(attribute::LAST_TS).unwrap_or(0),
        stream: text(attribute::STREAM).cloned(),
        reason: text(attribute::REASON).cloned(),
        exit: number(attribute::EXIT),
        wait_until: positive(attribute::WAIT_UNTIL),
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
        ]);
        let read = row(&item).unwrap();
        assert_eq!((read.run.attempt(), read.state, read.exit), (2, RunState::Waiting, Some(76)));
        assert_eq!(read.wait_until, Some(1_700_000_900_000));
        item.insert("sk".to_owned(), s("LEASE"));
        assert!(row(&item).is_none());
    }
}
