//! The alarm for executions that failed, and what a customer's key asks of the roles here.

use super::{Fargate, FargateInputs};
use crate::aws::cloudwatch::MetricAlarm;
use crate::aws::iam::{RolePolicy, RoleRef};
use crate::aws::sfn::StateMachineRef;
use crate::hcl::prelude::*;

pub(super) fn alarm(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    machine: &StateMachineRef<Fargate>,
) {
    m.file("alarms.tf");
    let options = &inputs.options;
    let topic = &options.alarm_topic_arn;
    let actions = topic.is_null().choose::<List<Arn>>(Vec::new(), vec![topic.set()]);
    let actions = m.local_because(
        "alarm_actions",
        "An alarm without a topic is seen in the console only.",
        actions,
    );
    m.add_if(
        &options.alarms,
        MetricAlarm::new("executions_failed")
            .alarm_name(text![&inputs.state_machine_name, "-failed"])
            .alarm_description("An execution was refused, could not start, gave up, or lost one of its functions. The worker's own ends count as success.")
            .namespace("AWS/States")
            .metric_name("ExecutionsFailed")
            .dimensions(map([("StateMachineArn", Expr::from(machine.arn()))]))
            .statistic("Sum")
            .period(300)
            .evaluation_periods(1)
            .comparison_operator("GreaterThanOrEqualToThreshold")
            .threshold(1)
            .treat_missing_data("notBreaching")
            .alarm_actions(&actions)
            .ok_actions(&actions),
    );
}

/// With a customer's key, a role that reads what is encrypted with it needs the key too: the
/// service asks for it in the role's name.
pub(super) fn use_of_key(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    local: &str,
    service: &str,
    role: &RoleRef<Fargate>,
) {
    let key = &inputs.options.kms_key_arn;
    let decrypt = Statement::allow("Key", &["kms:Decrypt"]).on(key.set()).when(
        "StringEquals",
        "kms:ViaService",
        text![service, ".", &inputs.region, ".amazonaws.com"],
    );
    m.add_if(
        &key.is_set(),
        RolePolicy::new(&format!("{local}_key"))
            .name("key")
            .role(role.id())
            .policy(Document::new([decrypt])),
    );
}
