//! Queues.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A queue.
    Queue("aws_sqs_queue") -> QueueRef {
        optional {
            name: Text, message_retention_seconds: Number, sqs_managed_sse_enabled: Opt<Bool>,
            kms_master_key_id: Opt<Arn>, tags: Map<Text>,
        }
        exports { arn: Arn, url: Url, name: Text }
    }
    /// Who may use a queue.
    QueuePolicy("aws_sqs_queue_policy") -> QueuePolicyRef {
        required { queue_url: Url, policy: Json }
    }
}
