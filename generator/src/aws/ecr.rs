//! Container images.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// A repository of images.
    Repository("aws_ecr_repository") -> RepositoryRef {
        required { name: Text }
        optional { image_tag_mutability: Text, force_delete: Bool, tags: Map<Text> }
        blocks { image_scanning_configuration: ImageScanning, encryption_configuration: Encryption }
        exports { name: Text, arn: Arn, repository_url: Url }
    }
    /// Which images expire.
    LifecyclePolicy("aws_ecr_lifecycle_policy") -> LifecyclePolicyRef {
        required { repository: Text, policy: Json }
    }
}

nested! {
    /// Scan on push.
    ImageScanning { required { scan_on_push: Bool } }
    /// Encryption at rest.
    Encryption { optional { encryption_type: Text, kms_key: Opt<Arn> } }
}
