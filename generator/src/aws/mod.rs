//! The resource types that the modules use, each as the AWS provider describes it. A test compares
//! every one with the provider's own schema.

pub mod apigateway;
pub mod dynamodb;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod secrets;
