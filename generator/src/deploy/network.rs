//! What the module vpc takes.

use serde_json::json;

use super::{EVERYTHING, Grant, arn};
use crate::config::{Environment, NetworkMode};

/// EC2 asks for a creation three times: on what is made, on what it is made in, and for its tags.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html>
pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let name = env.names.environment();
    let all = arn(env, "ec2", "*");
    let mut make =
        "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateSecurityGroup".to_owned();
    let mut change = "ec2: AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateTags \
                      DeleteSecurityGroup DeleteTags ModifySecurityGroupRules \
                      RevokeSecurityGroupEgress RevokeSecurityGroupIngress"
        .to_owned();
    let (mut adopted, mut taken) = (None, None);
    match &env.network.mode {
        NetworkMode::Create { nat, flow_logs, .. } => {
            make +=
                " CreateInternetGateway CreateRouteTable CreateSubnet CreateVpc CreateVpcEndpoint";
            change += " AssociateRouteTable AttachInternetGateway CreateRoute CreateRouteTable \
                       CreateSecurityGroup CreateSubnet CreateVpcEndpoint DeleteInternetGateway \
                       DeleteRoute DeleteRouteTable DeleteSubnet DeleteVpc DeleteVpcEndpoints \
                       DetachInternetGateway DisassociateRouteTable ModifySubnetAttribute \
                       ModifyVpcAttribute ModifyVpcEndpoint ReplaceRoute";
            if nat != "none" {
                make += " AllocateAddress CreateNatGateway";
                change += " CreateNatGateway DeleteNatGateway DisassociateAddress ReleaseAddress";
            }
            if *flow_logs {
                make += " CreateFlowLogs";
                change += " CreateFlowLogs DeleteFlowLogs";
            }
            adopted = Some(arn(env, "ec2", "security-group/*"));
        }
        NetworkMode::Default => taken = Some(arn(env, "ec2", "vpc/*")),
        NetworkMode::Existing { vpc_id: id, .. } => {
            taken = Some(arn(env, "ec2", &format!("vpc/{id}")))
        }
    }
    let mut creations: Vec<&str> = make.split_whitespace().collect();
    creations.sort_unstable();
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
            "Make",
            "What is made gets this environment's tag.",
            &format!("ec2: {make}"),
            [all.clone()],
        )
        .when(json!({ "StringEquals": { "aws:RequestTag/Environment": name } })),
        Grant::new(
            "MakeInNetwork",
            "The VPC of the tasks has no tag of ours. The id of a default VPC is not known here.",
            "ec2: CreateSecurityGroup",
            taken,
        ),
        Grant::new(
            "TagWhatIsMade",
            "Only tags that come with a creation; none of something that exists.",
            "ec2: CreateTags",
            [all.clone()],
        )
        .when(json!({
            "StringEquals": { "aws:RequestTag/Environment": name, "ec2:CreateAction": creations },
        })),
        Grant::new(
            "AdoptDefaultGroup",
            "AWS makes a VPC's default group without a tag; the module sets it, then empties the group. \
             No condition names that group: this reaches every group without the tag Environment.",
            "ec2: CreateTags",
            adopted,
        )
        .when(json!({
            "StringEquals": { "aws:RequestTag/Environment": name },
            "Null": { "aws:ResourceTag/Environment": "true" },
        })),
        Grant::new(
            "ChangeOwn",
            "Only what carries this environment's tag, and what is made in it.",
            &change,
            [all],
        )
        .when(json!({ "StringEquals": { "aws:ResourceTag/Environment": name } })),
    ]
}
