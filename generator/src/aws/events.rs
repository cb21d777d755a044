//! EventBridge.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// Which events are taken.
    Rule("aws_cloudwatch_event_rule") -> RuleRef {
        optional { name: Text, description: Text, event_pattern: Json, tags: Map<Text> }
        exports { arn: Arn, name: RuleName }
    }
    /// Where they go.
    Target("aws_cloudwatch_event_target") -> TargetRef {
        required { rule: RuleName, arn: Arn } optional { target_id: Text }
        blocks { retry_policy: RetryPolicy, dead_letter_config: DeadLetter }
    }
}

nested! {
    /// How long an event that could not be delivered is kept.
    RetryPolicy {
        optional { maximum_event_age_in_seconds: Number, maximum_retry_attempts: Number }
    }
    /// Where an event goes that could not be delivered.
    DeadLetter { optional { arn: Arn } }
}
