//! Tables.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// A table.
    Table("aws_dynamodb_table") -> TableRef {
        required { name: Text }
        optional {
            billing_mode: Text, hash_key: Text, range_key: Text, deletion_protection_enabled: Bool,
            tags: Map<Text>,
        }
        blocks {
            attribute: Attribute, ttl: Ttl, point_in_time_recovery: PointInTimeRecovery,
            server_side_encryption: ServerSideEncryption,
        }
        exports { name: Text, arn: Arn }
    }
}

nested! {
    /// A key attribute.
    Attribute { required { name: Text, r#type: Text } }
    /// Time to live.
    Ttl { optional { attribute_name: Text, enabled: Bool } }
    /// Continuous backups.
    PointInTimeRecovery { required { enabled: Bool } }
    /// Encryption at rest with a key of one's own.
    ServerSideEncryption { required { enabled: Bool } optional { kms_key_arn: Opt<Arn> } }
}
