//! The rows of executions: leases, answers, requests to stop, and the beginnings of runs.

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemError, put_item::builders::PutItemFluentBuilder},
    types::AttributeValue,
};
use ralph_protocol::{
    execution::Progress,
    ids::{Run, Workstream},
    table::{self, EXPIRES_AT, LEASE, PK, RunState, STOP, attribute as a},
};

use super::{
    rows::{Item, item, key, n, s, text},
    table::{Connections, SET_SPENT, SPENT_GROWS, names, put_if, update_if},
    unavailable,
};
use crate::ports::{Executions, Lease, Unavailable};

fn step_key(progress: &Progress) -> Item {
    key(table::workstream(&progress.order.workstream), table::step(progress.ulid, progress.step))
}

fn lease_key(workstream: &Workstream) -> Item {
    key(table::workstream(workstream), LEASE.to_owned())
}

impl Connections {
    fn put_lease(&self, workstream: &Workstream, lease: &Lease) -> PutItemFluentBuilder {
        let mut item = lease_key(workstream);
        item.extend([
            (a::EXECUTION.to_owned(), s(&lease.execution)),
            (a::ULID.to_owned(), s(lease.ulid.to_string())),
            (EXPIRES_AT.to_owned(), n(lease.expires_at)),
        ]);
        self.put(item)
    }

    async fn named_execution(&self, key: Item) -> Result<Option<String>, Unavailable> {
        let item = self.get(key, 0).await?;
        Ok(item.as_ref().and_then(|item| text(item, a::EXECUTION)).map(str::to_owned))
    }
}

impl Executions for Connections {
    async fn answer(&self, progress: &Progress) -> Result<Option<String>, Unavailable> {
        let item = self.get(step_key(progress), 0).await?;
        Ok(item.as_ref().and_then(|item| text(item, a::ANSWER)).map(str::to_owned))
    }

    async fn keep_answer(
        &self,
        progress: &Progress,
        answer: &str,
        expires_at: u64,
    ) -> Result<String, Unavailable> {
        let mut item = step_key(progress);
        item.extend([(a::ANSWER.to_owned(), s(answer)), (EXPIRES_AT.to_owned(), n(expires_at))]);
        if put_if(self.put_new(item)).await? {
            return Ok(answer.to_owned());
        }
        Ok(self.answer(progress).await?.unwrap_or_else(|| answer.to_owned()))
    }

    async fn take_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        now: u64,
    ) -> Result<bool, Unavailable> {
        // Its own lease counts as free: a call that Step Functions repeats.
        let put = self
            .put_lease(workstream, lease)
            .condition_expression(
                "attribute_not_exists(#pk) OR #expires < :now OR #execution = :me",
            )
            .set_expression_attribute_names(names(&[
                ("#pk", PK),
                ("#expires", EXPIRES_AT),
                ("#execution", a::EXECUTION),
            ]))
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":me", s(&lease.execution));
        put_if(put).await
    }

    async fn lease_holder(&self, workstream: &Workstream) -> Result<Option<String>, Unavailable> {
        self.named_execution(lease_key(workstream)).await
    }

    async fn take_over_lease(
        &self,
        workstream: &Workstream,
        lease: &Lease,
        holder: &str,
    ) -> Result<bool, Unavailable> {
        let put = self
            .put_lease(workstream, lease)
            .condition_expression("#execution = :holder")
            .set_expression_attribute_names(names(&[("#execution", a::EXECUTION)]))
            .expression_attribute_values(":holder", s(holder));
        put_if(put).await
    }

    async fn release_lease(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<(), Unavailable> {
        let delete = self.delete_row(lease_key(workstream));
        let answer = delete
            .condition_expression("#execution = :me")
            .set_expression_attribute_names(names(&[("#execution", a::EXECUTION)]))
            .expression_attribute_values(":me", s(execution))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(unavailable("dynamodb DeleteItem")(error)),
        }
    }

    async fn stop_requested(
        &self,
        workstream: &Workstream,
        execution: &str,
    ) -> Result<bool, Unavailable> {
        let asked = key(table::workstream(workstream), STOP.to_owned());
        Ok(self.named_execution(asked).await?.as_deref() == Some(execution))
    }

    async fn begin_run(
        &self,
        progress: &Progress,
        run: &Run,
        now_ms: u64,
        expires_at: u64,
    ) -> Result<(), Unavailable> {
        let zero = || AttributeValue::N("0".to_owned());
        let state = RunState::Starting;
        let mut known = Item::new();
        if let Some(link) = &progress.pull_request {
            known.insert(a::PULL_REQUEST.to_owned(), s(link));
        }
        if let Some(used) = progress.used() {
            known.insert(a::SPENT_USD.to_owned(), n(used.usd()));
        }
        let attributes = [
            (a::EXECUTION, s(&progress.execution)),
            (a::ATTEMPT, n(run.attempt())),
            (a::STARTED_AT, n(now_ms)),
            (a::LAST_SEQ, zero()),
            (a::LAST_TS, zero()),
            (a::STATE, s(state.as_str())),
            (a::STATE_RANK, n(state.rank())),
            (EXPIRES_AT, n(expires_at)),
        ];
        let mut item =
            item(table::workstream(&progress.order.workstream), table::run(run), attributes);
        item.extend(known);
        put_if(self.put_new(item)).await.map(|_| ())
    }

    async fn record_spent(
        &self,
        workstream: &Workstream,
        run: &Run,
        usd: f64,
    ) -> Result<(), Unavailable> {
        let update = self
            .update(workstream, run)
            .update_expression(format!("SET {SET_SPENT}"))
            .condition_expression(format!("attribute_exists(#pk) AND {SPENT_GROWS}"))
            .set_expression_attribute_names(names(&[("#pk", PK), ("#spent", a::SPENT_USD)]))
            .expression_attribute_values(":spent", n(usd));
        update_if(update).await.map(|_| ())
    }
}
