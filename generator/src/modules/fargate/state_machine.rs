//! The state machine that carries an execution through, its role and its log.

use super::{Fargate, FargateInputs};
use super::{state_machine_run as run, state_machine_start as start, state_machine_states as to};
use crate::asl::Machine;
use crate::aws::iam::{Partition, Role, RolePolicy, RoleRef};
use crate::aws::logs::LogGroup;
use crate::aws::sfn::{Logging, StateMachine, StateMachineRef, Tracing};
use crate::hcl::prelude::*;
use crate::modules::rules;
use crate::skips;

/// What the definition needs to know of the module around it.
pub(super) struct Facts<M> {
    pub(super) partition: Expr<M, Text>,
    pub(super) table: Expr<M, Any>,
    pub(super) cluster: Expr<M, Arn>,
    pub(super) task_definition: Expr<M, Arn>,
    pub(super) subnet_ids: Expr<M, List<SubnetId>>,
    pub(super) security_group_id: Expr<M, SecurityGroupId>,
    pub(super) assign_public_ip: Expr<M, Bool>,
    /// How long an execution may take that names no limit, seconds.
    pub(super) max_duration_secs: Expr<M, Number>,
    /// How long what is known of a run lives, seconds.
    pub(super) row_life_secs: Expr<M, Number>,
    pub(super) allow_files: Expr<M, Bool>,
}

impl<M> Facts<M> {
    /// A service's call as Step Functions names it.
    pub(super) fn call(&self, name: &str) -> Expr<M, Any> {
        text!["arn:", &self.partition, ":states:::", name].any()
    }
}

/// The machine, for the module and for tests of its structure.
pub(super) fn machine<M>(facts: &Facts<M>) -> Machine<M> {
    let mut states = start::states(facts);
    states.extend(run::states(facts));
    Machine {
        comment: "Carries a workstream's execution through in as many runs of the worker as it takes.",
        start: to::READ_INPUT,
        states,
    }
}

/// What of the module the state machine and its role name.
pub(super) struct Around<'a> {
    pub(super) cluster: &'a crate::aws::ecs::ClusterRef<Fargate>,
    pub(super) task_definition: &'a crate::aws::ecs::TaskDefinitionRef<Fargate>,
    pub(super) execution: &'a RoleRef<Fargate>,
    pub(super) task: &'a RoleRef<Fargate>,
}

/// Adds the state machine.
pub(super) fn add(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
) -> StateMachineRef<Fargate> {
    m.file("state_machine.tf");
    let partition: Expr<Fargate, Text> = m.add(Partition::new("current")).partition().into();
    let account = around.cluster.arn().account();
    let prefix = m.local_because(
        "states_arn",
        "Of executions and of the machine itself, which its role names before it exists.",
        text!["arn:", &partition, ":states:", &inputs.region, ":", &account],
    );
    let logs = m.add(
        LogGroup::new("state_machine")
            .why("Under /aws/vendedlogs/, because every other group that a service delivers to takes a place in the account's one resource policy, which fills up. https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html")
            .skip(&skips::SHORT_RETENTION)
            .skip(&skips::LOG_KEY)
            .name(text!["/aws/vendedlogs/states/", &inputs.state_machine_name])
            .retention_in_days(&inputs.log_retention_in_days)
            .kms_key_id(&inputs.options.kms_key_arn),
    );
    let role = role(m, inputs, around, (&partition, &prefix));
    let facts = Facts {
        partition,
        table: inputs.connections_table_name.any(),
        cluster: around.cluster.arn(),
        task_definition: around.task_definition.arn(),
        subnet_ids: Expr::from(&inputs.subnet_ids),
        security_group_id: Expr::from(&inputs.worker_security_group_id),
        assign_public_ip: Expr::from(&inputs.assign_public_ip),
        max_duration_secs: Expr::from(&inputs.max_duration_secs),
        row_life_secs: inputs.log_retention_in_days.times(86_400),
        allow_files: Expr::from(&inputs.allow_file_repositories),
    };
    m.add(
        StateMachine::new("workstream")
            .why("Failures are logged, their data is not: a command or a reason can quote what a repository says. Who may read an execution's history finds it there for 90 days.")
            .skip(&skips::NO_EXECUTION_DATA)
            .name(&inputs.state_machine_name)
            .r#type("STANDARD")
            .role_arn(role.arn())
            .definition(machine(&facts).definition())
            .logging_configuration(
                Logging::default()
                    .level("ERROR")
                    .include_execution_data(false)
                    .log_destination(text![logs.arn(), ":*"]),
            )
            .tracing_configuration(Tracing::default().enabled(true)),
    )
}

fn role(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
    (partition, states): (&Expr<Fargate, Text>, &Expr<Fargate, Text>),
) -> RoleRef<Fargate> {
    let (cluster, name) = (around.cluster.arn(), &inputs.state_machine_name);
    let account = cluster.account();
    let trust = Statement::allow("Assume", &["sts:AssumeRole"])
        .by(Principal::Service("states.amazonaws.com"))
        .when("StringEquals", "aws:SourceAccount", &account)
        .when("ArnEquals", "aws:SourceArn", text![states, ":stateMachine:", name]);
    let role_name = rules::short(
        m,
        "state_machine_role",
        "A role's name has at most 64 characters, a state machine's 80.",
        name,
        64,
    );
    let role = m.add(
        Role::new("state_machine")
            .name(&role_name)
            .path(&inputs.options.role_path)
            .permissions_boundary(&inputs.permissions_boundary_arn)
            .assume_role_policy(Document::new([trust])),
    );
    let tasks = arn![func::replace(&cluster, ":cluster/", ":task/"), "/*"];
    let policy = Document::new([
        Statement::allow("RunTask", &["ecs:RunTask"])
            .on(arn![around.task_definition.arn_without_revision(), ":*"])
            .when("ArnEquals", "ecs:cluster", &cluster),
        Statement::allow("TagTask", &["ecs:TagResource"]).on(tasks.clone()).when(
            "StringEquals",
            "ecs:CreateAction",
            "RunTask",
        ),
        Statement::allow("FollowTask", &["ecs:DescribeTasks", "ecs:StopTask"]).on(tasks).when(
            "ArnEquals",
            "ecs:cluster",
            &cluster,
        ),
        Statement::allow(
            "HearOfTask",
            &["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        )
        .on(arn![
            "arn:",
            partition,
            ":events:",
            &inputs.region,
            ":",
            &account,
            ":rule/StepFunctionsGetEventsForECSTaskRule"
        ]),
        Statement::allow("GiveRoles", &["iam:PassRole"])
            .on(around.execution.arn())
            .on(around.task.arn())
            .when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
        Statement::allow(
            "Rows",
            &["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        )
        .on(&inputs.connections_table_arn)
        .when("ForAllValues:StringLike", "dynamodb:LeadingKeys", "WS#*"),
        Statement::allow("LookAtHolder", &["states:DescribeExecution"]).on(arn![
            states,
            ":execution:",
            name,
            ":*"
        ]),
        Statement::allow(
            "DeliverLogs",
            &[
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
        )
        .on_everything("CloudWatch knows no resource for log deliveries"),
        Statement::allow(
            "Trace",
            &[
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
        )
        .on_everything("X-Ray knows no resource for traces"),
    ]);
    m.add(
        RolePolicy::new("state_machine")
            .note(&policy.reasons())
            .name("state-machine")
            .role(role.id())
            .policy(policy),
    );
    super::watch::use_of_key(m, inputs, "state_machine", "dynamodb", &role);
    role
}

#[cfg(test)]
#[path = "state_machine_tests.rs"]
mod tests;
