//! Rows of the table as DynamoDB's attribute maps. See [`ralph_protocol::table`].

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ralph_protocol::{
    ids::Run,
    message::RunInfo,
    table::{self, EXPIRES_AT, PK, RUN_PREFIX, RunState, SK, attribute as a},
};

use crate::ports::{RunRow, StreamOwner};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn item<const N: usize>(
    pk: String,
    sk: String,
    attributes: [(&str, AttributeValue); N],
) -> Item {
    let mut item = key(pk, sk);
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}

pub(super) fn key(pk: String, sk: String) -> Item {
    HashMap::from([(PK.to_owned(), s(pk)), (SK.to_owned(), s(sk))])
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// DynamoDB deletes what has expired days later.
pub(super) fn is_live(item: &Item, now: u64) -> bool {
    number::<u64>(item, EXPIRES_AT).is_none_or(|expires_at| expires_at > now)
}

pub(super) fn stream_owner(item: &Item) -> Option<StreamOwner> {
    Some(StreamOwner {
        workstream: text(item, a::WORKSTREAM)?.parse().ok()?,
        run: text(item, a::RUN)?.parse().ok()?,
    })
}

pub(super) fn run_row(item: &Item) -> Option<RunRow> {
    let run: Run = text(item, SK)?.strip_prefix(RUN_PREFIX)?.parse().ok()?;
    let info = RunInfo {
        attempt: number(item, a::ATTEMPT).unwrap_or_else(|| run.attempt()),
        started_at: number(item, a::STARTED_AT).unwrap_or_else(|| run.started_ms()),
        last_seq: number(item, a::LAST_SEQ).unwrap_or(0),
        last_ts: number(item, a::LAST_TS).unwrap_or(0),
        state: text(item, a::STATE).and_then(RunState::parse).unwrap_or(RunState::Starting),
        reason: text(item, a::REASON).map(str::to_owned),
        exit: number(item, a::EXIT),
        spent_usd: number(item, a::SPENT_USD),
        pull_request: text(item, a::PULL_REQUEST).map(str::to_owned),
        raw: number(item, a::RAW),
        run,
    };
    let stream = text(item, a::STREAM).map(str::to_owned);
    Some(RunRow { info, stream, wait_until: number(item, a::WAIT_UNTIL) })
}

pub(super) fn connection_key(id: &str) -> Item {
    key(table::connection(id), table::META.to_owned())
}
