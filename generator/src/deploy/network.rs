//! What the module vpc takes.

use serde_json::json;

use super::{Grant, arn};
use crate::config::{Environment, NetworkMode};

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let name = env.names.environment();
    let ours = json!({ "StringEquals": { "aws:ResourceTag/Environment": name } });
    let all = arn(env, "ec2", "*/*");
    let mut grants = vec![Grant {
        sid: "LookAtNetworks",
        why: "EC2's Describe actions have no resource.",
        actions: vec![
            "ec2:DescribeAddresses",
            "ec2:DescribeAddressesAttribute",
            "ec2:DescribeFlowLogs",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeNatGateways",
            "ec2:DescribeNetworkAcls",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribePrefixLists",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcAttribute",
            "ec2:DescribeVpcEndpoints",
            "ec2:DescribeVpcs",
        ],
        resources: vec!["*".to_owned()],
        condition: None,
    }];
    let group = Grant {
        sid: "MakeGroup",
        why: "A security group has no id before it is made.",
        actions: vec!["ec2:CreateSecurityGroup"],
        resources: vec![arn(env, "ec2", "security-group/*"), arn(env, "ec2", "vpc/*")],
        condition: None,
    };
    let tag = Grant {
        sid: "Tag",
        why: "What is made is tagged as it is made, and VPC's own default group when it is adopted.",
        actions: vec!["ec2:CreateTags"],
        resources: vec![all.clone()],
        condition: Some(json!({ "StringEquals": { "aws:RequestTag/Environment": name } })),
    };
    let change = |actions| Grant {
        sid: "ChangeOwn",
        why: "Only what carries this environment's tag.",
        actions,
        resources: vec![all.clone()],
        condition: Some(ours.clone()),
    };
    let of_group = [
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteTags",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
    ];
    let empty = Grant {
        sid: "EmptyGroups",
        why: "A new group and the default one begin with rules, before they carry a tag.",
        actions: vec!["ec2:RevokeSecurityGroupEgress"],
        resources: vec![arn(env, "ec2", "security-group/*")],
        condition: None,
    };
    grants.push(tag);
    grants.push(empty);
    let NetworkMode::Create { nat, flow_logs, .. } = &env.network.mode else {
        grants.push(group);
        grants.push(change(of_group.to_vec()));
        return grants;
    };
    let mut make = vec![
        "ec2:CreateInternetGateway",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateVpc",
        "ec2:CreateVpcEndpoint",
    ];
    let mut change_also = vec![
        "ec2:AssociateRouteTable",
        "ec2:AttachInternetGateway",
        "ec2:CreateRoute",
        "ec2:DeleteInternetGateway",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DeleteSubnet",
        "ec2:DeleteVpc",
        "ec2:DeleteVpcEndpoints",
        "ec2:DetachInternetGateway",
        "ec2:DisassociateRouteTable",
        "ec2:ModifySubnetAttribute",
        "ec2:ModifyVpcAttribute",
        "ec2:ModifyVpcEndpoint",
        "ec2:ReplaceRoute",
    ];
    if nat != "none" {
        make.extend(["ec2:AllocateAddress", "ec2:CreateNatGateway"]);
        change_also.extend([
            "ec2:DeleteNatGateway",
            "ec2:DisassociateAddress",
            "ec2:ReleaseAddress",
        ]);
    }
    if *flow_logs {
        make.push("ec2:CreateFlowLogs");
        change_also.push("ec2:DeleteFlowLogs");
    }
    change_also.extend(of_group);
    make.sort_unstable();
    change_also.sort_unstable();
    grants.push(Grant {
        sid: "Make",
        why: "What is made has no id yet; all in this Region.",
        actions: make,
        resources: vec![all.clone()],
        condition: None,
    });
    grants.push(change(change_also));
    grants
}
