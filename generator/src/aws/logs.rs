//! CloudWatch Logs.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A log group.
    LogGroup("aws_cloudwatch_log_group") -> LogGroupRef {
        optional { name: Text, retention_in_days: Number, kms_key_id: Opt<Arn>, tags: Map<Text> }
        exports { name: Text, arn: Arn }
    }
    /// What a log group's lines go to.
    SubscriptionFilter("aws_cloudwatch_log_subscription_filter") -> SubscriptionFilterRef {
        required { name: Text, log_group_name: Text, filter_pattern: Text, destination_arn: Arn }
    }
}
