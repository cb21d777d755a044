//! The resource types that the modules use, each as the AWS provider describes it. A test compares
//! every one with the provider's own schema.

pub mod apigateway;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod events;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod secrets;
pub mod sfn;
pub mod sqs;

use crate::hcl::Schema;

/// Every resource and data source here.
pub const CATALOGUE: &[&Schema] = &[
    apigateway::Api::<()>::SCHEMA,
    apigateway::Authorizer::<()>::SCHEMA,
    apigateway::Integration::<()>::SCHEMA,
    apigateway::Route::<()>::SCHEMA,
    apigateway::Deployment::<()>::SCHEMA,
    apigateway::Stage::<()>::SCHEMA,
    apigateway::Account::<()>::SCHEMA,
    cloudwatch::MetricAlarm::<()>::SCHEMA,
    cloudwatch::Dashboard::<()>::SCHEMA,
    dynamodb::Table::<()>::SCHEMA,
    ec2::Vpc::<()>::SCHEMA,
    ec2::DefaultSecurityGroup::<()>::SCHEMA,
    ec2::Subnet::<()>::SCHEMA,
    ec2::InternetGateway::<()>::SCHEMA,
    ec2::RouteTable::<()>::SCHEMA,
    ec2::Route::<()>::SCHEMA,
    ec2::RouteTableAssociation::<()>::SCHEMA,
    ec2::VpcEndpoint::<()>::SCHEMA,
    ec2::SecurityGroup::<()>::SCHEMA,
    ec2::EgressRule::<()>::SCHEMA,
    ec2::IngressRule::<()>::SCHEMA,
    ec2::Eip::<()>::SCHEMA,
    ec2::NatGateway::<()>::SCHEMA,
    ec2::FlowLog::<()>::SCHEMA,
    ec2::VpcData::<()>::SCHEMA,
    ec2::SubnetsData::<()>::SCHEMA,
    ecr::Repository::<()>::SCHEMA,
    ecr::LifecyclePolicy::<()>::SCHEMA,
    ecs::Cluster::<()>::SCHEMA,
    ecs::ClusterCapacityProviders::<()>::SCHEMA,
    ecs::TaskDefinition::<()>::SCHEMA,
    events::Rule::<()>::SCHEMA,
    events::Target::<()>::SCHEMA,
    iam::Role::<()>::SCHEMA,
    iam::RolePolicy::<()>::SCHEMA,
    iam::ServiceLinkedRole::<()>::SCHEMA,
    iam::Partition::<()>::SCHEMA,
    lambda::Function::<()>::SCHEMA,
    lambda::Permission::<()>::SCHEMA,
    lambda::EventInvokeConfig::<()>::SCHEMA,
    logs::LogGroup::<()>::SCHEMA,
    logs::SubscriptionFilter::<()>::SCHEMA,
    secrets::Secret::<()>::SCHEMA,
    sfn::StateMachine::<()>::SCHEMA,
    sqs::Queue::<()>::SCHEMA,
    sqs::QueuePolicy::<()>::SCHEMA,
];
