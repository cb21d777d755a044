//! Secrets Manager: metadata only. No resource here takes a value.

use crate::hcl::types::*;
use crate::resource;

resource! {
    /// A secret without its value.
    Secret("aws_secretsmanager_secret") -> SecretRef {
        optional {
            name: Text, description: Text, recovery_window_in_days: Number, kms_key_id: Opt<Arn>,
            tags: Map<Text>,
        }
        exports { arn: Arn, name: Text }
    }
}
