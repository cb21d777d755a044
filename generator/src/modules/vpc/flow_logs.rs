//! Flow logs: who talked to whom.

use super::own::Network;
use super::{Inputs, This};
use crate::aws::ec2::FlowLog;
use crate::aws::iam::{Role, RolePolicy};
use crate::aws::logs::LogGroup;
use crate::hcl::prelude::*;
use crate::skips;

pub(super) fn records(m: &mut This, inputs: &Inputs, own: &Network) {
    m.file("flow_logs.tf");
    let on = m.local("flow_logs", own.create.and(&inputs.flow_logs.enabled));
    let group = m.add_if(
        &on,
        LogGroup::new("flow")
            .skip(skips::LOG_GROUP)
            .name(text!["/ralph/flow/", &inputs.name])
            .retention_in_days(&inputs.flow_logs.retention_in_days)
            .kms_key_id(&inputs.kms_key_arn),
    );
    let trust = Statement::trust("vpc-flow-logs.amazonaws.com").when(
        "StringEquals",
        "aws:SourceAccount",
        own.vpc.first(|vpc| vpc.arn()).account().any(),
    );
    let role = m.add_if(
        &on,
        Role::new("flow")
            .name(text![&inputs.name, "-flow-logs"])
            .path(&inputs.roles.path)
            .permissions_boundary(&inputs.roles.permissions_boundary_arn)
            .assume_role_policy(Document::new([trust])),
    );
    let policy = Document::new([
        Statement::allow("WriteLogs", "logs: CreateLogStream DescribeLogStreams PutLogEvents")
            .on(arn![group.first(|group| group.arn()), ":*"]),
        Statement::allow("FindLogGroup", "logs: DescribeLogGroups")
            .on_everything("the action has no resource-level permissions"),
    ]);
    let policy = m.add_if(
        &on,
        RolePolicy::new("flow")
            .note(&policy.reasons())
            .why("https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html")
            .name("flow-logs")
            .role(role.first(|role| role.id()))
            .policy(policy),
    );
    m.add_if(
        &on,
        FlowLog::new("this")
            .vpc_id(own.vpc.first(|vpc| vpc.id()))
            .traffic_type("ALL")
            .log_destination_type("cloud-watch-logs")
            .log_destination(group.first(|group| group.arn()))
            .iam_role_arn(role.first(|role| role.arn()))
            .tags(map([("Name", Expr::from(&inputs.name))]))
            .after(&policy),
    );
}
