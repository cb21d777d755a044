use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::builders::DeleteItemFluentBuilder, put_item::PutItemError,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        update_item::UpdateItemError, update_item::builders::UpdateItemFluentBuilder,
    },
    types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem},
};
use futures::{StreamExt, TryStreamExt, stream};
use ralph_protocol::{
    ids::{Run, Workstream},
    table::{
        self, CONNECTION_PREFIX, EXPIRES_AT, META, PK, RUN_PREFIX, SK, WORKSTREAM_PREFIX,
        attribute as a,
    },
};

use super::{
    rows::{self, Item, connection_key, item, key, n, number, s, text},
    unavailable,
};
use crate::ports::{Connection, RunRow, RunUpdate, StreamOwner, Table, Unavailable};

/// Deletes in flight at once.
const DELETES: usize = 16;
/// Longest time spent on [`Connections::warm`].
const WARM: Duration = Duration::from_millis(300);

/// The table `connections` in DynamoDB. Every read is strongly consistent.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    table: String,
}

impl Connections {
    /// The table with this name.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// Opens a connection ahead of the first invocation, by reading a row that does not exist: while
    /// the service gives the start its full processor, TLS costs a tenth. If it fails, the first
    /// invocation tries again and reports why.
    pub async fn warm(&self) {
        let row = key(table::stream("-"), META.to_owned());
        let _ = tokio::time::timeout(WARM, self.get(row, 0)).await;
    }

    pub(super) async fn get(&self, key: Item, now: u64) -> Result<Option<Item>, Unavailable> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key));
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(unavailable("dynamodb GetItem"))?;
        Ok(answer.item.filter(|item| rows::is_live(item, now)))
    }

    /// Rows of a partition whose sort key begins with `prefix`.
    async fn partition(&self, pk: String, prefix: &str) -> Result<Vec<Item>, Unavailable> {
        self.query()
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .set_expression_attribute_names(names(&[("#pk", PK), ("#sk", SK)]))
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":prefix", s(prefix))
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(unavailable("dynamodb Query"))
    }

    pub(super) fn query(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table)
    }

    pub(super) fn put(&self, item: Item) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.table).set_item(Some(item))
    }

    /// A write of a row that must not exist.
    pub(super) fn put_new(&self, item: Item) -> PutItemFluentBuilder {
        self.put(item)
            .condition_expression("attribute_not_exists(#pk)")
            .set_expression_attribute_names(names(&[("#pk", PK)]))
    }

    pub(super) fn delete_row(&self, key: Item) -> DeleteItemFluentBuilder {
        self.client.delete_item().table_name(&self.table).set_key(Some(key))
    }

    async fn delete(&self, key: Item) -> Result<(), Unavailable> {
        self.delete_row(key).send().await.map(|_| ()).map_err(unavailable("dynamodb DeleteItem"))
    }

    async fn together(&self, writes: Vec<TransactWriteItem>) -> Result<(), Unavailable> {
        let write = self.client.transact_write_items().set_transact_items(Some(writes));
        write.send().await.map(|_| ()).map_err(unavailable("dynamodb TransactWriteItems"))
    }

    pub(super) fn update(&self, workstream: &Workstream, run: &Run) -> UpdateItemFluentBuilder {
        self.update_row(key(table::workstream(workstream), table::run(run)))
    }

    fn update_row(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key))
    }

    /// Takes the count of raw lines out of a stream's row.
    async fn forget_raw(&self, row: Item, raw: u64) -> Result<(), Unavailable> {
        let forget = self
            .update_row(row)
            .update_expression("REMOVE #raw")
            .condition_expression("#raw = :raw")
            .set_expression_attribute_names(names(&[("#raw", a::RAW)]))
            .expression_attribute_values(":raw", n(raw));
        update_if(forget).await.map(drop)
    }
}

/// Sends a conditional update, and gives what it returns of the row; `None` when its condition does
/// not hold.
pub(super) async fn update_if(
    update: UpdateItemFluentBuilder,
) -> Result<Option<Item>, Unavailable> {
    match update.send().await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(unavailable("dynamodb UpdateItem")(error)),
    }
}

/// Sends a conditional write; `false` when its condition does not hold.
pub(super) async fn put_if(put: PutItemFluentBuilder) -> Result<bool, Unavailable> {
    match put.send().await {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(unavailable("dynamodb PutItem")(error)),
    }
}

pub(super) fn names(pairs: &[(&str, &str)]) -> Option<HashMap<String, String>> {
    Some(pairs.iter().map(|(short, name)| ((*short).to_owned(), (*name).to_owned())).collect())
}

fn subscription_keys(id: &str, workstream: &Workstream) -> [Item; 2] {
    let (connection, workstream) = (table::connection(id), table::workstream(workstream));
    [key(connection.clone(), workstream.clone()), key(workstream, connection)]
}

impl Table for Connections {
    async fn put_connection(&self, id: &str, row: &Connection) -> Result<(), Unavailable> {
        let mut item = connection_key(id);
        item.extend([
            (a::USER.to_owned(), s(&row.user)),
            (a::SCOPE.to_owned(), s(&row.scope)),
            (a::CONNECTED_AT.to_owned(), n(row.connected_at)),
            (EXPIRES_AT.to_owned(), n(row.expires_at)),
        ]);
        self.put(item).send().await.map(|_| ()).map_err(unavailable("dynamodb PutItem"))
    }

    async fn delete_connection(&self, id: &str) -> Result<(), Unavailable> {
        let pk = table::connection(id);
        let subscriptions = self.partition(pk.clone(), WORKSTREAM_PREFIX).await?;
        // Inverses first: they are what deliveries read, and if this stops halfway the rest still
        // leads to them.
        let streams: Vec<&str> = subscriptions.iter().filter_map(|item| text(item, SK)).collect();
        stream::iter(&streams)
            .map(|workstream| self.delete(key((*workstream).to_owned(), pk.clone())))
            .buffer_unordered(DELETES)
            .try_collect::<()>()
            .await?;
        stream::iter(&streams)
            .map(|workstream| self.delete(key(pk.clone(), (*workstream).to_owned())))
            .buffer_unordered(DELETES)
            .try_collect::<()>()
            .await?;
        self.delete(connection_key(id)).await
    }

    async fn subscribe(
        &self,
        id: &str,
        workstream: &Workstream,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        let puts = subscription_keys(id, workstream).map(|mut item| {
            item.insert(EXPIRES_AT.to_owned(), n(expires_at));
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            TransactWriteItem::builder().set_put(put.ok()).build()
        });
        self.together(puts.to_vec()).await
    }

    async fn unsubscribe(&self, id: &str, workstream: &Workstream) -> Result<(), Unavailable> {
        let deletes = subscription_keys(id, workstream).map(|key| {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build();
            TransactWriteItem::builder().set_delete(delete.ok()).build()
        });
        self.together(deletes.to_vec()).await
    }

    async fn subscriptions(&self, id: &str, now: u64) -> Result<Vec<Workstream>, Unavailable> {
        let items = self.partition(table::connection(id), WORKSTREAM_PREFIX).await?;
        let live = items.iter().filter(|item| rows::is_live(item, now));
        let ids = live.filter_map(|item| text(item, SK)?.strip_prefix(WORKSTREAM_PREFIX));
        Ok(ids.filter_map(|id| id.parse().ok()).collect())
    }

    async fn followers(
        &self,
        workstream: &Workstream,
        now: u64,
    ) -> Result<Vec<String>, Unavailable> {
        let items = self.partition(table::workstream(workstream), CONNECTION_PREFIX).await?;
        let live = items.iter().filter(|item| rows::is_live(item, now));
        let ids = live.filter_map(|item| text(item, SK)?.strip_prefix(CONNECTION_PREFIX));
        Ok(ids.map(str::to_owned).collect())
    }

    async fn count_unclaimed(
        &self,
        name: &str,
        raw: u64,
        now: u64,
        expires_at: u64,
    ) -> Result<Option<StreamOwner>, Unavailable> {
        let row = key(table::stream(name), META.to_owned());
        let count = self
            .update_row(row.clone())
            .update_expression("SET #expires = :expires ADD #raw :raw")
            .condition_expression("attribute_not_exists(#workstream)")
            .set_expression_attribute_names(names(&[
                ("#expires", EXPIRES_AT),
                ("#raw", a::RAW),
                ("#workstream", a::WORKSTREAM),
            ]))
            .expression_attribute_values(":expires", n(expires_at))
            .expression_attribute_values(":raw", n(raw));
        if update_if(count).await?.is_some() {
            return Ok(None);
        }
        Ok(self.get(row, now).await?.as_ref().and_then(rows::stream_owner))
    }

    async fn claim_stream(
        &self,
        name: &str,
        owner: &StreamOwner,
        now: u64,
        expires_at: u64,
    ) -> Result<StreamOwner, Unavailable> {
        let row = key(table::stream(name), META.to_owned());
        let claim = self
            .update_row(row.clone())
            .update_expression("SET #workstream = :workstream, #run = :run, #expires = :expires")
            .condition_expression("attribute_not_exists(#workstream) OR #expires <= :now")
            .set_expression_attribute_names(names(&[
                ("#workstream", a::WORKSTREAM),
                ("#run", a::RUN),
                ("#expires", EXPIRES_AT),
            ]))
            .expression_attribute_values(":workstream", s(owner.workstream.as_str()))
            .expression_attribute_values(":run", s(owner.run.as_str()))
            .expression_attribute_values(":expires", n(expires_at))
            .expression_attribute_values(":now", n(now))
            .return_values(ReturnValue::AllNew);
        let item = match update_if(claim).await? {
            Some(item) => item,
            // Someone was first.
            None => self.get(row.clone(), now).await?.unwrap_or_default(),
        };
        let first = rows::stream_owner(&item).unwrap_or_else(|| owner.clone());
        // Also what the first one had no time for.
        if let Some(raw) = number(&item, a::RAW) {
            self.count_raw(name, &first, raw, expires_at).await?;
            self.forget_raw(row, raw).await?;
        }
        Ok(first)
    }

    async fn runs(
        &self,
        workstream: &Workstream,
        before: Option<&Run>,
        limit: usize,
        now: u64,
    ) -> Result<Vec<RunRow>, Unavailable> {
        // `~` comes after every character of a run's id.
        let last = before.map_or_else(|| format!("{RUN_PREFIX}~"), table::run);
        let answer = self
            .query()
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .set_expression_attribute_names(names(&[("#pk", PK), ("#sk", SK)]))
            .expression_attribute_values(":pk", s(table::workstream(workstream)))
            .expression_attribute_values(":first", s(RUN_PREFIX))
            .expression_attribute_values(":last", s(last))
            .scan_index_forward(false)
            // One more: BETWEEN includes its end, `before` does not.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(unavailable("dynamodb Query"))?;
        let items = answer.items.unwrap_or_default();
        let live = items.iter().filter(|item| rows::is_live(item, now));
        let runs = live.filter_map(rows::run_row).filter(|row| Some(&row.info.run) != before);
        Ok(runs.take(limit).collect())
    }

    async fn run(
        &self,
        workstream: &Workstream,
        run: &Run,
        now: u64,
    ) -> Result<Option<RunRow>, Unavailable> {
        let item = self.get(key(table::workstream(workstream), table::run(run)), now).await?;
        Ok(item.as_ref().and_then(rows::run_row))
    }

    async fn record_run(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable> {
        let attributes = RunAttributes::of(run, update);
        // In order, which is usual: one write. Else each attribute by its own rule.
        let mut all = vec![SEQ_GROWS, TS_GROWS, STATE_STAYS_OR_GROWS];
        let mut sets = vec![SET_SEQ, SET_TS, SET_STATE, &attributes.rest];
        if update.spent_usd.is_some() {
            all.push(SPENT_GROWS);
            sets.push(SET_SPENT);
        }
        let (all, sets) = (all.join(" AND "), sets.join(", "));
        if attributes.write(self.update(workstream, run), &sets, Some(&all)).await? {
            return Ok(());
        }
        let mut each = vec![(SET_SEQ, SEQ_GROWS), (SET_TS, TS_GROWS), (SET_STATE, STATE_GROWS)];
        each.extend(update.spent_usd.map(|_| (SET_SPENT, SPENT_GROWS)));
        for (set, condition) in each {
            attributes.write(self.update(workstream, run), set, Some(condition)).await?;
        }
        attributes.write(self.update(workstream, run), &attributes.rest, None).await.map(|_| ())
    }

    async fn record_task(
        &self,
        workstream: &Workstream,
        run: &Run,
        update: &RunUpdate,
    ) -> Result<(), Unavailable> {
        let attributes = RunAttributes::of(run, update);
        let sets = [SET_STATE, SEQ_AND_TS_BEGIN, &attributes.rest].join(", ");
        if attributes.write(self.update(workstream, run), &sets, Some(STATE_GROWS)).await? {
            return Ok(());
        }
        // The row says as much or more already.
        if update.stream.is_some() {
            attributes.write(self.update(workstream, run), SET_STREAM, None).await?;
        }
        Ok(())
    }

    async fn count_raw(
        &self,
        stream: &str,
        owner: &StreamOwner,
        raw: u64,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        let sets = format!("SET #expires = :expires, {SET_STREAM} ADD #raw :raw");
        let count = self
            .update(&owner.workstream, &owner.run)
            .update_expression(sets)
            .set_expression_attribute_names(names(&[
                ("#expires", EXPIRES_AT),
                ("#stream", a::STREAM),
                ("#raw", a::RAW),
            ]))
            .expression_attribute_values(":expires", n(expires_at))
            .expression_attribute_values(":stream", s(stream))
            .expression_attribute_values(":raw", n(raw));
        update_if(count).await.map(drop)
    }

    async fn use_token(&self, jti: &str, expires_at: u64) -> Result<bool, Unavailable> {
        let item = item(table::token(jti), META.to_owned(), [(EXPIRES_AT, n(expires_at))]);
        put_if(self.put_new(item)).await
    }
}

const SET_SEQ: &str = "#seq = :seq";
const SET_TS: &str = "#ts = :ts";
const SET_STATE: &str = "#state = :state, #rank = :rank";
/// A row begins with these; push-logs may have been first.
const SEQ_AND_TS_BEGIN: &str = "#seq = if_not_exists(#seq, :seq), #ts = if_not_exists(#ts, :ts)";
pub(super) const SET_SPENT: &str = "#spent = :spent";
const SET_STREAM: &str = "#stream = if_not_exists(#stream, :stream)";
const SEQ_GROWS: &str = "(attribute_not_exists(#seq) OR #seq < :seq)";
const TS_GROWS: &str = "(attribute_not_exists(#ts) OR #ts <= :ts)";
pub(super) const SPENT_GROWS: &str = "(attribute_not_exists(#spent) OR #spent <= :spent)";
const STATE_GROWS: &str = "(attribute_not_exists(#rank) OR #rank < :rank)";
const STATE_STAYS_OR_GROWS: &str =
    "(attribute_not_exists(#rank) OR #rank < :rank OR #state = :state)";

/// An update of a run as expression attributes.
struct RunAttributes {
    names: Vec<(&'static str, &'static str)>,
    values: Vec<(&'static str, AttributeValue)>,
    /// What is set whatever the order.
    rest: String,
}

impl RunAttributes {
    fn of(run: &Run, update: &RunUpdate) -> Self {
        let mut all = Self { names: Vec::new(), values: Vec::new(), rest: String::new() };
        all.add("#seq", a::LAST_SEQ, ":seq", n(update.last_seq));
        all.add("#ts", a::LAST_TS, ":ts", n(update.last_ts));
        all.add("#state", a::STATE, ":state", s(update.state.as_str()));
        all.add("#rank", a::STATE_RANK, ":rank", n(update.state.rank()));
        all.add("#expires", EXPIRES_AT, ":expires", n(update.expires_at));
        all.add("#attempt", a::ATTEMPT, ":attempt", n(run.attempt()));
        all.add("#started", a::STARTED_AT, ":started", n(run.started_ms()));
        let mut rest = vec![
            "#expires = :expires",
            "#attempt = if_not_exists(#attempt, :attempt)",
            "#started = if_not_exists(#started, :started)",
        ];
        if let Some(stream) = &update.stream {
            all.add("#stream", a::STREAM, ":stream", s(stream));
            rest.push(SET_STREAM);
        }
        if let Some(reason) = &update.reason {
            all.add("#reason", a::REASON, ":reason", s(reason));
            rest.push("#reason = :reason");
        }
        if let Some(exit) = update.exit {
            all.add("#exit", a::EXIT, ":exit", n(exit));
            rest.push("#exit = :exit");
        }
        if let Some(usd) = update.spent_usd {
            all.add("#spent", a::SPENT_USD, ":spent", n(usd));
        }
        if let Some(link) = &update.pull_request {
            all.add("#pull", a::PULL_REQUEST, ":pull", s(link));
            rest.push("#pull = :pull");
        }
        if let Some(until) = update.wait_until {
            all.add("#until", a::WAIT_UNTIL, ":until", n(until));
            rest.push("#until = :until");
        }
        all.rest = rest.join(", ");
        all
    }

    fn add(
        &mut self,
        short: &'static str,
        name: &'static str,
        placeholder: &'static str,
        value: AttributeValue,
    ) {
        self.names.push((short, name));
        self.values.push((placeholder, value));
    }

    /// `false` when the condition does not hold.
    async fn write(
        &self,
        update: UpdateItemFluentBuilder,
        sets: &str,
        condition: Option<&str>,
    ) -> Result<bool, Unavailable> {
        // DynamoDB refuses names and values that no expression uses.
        let used = |token: &str| uses(sets, token) || condition.is_some_and(|c| uses(c, token));
        let names: Vec<_> = self.names.iter().copied().filter(|(short, _)| used(short)).collect();
        let values = self.values.iter().filter(|(placeholder, _)| used(placeholder));
        let values = values.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let update = update
            .update_expression(format!("SET {sets}"))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(self::names(&names))
            .set_expression_attribute_values(Some(values));
        Ok(update_if(update).await?.is_some())
    }
}

/// Whether an expression holds a placeholder, and not only a longer one that begins with it.
fn uses(expression: &str, token: &str) -> bool {
    expression.match_indices(token).any(|(at, _)| {
        let next = expression[at + token.len()..].chars().next();
        !next.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_found_as_a_word() {
        assert!(uses("#state = :state", "#state"));
        assert!(!uses("#started = :started", "#start"));
        assert!(uses("(#ts <= :ts)", ":ts"));
    }
}
