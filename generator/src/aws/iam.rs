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
        exports { arn: Arn, name: RoleName, id: RoleName }
    }
    /// The role that a service of AWS uses in the account.
    ServiceLinkedRole("aws_iam_service_linked_role") -> ServiceLinkedRoleRef {
        required { aws_service_name: Text } optional { description: Text } exports { arn: Arn }
    }
    /// A policy that belongs to one role.
    RolePolicy("aws_iam_role_policy") -> RolePolicyRef {
        required { role: RoleName, policy: Json } optional { name: Text }
    }
}

data! {
    /// `aws`, `aws-cn` or `aws-us-gov`, from the provider's region: asks nobody.
    Partition("aws_partition") -> PartitionRef { exports { partition: PartitionName } }
}
