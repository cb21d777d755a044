//! The resource types that the modules use, each as the AWS provider describes it. A test compares
//! every one with the provider's own schema.

use crate::hcl::Schema;

macro_rules! catalogue {
    ($($file:ident $($more:ident)?),*) => {
        $(pub mod $file;)*

        /// Every resource and data source here.
        #[must_use]
        pub fn catalogue() -> Vec<&'static Schema> {
            [$($file::RESOURCES $(, $file::$more)?),*].concat()
        }
    };
}

catalogue!(
    apigateway, cloudwatch, dynamodb, ec2 DATA_SOURCES, ecr, ecs, events, iam DATA_SOURCES, lambda,
    logs, secrets, sfn, sns, sqs, ssm
);
