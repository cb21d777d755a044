//! Where deliveries go that failed for good: CloudWatch Logs calls push-logs asynchronously, and
//! Lambda itself repeats a failed call before it gives up.

use super::{Websocket, WebsocketInputs, functions::Made};
use crate::aws::lambda::{DestinationConfig, EventInvokeConfig, OnFailure};
use crate::aws::sqs::{Queue, QueueRef};
use crate::hcl::prelude::*;

/// Seconds after which a delivery is given up. A viewer asks for what it lacks long before.
const OLDEST_CALL: u32 = 300;
/// The most that Lambda allows.
const RETRIES: u32 = 2;
/// Two weeks, the most that SQS allows: a holiday, and time to look.
const KEPT: u32 = 14 * 24 * 3600;

pub(super) fn queue(
    m: &mut Module<Websocket>,
    inputs: &WebsocketInputs<Websocket>,
) -> QueueRef<Websocket> {
    m.file("failures.tf");
    let key = &inputs.options.kms_key_arn;
    m.add(
        Queue::new("failures")
            .why("Deliveries that failed for good, each with its lines and the error. Empty unless something is wrong.")
            .name(text![&inputs.name, "-failures"])
            .message_retention_seconds(KEPT)
            .sqs_managed_sse_enabled(key.is_null().choose::<Opt<Bool>>(Expr::<_, Bool>::from(true), Expr::null()))
            .kms_master_key_id(key),
    )
}

/// Repeats a function's failed asynchronous calls, then puts them into the queue. The function's
/// role must be allowed to send there.
pub(super) fn kept(
    m: &mut Module<Websocket>,
    local: &str,
    made: &Made,
    queue: &QueueRef<Websocket>,
) {
    m.file("failures.tf");
    m.add(
        EventInvokeConfig::new(local)
            .function_name(made.function.function_name())
            .maximum_event_age_in_seconds(OLDEST_CALL)
            .maximum_retry_attempts(RETRIES)
            .destination_config(
                DestinationConfig::default()
                    .on_failure(OnFailure::default().destination(queue.arn())),
            ),
    );
}
