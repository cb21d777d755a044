//! The rows of the list of workstreams.

use aws_sdk_dynamodb::types::AttributeValue;
use ralph_protocol::{
    ids::Workstream,
    index::{WorkstreamInfo, merge},
    table::{self, EXPIRES_AT, INDEX, PK, SK, WORKSTREAM_PREFIX, attribute as a},
};

use super::{
    rows::{self, Item, key, n, s, text},
    table::{Connections, names, put_if},
    unavailable,
};
use crate::ports::{Unavailable, Workstreams};

/// How often a row is merged again that somebody else has written meanwhile. A workstream has few
/// writers: its newest lines, its task's end and `decide`.
const TRIES: u32 = 8;

fn row_key(workstream: &Workstream) -> Item {
    key(INDEX.to_owned(), table::workstream(workstream))
}

/// `None` for a row that is not ours, or of a version that this one cannot read.
fn info(item: &Item) -> Option<WorkstreamInfo> {
    serde_json::from_str(text(item, a::INFO)?).ok()
}

impl Workstreams for Connections {
    async fn record_workstream(
        &self,
        new: &WorkstreamInfo,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        let mut problem = "somebody else writes the row all the time".to_owned();
        for _ in 0..TRIES {
            let held = self.get(row_key(&new.workstream), 0).await?;
            let merged = match held.as_ref().and_then(info) {
                Some(held) => {
                    let merged = merge(held.clone(), new.clone());
                    if merged == held {
                        return Ok(());
                    }
                    merged
                }
                None => new.clone(),
            };
            let json = match serde_json::to_string(&merged) {
                Ok(json) => json,
                Err(error) => {
                    problem = error.to_string();
                    break;
                }
            };
            let mut item = row_key(&new.workstream);
            item.extend([(a::INFO.to_owned(), s(json)), (EXPIRES_AT.to_owned(), n(expires_at))]);
            // Only onto the row that was merged.
            let put = match held.as_ref().and_then(|item| item.get(a::INFO)) {
                Some(read) => self
                    .put(item)
                    .condition_expression("#info = :read")
                    .set_expression_attribute_names(names(&[("#info", a::INFO)]))
                    .expression_attribute_values(":read", read.clone()),
                None => self.put_new(item),
            };
            if put_if(put).await? {
                return Ok(());
            }
        }
        Err(Unavailable { call: "dynamodb PutItem", problem })
    }

    async fn workstream(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Option<WorkstreamInfo>, Unavailable> {
        Ok(self.get(row_key(workstream), now).await?.as_ref().and_then(info))
    }

    async fn workstreams(
        &self,
        after: Option<&Workstream>,
        now: u64,
    ) -> Result<(Vec<WorkstreamInfo>, Option<Workstream>), Unavailable> {
        let answer = self
            .query()
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .set_expression_attribute_names(names(&[("#pk", PK)]))
            .expression_attribute_values(":pk", s(INDEX))
            .set_exclusive_start_key(after.map(row_key))
            .send()
            .await
            .map_err(unavailable("dynamodb Query"))?;
        let live = answer.items().iter().filter(|item| rows::is_live(item, now));
        let last = answer.last_evaluated_key().and_then(|key| key.get(SK));
        let last =
            last.and_then(|sk| AttributeValue::as_s(sk).ok()?.strip_prefix(WORKSTREAM_PREFIX));
        Ok((live.filter_map(info).collect(), last.and_then(|last| last.parse().ok())))
    }
}
