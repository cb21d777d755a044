//! What the module vpc takes.

use serde_json::json;

use super::{EVERYTHING, Grant, arn};
use crate::config::{Environment, NetworkMode};

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let name = env.names.environment();
    let all = arn(env, "ec2", "*/*");
    let mut make = "ec2: CreateSecurityGroup".to_owned();
    let mut change = "ec2: AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress \
                      DeleteSecurityGroup DeleteTags ModifySecurityGroupRules \
                      RevokeSecurityGroupIngress"
        .to_owned();
    let (mut own, mut taken) = (None, None);
    if let NetworkMode::Create { nat, flow_logs, .. } = &env.network.mode {
        make += " CreateInternetGateway CreateRouteTable CreateSubnet CreateVpc CreateVpcEndpoint";
        change += " AssociateRouteTable AttachInternetGateway CreateRoute DeleteInternetGateway \
                   DeleteRoute DeleteRouteTable DeleteSubnet DeleteVpc DeleteVpcEndpoints \
                   DetachInternetGateway DisassociateRouteTable ModifySubnetAttribute \
                   ModifyVpcAttribute ModifyVpcEndpoint ReplaceRoute";
        if nat != "none" {
            make += " AllocateAddress CreateNatGateway";
            change += " DeleteNatGateway DisassociateAddress ReleaseAddress";
        }
        if *flow_logs {
            make += " CreateFlowLogs";
            change += " DeleteFlowLogs";
        }
        own = Some(all.clone());
    } else {
        taken = Some([arn(env, "ec2", "security-group/*"), arn(env, "ec2", "vpc/*")]);
    }
    vec![
        Grant::new(
            "LookAtNetworks",
            "EC2's Describe actions have no resource.",
            "ec2: DescribeAddresses DescribeAddressesAttribute DescribeFlowLogs \
             DescribeInternetGateways DescribeNatGateways DescribeNetworkAcls \
             DescribeNetworkInterfaces DescribePrefixLists DescribeRouteTables \
             DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets \
             DescribeVpcAttribute DescribeVpcEndpoints DescribeVpcs",
            [EVERYTHING],
        ),
        Grant::new(
            "Tag",
            "What is made is tagged as it is made, and VPC's own default group when it is adopted.",
            "ec2: CreateTags",
            [all.clone()],
        )
        .when(json!({ "StringEquals": { "aws:RequestTag/Environment": name } })),
        Grant::new(
            "EmptyGroups",
            "A new group and the default one begin with rules, before they carry a tag.",
            "ec2: RevokeSecurityGroupEgress",
            [arn(env, "ec2", "security-group/*")],
        ),
        Grant::new("Make", "What is made has no id yet; all in this Region.", &make, own),
        Grant::new(
            "MakeGroup",
            "A security group has no id before it is made.",
            "ec2: CreateSecurityGroup",
            taken.into_iter().flatten(),
        ),
        Grant::new("ChangeOwn", "Only what carries this environment's tag.", &change, [all])
            .when(json!({ "StringEquals": { "aws:ResourceTag/Environment": name } })),
    ]
}
