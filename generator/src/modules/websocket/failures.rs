//! Where deliveries and events go that failed for good: CloudWatch Logs calls push-logs and EventBridge
//! calls task-events asynchronously, and Lambda itself repeats a failed call before it gives up.

use ralph_protocol::names::Handler;

use super::functions::Functions;
use super::{Inputs, This, Value, Websocket};
use crate::aws::lambda::{DestinationConfig, EventInvokeConfig, OnFailure};
use crate::aws::sqs::{Queue, QueueRef};
use crate::hcl::prelude::*;

/// Seconds after which a delivery is given up. A viewer asks for what it lacks long before.
const OLDEST_CALL: u32 = 300;
/// The most that Lambda allows.
const RETRIES: u32 = 2;
/// Two weeks, the most that SQS allows: a holiday, and time to look.
const KEPT: u32 = 14 * 24 * 3600;

pub(super) fn queue(m: &mut This, inputs: &Inputs) -> QueueRef<Websocket> {
    m.file("failures.tf");
    let key = &inputs.kms_key_arn;
    let managed = key.is_null().choose::<Opt<Bool>>(Expr::<_, Bool>::from(true), Expr::null());
    m.add(
        Queue::new("failures")
            .why("Deliveries and events that failed after every retry, each with the error. Empty unless something is wrong.")
            .name(text![&inputs.name, "-failures"])
            .message_retention_seconds(KEPT)
            .note("Null with a KMS key, because SQS takes only one of the two.")
            .sqs_managed_sse_enabled(managed)
            .kms_master_key_id(key),
    )
}

/// Repeats failed asynchronous calls, then puts them into the queue.
pub(super) fn kept(m: &mut This, functions: &Functions, queue: &QueueRef<Websocket>) {
    let called: Value<List<Text>> =
        [Handler::PushLogs, Handler::TaskEvents].map(Handler::as_str).into();
    m.add_each(&func::to_set(called), |each| {
        EventInvokeConfig::new("this")
            .function_name(functions.at(each.key, |function| function.function_name()))
            .maximum_event_age_in_seconds(OLDEST_CALL)
            .maximum_retry_attempts(RETRIES)
            .destination_config(
                DestinationConfig::default()
                    .on_failure(OnFailure::default().destination(queue.arn())),
            )
    });
}
