//! SNS: topics and who hears of them.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A topic.
    Topic("aws_sns_topic") -> TopicRef {
        optional { name: Text, kms_master_key_id: Text }
        exports { arn: Arn, name: Text }
    }
    /// Somebody who hears of a topic.
    TopicSubscription("aws_sns_topic_subscription") -> TopicSubscriptionRef {
        required { topic_arn: Arn, protocol: Text, endpoint: Text }
    }
}
