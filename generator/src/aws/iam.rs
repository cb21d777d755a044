//! Roles and their policies.

use crate::hcl::types::*;
use crate::{data, resource};

resource! {
    /// A role.
    Role("aws_iam_role") -> RoleRef {
        required { assume_role_policy: Json }
        optional {
            name: Text, path: Text, description: Text, permissions_boundary: Opt<Arn>,
            tags: Map<Text>,
        }
        blocks {}
        exports { arn: Arn, name: RoleName, id: RoleName }
    }

    /// A policy that belongs to one role.
    RolePolicy("aws_iam_role_policy") -> RolePolicyRef {
        required { role: RoleName, policy: Json }
        optional { name: Text }
        blocks {}
        exports { id: Text }
    }
}

data! {
    /// `aws`, `aws-cn` or `aws-us-gov`, from the provider's region: asks nobody.
    Partition("aws_partition") -> PartitionRef {
        required {}
        optional {}
        blocks {}
        exports { partition: PartitionName, dns_suffix: DnsSuffix }
    }
}
