//! Queues.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A queue.
    Queue("aws_sqs_queue") -> QueueRef {
        required {}
        optional {
            name: Text, message_retention_seconds: Number, sqs_managed_sse_enabled: Opt<Bool>,
            kms_master_key_id: Opt<Arn>, kms_data_key_reuse_period_seconds: Number,
            visibility_timeout_seconds: Number, tags: Map<Text>,
        }
        blocks {}
        exports { arn: Arn, url: Url, name: Text }
    }
}
